//! A restore as a whole: find, verify, open, stage, check, commit, record.

mod record;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::audit::Act;
use crate::base::cancel::Cancel;
use crate::base::fault::Fault;
use crate::base::progress::Progress;
use crate::bundle::name::Label;
use crate::catalog::checkpoint::Checkpoint;
use crate::flow;
use crate::flow::contents::Opened;
use crate::flow::restore::Restored;
use crate::flow::verify::Measure;
use crate::flow::verify::Verified;
use crate::keyring::Identity;
use crate::keyring::trust::TrustStore;
use crate::policy::crypto::KeyPolicy;
use crate::policy::selection::Selection;
use crate::sink::Sink;
use crate::sink::row_check::Compared;
use crate::sink::sqlite::check::Check;
use crate::sink::uri::TargetUri;
use crate::store::Store;

use super::Deed;
use super::Desk;
use super::RECIPIENT;
use super::add_amounts;
use super::bundles::Found;
use super::contents;
use super::contents::Listing;
use super::contents::Wanted;
use super::error::Error;
use super::mysql_target::MysqlRestore;
use super::postgres_target::PostgresRestore;
use super::targets;
use super::targets::Destination;
use super::targets::Landing;
use super::targets::Routes;

/// What to restore, measured against what, to where.
pub struct Restore<'a> {
    /// The store, for the chain; none for a file of its own.
    pub store: Option<&'a dyn Store>,
    /// Whose signatures count.
    pub trust: &'a TrustStore,
    /// Which keys are acceptable.
    pub keys: &'a KeyPolicy,
    /// What the heads of the chains once were.
    pub checkpoint: Option<&'a Checkpoint>,
    /// Skips every proof. The audit log says so.
    pub unsafe_skip_verification: bool,
    /// Secret keys that may open the bundle.
    pub identities: &'a [Identity],
    /// Where things go.
    pub targets: &'a [TargetUri],
    /// Folders in which nothing may be restored: the store.
    pub protected: &'a [PathBuf],
    /// How restored SQLite databases are checked.
    pub sqlite_check: Check,
    /// How PostgreSQL databases are restored.
    pub postgres: PostgresRestore,
    /// How MySQL and MariaDB databases are restored.
    pub mysql: MysqlRestore,
    /// Whether owners are restored.
    pub same_owner: bool,
    /// Whether extended attributes that a target does not take are noted and not an error.
    pub allow_missing_xattrs: bool,
    /// Threads.
    pub jobs: usize,
}

/// What was done.
pub struct Done {
    /// The bundle, with what was proven about it.
    pub verified: Verified,
    /// What was restored.
    pub restored: Restored,
    /// Where everything is now.
    pub destinations: Vec<Destination>,
    /// Databases that were checked after they were restored.
    pub databases_checked: u64,
    /// Rows of database servers that were compared with those of the dump, for each source.
    pub compared: Vec<(Label, Compared)>,
    /// What the operator was told before anything was restored.
    pub dangers: Vec<String>,
    /// What the operator should know about what was restored.
    pub notes: Vec<String>,
    /// Whether the audit log of the store has a record of it.
    pub recorded: bool,
}

