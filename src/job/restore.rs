//! A restore as a whole: find, verify, open, stage, check, commit, record.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use crate::audit::Act;
use crate::base::cancel::Cancel;
use crate::base::fault::Fault;
use crate::base::progress::Progress;
use crate::base::progress::Silent;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::index::Record;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::Label;
use crate::bundle::path::RawBytes;
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
use crate::server::postgres::Conninfo;
use crate::server::postgres::Surroundings;
use crate::server::postgres::layout;
use crate::sink::Sink;
use crate::sink::files::FilesSink;
use crate::sink::files::FilesSinkOptions;
use crate::sink::pipe::Pipe;
use crate::sink::postgres::PostgresSink;
use crate::sink::postgres::options::PostgresSinkOptions;
use crate::sink::router::Router;
use crate::sink::sqlite::Check;
use crate::sink::sqlite::SqliteSink;
use crate::source::uri::Place;
use crate::source::uri::TargetUri;
use crate::store::Store;

use super::Deed;
use super::Desk;
use super::bundles::Found;
use super::error::Error;
use super::mysql_target;
use super::mysql_target::MysqlRestore;

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
    /// How restored SQLite databases are checked.
    pub sqlite_check: Check,
    /// How PostgreSQL databases are restored.
    pub postgres: PostgresRestore,
    /// How MySQL and MariaDB databases are restored.
    pub mysql: MysqlRestore,
    /// Whether owners are restored.
    pub same_owner: bool,
    /// Threads.
    pub jobs: usize,
}

