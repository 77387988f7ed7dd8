//! What the finders report: where a secret is, and what would stand there instead.

use std::ops::Range;

use super::rule::Rule;
use crate::base::limits;
use crate::base::secret::SecretText;

/// What replaces the range of a hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// The mark as it is: the range lies within quotes, or the format needs none.
    Mark,
    /// The mark as a quoted string: the range is a whole value.
    QuotedMark,
    /// The range is a whole value, of which only a part is secret: the value without that part, quoted.
    Value(SecretText),
}

/// One secret.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    /// The bytes to replace.
    pub(super) at: Range<usize>,
    /// By what.
    pub(super) put: Put,
    /// What it was known by.
    pub(super) rule: Rule,
    /// The key, with the keys above it.
    pub(super) key: Option<String>,
    /// The secret itself, as a program would read it.
    pub(super) secret: SecretText,
}

/// The hits of one text.
#[derive(Debug, Default)]
pub(super) struct Hits {
    pub(super) list: Vec<Hit>,
    /// Whether hits were left out for want of room.
    pub(super) is_full: bool,
}

impl Hits {
    pub(super) fn push(&mut self, hit: Hit) {
        if self.list.len() < limits::CONFIG_FINDINGS_MAX {
            self.list.push(hit);
        } else {
            self.is_full = true;
        }
    }

    /// The hits in groups that overlap: each group is one stretch of text to replace.
    pub(super) fn groups(&self) -> Vec<Vec<&Hit>> {
        let mut sorted: Vec<&Hit> = self.list.iter().collect();
        sorted.sort_by_key(|hit| (hit.at.start, usize::MAX - hit.at.end));
        let mut groups: Vec<Vec<&Hit>> = Vec::new();
        let mut end = 0;
        for hit in sorted {
            match groups.last_mut() {
                Some(group) if hit.at.start < end => group.push(hit),
                Some(_) | None => groups.push(vec![hit]),
            }
            end = end.max(hit.at.end);
        }
        groups
    }
}
