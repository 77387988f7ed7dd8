//! Hard links: which inodes with several names were already given, and under which path.

use std::collections::HashMap;

use rustix::fs::Stat;

use super::open::Identity;
use crate::bundle::path::EntryPath;

/// Inodes with names that have not been met yet.
#[derive(Debug, Default)]
pub(super) struct FirstNames(HashMap<Identity, FirstName>);

#[derive(Debug)]
struct FirstName {
    path: EntryPath,
    /// Names that have not been met; they may lie outside the tree.
    others: usize,
}

impl FirstNames {
    /// The path under which the inode was already met; remembers `path` when it was not.
    pub(super) fn known(&mut self, stat: &Stat, path: &EntryPath) -> Option<EntryPath> {
        let identity = Identity::of(stat);
        let Some(first) = self.0.get_mut(&identity) else {
            let others = usize::try_from(stat.st_nlink).unwrap_or(usize::MAX) - 1;
            let first = FirstName {
                path: path.clone(),
                others,
            };
            drop(self.0.insert(identity, first));
            return None;
        };
        first.others = first.others.saturating_sub(1);
        if first.others > 0 {
            return Some(first.path.clone());
        }
        // Every name has been met, so the memory is free for others.
        self.0.remove(&identity).map(|first| first.path)
    }
}
