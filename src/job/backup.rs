//! A backup as a whole: lease, sweep, adopt, collect, publish, link, record.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::audit;
use crate::audit::Act;
use crate::base::cancel::Cancel;
use crate::base::clock::Timestamp;
use crate::base::digest::Digest;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::base::progress::Progress;
use crate::base::progress::Silent;
use crate::bundle::header;
use crate::bundle::header::Header;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::PolicyFacts;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::bundle::suite::Suite;
use crate::catalog::chain;
use crate::catalog::chain::Link;
use crate::flow;
use crate::flow::backup::Plan;
use crate::flow::verify::Measure;
use crate::flow::verify::Verified;
use crate::keyring::Recipient;
use crate::keyring::dialog::Dialog;
use crate::keyring::facts;
use crate::keyring::trust::TrustStore;
use crate::policy;
use crate::policy::crypto::KeyPolicy;
use crate::seal;
use crate::seal::Signer;
use crate::source::Source;
use crate::store::Lease;
use crate::store::Store;
use crate::store::names;

use super::Deed;
use super::Desk;
use super::TOOL;
use super::bundles;
use super::error::Error;
use super::expiring;
use super::expiring::Expiring;

/// What to back up, and how.
pub struct Backup<'a> {
    /// Where the bundle goes.
    pub store: &'a dyn Store,
    /// The chain that it continues.
    pub set: SetName,
    /// Who can open it.
    pub recipients: Vec<Recipient>,
    /// Who signs it.
    pub signers: &'a [&'a dyn Signer],
    /// Whose bundles may be adopted after a crash.
    pub trust: &'a TrustStore,
    /// Which keys are acceptable.
    pub keys: &'a KeyPolicy,
    /// How it is encrypted.
    pub suite: Suite,
    /// The level of zstd.
    pub level: i32,
    /// Threads that compress.
    pub jobs: usize,
    /// Bytes of a block before compression.
    pub block_bytes: u32,
    /// A word of the operator's.
    pub retention_class: Option<String>,
    /// Whom plugins of age can ask.
    pub dialog: Dialog,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// The new bundle.
    pub sealed: flow::backup::Sealed,
    /// Its name in the store.
    pub object: String,
    /// Its length in the store.
    pub stored_bytes: u64,
    /// Bundles of a crashed run that were whole, and are in the chain now.
    pub adopted: Vec<BundleId>,
    /// Bundles that lie in the store and do not belong to the chain.
    pub strays: Vec<Stray>,
    /// The bundle before this one, when the chain names it and the store no longer has it.
    pub gone: Option<BundleId>,
    /// Holes of the audit log.
    pub audit_holes: Vec<audit::check::Problem>,
    /// Leftovers of crashed runs that were removed.
    pub swept: u64,
}

/// A bundle that lies in the store and does not belong to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The bundle.
    pub bundle: BundleId,
    /// Why it was not taken into the chain.
    pub reason: String,
}

