//! Level 3: where a restore lands. A sink stages everything under a name of its own, and takes the final name at the end.

pub mod discard;
pub mod files;
pub mod mysql;
mod notes;
pub mod pipe;
pub mod postgres;
pub mod router;
pub mod row_check;
pub mod sqlite;
mod times;
pub mod uri;

use std::io;
use std::io::BufRead;
use std::path::PathBuf;

use crate::base::fault;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;
use crate::bundle::path::EntryPath;
use row_check::Compared;

/// Takes the entries of a bundle in their stored order.
///
/// Nothing is visible at the final place before `commit`. Dropped without `commit`, a sink removes what it staged.
/// The caller checks digests: when one is wrong it drops the sink. Paths come checked from
/// [`EntryPath`], but a sink defends itself against links that lead out of its folder.
pub trait Sink: Send {
    /// One entry. `content` yields exactly [`Entry::stored_bytes`] and is read to its end; a large one is best written from its buffer
    /// as it stands.
    ///
    /// # Errors
    /// What the target reports; and `Refused` for an entry that must not be written.
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error>;

    /// The next part of a stream, in order within the stream; parts of several streams may come interleaved.
    ///
    /// # Errors
    /// As for `entry`.
    fn part(&mut self, part: &Part, content: &mut dyn BufRead) -> Result<(), Error>;

    /// The end of a stream: its parts make up a file of `stream.mode`.
    ///
    /// # Errors
    /// As for `entry`.
    fn stream(&mut self, stream: &Stream) -> Result<(), Error>;

    /// Waits for every write and checks the staged data: all that can fail for a reason other than the medium. Where a restore has several
    /// targets, all are prepared before the first is committed.
    ///
    /// # Errors
    /// As for `entry`; and `Check` when the data is there but a check on it failed. Nothing is visible then.
    fn prepare(&mut self) -> Result<(), Error>;

    /// What the operator should know of the target before anything is restored to it; known as soon as the sink is made.
    fn dangers(&self) -> Vec<String> {
        Vec::new()
    }

    /// What rows `prepare` has compared with those of the dump; none, where a target has no rows or was told not to compare.
    fn compared(&self) -> Option<Compared> {
        None
    }

    /// Makes the staged data last, and gives it its final name; prepares it first if nobody has. Gives what the operator should know
    /// about what was restored, and that made nothing fail.
    ///
    /// # Errors
    /// As for `prepare`. Nothing is visible then.
    fn commit(self: Box<Self>) -> Result<Vec<String>, Error>;
}

/// What is said of a server where whoever could write to the source may do more than its databases.
fn danger(target: &str, power: &str) -> String {
    format!(
        "{target}: {power}, and the SQL of the dump runs with these rights: whoever could make a function, trigger or event in the source \
         can act as it on this server. Where you do not trust all of them, restore with an account that has rights on its databases alone"
    )
}

/// Why a restore could not land.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target is not empty, or must not be written.
    #[error("will not restore to {}: {reason}", target.display())]
    Target {
        /// The target.
        target: PathBuf,
        /// Why not.
        reason: String,
        /// The next thing to do.
        hint: &'static str,
    },
    /// An entry must not be written.
    #[error("will not restore {path}: {reason}")]
    Refused {
        /// The entry.
        path: EntryPath,
        /// Why not.
        reason: String,
    },
    /// The target does not take an extended attribute.
    #[error("will not restore {path}: the target does not take its extended attribute {name}: {reason}")]
    Xattr {
        /// The entry.
        path: EntryPath,
        /// The attribute.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Writing failed.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
    /// Whoever takes the output takes no more.
    #[error("cannot write the output")]
    Output(#[source] std::io::Error),
    /// A database server could not be reached or refused what was asked of it.
    #[error("cannot restore to {target}: {reason}")]
    Database {
        /// The target, without secrets.
        target: String,
        /// What happened, with the words of the server.
        reason: String,
        /// The next thing to do.
        hint: Option<String>,
    },
    /// The content could not be read from the bundle; its own error says why.
    #[error("cannot read the content of {path}")]
    Content {
        /// The entry.
        path: EntryPath,
        /// What came from the reader.
        #[source]
        source: io::Error,
    },
    /// What is staged failed a check.
    #[error("restored {} failed its check: {reason}", path.display())]
    Check {
        /// What was checked.
        path: PathBuf,
        /// What was found.
        reason: String,
        /// The next thing to do.
        hint: &'static str,
    },
}

/// What to do where something is at the target already, or it may not be restored to.
pub const ELSEWHERE: &str = "Restore to a new place, look at it, and move it where it belongs.";

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Target { .. } => Kind::TargetRefused,
            Self::Refused { .. } | Self::Xattr { .. } | Self::Write { .. } | Self::Database { .. } => {
                Kind::RestoreFailed
            }
            Self::Output(_) => Kind::Failed,
            Self::Content { source, .. } => fault::kind_of_read(source),
            Self::Check { .. } => Kind::AssertionFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Target { hint, .. } | Self::Check { hint, .. } => Some((*hint).into()),
            Self::Write { .. } => {
                Some("Nothing was left at the target. Make room or correct the permissions, and restore again.".into())
            }
            Self::Xattr { .. } => Some(
                "Restore to a file system that takes it, or do without: --allow-missing-xattrs counts what is left away.".into(),
            ),
            Self::Database { hint, .. } => hint.clone(),
            Self::Content { source, .. } => Some(fault::hint_of_read(source)),
            Self::Refused { .. } | Self::Output(_) => None,
        }
    }
}
