//! A folder or a file of this machine as a source.
//!
//! Kept of each entry: its path as bytes, permission bits, owner and group as numbers, the time of modification to the
//! nanosecond, symbolic links (never followed), hard links within the tree, holes, and the extended attributes `user.*`,
//! `security.capability` and POSIX access lists. Not kept: times of access and of change, file system flags,
//! security labels (`security.selinux`), `trusted.*`, and extended attributes of symbolic links.
//!
//! Nothing is left out silently. Sockets, FIFOs and devices cannot be stored and are recorded as exceptions. What the
//! operator excludes is counted. What cannot be read, and what does not hold still while it is read, is an error;
//! the latter can be allowed, and is then recorded as an exception. A change is seen by size, time of modification and
//! time of change, before and after: two writes within one tick of a file system's clock look like one.
//!
//! Memory: one listing for each folder on the way down, and one path for each file with hard links that have not all been met.

mod attributes;
mod change;
mod content;
mod links;
mod open;
mod order;
mod walk;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::CWD;
use rustix::fs::OFlags;
use rustix::io::Errno;

use self::order::Order;
use self::walk::Counts;
use self::walk::Walk;
use super::Error;
use super::Learnt;
use super::Source;
use crate::base::cancel::Cancel;
use crate::bundle::entry::Collector;
use crate::bundle::kind::SourceKind;
use crate::bundle::name::Label;
use crate::source::exclude::BadPattern;
use crate::source::exclude::Excludes;

/// How to walk a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesOptions {
    /// What to leave out, in patterns close to those of `.gitignore`: `*.log` is a name at any depth, `/var/cache` a
    /// path below the root, a `/` at the end means folders alone, `**` any number of folders. There is no negation.
    /// A root that is a single file is never excluded.
    pub exclude: Vec<String>,
    /// Whether what changes or vanishes while it is read is recorded as an exception and not an error.
    pub allow_changed: bool,
    /// The folder of the store that the backup goes to. A root with the store in it would hold all older bundles in each
    /// new one, and is refused unless the store is excluded.
    pub store: Option<PathBuf>,
    /// Whether to stay in the file system of the root: a folder where another one begins is stored, what is in it is not.
    pub one_file_system: bool,
}

/// A folder with all that is in it, as `LABEL` and `LABEL/…`; or a single file, as `LABEL/NAME`.
///
/// The order is that of the names' bytes within each folder, a folder directly before what is in it.
/// A root that is a symbolic link stands for what it points to.
#[derive(Debug)]
pub struct FilesSource {
    label: Label,
    root: PathBuf,
    options: FilesOptions,
    excludes: Excludes,
}

/// The root, open for reading.
enum Root {
    Folder(OwnedFd),
    File(OwnedFd),
}

impl FilesSource {
    /// Looks at nothing yet.
    ///
    /// # Errors
    /// [`BadPattern`] when one of the patterns can match nothing or is no pattern.
    pub fn new(label: Label, root: PathBuf, options: FilesOptions) -> Result<Self, BadPattern> {
        Ok(Self {
            excludes: Excludes::new(&options.exclude)?,
            label,
            root,
            options,
        })
    }

    fn open_root(&self) -> Result<Root, Error> {
        let metadata = fs::metadata(&self.root).map_err(|error| self.root_error(error))?;
        let open = |flags| {
            let path = CString::new(self.root.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)?;
            open::open(CWD.as_fd(), &path, flags)
        };
        let opened = if metadata.is_dir() {
            open(OFlags::DIRECTORY).map(Root::Folder)
        } else if metadata.is_file() {
            open(OFlags::NONBLOCK | OFlags::NOCTTY).map(Root::File)
        } else {
            let reason = format!("{} is neither a folder nor a regular file", self.root.display());
            return Err(self.unsupported(reason, "Name the folder that holds the files to back up."));
        };
        opened.map_err(|errno| self.root_error(errno.into()))
    }

    /// Refuses a root that holds the store, or lies in it.
    fn refuse_store(&self) -> Result<(), Error> {
        let (Some(store), Ok(root)) = (&self.options.store, fs::canonicalize(&self.root)) else {
            return Ok(());
        };
        // A store that is not there is told of by whoever opens it.
        let Ok(store) = fs::canonicalize(store) else {
            return Ok(());
        };
        if root.starts_with(&store) {
            let reason = format!("{} is a part of the store that the backup goes to", self.root.display());
            return Err(self.unsupported(reason, "Name a folder outside the store."));
        }
        let Ok(inside) = store.strip_prefix(&root) else {
            return Ok(());
        };
        let left_out = |above: &Path| {
            let (path, name) = (above.as_os_str(), above.file_name().unwrap_or_default());
            self.excludes.matches(name.as_bytes(), path.as_bytes(), true)
        };
        if inside
            .ancestors()
            .any(|above| above != Path::new("") && left_out(above))
        {
            return Ok(());
        }
        let reason = format!(
            "the store {} lies in it, so that each bundle would hold all those before it",
            store.display()
        );
        let hint = format!(
            "Leave it out with --exclude '/{}', or keep the store elsewhere.",
            inside.display()
        );
        Err(self.unsupported(reason, &hint))
    }

    fn root_error(&self, error: io::Error) -> Error {
        let kind = error.kind();
        if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&kind) {
            return Error::Unreachable {
                label: self.label.clone(),
                what: self.root.display().to_string(),
                reason: error.to_string(),
                hint: "Correct the path; see that its disk is mounted.".into(),
            };
        }
        if kind == io::ErrorKind::PermissionDenied {
            let reason = format!("no permission to read {}", self.root.display());
            return self.unsupported(
                reason,
                "Run as a user who may read it, or give this one the permission.",
            );
        }
        Error::Read {
            label: self.label.clone(),
            path: self.root.clone(),
            source: error,
        }
    }

    fn unsupported(&self, reason: String, hint: &str) -> Error {
        Error::Unsupported {
            label: self.label.clone(),
            reason,
            hint: Some(hint.to_owned()),
        }
    }
}

impl Source for FilesSource {
    fn label(&self) -> &Label {
        &self.label
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Files
    }

    fn check(&mut self, _cancel: &Cancel) -> Result<(), Error> {
        self.open_root()?;
        self.refuse_store()
    }

    fn collect(&mut self, collector: &mut dyn Collector, cancel: &Cancel) -> Result<Learnt, Error> {
        let order = Order {
            label: &self.label,
            root: &self.root,
            options: &self.options,
            excludes: &self.excludes,
            cancel,
        };
        let walk = Walk::new(order, collector);
        let counts = match self.open_root()? {
            Root::Folder(root) => walk.folder_root(root)?,
            Root::File(root) => walk.file_root(&root, self.root.file_name().unwrap_or(OsStr::new("file")))?,
        };
        Ok(Learnt {
            private: facts(&counts),
            ..Learnt::default()
        })
    }
}

/// The counts as facts; what did not occur is left out, but for files and bytes.
fn facts(counts: &Counts) -> BTreeMap<String, String> {
    [
        ("files", counts.files, true),
        ("bytes", counts.bytes, true),
        ("folders", counts.folders, false),
        ("symlinks", counts.symlinks, false),
        ("hard_links", counts.hard_links, false),
        ("excluded", counts.excluded, false),
        ("mount_points_left_out", counts.mount_points, false),
        ("special_files_left_out", counts.special, false),
        ("changed", counts.changed, false),
    ]
    .into_iter()
    .filter(|(_, count, always)| *always || *count > 0)
    .map(|(name, count, _)| (name.to_owned(), count.to_string()))
    .collect()
}
