//! Verification as a whole: one bundle, or all that a store has.

use std::collections::BTreeMap;

use crate::audit::Act;
use crate::base::cancel::Cancel;
use crate::base::fault::Fault;
use crate::base::progress::Progress;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::catalog::chain;
use crate::catalog::checkpoint::Checkpoint;
use crate::catalog::walk::Problem;
use crate::catalog::walk::walk;
use crate::flow;
use crate::flow::contents::Opened;
use crate::flow::restore::Restored;
use crate::flow::verify::Measure;
use crate::flow::verify::Verified;
use crate::keyring::Identity;
use crate::keyring::trust::TrustStore;
use crate::policy::crypto::KeyPolicy;
use crate::policy::selection::Selection;
use crate::sink::discard::Discard;
use crate::store::Store;

use super::Deed;
use super::Desk;
use super::bundles;
use super::bundles::Found;
use super::error::Error;

/// What bundles are measured against, and how deep.
pub struct Verify<'a> {
    /// The store, for the chain; none for a file of its own.
    pub store: Option<&'a dyn Store>,
    /// Whose signatures count.
    pub trust: &'a TrustStore,
    /// Which keys are acceptable.
    pub keys: &'a KeyPolicy,
    /// What the heads of the chains once were.
    pub checkpoint: Option<&'a Checkpoint>,
    /// Threads that hash and decompress.
    pub jobs: usize,
    /// With identities, the contents are decrypted and compared with their digests too.
    pub deep: Option<&'a [Identity]>,
}

/// One bundle that was verified.
pub struct Outcome {
    /// What was proven about it.
    pub verified: Verified,
    /// What was read of its contents.
    pub contents: Option<Restored>,
}

/// One bundle of a store, good or not.
pub struct Row {
    /// The set.
    pub set: SetName,
    /// The bundle.
    pub bundle: BundleId,
    /// What was proven, or why not.
    pub result: Result<Outcome, Error>,
}

/// Verifies one bundle.
///
/// # Errors
/// See [`Error`].
pub fn one(
    job: &Verify<'_>,
    found: Found,
    desk: &Desk<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Outcome, Error> {
    let name = found.name.clone();
    let result = prove(job, found, progress, cancel);
    if let (Some(store), Some((set, bundle))) = (job.store, name) {
        note(store, desk, set, bundle, result.as_ref().err());
    }
    result
}

/// Verification is of use without the right to write: a store that cannot be written keeps no note of it.
fn note(store: &dyn Store, desk: &Desk<'_>, set: SetName, bundle: BundleId, error: Option<&Error>) {
    let failure = error.map(Fault::kind);
    let deed = Deed {
        act: Act::Verify,
        failure,
        set: Some(set),
        bundle: Some(bundle),
        details: BTreeMap::new(),
    };
    let _unwritable = desk.record(store, deed);
}

fn prove(job: &Verify<'_>, found: Found, progress: &dyn Progress, cancel: &Cancel) -> Result<Outcome, Error> {
    let measure = Measure {
        trust: job.trust,
        keys: job.keys,
        name: found.name,
        chain: job.store,
        checkpoint: job.checkpoint,
        jobs: job.jobs,
    };
    let verified = flow::verify::verify(found.object, &measure, progress, cancel)?;
    let contents = match job.deep {
        None => None,
        Some(identities) => {
            let opened = Opened::open(&verified, identities)?;
            Some(flow::restore::restore(
                &opened,
                &mut Selection::all(),
                job.jobs,
                &mut Discard,
                progress,
                cancel,
            )?)
        }
    };
    Ok(Outcome { verified, contents })
}

/// Verifies every bundle in the chains of a store, and the chains themselves. Goes on after a failure; `each` sees every
/// bundle as it is done. Gives the problems of the chains.
///
/// # Errors
/// When the store cannot be listed or the work was told to stop; what is wrong with a bundle is in its [`Row`].
pub fn all(
    job: &Verify<'_>,
    store: &dyn Store,
    set: Option<&SetName>,
    desk: &Desk<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
    each: &mut dyn FnMut(Row),
) -> Result<Vec<Problem>, Error> {
    let mut problems = Vec::new();
    for set in bundles::sets(store, set)? {
        problems.extend(walk(store, &set)?);
        for link in chain::links(store, &set)? {
            // What cannot be read is among the problems already.
            let Ok(link) = link else { continue };
            let bundle = link.manifest.bundle;
            cancel.check().map_err(|_| flow::restore::Error::Interrupted)?;
            let found = bundles::open(store, set.clone(), bundle.clone());
            let result = found.and_then(|found| one(job, found, desk, progress, cancel));
            each(Row {
                set: set.clone(),
                bundle,
                result,
            });
        }
    }
    Ok(problems)
}
