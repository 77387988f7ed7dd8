//! What a store holds, as its chains tell it, and what one manifest says. Nothing here proves anything: `verify` does.

use std::collections::BTreeMap;

use crate::base::digest::Digest;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::manifest::BadManifest;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
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

/// A link of a chain, and what the store holds of its bundle.
#[derive(Clone, Debug)]
pub struct Row {
    /// The link.
    pub link: Link,
    /// The length of the bundle; none when it is not there.
    pub stored_bytes: Option<u64>,
}

/// What a store holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// The links, the newest first.
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
    listing
        .rows
        .sort_by_key(|row| std::cmp::Reverse(row.link.manifest.created));
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
                listing.rows.push(Row { link, stored_bytes });
            }
            Err(error) => listing.problems.push(error),
        }
    }
    listing.unlinked.extend(present.into_keys().map(|id| (set.clone(), id)));
    Ok(())
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
) -> Result<Shown, Error> {
    let (place, bytes, signatures) = match (wanted, store) {
        (BundleRef::Latest, Some(store)) => of_link(head(store, set)?),
        (BundleRef::Id(id), Some(store)) => match of_bundle(wanted, Some(store), set) {
            // A bundle that was removed is still in the chain.
            Err(Error::Job(error @ (error::Error::NoSuchBundle { .. } | error::Error::BundleGone { .. }))) => {
                match in_chain(store, set, id)? {
                    Some(link) => of_link(link),
                    None => return Err(error.into()),
                }
            }
            found => found?,
        },
        _ => of_bundle(wanted, store, set)?,
    };
    let manifest = Manifest::parse(&bytes).map_err(Error::Manifest)?;
    let seal = if trust.pinned.is_empty() {
        Seal::NotChecked
    } else {
        seal::open(&bytes, &signatures, trust, manifest.created).map_or_else(Seal::Bad, Seal::Good)
    };
    Ok(Shown {
        place,
        manifest,
        digest: Digest::of(&bytes),
        seal,
    })
}

type Read = (Place, Vec<u8>, Vec<u8>);

fn of_link(link: Link) -> Read {
    (Place::Chain, link.bytes, link.signatures)
}

fn of_bundle(wanted: &BundleRef, store: Option<&dyn Store>, set: Option<&SetName>) -> Result<Read, Error> {
    let found = bundles::find(wanted, store, set)?;
    let ends = read::ends(found.object.as_ref())?;
    Ok((Place::Bundle, ends.manifest, ends.signatures))
}

fn head(store: &dyn Store, set: Option<&SetName>) -> Result<Link, Error> {
    let set = bundles::one_set(store, set)?;
    let head = chain::head(store, &set)?;
    head.ok_or_else(|| error::Error::EmptySet { set }.into())
}

fn in_chain(store: &dyn Store, set: Option<&SetName>, id: &BundleId) -> Result<Option<Link>, Error> {
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
