//! What the operator writes to name a source or a restore target: `sqlite:PATH`, `mysql://USER@HOST/DB`, `command:NAME=CMD`.
//!
//! Paths are literal: nothing is decoded, nothing is looked up; PostgreSQL is named as libpq names it. Text that could hold a password is never repeated in an error.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::name::BadName;
use crate::bundle::name::Label;
use crate::server::mysql;
use crate::server::postgres::Parameters;
use crate::server::postgres::bad_parameters::BadParameters;

use super::postgres;

const SOURCE_FORMS: &str = "postgres://backup@db.example.invalid/hub, mysql://backup@db.example.invalid/shop, sqlite:/var/lib/hub/hub.db, files:/srv/hub, config:/etc/hub, command:manifests='hub-cli export-manifests'";
const TARGET_FORMS: &str = "/restore/hub, files:/restore/srv, sqlite:/restore/hub.db, postgres://user@host/newdb, postgres:host=h dbname=newdb, mysql://user@host/newdb";

/// Longest label that is made from a file name: the longest that a label may be.
const LABEL_BYTES_MAX: usize = 64;

/// A source as it is written: what to back up, and under which label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUri {
    /// The label written before `=`, if any.
    pub label: Option<Label>,
    /// What to back up.
    pub what: What,
}

/// The kinds of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A SQLite database file.
    Sqlite(PathBuf),
    /// Databases of a MySQL or MariaDB server.
    Mysql(mysql::parameters::Parameters),
    /// A file or folder, as it is.
    Files(PathBuf),
    /// A file or folder of settings, searched for secrets.
    Config(PathBuf),
    /// A PostgreSQL database.
    Postgres(Parameters),
    /// What a program writes to its standard output.
    Command {
        /// The label when none is written before the kind.
        name: Label,
        /// The program and its arguments, as they are written.
        command: String,
    },
}

/// A restore target as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUri {
    /// The source of the bundle that it is for; every source that has no target of its own, when not written.
    pub label: Option<Label>,
    /// Where it is.
    pub place: Place,
}

/// The kinds of restore targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A plain path: a new folder that gets one entry for each label.
    Folder(PathBuf),
    /// The place of the content of one source, without its label.
    Files(PathBuf),
    /// The file of a SQLite database.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Parameters),
    /// A MySQL or MariaDB server, and perhaps a database on it.
    Mysql(mysql::parameters::Parameters),
}

/// The text does not name a source or a target.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What names a MySQL or MariaDB server is not usable.
    #[error(transparent)]
    Mysql(mysql::error::Error),
    /// Not one of the kinds.
    #[error("{scheme:?} is not a kind of {of}")]
    UnknownKind {
        /// What stands before the colon.
        scheme: String,
        /// What was to be named.
        of: Role,
    },
    /// No kind at all.
    #[error("a {of} begins with its kind and a colon")]
    NoKind {
        /// What was to be named.
        of: Role,
    },
    /// What stands before `=` is no label.
    #[error("the label before '=' is not usable")]
    BadLabel {
        /// Why not.
        #[source]
        source: BadName,
        /// What was to be named.
        of: Role,
    },
    /// Nothing follows the kind, or what follows cannot be a path.
    #[error("{}", no_path(scheme, *of))]
    NoPath {
        /// The kind.
        scheme: String,
        /// What was to be named.
        of: Role,
    },
    /// What follows `postgres:` does not describe a connection.
    #[error(transparent)]
    Connection(BadParameters),
    /// A command without a name or without a program.
    #[error("a command is written command:NAME=PROGRAM ARGUMENTS")]
    NoCommand,
    /// The path has no last component that could become a label.
    #[error("{uri} has no name that could become its label")]
    NoLabel {
        /// The source.
        uri: SourceUri,
    },
    /// Two sources would share a label.
    #[error("the label {label} stands for two sources: {first} and {second}")]
    SameLabel {
        /// The label.
        label: Label,
        /// The source that has it; the arguments of a command are left out, for a password may be among them.
        first: String,
        /// The source that would have it too.
        second: String,
    },
}