/// Restores what `selection` wants of a bundle. Every target is staged and checked before the first takes its final name.
///
/// # Errors
/// See [`Error`]. The targets are as they were then; only when the medium fails at the very last step of one of several targets do
/// those before it keep their names. Each target alone is whole or absent.
pub fn run(
    job: &Restore<'_>,
    found: Found,
    selection: &mut Selection,
    desk: &Desk<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Done, Error> {
    let name = found.name.clone();
    let mut details = record::details(job, selection);
    if job.unsafe_skip_verification {
        record::announce(job, desk, name.clone(), details.clone())?;
        details.insert("phase".to_owned(), "end".to_owned());
    }
    let mut opened_by = None;
    let result = restore(job, found, selection, desk, &mut opened_by, progress, cancel);
    // Also of a restore that failed: whoever could open the bundle could read it.
    details.extend(opened_by.map(|key| (RECIPIENT.to_owned(), key)));
    if let Ok(done) = &result {
        record::add_labels(&mut details, selection, done.verified.manifest());
        add_amounts(&mut details, &done.restored);
    }
    let (set, bundle) = match (&result, name) {
        (Ok(done), _) => (
            Some(done.verified.manifest().set.clone()),
            Some(done.verified.manifest().bundle.clone()),
        ),
        (Err(_), Some((set, bundle))) => (Some(set), Some(bundle)),
        (Err(_), None) => (None, None),
    };
    let failure = result.as_ref().err().map(Fault::kind);
    let deed = Deed {
        act: Act::Restore,
        failure,
        set,
        bundle,
        details,
    };
    let recorded = job.store.is_some_and(|store| desk.note(store, deed));
    result.map(|done| Done { recorded, ..done })
}

fn restore(
    job: &Restore<'_>,
    found: Found,
    selection: &mut Selection,
    desk: &Desk<'_>,
    opened_by: &mut Option<String>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Done, Error> {
    // A target that will not do shows before hours of work.
    targets::check(job.targets, job.protected)?;

    // Proof before anything else: nothing is decrypted, and no target is touched.
    let verified = prove(job, found, progress, cancel)?;
    let plan = Routes::plan(job.targets, verified.manifest())?;

    // The first secret operation.
    let opened = Opened::open(&verified, job.identities)?;
    *opened_by = Some(opened.opener().to_owned());
    selection.among(verified.manifest().sources.iter().map(|source| source.label.clone()));
    plan.cover(&opened, selection)?;
    let chosen = plan.choose_tables(&opened, selection, &job.postgres, cancel)?;
    let landing = Landing {
        sqlite_check: job.sqlite_check,
        postgres: &job.postgres,
        mysql: &job.mysql,
        same_owner: job.same_owner,
        allow_missing_xattrs: job.allow_missing_xattrs,
        jobs: job.jobs,
    };
    let mut router = plan.router(&landing, chosen, cancel)?;
    let dangers = router.dangers();
    for danger in &dangers {
        (desk.warn)(danger);
    }
    let restored = flow::restore::restore(&opened, selection, job.jobs, &mut router, progress, cancel)?;
    cancel.check().map_err(|_| flow::restore::Error::Interrupted)?;

    // Checks on what is staged, and then the final names.
    let databases_checked = router.databases();
    let prepared = router.prepare();
    cancel.check().map_err(|_| flow::restore::Error::Interrupted)?;
    prepared?;
    let compared = router.compared();
    let sink: Box<dyn Sink> = Box::new(router);
    let mut notes = sink.commit()?;
    // Two targets in one folder see the same beside them.
    let mut told = BTreeSet::new();
    notes.retain(|note| told.insert(note.clone()));
    let mut destinations = plan.destinations;
    if !selection.is_all() {
        for to in &mut destinations {
            to.retain(&restored.sources);
        }
    }
    Ok(Done {
        restored,
        destinations,
        databases_checked,
        compared,
        dangers,
        notes,
        recorded: false,
        verified,
    })
}

fn prove(job: &Restore<'_>, found: Found, progress: &dyn Progress, cancel: &Cancel) -> Result<Verified, Error> {
    if job.unsafe_skip_verification {
        return Ok(flow::verify::unsafe_without_proof(
            found.object,
            job.jobs,
            progress,
            cancel,
        )?);
    }
    let measure = Measure {
        trust: job.trust,
        keys: job.keys,
        name: found.name,
        chain: job.store,
        checkpoint: job.checkpoint,
        jobs: job.jobs,
    };
    Ok(flow::verify::verify(found.object, &measure, progress, cancel)?)
}

/// What a restore would do.
pub struct Planned {
    /// The bundle, with what was proven about it.
    pub verified: Verified,
    /// The entries that are wanted.
    pub listing: Listing,
    /// Where they would go, if targets were named.
    pub destinations: Vec<Destination>,
}

/// What a restore would do. Targets that are named are checked as for a restore.
///
/// # Errors
/// See [`Error`].
pub fn plan(
    job: &Restore<'_>,
    found: Found,
    selection: &mut Selection,
    desk: &Desk<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Planned, Error> {
    targets::check(job.targets, job.protected)?;
    if job.unsafe_skip_verification {
        // Its index is decrypted.
        let mut details = record::details(job, selection);
        details.insert("plan".to_owned(), "true".to_owned());
        record::announce(job, desk, found.name.clone(), details)?;
    }
    let verified = prove(job, found, progress, cancel)?;
    let opened = Opened::open(&verified, job.identities)?;
    let mut destinations = Vec::new();
    if !job.targets.is_empty() {
        selection.among(verified.manifest().sources.iter().map(|source| source.label.clone()));
        let routes = Routes::plan(job.targets, verified.manifest())?;
        routes.cover(&opened, selection)?;
        let _tables = routes.choose_tables(&opened, selection, &job.postgres, cancel)?;
        destinations = routes.destinations;
    }
    let listing = contents::list(&opened, selection)?;
    if !selection.is_all() {
        let mut wanted: Vec<Label> = listing.wanted.iter().map(Wanted::label).collect();
        wanted.dedup();
        for to in &mut destinations {
            to.retain(&wanted);
        }
    }
    Ok(Planned {
        verified,
        listing,
        destinations,
    })
}