/// Makes one bundle of all `sources`, in place in the chain. A failure is recorded in the audit log too, but for that of the lease:
/// whoever does not get it has not begun.
///
/// # Errors
/// See [`Error`]. Nothing of the new bundle is visible in the store then, except when only the chain or the log could not be written: the
/// next run adopts the bundle.
pub fn run(
    job: &Backup<'_>,
    sources: &mut [Box<dyn Source>],
    desk: &Desk<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Done, Error> {
    let lease = job.store.lease(&job.set)?;
    let mut leavings = Leavings::default();
    let result = put_in_order(job, lease.as_ref(), &mut leavings, cancel)
        .and_then(|()| write(job, lease.as_ref(), sources, desk, progress, cancel));
    let recorded = desk.record(job.store, deed(job, &result, &leavings.adopted));
    if let (Err(_), Err(unrecorded)) = (&result, &recorded) {
        // The failure itself counts more than one to record it.
        (desk.unrecorded)(unrecorded);
    }
    let Written {
        sealed,
        object,
        stored_bytes,
        gone,
    } = result?;
    recorded.map_err(|source| Error::Unrecorded {
        bundle: sealed.manifest.bundle.clone(),
        source,
    })?;
    let Leavings {
        adopted,
        strays,
        audit_holes,
        swept,
    } = leavings;
    Ok(Done {
        sealed,
        object,
        stored_bytes,
        adopted,
        strays,
        gone,
        audit_holes,
        swept,
    })
}

/// What earlier runs, and others, have left in the store.
#[derive(Default)]
struct Leavings {
    swept: u64,
    adopted: Vec<BundleId>,
    strays: Vec<Stray>,
    audit_holes: Vec<audit::check::Problem>,
}

/// One writer a set; what a crashed one left is put in order first. What was done is in `leavings` also where this fails half way.
fn put_in_order(job: &Backup<'_>, lease: &dyn Lease, leavings: &mut Leavings, cancel: &Cancel) -> Result<(), Error> {
    leavings.swept = job.store.sweep(lease)?;
    adopt(job, lease, leavings, cancel)?;
    leavings.audit_holes = audit::check::holes(job.store)?;
    Ok(())
}

/// Checks signers and recipients against the policy, before anything is begun.
///
/// # Errors
/// `Keys` with every violation; `Missing` when nobody signs.
pub fn check_keys(job: &Backup<'_>, now: Timestamp) -> Result<(), Error> {
    if job.signers.is_empty() {
        let what = "no signing key is named, and a bundle without a signature proves nothing".into();
        let hint = "Give --signer FILE, or write [keys] signer in hub-backup.toml.".into();
        return Err(Error::Missing { what, hint });
    }
    let (signers, recipients) = key_facts(job, now);
    Ok(policy::crypto::check_keys(
        job.suite,
        &signers,
        &recipients,
        job.keys,
        now,
    )?)
}

fn key_facts(job: &Backup<'_>, now: Timestamp) -> (Vec<KeyFacts>, Vec<KeyFacts>) {
    let signers = job.signers.iter().map(|signer| signer.facts());
    let recipients = job
        .recipients
        .iter()
        .map(|recipient| facts::recipient_facts(recipient, now));
    (signers.collect(), recipients.collect())
}

/// Signers and recipients that run out soon.
#[must_use]
pub fn expiring(job: &Backup<'_>, now: Timestamp) -> Vec<Expiring> {
    let (signers, recipients) = key_facts(job, now);
    expiring::among(signers.iter().chain(&recipients), now)
}

/// The number that the next bundle of the set gets in its chain, if no crashed run left one to adopt.
///
/// # Errors
/// `Head` when no trusted signer vouches for the newest link; what the store reports.
pub fn next_number(job: &Backup<'_>) -> Result<u64, Error> {
    Ok(trusted_head(job)?.map_or(1, |head| head.sequence + 1))
}

/// The other sets, when neither the settings, whose sets are `known`, nor the store have this one: its name may be mistyped.
///
/// # Errors
/// What the store reports.
pub fn others_of_new_set(job: &Backup<'_>, known: &[SetName]) -> Result<Vec<SetName>, Error> {
    let mut sets: BTreeSet<SetName> = chain::sets(job.store)?.into_iter().collect();
    sets.extend(known.iter().cloned());
    Ok(if sets.contains(&job.set) {
        Vec::new()
    } else {
        sets.into_iter().collect()
    })
}

/// What the audit log says: also about bundles whose own run died before it could say anything.
fn deed(job: &Backup<'_>, result: &Result<Written, Error>, adopted: &[BundleId]) -> Deed {
    let mut details = BTreeMap::new();
    if let Ok(Written { sealed, object, .. }) = result {
        details.insert("object".to_owned(), object.clone());
        details.insert("sequence".to_owned(), sealed.manifest.sequence.to_string());
        details.insert("manifest_sha256".to_owned(), Digest::of(&sealed.bytes).to_string());
        if sealed.manifest.totals.exceptions > 0 {
            details.insert("exceptions".to_owned(), sealed.manifest.totals.exceptions.to_string());
        }
    }
    if !adopted.is_empty() {
        let ids: Vec<&str> = adopted.iter().map(BundleId::as_str).collect();
        details.insert("adopted".to_owned(), ids.join(" "));
    }
    let bundle = result
        .as_ref()
        .ok()
        .map(|written| written.sealed.manifest.bundle.clone());
    Deed {
        act: Act::Backup,
        failure: result.as_ref().err().map(Fault::kind),
        set: Some(job.set.clone()),
        bundle,
        details,
    }
}

/// A bundle that was written.
struct Written {
    /// What the chain keeps of it.
    sealed: flow::backup::Sealed,
    /// Its name in the store.
    object: String,
    /// Its length in the store.
    stored_bytes: u64,
    /// The bundle before it, when the store no longer has that.
    gone: Option<BundleId>,
}

/// Checks the sources, writes the bundle, publishes it and links it into the chain.
fn write(
    job: &Backup<'_>,
    lease: &dyn Lease,
    sources: &mut [Box<dyn Source>],
    desk: &Desk<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Written, Error> {
    // What would stop the end of the work shows before its beginning.
    let head = trusted_head(job)?;
    let gone = match &head {
        Some(Link { manifest, .. }) if !is_there(job, &manifest.bundle)? => Some(manifest.bundle.clone()),
        _ => None,
    };
    let (sequence, previous) = head.map_or((1, None), |head| (head.sequence + 1, Some(head.digest)));
    chain::check_free(job.store, &job.set, sequence)?;
    for source in &mut *sources {
        source.check(cancel)?;
    }
    let created = desk.clock.now();
    let plan = plan(job, created, sequence, previous)?;
    let name = names::bundle(&job.set, &plan.header.bundle);

    // The bundle is visible once it is published, and counts once it is linked; a crash in between is mended by `adopt`.
    let mut upload = job.store.upload(&name)?;
    let mut counted = Counting {
        inner: &mut upload,
        bytes: 0,
    };
    let sealed = flow::backup::backup(&plan, sources, &mut counted, progress, cancel);
    let stored_bytes = counted.bytes;
    let sealed = sealed?;
    cancel.check().map_err(|_| flow::backup::Error::Interrupted)?;
    upload.publish()?;
    chain::append(job.store, lease, &sealed.bytes, &sealed.signatures)?;
    Ok(Written {
        sealed,
        object: name.to_string(),
        stored_bytes,
        gone,
    })
}

fn is_there(job: &Backup<'_>, bundle: &BundleId) -> Result<bool, Error> {
    Ok(!job.store.list(names::bundle(&job.set, bundle).as_str())?.is_empty())
}

fn plan<'a>(
    job: &'a Backup<'_>,
    created: Timestamp,
    sequence: u64,
    previous: Option<Digest>,
) -> Result<Plan<'a>, Error> {
    let header = Header {
        format: header::MAGIC.to_owned(),
        version: header::FORMAT_VERSION,
        bundle: BundleId::new(created)?,
        set: job.set.clone(),
        created,
        suite: job.suite,
        segment_bytes: limits::SEGMENT_BYTES,
        block_bytes: job.block_bytes,
        tool: TOOL.to_owned(),
    };
    let policy = PolicyFacts {
        retention_class: job.retention_class.clone(),
        lock_until: None,
    };
    Ok(Plan {
        header,
        sequence,
        previous,
        recipients: &job.recipients,
        signers: job.signers,
        policy,
        level: job.level,
        jobs: job.jobs,
        dialog: job.dialog.clone(),
    })
}

