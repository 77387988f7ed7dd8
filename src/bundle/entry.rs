//! The things in a payload: files, folders, links and streams, as values; and what a source hands them to.

use std::io;
use std::io::Read;

use serde::Deserialize;
use serde::Serialize;

use super::path::EntryPath;
use super::path::RawBytes;
use crate::base::cancel::Interrupted;
use crate::base::digest::Digest;
use crate::base::digest::Hasher;
use crate::base::fingerprint::Fingerprint;
use crate::base::record::not_null;

/// A time of modification: seconds since 1970, and nanoseconds past them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mtime {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// Nanoseconds past `seconds`, below 1,000,000,000.
    pub nanos: u32,
}

/// One extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Xattr {
    /// Its full name, with the name space: `user.comment`.
    pub name: RawBytes,
    /// Its value.
    pub value: RawBytes,
}

/// What every entry has beside its content.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of modification.
    pub mtime: Mtime,
    /// Extended attributes, sorted by name, no name twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<Xattr>,
}

/// A stretch of a sparse file that holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// Where in the file it begins.
    pub offset: u64,
    /// How long it is; not zero.
    pub length: u64,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Node {
    /// A regular file.
    File {
        /// Its size, holes included.
        size: u64,
        /// Where its data is, for a sparse file: rising, not touching, within `size`, beginning and ending at multiples of 512 or at `size`. The stored content is the extents' data, joined.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
        extents: Option<Vec<Extent>>,
        /// The digest of its content, holes read as zeros.
        sha256: Digest,
    },
    /// A folder.
    Directory,
    /// A symbolic link, whose target is any byte string.
    Symlink {
        /// Where it points.
        target: RawBytes,
    },
    /// One more name of a file that came before.
    Hardlink {
        /// The path of that file in this bundle.
        target: EntryPath,
    },
}

/// Where the tar header of an entry begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The offset of its block in the payload container's plaintext.
    pub block: u64,
    /// The offset of the header in the block, decompressed.
    pub skip: u32,
}

/// One entry of the payload: one member of the inner tar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its path, beginning with the label of its source.
    pub path: EntryPath,
    /// What it is.
    pub node: Node,
    /// Mode, owner, time, extended attributes.
    pub attributes: Attributes,
    /// Where it is.
    pub at: Location,
}

impl Entry {
    /// The number of content bytes that its tar member holds, without the sparse map.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        match &self.node {
            Node::File {
                size, extents: None, ..
            } => *size,
            Node::File {
                extents: Some(extents), ..
            } => extents.iter().map(|extent| extent.length).sum(),
            Node::Directory | Node::Symlink { .. } | Node::Hardlink { .. } => 0,
        }
    }
}

/// One part of a stream whose length was not known: a tar member `PATH.part-00000000` that `cat` joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The path of the stream.
    pub path: EntryPath,
    /// Counted from 0 within the stream.
    pub number: u32,
    /// Bytes in this part.
    pub size: u64,
    /// Where it is.
    pub at: Location,
}

/// The end of a stream: all its parts came before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// The path of the joined stream.
    pub path: EntryPath,
    /// Permission bits of the joined file.
    pub mode: u32,
    /// How many parts it has; an empty stream has one empty part.
    pub parts: u32,
    /// Bytes in all parts.
    pub size: u64,
    /// The digest of the joined parts.
    pub sha256: Digest,
    /// The rows in it, where it holds rows of a table.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
    pub rows: Option<Rows>,
}

/// What is in a stream of rows, whatever their order: the same for a table that was restored elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The sum of their fingerprints.
    pub fingerprint: Fingerprint,
}

impl Rows {
    /// Counts one row, given as the text that its source defines.
    pub fn add(&mut self, row: &[u8]) {
        self.count += 1;
        self.fingerprint.add(row);
    }

    /// Counts all rows of another stretch of the same table.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.fingerprint.merge(other.fingerprint);
    }
}

