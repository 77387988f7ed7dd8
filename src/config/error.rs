//! What can be wrong with settings: single problems, which `config check` lists all, and the errors of a run.

use std::io;
use std::path::PathBuf;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::input;
use crate::bundle::name::SetName;
use crate::config::origin::Origin;

/// One thing that is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {key}: {message}")]
pub struct Problem {
    /// Where it stands.
    pub origin: Origin,
    /// The setting, as `sets.hub.level`.
    pub key: String,
    /// What is wrong. Never holds a secret.
    pub message: String,
    /// The next thing to do.
    pub hint: Option<String>,
}

/// A list of problems that names nothing twice.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds what is wrong at a place, unless the list has it: sets share what they do not name themselves.
    pub fn add(&mut self, origin: &Origin, key: &str, message: String, hint: Option<String>) {
        let told = |known: &Problem| known.origin == *origin && known.message == message;
        if !self.0.iter().any(told) {
            self.0.push(Problem {
                origin: origin.clone(),
                key: key.to_owned(),
                message,
                hint,
            });
        }
    }

    /// The problems, in the order in which they were found.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

/// Why there are no settings to work with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings file that was named is not there.
    #[error("there is no settings file {}, which {chosen_by} names", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// `--config` or `HUB_BACKUP_CONFIG`.
        chosen_by: &'static str,
    },
    /// The settings file cannot be read.
    #[error("cannot read the settings file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
    /// One or more settings are wrong.
    #[error("{}", first_of(.0))]
    Problems(Vec<Problem>),
    /// A check found problems, and has listed them.
    #[error("the settings have {}", counted(*.0))]
    Found(usize),
    /// No set was named, and there is not just one.
    #[error("no set is named, and the settings have {}", list_of(.0))]
    WhichSet(Vec<SetName>),
    /// The set is in the settings, without sources, and none was named.
    #[error("set {name} names no sources yet")]
    NoSources {
        /// The set.
        name: SetName,
        /// Where the settings speak of it.
        origin: Origin,
    },
    /// The set is not in the settings, and no source was named.
    #[error("the settings have no set {name}")]
    NoSet {
        /// The set.
        name: SetName,
        /// The sets that there are.
        known: Vec<SetName>,
    },
}

fn first_of(problems: &[Problem]) -> String {
    match problems {
        [] => "the settings are wrong".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

fn counted(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        _ => format!("{problems} problems"),
    }
}

fn list_of(sets: &[SetName]) -> String {
    if sets.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = sets.iter().map(SetName::as_str).collect();
    names.join(", ")
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoFile { .. }
            | Self::Read { .. }
            | Self::Problems(_)
            | Self::Found(_)
            | Self::WhichSet(_)
            | Self::NoSources { .. }
            | Self::NoSet { .. } => Kind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile { .. } => Some("Name a settings file that exists, or leave the name out.".into()),
            Self::Read { source, .. } => {
                let kind = source.kind();
                let hint = if let Some(hint) = input::hint(source) {
                    hint
                } else if kind == io::ErrorKind::InvalidData {
                    "Settings are a text file of TOML: correct it, or name another with --config."
                } else if kind == io::ErrorKind::Other {
                    "Look at its owner and mode with ls -l and correct them, or name another with --config."
                } else {
                    "Give this user the right to read it, or name another with --config."
                };
                Some(hint.into())
            }
            Self::Problems(problems) => match problems.as_slice() {
                [only] => only.hint.clone(),
                _ => Some("`hub-backup config check` lists all of them.".into()),
            },
            Self::Found(_) => None,
            Self::WhichSet(known) if known.is_empty() => {
                Some("Name the set with --set NAME and what to back up with --source URI.".into())
            }
            Self::WhichSet(_) => Some("Name one of them: `hub-backup backup NAME`.".into()),
            Self::NoSources { origin, .. } => Some(format!(
                "Add them at {origin}, as in `sources = [\"sqlite:/path/to/hub.db\"]`. Or name them with --source URI, for one bundle."
            )),
            Self::NoSet { name, known } => Some(format!(
                "The settings have: {}. To begin the set {name}, write it into them, or name what to back up with --source URI.",
                list_of(known)
            )),
        }
    }
}
