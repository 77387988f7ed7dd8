//! SQLite: the pages of one read snapshot, in order, without a temporary copy.
//!
//! The content of the one entry is what the database file would hold if every committed transaction of the snapshot were
//! checkpointed into it: the file itself when the database is at rest, and what `sqlite3 DATABASE .backup` writes otherwise,
//! but for the header fields that the backup API counts up (bytes 24..28, 40..44 and 92..100 at most).
//!
//! While a snapshot is read, writers of a WAL database go on, and its `-wal` grows until the end, because a checkpoint cannot
//! pass a reader. Writers of a database with a rollback journal wait. Nothing is ever written to the database
//! file: it is opened read-only, and closing does not checkpoint. A WAL database that nobody has open gets its `-wal` (empty) and
//! `-shm` beside it, as every reader leaves them.
//!
//! POSIX gives up all locks of a process on a file when the process closes any descriptor of that file. So nothing else in
//! this process may open and close the database or its `-shm` while a snapshot is held: not a files source running beside this one.

mod checking;
mod pages;
mod place;
mod snapshot;
mod subject;
#[cfg(test)]
mod tests;
mod wal;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::Learnt;
use super::Source;
use crate::base::cancel::Cancel;
use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::bundle::entry::Collector;
use crate::bundle::kind::SourceKind;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;
use crate::bundle::path::RawBytes;
use place::Place;
use snapshot::Snapshot;
use subject::Subject;

/// How a database is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Whether `PRAGMA quick_check`, on a thread of its own, must find no damage while the database is streamed.
    pub check: bool,
    /// How long to wait for a writer that holds the database exclusively.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    /// No check; ten seconds, in which every ordinary commit and recovery ends.
    fn default() -> Self {
        Self {
            check: false,
            busy_timeout: Duration::from_secs(10),
        }
    }
}

/// One SQLite database, given as the single entry `LABEL/FILE-NAME`.
///
/// A database of 0 bytes, which SQLite takes for an empty one, is given as such. Refused are databases whose
/// committed state cannot be had without writing to them (a hot rollback journal), and files with several hard links: SQLite
/// looks for journals under one name only, and would miss what a program wrote under the other.
pub struct SqliteSource {
    subject: Subject,
    options: SqliteOptions,
    clock: Option<Arc<dyn Clock>>,
}

impl SqliteSource {
    /// The database at `path`, whose journals lie beside the file that `path` leads to.
    #[must_use]
    pub fn new(label: Label, path: PathBuf, options: SqliteOptions) -> Self {
        Self {
            subject: Subject { label, path },
            options,
            clock: None,
        }
    }

    /// Takes the time of the data from `clock`: the moment before the snapshot begins, so that whatever was committed by then is in it.
    #[must_use]
    pub fn timed_by(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    fn entry_path(&self, place: &Place) -> Result<EntryPath, Error> {
        EntryPath::of_label(&self.subject.label)
            .join(Path::new(&place.name))
            .map_err(|bad| {
                self.subject
                    .unsupported(bad.to_string(), "Give the database a shorter name.")
            })
    }

    fn now(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }

    fn private_facts(&self, place: &Place) -> BTreeMap<String, String> {
        let spelled = |path: &Path| String::from(RawBytes(path.as_os_str().as_bytes().to_vec()));
        let mut facts = BTreeMap::from([("path".to_owned(), spelled(&self.subject.path))]);
        if place.real != self.subject.path {
            facts.insert("real_path".to_owned(), spelled(&place.real));
        }
        facts
    }

    fn collect_empty(&self, place: &Place, collector: &mut dyn Collector) -> Result<Learnt, Error> {
        let data_time = self.now();
        let attributes = place.attributes();
        collector
            .file(self.entry_path(place)?, attributes, 0, None, &mut std::io::empty())
            .map_err(|source| self.subject.collect(source))?;
        Ok(Learnt {
            data_time,
            public: BTreeMap::from([
                ("page_count".to_owned(), "0".to_owned()),
                ("sqlite_version".to_owned(), rusqlite::version().to_owned()),
            ]),
            private: self.private_facts(place),
        })
    }

    fn collect_pages(&self, place: Place, collector: &mut dyn Collector, cancel: &Cancel) -> Result<Learnt, Error> {
        let data_time = self.now();
        let path = self.entry_path(&place)?;
        let mut private = self.private_facts(&place);
        let snapshot = Snapshot::begin(&self.subject, place.clone(), self.options.busy_timeout, cancel)?;
        let stream = || snapshot.stream(&self.subject, path, collector, cancel);
        if self.options.check {
            checking::beside(&self.subject, place, self.options.busy_timeout, cancel, stream)?;
        } else {
            stream()?;
        }
        private.extend(snapshot.private_facts(&self.subject)?);
        let public = snapshot.public_facts();
        snapshot.end(&self.subject)?;
        Ok(Learnt {
            data_time,
            public,
            private,
        })
    }
}

impl Source for SqliteSource {
    fn label(&self) -> &Label {
        &self.subject.label
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Sqlite
    }

    fn size_hint(&self) -> Option<u64> {
        std::fs::metadata(&self.subject.path)
            .ok()
            .map(|metadata| metadata.len())
    }

    /// Begins a snapshot and ends it again: whatever refuses a snapshot shows here.
    fn check(&mut self, cancel: &Cancel) -> Result<(), Error> {
        let place = Place::find(&self.subject)?;
        self.entry_path(&place)?;
        if place.is_empty() {
            return place.refuse_journals_of_empty(&self.subject);
        }
        Snapshot::begin(&self.subject, place, self.options.busy_timeout, cancel)?.end(&self.subject)
    }

    fn collect(&mut self, collector: &mut dyn Collector, cancel: &Cancel) -> Result<Learnt, Error> {
        let place = Place::find(&self.subject)?;
        if place.is_empty() {
            place.refuse_journals_of_empty(&self.subject)?;
            self.collect_empty(&place, collector)
        } else {
            self.collect_pages(place, collector, cancel)
        }
    }
}
