//! What a restore did not give back although nothing failed, and what else it has to say.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::base::claim;
use crate::base::durable;
use crate::bundle::path::EntryPath;

/// Notes of one restore; clones show the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    owners: Tally,
    privileges: Tally,
    xattrs: Tally,
}

/// How often something happened, and to what first.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    first: Option<EntryPath>,
}

impl Tally {
    fn add(&mut self, path: &EntryPath) {
        self.count += 1;
        let _: &mut EntryPath = self.first.get_or_insert_with(|| path.clone());
    }

    fn say(&self, what: &str) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!("{what}: {}, first {first}", self.count))
    }
}

/// A note that leftovers of killed restores were removed beside `target`, if any were.
pub(super) fn swept(count: u64, target: &Path) -> Option<String> {
    let target = target.display();
    (count > 0).then(|| format!("leftovers of killed restores removed beside {target}: {count}"))
}

/// A note for each leftover of a killed restore to another target beside `target`: data of a bundle that nobody removes by itself.
pub(super) fn left_for_others(target: &Path) -> Vec<String> {
    let folder = durable::parent(target);
    // One folder has one name, so that two targets in it tell the same.
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let left = claim::left_for_others(&folder, target.file_name().unwrap_or_default());
    let say = |(path, name): (PathBuf, OsString)| {
        let (path, name) = (path.display(), Path::new(&name).display());
        format!(
            "{path} was left by a killed restore to {name}, and is not removed: the next restore to {name} does that; if none comes, remove \
             it together with {path}.lock"
        )
    };
    left.into_iter().map(say).collect()
}

impl Notes {
    /// One line for each kind of note, with how often and the first path.
    pub(super) fn list(&self) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owners = "owners not restored, so that these belong to who restores";
        let privileges = "setuid and setgid bits and capabilities not restored, because owners are not";
        let xattrs = "extended attributes that the target does not take";
        [
            seen.owners.say(owners),
            seen.privileges.say(privileges),
            seen.xattrs.say(xattrs),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    pub(super) fn owner_left(&self, path: &EntryPath) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.owners.add(path);
    }

    pub(super) fn privilege_dropped(&self, path: &EntryPath) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.privileges.add(path);
    }

    pub(super) fn xattr_missing(&self, path: &EntryPath) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.xattrs.add(path);
    }
}
