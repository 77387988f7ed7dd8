//! Level 3: what a store remembers: what it is, and the chain of every set. Beside the stages: it knows the
//! [`Store`] trait and nothing else of them. Signatures are handed out as they are stored; who checks them stands above.

pub mod chain;
pub mod checkpoint;
pub mod repository;
pub mod walk;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::random::NoRandom;
use crate::base::record::BadRecord;
use crate::bundle::manifest::BadManifest;
use crate::bundle::name::SetName;
use crate::store;
use crate::store::ObjectName;
use crate::store::Store;

/// Why the memory of a store could not be read or added to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not do what was asked.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A manifest of the chain cannot be read.
    #[error("{name} cannot be read")]
    Manifest {
        /// The object.
        name: ObjectName,
        /// Why.
        #[source]
        source: BadManifest,
    },
    /// What shall be added to a chain is no manifest.
    #[error("the manifest to be added cannot be read")]
    NotAManifest(#[source] BadManifest),
    /// Another record cannot be read.
    #[error("{name} cannot be read")]
    Record {
        /// The object.
        name: ObjectName,
        /// Why.
        #[source]
        source: BadRecord,
    },
    /// A manifest lies at a place that is not its own.
    #[error("{name} holds the manifest of set {set}, number {sequence}")]
    Misplaced {
        /// The object.
        name: ObjectName,
        /// The set in the manifest.
        set: SetName,
        /// The number in the manifest.
        sequence: u64,
    },
    /// A manifest does not follow the head of its chain.
    #[error("manifest {sequence} of set {set} does not follow the head of the chain, number {head}")]
    Order {
        /// The set.
        set: SetName,
        /// The number in the manifest.
        sequence: u64,
        /// The number of the head; 0 for a chain without links.
        head: u64,
    },
    /// The manifest belongs to a set whose lease the writer does not hold.
    #[error("a manifest of set {manifest} cannot be added under the lease of set {lease}")]
    OtherSet {
        /// The leased set.
        lease: SetName,
        /// The set in the manifest.
        manifest: SetName,
    },
    /// The place is taken by something else.
    #[error("{name} exists and differs")]
    Taken {
        /// The object.
        name: ObjectName,
    },
    /// The signatures are none, or larger than readers accept.
    #[error("{bytes} bytes of signatures cannot be stored")]
    Signatures {
        /// Their length.
        bytes: usize,
    },
    /// No random identity for a new store.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Record { source, .. } => source.kind(),
            Self::Manifest {
                source: source @ BadManifest::Version(_),
                ..
            } => source.kind(),
            Self::Manifest { .. } | Self::Misplaced { .. } | Self::Order { .. } | Self::Taken { .. } => {
                Kind::ChainBroken
            }
            Self::NotAManifest(_) | Self::OtherSet { .. } | Self::Signatures { .. } => Kind::Internal,
            Self::Random(_) => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Record { source, .. } => source.hint(),
            Self::Manifest {
                source: source @ BadManifest::Version(_),
                ..
            } => source.hint(),
            Self::Manifest { .. } | Self::Misplaced { .. } | Self::Order { .. } => {
                Some("`hub-backup verify --all` lists every break of the chain. A bundle of the set can still be verified and restored as a file: name its path in `bundles`.".into())
            }
            Self::Taken { name } => Some(format!(
                "It is no link of the chain: its bundle is not in the store, or does not verify, or it lacks its signatures. Find out who wrote it, \
                 move {name} out of the store, and run the backup again."
            )),
            Self::NotAManifest(_) | Self::OtherSet { .. } | Self::Signatures { .. } | Self::Random(_) => None,
        }
    }
}

/// Creates an object; that it exists with these very bytes is success, so that an interrupted act can be repeated.
fn put_same(store: &dyn Store, name: &ObjectName, bytes: &[u8]) -> Result<(), Error> {
    match store.put_new(name, bytes) {
        Err(store::Error::Exists { .. }) => {}
        done => return Ok(done?),
    }
    match store.get(name, bytes.len() as u64) {
        Ok(stored) if stored == bytes => Ok(()),
        Ok(_) | Err(store::Error::TooLarge { .. }) => Err(Error::Taken { name: name.clone() }),
        Err(error) => Err(error.into()),
    }
}

/// Reads an object that need not be there.
fn get_if_any(store: &dyn Store, name: &ObjectName, bytes_max: u64) -> Result<Option<Vec<u8>>, Error> {
    match store.get(name, bytes_max) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
