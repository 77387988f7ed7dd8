//! Making one file: create, fill, attributes. Shared by the calling thread and the writers.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::AtFlags;
use rustix::fs::Gid;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::Uid;
use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::super::Error;
use super::super::notes::Notes;
use super::FilesSinkOptions;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Xattr;
use crate::bundle::path::EntryPath;
use crate::sink::times;

/// The mode of everything that is not finished.
const PRIVATE: u32 = 0o600;

/// How files come to be in one staging folder.
#[derive(Debug)]
pub(super) struct Maker {
    target: PathBuf,
    options: FilesSinkOptions,
    /// Owner and group of what this process creates.
    created_as: (u32, u32),
    /// The mode bits that `open` gives as it is told, or `None` when they cannot be relied on.
    exact_bits: Option<u32>,
    notes: Notes,
}

impl Maker {
    /// Learns, in the empty folder `root`, what modes `open` gives: that depends on the umask and on the file system.
    pub(super) fn new(root: BorrowedFd<'_>, target: PathBuf, options: FilesSinkOptions) -> Result<Self, Error> {
        let probe = |mode| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = rustix::fs::openat(root, c"probe", flags, Mode::from_raw_mode(mode))?;
            let stat = rustix::fs::fstat(&file)?;
            rustix::fs::unlinkat(root, c"probe", AtFlags::empty())?;
            Ok((stat.st_mode & 0o7777, (stat.st_uid, stat.st_gid)))
        };
        let probed = probe(0).and_then(|(none, owner)| Ok((none, probe(0o777)?.0, owner)));
        let (none, all, created_as) = probed.map_err(|errno: Errno| Error::Write {
            path: target.clone(),
            source: errno.into(),
        })?;
        Ok(Self {
            target,
            options,
            created_as,
            exact_bits: (none == 0).then_some(all),
            notes: Notes::default(),
        })
    }

    pub(super) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Where `path` is below the root; empty for the root itself.
    pub(super) fn relative<'p>(&self, path: &'p EntryPath) -> &'p [u8] {
        let bytes = path.as_bytes();
        if !self.options.strip_label {
            return bytes;
        }
        let slash = bytes.iter().position(|byte| *byte == b'/');
        slash.map_or(b"", |slash| &bytes[slash + 1..])
    }

    pub(super) fn write_error(&self, path: &EntryPath, source: impl Into<io::Error>) -> Error {
        Error::Write {
            path: self.target.join(as_path(self.relative(path))),
            source: source.into(),
        }
    }

    /// Creates the file `name` in `folder`, empty; gives it with its mode for now.
    pub(super) fn create(
        &self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        path: &EntryPath,
        attributes: &Attributes,
    ) -> Result<(File, u32), Error> {
        let direct = attributes.xattrs.is_empty()
            && attributes.mode & 0o7000 == 0
            && self.exact_bits.is_some_and(|bits| attributes.mode & !bits == 0);
        let mode = if direct { attributes.mode } else { PRIVATE };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(mode)) {
            Ok(fd) => Ok((File::from(fd), mode)),
            Err(errno) => Err(self.creation_error(path, errno)),
        }
    }

    /// What it means that something could not be created.
    pub(super) fn creation_error(&self, path: &EntryPath, errno: Errno) -> Error {
        if errno == Errno::EXIST {
            refused(path, "the bundle holds this path twice")
        } else {
            self.write_error(path, errno)
        }
    }

    /// Owner, extended attributes, mode and time, in the one order in which none undoes another: a new owner takes away
    /// capabilities and setuid, and a mode may forbid to set attributes.
    pub(super) fn finish(
        &self,
        file: BorrowedFd<'_>,
        path: &EntryPath,
        attributes: &Attributes,
        mode_now: Option<u32>,
    ) -> Result<(), Error> {
        let write_error = |errno: Errno| self.write_error(path, errno);
        if let Some((uid, gid)) = self.owner(path, attributes) {
            rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(write_error)?;
        }
        for xattr in &attributes.xattrs {
            self.set_xattr(file, path, xattr)?;
        }
        let mode = self.permitted_mode(path, attributes.mode);
        if mode_now != Some(mode) {
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(write_error)?;
        }
        rustix::fs::futimens(file, &times::modified(attributes.mtime)).map_err(write_error)
    }

    /// The attributes that a symbolic link has.
    pub(super) fn finish_link(
        &self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        path: &EntryPath,
        attributes: &Attributes,
    ) -> Result<(), Error> {
        if let Some(xattr) = attributes.xattrs.first() {
            self.missing_xattr(path, xattr, "a symbolic link has none")?;
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let finished = self
            .owner(path, attributes)
            .map_or(Ok(()), |(uid, gid)| {
                rustix::fs::chownat(folder, name, Some(uid), Some(gid), flags)
            })
            .and_then(|()| rustix::fs::utimensat(folder, name, &times::modified(attributes.mtime), flags));
        finished.map_err(|errno| self.write_error(path, errno))
    }

    /// The owner to set, where it is not the one that is there already.
    fn owner(&self, path: &EntryPath, attributes: &Attributes) -> Option<(Uid, Gid)> {
        let wanted = (attributes.uid, attributes.gid);
        if wanted == self.created_as {
            return None;
        }
        if !self.options.same_owner {
            self.notes.owner_left(path);
            return None;
        }
        Some((Uid::from_raw(wanted.0), Gid::from_raw(wanted.1)))
    }

    /// Setuid and setgid speak of an owner: without that owner they would lend out the rights of whoever restores.
    fn permitted_mode(&self, path: &EntryPath, mode: u32) -> u32 {
        if self.options.same_owner || mode & 0o6000 == 0 {
            return mode & 0o7777;
        }
        self.notes.privilege_dropped(path);
        mode & 0o1777
    }

    fn set_xattr(&self, file: BorrowedFd<'_>, path: &EntryPath, xattr: &Xattr) -> Result<(), Error> {
        let name = &xattr.name.0;
        let is_capability = name == b"security.capability";
        if !is_capability && !name.starts_with(b"user.") && !name.starts_with(b"system.posix_acl_") {
            let reason = format!(
                "it has the extended attribute {}, which a restore does not set",
                xattr.name
            );
            return Err(refused(path, &reason));
        }
        if is_capability && !self.options.same_owner {
            self.notes.privilege_dropped(path);
            return Ok(());
        }
        match rustix::fs::fsetxattr(file, &name[..], &xattr.value.0, XattrFlags::empty()) {
            Ok(()) => Ok(()),
            Err(errno) if is_not_taken(errno) => self.missing_xattr(path, xattr, &io::Error::from(errno).to_string()),
            Err(errno) => Err(self.write_error(path, errno)),
        }
    }

    fn missing_xattr(&self, path: &EntryPath, xattr: &Xattr, why: &str) -> Result<(), Error> {
        if self.options.allow_missing_xattrs {
            self.notes.xattr_missing(path);
            return Ok(());
        }
        Err(Error::Xattr {
            path: path.clone(),
            name: xattr.name.to_string(),
            reason: why.to_owned(),
        })
    }
}

/// Whether the file system, or the rights of the process, do not admit an extended attribute.
fn is_not_taken(errno: Errno) -> bool {
    // ext4 says "no space" of a value that no inode of its own can hold.
    [
        Errno::OPNOTSUPP,
        Errno::PERM,
        Errno::ACCESS,
        Errno::TOOBIG,
        Errno::NOSPC,
        Errno::RANGE,
    ]
    .contains(&errno)
}

pub(super) fn refused(path: &EntryPath, reason: &str) -> Error {
    Error::Refused {
        path: path.clone(),
        reason: reason.to_owned(),
    }
}

/// The path as the operating system takes it.
pub(super) fn as_path(relative: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(relative))
}
