//! The runtime of the connections: a thread of its own, and calls into it that notice within a moment that the work was told to stop.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Receiver;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::bounded;
use tokio::runtime::Builder;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::error::Error;
use crate::base::cancel::Cancel;

/// How long a wait goes on before it asks whether the work was told to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long the runtime rests before it looks for more while tables are read back. The server sends rows in messages of 8 KiB and would wake
/// the runtime for each, which costs both as much as the rows themselves; meanwhile some gather in the socket.
const REST: Duration = Duration::from_micros(200);

/// How many sessions read tables back.
#[derive(Clone, Debug, Default)]
pub(super) struct Readers(Arc<AtomicUsize>);

/// One of them, until it is dropped.
pub(super) struct Reader(Readers);

impl Readers {
    /// One more.
    pub(super) fn begin(&self) -> Reader {
        let _before = self.0.fetch_add(1, Ordering::Relaxed);
        Reader(self.clone())
    }

    fn rest(&self) {
        if self.0.load(Ordering::Relaxed) > 0 {
            thread::sleep(REST);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _before = self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A runtime; dropped, it ends its thread and with it every connection.
pub(super) struct Engine {
    handle: Handle,
    cancel: Cancel,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    readers: Readers,
}

/// Work that runs meanwhile.
pub(super) struct Running<T> {
    answer: Receiver<T>,
    task: tokio::task::AbortHandle,
}

impl<T: Send + 'static> Running<T> {
    /// Begins work on a runtime.
    pub(super) fn begin(on: &Handle, work: impl Future<Output = T> + Send + 'static) -> Self {
        let (give, answer) = bounded(1);
        let task = on.spawn(async move {
            // Nobody waits any more when the restore has ended meanwhile.
            let _unwanted = give.send(work.await);
        });
        let task = task.abort_handle();
        Self { answer, task }
    }
}

impl<T> Running<T> {
    /// What came of it, if it is done.
    pub(super) fn poll(&self) -> Option<T> {
        self.answer.try_recv().ok()
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Engine {
    pub(super) fn new(cancel: Cancel) -> Result<Self, Error> {
        let readers = Readers::default();
        let reading = readers.clone();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || reading.rest())
            .build();
        let runtime = runtime.map_err(|error| Error::Runtime(error.to_string()))?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("postgres-sink".to_owned()).spawn(move || {
            // Ends when the engine is dropped, whether it sends or not.
            let _ended = runtime.block_on(stopped);
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        Ok(Self {
            handle,
            cancel,
            stop: Some(stop),
            thread: Some(thread.map_err(|error| Error::Runtime(error.to_string()))?),
            readers,
        })
    }

    /// Those who read tables back.
    pub(super) fn readers(&self) -> Readers {
        self.readers.clone()
    }

    /// Begins work that goes on while the caller does something else.
    pub(super) fn begin<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Running<T> {
        Running::begin(&self.handle, work)
    }

    /// Waits for work that was begun.
    pub(super) fn wait<T>(&self, running: &Running<T>) -> Result<T, Error> {
        loop {
            match running.answer.recv_timeout(PATIENCE) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(Error::Runtime("a task has died".to_owned())),
                Err(RecvTimeoutError::Timeout) => self.cancel.check().map_err(|_| Error::Interrupted)?,
            }
        }
    }

    /// Sends to a task, waiting while it has enough; gives whether it still takes anything.
    pub(super) fn send<T>(&self, to: &mpsc::Sender<T>, item: T) -> Result<bool, Error> {
        let item = match to.try_send(item) {
            Ok(()) => return Ok(true),
            Err(TrySendError::Closed(_)) => return Ok(false),
            Err(TrySendError::Full(item)) => item,
        };
        loop {
            match self
                .handle
                .block_on(async { tokio::time::timeout(PATIENCE, to.reserve()).await })
            {
                Ok(Ok(permit)) => {
                    permit.send(item);
                    return Ok(true);
                }
                Ok(Err(_closed)) => return Ok(false),
                Err(_elapsed) => self.check()?,
            }
        }
    }

    /// Does work to its end.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.wait(&self.begin(work))?
    }

    /// Does work although the restore has been told to stop, but not for longer than `most`.
    pub(super) fn run_regardless<T: Send + 'static>(
        &self,
        most: Duration,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        match self.begin(work).answer.recv_timeout(most) {
            Ok(answer) => answer,
            Err(_) => Err(Error::Interrupted),
        }
    }

    /// An error once the work was told to stop.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.cancel.check().map_err(|_| Error::Interrupted)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was a panic of a task, which has been reported where it was waited for.
            let _ended = thread.join();
        }
    }
}
