//! Connections to the target: how they are set up, and which there are, so that a restore that fails can end them.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::error::Error;
use super::error::doing;
use crate::base::cancel::Cancel;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::connection::Version;
use crate::server::mysql::options::Options;
use crate::server::mysql::sql;

/// Rows as they were, also dates that no calendar has; and a table in its own engine or none. Not strict: an enumeration may hold its
/// error value. Warnings are looked at instead.
const EXACT: &str = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'";

/// Opens connections. Clones share what they know.
#[derive(Clone)]
pub(super) struct Door {
    options: Arc<Options>,
    cancel: Cancel,
    ids: Arc<Mutex<Vec<u32>>>,
}

impl Door {
    pub(super) fn new(mut options: Options, cancel: Cancel) -> Self {
        // The database of the target does not exist yet.
        options.database = None;
        Self {
            options: Arc::new(options),
            cancel,
            ids: Arc::default(),
        }
    }

    /// The host by which the server is reached, for the list of protected databases.
    pub(super) fn host(&self) -> String {
        self.options.server()
    }

    /// A connection that makes tables and loads rows.
    pub(super) fn open(&self) -> Result<Connection, Error> {
        let mut connection = self.plain()?;
        self.ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection.id());
        set_up(&mut connection)?;
        Ok(connection)
    }

    fn plain(&self) -> Result<Connection, Error> {
        Connection::open(&self.options, &self.cancel).map_err(doing("connecting"))
    }

    /// For tidying up after a failure: asks nobody whether to stop, and ends all other connections of this restore.
    pub(super) fn for_tidying(&self) -> Result<Connection, Error> {
        let patient = Self {
            cancel: Cancel::new(),
            ..self.clone()
        };
        let mut connection = patient.plain()?;
        let ids = std::mem::take(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner));
        for id in ids {
            // Those that ended by themselves are unknown to the server.
            let _unknown = connection.run(format!("KILL {id}"));
        }
        Ok(connection)
    }
}

/// The settings of a connection that loads, again after a script changed them.
pub(super) fn set_up(connection: &mut Connection) -> Result<(), Error> {
    for statement in sql::SESSION.iter().chain(&[sql::LOADING, EXACT]) {
        let _done = connection.run(statement).map_err(doing(statement))?;
    }
    for setting in wanted(connection.version()) {
        // Not every version has it, and not every account may set it; where it matters, the statement that needs it says so.
        let _refused = connection.run(format!("SET SESSION {setting}"));
    }
    Ok(())
}

/// Settings that let tables and rows be as they were.
fn wanted(version: &Version) -> &'static [&'static str] {
    if version.is_mariadb() {
        // Without unique checks, the first statement that fills a table locks it until it ends, and the other streams of the table wait.
        &[
            "unique_checks = 1",
            "check_constraint_checks = 0",
            "system_versioning_insert_history = 1",
        ]
    } else {
        &[
            "restrict_fk_on_non_standard_key = 0",
            "sql_require_primary_key = 0",
            "sql_generate_invisible_primary_key = 0",
        ]
    }
}

/// Runs a statement, and names it when it fails.
pub(super) fn run(connection: &mut Connection, statement: &str) -> Result<u16, Error> {
    let done = connection.run(statement).map_err(doing(statement))?;
    Ok(done.warnings)
}
