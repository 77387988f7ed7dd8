//! The chain of a set: one signed manifest after the other, each naming the digest of the one before.
//!
//! A link is two objects: `SEQUENCE.json` claims the place, `SEQUENCE.json.asc` commits it. **A link counts only when
//! both exist.** A bundle is published before its link, and it holds both, so a run that died in between is rolled
//! forward: [`fresh_bundles`] names the bundle, the caller verifies it and calls [`append`] with what it holds. An act
//! that was interrupted is repeated with the same bytes.

use std::collections::BTreeSet;

use super::Error;
use super::get_if_any;
use super::put_same;
use crate::base::digest::Digest;
use crate::base::gaps;
use crate::base::limits;
use crate::bundle::manifest::BadManifest;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::store::Lease;
use crate::store::Listed;
use crate::store::ObjectName;
use crate::store::Store;
use crate::store::names;

/// A signed manifest at its place. The signatures have not been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The set.
    pub set: SetName,
    /// The place in its chain, counted from 1.
    pub sequence: u64,
    /// What the manifest says.
    pub manifest: Manifest,
    /// Its bytes, which are what is signed.
    pub bytes: Vec<u8>,
    /// Their digest, which the next manifest names.
    pub digest: Digest,
    /// The detached signatures.
    pub signatures: Vec<u8>,
}

/// Every set that has a bundle or a manifest, in order.
///
/// # Errors
/// `Store`.
pub fn sets(store: &dyn Store) -> Result<Vec<SetName>, Error> {
    let mut sets = BTreeSet::new();
    for prefix in [names::MANIFESTS, names::BUNDLES] {
        let listed = store.list(prefix)?;
        sets.extend(listed.iter().filter_map(|listed| names::set_of(&listed.name)));
    }
    Ok(sets.into_iter().collect())
}

/// The numbers of all links of a set, rising. Reads no manifest.
///
/// # Errors
/// `Store`.
pub fn sequences(store: &dyn Store, set: &SetName) -> Result<Vec<u64>, Error> {
    let listed = store.list(&names::manifests(set))?;
    let (claimed, committed) = (numbers(&listed, names::parse_manifest), signed_numbers(&listed));
    Ok(claimed.intersection(&committed).copied().collect())
}

/// The places before the last signatures of a set at which there is no link, as first and last in a row.
///
/// # Errors
/// `Store`.
pub fn gaps(store: &dyn Store, set: &SetName) -> Result<Vec<(u64, u64)>, Error> {
    let listed = store.list(&names::manifests(set))?;
    let (claimed, committed) = (numbers(&listed, names::parse_manifest), signed_numbers(&listed));
    let end = committed.last().map(|last| last.saturating_add(1));
    Ok(gaps::gaps(claimed.intersection(&committed).copied().chain(end)))
}

/// The newest link of a set; none before the first.
///
/// # Errors
/// `Manifest` or `Misplaced` when it cannot be read; `Store`.
pub fn head(store: &dyn Store, set: &SetName) -> Result<Option<Link>, Error> {
    match sequences(store, set)?.last() {
        Some(sequence) => at(store, set, *sequence),
        None => Ok(None),
    }
}

/// The link at one place; none when the place is free or only claimed.
///
/// # Errors
/// `Manifest` or `Misplaced` when it cannot be read; `Store`.
pub fn at(store: &dyn Store, set: &SetName, sequence: u64) -> Result<Option<Link>, Error> {
    let signatures = names::manifest_signatures(set, sequence);
    let Some(signatures) = get_if_any(store, &signatures, limits::SIGNATURES_BYTES_MAX)? else {
        return Ok(None);
    };
    let name = names::manifest(set, sequence);
    let Some(bytes) = get_if_any(store, &name, limits::MANIFEST_BYTES_MAX)? else {
        return Ok(None);
    };
    let manifest = parse(&name, &bytes)?;
    if manifest.set != *set || manifest.sequence != sequence {
        return Err(Error::Misplaced {
            name,
            set: manifest.set,
            sequence: manifest.sequence,
        });
    }
    Ok(Some(Link {
        set: set.clone(),
        sequence,
        digest: Digest::of(&bytes),
        manifest,
        bytes,
        signatures,
    }))
}

/// All links of a set from the newest to the oldest, each read when it is asked for.
///
/// # Errors
/// `Store` when the set cannot be listed. An item is an error as for [`at`].
pub fn links<'s>(
    store: &'s dyn Store,
    set: &SetName,
) -> Result<impl Iterator<Item = Result<Link, Error>> + use<'s>, Error> {
    let set = set.clone();
    let sequences = sequences(store, &set)?;
    let link = move |sequence| at(store, &set, sequence).transpose();
    Ok(sequences.into_iter().rev().filter_map(link))
}

