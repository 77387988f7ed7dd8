//! Rows of several tables at once: each connection reads one stream after the other, and hands its text to the thread that collects.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;

use super::format::Formatter;
use super::subject::Subject;
use super::tasks::Task;
use crate::base::cancel::Cancel;
use crate::base::parallel::Pool;
use crate::bundle::entry::Collector;
use crate::bundle::entry::OpenStream;
use crate::bundle::entry::Rows;
use crate::bundle::path::EntryPath;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::error::Error as ServerError;
use crate::source::Error;

/// Text that is handed on at once.
const PIECE_BYTES: usize = 512 << 10;
/// Room for the row that fills a piece.
const PIECE_ROOM: usize = PIECE_BYTES + (16 << 10);
/// A buffer that one long row made larger than this is not kept.
const BUFFER_KEPT: usize = 2 * PIECE_BYTES;
/// How often the collecting thread asks whether to stop.
const TICK: Duration = Duration::from_millis(250);
/// Permission bits of the streams: a dump is for its owner alone.
pub(super) const MODE: u32 = 0o600;

enum Message {
    Piece(usize, Vec<u8>),
    End(usize, Rows),
    Failed(Error),
}

/// What a thread that reads knows.
struct Reading<'r> {
    subject: &'r Subject,
    queue: &'r Mutex<VecDeque<(usize, Task)>>,
    send: Sender<Message>,
    pool: Pool,
}

/// Reads all `tasks` over `workers` and gives them to `collector`.
pub(super) fn run(
    subject: &Subject,
    workers: &mut [Connection],
    tasks: Vec<Task>,
    collector: &mut dyn Collector,
    cancel: &Cancel,
) -> Result<(), Error> {
    let paths: Vec<String> = tasks.iter().map(|task| task.path.clone()).collect();
    let queue = Mutex::new(tasks.into_iter().enumerate().collect());
    let ended = Cancel::new();
    let pool = Pool::new(2 * workers.len() + 1);
    let (send, receive) = bounded(2 * workers.len());
    thread::scope(|scope| {
        for worker in workers {
            worker.stop_when(ended.clone());
            let reading = Reading {
                subject,
                queue: &queue,
                send: send.clone(),
                pool: pool.clone(),
            };
            let _handle = scope.spawn(move || reading.run(worker));
        }
        drop(send);
        let gathered = gather(subject, &receive, &pool, &paths, collector, cancel);
        // Whoever still waits for the server or for room ends now.
        if gathered.is_err() {
            ended.set();
        }
        drop(receive);
        gathered
    })
}

fn gather(
    subject: &Subject,
    receive: &Receiver<Message>,
    pool: &Pool,
    paths: &[String],
    collector: &mut dyn Collector,
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut open: BTreeMap<usize, OpenStream> = BTreeMap::new();
    let failed = |error| subject.collect(error);
    let mut ended = 0;
    loop {
        let message = match receive.recv_timeout(TICK) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => {
                cancel.check().map_err(|error| failed(error.into()))?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        match message {
            Message::Piece(number, piece) => {
                let stream = match open.entry(number) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(OpenStream::new(path(subject, &paths[number])?, MODE))
                    }
                };
                collector.part(stream, &piece).map_err(failed)?;
                if piece.capacity() <= BUFFER_KEPT {
                    pool.give(piece);
                }
            }
            Message::End(number, rows) => {
                let stream = match open.remove(&number) {
                    Some(stream) => stream,
                    None => OpenStream::new(path(subject, &paths[number])?, MODE),
                };
                let _length = collector.end(stream, Some(rows)).map_err(failed)?;
                ended += 1;
            }
            Message::Failed(error) => return Err(error),
        }
    }
    if ended == paths.len() {
        Ok(())
    } else {
        Err(subject.incomplete("a reading thread ended early", "This is a defect; please report it."))
    }
}

/// A path below the label.
pub(super) fn path(subject: &Subject, below: &str) -> Result<EntryPath, Error> {
    EntryPath::of_label(&subject.label)
        .join(Path::new(below))
        .map_err(|bad| subject.unsupported(bad.to_string(), "Give the database a shorter name."))
}

/// The one who collects has stopped; it knows why.
struct Stopped;

/// What breaks off a query.
enum Broken {
    Server(ServerError),
    Stopped,
}

impl From<ServerError> for Broken {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl Reading<'_> {
    fn run(&self, worker: &mut Connection) {
        loop {
            let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((number, task)) = next else { return };
            let failure = match self.read(worker, number, &task) {
                Ok(Ok(())) => continue,
                Ok(Err(Stopped)) => return,
                Err(error) => self.subject.reading(&task.what, &error),
            };
            let _unwanted = self.send.send(Message::Failed(failure));
            return;
        }
    }

    /// Reads one stream. The savepoint gives back the lock on the table's definition, which others may wait for.
    fn read(&self, worker: &mut Connection, number: usize, task: &Task) -> Result<Result<(), Stopped>, ServerError> {
        let columns: Vec<_> = task.columns.iter().map(|(name, form)| (name.as_str(), *form)).collect();
        let mut formatter = Formatter::new(&task.table, &columns);
        let _done = worker.run("SAVEPOINT hub_backup")?;
        let mut out = self.buffer();
        let done = worker.each(&task.select, |row| {
            formatter.row(&row, &mut out)?;
            if out.len() < PIECE_BYTES {
                return Ok(());
            }
            let piece = std::mem::replace(&mut out, self.buffer());
            let sent = self.send.send(Message::Piece(number, piece));
            sent.map_err(|_| Broken::Stopped)
        });
        let done = match done {
            Ok(done) => done,
            Err(Broken::Stopped) => return Ok(Err(Stopped)),
            Err(Broken::Server(error)) => return Err(error),
        };
        if done.warnings > 0 {
            return Err(first_warning(worker)?);
        }
        let count = formatter.finish(&mut out);
        let _done = worker.run("ROLLBACK TO SAVEPOINT hub_backup")?;
        let last = if out.is_empty() {
            None
        } else {
            Some(Message::Piece(number, out))
        };
        for message in last.into_iter().chain([Message::End(number, count)]) {
            if self.send.send(message).is_err() {
                return Ok(Err(Stopped));
            }
        }
        Ok(Ok(()))
    }

    fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.pool.take();
        buffer.clear();
        buffer.reserve(PIECE_ROOM);
        buffer
    }
}

/// What the server warns of while rows are read is a value that is not what is stored.
fn first_warning(worker: &mut Connection) -> Result<ServerError, ServerError> {
    let rows = worker.table("SHOW WARNINGS LIMIT 1")?;
    let row = rows.into_iter().next().unwrap_or_default();
    let mut cells = row.into_iter().skip(1).flatten();
    Ok(ServerError::Server {
        code: cells.next().and_then(|code| code.parse().ok()).unwrap_or_default(),
        state: "01000".into(),
        message: cells.next().unwrap_or_default(),
    })
}
