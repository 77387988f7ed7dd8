//! Rows: each worker takes the next stream, copies it out and hands buffers to the thread of the collector.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use futures_util::TryStreamExt as _;

use super::MODE;
use super::catalog::Survey;
use super::leader;
use super::leader::Leader;
use super::ranges::Job;
use crate::base::cancel::Cancel;
use crate::base::parallel::Pool;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Collector;
use crate::bundle::entry::OpenStream;
use crate::bundle::entry::Rows;
use crate::bundle::path::EntryPath;
use crate::server::postgres::Conninfo;
use crate::server::postgres::Error;
use crate::server::postgres::Session;
use crate::server::postgres::connect::connect_again;
use crate::server::postgres::connect::runtime;
use crate::server::postgres::quote::identifiers;
use crate::server::postgres::quote::literal;
use crate::server::postgres::rows::Framing;

/// Bytes that are handed on at once.
const BUFFER_BYTES: usize = 512 << 10;

/// How often the cancel flag is asked while no rows come.
const TICK: Duration = Duration::from_millis(100);

/// With so many tables each worker holds its own locks, so that nobody who waits to change a table can come in between.
const TABLES_LOCKED_BY_ALL: usize = 500;

/// Who copies what.
pub(super) struct Crew<'a> {
    pub(super) conninfo: &'a Conninfo,
    pub(super) leader: &'a Leader<'a>,
    pub(super) snapshot: &'a str,
    pub(super) survey: &'a Survey,
    pub(super) jobs: &'a [Job],
    pub(super) connections: usize,
}

/// Why rows did not come through.
pub(super) enum Failure {
    Server(Error),
    Collect(CollectError),
    System(io::Error),
}

/// The next bytes of a stream; with its rows when they are the last.
struct Piece {
    job: usize,
    bytes: Vec<u8>,
    rows: Option<Rows>,
}

/// Copies every job to the collector. Gives the number of rows.
pub(super) fn copy(
    crew: &Crew<'_>,
    collector: &mut dyn Collector,
    path: &dyn Fn(&str) -> EntryPath,
    cancel: &Cancel,
) -> Result<u64, Failure> {
    let workers = crew.connections.min(crew.jobs.len());
    let pool = Pool::new(2 * workers + 2);
    let next = AtomicUsize::new(0);
    // Set when one has failed: the others need not go on.
    let stop = Cancel::new();
    let shared = crew.shared();
    let (give, take) = bounded::<Piece>(workers + 1);
    thread::scope(|scope| {
        let hands: Vec<_> = (0..workers)
            .map(|_| {
                let worker = Worker {
                    shared: &shared,
                    next: &next,
                    pool: pool.clone(),
                    give: give.clone(),
                    stop: stop.clone(),
                };
                scope.spawn(move || worker.run())
            })
            .collect();
        drop(give);
        let gathered = gather(&take, crew.jobs, collector, path, &pool, cancel);
        if gathered.is_err() {
            stop.set();
        }
        // Ends whoever waits to hand something on.
        drop(take);
        let ends: Vec<_> = hands.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let rows = gathered.map_err(Failure::Collect)?;
        for end in ends {
            match end {
                Ok(end) => end?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(rows)
    })
}

/// Hands what the workers read to the collector, until they have all ended.
fn gather(
    take: &Receiver<Piece>,
    jobs: &[Job],
    collector: &mut dyn Collector,
    path: &dyn Fn(&str) -> EntryPath,
    pool: &Pool,
    cancel: &Cancel,
) -> Result<u64, CollectError> {
    let mut open: BTreeMap<usize, OpenStream> = BTreeMap::new();
    let mut total = 0;
    loop {
        cancel.check()?;
        let piece = match take.recv_timeout(TICK) {
            Ok(piece) => piece,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(total),
        };
        let stream = open.remove(&piece.job);
        let mut stream = stream.unwrap_or_else(|| OpenStream::new(path(&jobs[piece.job].stream), MODE));
        if !piece.bytes.is_empty() {
            collector.part(&mut stream, &piece.bytes)?;
        }
        pool.give(piece.bytes);
        match piece.rows {
            Some(rows) => {
                total += rows.count;
                collector.end(stream, Some(rows))?;
            }
            None => drop(open.insert(piece.job, stream)),
        }
    }
}

/// What all workers know.
struct Shared<'a> {
    conninfo: &'a Conninfo,
    first: &'a Session,
    snapshot: &'a str,
    survey: &'a Survey,
    jobs: &'a [Job],
}

impl<'a> Crew<'a> {
    fn shared(&self) -> Shared<'a> {
        Shared {
            conninfo: self.conninfo,
            first: self.leader.session(),
            snapshot: self.snapshot,
            survey: self.survey,
            jobs: self.jobs,
        }
    }
}

/// A connection with its thread.
struct Worker<'a> {
    shared: &'a Shared<'a>,
    next: &'a AtomicUsize,
    pool: Pool,
    give: Sender<Piece>,
    stop: Cancel,
}

