//! store → verify: what can be proven about a bundle without any secret.
//!
//! The order is a law: signatures and trust over the manifest first, then key metadata and the place in the chain, then
//! the digest of every byte. Only [`verify`] and, under its own name, [`unsafe_without_proof`] make a [`Verified`], and only a `Verified` bundle
//! can be decrypted.

use std::sync::Arc;

use crate::base::cancel::Cancel;
use crate::base::clock::Timestamp;
use crate::base::digest::Digest;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::progress::Progress;
use crate::base::read_at::ReadAt;
use crate::bundle::header::Header;
use crate::bundle::manifest::BadManifest;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::bundle::outer::Container;
use crate::catalog;
use crate::catalog::chain;
use crate::catalog::checkpoint::Checkpoint;
use crate::encrypt;
use crate::encrypt::slots;
use crate::encrypt::slots::Slot;
use crate::envelope::Damage;
use crate::envelope::read;
use crate::envelope::read::Checked;
use crate::envelope::read::Ends;
use crate::envelope::segments::SegmentReader;
use crate::keyring::trust::TrustStore;
use crate::policy;
use crate::policy::crypto::KeyPolicy;
use crate::seal;
use crate::seal::SignedBy;
use crate::store::Store;

/// What a bundle is measured against.
pub struct Measure<'a> {
    /// Whose signatures count.
    pub trust: &'a TrustStore,
    /// Which keys are acceptable.
    pub keys: &'a KeyPolicy,
    /// The name under which the bundle was found, if it came from a store.
    pub name: Option<(SetName, BundleId)>,
    /// The store whose chain the bundle must be in, if there is one.
    pub chain: Option<&'a dyn Store>,
    /// What the heads of the chains once were, kept elsewhere.
    pub checkpoint: Option<&'a Checkpoint>,
    /// Threads that hash.
    pub jobs: usize,
}

/// Where a bundle stands in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// In its place: the chain of the store holds exactly this manifest, and the one before it is the one that it names.
    InChain {
        /// The sequence of the newest manifest of the set.
        head: u64,
    },
    /// Not looked at: the bundle came as a file, without a store.
    NoChain {
        /// The sequence of the newest manifest of the set that the checkpoint saw, where one was given.
        remembered: Option<u64>,
    },
}

/// What was proven.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Who signed, each trusted.
    pub signatures: Vec<SignedBy>,
    /// Where the bundle stands.
    pub position: Position,
}

/// A bundle whose every byte was checked. The only way to a decrypted byte leads through this type.
pub struct Verified {
    object: Arc<dyn ReadAt>,
    ends: Ends,
    manifest: Manifest,
    manifest_digest: Digest,
    checked: Checked,
    proof: Option<Proof>,
}

