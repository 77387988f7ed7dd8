//! What a store holds, as its chains tell it, and what one manifest says. Nothing here proves anything: `verify` does.

use std::collections::BTreeMap;

use crate::base::clock::Timestamp;
use crate::base::digest::Digest;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::index::Totals;
use crate::bundle::kind::SourceKind;
use crate::bundle::manifest::BadManifest;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::BundleId;
use crate::bundle::name::Label;
use crate::bundle::name::SetName;
use crate::bundle::suite::Suite;
use crate::catalog;
use crate::catalog::chain;
use crate::catalog::chain::Link;
use crate::envelope::Damage;
use crate::envelope::read;
use crate::keyring::trust::TrustStore;
use crate::seal;
use crate::seal::SignedBy;
use crate::store::Store;
use crate::store::names;

use super::bundles;
use super::bundles::BundleRef;
use super::bundles::Found;
use super::error;
use super::setup;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// As in every job.
    #[error(transparent)]
    Job(#[from] error::Error),
    /// The ends of the bundle are damaged.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The manifest of the bundle cannot be read.
    #[error("the manifest of the bundle cannot be read")]
    Manifest(#[source] BadManifest),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Job(error) => error.kind(),
            Self::Damage(error) => error.kind(),
            Self::Manifest(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Job(error) => error.hint(),
            Self::Damage(error) => error.hint(),
            Self::Manifest(error) => error.hint(),
        }
    }
}

impl From<catalog::Error> for Error {
    fn from(error: catalog::Error) -> Self {
        Self::Job(error.into())
    }
}

/// What is told of a link of a chain and of its bundle. The manifest itself, which may be large, is let go of.
#[derive(Clone, Debug)]
pub struct Row {
    /// The bundle.
    pub bundle: BundleId,
    /// Its set.
    pub set: SetName,
    /// Its number in the chain.
    pub sequence: u64,
    /// When it was begun.
    pub created: Timestamp,
    /// Its suite.
    pub suite: Suite,
    /// What is in it: label and kind of each source.
    pub sources: Vec<(Label, SourceKind)>,
    /// How much is in it.
    pub totals: Totals,
    /// The word of the operator's.
    pub retention_class: Option<String>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The length of the bundle; none when it is not there.
    pub stored_bytes: Option<u64>,
}

impl Row {
    fn new(link: Link, stored_bytes: Option<u64>) -> Self {
        let manifest = link.manifest;
        let sources = manifest.sources.into_iter();
        Self {
            bundle: manifest.bundle,
            set: manifest.set,
            sequence: manifest.sequence,
            created: manifest.created,
            suite: manifest.suite,
            sources: sources.map(|source| (source.label, source.kind)).collect(),
            totals: manifest.totals,
            retention_class: manifest.policy.retention_class,
            digest: link.digest,
            stored_bytes,
        }
    }
}

/// What a store holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// The links that can be read, the newest first.
    pub rows: Vec<Row>,
    /// Places of chains at which nothing is: set, first and last place in a row.
    pub gaps: Vec<(SetName, u64, u64)>,
    /// Bundles that no link names.
    pub unlinked: Vec<(SetName, BundleId)>,
    /// Links that cannot be read.
    pub problems: Vec<catalog::Error>,
}

/// Lists the chain of a set, or of all. A link that cannot be read is a problem in the list.
///
/// # Errors
/// `EmptySet` when the named set has neither link nor bundle; `NotAStore` when nothing says that the folder is one;
/// otherwise what the store reports.
pub fn list(store: &dyn Store, set: Option<&SetName>) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    for set in bundles::sets(store, set)? {
        list_set(store, &set, &mut listing)?;
    }
    let is_empty = listing.rows.is_empty()
        && listing.gaps.is_empty()
        && listing.unlinked.is_empty()
        && listing.problems.is_empty();
    if let Some(set) = set.filter(|_| is_empty) {
        return Err(error::Error::EmptySet { set: set.clone() }.into());
    }
    if is_empty {
        setup::check_store(store)?;
    }
    // Ids of the same second have no order; the numbers of a chain have. The sort keeps it, the newest first.
    listing.rows.sort_by_key(|row| std::cmp::Reverse(row.created));
    Ok(listing)
}

fn list_set(store: &dyn Store, set: &SetName, listing: &mut Listing) -> Result<(), Error> {
    let mut present: BTreeMap<BundleId, u64> = BTreeMap::new();
    for listed in store.list(&names::bundles(set)).map_err(error::Error::Store)? {
        let named = names::parse_bundle(&listed.name);
        present.extend(named.map(|(_, id)| (id, listed.bytes)));
    }
    listing.gaps.extend(
        chain::gaps(store, set)?
            .into_iter()
            .map(|(first, last)| (set.clone(), first, last)),
    );
    for link in chain::links(store, set)? {
        match link {
            Ok(link) => {
                let stored_bytes = present.remove(&link.manifest.bundle);
                listing.rows.push(Row::new(link, stored_bytes));
            }
            Err(error) => listing.problems.push(error),
        }
    }
    listing.unlinked.extend(present.into_keys().map(|id| (set.clone(), id)));
    Ok(())
}

