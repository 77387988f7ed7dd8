//! Where a value comes from, kept with the value, so that `config show` and every error can say it.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use crate::base::durable;

/// The place where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the program's own choice.
    Default,
    /// A line of the settings file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// An environment variable.
    Environment(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Origin {
    /// `default`, `file`, `environment` or `flag`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }

    /// Where relative paths of the value begin: the folder of the file, or `None` for the working folder.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(durable::parent(path)),
            Self::Default | Self::Environment(_) | Self::Flag(_) => None,
        }
    }

    /// `path`, from where this origin says that relative paths begin.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder()
            .map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line, column } => write!(out, "{}:{line}:{column}", path.display()),
            Self::Environment(name) | Self::Flag(name) => out.write_str(name),
        }
    }
}

/// A value and where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it was set.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// A value that was set at `origin`.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// The program's own choice.
    pub fn default_of(value: T) -> Self {
        Self::new(value, Origin::Default)
    }

    /// A value that a flag set.
    pub fn of_flag(flag: &'static str, value: T) -> Self {
        Self::new(value, Origin::Flag(flag))
    }

    /// The same origin with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Setting<U> {
        Setting::new(change(self.value), self.origin)
    }
}
