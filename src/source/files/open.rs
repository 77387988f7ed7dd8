//! Opening and listing: always relative to an open folder, never through a link.

use std::ffi::CStr;
use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::RawDir;
use rustix::fs::Stat;
use rustix::fs::openat;
use rustix::io::Errno;

/// Bytes of the buffer for listings: few calls for a large folder.
const LISTING_BYTES: usize = 64 << 10;

/// What tells one inode from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

/// Opens `name` in `folder` for reading. A link is not followed and a FIFO put there meanwhile does not block.
pub(super) fn open_file(folder: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    open(folder, name, OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY)
}

/// Opens the folder `name` in `folder`.
pub(super) fn open_folder(folder: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    open(folder, name, OFlags::NOFOLLOW | OFlags::DIRECTORY)
}

/// Opens without touching the time of access, where that is permitted: for the owner and for root.
pub(super) fn open(folder: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    match openat(folder, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(folder, name, flags, Mode::empty()),
        other => other,
    }
}

/// A name in a folder, with its type where the file system tells it.
pub(super) type Listed = (CString, FileType);

/// Lists folders, with one buffer for all of them.
pub(super) struct Lister(Vec<u8>);

impl Lister {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(LISTING_BYTES))
    }

    /// All names in `folder`, in the order of their bytes.
    pub(super) fn list(&mut self, folder: BorrowedFd<'_>) -> Result<Vec<Listed>, Errno> {
        let mut listed = Vec::new();
        let mut entries = RawDir::new(folder, self.0.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                listed.push((name.to_owned(), entry.file_type()));
            }
        }
        listed.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Ok(listed)
    }
}

/// Whether `errno` says that the name is gone.
pub(super) fn is_vanished(errno: Errno) -> bool {
    errno == Errno::NOENT || errno == Errno::STALE
}

/// Whether `errno` says that the name now means something of another kind.
pub(super) fn is_replaced(errno: Errno) -> bool {
    [Errno::LOOP, Errno::NOTDIR, Errno::NXIO, Errno::NODEV].contains(&errno)
}
