//! The first connection: it takes the snapshot that all others share, holds the locks, and reads the catalogue. A blocking face over async.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::sleep;

use super::catalog;
use super::catalog::Survey;
use super::properties;
use super::properties::Own;
use super::ranges::Job;
use super::sequences;
use crate::base::cancel::Cancel;
use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::server::postgres::Conninfo;
use crate::server::postgres::Error;
use crate::server::postgres::Parameters;
use crate::server::postgres::Session;
use crate::server::postgres::connect;
use crate::server::postgres::connect::runtime;
use crate::server::postgres::endpoint::Endpoint;
use crate::server::postgres::layout;
use crate::server::postgres::layout::Creation;
use crate::server::postgres::layout::Origin;
use crate::server::postgres::layout::Plan;
use crate::server::postgres::session::settings;

/// How often the cancel flag is asked while the server is waited for.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Tables in one statement: its text stays small.
const TABLES_A_STATEMENT: usize = 500;

/// The moment that the dump shows.
pub(super) struct Moment {
    /// The name under which others import it.
    pub(super) snapshot: String,
    pub(super) time: Timestamp,
    /// Where the write-ahead log was.
    pub(super) lsn: String,
}

/// The connection that holds the snapshot.
pub(super) struct Leader<'a> {
    // Before the runtime: a session ends its task when it is dropped.
    session: Session,
    runtime: Option<Runtime>,
    cancel: &'a Cancel,
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A name that is being looked up must not keep anybody waiting.
            runtime.shutdown_background();
        }
    }
}

/// The statements with which every connection of a dump begins.
pub(super) fn beginning(version: u32) -> String {
    let wait = limits::DATABASE_LOCK_SECONDS;
    format!(
        "{}\nSET lock_timeout = '{wait}s';\nSET row_security = off;\nSET synchronize_seqscans = off;\nSET jit = off;\n\
         BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        settings(version)
    )
}

/// SQL that keeps tables from being dropped and altered, not from being read and written.
pub(super) fn lock_statements(survey: &Survey) -> Vec<String> {
    let names: Vec<String> = survey.tables.iter().map(super::catalog::Table::qualified).collect();
    let names: Vec<String> = names
        .iter()
        .chain(&survey.partitioned)
        .map(|name| format!("ONLY {name}"))
        .collect();
    let chunks = names.chunks(TABLES_A_STATEMENT);
    chunks
        .map(|chunk| format!("LOCK TABLE {} IN ACCESS SHARE MODE", chunk.join(", ")))
        .collect()
}

