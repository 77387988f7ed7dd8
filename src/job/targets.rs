//! Where the sources of a bundle go: which targets will do, and which source goes to which.

use std::collections::BTreeMap;
use std::fs;
use std::path;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use crate::base::cancel::Cancel;
use crate::bundle::index::Record;
use crate::bundle::kind::SourceKind;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;
use crate::flow::contents::Opened;
use crate::policy::selection::Selection;
use crate::sink;
use crate::sink::files::FilesSink;
use crate::sink::files::FilesSinkOptions;
use crate::sink::router::Router;
use crate::sink::sqlite::SqliteSink;
use crate::sink::sqlite::check::Check;
use crate::sink::sqlite::check::Checker;
use crate::sink::uri::Place;
use crate::sink::uri::TargetUri;

use super::error::Error;
use super::mysql_target;
use super::mysql_target::MysqlRestore;
use super::postgres_target;
use super::postgres_target::PostgresRestore;

/// Refuses targets that lie in each other, that are taken, or that lie in a folder of `protected`. Makes nothing.
///
/// # Errors
/// `Unfit` with two that are one place; `Sink` with the first that will not do.
pub fn check(targets: &[TargetUri], protected: &[PathBuf]) -> Result<(), Error> {
    apart(targets)?;
    for uri in targets {
        // Of a database server, its sink looks whether the target will do.
        let Some(target) = path_of(&uri.place) else { continue };
        match &uri.place {
            Place::Folder(path) | Place::Files(path) => FilesSink::check(path)?,
            Place::Sqlite(path) => SqliteSink::check(path)?,
            Place::Postgres(_) | Place::Mysql(_) => {}
        }
        let whole = whole(target);
        let store = protected.iter().filter_map(|folder| fs::canonicalize(folder).ok());
        if let Some(store) = store.into_iter().find(|store| whole.starts_with(store)) {
            return Err(refused(target, format!("it lies in the store {}", store.display())));
        }
    }
    Ok(())
}

/// Refuses two targets that are one place, or of which one lies in the other.
fn apart(targets: &[TargetUri]) -> Result<(), Error> {
    for (number, one) in targets.iter().enumerate() {
        for other in &targets[..number] {
            let how = match (path_of(&one.place), path_of(&other.place)) {
                (Some(one), Some(other)) => overlap(&whole(one), &whole(other)),
                _ => same_database(&one.place, &other.place).then_some("is the same place as"),
            };
            if let Some(how) = how {
                return Err(unfit(
                    format!("the target {one} {how} the target {other}"),
                    "Give each a place of its own, beside the others; one --to DIR takes every source that has none.",
                ));
            }
        }
    }
    Ok(())
}

/// How one path is in the way of another.
fn overlap(one: &Path, other: &Path) -> Option<&'static str> {
    match (one.starts_with(other), other.starts_with(one)) {
        (true, true) => Some("is the same place as"),
        (true, false) => Some("lies in"),
        (false, true) => Some("holds"),
        (false, false) => None,
    }
}

/// Whether two targets name one database of one server, as far as they are written: what is not comes from the same place for both.
fn same_database(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Postgres(one), Place::Postgres(other)) => {
            let names = ["host", "hostaddr", "port", "dbname"];
            one.get("dbname").is_some() && names.iter().all(|name| one.get(name) == other.get(name))
        }
        (Place::Mysql(one), Place::Mysql(other)) => {
            let names = ["host", "socket", "port", "database"];
            one.get("database").is_some() && names.iter().all(|name| one.get(name) == other.get(name))
        }
        _ => false,
    }
}

