//! The database file as the file system shows it, before SQLite opens it.

use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::fs::Metadata;
use std::io;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::Access;
use rustix::fs::AtFlags;
use rustix::fs::CWD;
use rustix::fs::StatVfsMountFlags;

use super::Error;
use super::Subject;
use crate::base::durable;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Mtime;

/// A regular file that may be a database, as it was before SQLite opened it.
#[derive(Clone)]
pub(super) struct Place {
    /// Its file name as the operator wrote it.
    pub(super) name: OsString,
    /// Its absolute path without symbolic links: journals lie beside this one. It begins with `/`, so SQLite never takes it for a URI.
    pub(super) real: PathBuf,
    /// What the file system says about it.
    pub(super) metadata: Metadata,
    /// Whether the header says that the database is read and written in WAL mode.
    pub(super) is_wal_mode: bool,
}

impl Place {
    /// Follows the path and refuses what cannot be a readable database.
    ///
    /// Not while this process has a connection to the database: to open and close the file gives up the locks of that connection.
    pub(super) fn find(subject: &Subject) -> Result<Self, Error> {
        let real = fs::canonicalize(&subject.path).map_err(|error| absent(subject, error))?;
        let metadata = fs::metadata(&real).map_err(|error| absent(subject, error))?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() {
                "a folder"
            } else {
                "not a regular file"
            };
            return Err(subject.unsupported(what, "Name the database file. A files source takes folders."));
        }
        if !may(&real, Access::READ_OK) {
            return Err(subject.denied("it"));
        }
        if metadata.nlink() > 1 {
            return Err(subject.unsupported(
                format!(
                    "the file has {} names, and a program that writes under another one keeps its journal under that one",
                    metadata.nlink()
                ),
                "Remove the other hard links, or back up a copy that has one name.",
            ));
        }
        let name = subject
            .path
            .file_name()
            .or(real.file_name())
            .unwrap_or_default()
            .to_owned();
        let place = Self {
            is_wal_mode: is_wal_mode(&real),
            name,
            real,
            metadata,
        };
        place.refuse_to_lock_out_the_owner(subject)?;
        Ok(place)
    }

    /// SQLite takes a file of 0 bytes for an empty database.
    pub(super) fn is_empty(&self) -> bool {
        self.metadata.len() == 0
    }

    /// Beside an empty file, a journal is of another state of the database, and SQLite would delete it when it opens the file.
    pub(super) fn refuse_journals_of_empty(&self, subject: &Subject) -> Result<(), Error> {
        for suffix in ["-wal", "-journal"] {
            if fs::metadata(self.beside(suffix)).is_ok_and(|journal| journal.len() > 0) {
                return Err(subject.incomplete(
                    format!("the file is empty, but its {suffix} is not"),
                    "Find out what emptied the file before any program opens it: SQLite would delete that journal.",
                ));
            }
        }
        Ok(())
    }

    /// The path of the file with this suffix beside the database.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.real.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    /// Takes the metadata again.
    pub(super) fn look_again(&mut self, subject: &Subject) -> Result<(), Error> {
        self.metadata = fs::metadata(&self.real).map_err(|error| absent(subject, error))?;
        Ok(())
    }

    /// Mode, owner and time of modification of the database file.
    pub(super) fn attributes(&self) -> Attributes {
        Attributes {
            mode: self.metadata.mode() & 0o7777,
            uid: self.metadata.uid(),
            gid: self.metadata.gid(),
            mtime: Mtime {
                seconds: self.metadata.mtime(),
                nanos: u32::try_from(self.metadata.mtime_nsec()).unwrap_or(0),
            },
            xattrs: Vec::new(),
        }
    }

    /// Whether the file system is mounted read-only here, and no `-wal` holds anything: then the file is the whole database.
    pub(super) fn is_frozen(&self) -> bool {
        rustix::fs::statvfs(&self.real).is_ok_and(|vfs| vfs.f_flag.contains(StatVfsMountFlags::RDONLY))
            && self.has_no_wal()
    }

    /// Whether the file has not been written or replaced since `before`, as far as the file system tells.
    pub(super) fn is_as_in(&self, before: &Metadata) -> bool {
        let look = |seen: &Metadata| {
            let modified = (seen.mtime(), seen.mtime_nsec());
            let changed = (seen.ctime(), seen.ctime_nsec());
            (seen.dev(), seen.ino(), seen.len(), modified, changed)
        };
        look(&self.metadata) == look(before)
    }

    fn has_no_wal(&self) -> bool {
        match fs::metadata(self.beside("-wal")) {
            Ok(wal) => wal.len() == 0,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// A reader of a closed WAL database creates its `-shm`, with the reader's owner and the database's mode. Where that
    /// would keep the owner of the database from writing, nothing is opened.
    fn refuse_to_lock_out_the_owner(&self, subject: &Subject) -> Result<(), Error> {
        let reader = rustix::process::geteuid().as_raw();
        let creates = !self.beside("-shm").exists() && may(durable::parent(&self.real), Access::WRITE_OK);
        let shared = self.metadata.mode() & 0o022 != 0;
        if reader == 0 || reader == self.metadata.uid() || shared || !creates || !self.is_wal_mode {
            return Ok(());
        }
        let owner = self.metadata.uid();
        Err(subject.unsupported(
            format!("nobody has the WAL database open, and a -shm created by user {reader} would keep its owner, user {owner}, from writing"),
            format!("Run the backup as user {owner}, or while the application has the database open."),
        ))
    }
}

/// Whether the header at the beginning of the file says so.
fn is_wal_mode(database: &Path) -> bool {
    let mut header = [0; 20];
    let read = File::open(database).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[19] == 2
}

/// Whether the system lets this process do that, by its effective user.
fn may(path: &Path, access: Access) -> bool {
    rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}

fn absent(subject: &Subject, error: io::Error) -> Error {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        subject.unreachable("there is no such file, or a symbolic link on the way leads nowhere")
    } else if kind == io::ErrorKind::NotADirectory {
        subject.unreachable("a part of the path is not a folder")
    } else if kind == io::ErrorKind::PermissionDenied {
        subject.denied("a folder on the way to it")
    } else {
        subject.read(error)
    }
}
