//! One read transaction on a database, held until all its pages are read.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::ffi;

use super::Error;
use super::Place;
use super::Subject;
use super::pages::Pages;
use super::wal;
use crate::base::cancel::Cancel;
use crate::base::cancel::Interrupted;
use crate::base::limits;
use crate::base::sqlite_uri;
use crate::bundle::entry::Collector;
use crate::bundle::path::EntryPath;

/// How long one try to take a lock that another program holds lasts.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// A consistent state of a database.
pub(super) struct Snapshot {
    connection: Connection,
    place: Place,
    page_bytes: u32,
    pages: u64,
    wal_mode: bool,
    change_counter: u32,
    /// Read without locks, from a file system that is mounted read-only.
    frozen: bool,
}

impl Snapshot {
    /// Opens the database read-only and begins the transaction.
    pub(super) fn begin(
        subject: &Subject,
        place: Place,
        busy_timeout: Duration,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let live = open(&place.real, flags, busy_timeout, cancel);
        let (connection, frozen) = match live {
            Ok(connection) => (connection, false),
            // A WAL database needs a -shm, which read-only media cannot take. There the file alone is the database.
            Err(error) if cannot_open(&error) && place.is_frozen() => {
                flags |= OpenFlags::SQLITE_OPEN_URI;
                let uri = PathBuf::from(sqlite_uri::immutable(&place.real));
                let connection = open(&uri, flags, busy_timeout, cancel).map_err(|error| subject.sqlite(error))?;
                (connection, true)
            }
            Err(error) if cannot_open(&error) && place.is_wal_mode => return Err(subject.needs_shm()),
            Err(error) if is_busy(&error) && cancel.is_set() => return Err(subject.collect(Interrupted.into())),
            Err(error) => return Err(subject.sqlite(error)),
        };
        Self::examine(subject, connection, place, frozen)
    }

    fn examine(subject: &Subject, connection: Connection, mut place: Place, frozen: bool) -> Result<Self, Error> {
        require_table(subject, &connection, "sqlite_dbpage")?;
        let number = |sql: &str| -> Result<u32, Error> {
            connection
                .query_row(sql, [], |row| row.get(0))
                .map_err(|error| subject.sqlite(error))
        };
        let page_bytes = number("PRAGMA page_size")?;
        let pages = u64::from(number("PRAGMA page_count")?);
        let mode: String = connection
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .map_err(|error| subject.sqlite(error))?;
        let header: Vec<u8> = connection
            .query_row("SELECT data FROM sqlite_dbpage WHERE pgno = 1", [], |row| row.get(0))
            .map_err(|error| subject.sqlite(error))?;
        if !frozen {
            place.look_again(subject)?;
        }
        let snapshot = Self {
            connection,
            place,
            page_bytes,
            pages,
            wal_mode: mode == "wal" || header.get(19) == Some(&2),
            change_counter: header
                .get(24..28)
                .map_or(0, |field| u32::from_be_bytes(field.try_into().expect("four bytes"))),
            frozen,
        };
        snapshot.refuse_truncated(subject)?;
        Ok(snapshot)
    }

    /// SQLite reads what lies behind the end of the file as zeros, so a file that was cut must be noticed here.
    fn refuse_truncated(&self, subject: &Subject) -> Result<(), Error> {
        let length = self.place.metadata.len();
        let in_file = length / u64::from(self.page_bytes);
        if in_file >= self.pages {
            return Ok(());
        }
        let covered = wal::holds(&self.place.beside("-wal"), self.page_bytes, in_file + 1, self.pages)
            .map_err(|error| subject.read(error))?;
        if covered {
            return Ok(());
        }
        let expected = self.size();
        Err(subject.corrupt(format!("the file has {length} of {expected} bytes")))
    }

    fn size(&self) -> u64 {
        self.pages * u64::from(self.page_bytes)
    }

    /// Refuses a snapshot that SQLite finds unsound. Rows that a schema forbids by now are data, and no damage.
    pub(super) fn quick_check(&self, subject: &Subject) -> Result<(), Error> {
        // Checks of the schema may call functions of the application, which this program does not have.
        let lines = self
            .connection
            .execute_batch("PRAGMA ignore_check_constraints = 1")
            .and_then(|()| self.connection.prepare("PRAGMA quick_check(10)"))
            .and_then(|mut statement| {
                let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
                rows.collect::<Result<Vec<_>, _>>()
            })
            .map_err(|error| match error.sqlite_error() {
                Some(code) if code.extended_code & 0xff == ffi::SQLITE_CORRUPT => subject.damaged(error.to_string()),
                _ => subject.sqlite(error),
            })?;
        let damage: Vec<&str> = lines
            .iter()
            .map(String::as_str)
            .filter(|line| is_damage(line))
            .collect();
        if damage.is_empty() {
            return Ok(());
        }
        Err(subject.damaged(damage.join("; ").replace('\n', ", ")))
    }

