//! Connections to the target server: to any of its databases, with the settings that a restore needs.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio_postgres::Client;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::ToSql;
use tokio_postgres::types::Type;

use super::error::Error;
use super::error::words;
use crate::base::fault::Fault as _;
use crate::server::postgres::Conninfo;
use crate::server::postgres::Session;
use crate::server::postgres::connect;
use crate::server::postgres::quote;
use crate::server::postgres::session;

/// A row as text.
pub(super) type Row = Vec<Option<String>>;

/// How the server is reached, and as whom.
#[derive(Clone)]
pub(super) struct Door {
    conninfo: Conninfo,
    role: Option<String>,
}

impl Door {
    pub(super) fn new(conninfo: Conninfo, role: Option<String>) -> Self {
        Self { conninfo, role }
    }

    /// The same server for every later session, where several were named.
    pub(super) fn narrow(mut self, first: &Link) -> Self {
        self.conninfo.endpoints = vec![first.session.endpoint.clone()];
        self
    }

    /// A session in `database`, as it comes.
    pub(super) async fn open(&self, database: &str) -> Result<Link, Error> {
        let mut conninfo = self.conninfo.clone();
        database.clone_into(&mut conninfo.database);
        let session = connect(&conninfo).await.map_err(|error| Error::Connect {
            reason: error.to_string(),
            hint: error.hint(),
        })?;
        Ok(Link { session })
    }

    /// A session that writes what is restored: as the chosen role, with nothing that could stop long work, and without waiting for
    /// the disk at every commit. The last step of a restore waits for all of it.
    pub(super) async fn writer(&self, database: &str, version: u32) -> Result<Link, Error> {
        let link = self.open(database).await?;
        let mut sql = session::settings(version);
        sql.push_str(
            "SET lock_timeout = 0; SET synchronous_commit = off; SET row_security = off; \
             SET check_function_bodies = false; SET xmloption = content; SET client_min_messages = warning; \
             SET standard_conforming_strings = on; \
             SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', false) WHERE pg_catalog.pg_size_bytes(\
             pg_catalog.current_setting('maintenance_work_mem')) < 268435456;",
        );
        if let Some(role) = &self.role {
            write!(sql, "SET ROLE {};", quote::identifier(role)).expect("a String takes every text");
        }
        link.run("setting the session up", &sql).await?;
        Ok(link)
    }
}

/// One session; dropped, it ends.
pub(super) struct Link {
    session: Session,
}

impl Link {
    pub(super) fn client(&self) -> &Client {
        &self.session
    }

    /// `server_version_num`.
    pub(super) fn version(&self) -> u32 {
        self.session.version
    }

    /// Whether it only follows another server.
    pub(super) fn is_standby(&self) -> bool {
        self.session.is_standby
    }

    /// What was done when the server refused, or why there is no server any more.
    pub(super) fn failed(&self, what: &str, error: &tokio_postgres::Error) -> Error {
        let reason = match error.as_db_error() {
            Some(_) => words(error),
            None => self.session.error(what, error).to_string(),
        };
        Error::Server {
            what: what.to_owned(),
            reason,
            code: error.code().map(|code| code.code().to_owned()),
        }
    }

    /// Runs statements whose results nobody needs; `what` is said when the server refuses.
    pub(super) async fn run(&self, what: &str, sql: &str) -> Result<(), Error> {
        self.client()
            .batch_execute(sql)
            .await
            .map_err(|error| self.failed(what, &error))
    }

    /// Writes to a large object. As a parameter the bytes need not be printed as digits and parsed again.
    pub(super) async fn put(&self, object: u32, offset: i64, bytes: &[u8]) -> Result<(), tokio_postgres::Error> {
        let sql = "SELECT pg_catalog.lo_put($1, $2, $3)";
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&object, Type::OID), (&offset, Type::INT8), (&bytes, Type::BYTEA)];
        self.client().query_typed(sql, &parameters).await.map(drop)
    }

    /// All rows of a question.
    pub(super) async fn rows(&self, what: &str, sql: &str) -> Result<Vec<Row>, Error> {
        let messages = self
            .client()
            .simple_query(sql)
            .await
            .map_err(|error| self.failed(what, &error))?;
        let row = |message| {
            // The others say how a row is made, and where a statement ends.
            let SimpleQueryMessage::Row(row) = message else {
                return None;
            };
            let texts = (0..row.len()).map(|at| row.get(at).map(str::to_owned));
            Some(texts.collect())
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }

    /// The first value of the first row.
    pub(super) async fn value(&self, what: &str, sql: &str) -> Result<Option<String>, Error> {
        let rows = self.rows(what, sql).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }
}

/// Sessions in the staged database that go from one piece of work to the next.
#[derive(Clone)]
pub(super) struct Links {
    door: Door,
    database: String,
    version: u32,
    idle: Arc<Mutex<Vec<Link>>>,
}

impl Links {
    pub(super) fn new(door: Door, database: String, version: u32) -> Self {
        let idle = Arc::default();
        Self {
            door,
            database,
            version,
            idle,
        }
    }

    /// An idle session, or a new one.
    pub(super) async fn take(&self) -> Result<Link, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(link) => Ok(link),
            None => self.door.writer(&self.database, self.version).await,
        }
    }

    /// Gives a session back that works and has nothing open.
    pub(super) fn give(&self, link: Link) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link);
    }

    /// Ends all idle sessions.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
