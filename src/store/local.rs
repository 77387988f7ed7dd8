//! A store in a folder of a local or network file system.
//!
//! ```text
//! ROOT/bundles/… manifests/… audit/…   objects: files of mode 0440, in folders of mode 0750
//! ROOT/.locks/SET.lock                 held by the writer of a set; the kernel frees it when the process dies
//! ROOT/.tmp/SET/.hub-tmp-…             objects being written under the lease of a set
//! ROOT/.tmp/_/.hub-tmp-…               all other objects being written; .locks/_.lock is shared by their writers
//! ```
//!
//! An object gets its name by `link(2)`, which never replaces anything, so the file system must have hard links.
//! Symbolic links below the root are refused: a store can be moved, and never leads elsewhere.

mod lease;
mod upload;

use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::fs::FileType;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use rustix::fs::OFlags;

use super::Error;
use super::Lease;
use super::Listed;
use super::ObjectName;
use super::Store;
use super::Upload;
use super::names;
use crate::base::durable;
use crate::base::read_at::FileAt;
use crate::base::read_at::ReadAt;
use crate::bundle::name::SetName;

const FOLDER_MODE: u32 = 0o750;

/// A store in a folder.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    /// Folders whose own names are known to last. A crashed process may have made a folder without syncing its parent.
    settled: Mutex<BTreeSet<PathBuf>>,
}

impl LocalStore {
    /// The store in an existing folder. Writes nothing, so a store on a read-only medium can be read.
    ///
    /// # Errors
    /// `Unavailable` or `Denied` when there is no such folder or it cannot be entered.
    pub fn open(root: PathBuf) -> Result<Self, Error> {
        let store = Self {
            root,
            settled: Mutex::default(),
        };
        let act = "open the folder of the store";
        let root = std::path::absolute(&store.root).map_err(|error| store.error(act, error))?;
        drop(fs::read_dir(&root).map_err(|error| store.error(act, error))?);
        Ok(Self { root, ..store })
    }

    /// Creates the folder of a store where it is missing, and opens it.
    ///
    /// # Errors
    /// `Unavailable` or `Denied` when it cannot be created.
    pub fn create(root: PathBuf) -> Result<Self, Error> {
        if let Err(error) = durable::create_folders(&root, FOLDER_MODE) {
            let settled = Mutex::default();
            return Err(Self { root, settled }.error("create the folder of the store", error));
        }
        Self::open(root)
    }

    /// The folder of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the medium reports, as an error of the store.
    fn error(&self, act: impl Into<String>, source: io::Error) -> Error {
        let store = self.describe();
        let refused = matches!(
            source.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        );
        let act = act.into();
        if refused {
            let what = format!("the folder, to {act},");
            Error::Denied { store, what, source }
        } else {
            Error::Unavailable { store, act, source }
        }
    }

    fn not_found(&self, name: &ObjectName) -> Error {
        Error::NotFound {
            store: self.describe(),
            name: name.clone(),
        }
    }

