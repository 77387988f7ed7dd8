//! A restore as a whole: find, verify, open, stage, check, commit, record.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use crate::audit::Act;
use crate::base::cancel::Cancel;
use crate::base::fault::Fault;
use crate::base::limits;
use crate::base::progress::Progress;
use crate::base::progress::Silent;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::index::Record;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::BundleId;
use crate::bundle::name::Label;
use crate::bundle::name::SetName;
use crate::bundle::path::RawBytes;
use crate::catalog::checkpoint::Checkpoint;
use crate::flow;
use crate::flow::contents::Opened;
use crate::flow::remarks::Remarks;
use crate::flow::restore::Restored;
use crate::flow::verify::Measure;
use crate::flow::verify::Verified;
use crate::keyring::Identity;
use crate::keyring::trust::TrustStore;
use crate::policy::crypto::KeyPolicy;
use crate::policy::selection::Selection;
use crate::sink::Sink;
use crate::sink::pipe::Pipe;
use crate::sink::row_check::Compared;
use crate::sink::sqlite::Check;
use crate::source::uri::TargetUri;
use crate::store::Store;

use super::Deed;
use super::Desk;
use super::bundles::Found;
use super::error::Error;
use super::mysql_target::MysqlRestore;
use super::postgres_target::PostgresRestore;
use super::targets;
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
    pub targets: Vec<PathBuf>,
    /// Databases that were checked after they were restored.
    pub databases_checked: u64,
    /// Rows of database servers that were compared with those of the dump, for each source.
    pub compared: Vec<(Label, Compared)>,
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
    let mut details = details(job, selection);
    if job.unsafe_skip_verification {
        announce(job, desk, name.clone(), details.clone())?;
        details.insert("phase".to_owned(), "end".to_owned());
    }
    let result = restore(job, found, selection, progress, cancel);
    if let Ok(done) = &result {
        add_labels(&mut details, selection, done.verified.manifest());
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

/// What the audit log says of a restore before it begins: where things go, and how much is wanted. Targets show no passwords. The log can
/// be read by whoever reads the store, so it does not repeat patterns, which name what is in the bundle.
fn details(job: &Restore<'_>, selection: &Selection) -> BTreeMap<String, String> {
    let targets = job.targets.iter().map(ToString::to_string);
    let mut details = BTreeMap::from([("targets".to_owned(), some_lines(targets))]);
    match selection.texts().count() {
        0 => {}
        1 => drop(details.insert("only".to_owned(), "1 pattern".to_owned())),
        count => drop(details.insert("only".to_owned(), format!("{count} patterns"))),
    }
    if job.unsafe_skip_verification {
        let skipped = "skipped by --unsafe-skip-verification".to_owned();
        details.insert("verification".to_owned(), skipped);
    }
    details
}

/// Adds the labels that the patterns begin with: the manifest names them too.
fn add_labels(details: &mut BTreeMap<String, String>, selection: &Selection, manifest: &Manifest) {
    let mut labels: Vec<&str> = manifest.sources.iter().map(|source| source.label.as_str()).collect();
    let first = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
    let firsts: Vec<String> = selection.texts().map(first).collect();
    labels.retain(|label| firsts.iter().any(|first| first == label));
    labels.sort_unstable();
    if let Some(only) = details.get_mut("only").filter(|_| !labels.is_empty()) {
        only.push_str(", of ");
        only.push_str(&labels.join(", "));
    }
}

/// As many lines as a record takes, and how many more there are.
fn some_lines(lines: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<String> = lines.collect();
    let bytes = lines.iter().scan(0, |bytes, line| {
        *bytes += line.len() + 1;
        Some(*bytes)
    });
    let fit = bytes.take_while(|bytes| *bytes <= limits::DETAIL_BYTES_MAX).count();
    let more = lines.len() - fit;
    lines.truncate(fit);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

/// A restore of what nobody has proven is on record before it begins: whoever does it cannot keep it off the log by ending it half-way.
fn announce(
    job: &Restore<'_>,
    desk: &Desk<'_>,
    name: Option<(SetName, BundleId)>,
    mut details: BTreeMap<String, String>,
) -> Result<(), Error> {
    let Some(store) = job.store else { return Ok(()) };
    details.insert("phase".to_owned(), "begin".to_owned());
    let (set, bundle) = name.unzip();
    let deed = Deed {
        act: Act::Restore,
        failure: None,
        set,
        bundle,
        details,
    };
    desk.record(store, deed)
        .map_err(|source| Error::DangerUnrecorded { source })
}

fn restore(
    job: &Restore<'_>,
    found: Found,
    selection: &mut Selection,
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
    selection.among(verified.manifest().sources.iter().map(|source| source.label.clone()));
    plan.cover(&opened, selection)?;
    let chosen = plan.choose_tables(&opened, selection, cancel)?;
    let landing = Landing {
        sqlite_check: job.sqlite_check,
        postgres: &job.postgres,
        mysql: &job.mysql,
        same_owner: job.same_owner,
        allow_missing_xattrs: job.allow_missing_xattrs,
        jobs: job.jobs,
    };
    let mut router = plan.router(&landing, chosen, cancel)?;
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
    Ok(Done {
        restored,
        targets: plan.targets,
        databases_checked,
        compared,
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

/// What a restore would do: the bundle, proven, and the entries that are wanted. Targets that are named are checked as for a restore.
///
/// # Errors
/// See [`Error`].
pub fn plan(
    job: &Restore<'_>,
    found: Found,
    selection: &mut Selection,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Verified, Listing), Error> {
    targets::check(job.targets, job.protected)?;
    let verified = prove(job, found, progress, cancel)?;
    if !job.targets.is_empty() {
        selection.among(verified.manifest().sources.iter().map(|source| source.label.clone()));
        let opened = Opened::open(&verified, job.identities)?;
        let routes = Routes::plan(job.targets, verified.manifest())?;
        routes.cover(&opened, selection)?;
        let _tables = routes.choose_tables(&opened, selection, cancel)?;
    }
    let listing = list(&verified, job.identities, selection)?;
    Ok((verified, listing))
}

/// An entry or stream that is wanted.
pub enum Wanted {
    /// An entry.
    Entry(Entry),
    /// A stream.
    Stream(crate::bundle::entry::Stream),
}

/// What a bundle holds of what is wanted.
#[derive(Default)]
pub struct Listing {
    /// Entries and streams, in their stored order.
    pub wanted: Vec<Wanted>,
    /// What the bundle says is not in it.
    pub remarks: Remarks,
}

/// The entries of a verified bundle that are wanted, and what the bundle says is not there.
///
/// # Errors
/// See [`Error`].
pub fn list(verified: &Verified, identities: &[Identity], selection: &mut Selection) -> Result<Listing, Error> {
    let opened = Opened::open(verified, identities)?;
    selection.among(verified.manifest().sources.iter().map(|source| source.label.clone()));
    let mut records = opened.records()?;
    let Listing {
        mut wanted,
        mut remarks,
    } = Listing::default();
    let mut before = 0;
    while let Some(record) = records.next_record()? {
        match record {
            Record::Entry(entry) if selection.wants(&entry.path) => wanted.push(Wanted::Entry(entry)),
            Record::Stream(stream) if selection.wants(&stream.path) => wanted.push(Wanted::Stream(stream)),
            Record::Exception(exception) if selection.wants(&exception.path) => {
                remarks.see(&Record::Exception(exception));
            }
            Record::Source(_) => before = wanted.len(),
            Record::Facts(facts) if selection.is_all() || wanted.len() > before => remarks.see(&Record::Facts(facts)),
            Record::Entry(_)
            | Record::Stream(_)
            | Record::Begin(_)
            | Record::Part(_)
            | Record::Exception(_)
            | Record::Facts(_)
            | Record::End(_) => {}
        }
    }
    selection.finish()?;
    Ok(Listing { wanted, remarks })
}

/// Writes the content of one file or stream to `out`.
///
/// # Errors
/// `Selection` when there is no such path; see [`Error`].
pub fn cat(
    verified: &Verified,
    identities: &[Identity],
    path: &str,
    out: &mut (dyn Write + Send),
    cancel: &Cancel,
) -> Result<(), Error> {
    let opened = Opened::open(verified, identities)?;
    // As it is, not as a pattern: a name may hold what a pattern gives a meaning to.
    let (raw, Listing { mut wanted, .. }) = exactly(verified, identities, path)?;
    let raw = match wanted.pop() {
        Some(Wanted::Entry(Entry {
            node: Node::Hardlink { target },
            ..
        })) => RawBytes::from(target),
        Some(Wanted::Entry(Entry {
            node: Node::Directory | Node::Symlink { .. },
            ..
        })) => {
            return Err(unfit(format!("{raw} is no file"), "`hub-backup ls` shows what is."));
        }
        Some(
            Wanted::Entry(Entry {
                node: Node::File { .. },
                ..
            })
            | Wanted::Stream(_),
        )
        | None => raw,
    };
    let mut selection = Selection::exactly(raw);
    let mut pipe = Pipe::new(out);
    let _restored = flow::restore::restore(&opened, &mut selection, 1, &mut pipe, &Silent, cancel)?;
    let pipe: Box<dyn Sink + '_> = Box::new(pipe);
    let _notes = pipe.commit()?;
    Ok(())
}

/// What is at a path that is given as it is, or else as `ls` shows it.
fn exactly(verified: &Verified, identities: &[Identity], path: &str) -> Result<(RawBytes, Listing), Error> {
    let raw = RawBytes::try_from(path.to_owned()).unwrap_or_else(|_| RawBytes(path.as_bytes().to_vec()));
    match list(verified, identities, &mut Selection::exactly(raw.clone())) {
        Ok(wanted) => Ok((raw, wanted)),
        Err(error @ Error::Selection(_)) => {
            let Some(shown) = RawBytes::from_shown(path) else {
                return Err(error);
            };
            let wanted = list(verified, identities, &mut Selection::exactly(shown.clone())).map_err(|_| error)?;
            Ok((shown, wanted))
        }
        Err(error) => Err(error),
    }
}

fn unfit(what: String, hint: &str) -> Error {
    Error::Unfit {
        what,
        hint: hint.to_owned(),
    }
}
