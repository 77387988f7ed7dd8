//! The folder in which a restore is prepared, beside its target, and how it becomes the target.

use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::AtFlags;
use rustix::fs::CWD;
use rustix::fs::Gid;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::StatxAttributes;
use rustix::fs::StatxFlags;
use rustix::fs::Uid;
use rustix::io::Errno;

use super::super::ELSEWHERE;
use super::super::Error;
use super::last;
use super::remove;
use crate::base::claim;
use crate::base::claim::Claim;
use crate::base::durable;

/// A private folder beside the target. Dropped before [`publish`](Self::publish), it is removed with all that is in it.
#[derive(Debug)]
pub(super) struct Staging {
    target: PathBuf,
    claim: Claim,
    root: Arc<OwnedFd>,
    replaced: Option<Replaced>,
    swept: u64,
    published: bool,
}

/// What is kept of an empty folder that was the target.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Staging {
    /// Checks the target alone.
    pub(super) fn check(target: &Path) -> Result<(), Error> {
        examine(&resolve(target)?).map(drop)
    }

    /// Checks the target and creates the folder.
    pub(super) fn create(target: &Path) -> Result<Self, Error> {
        let target = resolve(target)?;
        let (parent, name) = (durable::parent(&target), target.file_name().unwrap_or_default());
        let swept = claim::sweep(parent, name, remove::tree);
        let replaced = examine(&target)?;
        let write_error = |source: io::Error| Error::Write {
            path: target.clone(),
            source,
        };
        let mut claim = Claim::new(parent, name).map_err(write_error)?;
        DirBuilder::new()
            .mode(0o700)
            .create(claim.temporary())
            .map_err(write_error)?;
        let root = open_own(claim.temporary()).and_then(|root| {
            claim.note(&root.metadata()?)?;
            Ok(Arc::new(OwnedFd::from(root)))
        });
        if root.is_err() {
            // It is empty; and the error that counts is the first one.
            drop(fs::remove_dir(claim.temporary()));
        }
        Ok(Self {
            root: root.map_err(write_error)?,
            claim,
            replaced,
            target,
            swept,
            published: false,
        })
    }

    /// How many leftovers of killed restores to the same target were removed.
    pub(super) fn swept(&self) -> u64 {
        self.swept
    }

    /// The folder, open.
    pub(super) fn root(&self) -> &Arc<OwnedFd> {
        &self.root
    }

    /// Where the folder is for now.
    pub(super) fn path(&self) -> &Path {
        self.claim.temporary()
    }

    /// Where it will be.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Takes over owner and mode of the empty folder that it will replace, if there is one.
    pub(super) fn inherit(&self) -> Result<(), Error> {
        let Some(replaced) = &self.replaced else {
            return Ok(());
        };
        let (owner, group) = (Uid::from_raw(replaced.uid), Gid::from_raw(replaced.gid));
        // Only root may give things away. For anybody else the folder is theirs, which lets nobody else in.
        let _: Result<(), Errno> = rustix::fs::fchown(&self.root, Some(owner), Some(group));
        rustix::fs::fchmod(&self.root, Mode::from_raw_mode(replaced.mode)).map_err(|errno| Error::Write {
            path: self.target.clone(),
            source: errno.into(),
        })
    }

    /// Makes everything in it last.
    pub(super) fn settle(&self) -> Result<(), Error> {
        last::make_last(self.root.as_fd()).map_err(|errno| self.write_error(errno.into()))
    }

    /// Makes the attributes of the folder itself last, which may belong to somebody else by now, and gives it the name of the target.
    pub(super) fn publish(&mut self) -> Result<(), Error> {
        let result = self.take_name();
        // Where the new name could neither be made to last nor be taken back, what has it is whole, and stays so.
        self.published = result.is_ok() || fs::symlink_metadata(self.path()).is_err();
        result
    }

    fn take_name(&self) -> Result<(), Error> {
        rustix::fs::fsync(&self.root).map_err(|errno| self.write_error(errno.into()))?;
        if let Some(replaced) = &self.replaced {
            fs::remove_dir(&self.target).map_err(|error| self.taken(error))?;
            if let Err(error) = durable::rename_new(self.path(), &self.target) {
                // The target shall be as it was. Where that fails too, an empty folder is missing, which is no data.
                drop(DirBuilder::new().mode(replaced.mode).create(&self.target));
                return Err(self.taken(error));
            }
        } else {
            durable::rename_new(self.path(), &self.target).map_err(|error| self.taken(error))?;
        }
        Ok(())
    }

    fn write_error(&self, source: io::Error) -> Error {
        let path = self.target.clone();
        Error::Write { path, source }
    }

    fn taken(&self, error: io::Error) -> Error {
        let kind = error.kind();
        if [io::ErrorKind::AlreadyExists, io::ErrorKind::DirectoryNotEmpty].contains(&kind) {
            refused(&self.target, "something was put there while the restore ran")
        } else {
            self.write_error(error)
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed is told from restored data by its name; there is nobody to tell in a drop.
            let _: Result<(), Errno> = remove::content_of(self.root.as_fd());
            drop(fs::remove_dir(self.path()));
        }
    }
}