/// How PostgreSQL databases are restored.
pub struct PostgresRestore {
    /// The environment, home and user that complete a connection.
    pub surroundings: Surroundings,
    /// Everything else; label, selection and number of jobs are set for each target.
    pub options: PostgresSinkOptions,
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
    let result = restore(job, found, selection, progress, cancel);
    let mut details = BTreeMap::new();
    if job.unsafe_skip_verification {
        let _none = details.insert(
            "verification".to_owned(),
            "skipped by --unsafe-skip-verification".to_owned(),
        );
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
    let recorded = job.store.is_some_and(|store| desk.record(store, deed).is_ok());
    result.map(|done| Done { recorded, ..done })
}

fn restore(
    job: &Restore<'_>,
    found: Found,
    selection: &mut Selection,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Done, Error> {
    // Proof before anything else: nothing is decrypted, and no target is touched.
    let verified = prove(job, found, progress, cancel)?;
    let plan = Routes::plan(job, verified.manifest())?;

    // The first secret operation.
    let opened = Opened::open(&verified, job.identities)?;
    let chosen = plan.choose_tables(&opened, selection, cancel)?;
    let mut router = plan.router(job, chosen, cancel)?;
    let restored = flow::restore::restore(&opened, selection, job.jobs, &mut router, progress, cancel)?;
    cancel.check().map_err(|_| flow::restore::Error::Interrupted)?;

    // Checks on what is staged, and then the final names.
    let databases_checked = router.databases();
    router.prepare()?;
    let notes = router.notes();
    let sink: Box<dyn Sink> = Box::new(router);
    sink.commit()?;
    Ok(Done {
        restored,
        targets: plan.targets,
        databases_checked,
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

/// What a restore would do: the bundle, proven, and the entries that are wanted.
///
/// # Errors
/// See [`Error`].
pub fn plan(
    job: &Restore<'_>,
    found: Found,
    selection: &mut Selection,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Verified, Vec<Wanted>), Error> {
    let verified = prove(job, found, progress, cancel)?;
    let wanted = list(&verified, job.identities, selection)?;
    Ok((verified, wanted))
}

/// An entry or stream that is wanted.
pub enum Wanted {
    /// An entry.
    Entry(Entry),
    /// A stream.
    Stream(crate::bundle::entry::Stream),
}

/// The entries of a verified bundle that are wanted, in their stored order.
///
/// # Errors
/// See [`Error`].
pub fn list(verified: &Verified, identities: &[Identity], selection: &mut Selection) -> Result<Vec<Wanted>, Error> {
    let opened = Opened::open(verified, identities)?;
    let mut records = opened.records()?;
    let mut wanted = Vec::new();
    while let Some(record) = records.next_record()? {
        match record {
            Record::Entry(entry) if selection.wants(&entry.path) => wanted.push(Wanted::Entry(entry)),
            Record::Stream(stream) if selection.wants(&stream.path) => wanted.push(Wanted::Stream(stream)),
            Record::Entry(_)
            | Record::Stream(_)
            | Record::Begin(_)
            | Record::Source(_)
            | Record::Part(_)
            | Record::Exception(_)
            | Record::Facts(_)
            | Record::End(_) => {}
        }
    }
    selection.finish()?;
    Ok(wanted)
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
    let raw = RawBytes::try_from(path.to_owned()).unwrap_or_else(|_| RawBytes(path.as_bytes().to_vec()));
    let mut wanted = list(verified, identities, &mut Selection::exactly(raw.clone()))?;
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
    Ok(pipe.commit()?)
}

/// Which source goes where.
struct Routes {
    /// One target for everything that has none of its own.
    folder: Option<PathBuf>,
    /// Targets of single sources.
    own: Vec<(Label, Place)>,
    /// Sources that are SQLite databases.
    databases: Vec<Label>,
    targets: Vec<PathBuf>,
}

impl Routes {
    /// Fits the targets to the sources of the bundle.
    fn plan(job: &Restore<'_>, manifest: &Manifest) -> Result<Self, Error> {
        let databases = manifest
            .sources
            .iter()
            .filter(|source| source.kind == "sqlite")
            .map(|source| source.label.clone())
            .collect();
        let mut routes = Self {
            folder: None,
            own: Vec::new(),
            databases,
            targets: Vec::new(),
        };
        for uri in job.targets {
            routes.targets.push(path(&uri.place));
            match (&uri.label, &uri.place) {
                (None, Place::Folder(folder)) if routes.folder.is_none() => routes.folder = Some(folder.clone()),
                (label, place) => {
                    let label = source_for(label.as_ref(), place, manifest)?;
                    if routes.own.iter().any(|(other, _)| *other == label) {
                        return Err(unfit(
                            format!("source {label} has two targets"),
                            "Give each source one --to.",
                        ));
                    }
                    routes.own.push((label, place.clone()));
                }
            }
        }
        if routes.targets.is_empty() {
            return Err(Error::Missing {
                what: "no target was given".into(),
                hint: "Give --to DIR, a folder that does not exist yet.".into(),
            });
        }
        Ok(routes)
    }

    /// Lets patterns of `selection` name tables of PostgreSQL dumps, and adds the members that a table needs. Gives the chosen tables
    /// by label; none where everything is wanted.
    fn choose_tables(
        &self,
        opened: &Opened<'_>,
        selection: &mut Selection,
        cancel: &Cancel,
    ) -> Result<Option<Chosen>, Error> {
        if selection.is_all() {
            return Ok(None);
        }
        let mut chosen = Chosen::new();
        for (label, _) in self.own.iter().filter(|(_, place)| matches!(place, Place::Mysql(_))) {
            let tables = mysql_target::choose_tables(opened, label, selection, cancel)?;
            let pairs = tables.into_iter().map(|table| (table, String::new()));
            let _new = chosen.insert(label.clone(), pairs.collect());
        }
        for (label, _) in self.own.iter().filter(|(_, place)| matches!(place, Place::Postgres(_))) {
            let plan = read_plan(opened, label, cancel)?;
            let tables = chosen.entry(label.clone()).or_default();
            selection.resolve(|pattern| {
                let found = tables_of(&plan, label, pattern);
                tables.extend(found.iter().map(|table| (table.schema.clone(), table.name.clone())));
                let streams = found.iter().flat_map(|table| &table.streams);
                streams.map(|stream| below(label, stream)).collect()
            });
            let needed = [layout::PLAN, layout::PRE_DATA, layout::SEQUENCES, layout::POST_DATA];
            selection.also(needed.map(|name| below(label, name)).to_vec());
        }
        Ok(Some(chosen))
    }

    fn router(&self, job: &Restore<'_>, mut chosen: Option<Chosen>, cancel: &Cancel) -> Result<Router, Error> {
        let mut router = Router::new();
        let options = |strip_label| FilesSinkOptions {
            strip_label,
            same_owner: job.same_owner,
            jobs: job.jobs,
            ..FilesSinkOptions::default()
        };
        for (label, place) in &self.own {
            let sink: Box<dyn Sink> = match place {
                Place::Sqlite(path) => Box::new(SqliteSink::new(path.clone(), job.sqlite_check)?),
                Place::Files(path) | Place::Folder(path) => Box::new(FilesSink::new(path.clone(), options(true))?),
                Place::Postgres(parameters) => {
                    let options = PostgresSinkOptions {
                        selected: chosen.as_mut().map(|chosen| chosen.remove(label).unwrap_or_default()),
                        jobs: job.jobs,
                        ..job.postgres.options.clone()
                    };
                    let conninfo = Conninfo::new(parameters, &job.postgres.surroundings)?;
                    Box::new(PostgresSink::new(
                        &place.to_string(),
                        conninfo,
                        options,
                        cancel.clone(),
                    )?)
                }
                Place::Mysql(server) => {
                    let tables = chosen.as_mut().map(|chosen| chosen.remove(label).unwrap_or_default());
                    let tables = tables.map(|tables| tables.into_iter().map(|(table, _)| table).collect());
                    Box::new(job.mysql.sink(server, tables, job.jobs, cancel)?)
                }
            };
            router.add(label.clone(), sink);
        }
        if let Some(folder) = &self.folder {
            let sink = FilesSink::new(folder.clone(), options(false))?;
            router.rest(sink, self.databases.clone(), job.sqlite_check);
        }
        Ok(router)
    }
}

/// Tables, by the label of their source: schema and name; for MySQL, both in the first.
type Chosen = BTreeMap<Label, Vec<(String, String)>>;

/// A member of a source.
fn below(label: &Label, name: &str) -> RawBytes {
    RawBytes(format!("{label}/{name}").into_bytes())
}

/// What a dump says it holds.
fn read_plan(opened: &Opened<'_>, label: &Label, cancel: &Cancel) -> Result<layout::Plan, Error> {
    let mut bytes = Vec::new();
    let mut pipe = Pipe::new(&mut bytes);
    let mut selection = Selection::exactly(below(label, layout::PLAN));
    let _restored = flow::restore::restore(opened, &mut selection, 1, &mut pipe, &Silent, cancel)?;
    let pipe: Box<dyn Sink + '_> = Box::new(pipe);
    pipe.commit()?;
    serde_json::from_slice(&bytes).map_err(|error| {
        unfit(
            format!("{} of source {label} cannot be read: {error}", layout::PLAN),
            "Use the version of hub-backup that made the bundle.",
        )
    })
}

/// The tables that `schema.table`, `LABEL/schema.table` or `LABEL/data/schema.table` names; a name may hold `*`.
fn tables_of<'p>(plan: &'p layout::Plan, label: &Label, pattern: &str) -> Vec<&'p layout::Table> {
    let own = pattern
        .strip_prefix(label.as_str())
        .and_then(|rest| rest.strip_prefix('/'));
    let name = own.unwrap_or(pattern);
    let name = name.strip_prefix("data/").unwrap_or(name);
    let glob = globset::Glob::new(name).map(|glob| glob.compile_matcher());
    let fits = |table: &&layout::Table| {
        let full = format!("{}.{}", table.schema, table.name);
        full == name
            || glob
                .as_ref()
                .is_ok_and(|glob| name.contains('.') && glob.is_match(&full))
    };
    plan.tables.iter().filter(fits).collect()
}

/// The source that a target of its own is for: the one that is named, or the only one that fits.
fn source_for(label: Option<&Label>, place: &Place, manifest: &Manifest) -> Result<Label, Error> {
    let fits = |kind: &str| match place {
        Place::Sqlite(_) => kind == "sqlite",
        Place::Postgres(_) => kind == "postgres",
        Place::Mysql(_) => kind == "mysql",
        Place::Files(_) | Place::Folder(_) => true,
    };
    let known = || {
        manifest
            .sources
            .iter()
            .map(|source| format!("{} ({})", source.label, source.kind))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut candidates = manifest.sources.iter().filter(|source| match label {
        Some(label) => source.label == *label,
        None => match place {
            Place::Sqlite(_) => source.kind == "sqlite",
            Place::Postgres(_) => source.kind == "postgres",
            Place::Mysql(_) => source.kind == "mysql",
            Place::Files(_) | Place::Folder(_) => source.kind == "files" || manifest.sources.len() == 1,
        },
    });
    match (candidates.next(), candidates.next()) {
        (Some(source), None) if fits(&source.kind) => Ok(source.label.clone()),
        (Some(source), None) => Err(unfit(
            format!(
                "source {} is {}, and cannot be restored there",
                source.label, source.kind
            ),
            "Choose another kind of target.",
        )),
        (None, _) => Err(unfit(
            format!("the bundle has no source for this target; it has {}", known()),
            "Name the source: --to LABEL=URI.",
        )),
        (Some(_), Some(_)) => Err(unfit(
            format!("several sources fit this target: {}", known()),
            "Name the source: --to LABEL=URI.",
        )),
    }
}

fn path(place: &Place) -> PathBuf {
    match place {
        Place::Folder(path) | Place::Files(path) | Place::Sqlite(path) => path.clone(),
        Place::Postgres(_) | Place::Mysql(_) => PathBuf::from(place.to_string()),
    }
}

fn unfit(what: String, hint: &str) -> Error {
    Error::Unfit {
        what,
        hint: hint.to_owned(),
    }
}
