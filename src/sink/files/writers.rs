//! Threads that create small files, a batch at a time: the calling thread reads on meanwhile.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;

use super::super::Error;
use super::fill;
use super::maker::Maker;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Extent;
use crate::bundle::path::EntryPath;

/// Content up to this length is handed to a writer; more is written by the calling thread.
pub(super) const SMALL_BYTES: u64 = 1 << 20;

/// A batch goes out when it holds this many files or bytes. One hand-over costs about as much as creating one file.
const BATCH_FILES: usize = 32;
const BATCH_BYTES: usize = 256 << 10;
/// Or when it holds so many folders open.
const BATCH_FOLDERS: usize = 8;

/// More threads than this only wait for each other in the file system, and their batches hold too many folders open.
const JOBS_MAX: usize = 32;

/// One file to create.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) folder: Arc<OwnedFd>,
    pub(super) path: EntryPath,
    pub(super) attributes: Attributes,
    pub(super) size: u64,
    pub(super) extents: Option<Vec<Extent>>,
}

/// Files with their content, joined.
#[derive(Debug, Default)]
struct Batch {
    tasks: Vec<(Task, Range<usize>)>,
    bytes: Vec<u8>,
    folders: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.tasks.len() >= BATCH_FILES || self.bytes.len() >= BATCH_BYTES || self.folders >= BATCH_FOLDERS
    }

    fn clear(&mut self) {
        self.tasks.clear();
        self.bytes.clear();
        self.folders = 0;
    }
}

/// A batch that was worked on comes back empty, for the next files.
type Done = (Batch, Result<(), Error>);

/// The threads, and the batch that is being filled.
#[derive(Debug)]
pub(super) struct Writers {
    filling: Batch,
    spare: Vec<Batch>,
    queue: Option<Sender<Batch>>,
    done: Receiver<Done>,
    in_flight: usize,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Starts `jobs` threads, at least one and at most `JOBS_MAX`.
    /// Memory: twice `jobs` and one batches of at most `BATCH_BYTES` + `SMALL_BYTES`.
    pub(super) fn start(jobs: usize, maker: &Arc<Maker>) -> io::Result<Self> {
        let jobs = jobs.clamp(1, JOBS_MAX);
        let (queue, tasks) = crossbeam_channel::bounded(jobs);
        let (report, done) = crossbeam_channel::unbounded();
        let mut writers = Self {
            filling: Batch::default(),
            spare: Vec::new(),
            queue: Some(queue),
            done,
            in_flight: 0,
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..jobs {
            let (tasks, report) = (Receiver::clone(&tasks), Sender::clone(&report));
            let (maker, stop) = (Arc::clone(maker), Arc::clone(&writers.stop));
            let run = move || work(&tasks, &report, &maker, &stop);
            writers
                .threads
                .push(thread::Builder::new().name("restore".into()).spawn(run)?);
        }
        Ok(writers)
    }

    /// Takes a file; `content` appends its stored bytes. An error may be one of an earlier file.
    pub(super) fn add(
        &mut self,
        task: Task,
        content: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let begin = self.filling.bytes.len();
        content(&mut self.filling.bytes)?;
        let range = begin..self.filling.bytes.len();
        let last = self.filling.tasks.last();
        if last.is_none_or(|(last, _)| !Arc::ptr_eq(&last.folder, &task.folder)) {
            self.filling.folders += 1;
        }
        self.filling.tasks.push((task, range));
        if self.filling.is_full() {
            self.hand_over()
        } else {
            Ok(())
        }
    }

    /// Waits until every file that was taken is written.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        self.hand_over()?;
        while self.in_flight > 0 {
            let done = self.done.recv().expect("writers run as long as the queue is open");
            self.take_back(done)?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        while let Ok(done) = self.done.try_recv() {
            self.take_back(done)?;
        }
        if self.filling.tasks.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.filling, self.spare.pop().unwrap_or_default());
        let queue = self.queue.as_ref().expect("open until the drop");
        queue.send(batch).expect("writers run as long as the queue is open");
        self.in_flight += 1;
        Ok(())
    }

    fn take_back(&mut self, (batch, result): Done) -> Result<(), Error> {
        self.in_flight -= 1;
        self.spare.push(batch);
        result
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            // A panic was caught and reported as an error.
            drop(thread.join());
        }
    }
}

fn work(tasks: &Receiver<Batch>, report: &Sender<Done>, maker: &Maker, stop: &AtomicBool) {
    for mut batch in tasks {
        let write = || {
            batch.tasks.iter().try_for_each(|(task, range)| {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                write(task, &batch.bytes[range.clone()], maker)
            })
        };
        let result = catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(|_| {
            let first = batch.tasks.first().expect("no empty batch is handed over");
            Err(maker.write_error(&first.0.path, io::Error::other("a writer panicked")))
        });
        batch.clear();
        if report.send((batch, result)).is_err() {
            return;
        }
    }
}

fn write(task: &Task, bytes: &[u8], maker: &Maker) -> Result<(), Error> {
    let name = super::folders::split(task.path.as_bytes()).1;
    let (file, mode) = maker.create(task.folder.as_fd(), name, &task.path, &task.attributes)?;
    let filled = match task.extents {
        Some(_) => file.set_len(task.size),
        None => Ok(()),
    };
    filled
        .and_then(|()| fill::from_bytes(&file, task.extents.as_deref(), bytes))
        .map_err(|source| maker.write_error(&task.path, source))?;
    maker.finish(file.as_fd(), &task.path, &task.attributes, Some(mode))
}