impl<'a> Leader<'a> {
    /// Connects and begins the transaction.
    pub(super) fn connect(conninfo: &Conninfo, cancel: &'a Cancel) -> Result<Self, Error> {
        let runtime = runtime().map_err(|error| lost("connecting", &error.to_string()))?;
        let session = runtime.block_on(unless(cancel, "connecting", async {
            let session = connect(conninfo).await?;
            session.run("beginning", &beginning(session.version)).await?;
            Ok(session)
        }));
        match session {
            Ok(session) => Ok(Self {
                session,
                runtime: Some(runtime),
                cancel,
            }),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    pub(super) fn version(&self) -> u32 {
        self.session.version
    }

    pub(super) fn is_standby(&self) -> bool {
        self.session.is_standby
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.session.endpoint
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Runs `work` here, until it is done or the cancel flag is set.
    pub(super) fn wait<T>(&self, doing: &str, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let runtime = self.runtime.as_ref().expect("taken only when it is dropped");
        runtime.block_on(async {
            let done = unless(self.cancel, doing, work).await;
            if self.cancel.is_set() {
                self.session.cancel().await;
            }
            done
        })
    }

    /// Lends the snapshot to others.
    pub(super) fn snapshot(&self) -> Result<Moment, Error> {
        let question = "SELECT pg_catalog.pg_export_snapshot(), floor(extract(epoch FROM pg_catalog.transaction_timestamp()))::int8, \
                        (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
                         ELSE pg_catalog.pg_current_wal_lsn() END)::text";
        let doing = "taking a snapshot";
        let row = self.wait(doing, async {
            self.session
                .query_one(question, &[])
                .await
                .map_err(|error| self.session.error(doing, &error))
        })?;
        let time = Timestamp::from_unix(row.get(1)).map_err(|error| lost(doing, &error.to_string()))?;
        Ok(Moment {
            snapshot: row.get(0),
            time,
            lsn: row.get::<_, Option<String>>(2).unwrap_or_default(),
        })
    }

    /// What is there, as the snapshot shows it.
    pub(super) fn survey(&self, parameters: &Parameters) -> Result<Survey, Error> {
        self.wait("reading the catalogue", catalog::survey(&self.session, parameters))
    }

    /// Keeps the tables from being dropped and altered.
    pub(super) fn lock(&self, survey: &Survey) -> Result<(), Error> {
        let doing = "locking the tables against being changed";
        self.wait(doing, async {
            for statement in lock_statements(survey) {
                self.session.run(doing, &statement).await?;
            }
            Ok(())
        })
    }

    /// Reads the sizes of the tables, which are locked by now.
    pub(super) fn measure(&self, survey: &mut Survey) -> Result<(), Error> {
        let doing = "reading the sizes of the tables";
        let question = "SELECT oid, pg_catalog.pg_relation_size(oid), pg_catalog.pg_table_size(oid), \
                        pg_catalog.current_setting('block_size')::int8 FROM unnest($1::oid[]) WITH ORDINALITY AS list(oid, place) \
                        ORDER BY place";
        let numbers: Vec<u32> = survey.tables.iter().map(|table| table.oid).collect();
        let rows = self.wait(doing, async {
            let rows = self.session.query(question, &[&numbers]).await;
            rows.map_err(|error| self.session.error(doing, &error))
        })?;
        for (table, row) in survey.tables.iter_mut().zip(&rows) {
            let size =
                |column| u64::try_from(row.get::<_, Option<i64>>(column).unwrap_or_default()).unwrap_or_default();
            table.pages = size(1) / size(3).max(1);
            table.bytes = size(2);
        }
        Ok(())
    }

    /// What the database has of its own.
    pub(super) fn properties(&self) -> Result<Own, Error> {
        self.wait(properties::DOING, properties::read(&self.session))
    }

    /// What the dump holds.
    pub(super) fn plan(&self, survey: &Survey, own: &Own, jobs: &[Job], connections: usize) -> Result<Plan, Error> {
        let (database, mut creation) = self.creation()?;
        creation.owner.clone_from(&own.owner);
        let mut tables: Vec<layout::Table> = Vec::new();
        let mut last = None;
        for job in jobs {
            if last == Some(job.table) {
                let table = tables.last_mut().expect("there is the last one");
                table.streams.push(job.stream.clone());
                continue;
            }
            last = Some(job.table);
            let table = &survey.tables[job.table];
            tables.push(layout::Table {
                schema: table.schema.clone(),
                name: table.name.clone(),
                columns: table.columns.clone(),
                format: table.format,
                streams: vec![job.stream.clone()],
            });
        }
        Ok(Plan {
            version: layout::VERSION,
            server: self.version(),
            database,
            origin: self.origin(),
            creation,
            properties: own.properties.clone(),
            connections: u32::try_from(connections.min(jobs.len().max(1))).unwrap_or(u32::MAX),
            tables,
        })
    }

    /// Which database it is, if the role may know.
    fn origin(&self) -> Option<Origin> {
        let question = "SELECT system_identifier::text, (SELECT oid FROM pg_catalog.pg_database WHERE datname = \
                        pg_catalog.current_database()) FROM pg_catalog.pg_control_system()";
        let may = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')";
        let asked = self.wait("asking which server it is", async {
            // A refused question would end the transaction.
            let doing = "asking which server it is";
            let row = self.session.query_one(may, &[]).await;
            if !row
                .map_err(|error| self.session.error(doing, &error))?
                .get::<_, bool>(0)
            {
                return Ok(None);
            }
            let row = self.session.query_one(question, &[]).await;
            let row = row.map_err(|error| self.session.error(doing, &error))?;
            Ok(Some(Origin {
                system: row.get(0),
                oid: row.get(1),
            }))
        });
        asked.unwrap_or_default()
    }

    fn creation(&self) -> Result<(String, Creation), Error> {
        let doing = "looking how the database was made";
        // The names of these columns changed with the versions.
        let (locale, rules) = match self.version() {
            170_000.. => ("datlocale", "daticurules"),
            160_000.. => ("daticulocale", "daticurules"),
            150_000.. => ("daticulocale", "NULL"),
            _ => ("NULL", "NULL"),
        };
        let provider = if self.version() >= 150_000 {
            "datlocprovider::text"
        } else {
            "'c'"
        };
        let question = format!(
            "SELECT datname::text, pg_catalog.pg_encoding_to_char(encoding)::text, {provider}, datcollate::text, datctype::text, \
             {locale}::text, {rules}::text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
        );
        let row = self.wait(doing, async {
            let row = self.session.query_one(&question, &[]).await;
            row.map_err(|error| self.session.error(doing, &error))
        })?;
        let provider = match row.get::<_, &str>(2) {
            "i" => "icu",
            "b" => "builtin",
            _ => "libc",
        };
        let creation = Creation {
            encoding: row.get(1),
            provider: provider.to_owned(),
            collate: row.get(3),
            ctype: row.get(4),
            locale: row.get(5),
            rules: row.get(6),
            owner: None,
        };
        Ok((row.get(0), creation))
    }

    /// SQL that sets every sequence to its state.
    pub(super) fn sequences(&self, survey: &Survey) -> Result<String, Error> {
        self.wait(
            "reading the sequences",
            sequences::statements(&self.session, &survey.sequences),
        )
    }

    /// Ends the transaction: it must still have been there.
    pub(super) fn finish(&self) -> Result<(), Error> {
        self.wait(
            "ending the transaction",
            self.session.run("ending the transaction", "COMMIT"),
        )
    }
}

/// `work`, or an error as soon as the cancel flag is set.
pub(super) async fn unless<T>(
    cancel: &Cancel,
    doing: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let stopped = async {
        while !cancel.is_set() {
            sleep(TICK).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = stopped => Err(lost(doing, "interrupted")),
    }
}

fn lost(doing: &str, reason: &str) -> Error {
    Error::Lost {
        doing: doing.to_owned(),
        reason: reason.to_owned(),
    }
}
