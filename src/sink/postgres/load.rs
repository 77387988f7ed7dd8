//! Rows into tables: one COPY for each open stream, each on a session of its own. A table that is whole is compared with its source.

use std::collections::BTreeMap;
use std::io;
use std::io::BufRead;
use std::io::Cursor;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use futures_util::SinkExt as _;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_postgres::CopyInSink;

use super::compare::Comparing;
use super::compare::Comparison;
use super::compare::Tally;
use super::compare::columns;
use super::compare::shown;
use super::engine::Engine;
use super::engine::Readers;
use super::engine::Running;
use super::error::Error;
use super::link::Link;
use super::link::Links;
use crate::base::parallel::Pool;
use crate::bundle::entry::Rows;
use crate::server::postgres::layout::Plan;
use crate::server::postgres::layout::Table;
use crate::server::postgres::quote;
use crate::sink::row_check::Compared;
use crate::sink::row_check::RowCheck;

/// Bytes on their way to the server at a time: large enough that messages do not count, small enough for a processor's cache.
const CHUNK_BYTES: usize = 128 << 10;

/// Chunks that wait for one session: with them one part of a stream is read while another one's session works.
const CHUNKS_WAITING: usize = 6;

/// From this first part on, a table is worth a transaction that writes its rows frozen.
const FREEZE_BYTES: u64 = 256 << 10;

/// Rows on their way; the buffer goes back to where it came from.
struct Chunk {
    bytes: Vec<u8>,
    pool: Pool,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.bytes));
    }
}

/// What the tasks share.
struct Shared {
    links: Links,
    tables: Vec<Table>,
    tallies: Mutex<Vec<Tally>>,
    /// Sessions that load.
    loading: Semaphore,
    /// Sessions that have loaded, and wait for the disk or read back.
    settling: Arc<Semaphore>,
    comparison: Comparison,
}

/// What a stream said at its end.
#[derive(Clone, Copy, Debug, Default)]
enum End {
    /// It has not ended.
    #[default]
    Missing,
    /// It has ended, and may know its rows.
    Rows(Option<Rows>),
}

struct OpenCopy {
    give: mpsc::Sender<Cursor<Chunk>>,
    expected: Arc<Mutex<End>>,
    running: Copying,
}

/// A stream on its way; the last one of a table gives the comparison of the table.
type Copying = Running<Result<Option<Comparing>, Error>>;

/// The loading of all tables of a plan.
pub(super) struct Loader {
    shared: Arc<Shared>,
    /// Streams of the plan: which table they belong to.
    streams: BTreeMap<String, usize>,
    open: BTreeMap<String, OpenCopy>,
    finishing: Vec<Copying>,
    comparing: Vec<Comparing>,
    check: RowCheck,
    most_open: usize,
    pool: Pool,
}

impl Loader {
    pub(super) fn new(
        plan: &Plan,
        links: Links,
        check: RowCheck,
        jobs: usize,
        readers: Readers,
    ) -> Result<Self, Error> {
        let mut streams = BTreeMap::new();
        for (table, at) in plan.tables.iter().zip(0..) {
            for stream in &table.streams {
                if streams.insert(stream.clone(), at).is_some() {
                    return Err(Error::Dump(format!("the plan names the stream {stream} twice")));
                }
            }
        }
        let most_open = usize::try_from(plan.connections).unwrap_or(usize::MAX).clamp(1, 256);
        let tally = |table: &Table| Tally {
            open: table.streams.len(),
            ..Tally::default()
        };
        let shared = Shared {
            comparison: Comparison::new(links.clone(), check, readers),
            links,
            tallies: Mutex::new(plan.tables.iter().map(tally).collect()),
            tables: plan.tables.clone(),
            loading: Semaphore::new(most_open),
            settling: Arc::new(Semaphore::new(jobs.max(1))),
        };
        Ok(Self {
            shared: Arc::new(shared),
            streams,
            open: BTreeMap::new(),
            finishing: Vec::new(),
            comparing: Vec::new(),
            check,
            most_open,
            pool: Pool::new(2 * CHUNKS_WAITING),
        })
    }

