//! One connection: statements in, rows out. `mysql_async` in its text protocol, behind a blocking face.

use std::cell::Cell;
use std::future::Future as _;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::Either;
use futures_util::future::select;
use futures_util::stream;
use mysql_async::Conn;
use mysql_async::Value;
use mysql_async::prelude::Queryable as _;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::error::Error;
use super::layout::Product;
use super::login;
use super::options::Options;
use super::sql;
use super::waiting::Waiting;
use crate::base::cancel::Cancel;

/// The buffer that the library reads into begins at 8 KiB, and stays as large as the largest packet made it: with room for many
/// rows, each read of the system brings more of them.
const ROOMY: &str = "SELECT REPEAT('x', 131072)";
/// What goes to the library at once.
const PIECE_BYTES: usize = 64 << 10;

const NOT_ASKED: &str = "the server does not ask for the rows";
const EARLY: &str = "the rows are answered before their end";

/// How long the last words to a server may take.
const FAREWELL: Duration = Duration::from_millis(250);

/// Which server it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Who made it.
    pub product: Product,
    /// `@@version`: `10.11.19-MariaDB-0+deb12u1`.
    pub text: String,
    /// Its first three numbers.
    pub numbers: (u32, u32, u32),
}

impl Version {
    fn parse(text: &str) -> Self {
        let product = if text.to_ascii_lowercase().contains("mariadb") {
            Product::Mariadb
        } else {
            Product::Mysql
        };
        let mut numbers = text
            .split(|sign: char| !sign.is_ascii_digit())
            .map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let numbers = (next(), next(), next());
        let text = text.to_owned();
        Self { product, text, numbers }
    }

    /// Whether it is MariaDB.
    #[must_use]
    pub fn is_mariadb(&self) -> bool {
        self.product == Product::Mariadb
    }
}

/// A session on a server, with the settings of [`sql::SESSION`].
pub struct Connection {
    /// Taken at the end only.
    conn: Option<Conn>,
    waiting: Waiting,
    version: Version,
    is_tls: bool,
    /// A result was left unread, or the connection broke: nothing more can be asked.
    spent: bool,
}

/// What a statement did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows that it changed.
    pub affected: u64,
    /// Warnings that it left, for SHOW WARNINGS.
    pub warnings: u16,
}

impl Done {
    fn of(conn: &Conn) -> Self {
        Self {
            affected: conn.affected_rows(),
            warnings: conn.get_warnings(),
        }
    }
}

/// One row of the text protocol: what the server prints of each value.
pub struct Row<'r>(&'r mysql_async::Row);

impl<'r> Row<'r> {
    /// The cell of a column, counted from 0; none for NULL.
    ///
    /// # Errors
    /// When the row has no such cell.
    pub fn cell(&self, number: usize) -> Result<Option<&'r [u8]>, Error> {
        match self.0.as_ref(number) {
            Some(Value::Bytes(octets)) => Ok(Some(octets)),
            Some(Value::NULL) => Ok(None),
            Some(_) => Err(Error::Protocol("a cell is not text")),
            None => Err(Error::Protocol("a row has too few cells")),
        }
    }

    /// How many cells it has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.len()
    }
}

