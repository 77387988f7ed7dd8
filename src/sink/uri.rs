//! What the operator writes to name a restore target: `DIR`, `files:PATH`, `sqlite:PATH`, `postgres://USER@HOST/DB`.
//!
//! Paths are literal: nothing is decoded, nothing is looked up; PostgreSQL is named as libpq names it. Text that could hold a password is never repeated in an error.

use std::fmt;
use std::path::Path;
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

const FORMS: &str = "/restore/hub, files:/restore/srv, sqlite:/restore/hub.db, postgres://user@host/newdb, postgres:host=h dbname=newdb, mysql://user@host/newdb";

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

/// The text does not name a target.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What names a MySQL or MariaDB server is not usable.
    #[error(transparent)]
    Mysql(mysql::error::Error),
    /// Not one of the kinds.
    #[error("{scheme:?} is not a kind of target")]
    UnknownKind {
        /// What stands before the colon.
        scheme: String,
    },
    /// What stands before `=` is no label.
    #[error("the label before '=' is not usable")]
    BadLabel(#[source] BadName),
    /// Nothing follows the kind, or what follows cannot be a path.
    #[error("{}", written::no_path(scheme, "target"))]
    NoPath {
        /// The kind.
        scheme: String,
    },
    /// What follows `postgres:` does not describe a connection.
    #[error(transparent)]
    Connection(BadParameters),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Mysql(_)
            | Self::UnknownKind { .. }
            | Self::BadLabel(_)
            | Self::NoPath { .. }
            | Self::Connection(_) => Kind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKind { .. } | Self::NoPath { .. } => Some(format!(
                "Targets are written {FORMS}; each may be preceded by LABEL=. A path that holds ':' is written ./a:b."
            )),
            Self::BadLabel(_) => {
                Some("A label is written hub=/restore/hub; a path that holds '=' is written ./a=b.".into())
            }
            Self::Connection(error) => error.hint(),
            Self::Mysql(error) => error.hint(),
        }
    }
}

impl FromStr for TargetUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (label, rest) = written::split_label(text).map_err(Error::BadLabel)?;
        let path = |kind: fn(PathBuf) -> Place, scheme: &str, rest| match written::plain_path(rest) {
            Some(path) => Ok(kind(path)),
            None => Err(Error::NoPath {
                scheme: scheme.to_owned(),
            }),
        };
        let place = match rest.split_once(':') {
            Some(("sqlite", rest)) => path(Place::Sqlite, "sqlite", rest)?,
            Some(("files", rest)) => path(Place::Files, "files", rest)?,
            Some(("postgres" | "postgresql", rest)) => {
                Place::Postgres(Parameters::parse(rest, &[]).map_err(Error::Connection)?)
            }
            Some((scheme @ ("mysql" | "mariadb"), rest)) => {
                Place::Mysql(mysql::parameters::Parameters::parse(scheme, rest).map_err(Error::Mysql)?)
            }
            Some((scheme, _)) if !scheme.contains('/') => {
                // Only what stands before the colon is repeated: a password may stand behind it.
                let scheme = scheme.to_owned();
                return Err(Error::UnknownKind { scheme });
            }
            Some(_) | None => path(Place::Folder, "", rest)?,
        };
        Ok(Self { label, place })
    }
}

impl fmt::Display for TargetUri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&written::label_prefix(self.label.as_ref()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> TargetUri {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> String {
        let error = text.parse::<TargetUri>().err();
        let error = error.unwrap_or_else(|| panic!("{text} is accepted"));
        assert_eq!(error.kind(), Kind::Usage);
        format!(
            "{error}\n{}",
            error.hint().expect("every usage error says how to write it")
        )
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            "/restore",
            "restore",
            "./a=b",
            "./a:b",
            "/a=b:c",
            "hub=/a:b",
            "hub=sqlite:x.db",
            "files:/x",
        ] {
            assert_eq!(target(text).to_string(), text);
        }
        assert_eq!(target("hub=dir").place, Place::Folder("dir".into()));
    }

    #[test]
    fn folders_that_look_like_a_label_are_written_with_a_dot() {
        let uri = TargetUri {
            label: None,
            place: Place::Folder("a=b".into()),
        };
        assert_eq!(uri.to_string(), "./a=b");
    }

    #[test]
    fn wrong_forms_say_how_to_write_them() {
        for text in ["", "hub=", "s3://bucket/x", "sqlite:", "a b=/x"] {
            let shown = refused(text);
            assert!(shown.contains("written"), "{text}: {shown}");
        }
    }

    #[test]
    fn what_follows_an_unknown_kind_is_not_shown() {
        for text in ["mongodb://user:needle@host", "user:needle@host/x=y"] {
            assert!(!refused(text).contains("needle"));
        }
    }
}