/// A stream that is being collected. Several may be open at once: their parts are stored in the order in which they are given.
pub struct OpenStream {
    pub(crate) path: EntryPath,
    pub(crate) mode: u32,
    pub(crate) parts: u32,
    pub(crate) size: u64,
    pub(crate) hasher: Hasher,
}

impl OpenStream {
    /// A stream without content yet. `mode` holds the permission bits of the joined file.
    #[must_use]
    pub fn new(path: EntryPath, mode: u32) -> Self {
        let hasher = Hasher::new();
        Self {
            path,
            mode,
            parts: 0,
            size: 0,
            hasher,
        }
    }

    /// The path of the joined stream.
    #[must_use]
    pub fn path(&self) -> &EntryPath {
        &self.path
    }

    /// Permission bits of the joined file.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.mode
    }
}

/// Why an entry could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The content could not be read.
    #[error("cannot read the content")]
    Content(#[source] io::Error),
    /// The content ended before the announced size.
    #[error("the content ended after {got} of {expected} bytes")]
    Short {
        /// The announced size.
        expected: u64,
        /// What came.
        got: u64,
    },
    /// The rest of the pipeline has ended; its own error says why.
    #[error("the pipeline has stopped")]
    Stopped,
    /// The work was told to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What a source gives its entries to, in the order in which they shall be stored.
///
/// A folder comes before what is in it; a hard link after the file that it names. No path comes twice: giving one twice
/// is a defect of the source. After an error the collector takes nothing more.
pub trait Collector {
    /// A file of known size. Reads exactly the stored bytes (`size`, or the sum of the `extents`) from `content`, and not more.
    /// Gives the digest of the content, holes read as zeros.
    ///
    /// # Errors
    /// `Short` when `content` ends early; see [`CollectError`].
    fn file(
        &mut self,
        path: EntryPath,
        attributes: Attributes,
        size: u64,
        extents: Option<Vec<Extent>>,
        content: &mut dyn Read,
    ) -> Result<Digest, CollectError>;

    /// A folder, a symbolic link or a hard link.
    ///
    /// # Errors
    /// See [`CollectError`].
    fn node(&mut self, path: EntryPath, attributes: Attributes, node: NodeWithoutContent) -> Result<(), CollectError>;

    /// A stream read to its end. Gives the number of bytes and their digest.
    ///
    /// # Errors
    /// See [`CollectError`].
    fn stream(&mut self, path: EntryPath, mode: u32, content: &mut dyn Read) -> Result<(u64, Digest), CollectError>;

    /// The next bytes of a stream. Each call makes at least one part, so give some hundred kilobytes at a time.
    ///
    /// # Errors
    /// See [`CollectError`].
    fn part(&mut self, stream: &mut OpenStream, bytes: &[u8]) -> Result<(), CollectError>;

    /// The end of a stream given in parts. Gives the number of bytes and their digest.
    ///
    /// # Errors
    /// See [`CollectError`].
    fn end(&mut self, stream: OpenStream, rows: Option<Rows>) -> Result<(u64, Digest), CollectError>;

    /// Records in the index that something under `path` is missing or may be inconsistent, by the operator's leave.
    ///
    /// # Errors
    /// See [`CollectError`].
    fn exception(&mut self, path: EntryPath, reason: String) -> Result<(), CollectError>;
}

/// The kinds of [`Node`] that have no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeWithoutContent {
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: RawBytes,
    },
    /// One more name of a file that came before.
    Hardlink {
        /// The path of that file in this bundle.
        target: EntryPath,
    },
}

impl From<NodeWithoutContent> for Node {
    fn from(node: NodeWithoutContent) -> Self {
        match node {
            NodeWithoutContent::Directory => Self::Directory,
            NodeWithoutContent::Symlink { target } => Self::Symlink { target },
            NodeWithoutContent::Hardlink { target } => Self::Hardlink { target },
        }
    }
}
