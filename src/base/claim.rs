//! A temporary name beside a target, and the claim to it: who was it for, and does its owner live?
//!
//! `.hub-tmp-TOKEN` is where a folder or file is prepared. `.hub-tmp-TOKEN.lock` is the claim: locked (`flock`) for as long as its
//! owner lives, and removed last. In it stand the inode number of what is prepared and the name that it shall have, so that
//! the next run for the same name can [`sweep`] what a killed one left. A claim that is locked is never touched: the kernel
//! frees the lock with its owner, however that dies, and not before.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::OFlags;

use super::durable::TEMP_PREFIX;
use super::random;

/// How the name of a claim ends.
const LOCK_SUFFIX: &str = ".lock";
/// More than any claim holds: a number and a name.
const CLAIM_BYTES_MAX: u64 = 8192;

/// The right to a temporary name. Whatever was made there is removed before this is dropped, or has got its own name.
#[derive(Debug)]
pub struct Claim {
    lock: File,
    lock_path: PathBuf,
    temporary: PathBuf,
    name: OsString,
}

impl Claim {
    /// Claims a temporary name in `folder` for what shall be called `name`. Nothing is made there yet.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn new(folder: &Path, name: &OsStr) -> io::Result<Self> {
        loop {
            let token: [u8; 8] = random::octets().map_err(io::Error::other)?;
            let temporary = format!("{TEMP_PREFIX}{}", hex::encode(token));
            let lock_path = folder.join(format!("{temporary}{LOCK_SUFFIX}"));
            let lock = create(&lock_path)?;
            match lock.try_lock() {
                // Whoever sweeps may have been faster than the lock, and taken the name away.
                Ok(()) if lock.metadata()?.nlink() > 0 => {
                    return Ok(Self {
                        lock,
                        lock_path,
                        temporary: folder.join(temporary),
                        name: name.to_owned(),
                    });
                }
                Ok(()) => {}
                // Whoever examines it removes it, or leaves it as it is. Nobody else ever has this name.
                Err(TryLockError::WouldBlock) => drop(fs::remove_file(&lock_path)),
                Err(TryLockError::Error(error)) => {
                    drop(fs::remove_file(&lock_path));
                    return Err(error);
                }
            }
        }
    }

    /// The temporary name.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Notes what was made under the temporary name: only that is swept. Until then the name is swept if it is empty.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn note(&mut self, made: &Metadata) -> io::Result<()> {
        let mut content = format!("{}\n", made.ino()).into_bytes();
        content.extend(self.name.as_bytes());
        self.lock.write_all(&content)?;
        self.lock.sync_data()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // What stays is swept by the next run; there is nobody to tell in a drop.
        drop(fs::remove_file(&self.lock_path));
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Removes from `folder` what dead owners left who prepared something to be called `name`; folders by `remove_folder`. Gives how many.
/// What cannot be removed stays for another time: nothing depends on it.
pub fn sweep(folder: &Path, name: &OsStr, remove_folder: impl Fn(&Path) -> io::Result<()>) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let locks = names.filter(|lock| is_claim(lock));
    let swept = |lock: &OsString| sweep_one(&folder.join(lock), name, &remove_folder).unwrap_or(false);
    // The listing ends before anything is removed from it.
    let locks: Vec<OsString> = locks.collect();
    locks.iter().filter(|lock| swept(lock)).count() as u64
}

fn is_claim(name: &OsStr) -> bool {
    let text = name.to_str().unwrap_or_default();
    text.starts_with(TEMP_PREFIX) && text.ends_with(LOCK_SUFFIX)
}

/// What dead owners left in `folder` who prepared something to be called otherwise than `name`: where it lies, and what it was to be called.
/// Nothing is removed: it is for the next run for its own name, or for whoever is told of it.
#[must_use]
pub fn left_for_others(folder: &Path, name: &OsStr) -> Vec<(PathBuf, OsString)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let dead = names.filter(|lock| is_claim(lock)).filter_map(|lock| {
        let lock_path = folder.join(lock);
        let claimed = dead(&lock_path).ok()??.name.filter(|claimed| claimed != name)?;
        let temporary = lock_path.with_extension("");
        fs::symlink_metadata(&temporary).ok().map(|_| (temporary, claimed))
    });
    let mut left: Vec<(PathBuf, OsString)> = dead.collect();
    left.sort();
    left
}

/// A claim whose owner is dead. Nobody else can examine it while this lives.
struct Dead {
    _lock: File,
    /// The inode number of what was prepared, if its owner came to note it.
    inode: Option<u64>,
    /// What it was to be called, likewise.
    name: Option<OsString>,
}

/// The claim at this path, if it is our user's and its owner is dead.
fn dead(lock_path: &Path) -> io::Result<Option<Dead>> {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let lock = options.read(true).custom_flags(flags).open(lock_path)?;
    let metadata = lock.metadata()?;
    // Locked: its owner lives. Without a name: its owner has just ended well.
    if !metadata.is_file() || !is_own(&metadata) || lock.try_lock().is_err() || lock.metadata()?.nlink() == 0 {
        return Ok(None);
    }
    let mut content = Vec::new();
    let _length = (&lock).take(CLAIM_BYTES_MAX).read_to_end(&mut content)?;
    Ok(parse(&content).map(|(inode, name)| Dead {
        _lock: lock,
        inode,
        name,
    }))
}

/// Whether the claim was a dead one for `name`, and is gone.
fn sweep_one(lock_path: &Path, name: &OsStr, remove_folder: impl Fn(&Path) -> io::Result<()>) -> io::Result<bool> {
    let Some(dead) = dead(lock_path)? else {
        return Ok(false);
    };
    if dead.name.as_ref().is_some_and(|claimed| claimed != name) {
        return Ok(false);
    }
    let temporary = lock_path.with_extension("");
    match fs::symlink_metadata(&temporary) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(left) => remove(&temporary, &left, dead.inode, remove_folder)?,
    }
    fs::remove_file(lock_path)?;
    Ok(true)
}

