//! Level 3: where bundles live. Create-only: nothing in a store is ever overwritten.

pub mod audit_tail;
pub mod local;
pub mod mem;
pub mod names;

use std::fmt;
use std::io;
use std::io::Write;
use std::str::FromStr;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::read_at::ReadAt;
use crate::bundle::name::SetName;

/// The name of an object: `bundles/hub/2026/01/….hub.tar`. Relative; components of letters, digits, `.`, `_`, `-`
/// that do not begin with a dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

/// The text is not the name of an object.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the name of an object in a store")]
pub struct BadObjectName(String);

impl ObjectName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = BadObjectName;

    fn from_str(text: &str) -> Result<Self, BadObjectName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = text.len() <= 512
            && text
                .split('/')
                .all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadObjectName(text.to_owned()))
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// An object as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: ObjectName,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A place that keeps objects.
///
/// An object is visible under its name either whole or not at all, and once visible it lasts through a crash of the
/// machine. Creating a name that exists is an error (`Exists`). Lists are hints: the chain of manifests is the truth.
///
/// Objects under `bundles/SET/` and `manifests/SET/` are written by the holder of the set's lease alone; all others by anyone.
pub trait Store: Send + Sync {
    /// What to call the store in messages: a path or a URL without secrets.
    fn describe(&self) -> String;

    /// Creates an object from bytes.
    ///
    /// # Errors
    /// `Exists` when the name is taken; see [`Error`].
    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Error>;

    /// Begins an object that is written piece by piece.
    ///
    /// # Errors
    /// `Exists` when the name is taken already; see [`Error`].
    fn upload(&self, name: &ObjectName) -> Result<Box<dyn Upload + '_>, Error>;

    /// Opens an object for reading at any offset.
    ///
    /// # Errors
    /// `NotFound`; see [`Error`].
    fn open(&self, name: &ObjectName) -> Result<Box<dyn ReadAt>, Error>;

    /// Reads a small object whole.
    ///
    /// # Errors
    /// `NotFound`; `TooLarge` past `bytes_max`; see [`Error`].
    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Vec<u8>, Error>;

    /// Every object whose name begins with `prefix` (whole components: `manifests/hub`), sorted by name. An empty prefix lists all.
    ///
    /// # Errors
    /// See [`Error`]. No such prefix is an empty list.
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, Error>;

    /// Takes the lease of a set: one writer at a time. The lease ends when the value is dropped or the process dies.
    ///
    /// # Errors
    /// `Locked` when another writer has it; see [`Error`].
    fn lease(&self, set: &SetName) -> Result<Box<dyn Lease>, Error>;

    /// Removes what crashed writers left under temporary names, of the leased set and of no set, and gives their number.
    /// What such a writer published lasts from then on.
    ///
    /// # Errors
    /// See [`Error`].
    fn sweep(&self, lease: &dyn Lease) -> Result<u64, Error>;
}

/// An object being written. Dropped without `publish`, it leaves nothing visible. After a write that failed, every
/// further write and `publish` fail too.
pub trait Upload: Write {
    /// Makes the object last and visible under its name.
    ///
    /// # Errors
    /// `Exists` when the name was taken meanwhile; see [`Error`].
    fn publish(self: Box<Self>) -> Result<(), Error>;
}

/// The right to write bundles of one set.
pub trait Lease: Send {
    /// The set.
    fn set(&self) -> &SetName;
}

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object.
    #[error("{store}: there is no {name}")]
    NotFound {
        /// The store.
        store: String,
        /// The object.
        name: ObjectName,
    },
    /// The name is taken.
    #[error("{store}: {name} exists, and nothing in a store is overwritten")]
    Exists {
        /// The store.
        store: String,
        /// The object.
        name: ObjectName,
    },
    /// The object is larger than any of its kind.
    #[error("{store}: {name} is larger than {bytes_max} bytes")]
    TooLarge {
        /// The store.
        store: String,
        /// The object.
        name: ObjectName,
        /// The bound.
        bytes_max: u64,
    },
    /// Another writer has the lease.
    #[error("{store}: another backup of set {set} is running")]
    Locked {
        /// The store.
        store: String,
        /// The set.
        set: SetName,
    },
    /// Access is refused.
    #[error("{store}: access to {what} is refused")]
    Denied {
        /// The store.
        store: String,
        /// What was wanted.
        what: String,
        /// What the medium reports.
        #[source]
        source: io::Error,
    },
    /// The store does not answer, has no room, or fails.
    #[error("{store}: cannot {act}")]
    Unavailable {
        /// The store.
        store: String,
        /// What was tried.
        act: String,
        /// What the medium reports.
        #[source]
        source: io::Error,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Exists { .. } | Self::TooLarge { .. } => Kind::Failed,
            Self::Locked { .. } => Kind::Locked,
            Self::Denied { .. } => Kind::StoreDenied,
            Self::Unavailable { .. } => Kind::StoreUnavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Locked { .. } => Some("Wait for it to end; a lease ends by itself when its process dies.".into()),
            Self::NotFound { .. } => Some("`hub-backup list` shows what the store has.".into()),
            Self::Denied { .. } => Some("Give the account that runs this access to the store.".into()),
            Self::Unavailable { source, .. } if is_full(source) => {
                Some("Make room in the store and run again; what is there is whole.".into())
            }
            Self::Unavailable { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(
                "Mount the disk that the store lies on, or name its folder with --store; `hub-backup init` makes a store.".into(),
            ),
            Self::Exists { .. } | Self::TooLarge { .. } | Self::Unavailable { .. } => None,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
