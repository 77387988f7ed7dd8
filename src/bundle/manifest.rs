//! `manifest.json`: the public statement that is signed byte for byte.
//!
//! It holds no name of a file or table: those are in the encrypted index.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use super::header::FORMAT_VERSION;
use super::index::Totals;
use super::kind::KeyKind;
use super::kind::SourceKind;
use super::name::BundleId;
use super::name::Label;
use super::name::SetName;
use super::suite::Suite;
use crate::base::clock::Timestamp;
use crate::base::digest::Digest;
use crate::base::digest::Hasher;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::record;
use crate::base::record::Unread;
use crate::base::record::nullable;
use crate::base::record::version_hint;

/// The word that tells a manifest from other signed JSON.
pub const MAGIC: &str = "hub-backup manifest";

/// The signed statement about a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MAGIC`].
    pub format: String,
    /// The format version of the bundle.
    pub version: u32,
    /// The name of the bundle.
    pub bundle: BundleId,
    /// The set that it belongs to.
    pub set: SetName,
    /// Its place in the chain of the set, counted from 1.
    pub sequence: u64,
    /// The SHA-256 of the manifest before it in the chain; none for the first.
    #[serde(deserialize_with = "nullable")]
    pub previous: Option<Digest>,
    /// When the bundle was begun.
    pub created: Timestamp,
    /// Program and version that wrote it.
    pub tool: String,
    /// How it is encrypted.
    pub suite: Suite,
    /// Where the data came from.
    pub sources: Vec<SourceFacts>,
    /// Digests and lengths of everything before the manifest.
    pub members: Members,
    /// Totals over the payload.
    pub totals: Totals,
    /// HMAC-SHA-256 of the bundle id under the content key, in hexadecimal: a swapped key slot shows.
    pub key_commitment: Digest,
    /// Who can sign and open it.
    pub keys: Keys,
    /// Retention facts.
    pub policy: PolicyFacts,
}

/// A source, as far as it is public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFacts {
    /// Its label.
    pub label: Label,
    /// What it is.
    pub kind: SourceKind,
    /// The moment that the data shows, where the source has one.
    #[serde(deserialize_with = "nullable")]
    pub data_time: Option<Timestamp>,
    /// Positions and versions of the engine, such as an LSN.
    pub facts: BTreeMap<String, String>,
    /// Entries missing or perhaps inconsistent, by the operator's leave.
    pub exceptions: u64,
}

/// Name, length and digest of a small member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name in the outer tar.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// A container cut into segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerFacts {
    /// Number of segments; not zero.
    pub segments: u64,
    /// Bytes in all segments: every segment but the last is full.
    pub bytes: u64,
    /// The running chain over the segments: see [`SegmentChain`].
    pub chain: Digest,
}

/// Everything before the manifest, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// `RECOVER.txt`.
    pub recover: Member,
    /// `header.json`.
    pub header: Member,
    /// The members of `keyslots/`, in order.
    pub keyslots: Vec<Member>,
    /// The members of `data/`.
    pub data: ContainerFacts,
    /// The members of `index/`.
    pub index: ContainerFacts,
    /// `SHA256SUMS`.
    pub sums: Member,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Certifies signers; kept offline.
    Root,
    /// Signs manifests on a backup host.
    Signer,
    /// Opens bundles; kept away from the backup host.
    Recipient,
}

/// Facts about a key; never key material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFacts {
    /// What it is.
    pub kind: KeyKind,
    /// The fingerprint of an OpenPGP certificate (upper-case hexadecimal), an age recipient, or `passphrase`.
    pub id: String,
    /// The keys of an OpenPGP certificate that do the work: of a signer the one that signs, of a recipient each that the slot
    /// `openpgp.pgp` has a packet for. None of another kind.
    pub keys: Vec<WorkingKey>,
    /// The algorithm of the newest of them, such as `ECDSA P-384`.
    pub algorithm: String,
    /// When it was made, where the key says so.
    #[serde(deserialize_with = "nullable")]
    pub created: Option<Timestamp>,
    /// When it expires, if it does.
    #[serde(deserialize_with = "nullable")]
    pub expires: Option<Timestamp>,
    /// What it is for.
    pub role: Role,
    /// How often the key of this role was replaced, counted from 1.
    pub generation: u32,
}

