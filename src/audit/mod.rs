//! Level 3: what was done to a store, by whom, and how it ended: records that are hash-chained, and signed by whoever
//! has a key. Beside the stages: it knows the [`Store`](crate::store::Store) trait and nothing else of them.
//!
//! A record is `audit/SEQUENCE.json`, and its signatures, where there are any, lie beside it in `….json.asc`. Records
//! never hold secrets: details are chosen word by word by whoever writes them.

pub mod chain;
pub mod check;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::base::digest::Digest;
use crate::base::fault::Kind;
use crate::base::record;
use crate::base::record::BadRecord;
use crate::base::record::Record;
use crate::base::record::nullable;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// A store was made.
    Init,
    /// A bundle was made.
    Backup,
    /// Bundles were verified.
    Verify,
    /// A bundle was restored.
    Restore,
    /// Bundles were removed.
    Prune,
    /// A bundle was kept from removal, or given free.
    Hold,
    /// Keys were replaced.
    Rotate,
    /// A restore was practised.
    Drill,
    /// Leftovers of crashed runs were removed.
    Sweep,
    /// The heads of all chains were signed.
    Checkpoint,
}

impl Act {
    /// The word for it in records, and for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Backup => "backup",
            Self::Verify => "verify",
            Self::Restore => "restore",
            Self::Prune => "prune",
            Self::Hold => "hold",
            Self::Rotate => "rotate",
            Self::Drill => "drill",
            Self::Sweep => "sweep",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// Who did it, as far as the operating system tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The account.
    pub user: String,
    /// The machine.
    pub host: String,
    /// Program and version.
    pub tool: String,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The exit code of the process; 0 for success.
    pub exit_code: u8,
    /// `ok`, or the name of the kind of failure.
    pub kind: String,
}

impl Outcome {
    /// Success.
    #[must_use]
    pub fn ok() -> Self {
        Self {
            exit_code: 0,
            kind: "ok".into(),
        }
    }

    /// A failure.
    #[must_use]
    pub fn failed(kind: Kind) -> Self {
        Self {
            exit_code: kind.exit_code(),
            kind: kind.name().into(),
        }
    }
}

/// A record before it has a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub act: Act,
    /// How it ended.
    pub outcome: Outcome,
    /// The set, where the act is about one.
    pub set: Option<SetName>,
    /// The bundle, where the act is about one.
    pub bundle: Option<BundleId>,
    /// Further facts; never secrets.
    pub details: BTreeMap<String, String>,
}

/// A record of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// [`Record::FORMAT`].
    pub format: String,
    /// [`Record::VERSION`].
    pub version: u32,
    /// Its place, counted from 1.
    pub sequence: u64,
    /// The SHA-256 of the record before it; none for the first, and for one that found no record, only signatures of removed ones.
    #[serde(deserialize_with = "nullable")]
    pub previous: Option<Digest>,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub act: Act,
    /// How it ended.
    pub outcome: Outcome,
    /// The set, where the act is about one.
    #[serde(deserialize_with = "nullable")]
    pub set: Option<SetName>,
    /// The bundle, where the act is about one.
    #[serde(deserialize_with = "nullable")]
    pub bundle: Option<BundleId>,
    /// Further facts; never secrets.
    pub details: BTreeMap<String, String>,
}

impl Record for AuditRecord {
    const FORMAT: &'static str = "hub-backup audit";
    const VERSION: u32 = 1;

    fn format(&self) -> &str {
        &self.format
    }

    fn check(&self) -> Result<(), &'static str> {
        // Whether a later one may be without a previous one shows in the log alone: for its walk.
        if self.sequence == 0 || (self.sequence == 1 && self.previous.is_some()) {
            return Err("the first record is number 1, and has no previous one");
        }
        if (self.outcome.exit_code == 0) != (self.outcome.kind == "ok") {
            return Err("the exit code and the kind of the outcome differ");
        }
        Ok(())
    }
}

impl AuditRecord {
    /// The bytes of the object: what is signed, and whose digest links the log.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        record::to_bytes(self)
    }

    /// Reads a record, strictly.
    ///
    /// # Errors
    /// See [`BadRecord`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRecord> {
        record::parse(bytes)
    }

    /// A draft at its place.
    fn of(draft: &Draft, sequence: u64, previous: Option<Digest>) -> Self {
        let Draft {
            at,
            actor,
            act,
            outcome,
            set,
            bundle,
            details,
        } = draft.clone();
        Self {
            format: Self::FORMAT.into(),
            version: Self::VERSION,
            sequence,
            previous,
            at,
            actor,
            act,
            outcome,
            set,
            bundle,
            details,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_have_the_names_that_are_stored() {
        for act in [
            Act::Init,
            Act::Backup,
            Act::Verify,
            Act::Restore,
            Act::Prune,
            Act::Hold,
            Act::Rotate,
            Act::Drill,
            Act::Sweep,
            Act::Checkpoint,
        ] {
            let stored = serde_json::to_value(act).expect("a word");
            assert_eq!(stored, act.name());
        }
    }
}