/// Opens a new folder, and makes it nobody else's.
fn open_own(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    own(root.as_fd())?;
    Ok(File::from(root))
}

/// Takes away what the folder inherited from the one that it stands in, and what its own folders and files would inherit from it.
fn own(root: BorrowedFd<'_>) -> Result<(), Errno> {
    for name in [c"system.posix_acl_default", c"system.posix_acl_access"] {
        match rustix::fs::fremovexattr(root, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => (),
            Err(errno) => return Err(errno),
        }
    }
    let group = rustix::process::getegid();
    if rustix::fs::fstat(root)?.st_gid != group.as_raw() {
        rustix::fs::fchown(root, None, Some(group))?;
    }
    rustix::fs::fchmod(root, Mode::from_raw_mode(0o700))
}

fn refused(target: &Path, reason: &str) -> Error {
    Error::Target {
        target: target.to_owned(),
        reason: reason.to_owned(),
        hint: ELSEWHERE,
    }
}

/// The target with a folder that exists and a last component that is a name.
fn resolve(target: &Path) -> Result<PathBuf, Error> {
    let missing = |_| Error::Target {
        target: target.to_owned(),
        reason: "the folder that it shall stand in does not exist or cannot be read".to_owned(),
        hint: "Make the folder with mkdir, or have it made readable, and restore again.",
    };
    let Some(name) = target.file_name() else {
        // `.` and `..` have a name, seen from above.
        let whole = fs::canonicalize(target).map_err(missing)?;
        return if whole.file_name().is_some() {
            Ok(whole)
        } else {
            Err(refused(target, "it is the root of the file system"))
        };
    };
    Ok(fs::canonicalize(durable::parent(target)).map_err(missing)?.join(name))
}

/// Owner and mode of the target if it is an empty folder, `None` if it does not exist.
fn examine(target: &Path) -> Result<Option<Replaced>, Error> {
    let metadata = match fs::symlink_metadata(target) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(target, &error.to_string())),
    };
    if !metadata.is_dir() {
        return Err(refused(target, "it exists and is not a folder"));
    }
    if is_mount_point(target) {
        return Err(refused(target, "it is a mount point; name a new folder in it"));
    }
    let mut names = fs::read_dir(target).map_err(|error| refused(target, &error.to_string()))?;
    if names.next().is_some() {
        return Err(refused(target, "it exists and is not empty"));
    }
    Ok(Some(Replaced {
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    }))
}

/// A mount point cannot be replaced by a folder beside it.
fn is_mount_point(target: &Path) -> bool {
    rustix::fs::statx(CWD, target, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
        .is_ok_and(|statx| statx.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