/// One key of an OpenPGP certificate, often a subkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkingKey {
    /// Its own fingerprint, in upper-case hexadecimal.
    pub fingerprint: String,
    /// Its algorithm.
    pub algorithm: String,
}

/// The keys of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Who signs; each has a signature.
    pub signers: Vec<KeyFacts>,
    /// Who can open it.
    pub recipients: Vec<KeyFacts>,
}

/// Retention facts at the time of the backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFacts {
    /// A word of the operator's, such as `daily`.
    #[serde(deserialize_with = "nullable")]
    pub retention_class: Option<String>,
    /// Until when the bundle shall not be removed.
    #[serde(deserialize_with = "nullable")]
    pub lock_until: Option<Timestamp>,
}

/// The manifest cannot be read by this version.
#[derive(Debug, thiserror::Error)]
pub enum BadManifest {
    /// Not a manifest at all.
    #[error("not the manifest of a hub-backup bundle")]
    NotAManifest(#[source] serde_json::Error),
    /// A manifest of another version.
    #[error("format version {0} is unknown; this program reads version {FORMAT_VERSION}")]
    Version(u64),
    /// Values that do not fit each other.
    #[error("the manifest contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl Fault for BadManifest {
    fn kind(&self) -> Kind {
        match self {
            Self::Version(_) => Kind::Failed,
            Self::NotAManifest(_) | Self::Contradiction(_) => Kind::DigestMismatch,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Version(found) => Some(version_hint(*found, FORMAT_VERSION)),
            Self::NotAManifest(_) | Self::Contradiction(_) => None,
        }
    }
}

impl Manifest {
    /// The bytes of `manifest.json`: what is signed, and whose digest links the chain.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        record::pretty(self)
    }

    /// Reads `manifest.json`, strictly: unknown fields and versions are refused.
    ///
    /// # Errors
    /// See [`BadManifest`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadManifest> {
        let manifest: Self = record::versioned(bytes, FORMAT_VERSION).map_err(|unread| match unread {
            Unread::Form(source) => BadManifest::NotAManifest(source),
            Unread::Version(found) => BadManifest::Version(found),
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), BadManifest> {
        let contradiction = if self.format != MAGIC {
            "the field 'format' names something else"
        } else if self.sequence == 0 || (self.sequence == 1) != self.previous.is_none() {
            "the first manifest of a chain has no previous one, and every other has"
        } else if self.keys.signers.is_empty() || self.keys.recipients.is_empty() {
            "no signer or no recipient"
        } else if self.members.keyslots.is_empty()
            || self.members.data.segments == 0
            || self.members.index.segments == 0
        {
            "no key slot, no data or no index"
        } else {
            return Ok(());
        };
        Err(BadManifest::Contradiction(contradiction))
    }
}

/// The running hash over the segments of a container: `h(0)` is 32 zero octets, `h(i) = SHA-256(h(i-1) ‖ SHA-256(segment i))`.
#[derive(Clone, Debug)]
pub struct SegmentChain(Digest);

impl Default for SegmentChain {
    fn default() -> Self {
        Self(Digest::from_octets([0; 32]))
    }
}

impl SegmentChain {
    /// Adds the digest of the next segment.
    pub fn add(&mut self, segment: &Digest) {
        let mut hasher = Hasher::new();
        hasher.update(self.0.octets());
        hasher.update(segment.octets());
        self.0 = hasher.finish();
    }

    /// The chain over the segments added.
    #[must_use]
    pub fn value(&self) -> Digest {
        self.0
    }
}
