//! One stream into one table: as the local file of a LOAD DATA, or statement by statement.

use crossbeam_channel::Receiver;

use super::door::run;
use super::error::Error;
use super::error::doing;
use super::error::without_values;
use super::filling::Filling;
use super::octets;
use super::rows::NotRows;
use super::rows::Statements;
use super::rows::Tuples;
use crate::base::parallel::Pool;
use crate::bundle::entry::Rows;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::sql;

/// INSERT statements in one transaction: some ten megabytes, so that the log of the server stays small.
const STATEMENTS_TOGETHER: u32 = 32;

/// What goes to the connection of a stream.
pub(super) enum Piece {
    Rows(Vec<u8>),
    End(Option<Rows>),
}

/// Where a stream goes.
pub(super) struct Streaming<'s> {
    /// Its table.
    pub(super) table: &'s Filling,
    /// What it holds.
    pub(super) pieces: &'s Receiver<Piece>,
    /// Where buffers go back to.
    pub(super) pool: &'s Pool,
}

impl Streaming<'_> {
    /// Loads the stream, and gives what it said it holds. `by_file` says whether the server takes `LOAD DATA LOCAL`.
    ///
    /// # Errors
    /// What the server reports, and when it took other rows than were sent.
    pub(super) fn load(&self, connection: &mut Connection, by_file: bool) -> Result<Option<Rows>, Error> {
        // A table all of whose columns are generated has rows, and nothing to load.
        let loaded = if by_file && !self.table.columns.is_empty() {
            self.by_file(connection)?
        } else {
            self.by_statements(connection)?
        };
        let differs = |what: String| Error::Check {
            table: self.table.shown.clone(),
            reason: what,
        };
        if loaded.taken != loaded.sent {
            return Err(differs(format!(
                "the server took {} of {} rows",
                loaded.taken, loaded.sent
            )));
        }
        match &loaded.rows {
            Some(rows) if rows.count != loaded.sent => Err(differs(format!(
                "a stream says {} rows and holds {}",
                rows.count, loaded.sent
            ))),
            Some(_) | None => Ok(loaded.rows),
        }
    }

    /// The rows as the local file of one LOAD DATA.
    fn by_file(&self, connection: &mut Connection) -> Result<Loaded, Error> {
        let table = self.table;
        let statement = table.load_statement(&table.texts(connection)?);
        let (mut tuples, mut end) = (Tuples::default(), None);
        let (has_octets, mut raw) = (table.has_octets(), Vec::new());
        let done = connection.load::<Broken>(statement, |send| {
            for piece in self.pieces {
                match piece {
                    Piece::Rows(piece) => {
                        let piece = tuples.take::<Broken>(piece, |rows| {
                            if !has_octets {
                                return Ok(send(rows)?);
                            }
                            raw.clear();
                            octets::raw(rows, &mut raw)?;
                            Ok(send(&raw)?)
                        });
                        self.pool.give(piece?);
                    }
                    Piece::End(rows) => {
                        end = Some(rows);
                        return if tuples.is_cut() { Err(Broken::NotRows) } else { Ok(()) };
                    }
                }
            }
            Err(Broken::Interrupted)
        });
        let done = done.map_err(|broken| broken.named(&table.shown))?;
        take_warnings(connection, table, done.warnings)?;
        Ok(Loaded {
            sent: tuples.count,
            taken: done.affected,
            rows: end.flatten(),
        })
    }

    /// The INSERT statements as they are, some in one transaction.
    fn by_statements(&self, connection: &mut Connection) -> Result<Loaded, Error> {
        let table = &self.table.shown;
        let _warnings = run(connection, &format!("USE {}", sql::name(&self.table.database)))?;
        let (mut statements, mut taken, mut together) = (Statements::default(), 0, 0);
        for piece in self.pieces {
            match piece {
                Piece::Rows(piece) => {
                    let lines = statements.take::<Broken>(piece, |statement| {
                        if together == 0 {
                            let _done = connection.run("START TRANSACTION")?;
                        }
                        let done = connection.run(statement)?;
                        taken += done.affected;
                        take_warnings(connection, self.table, done.warnings)?;
                        together += 1;
                        if together == STATEMENTS_TOGETHER {
                            let _done = connection.run("COMMIT")?;
                            together = 0;
                        }
                        Ok(())
                    });
                    self.pool.give(lines.map_err(|broken| broken.named(table))?);
                }
                Piece::End(_) if statements.is_cut() => return Err(Broken::NotRows.named(table)),
                Piece::End(rows) => {
                    let _warnings = run(connection, "COMMIT")?;
                    let sent = statements.count;
                    return Ok(Loaded { sent, taken, rows });
                }
            }
        }
        Err(Error::Interrupted)
    }
}

/// What became of a stream.
struct Loaded {
    sent: u64,
    taken: u64,
    rows: Option<Rows>,
}

/// A stream inside of a statement: what breaks it off.
enum Broken {
    Server(crate::server::mysql::error::Error),
    Other(Error),
    NotRows,
    /// The stream ended without its end: whoever gave it says why.
    Interrupted,
}

impl From<crate::server::mysql::error::Error> for Broken {
    fn from(error: crate::server::mysql::error::Error) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<NotRows> for Broken {
    fn from(_: NotRows) -> Self {
        Self::NotRows
    }
}

impl Broken {
    fn named(self, table: &str) -> Error {
        match self {
            Self::Server(error) => doing(&format!("loading rows into {table}"))(error),
            Self::Other(error) => error,
            Self::NotRows => Error::Dump(format!("the rows of {table}: {NotRows}")),
            Self::Interrupted => Error::Interrupted,
        }
    }
}

/// With LOCAL, what would be an error is a warning, and the row is altered. So a warning is only let pass when the rows are read back:
/// some values cannot be written without one, such as the error value of an enumeration.
fn take_warnings(connection: &mut Connection, table: &Filling, warnings: u16) -> Result<(), Error> {
    if warnings == 0 || table.warning().is_some() {
        return Ok(());
    }
    let shown = connection
        .table("SHOW WARNINGS LIMIT 3")
        .map_err(doing("SHOW WARNINGS"))?;
    let words = shown.into_iter().map(|row| {
        let cell = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        without_values(cell(1).parse().unwrap_or(0), &cell(2))
    });
    let words: Vec<String> = words.collect();
    let reason = format!("the server warned {warnings} times: {}", words.join("; "));
    if !table.read_back {
        let what = format!("loading rows into {}", table.shown);
        return Err(Error::Server {
            what,
            reason,
            hint: None,
        });
    }
    table.warn(reason);
    Ok(())
}