/// A path without links and dots, as far as it is there.
fn whole(target: &Path) -> PathBuf {
    let mut whole = PathBuf::from("/");
    for component in path::absolute(target).as_deref().unwrap_or(target).components() {
        match component {
            Component::Normal(name) => whole.push(name),
            Component::ParentDir => drop(whole.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
        if let Ok(real) = fs::canonicalize(&whole) {
            whole = real;
        }
    }
    whole
}

fn refused(target: &Path, reason: String) -> Error {
    Error::Sink(sink::Error::Target {
        target: target.to_owned(),
        reason,
        hint: sink::ELSEWHERE,
    })
}

/// Which source goes where.
pub struct Routes {
    /// One target for everything that has none of its own.
    folder: Option<PathBuf>,
    /// Targets of single sources.
    own: Vec<(Label, Place)>,
    /// Sources that are SQLite databases.
    databases: Vec<Label>,
    /// Sources without a target.
    left: Vec<Label>,
    /// Every target with its sources, in the order in which they were named.
    pub destinations: Vec<Destination>,
}

/// Where sources of a bundle go.
#[derive(Debug)]
pub struct Destination {
    /// The target.
    pub place: Place,
    /// What goes there.
    pub sources: Vec<(Label, SourceKind)>,
    /// Whether each source has a folder of its own there, named like its label.
    is_common: bool,
}

impl Destination {
    /// Leaves out the sources of which nothing is wanted.
    pub fn retain(&mut self, wanted: &[Label]) {
        self.sources.retain(|(label, _)| wanted.contains(label));
    }

    /// The target without passwords; a path as it is.
    #[must_use]
    pub fn shown(&self) -> String {
        path_of(&self.place).map_or_else(|| self.place.to_string(), |path| path.display().to_string())
    }

    /// The sources that come as files of a dump here, which are no database until somebody loads them: label, kind, folder.
    pub fn dumps(&self) -> impl Iterator<Item = (&Label, &SourceKind, PathBuf)> {
        let folder = |label: &Label| match &self.place {
            Place::Folder(folder) if self.is_common => Some(folder.join(label.as_str())),
            Place::Folder(folder) | Place::Files(folder) => Some(folder.clone()),
            Place::Sqlite(_) | Place::Postgres(_) | Place::Mysql(_) => None,
        };
        let dumps = self
            .sources
            .iter()
            .filter(|(_, kind)| [SourceKind::Postgres, SourceKind::Mysql].contains(kind));
        dumps.filter_map(move |(label, kind)| Some((label, kind, folder(label)?)))
    }
}

impl Routes {
    /// Fits the targets to the sources of the bundle.
    ///
    /// # Errors
    /// When a target fits no source or several, a source has two, or there is no target.
    pub fn plan(targets: &[TargetUri], manifest: &Manifest) -> Result<Self, Error> {
        let databases = manifest
            .sources
            .iter()
            .filter(|source| source.kind == SourceKind::Sqlite)
            .map(|source| source.label.clone())
            .collect();
        let mut routes = Self {
            folder: None,
            own: Vec::new(),
            databases,
            left: Vec::new(),
            destinations: Vec::new(),
        };
        for uri in targets {
            let (sources, is_common) = match (&uri.label, &uri.place) {
                (None, Place::Folder(folder)) if routes.folder.is_none() => {
                    routes.folder = Some(folder.clone());
                    // Told below, when it is known what has a target of its own.
                    (Vec::new(), true)
                }
                (label, place) => {
                    let (label, kind) = source_for(label.as_ref(), place, manifest)?;
                    if routes.own.iter().any(|(other, _)| *other == label) {
                        return Err(unfit(
                            format!("source {label} has two targets"),
                            "Give each source one --to.",
                        ));
                    }
                    routes.own.push((label.clone(), place.clone()));
                    (vec![(label, kind)], false)
                }
            };
            let place = uri.place.clone();
            routes.destinations.push(Destination {
                place,
                sources,
                is_common,
            });
        }
        if routes.destinations.is_empty() {
            return Err(Error::Missing {
                what: "no target was given".into(),
                hint: "Give --to DIR, a folder that does not exist yet.".into(),
            });
        }
        let sources = manifest.sources.iter();
        let without = sources.filter(|source| !routes.own.iter().any(|(own, _)| *own == source.label));
        match routes.destinations.iter_mut().find(|to| to.is_common) {
            Some(folder) => {
                let rest = without.map(|source| (source.label.clone(), source.kind.clone()));
                folder.sources = rest.collect();
            }
            None => routes.left = without.map(|source| source.label.clone()).collect(),
        }
        Ok(routes)
    }

    /// Refuses to leave out what is wanted: everything that `selection` wants must have a target.
    ///
    /// # Errors
    /// `Unfit` with the source that has none; what the index reports.
    pub fn cover(&self, opened: &Opened<'_>, selection: &mut Selection) -> Result<(), Error> {
        let lacking = if selection.is_all() {
            self.left.first().cloned()
        } else {
            self.first_wanted(opened, selection)?
        };
        match lacking {
            None => Ok(()),
            Some(label) => Err(unfit(
                format!("source {label} has no target, and would not be restored"),
                &format!(
                    "Give it one with --to {label}=files:DIR, or one for the rest with --to DIR; or leave it out by naming with \
                     --only what is wanted."
                ),
            )),
        }
    }

    fn first_wanted(&self, opened: &Opened<'_>, selection: &mut Selection) -> Result<Option<Label>, Error> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let mut wanted = |path: &EntryPath| self.left.contains(&path.label()) && selection.wants(path);
        let mut records = opened.records()?;
        while let Some(record) = records.next_record()? {
            let label = match &record {
                Record::Entry(entry) if wanted(&entry.path) => entry.path.label(),
                Record::Stream(stream) if wanted(&stream.path) => stream.path.label(),
                Record::Entry(_)
                | Record::Stream(_)
                | Record::Begin(_)
                | Record::Source(_)
                | Record::Part(_)
                | Record::Exception(_)
                | Record::Facts(_)
                | Record::End(_) => continue,
            };
            return Ok(Some(label));
        }
        Ok(None)
    }

    /// Lets patterns of `selection` name tables of the sources that go to database servers. Gives the chosen tables, where not everything is
    /// wanted.
    ///
    /// # Errors
    /// When the plan of a dump cannot be read, or a schema shall get tables and none is named.
    pub fn choose_tables(
        &self,
        opened: &Opened<'_>,
        selection: &mut Selection,
        postgres: &PostgresRestore,
        cancel: &Cancel,
    ) -> Result<Chosen, Error> {
        let mut chosen = Chosen::default();
        if selection.is_all() {
            return Ok(chosen);
        }
        for (label, place) in &self.own {
            match place {
                Place::Postgres(_) => {
                    let tables = postgres.choose_tables(opened, label, selection, cancel)?;
                    chosen.postgres.extend(tables.map(|tables| (label.clone(), tables)));
                }
                Place::Mysql(_) => {
                    let tables = mysql_target::choose_tables(opened, label, selection, cancel)?;
                    chosen.mysql.extend(tables.map(|tables| (label.clone(), tables)));
                }
                Place::Folder(_) | Place::Files(_) | Place::Sqlite(_) => {}
            }
        }
        Ok(chosen)
    }

    /// The sinks of the targets, with nothing in them yet.
    ///
    /// # Errors
    /// When a target will not do.
    pub fn router(&self, landing: &Landing<'_>, mut chosen: Chosen, cancel: &Cancel) -> Result<Router, Error> {
        let checker = Checker::new(landing.sqlite_check, landing.jobs, cancel.clone());
        let mut router = Router::new(self.databases.clone(), checker.clone());
        let options = |strip_label| FilesSinkOptions {
            strip_label,
            same_owner: landing.same_owner,
            allow_missing_xattrs: landing.allow_missing_xattrs,
            jobs: landing.jobs,
        };
        for (label, place) in &self.own {
            match place {
                Place::Sqlite(path) => {
                    let sink = SqliteSink::new(path.clone(), checker.clone())?;
                    router.add(label.clone(), Box::new(sink.same_owner(landing.same_owner)));
                }
                Place::Files(path) | Place::Folder(path) => {
                    router.folder(label.clone(), FilesSink::new(path.clone(), options(true))?);
                }
                Place::Postgres(written) => {
                    let tables = chosen.postgres.remove(label);
                    let sink = landing
                        .postgres
                        .sink(written, &place.to_string(), tables, landing.jobs, cancel)?;
                    router.add(label.clone(), Box::new(sink));
                }
                Place::Mysql(written) => {
                    let tables = chosen.mysql.remove(label);
                    router.add(
                        label.clone(),
                        Box::new(landing.mysql.sink(written, tables, landing.jobs, cancel)?),
                    );
                }
            }
        }
        if let Some(folder) = &self.folder {
            router.rest(FilesSink::new(folder.clone(), options(false))?);
        }
        Ok(router)
    }
}

/// How what is restored lands.
pub struct Landing<'a> {
    /// How restored SQLite databases are checked.
    pub sqlite_check: Check,
    /// How PostgreSQL databases are restored.
    pub postgres: &'a PostgresRestore,
    /// How MySQL and MariaDB databases are restored.
    pub mysql: &'a MysqlRestore,
    /// Whether owners are restored.
    pub same_owner: bool,
    /// Whether extended attributes that a target does not take are noted and not an error.
    pub allow_missing_xattrs: bool,
    /// Threads.
    pub jobs: usize,
}

/// Chosen tables, by the label of their source; without a source that is wanted as a whole.
#[derive(Default)]
pub struct Chosen {
    postgres: BTreeMap<Label, postgres_target::Tables>,
    /// As `DATABASE.TABLE`.
    mysql: BTreeMap<Label, Vec<String>>,
}

/// The source that a target of its own is for: the one that is named, or the only one that fits.
fn source_for(label: Option<&Label>, place: &Place, manifest: &Manifest) -> Result<(Label, SourceKind), Error> {
    let only = only_kind(place);
    let fits = |kind: &SourceKind| only.as_ref().is_none_or(|only| only == kind);
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
        None if only.is_some() => fits(&source.kind),
        None => source.kind == SourceKind::Files || manifest.sources.len() == 1,
    });
    match (candidates.next(), candidates.next()) {
        (Some(source), None) if fits(&source.kind) => Ok((source.label.clone(), source.kind.clone())),
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

/// The one kind of sources that a place takes; `None` where it takes every kind.
fn only_kind(place: &Place) -> Option<SourceKind> {
    match place {
        Place::Sqlite(_) => Some(SourceKind::Sqlite),
        Place::Postgres(_) => Some(SourceKind::Postgres),
        Place::Mysql(_) => Some(SourceKind::Mysql),
        Place::Files(_) | Place::Folder(_) => None,
    }
}

/// Where a target is in the file system; nowhere, if it is on a server.
fn path_of(place: &Place) -> Option<&Path> {
    match place {
        Place::Folder(path) | Place::Files(path) | Place::Sqlite(path) => Some(path),
        Place::Postgres(_) | Place::Mysql(_) => None,
    }
}

fn unfit(what: String, hint: &str) -> Error {
    Error::Unfit {
        what,
        hint: hint.to_owned(),
    }
}
