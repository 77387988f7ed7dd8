//! Whether a file held still while it was read.

use std::os::fd::BorrowedFd;

use rustix::fs::Stat;
use rustix::fs::fstat;
use rustix::io::Errno;

use super::content;

/// How a file differs from what it was before it was read.
pub(super) struct Change {
    /// What happened, to follow the path.
    pub(super) what: String,
    /// What that means for the copy.
    pub(super) consequence: &'static str,
}

/// How the open file differs from `before`; `ended_early` when it gave fewer bytes than `before` said.
pub(super) fn since(file: BorrowedFd<'_>, before: &Stat, ended_early: bool) -> Result<Option<Change>, Errno> {
    let after = fstat(file)?;
    let (old, new) = (before.st_size, after.st_size);
    let written = (before.st_mtime, before.st_mtime_nsec) != (after.st_mtime, after.st_mtime_nsec);
    let touched = (before.st_ctime, before.st_ctime_nsec) != (after.st_ctime, after.st_ctime_nsec);
    let (what, consequence) = if new < old {
        let what = format!("shrank from {old} to {new} bytes while it was read");
        (
            what,
            "what was gone is stored as zeros, the rest may be a mix of old and new",
        )
    } else if new > old {
        let what = format!("grew from {old} to {new} bytes while it was read");
        (
            what,
            "what was added is not stored, the rest may be a mix of old and new",
        )
    } else if written || ended_early {
        (
            "was written while it was read".into(),
            "its content may be a mix of old and new",
        )
    } else if touched {
        (
            "had its attributes changed while it was read".into(),
            "its attributes are the old ones",
        )
    } else if old == 0 && content::has_bytes(file)? {
        (
            "gives bytes but says that it is empty".into(),
            "it is stored as an empty file",
        )
    } else {
        return Ok(None);
    };
    Ok(Some(Change { what, consequence }))
}
