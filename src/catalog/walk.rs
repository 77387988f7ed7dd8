//! The whole chain of a set, walked from its first link: every break, as a list of values.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Serialize;

use super::Error;
use super::chain;
use crate::base::digest::Digest;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::gaps;
use crate::base::limits;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::store;
use crate::store::Listed;
use crate::store::Store;
use crate::store::names;

/// A break of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "problem", rename_all = "kebab-case")]
pub enum Problem {
    /// Nothing lies at one or more places before the head.
    #[error("nothing is at the places {first} to {last} of the chain")]
    Missing {
        /// The first such place.
        first: u64,
        /// The last such place in a row.
        last: u64,
    },
    /// A manifest has no signatures, so it is no link. At the end of the chain it is what a run leaves that died there.
    #[error("manifest {sequence} has no signatures")]
    Unsigned {
        /// The place.
        sequence: u64,
    },
    /// Signatures lie at a place without a manifest.
    #[error("the signatures of manifest {sequence} are there, the manifest is not")]
    SignaturesAlone {
        /// The place.
        sequence: u64,
    },
    /// A manifest cannot be read.
    #[error("manifest {sequence} cannot be read: {reason}")]
    Unreadable {
        /// The place.
        sequence: u64,
        /// Why.
        reason: String,
    },
    /// A manifest lies at a place that is not its own.
    #[error("manifest {sequence} says that it is number {says} of set {set}")]
    Misplaced {
        /// The place.
        sequence: u64,
        /// The set that it names.
        set: SetName,
        /// The number that it names.
        says: u64,
    },
    /// A manifest names another one before it than the one that is there: one of the two was replaced.
    #[error("manifest {sequence} follows {}, and the manifest before it is {found}", previous(names.as_ref()))]
    Previous {
        /// The place.
        sequence: u64,
        /// The digest that it names.
        names: Option<Digest>,
        /// The digest of the manifest before it.
        found: Digest,
    },
    /// The bundle of a link is not in the store: removed, or lost.
    #[error("bundle {bundle} of manifest {sequence} is missing")]
    BundleMissing {
        /// The place.
        sequence: u64,
        /// The bundle.
        bundle: BundleId,
    },
    /// Two links name the same bundle.
    #[error("manifests {first} and {sequence} both name bundle {bundle}")]
    BundleTwice {
        /// The place.
        sequence: u64,
        /// The earlier place.
        first: u64,
        /// The bundle.
        bundle: BundleId,
    },
    /// No link names a bundle: a run died, is not over yet, or somebody put it there.
    #[error("bundle {bundle} is in no manifest")]
    BundleUnlinked {
        /// The bundle.
        bundle: BundleId,
    },
    /// An object that has no business there.
    #[error("{name} is neither a manifest nor a bundle")]
    Foreign {
        /// Its name.
        name: String,
    },
}

fn previous(names: Option<&Digest>) -> String {
    names.map_or_else(|| "none".into(), Digest::to_string)
}

impl Fault for Problem {
    fn kind(&self) -> Kind {
        Kind::ChainBroken
    }
}

/// What a walk along a chain has found.
#[derive(Debug, Default)]
pub struct Walked {
    /// All its breaks, in the order of the chain.
    pub problems: Vec<Problem>,
    /// The bundles of its links, the newest first.
    pub bundles: Vec<BundleId>,
}

/// Walks the chain of a set from its first link. Reads every manifest once, no bundle and no signature.
///
/// # Errors
/// `Store` when the store fails; what is wrong with the chain is no error.
pub fn walk(store: &dyn Store, set: &SetName) -> Result<Walked, Error> {
    // In this order: a bundle is published before its link, so what is added meanwhile is no link without its bundle.
    let manifests = store.list(&names::manifests(set))?;
    let bundles = store.list(&names::bundles(set))?;
    let mut walk = Walk {
        present: chain::bundle_ids(&bundles),
        ..Walk::default()
    };
    let claimed = chain::numbers(&manifests, names::parse_manifest);
    let signed = chain::signed_numbers(&manifests);
    let taken = || claimed.union(&signed).copied();
    let mut gaps = gaps::gaps(taken()).into_iter().peekable();
    for sequence in taken() {
        if let Some((first, last)) = gaps.next_if(|(_, last)| *last < sequence) {
            walk.gap(first, last);
        }
        if claimed.contains(&sequence) {
            walk.manifest(store, set, sequence, signed.contains(&sequence))?;
        } else {
            walk.problems.push(Problem::SignaturesAlone { sequence });
            walk.before = None;
        }
    }
    Ok(walk.finish(&manifests, &bundles))
}

