//! Rows on their way into tables: a connection for each stream that is open, and others that make keys of tables that are full.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::io::BufRead;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::TrySendError;
use crossbeam_channel::bounded;
use crossbeam_channel::unbounded;

use super::door::Door;
use super::door::run;
use super::error::Error;
use super::error::doing;
use super::error::without_values;
use super::rows::NotRows;
use super::rows::Statements;
use super::rows::Tuples;
use super::table::Table;
use crate::base::parallel::Pool;
use crate::bundle::entry::Rows;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::layout;
use crate::server::mysql::layout::Column;
use crate::server::mysql::layout::Form;
use crate::server::mysql::sql;
use crate::sink::postgres::options::RowCheck;

/// Pieces of a stream that wait for its connection.
const PIECES_WAITING: usize = 2;

/// The largest part that is taken: what [`crate::bundle::entry::Collector::part`] is asked to give is a fraction of it.
const PIECE_BYTES_MAX: u64 = 256 << 20;

/// INSERT statements in one transaction: some ten megabytes, so that the log of the server stays small.
const STATEMENTS_TOGETHER: u32 = 32;

/// A table that is being filled.
pub(super) struct Filling {
    /// The staged database.
    pub(super) database: String,
    /// Its name.
    pub(super) table: String,
    /// For messages: the database by its name in the dump, and the table.
    pub(super) shown: String,
    /// The columns in the rows.
    pub(super) columns: Vec<Column>,
    /// Streams that have not ended.
    streams: AtomicUsize,
    /// What the streams that have ended held.
    rows: Mutex<Rows>,
    /// What makes the keys once all rows are in.
    keys: Vec<String>,
    /// The column that counts itself.
    counter: Option<String>,
    /// Columns whose numbers are those of their members.
    enumerations: BTreeSet<String>,
    /// What reads old versions of rows too, where the dump holds them.
    pub(super) history: &'static str,
    /// The first warning of the server while rows were loaded.
    warning: Mutex<Option<String>>,
    /// Whether the rows are read back, and so a warning is no reason to fail.
    read_back: bool,
}

impl Filling {
    pub(super) fn new(staged: &str, shown: String, table: &layout::Table, made: &Table, check: RowCheck) -> Self {
        Self {
            database: staged.to_owned(),
            table: table.name.clone(),
            shown,
            columns: table.columns.clone(),
            streams: AtomicUsize::new(table.streams.len()),
            rows: Mutex::default(),
            keys: made.add_keys(),
            counter: made.counter.clone(),
            enumerations: made.enumerations.clone(),
            history: made.history(&table.columns),
            warning: Mutex::default(),
            read_back: check == RowCheck::Fingerprint,
        }
    }

    /// The first warning of the server while rows were loaded.
    pub(super) fn warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a stream that has ended. Gives whether it was the last.
    fn end_stream(&self, rows: Option<&Rows>) -> bool {
        if let Some(rows) = rows {
            self.rows.lock().unwrap_or_else(PoisonError::into_inner).merge(rows);
        }
        self.streams.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// What all its streams held.
    pub(super) fn rows(&self) -> Rows {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all its streams came.
    pub(super) fn is_whole(&self) -> bool {
        self.streams.load(Ordering::Acquire) == 0
    }

    fn load_statement(&self) -> String {
        let (mut targets, mut set) = (Vec::new(), Vec::new());
        let is_set = |column: &Column| column.form == Form::Binary || self.enumerations.contains(&column.name);
        let sets = self.columns.iter().any(is_set);
        for (number, column) in self.columns.iter().enumerate() {
            let name = sql::name(&column.name);
            match column.form {
                Form::Number if self.enumerations.contains(&column.name) => {
                    targets.push(format!("@b{number}"));
                    set.push(format!("{name} = @b{number} + 0"));
                }
                // Beside a SET, a counter takes 0 for "the next number", whatever the mode of the session says.
                Form::Number if sets && self.counter.as_ref() == Some(&column.name) => {
                    targets.push(format!("@b{number}"));
                    set.push(format!("{name} = @b{number}"));
                }
                Form::Number | Form::Text => targets.push(name),
                Form::Binary => {
                    targets.push(format!("@b{number}"));
                    set.push(format!("{name} = UNHEX(SUBSTR(@b{number}, 3))"));
                }
            }
        }
        let set = if set.is_empty() {
            String::new()
        } else {
            format!(" SET {}", set.join(", "))
        };
        format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\\'' \
             ESCAPED BY '\\\\' LINES STARTING BY '(' TERMINATED BY '),\\n' ({}){set}",
            sql::qualified(&self.database, &self.table),
            targets.join(", "),
        )
    }
}

/// What goes to the connection of a stream.
enum Piece {
    Rows(Vec<u8>),
    End(Option<Rows>),
}

struct Job {
    table: Arc<Filling>,
    pieces: Receiver<Piece>,
}

/// What all threads share.
struct Shared {
    door: Door,
    /// Whether the server takes `LOAD DATA LOCAL`.
    by_file: bool,
    pool: Pool,
    failure: Mutex<Option<Error>>,
}

impl Shared {
    /// Keeps the first failure: the others follow from it.
    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.as_ref().is_none_or(|first| matches!(first, Error::Interrupted)) {
            *failure = Some(error);
        }
    }

    fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// The threads that load.
pub(super) struct Loader {
    shared: Arc<Shared>,
    connections: usize,
    work: Option<Sender<Job>>,
    take: Receiver<Job>,
    full: Option<Sender<Arc<Filling>>>,
    threads: Vec<JoinHandle<()>>,
    loading: usize,
    open: HashMap<String, Sender<Piece>>,
}

impl Loader {
    /// Loads over `connections` at most, and makes keys over `jobs`.
    pub(super) fn new(door: &Door, by_file: bool, connections: usize, jobs: usize) -> Self {
        let shared = Arc::new(Shared {
            door: door.clone(),
            by_file,
            pool: Pool::new(2 * connections + 2),
            failure: Mutex::default(),
        });
        let (work, take) = bounded(0);
        let (full, next) = unbounded::<Arc<Filling>>();
        let keys = |_| {
            let (shared, next) = (Arc::clone(&shared), next.clone());
            thread::spawn(move || make_keys(&shared, &next))
        };
        Self {
            threads: (0..jobs.max(1)).map(keys).collect(),
            connections: connections.max(1),
            work: Some(work),
            take,
            full: Some(full),
            loading: 0,
            open: HashMap::new(),
            shared,
        }
    }

    /// The next bytes of a stream.
    pub(super) fn part(
        &mut self,
        path: &str,
        table: &Arc<Filling>,
        size: u64,
        content: &mut dyn BufRead,
    ) -> Result<(), Error> {
        if size > PIECE_BYTES_MAX {
            return Err(Error::Dump(format!(
                "a part of {path} holds {size} bytes, more than {PIECE_BYTES_MAX}"
            )));
        }
        let mut piece = self.shared.pool.take();
        piece.clear();
        let _read = content.take(size).read_to_end(&mut piece).map_err(Error::Content)?;
        if piece.is_empty() {
            return Ok(());
        }
        self.give(path, table, Piece::Rows(piece))
    }

    /// The end of a stream.
    pub(super) fn end(&mut self, path: &str, table: &Arc<Filling>, rows: Option<Rows>) -> Result<(), Error> {
        if !self.open.contains_key(path) {
            // Without a row there is nothing to load.
            if rows.is_some_and(|rows| rows.count > 0) {
                return Err(Error::Dump(format!("{path} holds no rows")));
            }
            if table.end_stream(None) {
                let _unwanted = self.full.as_ref().map(|full| full.send(Arc::clone(table)));
            }
            return Ok(());
        }
        self.give(path, table, Piece::End(rows))?;
        let _closed = self.open.remove(path);
        Ok(())
    }

    fn give(&mut self, path: &str, table: &Arc<Filling>, piece: Piece) -> Result<(), Error> {
        if !self.open.contains_key(path) {
            let (give, pieces) = bounded(PIECES_WAITING);
            let table = Arc::clone(table);
            self.begin(Job { table, pieces })?;
            let _new = self.open.insert(path.to_owned(), give);
        }
        let sent = self.open.get(path).map(|stream| stream.send(piece));
        if matches!(sent, Some(Ok(()))) && !self.shared.has_failed() {
            return Ok(());
        }
        Err(self.failure())
    }

    /// Finds a thread for a stream: an idle one, a new one, or the first that has done.
    fn begin(&mut self, job: Job) -> Result<(), Error> {
        let work = self.work.clone().ok_or(Error::Interrupted)?;
        let job = match work.try_send(job) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => job,
        };
        if self.loading < self.connections {
            self.loading += 1;
            let (shared, take, full) = (Arc::clone(&self.shared), self.take.clone(), self.full.clone());
            self.threads
                .push(thread::spawn(move || load_streams(&shared, &take, full.as_ref())));
        } else if self.open.len() >= self.connections {
            let most = self.connections;
            return Err(Error::Dump(format!(
                "more than {most} streams are open at once, which is what the plan says"
            )));
        }
        work.send(job).map_err(|_| self.failure())
    }