/// Why a bundle is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its bytes are not as signed.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// Its signatures do not prove it.
    #[error(transparent)]
    Seal(#[from] seal::Error),
    /// The signed statement cannot be read by this version.
    #[error("the manifest is signed, but cannot be read")]
    Manifest(#[source] BadManifest),
    /// Its keys do not satisfy the policy.
    #[error(transparent)]
    Keys(#[from] policy::crypto::Violations),
    /// A key slot cannot be read.
    #[error(transparent)]
    Slots(#[from] encrypt::Error),
    /// It is not in its place.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain could not be read.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

/// Why a bundle is not in its place.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// It was found under the name of another bundle.
    #[error("the object of bundle {expected} holds bundle {actual}: one bundle was put in the place of another")]
    Misnamed {
        /// The name under which it was found.
        expected: String,
        /// What its manifest says.
        actual: String,
    },
    /// The chain holds another manifest in its place.
    #[error("the chain of set {set} holds another manifest at {sequence}: {expected}, and the bundle has {actual}")]
    Replaced {
        /// The set.
        set: SetName,
        /// The place.
        sequence: u64,
        /// What the chain holds.
        expected: Digest,
        /// What the bundle has.
        actual: Digest,
    },
    /// The chain has no manifest in its place, or none before it.
    #[error("the chain of set {set} has no manifest {sequence}: it was removed, or the store was rolled back")]
    Missing {
        /// The set.
        set: SetName,
        /// The place.
        sequence: u64,
    },
    /// The manifest before it is not the one that it names.
    #[error("the chain of set {set} is broken before {sequence}: the bundle names another predecessor")]
    Predecessor {
        /// The set.
        set: SetName,
        /// The place.
        sequence: u64,
    },
    /// A checkpoint remembers a different past.
    #[error("the checkpoint of {created} remembers another past: {what}")]
    Checkpoint {
        /// When the checkpoint was made.
        created: Timestamp,
        /// What differs.
        what: String,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Damage(error) => error.kind(),
            Self::Seal(error) => error.kind(),
            Self::Manifest(error) => error.kind(),
            Self::Keys(_) => Kind::KeyPolicy,
            Self::Slots(error) => error.kind(),
            Self::Chain(_) => Kind::ChainBroken,
            Self::Catalog(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Damage(error) => error.hint(),
            Self::Seal(error) => error.hint(),
            Self::Manifest(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::Slots(error) => error.hint(),
            Self::Chain(_) => Some(
                "Treat the store as tampered with: compare it with another copy and with a checkpoint kept elsewhere before you trust any bundle in it.".into(),
            ),
            Self::Catalog(error) => error.hint(),
        }
    }
}

/// Proves a bundle: whole, genuine, in its place, with acceptable keys. Needs no secret.
///
/// # Errors
/// See [`Error`]; the first thing that is wrong, in the order of the checks.
pub fn verify(
    object: Arc<dyn ReadAt>,
    measure: &Measure<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Verified, Error> {
    verify_below(object, measure, None, progress, cancel)
}

/// As [`verify`], for one of many bundles of a chain whose newest number is `head`: to look for it again for each one takes a listing each
/// time. With none it is looked for.
///
/// # Errors
/// As [`verify`].
pub fn verify_below(
    object: Arc<dyn ReadAt>,
    measure: &Measure<'_>,
    head: Option<u64>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Verified, Error> {
    // The statement: its signatures, and the trust in each signer when it signed.
    let ends = read::ends(object.as_ref())?;
    let signatures = seal::open(
        &ends.manifest,
        &ends.signatures,
        measure.trust,
        claimed_time(&ends.manifest),
    )?;
    let manifest = Manifest::parse(&ends.manifest).map_err(Error::Manifest)?;

    // What the statement says about keys, and where it stands.
    let signed: Vec<KeyFacts> = signatures.iter().map(|signed| signed.facts.clone()).collect();
    policy::crypto::check(&manifest, &signed, measure.keys, manifest.created)?;
    let digest = Digest::of(&ends.manifest);
    let position = place(&manifest, digest, measure, head)?;

    // Every byte that it covers, and every byte that it does not.
    progress.begin("verifying", Some(object.len()));
    let checked = read::check(object.as_ref(), &ends, &manifest, measure.jobs, progress, cancel);
    progress.end();
    let verified = Verified {
        object,
        ends,
        manifest,
        manifest_digest: digest,
        checked: checked?,
        proof: Some(Proof { signatures, position }),
    };

    // Whom the slots are for, as far as they say it.
    let packets = slots::named(verified.manifest.suite, &verified.slots())?;
    policy::crypto::check_packets(&verified.manifest, &packets)?;
    Ok(verified)
}

/// When a manifest that nobody has vouched for says that it was made: the moment at which its signatures are judged. A manifest that says
/// nothing of the kind is judged at the beginning of time, when no signer was valid.
fn claimed_time(manifest: &[u8]) -> Timestamp {
    let value = serde_json::from_slice::<serde_json::Value>(manifest).ok();
    let text = value
        .as_ref()
        .and_then(|value| value.get("created"))
        .and_then(serde_json::Value::as_str);
    text.and_then(|text| text.parse().ok())
        .unwrap_or_else(|| Timestamp::from_unix(0).expect("1970 is a year"))
}

/// Checks the bytes of a bundle against its own manifest, and nothing else: no signature, no trust, no chain. Whoever could write to the
/// bundle could have made all of it. For the day when no trust root is left.
///
/// # Errors
/// `Damage` and `Manifest` alone.
pub fn unsafe_without_proof(
    object: Arc<dyn ReadAt>,
    jobs: usize,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Verified, Error> {
    let ends = read::ends(object.as_ref())?;
    let manifest = Manifest::parse(&ends.manifest).map_err(Error::Manifest)?;
    let manifest_digest = Digest::of(&ends.manifest);
    progress.begin("checking", Some(object.len()));
    let checked = read::check(object.as_ref(), &ends, &manifest, jobs, progress, cancel);
    progress.end();
    Ok(Verified {
        object,
        ends,
        manifest,
        manifest_digest,
        checked: checked?,
        proof: None,
    })
}

/// The place of a manifest: its name, its neighbours in the chain, and what a checkpoint remembers.
fn place(manifest: &Manifest, digest: Digest, measure: &Measure<'_>, head: Option<u64>) -> Result<Position, Error> {
    if let Some((set, bundle)) = &measure.name
        && (*set != manifest.set || *bundle != manifest.bundle)
    {
        let (expected, actual) = (
            format!("{set}/{bundle}"),
            format!("{}/{}", manifest.set, manifest.bundle),
        );
        return Err(ChainError::Misnamed { expected, actual }.into());
    }
    if let Some(checkpoint) = measure.checkpoint {
        remembered(manifest, digest, checkpoint, measure.chain)?;
    }
    let Some(store) = measure.chain else {
        let heads = measure.checkpoint.map(|checkpoint| checkpoint.heads.as_slice());
        let mut heads = heads.unwrap_or_default().iter();
        let remembered = heads.find(|head| head.set == manifest.set).map(|head| head.sequence);
        return Ok(Position::NoChain { remembered });
    };
    let (set, sequence) = (manifest.set.clone(), manifest.sequence);
    let Some(link) = chain::at(store, &set, sequence)? else {
        return Err(ChainError::Missing { set, sequence }.into());
    };
    if link.digest != digest {
        return Err(ChainError::Replaced {
            set,
            sequence,
            expected: link.digest,
            actual: digest,
        }
        .into());
    }
    if let Some(previous) = manifest.previous {
        let before = sequence - 1;
        let Some(link) = chain::at(store, &set, before)? else {
            return Err(ChainError::Missing { set, sequence: before }.into());
        };
        if link.digest != previous {
            return Err(ChainError::Predecessor { set, sequence }.into());
        }
    }
    let head = match head {
        Some(head) => head,
        None => chain::head(store, &set)?.map_or(sequence, |head| head.sequence),
    };
    Ok(Position::InChain { head })
}

/// What a checkpoint says about the bundle itself, and about the whole store where there is one.
fn remembered(
    manifest: &Manifest,
    digest: Digest,
    checkpoint: &Checkpoint,
    chain: Option<&dyn Store>,
) -> Result<(), Error> {
    let created = checkpoint.created;
    let own = checkpoint
        .heads
        .iter()
        .find(|head| head.set == manifest.set && head.sequence == manifest.sequence);
    if own.is_some_and(|head| head.digest != digest) {
        let what = format!("set {} had another manifest at {}", manifest.set, manifest.sequence);
        return Err(ChainError::Checkpoint { created, what }.into());
    }
    if let Some(store) = chain {
        let deviations = catalog::checkpoint::compare(checkpoint, store)?;
        if !deviations.is_empty() {
            let what = deviations
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ");
            return Err(ChainError::Checkpoint { created, what }.into());
        }
    }
    Ok(())
}

impl Verified {
    /// The statement of the bundle.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bytes of the statement, as they were read once: what is to be stored as proven is this, and no second reading.
    #[must_use]
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.ends.manifest
    }

    /// The signatures over these bytes, as they were read with them.
    #[must_use]
    pub fn signature_bytes(&self) -> &[u8] {
        &self.ends.signatures
    }

    /// The digest of the manifest: the name of this bundle in the chain.
    #[must_use]
    pub fn manifest_digest(&self) -> Digest {
        self.manifest_digest
    }

    /// What was proven; none when the proof was skipped.
    #[must_use]
    pub fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    /// The length of the bundle.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.object.len()
    }

    /// The number of segments that were checked.
    #[must_use]
    pub fn segments(&self) -> u64 {
        let of = |container| self.checked.layout.segments(container);
        of(Container::Payload) + of(Container::Index)
    }

    pub(super) fn header(&self) -> &Header {
        &self.checked.header
    }

    pub(super) fn slots(&self) -> Vec<Slot> {
        self.checked
            .slots
            .iter()
            .map(|(name, bytes)| Slot {
                name: name.clone(),
                bytes: bytes.clone(),
            })
            .collect()
    }

    pub(super) fn container(&self, container: Container) -> SegmentReader<'_> {
        SegmentReader::new(self.object.as_ref(), &self.checked, container)
    }
}
