//! `header.json`: what a reader must know before anything else.

use serde::Deserialize;
use serde::Serialize;

use super::name::BundleId;
use super::name::SetName;
use super::suite::Suite;
use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::base::record;
use crate::base::record::Unread;
use crate::base::record::version_hint;
use crate::base::tar;

/// The format version that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// The word that tells the header of a bundle from other JSON.
pub const MAGIC: &str = "hub-backup bundle";

/// The first facts of a bundle. Signed by way of its digest in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`MAGIC`].
    pub format: String,
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// The name of the bundle.
    pub bundle: BundleId,
    /// The set that it belongs to.
    pub set: SetName,
    /// When it was begun.
    pub created: Timestamp,
    /// How it is encrypted.
    pub suite: Suite,
    /// Bytes in every segment but the last of a container.
    pub segment_bytes: u32,
    /// Most bytes that a block of the payload or the index holds before compression.
    pub block_bytes: u32,
    /// Program and version that wrote it.
    pub tool: String,
}

/// The header cannot be read by this version.
#[derive(Debug, thiserror::Error)]
pub enum BadHeader {
    /// Not a header at all.
    #[error("not the header of a hub-backup bundle")]
    NotAHeader(#[source] serde_json::Error),
    /// A header of another version.
    #[error("format version {0} is unknown; this program reads version {FORMAT_VERSION}")]
    Version(u64),
    /// A size outside its bounds.
    #[error("{what} of {value} bytes is outside the bounds of version {FORMAT_VERSION}")]
    Size {
        /// Which size.
        what: &'static str,
        /// Its value.
        value: u32,
    },
}

impl Fault for BadHeader {
    fn kind(&self) -> Kind {
        match self {
            Self::Version(_) => Kind::Failed,
            Self::NotAHeader(_) | Self::Size { .. } => Kind::DigestMismatch,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Version(found) => Some(version_hint(*found, FORMAT_VERSION)),
            Self::NotAHeader(_) | Self::Size { .. } => None,
        }
    }
}

impl Header {
    /// The bytes of `header.json`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        record::pretty(self)
    }

    /// Reads `header.json`, strictly: unknown fields and versions are refused.
    ///
    /// # Errors
    /// See [`BadHeader`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadHeader> {
        let header: Self = record::versioned(bytes, FORMAT_VERSION).map_err(|unread| match unread {
            Unread::Form(source) => BadHeader::NotAHeader(source),
            Unread::Version(found) => BadHeader::Version(found),
        })?;
        if header.format != MAGIC {
            return Err(BadHeader::NotAHeader(serde::de::Error::custom(
                "the field 'format' names something else",
            )));
        }
        check_size("a segment", header.segment_bytes, limits::SEGMENT_BYTES_MAX)?;
        check_size("a block", header.block_bytes, limits::BLOCK_BYTES_MAX)?;
        Ok(header)
    }
}

fn check_size(what: &'static str, value: u32, most: u32) -> Result<(), BadHeader> {
    let fits = (limits::BLOCK_BYTES_MIN..=most).contains(&value) && u64::from(value).is_multiple_of(tar::BLOCK_BYTES);
    if fits {
        Ok(())
    } else {
        Err(BadHeader::Size { what, value })
    }
}
