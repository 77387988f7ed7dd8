//! The folder with a temporary name in which a new store is made, and how it gets its name.

use std::ffi::OsStr;
use std::fs;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use crate::base::claim::Claim;
use crate::base::durable;
use crate::config::locate;

use super::FOLDER_MODE;
use super::KEYS;
use super::MOVE_OFFLINE;
use super::SECRETS;
use super::STORE;

/// The folder in which everything is made. Dropped before it has got its name, it is removed.
pub(super) struct Staging {
    claim: Claim,
    kept: bool,
}

impl Staging {
    pub(super) fn new(folder: &Path, name: &OsStr) -> io::Result<Self> {
        let mut staging = Self {
            claim: Claim::new(folder, name)?,
            kept: false,
        };
        fs::DirBuilder::new().mode(0o700).create(staging.path())?;
        let made = fs::metadata(staging.path())?;
        staging.claim.note(&made)?;
        Ok(staging)
    }

    pub(super) fn path(&self) -> &Path {
        self.claim.temporary()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.kept {
            // What stays is swept by the next run.
            drop(fs::remove_dir_all(self.path()));
        }
    }
}

/// Gives the staged folder its name.
pub(super) fn move_whole(mut staging: Staging, dir: &Path) -> io::Result<()> {
    fs::set_permissions(staging.path(), Permissions::from_mode(FOLDER_MODE))?;
    durable::rename_new(staging.path(), dir)?;
    staging.kept = true;
    Ok(())
}

/// What is moved into a folder that was there before, in this order.
const PARTS: [&str; 5] = [STORE, KEYS, SECRETS, MOVE_OFFLINE, locate::FILE_NAME];

/// Why not every part was moved, and those that could not be taken back.
pub(super) struct HalfMoved {
    pub(super) source: io::Error,
    pub(super) left: Vec<PathBuf>,
}

/// Moves what was staged into a folder that was there before, perhaps a mounted one, part by part, and takes back what was moved when one
/// cannot be. The settings come last, so a folder with settings has all; one that a killed run left has some of the parts and no settings,
/// and `init` refuses it until they are removed.
pub(super) fn move_each(staging: Staging, dir: &Path) -> Result<(), HalfMoved> {
    let mut parts = PARTS.iter();
    let moved = parts.try_for_each(|name| durable::rename_new(&staging.path().join(name), &dir.join(name)));
    let moved = moved.map_err(|source| {
        let left = take_back(&staging, dir);
        HalfMoved { source, left }
    });
    // Every name lasts: that the empty folder may come back is not worth a failure.
    drop(staging);
    drop(durable::sync_folder(dir));
    moved
}

/// Moves the parts back, to be removed with the others. Gives those for which that fails.
fn take_back(staging: &Staging, dir: &Path) -> Vec<PathBuf> {
    let is_moved = |name: &&&str| fs::symlink_metadata(staging.path().join(name)).is_err();
    let stays = |name: &&&str| durable::rename_new(&dir.join(name), &staging.path().join(name)).is_err();
    let left = PARTS.iter().rev().filter(is_moved).filter(stays);
    left.map(|name| dir.join(name)).collect()
}
