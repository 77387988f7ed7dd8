//! One writer a set, and the removal of what a crashed one left.

use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::path::Path;

use super::LocalStore;
use super::is_absent;
use super::names;
use crate::base::durable;
use crate::bundle::name::SetName;
use crate::store::Error;
use crate::store::Lease;
use crate::store::Store as _;

/// Stands for a set where objects of no set are written. No set has this name.
pub(super) const NO_SET: &str = "_";

/// An exclusive lock on the file of the set. The kernel frees it with the last descriptor, also when the process is killed.
pub(super) struct LocalLease {
    set: SetName,
    _lock: File,
}

impl Lease for LocalLease {
    fn set(&self) -> &SetName {
        &self.set
    }
}

impl LocalStore {
    pub(super) fn take_lease(&self, set: &SetName) -> Result<LocalLease, Error> {
        let act = || format!("take the lease of set {set}");
        let lock = self.open_lock(set.as_str()).map_err(|error| self.error(act(), error))?;
        match lock.try_lock() {
            Ok(()) => Ok(LocalLease {
                set: set.clone(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked {
                store: self.describe(),
                set: set.clone(),
            }),
            Err(TryLockError::Error(error)) => Err(self.error(act(), error)),
        }
    }

    /// Shared by all writers of objects of no set, so that a sweep can tell whether any of them lives.
    pub(super) fn share_no_set(&self) -> io::Result<File> {
        let lock = self.open_lock(NO_SET)?;
        lock.lock_shared()?;
        Ok(lock)
    }

    pub(super) fn sweep_set(&self, set: &SetName) -> io::Result<u64> {
        let mut removed = clear(&self.folder(&format!(".tmp/{set}"))?)?;
        // A writer that died between naming an object and syncing its folder left it visible, but not lasting.
        for prefix in [names::bundles(set), names::manifests(set)] {
            sync_folders(&self.root().join(prefix))?;
        }
        let lock = self.open_lock(NO_SET)?;
        match lock.try_lock() {
            Ok(()) => removed += clear(&self.folder(&format!(".tmp/{NO_SET}"))?)?,
            // Somebody is writing: a later sweep finds the place quiet.
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(removed)
    }
}

/// Removes the temporary files in `folder`, and nothing else.
fn clear(folder: &Path) -> io::Result<u64> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_temporary = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(durable::TEMP_PREFIX.as_bytes());
        if is_temporary && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Syncs `folder` and every folder below it; clean ones cost nothing.
fn sync_folders(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if is_absent(&error) => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
        durable::sync_folder(&folder)?;
    }
    Ok(())
}
