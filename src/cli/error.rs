//! How a command ends when it does not end well: any [`Fault`] from below, or one of the face's own.

use std::fmt;
use std::io;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;

/// Why a command failed. Every [`Fault`] becomes one by `?`.
#[derive(Debug)]
pub enum CliError {
    /// Something failed, and nobody was told yet.
    Fault(Box<dyn Fault + Send + Sync>),
    /// Something failed, and the result on stdout says what: `--json` gets no second object.
    Told(Box<dyn Fault + Send + Sync>),
    /// Whoever read stdout has gone away, as `head` does: nobody is left to be told.
    StdoutClosed,
}

impl CliError {
    /// A failure whose details are on stdout already.
    pub fn told(fault: impl Fault + Send + Sync + 'static) -> Self {
        Self::Told(Box::new(fault))
    }

    /// Its class; none where nobody is left to be told.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Fault(fault) | Self::Told(fault) => Some(fault.kind()),
            Self::StdoutClosed => None,
        }
    }

    /// The failure below, for those who pass on a [`Fault`].
    #[must_use]
    pub fn into_fault(self) -> Box<dyn Fault + Send + Sync> {
        match self {
            Self::Fault(fault) | Self::Told(fault) => fault,
            Self::StdoutClosed => Box::new(Error::Stdout(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// The same failure, said of one bundle.
    #[must_use]
    pub fn about(self, name: Option<(SetName, BundleId)>) -> Self {
        match (self, name) {
            (Self::Fault(fault), Some((set, bundle))) => Self::Fault(Box::new(About { set, bundle, fault })),
            (Self::Told(fault), Some((set, bundle))) => Self::Told(Box::new(About { set, bundle, fault })),
            (same, _) => same,
        }
    }

    /// A failure to write stdout.
    #[must_use]
    pub fn stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::StdoutClosed
        } else {
            Error::Stdout(error).into()
        }
    }
}

impl<F: Fault + Send + Sync + 'static> From<F> for CliError {
    fn from(fault: F) -> Self {
        Self::Fault(Box::new(fault))
    }
}

/// A failure and the bundle that it is about.
#[derive(Debug)]
struct About {
    set: SetName,
    bundle: BundleId,
    fault: Box<dyn Fault + Send + Sync>,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is wrong with a target or a key is not the bundle's.
        if self.fault.kind().gravity() > 0 {
            write!(f, "bundle {} of set {}: ", self.bundle, self.set)?;
        }
        self.fault.fmt(f)
    }
}

impl std::error::Error for About {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

impl Fault for About {
    fn kind(&self) -> Kind {
        self.fault.kind()
    }

    fn hint(&self) -> Option<String> {
        self.fault.hint()
    }

    fn subject(&self) -> Option<(String, String)> {
        Some((self.set.to_string(), self.bundle.to_string()))
    }
}

/// What fails in the face itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A chain of a store is broken.
    #[error("{problem}")]
    Chain {
        /// What is wrong.
        problem: String,
    },
    /// The arguments contradict each other in a way that only shows with the settings.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// The next thing to do.
        hint: String,
    },
    /// A passphrase is needed and nobody can be asked.
    #[error("{purpose} is needed, and there is no terminal to ask for it")]
    NoTerminal {
        /// What it is for, as `the passphrase of the signing key`.
        purpose: String,
        /// The options and variables that give it.
        options: &'static str,
    },
    /// The passphrase could not be read from the terminal.
    #[error("cannot ask for {purpose}")]
    Prompt {
        /// What it is for.
        purpose: String,
        /// What the terminal reports.
        #[source]
        source: io::Error,
    },
    /// Nothing, or not the same twice, was typed.
    #[error("{purpose}: {reason}")]
    Passphrase {
        /// What it is for.
        purpose: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Stdout cannot be written.
    #[error("cannot write to stdout")]
    Stdout(#[source] io::Error),
    /// A signal came while bytes went to stdout.
    #[error("interrupted: stdout has only a part of the file")]
    Partly,
    /// A file that was asked for cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
    /// A defect was caught.
    #[error("internal error")]
    Panicked,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Usage { .. } | Self::NoTerminal { .. } | Self::Passphrase { .. } => Kind::Usage,
            Self::Prompt { source, .. } if source.kind() == io::ErrorKind::Interrupted => Kind::Incomplete,
            Self::Partly => Kind::Incomplete,
            Self::Prompt { .. } | Self::Stdout(_) | Self::Write { .. } => Kind::Failed,
            Self::Chain { .. } => Kind::ChainBroken,
            Self::Panicked => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } => Some(hint.clone()),
            Self::NoTerminal { options, .. } => Some(format!("Give it with {options}.")),
            Self::Write { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("Nothing is overwritten: name a new file or folder, or move the old one away.".into())
            }
            Self::Chain { .. } => {
                Some("Compare the store with another copy and with a checkpoint kept elsewhere.".into())
            }
            Self::Panicked => Some("Please report it with the line above; it holds no data of yours.".into()),
            Self::Partly => Some("Throw away what was written, and run it again.".into()),
            Self::Prompt { .. } | Self::Passphrase { .. } | Self::Stdout(_) | Self::Write { .. } => None,
        }
    }
}