    /// Gives all pages to `collector` as the file `path`.
    pub(super) fn stream(
        &self,
        subject: &Subject,
        path: EntryPath,
        collector: &mut dyn Collector,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let mut statement = self
            .connection
            .prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno")
            .map_err(|error| subject.sqlite(error))?;
        let rows = statement.query([]).map_err(|error| subject.sqlite(error))?;
        let mut pages = Pages::new(rows, self.page_bytes, self.pages, cancel);
        let attributes = self.place.attributes();
        let taken = collector.file(path, attributes, self.size(), None, &mut pages);
        match (taken, pages.failure.take()) {
            (Ok(_), None) => Ok(()),
            (_, Some(failure)) => Err(failure.into_error(subject)),
            (Err(source), None) => Err(subject.collect(source)),
        }
    }

    /// What everybody may know about the snapshot.
    pub(super) fn public_facts(&self) -> BTreeMap<String, String> {
        let journal_mode = if self.wal_mode { "wal" } else { "rollback" };
        BTreeMap::from([
            ("sqlite_version".to_owned(), rusqlite::version().to_owned()),
            ("page_size".to_owned(), self.page_bytes.to_string()),
            ("page_count".to_owned(), self.pages.to_string()),
            ("journal_mode".to_owned(), journal_mode.to_owned()),
            ("change_counter".to_owned(), self.change_counter.to_string()),
        ])
    }

    /// What only those who can open the bundle may know.
    pub(super) fn private_facts(&self, subject: &Subject) -> Result<BTreeMap<String, String>, Error> {
        self.connection
            .prepare("SELECT type || '_count', count(*) FROM sqlite_schema GROUP BY type")
            .and_then(|mut statement| {
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.to_string())))?;
                rows.collect()
            })
            .map_err(|error| subject.sqlite(error))
    }

    /// Ends the transaction and closes the database.
    pub(super) fn end(mut self, subject: &Subject) -> Result<(), Error> {
        let before = self.place.metadata.clone();
        self.connection
            .execute_batch("ROLLBACK")
            .map_err(|error| subject.sqlite(error))?;
        self.connection.close().map_err(|(_, error)| subject.sqlite(error))?;
        if !self.frozen {
            return Ok(());
        }
        self.place.look_again(subject)?;
        if self.place.is_frozen() && self.place.is_as_in(&before) {
            return Ok(());
        }
        Err(subject.incomplete(
            "the file is on a file system that is mounted read-only here, but it was written from elsewhere meanwhile",
            "Run the backup where the database is written, or mount its folder so that its -shm can be used.",
        ))
    }
}

/// `NULL value in t.c` and `TEXT value in t.c` are rows that were stored before the schema, or an older SQLite, forbade them.
fn is_damage(line: &str) -> bool {
    line != "ok" && !line.contains(" value in ")
}

/// Opens a database and takes the snapshot: the first read of a transaction does.
fn open(path: &Path, flags: OpenFlags, busy_timeout: Duration, cancel: &Cancel) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout.min(BETWEEN_TRIES))?;
    let stop = cancel.clone();
    connection.progress_handler(limits::SQLITE_STEPS_BETWEEN_LOOKS, Some(move || stop.is_set()))?;
    // A read-only connection cannot checkpoint; this says so once more, for the last connection that closes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Every page is read once, so a cache is of no use beyond the check. A memory map would be nearly twice as fast, but
    // this is faster than what comes after it, and with a map a file cut meanwhile or a bad disk would end the process with a signal.
    let pragmas = "PRAGMA mmap_size = 0; PRAGMA cache_size = -2048; PRAGMA query_only = 1";
    let until = Instant::now() + busy_timeout;
    unless_busy(until, cancel, || connection.execute_batch(pragmas))?;
    connection.execute_batch("BEGIN")?;
    unless_busy(until, cancel, || {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
    })?;
    Ok(connection)
}

/// Tries again while another program holds the lock. SQLite itself would wait without a look at the flag.
fn unless_busy(until: Instant, cancel: &Cancel, act: impl Fn() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    loop {
        match act() {
            Err(error) if is_busy(&error) && Instant::now() < until && !cancel.is_set() => {}
            tried => return tried,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// Refuses a SQLite that was built without this virtual table.
pub(super) fn require_table(subject: &Subject, connection: &Connection, table: &str) -> Result<(), Error> {
    let sql = "SELECT count(*) FROM pragma_module_list WHERE name = ?1";
    let found: i64 = connection
        .query_row(sql, [table], |row| row.get(0))
        .map_err(|error| subject.sqlite(error))?;
    if found > 0 {
        return Ok(());
    }
    Err(subject.unsupported(
        format!("this program was built with a SQLite that has no {table} table"),
        "Build it with LIBSQLITE3_FLAGS=-DSQLITE_ENABLE_DBPAGE_VTAB in the environment, as .cargo/config.toml sets it.",
    ))
}

/// The errors with which a WAL database reports that it cannot have its `-wal` or `-shm`.
fn cannot_open(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|code| {
        code.extended_code & 0xff == ffi::SQLITE_CANTOPEN || code.extended_code == ffi::SQLITE_READONLY_DIRECTORY
    })
}
