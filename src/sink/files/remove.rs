//! Removing a tree that only this restore wrote: of any depth, and whatever modes its folders have.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::RawDir;
use rustix::fs::openat;
use rustix::fs::unlinkat;
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Removes everything in `root`. One folder is open at a time: a tree may be deeper than there are descriptors.
pub(super) fn content_of(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut way: Vec<CString> = Vec::new();
    let mut folder = open(root, c".")?;
    loop {
        if let Some(name) = remove_until_folder(folder.as_fd())? {
            folder = open(folder.as_fd(), &name)?;
            way.push(name);
        } else if let Some(name) = way.pop() {
            folder = openat(&folder, c"..", FOLDER, Mode::empty())?;
            unlinkat(&folder, &name, AtFlags::REMOVEDIR)?;
        } else {
            return Ok(());
        }
    }
}

/// Opens a folder so that names in it can be removed. The name is that of a folder: nobody else writes here.
fn open(parent: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<OwnedFd, Errno> {
    rustix::fs::chmodat(parent, name, Mode::from_raw_mode(0o700), AtFlags::empty())?;
    openat(parent, name, FOLDER, Mode::empty())
}

/// Removes names until one is a folder, which it gives.
fn remove_until_folder(folder: BorrowedFd<'_>) -> Result<Option<CString>, Errno> {
    let mut buffer = [MaybeUninit::uninit(); 8192];
    // The place of the listing is that of the descriptor, and names before it may be left.
    let _: u64 = rustix::fs::seek(folder, rustix::fs::SeekFrom::Start(0))?;
    let mut names = RawDir::new(folder, &mut buffer);
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            return Ok(Some(name.to_owned()));
        }
        match unlinkat(folder, name, AtFlags::empty()) {
            // A file system whose listings do not tell types.
            Err(Errno::ISDIR) => return Ok(Some(name.to_owned())),
            removed => removed?,
        }
    }
    Ok(None)
}
