//! The check of a restored SQLite database.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::Params;
use rusqlite::Statement;
use rusqlite::config::DbConfig;
use rusqlite::ffi;

use crate::base::cancel::Cancel;
use crate::base::limits;
use crate::base::sqlite_uri;
use crate::sink::Error;

/// What to do with a database that fails its check.
const SALVAGE: &str = "Nothing was left at the target. The bundle holds the database as it was: try an older bundle, or restore it with \
                       `--sqlite-check none` and salvage it with the .recover command of sqlite3.";

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

/// What a check found that does not make a database unsound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Rows that refer to a row that does not exist: only [`Check::Full`] counts them. SQLite does not enforce foreign keys
    /// unless told to, so they may have been there when the backup was made, and then belong to a true restore.
    pub foreign_key_violations: u64,
    /// Why those of some tables could not be looked at: SQLite's words, for it lets tables live whose foreign keys make no sense.
    pub foreign_keys_unchecked: Vec<String>,
}

impl Findings {
    /// What to say about `database`, if anything was found.
    pub(in crate::sink) fn note(&self, database: &Path) -> Option<String> {
        let (database, count) = (database.display(), self.foreign_key_violations);
        let mut notes = Vec::new();
        if count > 0 {
            notes.push(format!(
                "rows of {database} that refer to a row that does not exist, as in the backup: {count}"
            ));
        }
        if let [first, ..] = self.foreign_keys_unchecked.as_slice() {
            let tables = self.foreign_keys_unchecked.len();
            notes.push(format!(
                "tables of {database} whose foreign keys make no sense, as in the backup: {tables} ({first})"
            ));
        }
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// Checks databases that nobody is using, strictly read-only and without leaving a `-wal` or `-shm` beside them.
///
/// A `-wal` beside one is not looked at: this is for a file that was restored whole.
#[derive(Clone, Debug)]
pub struct Checker {
    check: Check,
    jobs: usize,
    cancel: Cancel,
}

/// Why a look at a database ended early: SQLite's own error, or that of finding the file.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Checker {
    /// A checker that uses up to `jobs` threads, each with 16 MiB of pages, and ends early once `cancel` is set.
    #[must_use]
    pub fn new(check: Check, jobs: usize, cancel: Cancel) -> Self {
        Self { check, jobs, cancel }
    }

    /// Whether it looks at anything.
    #[must_use]
    pub fn looks(&self) -> bool {
        self.check != Check::None
    }

    /// Checks `database`.
    ///
    /// # Errors
    /// `Check` with the first lines of the report, or with SQLite's error when the file cannot be read as a database, and when `cancel`
    /// was set meanwhile.
    pub fn check(&self, database: &Path) -> Result<Findings, Error> {
        let failed = |reason: String| Error::Check {
            path: database.to_owned(),
            reason,
            hint: SALVAGE,
        };
        let (pragma, seen) = match self.check {
            Check::None => return Ok(Findings::default()),
            Check::Quick => ("quick_check", self.quick(database)),
            Check::Full => ("integrity_check", self.full(database)),
        };
        let seen = seen.map_err(|error| failed(error.to_string()))?;
        if !seen.report.is_empty() {
            return Err(failed(format!("{pragma} reports: {}", seen.report.join("; "))));
        }
        Ok(seen.findings)
    }

    fn quick(&self, database: &Path) -> Result<Seen, Failure> {
        let mut seen = Seen::default();
        seen.structure(&self.open(database)?)?;
        Ok(seen)
    }

    /// `quick_check` of the file and `integrity_check` of each table: together all that `integrity_check` of the file looks at, in pieces for
    /// several threads.
    fn full(&self, database: &Path) -> Result<Seen, Failure> {
        let tables = tables(&self.open(database)?)?;
        let pieces = Pieces {
            tables: &tables,
            next: AtomicUsize::new(0),
        };
        let seen = thread::scope(|scope| {
            let work = || self.work(database, &pieces).inspect_err(|_| pieces.end());
            let threads = self.jobs.clamp(1, tables.len() + 1);
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut seen = vec![work()];
            seen.extend(
                others
                    .into_iter()
                    .map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))),
            );
            seen
        });
        let mut all = Seen::default();
        for seen in seen {
            all.join(seen?);
        }
        Ok(all)
    }

    /// Looks at pieces until there are no more, or something is wrong with one.
    fn work(&self, database: &Path, pieces: &Pieces<'_>) -> Result<Seen, Failure> {
        let connection = self.open(database)?;
        let mut seen = Seen::default();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Structure => seen.structure(&connection)?,
                Piece::Table(table) => seen.table(&connection, table)?,
            }
            if !seen.report.is_empty() {
                pieces.end();
            }
        }
        Ok(seen)
    }

    fn open(&self, database: &Path) -> Result<Connection, Failure> {
        self.cancel.check()?;
        let uri = sqlite_uri::immutable(&fs::canonicalize(database)?);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let mut connection = Connection::open_with_flags(uri, flags)?;
        let cancel = self.cancel.clone();
        connection.progress_handler(limits::SQLITE_STEPS_BETWEEN_LOOKS, Some(move || cancel.is_set()))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // The check of indexes comes back to pages, in no order: what is kept here needs no call to the system.
        connection.execute_batch("PRAGMA mmap_size = 0; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY")?;
        Ok(connection)
    }
}