    /// The next rows of a stream.
    pub(super) fn part(
        &mut self,
        engine: &Engine,
        stream: &str,
        size: u64,
        content: &mut dyn BufRead,
    ) -> Result<io::Result<()>, Error> {
        if !self.open.contains_key(stream) {
            self.begin(engine, stream, size)?;
        }
        loop {
            let mut bytes = self.pool.take();
            bytes.clear();
            if let Err(error) = (&mut *content).take(CHUNK_BYTES as u64).read_to_end(&mut bytes) {
                return Ok(Err(error));
            }
            if bytes.is_empty() {
                self.pool.give(bytes);
                return Ok(Ok(()));
            }
            let pool = self.pool.clone();
            self.send(engine, stream, Cursor::new(Chunk { bytes, pool }))?;
        }
    }

    fn begin(&mut self, engine: &Engine, stream: &str, size: u64) -> Result<(), Error> {
        self.reap(engine, false)?;
        let Some(table) = self.streams.get(stream).copied() else {
            return Err(Error::Dump(format!("{stream} is not in the plan")));
        };
        if self.open.len() >= self.most_open {
            return Err(Error::Dump(format!(
                "{stream} is open beside more streams than the plan says"
            )));
        }
        let (give, take) = mpsc::channel(CHUNKS_WAITING);
        let expected: Arc<Mutex<End>> = Arc::default();
        let task = copy(Arc::clone(&self.shared), table, size, take, Arc::clone(&expected));
        let running = engine.begin(task);
        let _new = self.open.insert(
            stream.to_owned(),
            OpenCopy {
                give,
                expected,
                running,
            },
        );
        Ok(())
    }

    fn send(&mut self, engine: &Engine, stream: &str, chunk: Cursor<Chunk>) -> Result<(), Error> {
        let Some(open) = self.open.get(stream) else {
            return Err(Error::Dump(format!("{stream} is not open")));
        };
        if engine.send(&open.give, chunk)? {
            return Ok(());
        }
        // The session has ended before its rows: its own error says why.
        let _whole = engine.wait(&open.running)??;
        Err(Error::Dump(format!("the rows of {stream} were not taken")))
    }

    /// The end of a stream, and what was in it.
    pub(super) fn end(&mut self, engine: &Engine, stream: &str, rows: Option<Rows>) -> Result<(), Error> {
        if !self.open.contains_key(stream) {
            self.begin(engine, stream, 0)?;
        }
        let Some(open) = self.open.remove(stream) else {
            return Err(Error::Dump(format!("{stream} is not open")));
        };
        *open.expected.lock().unwrap_or_else(PoisonError::into_inner) = End::Rows(rows);
        drop(open.give);
        self.finishing.push(open.running);
        self.reap(engine, false)
    }

    /// Looks at the streams and comparisons that are done; waits for all streams if `all` are needed.
    fn reap(&mut self, engine: &Engine, all: bool) -> Result<(), Error> {
        for running in std::mem::take(&mut self.finishing) {
            if all {
                self.comparing.extend(engine.wait(&running)??);
            } else if let Some(result) = running.poll() {
                self.comparing.extend(result?);
            } else {
                self.finishing.push(running);
            }
        }
        for running in std::mem::take(&mut self.comparing) {
            match running.poll() {
                Some(result) => result?,
                None => self.comparing.push(running),
            }
        }
        Ok(())
    }

    /// Waits until every whole table has been compared.
    pub(super) fn compare(&mut self, engine: &Engine) -> Result<(), Error> {
        self.comparing.drain(..).try_for_each(|running| engine.wait(&running)?)
    }

    /// Waits until all rows are in their tables. Unless only some tables were chosen, every stream of the plan
    /// must have come.
    pub(super) fn finish(&mut self, engine: &Engine, selected: bool) -> Result<(), Error> {
        if let Some(stream) = self.open.keys().next() {
            return Err(Error::Dump(format!("{stream} has no end")));
        }
        self.reap(engine, true)?;
        let tallies = self.shared.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = self.shared.tables.iter().zip(tallies.iter()).find(|(table, tally)| {
            let partly = tally.open < table.streams.len();
            tally.open > 0 && (partly || !selected)
        });
        match missing {
            Some((table, tally)) => Err(Error::Dump(format!(
                "{} of {} streams of the table {}.{} did not come",
                tally.open,
                table.streams.len(),
                table.schema,
                table.name
            ))),
            None => Ok(()),
        }
    }
}

