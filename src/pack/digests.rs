//! Digests of contents, computed on a thread of its own while the contents go on to their target.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;

use crate::base::digest::Digest;
use crate::base::digest::Hasher;
use crate::base::parallel::Stopped;
use crate::base::shared::Slice;
use crate::bundle::path::EntryPath;

/// Steps are handed over when they are so many, or of so many bytes: small files cost little more than their bytes.
const BATCH_STEPS: usize = 256;
const BATCH_BYTES: usize = 256 << 10;

/// A content differs from its digest in the index.
#[derive(Debug, thiserror::Error)]
#[error("the content of {path} has the digest {actual}, and the index says {expected}")]
pub struct Mismatch {
    /// The entry.
    pub path: EntryPath,
    /// What the index says.
    pub expected: Digest,
    /// What was read.
    pub actual: Digest,
}

/// Names one content among those that are being hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ContentId(u64);

enum Step {
    Bytes(ContentId, Slice),
    Zeros(ContentId, u64),
    Check(ContentId, EntryPath, Digest),
}

/// Hashes contents, several at once, and compares each with what the index says of it.
pub(super) struct Digests {
    next: u64,
    batch: Vec<Step>,
    bytes: usize,
    queue: Option<Sender<Vec<Step>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Mismatch>>>,
}

impl Digests {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let (queue, take) = bounded(1);
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("digests".into())
            .spawn(move || work(&take, &stopped))?;
        Ok(Self {
            next: 0,
            batch: Vec::new(),
            bytes: 0,
            queue: Some(queue),
            stop,
            thread: Some(thread),
        })
    }

    /// A new content, empty yet.
    pub(super) fn content(&mut self) -> ContentId {
        self.next += 1;
        ContentId(self.next)
    }

    /// Adds bytes to a content.
    pub(super) fn add(&mut self, content: ContentId, slice: Slice) {
        self.bytes += slice.bytes().len();
        let joined = match self.batch.last_mut() {
            Some(Step::Bytes(last, bytes)) if *last == content => bytes.join(&slice),
            _ => false,
        };
        if !joined {
            self.batch.push(Step::Bytes(content, slice));
        }
        self.flush_full();
    }

    /// Adds a hole to a content.
    pub(super) fn add_zeros(&mut self, content: ContentId, count: u64) {
        if count > 0 {
            self.push(Step::Zeros(content, count));
        }
    }

    /// The content is whole, and must have this digest. That it has not shows at [`settle`](Self::settle) at the latest.
    pub(super) fn check(&mut self, content: ContentId, path: &EntryPath, expected: Digest) {
        self.push(Step::Check(content, path.clone(), expected));
    }

    /// Whether something was found wrong: no more need be read then.
    pub(super) fn has_failed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until everything is hashed and compared. Nothing can be added any more.
    ///
    /// # Errors
    /// The first content that is not what the index says.
    pub(super) fn settle(&mut self) -> Result<(), Mismatch> {
        self.flush();
        drop(self.queue.take());
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }

    fn push(&mut self, step: Step) {
        self.batch.push(step);
        self.flush_full();
    }

    fn flush_full(&mut self) {
        if self.bytes >= BATCH_BYTES || self.batch.len() >= BATCH_STEPS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if let Some(queue) = &self.queue {
            // The thread ends early only with an error, which `settle` gives.
            let _ended = queue.send(batch);
        }
    }
}

impl Drop for Digests {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.queue.take());
        // Whoever did not settle has an error already.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn work(batches: &Receiver<Vec<Step>>, stop: &AtomicBool) -> Result<(), Mismatch> {
    let mut contents: HashMap<ContentId, Hasher> = HashMap::new();
    for batch in batches {
        for step in batch {
            match step {
                Step::Bytes(content, slice) => contents.entry(content).or_default().update(slice.bytes()),
                Step::Zeros(content, count) => {
                    let hasher = contents.entry(content).or_default();
                    // Whoever asks to stop does not ask for what was found.
                    let _stopped = hasher.update_zeros_unless(count, || goes_on(stop));
                }
                Step::Check(content, path, expected) => {
                    let actual = contents.remove(&content).unwrap_or_default().finish();
                    if actual != expected {
                        return Err(Mismatch { path, expected, actual });
                    }
                }
            }
        }
    }
    Ok(())
}

fn goes_on(stop: &AtomicBool) -> Result<(), Stopped> {
    if stop.load(Ordering::Relaxed) {
        return Err(Stopped);
    }
    Ok(())
}
