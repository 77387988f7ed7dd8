//! From the records of the file system to the attributes of an entry.

use std::os::fd::BorrowedFd;

use rustix::fs::Stat;
use rustix::fs::fgetxattr;
use rustix::fs::flistxattr;
use rustix::io::Errno;

use crate::base::limits;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Xattr;
use crate::bundle::path::RawBytes;
use crate::source::stat;

/// The longest list of names and the longest value that Linux has (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const XATTR_BYTES: usize = 64 << 10;

/// Mode, owner and time of `stat`, with `xattrs`.
pub(super) fn attributes(stat: &Stat, xattrs: Vec<Xattr>) -> Attributes {
    Attributes {
        xattrs,
        ..stat::attributes(stat)
    }
}

/// Why extended attributes could not be read.
#[derive(Debug)]
pub(super) enum XattrTrouble {
    /// What the system reports.
    Errno(Errno),
    /// More than [`limits::XATTR_BYTES_MAX`].
    TooLarge,
    /// A name with `=`, which ends a name in the tar format.
    Name(RawBytes),
}

impl From<Errno> for XattrTrouble {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// Reads extended attributes, with one pair of buffers for all files.
pub(super) struct XattrReader {
    names: Vec<u8>,
    value: Vec<u8>,
    /// A device that has none, so that each of its files costs no call.
    without: Option<u64>,
}

impl XattrReader {
    pub(super) fn new() -> Self {
        Self {
            names: vec![0; XATTR_BYTES],
            value: Vec::new(),
            without: None,
        }
    }

    /// The attributes of the open file that a bundle keeps, sorted by name.
    pub(super) fn read(&mut self, file: BorrowedFd<'_>, stat: &Stat) -> Result<Vec<Xattr>, XattrTrouble> {
        if self.without == Some(stat.st_dev) {
            return Ok(Vec::new());
        }
        let listed = match flistxattr(file, &mut self.names[..]) {
            Ok(listed) => listed,
            Err(Errno::OPNOTSUPP) => {
                self.without = Some(stat.st_dev);
                return Ok(Vec::new());
            }
            Err(errno) => return Err(errno.into()),
        };
        let mut kept = Vec::new();
        let mut total = 0;
        for name in self.names[..listed]
            .split(|byte| *byte == 0)
            .filter(|name| is_kept(name))
        {
            if name.contains(&b'=') {
                return Err(XattrTrouble::Name(RawBytes(name.to_vec())));
            }
            self.value.resize(XATTR_BYTES, 0);
            let length = match fgetxattr(file, name, &mut self.value[..]) {
                Ok(length) => length,
                // Removed since it was listed: that moves the change time, which is looked at after the read.
                Err(Errno::NODATA) => continue,
                Err(errno) => return Err(errno.into()),
            };
            total += name.len() + length;
            if total > limits::XATTR_BYTES_MAX {
                return Err(XattrTrouble::TooLarge);
            }
            kept.push(Xattr {
                name: RawBytes(name.to_vec()),
                value: RawBytes(self.value[..length].to_vec()),
            });
        }
        kept.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(kept)
    }
}

/// Attributes that mean the same on another machine. Security labels and `trusted.*` belong to the machine.
fn is_kept(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_") || name == b"security.capability"
}