/// What a text names: for the words of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Something to back up.
    Source,
    /// A place to restore to.
    Target,
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Mysql(_)
            | Self::UnknownKind { .. }
            | Self::NoKind { .. }
            | Self::BadLabel { .. }
            | Self::NoPath { .. }
            | Self::Connection(_)
            | Self::NoCommand
            | Self::NoLabel { .. }
            | Self::SameLabel { .. } => Kind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownKind { of, .. } | Self::NoKind { of } | Self::NoPath { of, .. } => forms(*of),
            Self::BadLabel { of: Role::Source, .. } => "A label is written hub=sqlite:/var/lib/hub/hub.db.".into(),
            Self::BadLabel { of: Role::Target, .. } => {
                "A label is written hub=/restore/hub; a path that holds '=' is written ./a=b.".into()
            }
            Self::Connection(error) => return error.hint(),
            Self::Mysql(error) => return error.hint(),
            Self::NoCommand => "Write command:manifests='hub-cli export-manifests'.".into(),
            Self::NoLabel { uri } => format!("Write LABEL=SOURCE, for example root={uri}."),
            Self::SameLabel { label, second, .. } => {
                format!("Give one of them a label of its own, for example {label}-2={second}.")
            }
        };
        Some(hint)
    }
}

fn forms(of: Role) -> String {
    match of {
        Role::Source => {
            format!("Sources are written {SOURCE_FORMS}; each may be preceded by LABEL=.")
        }
        Role::Target => {
            format!(
                "Targets are written {TARGET_FORMS}; each may be preceded by LABEL=. A path that holds ':' is written ./a:b."
            )
        }
    }
}

impl FromStr for SourceUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (label, rest) = split_label(text, Role::Source)?;
        let (scheme, rest) = rest.split_once(':').ok_or(Error::NoKind { of: Role::Source })?;
        let path = |kind: fn(PathBuf) -> What| Ok(kind(plain_path(scheme, rest, Role::Source)?));
        let what = match scheme {
            "sqlite" => path(What::Sqlite)?,
            "mysql" | "mariadb" => {
                What::Mysql(mysql::parameters::Parameters::parse(scheme, rest).map_err(Error::Mysql)?)
            }
            "files" => path(What::Files)?,
            "config" => path(What::Config)?,
            "postgres" | "postgresql" => {
                What::Postgres(Parameters::parse(rest, &postgres::PARAMETERS).map_err(Error::Connection)?)
            }
            "command" => parse_command(rest)?,
            _ => return Err(unknown(scheme, Role::Source)),
        };
        Ok(Self { label, what })
    }
}

impl FromStr for TargetUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (label, rest) = split_label(text, Role::Target)?;
        let path = |kind: fn(PathBuf) -> Place, scheme, rest| Ok(kind(plain_path(scheme, rest, Role::Target)?));
        let place = match rest.split_once(':') {
            Some(("sqlite", rest)) => path(Place::Sqlite, "sqlite", rest)?,
            Some(("files", rest)) => path(Place::Files, "files", rest)?,
            Some(("postgres" | "postgresql", rest)) => {
                Place::Postgres(Parameters::parse(rest, &[]).map_err(Error::Connection)?)
            }
            Some((scheme @ ("mysql" | "mariadb"), rest)) => {
                Place::Mysql(mysql::parameters::Parameters::parse(scheme, rest).map_err(Error::Mysql)?)
            }
            Some((scheme, _)) if !scheme.contains('/') => return Err(unknown(scheme, Role::Target)),
            Some(_) | None => path(Place::Folder, "", rest)?,
        };
        Ok(Self { label, place })
    }
}

/// Splits off `LABEL=`: an `=` before the first `:` and the first `/`, for neither stands in a label.
fn split_label(text: &str, of: Role) -> Result<(Option<Label>, &str), Error> {
    match text.split_once('=') {
        Some((before, rest)) if !before.contains([':', '/']) => {
            let label = before.parse().map_err(|source| Error::BadLabel { source, of })?;
            Ok((Some(label), rest))
        }
        Some(_) | None => Ok((None, text)),
    }
}

fn plain_path(scheme: &str, path: &str, of: Role) -> Result<PathBuf, Error> {
    if path.is_empty() || path.contains('\0') {
        let scheme = scheme.to_owned();
        return Err(Error::NoPath { scheme, of });
    }
    Ok(PathBuf::from(path))
}

fn parse_command(text: &str) -> Result<What, Error> {
    let (name, command) = text.split_once('=').ok_or(Error::NoCommand)?;
    if command.trim().is_empty() {
        return Err(Error::NoCommand);
    }
    let of = Role::Source;
    let name = name.parse().map_err(|source| Error::BadLabel { source, of })?;
    let command = command.to_owned();
    Ok(What::Command { name, command })
}

