//! The blocking face: one runtime for one connection, on whichever thread calls, and waits that ask whether to stop.

use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::error::Error;
use crate::base::cancel::Cancel;

/// How long a wait lasts before it asks whether to stop.
const TICK: Duration = Duration::from_millis(250);

/// A runtime, and the reasons to stop waiting.
pub(super) struct Waiting {
    /// Taken at the end only.
    runtime: Option<Runtime>,
    cancel: Cancel,
    /// A second reason to stop: the work that this connection belongs to has ended.
    ended: Option<Cancel>,
}

impl Waiting {
    pub(super) fn new(cancel: &Cancel) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            runtime: Some(runtime),
            cancel: cancel.clone(),
            ended: None,
        })
    }

    pub(super) fn stop_when(&mut self, ended: Cancel) {
        self.ended = Some(ended);
    }

    /// Waits for `future`, and asks four times a second whether to stop. Then the future is dropped where it stands.
    pub(super) fn until<T, E: From<Error>>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        // The library panics at a few things that no honest server says.
        let future = AssertUnwindSafe(future).catch_unwind();
        self.block_on(async {
            let mut future = pin!(future);
            loop {
                self.check()?;
                match timeout(TICK, future.as_mut()).await {
                    Ok(Ok(done)) => return done,
                    Ok(Err(_panic)) => return Err(Error::Protocol("it said what no server says").into()),
                    Err(_elapsed) => {}
                }
            }
        })
    }

    /// Waits at most `most`, whoever asks to stop: for the last words to a server.
    pub(super) fn at_most(&self, most: Duration, future: impl Future<Output = ()>) {
        let _said_or_not = self.block_on(async { timeout(most, AssertUnwindSafe(future).catch_unwind()).await });
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref();
        runtime.expect("it is there until the end").block_on(future)
    }

    fn check(&self) -> Result<(), Error> {
        self.cancel.check()?;
        self.ended.as_ref().map_or(Ok(()), Cancel::check)?;
        Ok(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A name that is still being looked up must not hold us.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