impl Connection {
    /// Connects, logs in and makes the settings of [`sql::SESSION`]. While it waits, then and later, `cancel` is asked.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn open(options: &Options, cancel: &Cancel) -> Result<Self, Error> {
        let waiting = Waiting::new(cancel).map_err(|error| Error::Connect {
            server: options.server(),
            reason: error.to_string(),
        })?;
        let login::Login { conn, is_tls } = waiting.until(login::login(options))?;
        let mut connection = Self {
            conn: Some(conn),
            waiting,
            version: Version::parse(""),
            is_tls,
            spent: false,
        };
        for statement in sql::SESSION {
            let _done = connection.run(statement)?;
        }
        let version = connection.value("SELECT VERSION()")?.unwrap_or_default();
        connection.version = Version::parse(&version);
        let unlimited = if connection.version.is_mariadb() {
            "SET SESSION max_statement_time = 0"
        } else {
            "SET SESSION max_execution_time = 0"
        };
        let _done = connection.run(unlimited)?;
        let _done = connection.run(ROOMY)?;
        Ok(connection)
    }

    /// The server.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// What KILL calls this connection.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.conn.as_ref().map_or(0, Conn::id)
    }

    /// Whether what is said on it is encrypted by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Gives a second reason to stop waiting: the work that the connection belongs to has ended.
    pub fn stop_when(&mut self, ended: Cancel) {
        self.waiting.stop_when(ended);
    }

    /// Runs one statement whose rows, if any, are of no interest. Any octets: a statement need not be UTF-8.
    ///
    /// # Errors
    /// What the server reports.
    pub fn run(&mut self, statement: impl AsRef<[u8]>) -> Result<Done, Error> {
        self.each(statement, |_| Ok(()))
    }

    /// Asks for rows, and gives them to `take` one by one, as they come.
    ///
    /// When `take` fails, the connection is broken off: nobody reads the other rows.
    ///
    /// # Errors
    /// What the server reports, and what `take` reports.
    pub fn each<E: From<Error>>(
        &mut self,
        statement: impl AsRef<[u8]>,
        mut take: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<Done, E> {
        let (conn, waiting) = begin(&mut self.conn, &self.waiting, &mut self.spent)?;
        let (failure, has_failed) = (Cell::new(None), Cell::new(false));
        let read = async {
            let mut result = conn.query_iter(statement.as_ref()).await?;
            let each = |row: mysql_async::Row| {
                if !has_failed.get()
                    && let Err(error) = take(Row(&row))
                {
                    has_failed.set(true);
                    failure.set(Some(error));
                }
            };
            result.for_each(each).await?;
            result.drop_result().await
        };
        let outcome = waiting.until(async {
            let mut read = pin!(read);
            // Once the taker has failed, the rest of the rows is left where it is.
            poll_fn(|context| match read.as_mut().poll(context) {
                Poll::Pending if has_failed.get() => Poll::Ready(Ok(())),
                answer @ (Poll::Ready(_) | Poll::Pending) => answer,
            })
            .await
            .map_err(Error::from)
        });
        if let Some(error) = failure.take() {
            return Err(error);
        }
        self.settle(outcome).map_err(E::from)
    }

    /// Runs `LOAD DATA LOCAL`, whose file is what `content` gives, piece by piece, until it gives none.
    ///
    /// When `content` fails, the connection is broken off: the server must not take half a file for a whole one.
    ///
    /// # Errors
    /// What the server reports, and what `content` reports.
    pub fn load<E: From<Error>>(
        &mut self,
        statement: impl AsRef<[u8]>,
        content: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), E>,
    ) -> Result<Done, E> {
        let (conn, waiting) = begin(&mut self.conn, &self.waiting, &mut self.spent)?;
        let (give, pieces) = mpsc::channel::<Vec<u8>>(1);
        let (asks, is_asked) = oneshot::channel();
        conn.set_infile_handler(async move {
            let _nobody_listens = asks.send(());
            let next = |mut pieces: mpsc::Receiver<Vec<u8>>| async {
                let piece = pieces.recv().await?;
                Some((io::Result::Ok(piece.into()), pieces))
            };
            Ok(stream::unfold(pieces, next).boxed())
        });
        let mut query = conn.query_drop(statement.as_ref());
        let asked = waiting.until(async {
            Ok::<_, Error>(match select(query.as_mut(), is_asked).await {
                Either::Left((done, _)) => Some(done),
                Either::Right(_) => None,
            })
        });
        let asked = asked?;
        if let Some(answer) = asked {
            drop(query);
            let answer = answer.map_err(Error::from);
            return Err(self.settle(answer).err().unwrap_or(Error::Protocol(NOT_ASKED)).into());
        }
        content(&mut |bytes| {
            for piece in bytes.chunks(PIECE_BYTES) {
                let sent = waiting.until(async {
                    let send = pin!(give.send(piece.to_vec()));
                    Ok::<_, Error>(match select(query.as_mut(), send).await {
                        Either::Left((answer, _)) => Some(answer),
                        Either::Right(_) => None,
                    })
                })?;
                if let Some(answer) = sent {
                    return Err(answer.err().map_or(Error::Protocol(EARLY), Error::from));
                }
            }
            Ok(())
        })?;
        drop(give);
        let outcome = waiting.until(async { query.await.map_err(Error::from) });
        self.settle(outcome).map_err(E::from)
    }

    /// Whether the connection can be used on, after what became of a statement.
    fn settle(&mut self, outcome: Result<(), Error>) -> Result<Done, Error> {
        self.spent = !matches!(outcome, Ok(()) | Err(Error::Server { .. }));
        outcome.map(|()| self.conn.as_ref().map(Done::of).unwrap_or_default())
    }

    /// All rows of a query that gives few.
    ///
    /// # Errors
    /// What the server reports; and text that is not UTF-8.
    pub fn table(&mut self, statement: impl AsRef<[u8]>) -> Result<Vec<Vec<Option<String>>>, Error> {
        let mut table = Vec::new();
        let _done = self.each(statement, |row| {
            let cells = (0..row.width()).map(|number| {
                let text = row.cell(number)?.map(|octets| String::from_utf8(octets.to_vec()));
                text.transpose().map_err(|_| Error::Protocol("text is not UTF-8"))
            });
            table.push(cells.collect::<Result<Vec<_>, Error>>()?);
            Ok::<_, Error>(())
        })?;
        Ok(table)
    }

    /// The first cell of the first row, where there is one.
    ///
    /// # Errors
    /// As for [`Self::table`].
    pub fn value(&mut self, statement: impl AsRef<[u8]>) -> Result<Option<String>, Error> {
        let mut rows = self.table(statement)?.into_iter();
        Ok(rows.next().and_then(|row| row.into_iter().next()).flatten())
    }
}

/// Begins a statement: until it is settled, the connection is spent.
fn begin<'c>(
    conn: &'c mut Option<Conn>,
    waiting: &'c Waiting,
    spent: &mut bool,
) -> Result<(&'c mut Conn, &'c Waiting), Error> {
    match conn {
        Some(conn) if !*spent => {
            *spent = true;
            Ok((conn, waiting))
        }
        Some(_) | None => Err(Error::Protocol("the connection is spent")),
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Politeness: without it the server counts an aborted client.
        if let Some(conn) = self.conn.take()
            && !self.spent
        {
            self.waiting.at_most(FAREWELL, async {
                let _gone_already = conn.disconnect().await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Product;
    use super::Version;

    #[test]
    fn versions_are_read() {
        let maria = Version::parse("10.11.19-MariaDB-0+deb12u1-log");
        assert_eq!((maria.product, maria.numbers), (Product::Mariadb, (10, 11, 19)));
        let mysql = Version::parse("9.7.4-0ubuntu1");
        assert_eq!((mysql.product, mysql.numbers), (Product::Mysql, (9, 7, 4)));
    }
}