impl Worker<'_> {
    fn run(self) -> Result<(), Failure> {
        let runtime = runtime().map_err(Failure::System)?;
        let done = runtime.block_on(self.work());
        runtime.shutdown_background();
        match done {
            // Somebody else failed, and says why.
            Err(_) if self.stop.is_set() => Ok(()),
            Err(error) => {
                self.stop.set();
                Err(Failure::Server(error))
            }
            Ok(()) => Ok(()),
        }
    }

    async fn work(&self) -> Result<(), Error> {
        let session = leader::unless(&self.stop, "connecting", self.begin()).await?;
        let done = leader::unless(&self.stop, "copying", self.copy_all(&session)).await;
        if done.is_err() {
            session.cancel().await;
        }
        done
    }

    /// A connection that sees what the leader sees.
    async fn begin(&self) -> Result<Session, Error> {
        let doing = "beginning on a further connection";
        let session = connect_again(self.shared.conninfo, self.shared.first).await?;
        session.run(doing, &leader::beginning(session.version)).await?;
        let import = format!("SET TRANSACTION SNAPSHOT {}", literal(self.shared.snapshot));
        session.run("taking up the snapshot", &import).await?;
        if self.shared.survey.tables.len() <= TABLES_LOCKED_BY_ALL {
            for statement in leader::lock_statements(self.shared.survey) {
                session
                    .run("locking the tables against being changed", &statement)
                    .await?;
            }
        }
        Ok(session)
    }

    async fn copy_all(&self, session: &Session) -> Result<(), Error> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.shared.jobs.get(number) else {
                return Ok(());
            };
            self.copy_one(session, number, job).await?;
        }
    }

    async fn copy_one(&self, session: &Session, number: usize, job: &Job) -> Result<(), Error> {
        let table = &self.shared.survey.tables[job.table];
        let doing = || format!("reading table {}", table.qualified());
        let failed = |error| session.error(&doing(), &error);
        let stream = session
            .copy_out(&statement(self.shared.survey, job))
            .await
            .map_err(failed)?;
        let mut stream = pin!(stream);
        let mut rows = Rows::default();
        let mut framing = Framing::new(table.format);
        let mut buffer = self.buffer();
        while let Some(row) = stream.try_next().await.map_err(failed)? {
            if let Some(row) = framing.row(&row) {
                rows.add(row);
            }
            if buffer.len() + row.len() > BUFFER_BYTES && !buffer.is_empty() {
                let bytes = std::mem::replace(&mut buffer, self.buffer());
                self.hand_on(
                    Piece {
                        job: number,
                        bytes,
                        rows: None,
                    },
                    &doing,
                )?;
            }
            if row.len() > BUFFER_BYTES {
                self.hand_on_large(number, &row, &doing)?;
            } else {
                buffer.extend_from_slice(&row);
            }
        }
        self.hand_on(
            Piece {
                job: number,
                bytes: buffer,
                rows: Some(rows),
            },
            &doing,
        )
    }

    fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.pool.take();
        buffer.clear();
        buffer.reserve_exact(BUFFER_BYTES.saturating_sub(buffer.capacity()));
        buffer
    }

    /// One row that is larger than a buffer.
    fn hand_on_large(&self, job: usize, row: &[u8], doing: &dyn Fn() -> String) -> Result<(), Error> {
        for bytes in row.chunks(BUFFER_BYTES) {
            let mut buffer = self.buffer();
            buffer.extend_from_slice(bytes);
            self.hand_on(
                Piece {
                    job,
                    bytes: buffer,
                    rows: None,
                },
                doing,
            )?;
        }
        Ok(())
    }

    /// Waits for the collector; an error when it has ended.
    fn hand_on(&self, piece: Piece, doing: &dyn Fn() -> String) -> Result<(), Error> {
        self.give.send(piece).map_err(|_| {
            self.stop.set();
            Error::Lost {
                doing: doing(),
                reason: "nobody takes the rows any more".into(),
            }
        })
    }
}

/// The COPY of a job. A plain COPY reads the table alone, without tables that inherit from it.
fn statement(survey: &Survey, job: &Job) -> String {
    let table = &survey.tables[job.table];
    let name = table.qualified();
    let format = table.format.option();
    let mut conditions: Vec<String> = Vec::new();
    if let Some((begin, end)) = job.pages {
        conditions.extend(begin.map(|page| format!("ctid >= '({page},0)'::pg_catalog.tid")));
        conditions.extend(end.map(|page| format!("ctid < '({page},0)'::pg_catalog.tid")));
    }
    let clause = match &table.condition {
        Some(condition) => condition.clone(),
        None if conditions.is_empty() => {
            return format!("COPY {name}{} TO STDOUT WITH ({format})", table.column_list());
        }
        None => format!("WHERE {}", conditions.join(" AND ")),
    };
    let columns = identifiers(&table.columns);
    format!("COPY (SELECT {columns} FROM ONLY {name} {clause}) TO STDOUT WITH ({format})")
}
