//! From the record of a file system to the attributes of an entry.

use rustix::fs::Stat;

use crate::bundle::entry::Attributes;
use crate::bundle::entry::Mtime;

/// Mode, owner and time of `stat`, without extended attributes.
pub(super) fn attributes(stat: &Stat) -> Attributes {
    Attributes {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Mtime {
            seconds: stat.st_mtime,
            nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
        },
        xattrs: Vec::new(),
    }
}