/// A part of the check of one database.
enum Piece<'a> {
    /// Every page, what is free, and every record, without comparing indexes to tables.
    Structure,
    /// A table, its indexes, and its references to other tables.
    Table(&'a str),
}

/// The pieces of one database, given out one by one.
struct Pieces<'a> {
    tables: &'a [String],
    next: AtomicUsize,
}

impl Pieces<'_> {
    fn next(&self) -> Option<Piece<'_>> {
        match self.next.fetch_add(1, Ordering::Relaxed) {
            0 => Some(Piece::Structure),
            number => self.tables.get(number - 1).map(|table| Piece::Table(table)),
        }
    }

    /// Gives out no more: what is known suffices.
    fn end(&self) {
        self.next.store(self.tables.len() + 1, Ordering::Relaxed);
    }
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    report: Vec<String>,
    findings: Findings,
}

impl Seen {
    fn structure(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.read(
            &mut connection.prepare(&format!("PRAGMA quick_check({REPORT_LINES})"))?,
            [],
        )
    }

    fn table(&mut self, connection: &Connection, table: &str) -> rusqlite::Result<()> {
        let mut statement = connection.prepare("SELECT * FROM pragma_integrity_check(?1)")?;
        self.read(&mut statement, [table])?;
        let sql = "SELECT count(*) FROM pragma_foreign_key_check(?1)";
        match connection.query_row(sql, [table], |row| row.get::<_, i64>(0)) {
            Ok(count) => self.findings.foreign_key_violations += count.unsigned_abs(),
            // A key that refers to columns that are not unique, say: SQLite lets such a table live as long as it enforces none.
            Err(rusqlite::Error::SqliteFailure(error, Some(why))) if error.extended_code == ffi::SQLITE_ERROR => {
                self.findings.foreign_keys_unchecked.push(why);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn read(&mut self, statement: &mut Statement<'_>, arguments: impl Params) -> rusqlite::Result<()> {
        for line in statement.query_map(arguments, |row| row.get::<_, String>(0))? {
            // A line may itself hold several.
            let line = line?.trim_end().replace('\n', ", ");
            if line != "ok" {
                self.add(line);
            }
        }
        Ok(())
    }

    /// The same damage shows in more than one piece.
    fn add(&mut self, line: String) {
        if self.report.len() < REPORT_LINES && !self.report.contains(&line) {
            self.report.push(line);
        }
    }

    fn join(&mut self, other: Self) {
        other.report.into_iter().for_each(|line| self.add(line));
        self.findings.foreign_key_violations += other.findings.foreign_key_violations;
        self.findings
            .foreign_keys_unchecked
            .extend(other.findings.foreign_keys_unchecked);
    }
}

/// Every table: virtual ones, and those in which they keep their rows, too.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}
