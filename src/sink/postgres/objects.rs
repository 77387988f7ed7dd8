//! Large objects, made on a session of their own while what comes after them in the dump is read.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::engine::Engine;
use super::engine::Running;
use super::error::Error;
use super::filter::Filter;
use super::link::Links;
use super::member::Member;
use super::runner::Account;
use super::runner::Script;

/// Pieces of the script that wait for the session.
const CHUNKS_WAITING: usize = 8;

/// The large objects of a dump on their way.
pub(super) struct Objects {
    /// Until the script is at its end.
    give: Option<mpsc::Sender<Vec<u8>>>,
    running: Running<Result<Account, Error>>,
}

impl Objects {
    pub(super) fn begin(engine: &Engine, links: Links, filter: Filter) -> Self {
        let (give, take) = mpsc::channel(CHUNKS_WAITING);
        Self {
            give: Some(give),
            running: engine.begin(make(links, filter, take)),
        }
    }

    /// The next bytes of the script.
    pub(super) fn feed(&mut self, engine: &Engine, bytes: &[u8]) -> Result<(), Error> {
        let Some(give) = &self.give else {
            return Err(Error::Dump(format!(
                "{} goes on after its end",
                Member::LargeObjects.word()
            )));
        };
        // When nobody takes them any more, the end says why.
        engine.send(give, bytes.to_vec()).map(drop)
    }

    /// The end of the script.
    pub(super) fn end(&mut self) {
        self.give = None;
    }

    /// Waits until all of them are there. Gives what the operator should know.
    pub(super) fn finish(mut self, engine: &Engine) -> Result<Vec<String>, Error> {
        self.end();
        let account = engine.wait(&self.running)??;
        account.settle(Member::LargeObjects.word())?;
        Ok(account.notes)
    }
}

async fn make(links: Links, filter: Filter, mut take: mpsc::Receiver<Vec<u8>>) -> Result<Account, Error> {
    let mut script = Script::new(Member::LargeObjects.word());
    let mut link = None;
    while let Some(bytes) = take.recv().await {
        script.feed(&bytes)?;
        let pieces = script.ready();
        let link = match &link {
            Some(link) => Arc::clone(link),
            None => Arc::clone(link.insert(Arc::new(links.take().await?))),
        };
        script = script.run(pieces, link, filter.clone()).await?;
    }
    let pieces = script.last()?;
    if let Some(link) = link {
        script = script.run(pieces, link, filter).await?;
    }
    Ok(script.into_account())
}
