//! Tables read back, and compared with what the source gave. It goes on while indexes are built.

use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::sync::Semaphore;

use super::engine::Engine;
use super::engine::Running;
use super::error::Error;
use super::link::Link;
use super::link::Links;
use crate::bundle::entry::Rows;
use crate::server::postgres::layout::Table;
use crate::server::postgres::quote;
use crate::server::postgres::rows::Framing;
use crate::sink::row_check::RowCheck;

/// What is known about the rows of one table.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Streams that have not ended.
    pub(super) open: usize,
    pub(super) expected: Rows,
    /// Whether a stream said nothing about its rows.
    pub(super) unknown: bool,
    /// Rows that the server took.
    pub(super) loaded: u64,
}

/// The comparisons of tables with their source, each on a session of its own.
pub(super) struct Comparisons {
    links: Links,
    check: RowCheck,
    /// Sessions that read.
    reading: Arc<Semaphore>,
    running: Vec<Running<Result<(), Error>>>,
}

impl Comparisons {
    /// None is begun yet; as many as `jobs` read at once.
    pub(super) fn new(links: Links, check: RowCheck, jobs: usize) -> Self {
        Self {
            links,
            check,
            reading: Arc::new(Semaphore::new(jobs.max(1))),
            running: Vec::new(),
        }
    }

    /// Compares a whole table, as far as is asked for: the number of its rows now, the rows themselves meanwhile.
    pub(super) fn begin(&mut self, engine: &Engine, table: &Table, tally: &Tally) -> Result<(), Error> {
        if self.check == RowCheck::None || tally.unknown {
            return Ok(());
        }
        if tally.loaded != tally.expected.count {
            return Err(Error::Check(format!(
                "the table {} took {} rows, and the source gave {}",
                shown(table),
                tally.loaded,
                tally.expected.count
            )));
        }
        if self.check == RowCheck::Fingerprint && tally.expected.count > 0 {
            let (links, reading) = (self.links.clone(), Arc::clone(&self.reading));
            let comparison = compare(links, reading, table.clone(), tally.expected);
            self.running.push(engine.begin(comparison));
        }
        Ok(())
    }

    /// Looks at those that are done.
    pub(super) fn reap(&mut self) -> Result<(), Error> {
        for running in std::mem::take(&mut self.running) {
            match running.poll() {
                Some(result) => result?,
                None => self.running.push(running),
            }
        }
        Ok(())
    }

    /// Waits for all of them.
    pub(super) fn finish(&mut self, engine: &Engine) -> Result<(), Error> {
        self.running.drain(..).try_for_each(|running| engine.wait(&running)?)
    }
}

async fn compare(links: Links, reading: Arc<Semaphore>, table: Table, expected: Rows) -> Result<(), Error> {
    let _permit = reading.acquire().await;
    let link = links.take().await?;
    let found = read_back(&link, &table).await?;
    links.give(link);
    if found == expected {
        return Ok(());
    }
    Err(Error::Check(format!(
        "the table {} reads back as {} rows with fingerprint {}, and the source gave {} rows with fingerprint {}",
        shown(&table),
        found.count,
        found.fingerprint,
        expected.count,
        expected.fingerprint
    )))
}

async fn read_back(link: &Link, table: &Table) -> Result<Rows, Error> {
    let what = format!("reading {} back", shown(table));
    let name = quote::qualified(&table.schema, &table.name);
    let format = table.format.option();
    let sql = format!("COPY {name}{} TO STDOUT WITH ({format})", columns(table));
    let stream = link.client().copy_out(sql.as_str()).await;
    let mut stream = std::pin::pin!(stream.map_err(|error| link.failed(&what, &error))?);
    let mut rows = Rows::default();
    let mut framing = Framing::new(table.format);
    while let Some(message) = stream.next().await {
        let message = message.map_err(|error| link.failed(&what, &error))?;
        if let Some(row) = framing.row(&message) {
            rows.add(row);
        }
    }
    Ok(rows)
}

/// ` (a, b)`; a table without columns has no list.
pub(super) fn columns(table: &Table) -> String {
    if table.columns.is_empty() {
        return String::new();
    }
    format!(" ({})", quote::identifiers(&table.columns))
}

/// The name of a table in messages.
pub(super) fn shown(table: &Table) -> String {
    format!("{}.{}", table.schema, table.name)
}
