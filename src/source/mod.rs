//! Level 3: where bytes come from. A source gives entries to a collector, and learns facts on the way.

pub mod command;
pub mod config;
pub mod exclude;
pub mod files;
pub mod guard;
pub mod mysql;
pub mod postgres;
pub mod sqlite;
mod stat;
pub mod uri;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::base::cancel::Cancel;
use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Collector;
use crate::bundle::kind::SourceKind;
use crate::bundle::name::Label;

/// Something that can be backed up.
///
/// `collect` is called once. It either gives every entry whole, or ends in an error, and then the bundle is not
/// published: a source never leaves anything out silently. What the operator allowed to be left out is told to
/// [`Collector::exception`]. All paths given begin with the label.
pub trait Source: Send {
    /// The first component of every path that it gives.
    fn label(&self) -> &Label;

    /// Which kind the manifest and the index say it is; it decides what its facts mean and which targets take it.
    fn kind(&self) -> SourceKind;

    /// Checks that the source is there and readable, without reading it whole: called for every source before anything is stored.
    /// One that waits, for a server or a program, asks `cancel` meanwhile.
    ///
    /// # Errors
    /// What would make `collect` fail, as far as it can be known beforehand.
    fn check(&mut self, cancel: &Cancel) -> Result<(), Error>;

    /// About how many bytes it will give, where that is known without reading it: for the progress bar alone.
    fn size_hint(&self) -> Option<u64> {
        None
    }

    /// Gives all entries to `collector`, asking `cancel` between reads.
    ///
    /// # Errors
    /// When anything could not be read whole and consistent.
    fn collect(&mut self, collector: &mut dyn Collector, cancel: &Cancel) -> Result<Learnt, Error>;
}

/// What a source knows once it has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learnt {
    /// The moment that the data shows, where the source has one.
    pub data_time: Option<Timestamp>,
    /// Facts for the public manifest: versions, positions. No names of files or tables.
    pub public: BTreeMap<String, String>,
    /// Facts for the encrypted index.
    pub private: BTreeMap<String, String>,
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there or does not answer.
    #[error("source {label}: cannot reach {what}: {reason}")]
    Unreachable {
        /// The source.
        label: Label,
        /// What was looked for.
        what: String,
        /// Why it is not reached.
        reason: String,
        /// The next thing to do.
        hint: String,
    },
    /// It is of a form that cannot be backed up, or access is not permitted.
    #[error("source {label}: {reason}")]
    Unsupported {
        /// The source.
        label: Label,
        /// Why, in words.
        reason: String,
        /// The next thing to do.
        hint: Option<String>,
    },
    /// It could not be read whole, or changed while it was read.
    #[error("source {label}: {reason}")]
    Incomplete {
        /// The source.
        label: Label,
        /// Why, in words.
        reason: String,
        /// The next thing to do.
        hint: Option<String>,
    },
    /// A database server is not reached, or refuses.
    #[error("source {label}: {fault}")]
    Server {
        /// The source.
        label: Label,
        /// What went wrong between this program and the server.
        fault: Box<dyn Fault + Send + Sync>,
    },
    /// Reading a file failed.
    #[error("source {label}: cannot read {path}")]
    Read {
        /// The source.
        label: Label,
        /// The file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
    /// The entry could not be handed on.
    #[error("source {label}: cannot store an entry")]
    Collect {
        /// The source.
        label: Label,
        /// Why.
        #[source]
        source: CollectError,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unreachable { .. } => Kind::SourceUnreachable,
            Self::Unsupported { .. } => Kind::SourceUnsupported,
            Self::Server { fault, .. } => fault.kind(),
            Self::Incomplete { .. } | Self::Read { .. } | Self::Collect { .. } => Kind::Incomplete,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unsupported { hint, .. } | Self::Incomplete { hint, .. } => hint.clone(),
            Self::Server { fault, .. } => fault.hint(),
            Self::Unreachable { hint, .. } => Some(hint.clone()),
            Self::Read { .. } | Self::Collect { .. } => None,
        }
    }
}
