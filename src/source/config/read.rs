//! Reads one file whole, once, and without following a link.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::Stat;
use rustix::fs::fstat;
use rustix::fs::openat;
use zeroize::Zeroizing;

use crate::base::limits;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Mtime;
use crate::source::stat;

/// The content of a file as it was at one moment.
pub(super) struct Content {
    pub(super) attributes: Attributes,
    /// Wiped, for it may hold secrets that are not stored.
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// Why a file has no content that could be searched.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What the system reports.
    System(std::io::Error),
    /// Not a regular file any more.
    Replaced,
    /// Longer than a settings file may be.
    TooLong,
    /// Written to while it was read.
    Changed,
}

impl<E: Into<std::io::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::System(error.into())
    }
}

/// Opens `name` in `folder`; a FIFO does not block, a link is not followed.
pub(super) fn open(folder: BorrowedFd<'_>, name: &CStr, more: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    openat(folder, name, flags | more, Mode::empty())
}

/// Reads an open file.
pub(super) fn read(file: OwnedFd) -> Result<Content, Trouble> {
    let before = fstat(&file)?;
    if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
        return Err(Trouble::Replaced);
    }
    let size = u64::try_from(before.st_size).unwrap_or(u64::MAX);
    if size > limits::CONFIG_FILE_BYTES_MAX {
        return Err(Trouble::TooLong);
    }
    let mut file = File::from(file);
    // Room for all of it beforehand, so that no copy is left behind by growing; one byte more shows that the file grew.
    let room = usize::try_from(size).map_err(|_| Trouble::TooLong)? + 1;
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut length = 0;
    while length < room {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(length);
    let after = fstat(&file)?;
    if length as u64 != size || moment(&before) != moment(&after) || before.st_size != after.st_size {
        return Err(Trouble::Changed);
    }
    let attributes = stat::attributes(&after);
    Ok(Content { attributes, bytes })
}

/// What writing to a file changes.
fn moment(stat: &Stat) -> (Mtime, i64, i64) {
    let nanos = i64::try_from(stat.st_ctime_nsec).unwrap_or_default();
    (stat::attributes(stat).mtime, stat.st_ctime, nanos)
}
