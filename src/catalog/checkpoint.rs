//! A checkpoint: the heads of all chains at one moment, to be signed and kept outside the store.
//!
//! A chain shows what is missing inside it, and not what is missing at its end. Who keeps a checkpoint sees when a set
//! or the whole store was rolled back or replaced. On disk it is `NAME.json` and, beside it, the detached signatures
//! over its bytes, `NAME.json.asc`.

use serde::Deserialize;
use serde::Serialize;

use super::Error;
use super::chain;
use super::get_if_any;
use super::repository;
use crate::base::clock::Timestamp;
use crate::base::digest::Digest;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::base::record;
use crate::base::record::BadRecord;
use crate::base::record::Record;
use crate::base::record::nullable;
use crate::bundle::name::SetName;
use crate::store::ObjectName;
use crate::store::Store;
use crate::store::audit_tail;
use crate::store::audit_tail::Tail;
use crate::store::names;

/// The heads of all chains of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// [`Record::FORMAT`].
    pub format: String,
    /// [`Record::VERSION`].
    pub version: u32,
    /// When the heads were read.
    pub created: Timestamp,
    /// The id of the store.
    pub repository: String,
    /// The head of every set, in order of the sets.
    pub heads: Vec<Head>,
    /// The newest record of the audit log.
    #[serde(deserialize_with = "nullable")]
    pub audit: Option<Place>,
}

/// The newest link of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The set.
    pub set: SetName,
    /// The place of the link.
    pub sequence: u64,
    /// The digest of its manifest.
    pub digest: Digest,
}

/// A place in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The number of the record.
    pub sequence: u64,
    /// Its digest.
    pub digest: Digest,
}

impl Record for Checkpoint {
    const FORMAT: &'static str = "hub-backup checkpoint";
    const VERSION: u32 = 1;

    fn format(&self) -> &str {
        &self.format
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.heads.is_sorted_by(|one, next| one.set < next.set) {
            Ok(())
        } else {
            Err("the heads are not in order of their sets, each once")
        }
    }
}

impl Checkpoint {
    /// The bytes of the file: what is signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        record::to_bytes(self)
    }

    /// Reads a checkpoint, strictly.
    ///
    /// # Errors
    /// See [`BadRecord`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRecord> {
        record::parse(bytes)
    }
}

/// Reads the heads of all chains.
///
/// # Errors
/// `Store`: `NotFound` when the store does not say what it is; `Record`, `Manifest`, `Misplaced` when it cannot be read.
pub fn make(store: &dyn Store, now: Timestamp) -> Result<Checkpoint, Error> {
    let mut heads = Vec::new();
    for set in chain::sets(store)? {
        let head = chain::head(store, &set)?.map(|link| Head {
            set,
            sequence: link.sequence,
            digest: link.digest,
        });
        heads.extend(head);
    }
    let audit = audit_tail::newest(store, &store.list(names::AUDIT)?)?;
    Ok(Checkpoint {
        format: Checkpoint::FORMAT.into(),
        version: Checkpoint::VERSION,
        created: now,
        repository: repository_id(store)?.ok_or_else(|| absent(store, names::repository()))?,
        heads,
        audit: audit.map(|Tail { sequence, digest }| Place { sequence, digest }),
    })
}