/// Removes what was noted; and what was not, when nothing is in it.
fn remove(
    temporary: &Path,
    left: &Metadata,
    inode: Option<u64>,
    remove_folder: impl Fn(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let noted = inode == Some(left.ino());
    if !is_own(left) || (inode.is_some() && !noted) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if !left.is_dir() {
        let is_plain = left.is_file() && (noted || left.len() == 0);
        return if is_plain {
            fs::remove_file(temporary)
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        };
    }
    if noted {
        remove_folder(temporary)
    } else {
        fs::remove_dir(temporary)
    }
}

/// Whether it belongs to this user: what others made is theirs to remove.
fn is_own(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

/// The inode and the name in a claim; neither in one whose owner had noted nothing yet.
fn parse(content: &[u8]) -> Option<(Option<u64>, Option<OsString>)> {
    if content.is_empty() {
        return Some((None, None));
    }
    let end = content.iter().position(|octet| *octet == b'\n')?;
    let (inode, name) = content.split_at(end);
    let inode = std::str::from_utf8(inode).ok()?.parse().ok()?;
    Some((Some(inode), Some(OsString::from_vec(name[1..].to_vec()))))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::DirBuilderExt as _;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering;
    use std::thread;

    use super::*;

    const NAME: &str = "target";

    fn claimed(folder: &Path, name: &str) -> Claim {
        Claim::new(folder, OsStr::new(name)).expect("a writable folder")
    }

    fn with_folder(folder: &Path, name: &str) -> Claim {
        let mut claim = claimed(folder, name);
        make_folder(claim.temporary());
        claim
            .note(&fs::metadata(claim.temporary()).expect("there"))
            .expect("room");
        claim
    }

    fn make_folder(path: &Path) {
        fs::DirBuilder::new().mode(0o700).create(path).expect("new");
        drop(create(&path.join("content")).expect("new"));
    }

    /// Its owner dies: the lock is free, and everything stays.
    fn kill(claim: Claim) -> PathBuf {
        let temporary = claim.temporary.clone();
        claim.lock.unlock().expect("own lock");
        std::mem::forget(claim);
        temporary
    }

    fn swept(folder: &Path) -> u64 {
        sweep(folder, OsStr::new(NAME), |path| fs::remove_dir_all(path))
    }

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).expect("a folder").count()
    }

    #[test]
    fn what_the_dead_left_is_swept_and_what_the_living_use_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let living = with_folder(folder.path(), NAME);
        for _ in 0..2 {
            drop(kill(with_folder(folder.path(), NAME)));
        }
        drop(kill(claimed(folder.path(), NAME)));
        assert_eq!(swept(folder.path()), 3);
        assert!(living.temporary().join("content").exists());
        assert_eq!(swept(folder.path()), 0);
        assert_eq!(
            left_for_others(folder.path(), OsStr::new("other")),
            [],
            "its owner lives"
        );
        fs::remove_dir_all(living.temporary()).expect("own");
        drop(living);
        assert_eq!(count(folder.path()), 0);
    }

    #[test]
    fn what_is_for_another_name_or_of_unknown_origin_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = kill(with_folder(folder.path(), "other"));
        let replaced = kill(with_folder(folder.path(), NAME));
        // Kept, for the inode that is noted must not be given to the next one.
        crate::base::durable::rename_new(&replaced, &folder.path().join("kept")).expect("own");
        make_folder(&replaced);
        let not_noted = kill(claimed(folder.path(), NAME));
        make_folder(&not_noted);
        let alone = folder.path().join(format!("{TEMP_PREFIX}0123456789abcdef"));
        make_folder(&alone);
        assert_eq!(swept(folder.path()), 0);
        let told = left_for_others(folder.path(), OsStr::new(NAME));
        assert_eq!(told, [(other.clone(), OsString::from("other"))]);
        for left in [other, replaced, not_noted, alone] {
            assert!(left.join("content").exists(), "{}", left.display());
        }
    }

    #[test]
    fn an_empty_folder_that_was_not_noted_yet_is_swept() {
        let folder = tempfile::tempdir().expect("a folder");
        let early = kill(claimed(folder.path(), NAME));
        fs::DirBuilder::new().create(early).expect("new");
        assert_eq!(swept(folder.path()), 1);
        assert_eq!(count(folder.path()), 0);
    }

    /// What is left of many claims that were made and given up while somebody did `act` over and over.
    fn left_beside(act: impl Fn(&Path) + Sync) -> usize {
        let folder = tempfile::tempdir().expect("a folder");
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    act(folder.path());
                }
            });
            for _ in 0..10_000 {
                drop(claimed(folder.path(), NAME));
            }
            ends.store(true, Ordering::Relaxed);
        });
        count(folder.path())
    }

    #[test]
    fn who_looks_around_leaves_nothing_of_those_who_begin() {
        let left = left_beside(|folder| assert_eq!(left_for_others(folder, OsStr::new(NAME)), []));
        assert_eq!(left, 0);
        let left = left_beside(|folder| assert!(swept(folder) <= 1));
        assert_eq!(left, 0);
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        drop(create(&elsewhere.path().join("content")).expect("new"));
        let left = kill(claimed(folder.path(), NAME));
        std::os::unix::fs::symlink(elsewhere.path(), &left).expect("new");
        assert_eq!(swept(folder.path()), 0);
        assert_eq!(count(elsewhere.path()), 1);
    }
}
