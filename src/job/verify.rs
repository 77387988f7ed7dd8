//! Verification as a whole: one bundle, or all that a store has.

use std::collections::BTreeMap;

use crate::audit::Act;
use crate::base::cancel::Cancel;
use crate::base::clock::Timestamp;
use crate::base::fault;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::progress::Progress;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::catalog;
use crate::catalog::chain;
use crate::catalog::checkpoint::Checkpoint;
use crate::catalog::checkpoint::Deviation;
use crate::catalog::repository;
use crate::catalog::walk::Problem;
use crate::catalog::walk::walk;
use crate::envelope::Damage;
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
use super::setup;

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
    let result = prove(job, found, job.checkpoint, None, progress, cancel);
    if let (Some(store), Some((set, bundle))) = (job.store, name) {
        let failure = result.as_ref().err().map(Fault::kind);
        let deed = Deed {
            act: Act::Verify,
            failure,
            set: Some(set),
            bundle: Some(bundle),
            details: manner(job, failure.is_none()),
        };
        note(store, desk, deed);
    }
    result
}

/// Whoever verifies without a key writes nothing: a record that nobody signed proves nothing, and in a copy of a store it would take the
/// number that the store itself gives to another. Verification is of use without the right to write, too; but that a failure is not on
/// record is told.
fn note(store: &dyn Store, desk: &Desk<'_>, deed: Deed) {
    if desk.signers.is_empty() {
        return;
    }
    if deed.failure.is_some() {
        let _told = desk.note(store, deed);
    } else {
        let _unwritable = desk.record(store, deed);
    }
}

/// How closely was looked, for the audit log.
fn manner(job: &Verify<'_>, done: bool) -> BTreeMap<String, String> {
    let mut details = BTreeMap::new();
    if job.deep.is_some() {
        let how = if done {
            "the contents were decrypted and compared"
        } else {
            "the contents were to be decrypted and compared, and not all were"
        };
        let _none = details.insert("deep".to_owned(), how.to_owned());
    }
    if let Some(checkpoint) = job.checkpoint {
        let _none = details.insert("checkpoint".to_owned(), checkpoint.created.to_string());
    }
    details
}

/// Proves one bundle, against `checkpoint`; of a chain whose newest number is `head`, where that is known.
fn prove(
    job: &Verify<'_>,
    found: Found,
    checkpoint: Option<&Checkpoint>,
    head: Option<u64>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Outcome, Error> {
    let measure = Measure {
        trust: job.trust,
        keys: job.keys,
        name: found.name,
        chain: job.store,
        checkpoint,
        jobs: job.jobs,
    };
    let verified = flow::verify::verify_below(found.object, &measure, head, progress, cancel)?;
    let contents = match job.deep {
        None => None,
        Some(identities) => {
            let opened = Opened::open(&verified, identities)?;
            let mut all = Selection::all();
            let read = flow::restore::restore(&opened, &mut all, job.jobs, &mut Discard, progress, cancel);
            // There is no target that could be as it was.
            stop_asked(cancel)?;
            Some(read?)
        }
    };
    Ok(Outcome { verified, contents })
}

/// What is wrong with a store beside what is wrong with single bundles.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// Nobody can tell which store this is.
    #[error("the store has no repository.json: it was removed, or this is no store")]
    NoRepository,
    /// A break of a chain.
    #[error("set {set}: {problem}")]
    Chain {
        /// The set.
        set: SetName,
        /// The break.
        problem: Problem,
    },
    /// The checkpoint remembers something else.
    #[error("the checkpoint of {created} remembers another past: {deviation}")]
    Checkpoint {
        /// When it was made.
        created: Timestamp,
        /// What differs.
        deviation: Deviation,
    },
}

/// What was seen of a store as a whole.
pub struct Whole {
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// Why not all of it was looked at, if it was not.
    pub unfinished: Option<Error>,
}

