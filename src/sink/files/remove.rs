//! Removing a tree that only this restore wrote: of any depth, and whatever modes its folders have.

use std::ffi::CString;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::AtFlags;
use rustix::fs::CWD;
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

/// Removes a whole folder that a killed restore left.
pub(super) fn tree(path: &Path) -> io::Result<()> {
    content_of(open(CWD, path)?.as_fd())?;
    fs::remove_dir(path)
}

/// Removes everything in `root`. One folder is open at a time: a tree may be deeper than there are descriptors.
pub(super) fn content_of(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut way: Vec<CString> = Vec::new();
    let mut folder = open(root, c".")?;
    loop {
        if let Some(name) = remove_until_folder(folder.as_fd())? {
            folder = open(folder.as_fd(), name.as_c_str())?;
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
fn open<P: rustix::path::Arg + Copy>(parent: BorrowedFd<'_>, name: P) -> Result<OwnedFd, Errno> {
    let all = Mode::from_raw_mode(0o700);
    match openat(parent, name, FOLDER, Mode::empty()) {
        Ok(folder) => {
            rustix::fs::fchmod(&folder, all)?;
            Ok(folder)
        }
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(parent, name, all, AtFlags::empty())?;
            openat(parent, name, FOLDER, Mode::empty())
        }
        Err(errno) => Err(errno),
    }
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
