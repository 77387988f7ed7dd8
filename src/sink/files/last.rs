//! Making a restored tree last: file by file when they are few, and with the whole file system when they are many.

use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;

use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::RawDir;
use rustix::fs::fsync;
use rustix::fs::openat;
use rustix::fs::syncfs;
use rustix::io::Errno;

/// Up to so many files and folders are made to last one by one. The file system may have gigabytes of others to write, those of a database
/// that was restored a moment ago among them, and a small tree does not wait for them.
const ENTRIES_MAX: usize = 64;

/// Makes everything in `root` last, and its own entries.
pub(super) fn make_last(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut left = ENTRIES_MAX;
    if each(root, &mut left)? { Ok(()) } else { syncfs(root) }
}

/// Gives false where there are more than `left`, or something that cannot be opened.
fn each(folder: BorrowedFd<'_>, left: &mut usize) -> Result<bool, Errno> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let _: u64 = rustix::fs::seek(folder, rustix::fs::SeekFrom::Start(0))?;
    let mut names = RawDir::new(folder, &mut buffer);
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Directory => OFlags::DIRECTORY,
            FileType::RegularFile => OFlags::empty(),
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => return Ok(false),
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | kind;
        let (Some(rest), Ok(opened)) = (left.checked_sub(1), openat(folder, name, flags, Mode::empty())) else {
            return Ok(false);
        };
        *left = rest;
        if kind.is_empty() {
            fsync(&opened)?;
        } else if !each(opened.as_fd(), left)? {
            return Ok(false);
        }
    }
    fsync(folder)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn few_one_by_one_and_many_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("a/b")).expect("folders");
        for number in 0..ENTRIES_MAX - 2 {
            fs::write(folder.path().join(format!("a/b/{number}")), b"x").expect("a file");
        }
        let root = fs::File::open(folder.path()).expect("it is there");
        let all = || each(root.as_fd(), &mut { ENTRIES_MAX }).expect("a sound medium");
        assert!(all(), "as many as are allowed");
        fs::write(folder.path().join("a/more"), b"x").expect("a file");
        assert!(!all(), "one more");
        make_last(root.as_fd()).expect("with the file system");
        fs::remove_file(folder.path().join("a/more")).expect("it is there");
        fs::remove_file(folder.path().join("a/b/0")).expect("it is there");
        std::os::unix::fs::symlink("a", folder.path().join("link")).expect("a link");
        assert!(!all(), "a link cannot be opened");
    }
}
