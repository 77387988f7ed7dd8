//! The encrypted content index: one JSON record a line, in the order of the payload.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use super::entry::Entry;
use super::entry::Part;
use super::entry::Stream;
use super::kind::SourceKind;
use super::name::BundleId;
use super::name::Label;
use super::path::EntryPath;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::base::record::version_hint;
use crate::base::tar;

/// The version of the index that this program writes and reads.
pub const VERSION: u32 = 1;

/// One line of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Record {
    /// The first line.
    Begin(Begin),
    /// A source begins: the entries after it, up to the next such line, are its own.
    Source(SourceRecord),
    /// One member of the inner tar.
    Entry(Entry),
    /// One member of the inner tar that is a part of a stream.
    Part(Part),
    /// The end of a stream; no member of its own.
    Stream(Stream),
    /// Something is missing or may be inconsistent, by the operator's leave; no member of its own.
    Exception(Exception),
    /// The source has ended, and this is what it learnt.
    Facts(Facts),
    /// The last line.
    End(Totals),
}

/// The first line of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// [`VERSION`].
    pub version: u32,
    /// The bundle that this index belongs to.
    pub bundle: BundleId,
}

/// A source begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRecord {
    /// Its label: the first component of its entries' paths.
    pub label: Label,
    /// As in the manifest.
    pub kind: SourceKind,
}

/// What a source learnt, such as page counts. Secret as the index is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The source.
    pub label: Label,
    /// Facts by name; the names are in `docs/format.md`.
    pub facts: BTreeMap<String, String>,
}

/// Something is missing or may be inconsistent, by the operator's leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What it is about.
    pub path: EntryPath,
    /// What happened, in words.
    pub reason: String,
}

/// Totals over the whole payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Entries and streams.
    pub entries: u64,
    /// Exceptions.
    pub exceptions: u64,
    /// Bytes of content, holes not counted.
    pub content_bytes: u64,
    /// Bytes of the tar stream.
    pub tar_bytes: u64,
    /// Blocks of the payload.
    pub blocks: u64,
}

/// A line is not a record of this version.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// Longer than any record.
    #[error("a line of the index is longer than {} bytes", limits::INDEX_LINE_BYTES_MAX)]
    TooLong,
    /// Not a record.
    #[error("a line of the index is not a record of version {VERSION}")]
    NotARecord(#[source] serde_json::Error),
    /// An index of another version.
    #[error("version {0} of the index is unknown; this program reads version {VERSION}")]
    Version(u32),
    /// A record whose values do not fit each other.
    #[error("a record of the index contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl Fault for BadRecord {
    fn kind(&self) -> Kind {
        match self {
            Self::Version(_) => Kind::Failed,
            Self::TooLong | Self::NotARecord(_) | Self::Contradiction(_) => Kind::DigestMismatch,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Version(found) => Some(version_hint(u64::from(*found), VERSION)),
            Self::TooLong | Self::NotARecord(_) | Self::Contradiction(_) => None,
        }
    }
}

impl Record {
    /// Reads one line, without its line feed.
    ///
    /// # Errors
    /// See [`BadRecord`].
    pub fn parse(line: &[u8]) -> Result<Self, BadRecord> {
        if line.len() > limits::INDEX_LINE_BYTES_MAX {
            return Err(BadRecord::TooLong);
        }
        let record: Self = serde_json::from_slice(line).map_err(BadRecord::NotARecord)?;
        record.check()?;
        Ok(record)
    }

    /// Appends the line, with its line feed.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, self).expect("a record has only string keys, and a Vec takes every byte");
        out.push(b'\n');
    }

    fn check(&self) -> Result<(), BadRecord> {
        match self {
            Self::Entry(entry) => check_entry(entry),
            Self::Stream(stream) if stream.mode > 0o7777 => Err(BadRecord::Contradiction("mode")),
            Self::Part(Part { size, .. }) | Self::Stream(Stream { size, .. }) if *size > limits::FILE_BYTES_MAX => {
                Err(BadRecord::Contradiction("size"))
            }
            Self::Begin(begin) if begin.version != VERSION => Err(BadRecord::Version(begin.version)),
            Self::Begin(_)
            | Self::Source(_)
            | Self::Part(_)
            | Self::Stream(_)
            | Self::Exception(_)
            | Self::Facts(_)
            | Self::End(_) => Ok(()),
        }
    }
}