impl Loader {
    /// What was compared, once all rows are in their tables.
    pub(super) fn compared(&self) -> Option<Compared> {
        let tallies = self.shared.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = self.shared.tables.iter().zip(tallies.iter());
        let counted = tables.filter(|(table, tally)| !table.streams.is_empty() && tally.open == 0 && !tally.unknown);
        let (tables, rows) = counted.fold((0, 0), |(tables, rows), (_, tally)| {
            (tables + 1, rows + tally.expected.count)
        });
        let how = self.check;
        (how != RowCheck::None).then_some(Compared { tables, rows, how })
    }
}

/// One stream into its table.
async fn copy(
    shared: Arc<Shared>,
    table: usize,
    first_bytes: u64,
    take: mpsc::Receiver<Cursor<Chunk>>,
    expected: Arc<Mutex<End>>,
) -> Result<Option<Comparing>, Error> {
    let target = &shared.tables[table];
    let loading = shared.loading.acquire().await;
    let link = shared.links.take().await?;
    let freeze = target.streams.len() == 1 && first_bytes >= FREEZE_BYTES;
    let loaded = load(&link, target, freeze, take).await?;
    let settling = Arc::clone(&shared.settling).acquire_owned().await;
    let settling = settling.expect("nobody closes it");
    // The next stream is loaded while this one waits for the disk and is compared.
    drop(loading);
    if freeze {
        link.run(&format!("loading {}", shown(target)), "COMMIT").await?;
    }
    let rows = *expected.lock().unwrap_or_else(PoisonError::into_inner);
    let End::Rows(rows) = rows else {
        return Err(Error::Dump(format!("the rows of {} ended early", shown(target))));
    };
    if let Some(tally) = shared.settle(table, loaded, rows) {
        shared.comparison.begin(link, settling, target, &tally)
    } else {
        shared.links.give(link);
        Ok(None)
    }
}

impl Shared {
    /// Adds one ended stream; gives the sums when it was the last of its table.
    fn settle(&self, table: usize, loaded: u64, rows: Option<Rows>) -> Option<Tally> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = &mut tallies[table];
        tally.open = tally.open.saturating_sub(1);
        tally.loaded += loaded;
        match rows {
            Some(rows) => tally.expected.merge(&rows),
            None => tally.unknown = true,
        }
        (tally.open == 0).then(|| tally.clone())
    }
}

/// Loads what comes. With `freeze` the transaction is still open at the end.
async fn load(link: &Link, table: &Table, freeze: bool, mut take: mpsc::Receiver<Cursor<Chunk>>) -> Result<u64, Error> {
    let what = || format!("loading {}", shown(table));
    let name = quote::qualified(&table.schema, &table.name);
    let mut options = vec![table.format.option()];
    if freeze {
        // A table that is emptied in the same transaction may be written frozen, and without a log where the server keeps a minimal one.
        link.run(&what(), &format!("BEGIN; TRUNCATE ONLY {name}")).await?;
        options.push("FREEZE");
    }
    let sql = format!("COPY {name}{} FROM STDIN WITH ({})", columns(table), options.join(", "));
    let sink: CopyInSink<Cursor<Chunk>> = link
        .client()
        .copy_in(sql.as_str())
        .await
        .map_err(|error| link.failed(&what(), &error))?;
    let mut sink = std::pin::pin!(sink);
    while let Some(chunk) = take.recv().await {
        if sink.as_mut().feed(chunk).await.is_err() {
            // The server has refused a row: its answer comes with the end.
            break;
        }
    }
    let rows = sink
        .as_mut()
        .finish()
        .await
        .map_err(|error| link.failed(&what(), &error))?;
    Ok(rows)
}
