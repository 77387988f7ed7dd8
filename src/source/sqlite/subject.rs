//! What an error is about, and what SQLite's result codes mean for a backup.

use std::io;
use std::path::PathBuf;

use rusqlite::ffi;

use super::Error;
use crate::base::cancel::Interrupted;
use crate::bundle::entry::CollectError;
use crate::bundle::name::Label;

/// The source and the path as the operator named them; makes the errors that speak of them.
pub(super) struct Subject {
    /// The source.
    pub(super) label: Label,
    /// The database as it was named.
    pub(super) path: PathBuf,
}

impl Subject {
    /// It is not there, or is held by another program.
    pub(super) fn unreachable(&self, reason: impl Into<String>) -> Error {
        Error::Unreachable {
            label: self.label.clone(),
            what: self.path.display().to_string(),
            reason: reason.into(),
            hint: "Correct the path; see that its disk is mounted, and that no program keeps the database locked."
                .into(),
        }
    }

    /// It cannot be backed up as it is.
    pub(super) fn unsupported(&self, reason: impl AsRef<str>, hint: impl Into<String>) -> Error {
        Error::Unsupported {
            label: self.label.clone(),
            reason: format!("{}: {}", self.path.display(), reason.as_ref()),
            hint: Some(hint.into()),
        }
    }

    /// It is damaged, or changed in a way that a snapshot does not survive.
    pub(super) fn incomplete(&self, reason: impl AsRef<str>, hint: impl Into<String>) -> Error {
        Error::Incomplete {
            label: self.label.clone(),
            reason: format!("{}: {}", self.path.display(), reason.as_ref()),
            hint: Some(hint.into()),
        }
    }

    /// Its content is damaged.
    pub(super) fn corrupt(&self, reason: impl AsRef<str>) -> Error {
        self.incomplete(
            format!("the database is damaged: {}", reason.as_ref()),
            "Run PRAGMA integrity_check on it, and restore an earlier bundle or salvage it with the .recover command of sqlite3.",
        )
    }

    /// A check found that its content is damaged; it could be read all the same.
    pub(super) fn damaged(&self, reason: impl AsRef<str>) -> Error {
        self.incomplete(
            format!("the database is damaged: quick_check reports: {}", reason.as_ref()),
            "Restore an earlier bundle, or salvage it with the .recover command of sqlite3. --no-check-sources (check_sources = false) backs it up as it is.",
        )
    }

    /// The system refuses to read it.
    pub(super) fn denied(&self, what: impl AsRef<str>) -> Error {
        self.unsupported(
            format!("no permission to read {}", what.as_ref()),
            "Run the backup as the owner of the database, or give its user permission to read the database, its -wal and its -shm.",
        )
    }

    /// The system reports an error.
    pub(super) fn read(&self, source: io::Error) -> Error {
        Error::Read {
            label: self.label.clone(),
            path: self.path.clone(),
            source,
        }
    }

    /// The collector takes nothing more.
    pub(super) fn collect(&self, source: CollectError) -> Error {
        Error::Collect {
            label: self.label.clone(),
            source,
        }
    }

    /// Classifies an error of SQLite.
    pub(super) fn sqlite(&self, error: rusqlite::Error) -> Error {
        let extended = error
            .sqlite_error()
            .map_or(ffi::SQLITE_ERROR, |code| code.extended_code);
        match extended {
            ffi::SQLITE_READONLY_ROLLBACK => self.unsupported(
                "a writer crashed and left a hot rollback journal; rolling it back would write to the database",
                "Open the database once with its application, or run PRAGMA schema_version in sqlite3 as its owner: SQLite then recovers it. Back up again after that.",
            ),
            ffi::SQLITE_READONLY_RECOVERY | ffi::SQLITE_READONLY_CANTINIT | ffi::SQLITE_READONLY_CANTLOCK => self.unsupported(
                "its -wal must be recovered, which needs write access to its -shm",
                "Run the backup as the owner of the database, or open the database once with its application.",
            ),
            ffi::SQLITE_READONLY_DIRECTORY => self.needs_shm(),
            _ => self.by_primary_code(extended & 0xff, error),
        }
    }

    /// A WAL database needs files beside it that cannot be made.
    pub(super) fn needs_shm(&self) -> Error {
        self.unsupported(
            "the database is in WAL mode, and its -wal and -shm can neither be opened nor created beside it",
            "Run the backup as the owner of the database, or while its application has it open. From read-only media, copy the database and its -wal to a place that can be written.",
        )
    }

    fn by_primary_code(&self, primary: i32, error: rusqlite::Error) -> Error {
        match primary {
            ffi::SQLITE_NOTADB => self.unsupported(
                "not a SQLite database, or one that is encrypted as a whole",
                "Name the database file itself. Back up an encrypted database through the export of the program that encrypts it, or as a file while nothing has it open.",
            ),
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => self.unreachable(
                "another program holds it exclusively and did not let go while this one waited; back up again when that program has ended",
            ),
            ffi::SQLITE_CORRUPT => self.corrupt(error.to_string()),
            ffi::SQLITE_PERM | ffi::SQLITE_AUTH => self.denied("it"),
            ffi::SQLITE_CANTOPEN => self.unsupported(
                "SQLite cannot open it",
                "See that the user of the backup can read the database, its -wal and its -shm, and that -shm and -wal are files.",
            ),
            ffi::SQLITE_IOERR => self.read(io::Error::other(error)),
            ffi::SQLITE_INTERRUPT => self.collect(Interrupted.into()),
            _ if error.to_string().contains("malformed database schema") => self.corrupt(error.to_string()),
            _ => self.incomplete(
                format!("SQLite reports: {error}"),
                "Run PRAGMA integrity_check on the database with sqlite3.",
            ),
        }
    }
}
