//! The one durable write: a new temporary file, its bytes, sync, a create-only name, sync of the folder.
//!
//! Nothing is ever overwritten: the final name is taken with `link(2)` or `renameat2(RENAME_NOREPLACE)`,
//! which fail when it exists. Temporary names begin with [`TEMP_PREFIX`], so that leftovers of a crash
//! can be told from published files and swept.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::Advice;
use rustix::fs::CWD;
use rustix::fs::RenameFlags;

use super::random;

/// What every temporary name begins with.
pub const TEMP_PREFIX: &str = ".hub-tmp-";

/// A file under a temporary name. Dropped without [`publish`](Self::publish), it is removed.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    temporary: PathBuf,
    published: bool,
    /// Where [`Write`] goes on.
    position: u64,
    /// What was written last and is not on its way to the medium.
    unsent: Range<u64>,
}

/// After so many bytes the medium is told to begin: less to wait for at the end.
const WRITE_BEHIND_BYTES: u64 = 8 << 20;

impl NewFile {
    /// Creates an empty file with a temporary name in `folder`.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn create(folder: &Path, mode: u32) -> io::Result<Self> {
        let token: [u8; 8] = random::octets().map_err(io::Error::other)?;
        Self::create_at(folder.join(format!("{TEMP_PREFIX}{}", hex::encode(token))), mode)
    }

    /// Creates an empty file with a temporary name that was claimed.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn create_at(temporary: PathBuf, mode: u32) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        Ok(Self {
            file,
            temporary,
            published: false,
            position: 0,
            unsent: 0..0,
        })
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Writes all of `bytes` at `offset`, where nothing is written again.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)?;
        self.wrote(offset, bytes.len() as u64);
        Ok(())
    }

    /// Lets the medium begin with what was written, some megabytes at a time, so that the sync at the end finds little left to do.
    /// A hint: what it does not do, the sync does.
    fn wrote(&mut self, offset: u64, length: u64) {
        if offset != self.unsent.end {
            self.unsent = offset..offset;
        }
        self.unsent.end += length;
        if self.unsent.end - self.unsent.start >= WRITE_BEHIND_BYTES {
            let length = NonZeroU64::new(self.unsent.end - self.unsent.start);
            let _hint = rustix::fs::fadvise(&self.file, self.unsent.start, length, Advice::DontNeed);
            self.unsent.start = self.unsent.end;
        }
    }

    /// The temporary name.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Syncs the bytes, gives them the name `target`, and syncs the folder of `target`.
    ///
    /// # Errors
    /// `AlreadyExists` when `target` exists; otherwise what the file system reports. On an error nothing is visible
    /// under `target`, unless the last step, the sync of the folder, was what failed.
    pub fn publish(mut self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::hard_link(&self.temporary, target)?;
        self.published = true;
        // The file has its name: a second name that stays is a leftover for the next sweep, and no failure.
        drop(fs::remove_file(&self.temporary));
        sync_folder(parent(target))
    }

    /// As [`publish`](Self::publish), and takes the name back when it cannot be made to last: for a name that nobody relies
    /// on before this has succeeded.
    ///
    /// # Errors
    /// As for `publish`; nothing is visible under `target` then.
    pub fn publish_or_withdraw(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::hard_link(&self.temporary, target)?;
        // Dropped at the end, this removes the temporary name, whichever way it went.
        sync_folder(parent(target)).inspect_err(|_| drop(fs::remove_file(target)))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.wrote(self.position, count as u64);
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.published {
            // A leftover is harmless and the next run sweeps it; there is nobody to tell in a drop.
            drop(fs::remove_file(&self.temporary));
        }
    }
}

/// Writes a whole new file durably.
///
/// # Errors
/// `AlreadyExists` when `target` exists; otherwise what the file system reports.
pub fn write_new(target: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = NewFile::create(parent(target), mode)?;
    file.write_all(bytes)?;
    file.publish(target)
}

/// Gives a file or folder the name `target` if that name is free, and syncs the folder of `target`.
///
/// # Errors
/// `AlreadyExists` when `target` exists; otherwise what the file system reports. When the name cannot be made to last, `from` has its
/// own again, if the file system still does that much.
pub fn rename_new(from: &Path, target: &Path) -> io::Result<()> {
    let rename = |from, to| rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
    rename(from, target)?;
    sync_folder(parent(target)).inspect_err(|_| {
        // Best effort: the sync's own error is what the caller must see.
        let _back = rename(target, from);
    })
}

/// Creates a folder and its parents, and syncs each parent of a new one.
///
/// # Errors
/// What the file system reports.
pub fn create_folders(folder: &Path, mode: u32) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    create_folders(parent(folder), mode)?;
    match fs::DirBuilder::new().mode(mode).create(folder) {
        Ok(()) => sync_folder(parent(folder)),
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes names created, linked or removed in `folder` last.
///
/// # Errors
/// What the file system reports.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder that holds `path`; `.` for a bare name.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a");
        write_new(&target, b"first", 0o600).expect("free");
        let error = write_new(&target, b"second", 0o600).expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).expect("there"), b"first");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no leftover");
    }
}