#[derive(Default)]
struct Walk {
    /// The manifest of the place before: its digest, where it is there.
    before: Option<Digest>,
    /// The bundles that lie in the store.
    present: BTreeSet<BundleId>,
    /// The bundles of the links, in the order of the chain.
    bundles: Vec<BundleId>,
    /// Where each bundle is named first.
    linked: BTreeMap<BundleId, u64>,
    problems: Vec<Problem>,
}

impl Walk {
    fn gap(&mut self, first: u64, last: u64) {
        self.before = None;
        self.problems.push(Problem::Missing { first, last });
    }

    fn manifest(&mut self, store: &dyn Store, set: &SetName, sequence: u64, signed: bool) -> Result<(), Error> {
        if !signed {
            self.problems.push(Problem::Unsigned { sequence });
        }
        let before = self.before.take();
        let bytes = match store.get(&names::manifest(set, sequence), limits::MANIFEST_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error @ (store::Error::TooLarge { .. } | store::Error::NotFound { .. })) => {
                self.unreadable(sequence, &error);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.before = Some(Digest::of(&bytes));
        match Manifest::parse(&bytes) {
            Ok(manifest) => self.facts(set, sequence, &manifest, before, signed),
            Err(error) => self.unreadable(sequence, &error),
        }
        Ok(())
    }

    fn unreadable(&mut self, sequence: u64, error: &dyn std::error::Error) {
        let reason = error.to_string();
        self.problems.push(Problem::Unreadable { sequence, reason });
    }

    fn facts(&mut self, set: &SetName, sequence: u64, manifest: &Manifest, before: Option<Digest>, signed: bool) {
        let in_place = manifest.set == *set && manifest.sequence == sequence;
        if !in_place {
            self.problems.push(Problem::Misplaced {
                sequence,
                set: manifest.set.clone(),
                says: manifest.sequence,
            });
        }
        if let Some(found) = before.filter(|found| manifest.previous != Some(*found)) {
            let names = manifest.previous;
            self.problems.push(Problem::Previous { sequence, names, found });
        }
        if !signed {
            return;
        }
        let bundle = manifest.bundle.clone();
        self.bundles.extend(in_place.then(|| bundle.clone()));
        if let Some(first) = self.linked.get(&bundle).copied() {
            self.problems.push(Problem::BundleTwice {
                sequence,
                first,
                bundle,
            });
            return;
        }
        self.linked.insert(bundle.clone(), sequence);
        if !self.present.contains(&bundle) {
            self.problems.push(Problem::BundleMissing { sequence, bundle });
        }
    }

    fn finish(mut self, manifests: &[Listed], bundles: &[Listed]) -> Walked {
        let unlinked = self.present.iter().filter(|id| !self.linked.contains_key(*id));
        self.problems
            .extend(unlinked.cloned().map(|bundle| Problem::BundleUnlinked { bundle }));
        let is_manifest = |listed: &&Listed| {
            names::parse_manifest(&listed.name).is_some() || names::parse_manifest_signatures(&listed.name).is_some()
        };
        let is_bundle = |listed: &&Listed| names::parse_bundle(&listed.name).is_some();
        let foreign = manifests
            .iter()
            .filter(|listed| !is_manifest(listed))
            .chain(bundles.iter().filter(|listed| !is_bundle(listed)));
        self.problems.extend(foreign.map(|listed| Problem::Foreign {
            name: listed.name.to_string(),
        }));
        self.bundles.reverse();
        Walked {
            problems: self.problems,
            bundles: self.bundles,
        }
    }
}
