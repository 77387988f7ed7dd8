//! What the operator writes to name a source: `sqlite:PATH`, `mysql://USER@HOST/DB`, `command:NAME=CMD`.
//!
//! Paths are literal: nothing is decoded, nothing is looked up; PostgreSQL is named as libpq names it. Text that could hold a password is never repeated in an error.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::name::BadName;
use crate::bundle::name::Label;
use crate::bundle::written;
use crate::server::mysql;
use crate::server::postgres::Parameters;
use crate::server::postgres::bad_parameters::BadParameters;

use super::postgres;

const FORMS: &str = "postgres://backup@db.example.invalid/hub, mysql://backup@db.example.invalid/shop, sqlite:/var/lib/hub/hub.db, files:/srv/hub, config:/etc/hub, command:manifests='hub-cli export-manifests'";

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

/// The text does not name a source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What names a MySQL or MariaDB server is not usable.
    #[error(transparent)]
    Mysql(mysql::error::Error),
    /// Not one of the kinds.
    #[error("{scheme:?} is not a kind of source")]
    UnknownKind {
        /// What stands before the colon.
        scheme: String,
    },
    /// No kind at all.
    #[error("a source begins with its kind and a colon")]
    NoKind,
    /// What stands before `=` is no label.
    #[error("the label before '=' is not usable")]
    BadLabel(#[source] BadName),
    /// Nothing follows the kind, or what follows cannot be a path.
    #[error("{}", written::no_path(scheme, "source"))]
    NoPath {
        /// The kind.
        scheme: String,
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

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Mysql(_)
            | Self::UnknownKind { .. }
            | Self::NoKind
            | Self::BadLabel(_)
            | Self::NoPath { .. }
            | Self::Connection(_)
            | Self::NoCommand
            | Self::NoLabel { .. }
            | Self::SameLabel { .. } => Kind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownKind { .. } | Self::NoKind | Self::NoPath { .. } => {
                format!("Sources are written {FORMS}; each may be preceded by LABEL=.")
            }
            Self::BadLabel(_) => "A label is written hub=sqlite:/var/lib/hub/hub.db.".into(),
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

impl FromStr for SourceUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (label, rest) = written::split_label(text).map_err(Error::BadLabel)?;
        let (scheme, rest) = rest.split_once(':').ok_or(Error::NoKind)?;
        let scheme_of = || scheme.to_owned();
        let path = |kind: fn(PathBuf) -> What| match written::plain_path(rest) {
            Some(path) => Ok(kind(path)),
            None => Err(Error::NoPath { scheme: scheme_of() }),
        };
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
            // Only what stands before the colon is repeated: a password may stand behind it.
            _ => return Err(Error::UnknownKind { scheme: scheme_of() }),
        };
        Ok(Self { label, what })
    }
}

fn parse_command(text: &str) -> Result<What, Error> {
    let (name, command) = text.split_once('=').ok_or(Error::NoCommand)?;
    if command.trim().is_empty() {
        return Err(Error::NoCommand);
    }
    let name = name.parse().map_err(Error::BadLabel)?;
    let command = command.to_owned();
    Ok(What::Command { name, command })
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
        written::label_prefix(self.label.as_ref()) + &shown(&self.what)
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
        out.write_str(&written::label_prefix(self.label.as_ref()))?;
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

#[cfg(test)]
mod tests;