/// Why a manifest is not shown.
#[derive(Debug)]
pub struct NotShown {
    /// The bundle, where one of a store was found.
    pub name: Option<(SetName, BundleId)>,
    /// What is wrong.
    pub error: Box<Error>,
}

impl NotShown {
    fn of(name: Option<(SetName, BundleId)>, error: impl Into<Error>) -> Self {
        let error = Box::new(error.into());
        Self { name, error }
    }
}

impl From<error::Error> for NotShown {
    fn from(error: error::Error) -> Self {
        Self::of(None, error)
    }
}

/// Where a manifest was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The chain of the store.
    Chain,
    /// The bundle itself.
    Bundle,
}

/// What is known about the signatures over a manifest.
#[derive(Debug)]
pub enum Seal {
    /// Every one is good and by a trusted signer.
    Good(Vec<SignedBy>),
    /// They are not what they should be.
    Bad(seal::Error),
    /// Nobody is pinned, so they prove nothing.
    NotChecked,
}

/// A manifest as it was found.
#[derive(Debug)]
pub struct Shown {
    /// Where.
    pub place: Place,
    /// Its name, if it came from a store.
    pub name: Option<(SetName, BundleId)>,
    /// What it says.
    pub manifest: Manifest,
    /// Its digest, which the next link of the chain names.
    pub digest: Digest,
    /// What is known about its signatures.
    pub seal: Seal,
}

/// Reads the manifest of a bundle, also of one whose bundle is gone, and judges its signatures when `trust` pins anybody.
///
/// # Errors
/// When there is no such bundle, or its manifest cannot be read. Signatures that are not good are no error.
pub fn show(
    wanted: &BundleRef,
    store: Option<&dyn Store>,
    set: Option<&SetName>,
    trust: &TrustStore,
) -> Result<Shown, NotShown> {
    let read = match (wanted, store) {
        (BundleRef::Latest, Some(store)) => of_link(head(store, set)?),
        (BundleRef::Id(id), Some(store)) => match bundles::find(wanted, Some(store), set) {
            // A bundle that was removed is still in the chain.
            Err(error @ (error::Error::NoSuchBundle { .. } | error::Error::BundleGone { .. })) => {
                of_link(in_chain(store, set, id)?.ok_or(error)?)
            }
            found => of_bundle(found?)?,
        },
        _ => of_bundle(bundles::find(wanted, store, set)?)?,
    };
    let Read {
        place,
        name,
        bytes,
        signatures,
    } = read;
    let manifest = match Manifest::parse(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Err(NotShown::of(name, Error::Manifest(error))),
    };
    let seal = if trust.pinned.is_empty() {
        Seal::NotChecked
    } else {
        seal::open(&bytes, &signatures, trust, manifest.created).map_or_else(Seal::Bad, Seal::Good)
    };
    Ok(Shown {
        place,
        name,
        manifest,
        digest: Digest::of(&bytes),
        seal,
    })
}

/// A manifest as it was read, not yet parsed.
struct Read {
    place: Place,
    name: Option<(SetName, BundleId)>,
    bytes: Vec<u8>,
    signatures: Vec<u8>,
}

fn of_link(link: Link) -> Read {
    Read {
        place: Place::Chain,
        name: Some((link.set, link.manifest.bundle)),
        bytes: link.bytes,
        signatures: link.signatures,
    }
}

fn of_bundle(Found { object, name }: Found) -> Result<Read, NotShown> {
    match read::ends(object.as_ref()) {
        Ok(ends) => Ok(Read {
            place: Place::Bundle,
            name,
            bytes: ends.manifest,
            signatures: ends.signatures,
        }),
        Err(error) => Err(NotShown::of(name, error)),
    }
}

fn head(store: &dyn Store, set: Option<&SetName>) -> Result<Link, error::Error> {
    let set = bundles::one_set(store, set)?;
    let head = chain::head(store, &set)?;
    head.ok_or_else(|| error::Error::EmptySet { set })
}

fn in_chain(store: &dyn Store, set: Option<&SetName>, id: &BundleId) -> Result<Option<Link>, error::Error> {
    for set in bundles::sets(store, set)? {
        for link in chain::links(store, &set)? {
            let link = link?;
            if link.manifest.bundle == *id {
                return Ok(Some(link));
            }
        }
    }
    Ok(None)
}