fn check_entry(entry: &Entry) -> Result<(), BadRecord> {
    use super::entry::Node;
    let attributes = &entry.attributes;
    if attributes.mode > 0o7777 {
        return Err(BadRecord::Contradiction("mode"));
    }
    if attributes.mtime.nanos >= 1_000_000_000 {
        return Err(BadRecord::Contradiction("nanoseconds"));
    }
    if !attributes.xattrs.windows(2).all(|pair| pair[0].name < pair[1].name) {
        return Err(BadRecord::Contradiction("order of extended attributes"));
    }
    if attributes
        .xattrs
        .iter()
        .any(|xattr| xattr.name.0.is_empty() || xattr.name.0.contains(&0) || xattr.name.0.contains(&b'='))
    {
        return Err(BadRecord::Contradiction("name of an extended attribute"));
    }
    match &entry.node {
        Node::File { size, .. } if *size > limits::FILE_BYTES_MAX => Err(BadRecord::Contradiction("size")),
        Node::File {
            size,
            extents: Some(extents),
            ..
        } => check_extents(*size, extents),
        Node::Symlink { target } if target.0.is_empty() || target.0.contains(&0) => {
            Err(BadRecord::Contradiction("link target"))
        }
        Node::File { extents: None, .. } | Node::Directory | Node::Symlink { .. } | Node::Hardlink { .. } => Ok(()),
    }
}

fn check_extents(size: u64, extents: &[super::entry::Extent]) -> Result<(), BadRecord> {
    if extents.len() > limits::EXTENTS_MAX {
        return Err(BadRecord::Contradiction("too many extents"));
    }
    let mut end = None;
    for extent in extents {
        let begins_after = end.is_none_or(|end| extent.offset > end);
        let next = extent.offset.checked_add(extent.length).filter(|next| *next <= size);
        match next {
            Some(next) if begins_after && extent.length > 0 && is_aligned(extent, size) => end = Some(next),
            _ => return Err(BadRecord::Contradiction("extents")),
        }
    }
    Ok(())
}

/// Stock tar pads the data of each extent to whole blocks, so only the end of the file may lie within one.
fn is_aligned(extent: &super::entry::Extent, size: u64) -> bool {
    let end = extent.offset + extent.length;
    extent.offset.is_multiple_of(tar::BLOCK_BYTES) && (end.is_multiple_of(tar::BLOCK_BYTES) || end == size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_no_file_can_have() {
        let digest = crate::base::digest::Digest::of(b"");
        let line = |size: u64| {
            format!(
                r#"{{"entry":{{"path":"hub/a","node":{{"file":{{"size":{size},"extents":[{{"offset":0,"length":{size}}}],"sha256":"{digest}"}}}},"attributes":{{"mode":0,"uid":0,"gid":0,"mtime":{{"seconds":0,"nanos":0}}}},"at":{{"block":0,"skip":0}}}}}}"#
            )
        };
        assert!(Record::parse(line(limits::FILE_BYTES_MAX).as_bytes()).is_ok());
        for size in [limits::FILE_BYTES_MAX + 1, u64::MAX] {
            let error = Record::parse(line(size).as_bytes()).expect_err("too large");
            assert_eq!(error.to_string(), "a record of the index contradicts itself: size");
        }
    }

    #[test]
    fn rows_of_a_stream_are_there_or_not_and_never_null() {
        let digest = crate::base::digest::Digest::of(b"");
        let line = |rows: &str| {
            format!(r#"{{"stream":{{"path":"hub/a","mode":384,"parts":1,"size":0,"sha256":"{digest}"{rows}}}}}"#)
        };
        let fingerprint = crate::base::fingerprint::Fingerprint::default();
        let rows = format!(r#","rows":{{"count":0,"fingerprint":"{fingerprint}"}}"#);
        assert!(Record::parse(line("").as_bytes()).is_ok());
        assert!(Record::parse(line(&rows).as_bytes()).is_ok());
        assert!(Record::parse(line(r#","rows":null"#).as_bytes()).is_err());
    }
}