/// The newest link of the chain, signed by someone who is trusted: whoever can write to the store must not be able to have us build
/// on a link of theirs.
fn trusted_head(job: &Backup<'_>) -> Result<Option<Link>, Error> {
    let head = chain::head(job.store, &job.set)?;
    if let Some(head) = &head {
        let signed = seal::open(&head.bytes, &head.signatures, job.trust, head.manifest.created);
        let _signed = signed.map_err(|source| Error::Head {
            set: job.set.clone(),
            sequence: head.sequence,
            source,
        })?;
    }
    Ok(head)
}

/// Takes bundles into the chain that a crashed run had published but not linked. Each is verified whole first. One that is not whole,
/// not genuine, or does not follow the head is reported and left alone: whoever can write to the store must not be able to stop backups.
fn adopt(job: &Backup<'_>, lease: &dyn Lease, leavings: &mut Leavings, cancel: &Cancel) -> Result<(), Error> {
    for bundle in chain::fresh_bundles(job.store, &job.set)? {
        match prove_fresh(job, &bundle, cancel) {
            Ok(proven) => {
                chain::append(job.store, lease, proven.manifest_bytes(), proven.signature_bytes())?;
                leavings.adopted.push(bundle);
            }
            Err(error) if speaks_against_the_bundle(error.kind()) => leavings.strays.push(Stray {
                bundle,
                reason: error.to_string(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the bundle was found wanting, and not the look at it: a store that does not answer, or a stop, says nothing about a bundle.
fn speaks_against_the_bundle(kind: Kind) -> bool {
    match kind {
        Kind::SignatureMissing
        | Kind::SignatureInvalid
        | Kind::SignerUntrusted
        | Kind::ChainBroken
        | Kind::DigestMismatch
        | Kind::KeyPolicy
        | Kind::Failed
        | Kind::Usage
        | Kind::NotFound => true,
        Kind::Incomplete
        | Kind::Locked
        | Kind::NoUsableKey
        | Kind::SourceUnreachable
        | Kind::SourceUnsupported
        | Kind::TargetRefused
        | Kind::RestoreFailed
        | Kind::AssertionFailed
        | Kind::StoreUnavailable
        | Kind::StoreDenied
        | Kind::LockNotEnforced
        | Kind::TooOld
        | Kind::Internal => false,
    }
}

/// Verifies a bundle that is not in the chain, and that it would be the next one there.
fn prove_fresh(job: &Backup<'_>, bundle: &BundleId, cancel: &Cancel) -> Result<Verified, Error> {
    let found = bundles::open(job.store, job.set.clone(), bundle.clone())?;
    let measure = Measure {
        trust: job.trust,
        keys: job.keys,
        name: found.name,
        chain: None,
        checkpoint: None,
        jobs: job.jobs,
    };
    let verified = flow::verify::verify(found.object, &measure, &Silent, cancel)?;
    let head = trusted_head(job)?;
    let next = head.map_or((1, None), |head| (head.sequence + 1, Some(head.digest)));
    if (verified.manifest().sequence, verified.manifest().previous) != next {
        return Err(Error::Stray {
            set: job.set.clone(),
            bundle: bundle.clone(),
        });
    }
    Ok(verified)
}

/// Counts what is written.
struct Counting<W> {
    inner: W,
    bytes: u64,
}

impl<W: std::io::Write> std::io::Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