fn no_path(scheme: &str, of: Role) -> String {
    match scheme {
        "" => format!("the {of} is empty: no path is written"),
        _ => format!("\"{scheme}:\" is not followed by a path"),
    }
}

/// Only what stands before the colon is repeated: a password may stand behind it.
fn unknown(scheme: &str, of: Role) -> Error {
    let scheme = scheme.to_owned();
    Error::UnknownKind { scheme, of }
}

impl SourceUri {
    /// The label written, or the one made from the name of the command, the file or the folder: what a label may not
    /// hold becomes `-`. `None` for a path such as `/` that has no name.
    #[must_use]
    pub fn default_label(&self) -> Option<Label> {
        if let Some(label) = &self.label {
            return Some(label.clone());
        }
        match &self.what {
            What::Command { name, .. } => Some(name.clone()),
            // The one database, or else the host.
            What::Mysql(server) => {
                let databases = server.list("databases");
                let one = databases.first().filter(|_| databases.len() == 1);
                let name = one
                    .map(String::as_str)
                    .or(server.get("database"))
                    .or(server.get("host"));
                label_of(name.unwrap_or("localhost"))
            }
            What::Postgres(parameters) => label_of(parameters.get("dbname").or(parameters.get("service"))?),
            What::Sqlite(path) | What::Config(path) | What::Files(path) => {
                label_of(path.file_name()?.to_string_lossy().as_ref())
            }
        }
    }
}

fn label_of(name: &str) -> Option<Label> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let plain: String = name
        .chars()
        .map(|letter| if is_plain(letter) { letter } else { '-' })
        .skip_while(|letter| !letter.is_ascii_alphanumeric())
        .take(LABEL_BYTES_MAX)
        .collect();
    plain.parse().ok()
}

/// The labels of `sources`, in their order.
///
/// # Errors
/// When two would share a label, or one has no name to make a label of.
pub fn assign_labels(sources: &[SourceUri]) -> Result<Vec<Label>, Error> {
    let mut owners: BTreeMap<Label, &SourceUri> = BTreeMap::new();
    let mut labels = Vec::with_capacity(sources.len());
    for uri in sources {
        let label = uri.default_label().ok_or_else(|| Error::NoLabel { uri: uri.clone() })?;
        if let Some(first) = owners.insert(label.clone(), uri) {
            let (first, second) = (shown(&first.what), shown(&uri.what));
            return Err(Error::SameLabel { label, first, second });
        }
        labels.push(label);
    }
    Ok(labels)
}

impl SourceUri {
    /// As it is written, without passwords and without the arguments of a command, among which one may be.
    #[must_use]
    pub fn without_arguments(&self) -> String {
        let label = self.label.as_ref().map(|label| format!("{label}="));
        label.unwrap_or_default() + &shown(&self.what)
    }
}

/// For errors: arguments of a command may hold a password.
fn shown(what: &What) -> String {
    match what {
        What::Command { name, .. } => format!("command:{name}=…"),
        What::Sqlite(_) | What::Files(_) | What::Config(_) | What::Postgres(_) | What::Mysql(_) => what.to_string(),
    }
}

impl fmt::Display for SourceUri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_label(out, self.label.as_ref())?;
        self.what.fmt(out)
    }
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(out, "sqlite:{}", path.display()),
            Self::Mysql(server) => server.fmt(out),
            Self::Files(path) => write!(out, "files:{}", path.display()),
            Self::Config(path) => write!(out, "config:{}", path.display()),
            Self::Postgres(parameters) => write!(out, "postgres:{parameters}"),
            Self::Command { name, command } => write!(out, "command:{name}={command}"),
        }
    }
}

impl fmt::Display for TargetUri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_label(out, self.label.as_ref())?;
        self.place.fmt(out)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write_folder(out, path),
            Self::Mysql(server) => server.fmt(out),
            Self::Postgres(parameters) => write!(out, "postgres:{parameters}"),
            Self::Files(path) => write!(out, "files:{}", path.display()),
            Self::Sqlite(path) => write!(out, "sqlite:{}", path.display()),
        }
    }
}

/// A path whose first component could be read as a label or a kind gets `./` before it.
fn write_folder(out: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
    let text = path.to_string_lossy();
    let first = text.split('/').next().unwrap_or_default();
    let dot = if first.contains([':', '=']) { "./" } else { "" };
    write!(out, "{dot}{text}")
}

fn write_label(out: &mut fmt::Formatter<'_>, label: Option<&Label>) -> fmt::Result {
    match label {
        Some(label) => write!(out, "{label}="),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