    /// Waits until all rows are in, and all keys made.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if !self.open.is_empty() {
            return Err(Error::Dump("a stream of rows has no end".to_owned()));
        }
        self.stop();
        if self.shared.has_failed() {
            Err(self.failure())
        } else {
            Ok(())
        }
    }

    /// Breaks off the streams without an end, and takes no more.
    pub(super) fn abandon(&mut self) {
        self.open.clear();
        self.work = None;
        self.full = None;
    }

    /// Ends all threads.
    pub(super) fn stop(&mut self) {
        self.abandon();
        // Threads wait for work on a clone of this receiver, which ends with the sender.
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared
                    .fail(Error::Dump("a thread that loads rows panicked".to_owned()));
            }
        }
    }

    fn failure(&self) -> Error {
        let mut failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.replace(Error::Interrupted).unwrap_or(Error::Interrupted)
    }
}

/// One thread: stream after stream over one connection.
fn load_streams(shared: &Shared, work: &Receiver<Job>, full: Option<&Sender<Arc<Filling>>>) {
    let mut connection = None;
    for job in work {
        match load_stream(shared, &mut connection, &job) {
            // When nobody makes keys any more, the restore has failed.
            Ok(rows) if job.table.end_stream(rows.as_ref()) => {
                let _unwanted = full.map(|full| full.send(Arc::clone(&job.table)));
            }
            Ok(_) => {}
            Err(error) => {
                shared.fail(error);
                connection = None;
            }
        }
    }
}

fn load_stream(shared: &Shared, connection: &mut Option<Connection>, job: &Job) -> Result<Option<Rows>, Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(shared.door.open()?),
    };
    // A table all of whose columns are generated has rows, and nothing to load.
    let by_file = shared.by_file && !job.table.columns.is_empty();
    let loaded = if by_file {
        by_file_into(shared, connection, job)?
    } else {
        by_statements_into(shared, connection, job)?
    };
    let differs = |what: String| Error::Check {
        table: job.table.shown.clone(),
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

/// The rows as the local file of one LOAD DATA.
fn by_file_into(shared: &Shared, connection: &mut Connection, job: &Job) -> Result<Loaded, Error> {
    let (mut tuples, mut end) = (Tuples::default(), None);
    let done = connection.load::<Broken>(job.table.load_statement(), |send| {
        for piece in &job.pieces {
            match piece {
                Piece::Rows(piece) => shared.pool.give(tuples.take::<Broken>(piece, |rows| Ok(send(rows)?))?),
                Piece::End(rows) => {
                    end = Some(rows);
                    return if tuples.is_cut() { Err(Broken::NotRows) } else { Ok(()) };
                }
            }
        }
        Err(Broken::Interrupted)
    });
    let done = done.map_err(|broken| broken.named(&job.table.shown))?;
    take_warnings(connection, &job.table, done.warnings)?;
    Ok(Loaded {
        sent: tuples.count,
        taken: done.affected,
        rows: end.flatten(),
    })
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
    *table.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    Ok(())
}

/// The INSERT statements as they are, some in one transaction.
fn by_statements_into(shared: &Shared, connection: &mut Connection, job: &Job) -> Result<Loaded, Error> {
    let table = &job.table.shown;
    let _warnings = run(connection, &format!("USE {}", sql::name(&job.table.database)))?;
    let (mut statements, mut taken, mut together) = (Statements::default(), 0, 0);
    for piece in &job.pieces {
        match piece {
            Piece::Rows(piece) => {
                let lines = statements.take::<Broken>(piece, |statement| {
                    if together == 0 {
                        let _done = connection.run("START TRANSACTION")?;
                    }
                    let done = connection.run(statement)?;
                    taken += done.affected;
                    take_warnings(connection, &job.table, done.warnings)?;
                    together += 1;
                    if together == STATEMENTS_TOGETHER {
                        let _done = connection.run("COMMIT")?;
                        together = 0;
                    }
                    Ok(())
                });
                shared.pool.give(lines.map_err(|broken| broken.named(table))?);
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

/// One thread: makes the keys of table after table.
fn make_keys(shared: &Shared, full: &Receiver<Arc<Filling>>) {
    let mut connection = None;
    for table in full {
        if shared.has_failed() || table.keys.is_empty() {
            continue;
        }
        if let Err(error) = make_keys_of(shared, &mut connection, &table) {
            shared.fail(error);
            connection = None;
        }
    }
}

fn make_keys_of(shared: &Shared, connection: &mut Option<Connection>, table: &Filling) -> Result<(), Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(shared.door.open()?),
    };
    let _warnings = run(connection, &format!("USE {}", sql::name(&table.database)))?;
    for statement in &table.keys {
        let _warnings = run(connection, statement)?;
    }
    Ok(())
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop();
    }
}