/// How a store differs from what a checkpoint says it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "deviation", rename_all = "kebab-case")]
pub enum Deviation {
    /// The store is another one, or does not say what it is.
    #[error("the checkpoint is of store {expected}, and this is {}", found.as_deref().unwrap_or("a store without an identity"))]
    OtherRepository {
        /// The id in the checkpoint.
        expected: String,
        /// The id of the store.
        found: Option<String>,
    },
    /// A set has no link any more.
    #[error("set {set} is gone; it had {sequence} manifests")]
    SetMissing {
        /// The set.
        set: SetName,
        /// The place of its head in the checkpoint.
        sequence: u64,
    },
    /// The newest link of a set is older than the one in the checkpoint.
    #[error("set {set} was rolled back from manifest {sequence} to {head}")]
    RolledBack {
        /// The set.
        set: SetName,
        /// The place of its head in the checkpoint.
        sequence: u64,
        /// The place of its head now.
        head: u64,
    },
    /// Another manifest, or none, is where the checkpoint saw the head.
    #[error("manifest {sequence} of set {set} was {expected} and is {}", found.map_or_else(|| "gone".into(), |found| found.to_string()))]
    Replaced {
        /// The set.
        set: SetName,
        /// The place.
        sequence: u64,
        /// The digest in the checkpoint.
        expected: Digest,
        /// The digest now.
        found: Option<Digest>,
    },
    /// The newest record of the audit log is not where the checkpoint saw it: the log was cut or rewritten.
    #[error("record {sequence} of the audit log was {expected} and is {}", found.map_or_else(|| "gone".into(), |found| found.to_string()))]
    AuditLog {
        /// The number of the record.
        sequence: u64,
        /// The digest in the checkpoint.
        expected: Digest,
        /// The digest now.
        found: Option<Digest>,
    },
}

impl Fault for Deviation {
    fn kind(&self) -> Kind {
        Kind::ChainBroken
    }
}

/// Every way in which the store is not a continuation of what the checkpoint saw. The links between are for
/// [`walk`](super::walk::walk) to check. Who calls has checked the signatures of the checkpoint.
///
/// # Errors
/// `Store` when the store fails; `Record` when it cannot be read.
pub fn compare(checkpoint: &Checkpoint, store: &dyn Store) -> Result<Vec<Deviation>, Error> {
    let mut deviations = Vec::new();
    let found = repository_id(store)?;
    if found.as_ref() != Some(&checkpoint.repository) {
        let expected = checkpoint.repository.clone();
        deviations.push(Deviation::OtherRepository { expected, found });
    }
    for head in &checkpoint.heads {
        deviations.extend(compare_head(head, store)?);
    }
    if let Some(place) = checkpoint.audit {
        let Place {
            sequence,
            digest: expected,
        } = place;
        let found = digest_at(store, &names::audit(sequence), limits::RECORD_BYTES_MAX)?;
        if found != Some(expected) {
            deviations.push(Deviation::AuditLog {
                sequence,
                expected,
                found,
            });
        }
    }
    Ok(deviations)
}

fn compare_head(head: &Head, store: &dyn Store) -> Result<Option<Deviation>, Error> {
    let (set, sequence, expected) = (head.set.clone(), head.sequence, head.digest);
    let sequences = chain::sequences(store, &set)?;
    let deviation = match sequences.last().copied() {
        None => Some(Deviation::SetMissing { set, sequence }),
        Some(newest) if newest < sequence => Some(Deviation::RolledBack {
            set,
            sequence,
            head: newest,
        }),
        Some(_) => {
            let name = names::manifest(&set, sequence);
            let found = digest_at(store, &name, limits::MANIFEST_BYTES_MAX)?;
            let found = found.filter(|_| sequences.binary_search(&sequence).is_ok());
            (found != Some(expected)).then_some(Deviation::Replaced {
                set,
                sequence,
                expected,
                found,
            })
        }
    };
    Ok(deviation)
}

fn digest_at(store: &dyn Store, name: &ObjectName, bytes_max: u64) -> Result<Option<Digest>, Error> {
    Ok(get_if_any(store, name, bytes_max)?.map(|bytes| Digest::of(&bytes)))
}

fn repository_id(store: &dyn Store) -> Result<Option<String>, Error> {
    Ok(repository::read(store)?.map(|stored| stored.repository.id))
}

fn absent(store: &dyn Store, name: ObjectName) -> Error {
    let store = store.describe();
    Error::Store(crate::store::Error::NotFound { store, name })
}