/// Verifies every bundle in the chains of a store, and the chains themselves. Goes on after a failure; `each` sees every
/// bundle as it is done. The audit log gets one record of it all.
///
/// # Errors
/// `EmptySet`, `EmptyStore` and `NotAStore` when nothing was there to be verified; when the store could not be listed or the work was told
/// to stop before anything was seen. What is wrong with a bundle is in its [`Row`].
pub fn all(
    job: &Verify<'_>,
    store: &dyn Store,
    set: Option<&SetName>,
    desk: &Desk<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
    each: &mut dyn FnMut(Row),
) -> Result<Whole, Error> {
    let (mut tally, mut findings) = (Tally::default(), Vec::new());
    let ended = every(job, store, set, progress, cancel, &mut findings, &mut |row| {
        tally.add(&row);
        each(row);
    });
    let unfinished = match ended {
        // Where nothing was verified, perhaps in a folder that is no store, there is nothing to record.
        Err(error) if tally.bundles == 0 && !findings.iter().any(is_break) => return Err(error),
        ended => ended.err(),
    };
    let of_store = findings.first().map(|_| Kind::ChainBroken);
    let failures = [unfinished.as_ref().map(Fault::kind), tally.failure, of_store];
    let failure = fault::gravest(failures.into_iter().flatten(), |kind| Some(*kind));
    let mut details = manner(job, tally.failed == 0 && unfinished.is_none());
    details.extend([
        ("bundles".to_owned(), tally.bundles.to_string()),
        ("not_proven".to_owned(), tally.failed.to_string()),
    ]);
    let deed = Deed {
        act: Act::Verify,
        failure,
        set: set.cloned(),
        bundle: None,
        details,
    };
    note(store, desk, deed);
    Ok(Whole { findings, unfinished })
}

/// What a record of many bundles says.
#[derive(Default)]
struct Tally {
    bundles: u64,
    failed: u64,
    /// The gravest failure.
    failure: Option<Kind>,
}

impl Tally {
    fn add(&mut self, row: &Row) {
        self.bundles += 1;
        if let Err(error) = &row.result {
            self.failed += 1;
            let failures = self.failure.into_iter().chain([error.kind()]);
            self.failure = fault::gravest(failures, |kind| Some(*kind));
        }
    }
}

fn every(
    job: &Verify<'_>,
    store: &dyn Store,
    set: Option<&SetName>,
    progress: &dyn Progress,
    cancel: &Cancel,
    findings: &mut Vec<Finding>,
    each: &mut dyn FnMut(Row),
) -> Result<(), Error> {
    as_a_whole(job, store, findings)?;
    let mut bundles_seen = 0_u64;
    for set in bundles::sets(store, set)? {
        let walked = walk(store, &set)?;
        findings.extend(walked.problems.into_iter().map(|problem| Finding::Chain {
            set: set.clone(),
            problem,
        }));
        // Where the newest link cannot be read, each bundle is told so by itself.
        let head = chain::head(store, &set).ok().flatten().map(|head| head.sequence);
        for bundle in walked.bundles {
            stop_asked(cancel)?;
            bundles_seen += 1;
            let found = bundles::open_linked(store, set.clone(), bundle.clone());
            // The checkpoint was compared with the store as a whole.
            let result = found.and_then(|found| prove(job, found, None, head, progress, cancel));
            // Half a look is no finding.
            stop_asked(cancel)?;
            each(Row {
                set: set.clone(),
                bundle,
                result,
            });
        }
    }
    // Nothing was wrong with nothing: a store that is not mounted must not pass for one that is whole.
    match set {
        _ if bundles_seen > 0 || findings.iter().any(is_break) => Ok(()),
        Some(set) => Err(Error::EmptySet { set: set.clone() }),
        None => {
            setup::check_store(store)?;
            Err(Error::EmptyStore {
                store: store.describe(),
            })
        }
    }
}

fn stop_asked(cancel: &Cancel) -> Result<(), Error> {
    let stopped = cancel.check().map_err(Damage::Interrupted);
    Ok(stopped.map_err(flow::verify::Error::Damage)?)
}

fn is_break(finding: &Finding) -> bool {
    match finding {
        Finding::NoRepository => false,
        Finding::Chain { .. } | Finding::Checkpoint { .. } => true,
    }
}

/// What no single bundle shows.
fn as_a_whole(job: &Verify<'_>, store: &dyn Store, findings: &mut Vec<Finding>) -> Result<(), Error> {
    if repository::read(store)?.is_none() {
        findings.push(Finding::NoRepository);
    }
    if let Some(checkpoint) = job.checkpoint {
        let deviations = catalog::checkpoint::compare(checkpoint, store)?;
        findings.extend(deviations.into_iter().map(|deviation| Finding::Checkpoint {
            created: checkpoint.created,
            deviation,
        }));
    }
    Ok(())
}
