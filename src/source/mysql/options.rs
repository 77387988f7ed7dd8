//! What of a server is dumped, and how.

use crate::server::mysql::parameters::Parameters;

/// Which databases and tables are dumped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These alone; all but the system's when empty.
    pub databases: Vec<String>,
    /// Not these.
    pub exclude_databases: Vec<String>,
    /// Not these, written `DATABASE.TABLE`.
    pub exclude_tables: Vec<String>,
}

impl Selection {
    /// The selection that parameters ask for: `databases`, or else the one database of the address or of an option file, or else all.
    #[must_use]
    pub fn of(parameters: &Parameters, database: Option<&str>) -> Self {
        let mut databases = parameters.list("databases");
        if databases.is_empty() {
            databases.extend(database.map(str::to_owned));
        }
        Self {
            databases,
            exclude_databases: parameters.list("exclude-databases"),
            exclude_tables: parameters.list("exclude-tables"),
        }
    }

    /// Whether a table or view is left out.
    pub(super) fn excludes(&self, database: &str, table: &str) -> bool {
        self.exclude_tables
            .iter()
            .any(|name| name.split_once('.').is_some_and(|pair| pair == (database, table)))
    }
}

/// How a server is dumped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MysqlOptions {
    /// Which databases and tables.
    pub selection: Selection,
    /// Connections that read at once.
    pub jobs: usize,
    /// Whether writers of the whole server may be held up while tables without transactions (`MyISAM`, Aria, MEMORY, …) are read. Without
    /// it such tables are refused, for no snapshot covers them.
    pub lock_tables: bool,
    /// About how many bytes of a table one stream holds, where its primary key lets it be cut.
    pub chunk_bytes: u64,
}

impl Default for MysqlOptions {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            jobs: 2,
            lock_tables: false,
            chunk_bytes: 128 << 20,
        }
    }
}