    fn exists(&self, name: &ObjectName) -> Error {
        Error::Exists {
            store: self.describe(),
            name: name.clone(),
        }
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// The folder `relative` of the root: created where it is missing, and lasting from then on.
    fn folder(&self, relative: &str) -> io::Result<PathBuf> {
        let mut path = self.root.clone();
        // A root that went away is not made again: its file system is no longer mounted.
        fs::metadata(&path)?;
        for component in relative.split('/') {
            path.push(component);
            match kind_of(&path) {
                Ok(kind) if kind.is_dir() => self.settle(&path)?,
                Ok(kind) => return Err(no_folder(&path, kind)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    durable::create_folders(&path, FOLDER_MODE)?;
                    self.settle(&path)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(path)
    }

    fn settle(&self, folder: &Path) -> io::Result<()> {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if !settled.contains(folder) {
            durable::sync_folder(durable::parent(folder))?;
            settled.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Refuses a path whose folders below the root are not folders.
    fn check_folders(&self, relative: &str) -> io::Result<()> {
        let mut path = self.root.clone();
        let Some((folders, _)) = relative.rsplit_once('/') else {
            return Ok(());
        };
        for component in folders.split('/') {
            path.push(component);
            let kind = kind_of(&path)?;
            if !kind.is_dir() {
                return Err(no_folder(&path, kind));
            }
        }
        Ok(())
    }

    /// Opens the file of an object. Neither a link is followed nor a pipe waited for.
    fn open_file(&self, name: &ObjectName) -> io::Result<FileAt> {
        self.check_folders(name.as_str())?;
        let path = self.path(name);
        let kind = kind_of(&path)?;
        if kind.is_dir() {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !kind.is_file() {
            return Err(refused(&path, "is not a regular file"));
        }
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&path)?;
        FileAt::new(file)
    }

    fn open_object(&self, name: &ObjectName) -> Result<FileAt, Error> {
        self.open_file(name).map_err(|error| {
            // Without its root the store is not there at all, which says nothing about the object.
            if is_absent(&error) && self.root.is_dir() {
                self.not_found(name)
            } else {
                self.error(format!("open {name}"), error)
            }
        })
    }

    fn open_lock(&self, word: &str) -> io::Result<File> {
        let path = self.folder(".locks")?.join(format!("{word}.lock"));
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
    }
}

impl Store for LocalStore {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Error> {
        let mut object = self.begin(name)?;
        object
            .write_all(bytes)
            .map_err(|error| self.error(format!("write {name}"), error))?;
        object.publish()
    }

    fn upload(&self, name: &ObjectName) -> Result<Box<dyn Upload + '_>, Error> {
        Ok(Box::new(upload::Buffered::new(self.begin(name)?)))
    }

    fn open(&self, name: &ObjectName) -> Result<Box<dyn ReadAt>, Error> {
        Ok(Box::new(self.open_object(name)?))
    }

    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let file = self.open_object(name)?;
        let length = usize::try_from(file.len()).ok().filter(|_| file.len() <= bytes_max);
        let length = length.ok_or_else(|| Error::TooLarge {
            store: self.describe(),
            name: name.clone(),
            bytes_max,
        })?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0)
            .map_err(|error| self.error(format!("read {name}"), error))?;
        Ok(bytes)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, Error> {
        // Any other text begins no name.
        if !prefix.is_empty() && prefix.parse::<ObjectName>().is_err() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        match self.check_folders(prefix).and_then(|()| self.find(prefix, &mut found)) {
            Ok(()) => found.sort_by(|one, other| one.name.cmp(&other.name)),
            Err(error) if is_absent(&error) && self.root.is_dir() => {}
            Err(error) => return Err(self.error(format!("list {prefix:?}"), error)),
        }
        Ok(found)
    }

    fn lease(&self, set: &SetName) -> Result<Box<dyn Lease>, Error> {
        Ok(Box::new(self.take_lease(set)?))
    }

    fn sweep(&self, lease: &dyn Lease) -> Result<u64, Error> {
        self.sweep_set(lease.set())
            .map_err(|error| self.error("sweep what a crashed run left", error))
    }
}

impl LocalStore {
    /// Adds every object at or below `start` to `found`. What appears or goes meanwhile may be in or out.
    fn find(&self, start: &str, found: &mut Vec<Listed>) -> io::Result<()> {
        let path = self.root.join(start);
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_symlink() {
            return Err(no_folder(&path, metadata.file_type()));
        }
        if metadata.is_file() {
            add(start, metadata.len(), found);
        }
        let mut folders = Vec::new();
        if metadata.is_dir() {
            folders.push(start.to_owned());
        }
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(self.root.join(&folder)) {
                Err(error) if is_absent(&error) => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let Some(name) = child(&folder, &entry) else { continue };
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => folders.push(name),
                    Ok(metadata) if metadata.is_file() => add(&name, metadata.len(), found),
                    Ok(_) => {}
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// The name of an entry as an object or a part of one; none for hidden and foreign names.
fn child(folder: &str, entry: &fs::DirEntry) -> Option<String> {
    let file_name = entry.file_name();
    let file_name = file_name.to_str()?;
    let name = if folder.is_empty() {
        file_name.to_owned()
    } else {
        format!("{folder}/{file_name}")
    };
    name.parse::<ObjectName>().ok().map(|_| name)
}

fn add(name: &str, bytes: u64, found: &mut Vec<Listed>) {
    if let Ok(name) = name.parse() {
        found.push(Listed { name, bytes });
    }
}

fn kind_of(path: &Path) -> io::Result<FileType> {
    Ok(fs::symlink_metadata(path)?.file_type())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn no_folder(path: &Path, kind: FileType) -> io::Error {
    if kind.is_symlink() {
        return refused(path, "is a symbolic link, and a store has none");
    }
    io::Error::new(
        io::ErrorKind::NotADirectory,
        format!("{} is not a folder", path.display()),
    )
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display()))
}
