//! The check of a restored SQLite database.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;

use crate::base::cancel::Cancel;
use crate::base::limits;
use crate::base::sqlite_uri;
use crate::sink::Error;

/// How many lines of a report an error carries.
const REPORT_LINES: usize = 5;

/// How closely a restored database is looked at before it gets its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Not at all: its digest was compared, and nothing else.
    None,
    /// `PRAGMA quick_check`: every page, record and constraint, without comparing indexes to tables.
    #[default]
    Quick,
    /// `PRAGMA integrity_check`, which compares indexes as well, and `PRAGMA foreign_key_check`.
    Full,
}

/// The word names no check.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a check: none, quick or full")]
pub struct NotACheck(String);

impl FromStr for Check {
    type Err = NotACheck;

    fn from_str(text: &str) -> Result<Self, NotACheck> {
        match text {
            "none" => Ok(Self::None),
            "quick" => Ok(Self::Quick),
            "full" => Ok(Self::Full),
            _ => Err(NotACheck(text.to_owned())),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::None => "none",
            Self::Quick => "quick",
            Self::Full => "full",
        })
    }
}

/// What a check found that does not make a database unsound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Rows that refer to a row that does not exist: only [`Check::Full`] counts them. SQLite does not enforce foreign keys
    /// unless told to, so they may have been there when the backup was made, and then belong to a true restore.
    pub foreign_key_violations: u64,
}

impl Findings {
    /// What to say about `database`, if anything was found.
    pub(in crate::sink) fn note(&self, database: &Path) -> Option<String> {
        let (database, count) = (database.display(), self.foreign_key_violations);
        (count > 0)
            .then(|| format!("rows of {database} that refer to a row that does not exist, as in the backup: {count}"))
    }
}

/// Checks a database that nobody is using, strictly read-only and without leaving a `-wal` or `-shm` beside it.
///
/// A `-wal` beside it is not looked at: this is for a file that was restored whole.
///
/// # Errors
/// `Check` with the first lines of the report, or with SQLite's error when the file cannot be read as a database, and when `cancel` was
/// set meanwhile.
pub fn check(database: &Path, check: Check, cancel: &Cancel) -> Result<Findings, Error> {
    let pragma = match check {
        Check::None => return Ok(Findings::default()),
        Check::Quick => "quick_check",
        Check::Full => "integrity_check",
    };
    let failed = |reason: String| Error::Check {
        path: database.to_owned(),
        reason,
    };
    cancel.check().map_err(|error| failed(error.to_string()))?;
    let connection = open(database, cancel).map_err(|error| failed(error.to_string()))?;
    let report = report(&connection, pragma).map_err(|error| failed(error.to_string()))?;
    if report != ["ok"] {
        return Err(failed(format!("{pragma} reports: {}", report.join("; "))));
    }
    let mut findings = Findings::default();
    if check == Check::Full {
        let sql = "SELECT count(*) FROM pragma_foreign_key_check";
        let count: i64 = connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(|error| failed(error.to_string()))?;
        findings.foreign_key_violations = count.unsigned_abs();
    }
    Ok(findings)
}

fn open(database: &Path, cancel: &Cancel) -> Result<Connection, Box<dyn std::error::Error>> {
    let uri = sqlite_uri::immutable(&fs::canonicalize(database)?);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let mut connection = Connection::open_with_flags(uri, flags)?;
    let cancel = cancel.clone();
    connection.progress_handler(limits::SQLITE_STEPS_BETWEEN_LOOKS, Some(move || cancel.is_set()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // The check of indexes comes back to pages; 16 MiB keeps the inner pages of large trees.
    connection.execute_batch("PRAGMA mmap_size = 0; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY")?;
    Ok(connection)
}

fn report(connection: &Connection, pragma: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA {pragma}({REPORT_LINES})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    // A line may itself hold several.
    lines
        .map(|line| line.map(|text| text.trim_end().replace('\n', ", ")))
        .collect()
}
