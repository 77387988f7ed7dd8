//! Rows on their way into tables: a connection for each stream that is open, and others that make keys of tables that are full.

use std::collections::HashMap;
use std::io::BufRead;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
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
use super::filling::Filling;
use super::streaming::Piece;
use super::streaming::Streaming;
use crate::base::parallel::Pool;
use crate::bundle::entry::Rows;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::sql;

/// Pieces of a stream that wait for its connection.
const PIECES_WAITING: usize = 2;

/// The largest part that is taken: what [`crate::bundle::entry::Collector::part`] is asked to give is a fraction of it.
const PIECE_BYTES_MAX: u64 = 256 << 20;

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
    let streaming = Streaming {
        table: &job.table,
        pieces: &job.pieces,
        pool: &shared.pool,
    };
    streaming.load(connection, shared.by_file)
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
