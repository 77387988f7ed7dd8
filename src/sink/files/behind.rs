//! Writing behind: the medium takes what was written while the restore goes on, so that the sync at its end finds little left to do.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use rustix::io::Errno;

/// Bytes between two syncs. Each one writes the journal of the file system too, and those who create files wait for that.
const STEP_BYTES: u64 = 48 << 20;

/// A thread that syncs the file system of the restore now and then.
#[derive(Debug)]
pub(super) struct WriteBehind {
    written: u64,
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<Result<(), Errno>>>,
}

impl WriteBehind {
    /// Starts the thread for the file system that `root` is on.
    pub(super) fn start(root: Arc<OwnedFd>) -> std::io::Result<Self> {
        let (wake, woken) = crossbeam_channel::bounded(1);
        let thread = thread::Builder::new()
            .name("sync".into())
            .spawn(move || sync(&woken, &root))?;
        Ok(Self {
            written: 0,
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// Counts bytes that were handed to the file system, or soon will be.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.written += bytes;
        if self.written >= STEP_BYTES {
            self.written = 0;
            if let Some(wake) = &self.wake {
                // One that waits already is as good.
                let _full = wake.try_send(());
            }
        }
    }

    /// Waits for the last sync. An error of any of them must be told: the system tells it once, and a later sync may succeed.
    pub(super) fn finish(&mut self) -> Result<(), Errno> {
        drop(self.wake.take());
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for WriteBehind {
    fn drop(&mut self) {
        // Whoever did not finish has an error already.
        let _told_already = self.finish();
    }
}

fn sync(woken: &Receiver<()>, root: &OwnedFd) -> Result<(), Errno> {
    woken.iter().try_for_each(|()| rustix::fs::syncfs(root))
}