/// Adds a manifest and its signatures to the chain of the leased set. Doing it again with the same bytes is no error.
///
/// # Errors
/// `Order` when it does not follow the head; `Taken` when its place holds another manifest; `NotAManifest`,
/// `OtherSet`, `Signatures`, `Store`.
pub fn append(store: &dyn Store, lease: &dyn Lease, bytes: &[u8], signatures: &[u8]) -> Result<(), Error> {
    if signatures.is_empty() || signatures.len() as u64 > limits::SIGNATURES_BYTES_MAX {
        let bytes = signatures.len();
        return Err(Error::Signatures { bytes });
    }
    let manifest = Manifest::parse(bytes).map_err(Error::NotAManifest)?;
    let (set, sequence) = (&manifest.set, manifest.sequence);
    if set != lease.set() {
        return Err(Error::OtherSet {
            lease: lease.set().clone(),
            manifest: set.clone(),
        });
    }
    let head = head(store, set)?;
    if head.as_ref().is_some_and(|head| head.bytes == bytes) {
        return Ok(());
    }
    check_order(&manifest, head.as_ref())?;
    put_same(store, &names::manifest(set, sequence), bytes)?;
    put_same(store, &names::manifest_signatures(set, sequence), signatures)
}

fn check_order(manifest: &Manifest, head: Option<&Link>) -> Result<(), Error> {
    let follows = match head {
        None => manifest.sequence == 1 && manifest.previous.is_none(),
        Some(head) => head.sequence.checked_add(1) == Some(manifest.sequence) && manifest.previous == Some(head.digest),
    };
    if follows {
        return Ok(());
    }
    Err(Error::Order {
        set: manifest.set.clone(),
        sequence: manifest.sequence,
        head: head.map_or(0, |head| head.sequence),
    })
}

/// Checks that nothing lies at the place behind the head: what lies there, and was not taken into the chain before this is asked, would
/// stop the next manifest.
///
/// # Errors
/// `Taken`; `Store`.
pub fn check_free(store: &dyn Store, set: &SetName, sequence: u64) -> Result<(), Error> {
    for name in [
        names::manifest(set, sequence),
        names::manifest_signatures(set, sequence),
    ] {
        if !store.list(name.as_str())?.is_empty() {
            return Err(Error::Taken { name });
        }
    }
    Ok(())
}

/// The bundles of a set that lie in the store, in order of their ids.
///
/// # Errors
/// `Store`.
pub fn bundles(store: &dyn Store, set: &SetName) -> Result<BTreeSet<BundleId>, Error> {
    Ok(bundle_ids(&store.list(&names::bundles(set))?))
}

/// The bundles of a list.
pub(super) fn bundle_ids(listed: &[Listed]) -> BTreeSet<BundleId> {
    let ids = listed.iter().filter_map(|listed| names::parse_bundle(&listed.name));
    ids.map(|(_, id)| id).collect()
}

/// What a run that died before its link can have left, oldest first: unlinked bundles no older than the head's, and the
/// bundle of a claimed place. Reads the head alone when there is nothing, so every run can ask. A bundle that a clock set
/// back hides from it is found by [`walk`](super::walk::walk).
///
/// The caller verifies each and appends it when its manifest follows the head. One that does not is no link: it is told,
/// as [`walk`](super::walk::walk) tells it, and left where it is.
///
/// # Errors
/// As for [`at`].
pub fn fresh_bundles(store: &dyn Store, set: &SetName) -> Result<Vec<BundleId>, Error> {
    let head = head(store, set)?;
    let present = bundles(store, set)?;
    let mut fresh = present.clone();
    if let Some(head) = &head {
        // Of the bundles that were begun in one second, none is the first by name.
        let newest = &head.manifest.bundle;
        fresh.retain(|id| id.begun() >= newest.begun() && id != newest);
    }
    let next = head.as_ref().map_or(0, |head| head.sequence).saturating_add(1);
    let claim = names::manifest(set, next);
    if let Some(bytes) = get_if_any(store, &claim, limits::MANIFEST_BYTES_MAX)?
        && let Ok(Manifest { bundle, .. }) = Manifest::parse(&bytes)
    {
        fresh.extend(present.contains(&bundle).then_some(bundle));
    }
    // Newer than the head's and linked all the same: the clock was set back since.
    unlinked_of(store, set, fresh)
}

/// Those of `bundles` that no link names.
fn unlinked_of(store: &dyn Store, set: &SetName, mut bundles: BTreeSet<BundleId>) -> Result<Vec<BundleId>, Error> {
    if bundles.is_empty() {
        return Ok(Vec::new());
    }
    for link in links(store, set)? {
        bundles.remove(&link?.manifest.bundle);
        if bundles.is_empty() {
            break;
        }
    }
    Ok(bundles.into_iter().collect())
}

/// The places of a list, by one kind of name.
pub(super) fn numbers(listed: &[Listed], parse: impl Fn(&ObjectName) -> Option<(SetName, u64)>) -> BTreeSet<u64> {
    let places = listed.iter().filter_map(|listed| parse(&listed.name));
    places.map(|(_, sequence)| sequence).collect()
}

/// The places of a list that have signatures.
pub(super) fn signed_numbers(listed: &[Listed]) -> BTreeSet<u64> {
    numbers(listed, names::parse_manifest_signatures)
}

fn parse(name: &ObjectName, bytes: &[u8]) -> Result<Manifest, Error> {
    let wrap = |source: BadManifest| Error::Manifest {
        name: name.clone(),
        source,
    };
    Manifest::parse(bytes).map_err(wrap)
}
