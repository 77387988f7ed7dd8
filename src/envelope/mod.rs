//! Level 3: the outer tar of a bundle, written in one pass and read strictly.
//!
//! Each tar header is a function of name and size, so every byte of a bundle is either signed by way of a digest or known
//! beforehand: nothing can be changed without notice.

use std::io;

use crate::base::digest::Digest;
use crate::base::fault;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::tar;
use crate::bundle::header::BadHeader;
use crate::bundle::header::Header;
use crate::bundle::manifest::ContainerFacts;
use crate::bundle::manifest::Manifest;
use crate::bundle::manifest::Member;
use crate::bundle::outer;
use crate::bundle::outer::Container;
use crate::bundle::trailer::BadTrailer;
use crate::bundle::trailer::TRAILER_BYTES;

pub mod pages;
pub mod read;
pub mod segments;
pub mod write;

/// A bundle's outer form is damaged, or does not fit its manifest.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file cannot be read.
    #[error("cannot read the bundle")]
    Read(#[source] io::Error),
    /// The end of the file is not that of a bundle.
    #[error(transparent)]
    Trailer(#[from] BadTrailer),
    /// The header says what this version does not read.
    #[error("{}", outer::HEADER)]
    Header(#[source] BadHeader),
    /// Header and manifest speak of different bundles.
    #[error("header.json and manifest.json differ in {0}")]
    HeaderDiffers(&'static str),
    /// There is no signature member, or an empty one.
    #[error("the bundle has no signature")]
    NoSignature,
    /// Bytes between the contents are not what the format has there.
    #[error("the tar header or padding of {0} is damaged")]
    Frame(String),
    /// The file is longer or shorter than its manifest says.
    #[error("the bundle has {actual} bytes, and its manifest describes {expected}")]
    Length {
        /// What the manifest describes.
        expected: u64,
        /// What the file has.
        actual: u64,
    },
    /// The content of a member is not what was signed.
    #[error("{member} has the digest {actual}, and the manifest says {expected}")]
    Digest {
        /// The member, or the container whose chain is meant.
        member: String,
        /// What was signed.
        expected: Digest,
        /// What was read.
        actual: Digest,
    },
    /// The manifest describes an impossible layout.
    #[error("the manifest describes an impossible layout: {0}")]
    Layout(&'static str),
    /// The work was told to stop.
    #[error(transparent)]
    Interrupted(#[from] crate::base::cancel::Interrupted),
}

impl Fault for Damage {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSignature => Kind::SignatureMissing,
            Self::Interrupted(_) => Kind::Incomplete,
            Self::Header(error) => error.kind(),
            Self::Read(error) => fault::kind_of_read(error),
            Self::Trailer(_)
            | Self::HeaderDiffers(_)
            | Self::Frame(_)
            | Self::Length { .. }
            | Self::Digest { .. }
            | Self::Layout(_) => Kind::DigestMismatch,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Interrupted(_) | Self::NoSignature => None,
            Self::Header(error @ BadHeader::Version(_)) => error.hint(),
            Self::Read(error) => Some(fault::hint_of_read(error)),
            Self::Trailer(_)
            | Self::Header(_)
            | Self::HeaderDiffers(_)
            | Self::Frame(_)
            | Self::Length { .. }
            | Self::Digest { .. }
            | Self::Layout(_) => Some(fault::ANOTHER_COPY.into()),
        }
    }
}

/// Where each member lies, computed from the manifest and the segment size alone.
#[derive(Clone, Debug)]
pub struct Layout {
    segment_bytes: u64,
    data: Span,
    index: Span,
    /// Offset of the tar header of `SHA256SUMS`.
    sums: u64,
    /// Offset of the tar header of `manifest.json`.
    manifest: u64,
}

/// The segments of one container in the file.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Offset of the tar header of the first segment.
    begin: u64,
    segments: u64,
    bytes: u64,
}

impl Layout {
    /// Computes the layout of a bundle.
    ///
    /// # Errors
    /// `Layout` when the numbers of the manifest do not fit each other or a bound.
    pub fn new(manifest: &Manifest, header: &Header) -> Result<Self, Damage> {
        let segment_bytes = u64::from(header.segment_bytes);
        let members = &manifest.members;
        let mut at: u64 = 0;
        for member in [&members.recover, &members.header].into_iter().chain(&members.keyslots) {
            at += tar::member_bytes(member.bytes);
        }
        let data = Span::new(&members.data, segment_bytes, at)?;
        let index = Span::new(&members.index, segment_bytes, data.end())?;
        let sums = index.end();
        Ok(Self {
            segment_bytes,
            data,
            index,
            sums,
            manifest: sums + tar::member_bytes(members.sums.bytes),
        })
    }

    /// The length of the whole file, with signatures of `signatures_bytes`.
    fn total_bytes(&self, manifest_bytes: u64, signatures_bytes: u64) -> u64 {
        self.manifest
            + tar::member_bytes(manifest_bytes)
            + tar::member_bytes(signatures_bytes)
            + tar::member_bytes(TRAILER_BYTES as u64)
            + tar::END_BYTES
    }

    fn span(&self, container: Container) -> Span {
        match container {
            Container::Payload => self.data,
            Container::Index => self.index,
        }
    }

    /// The number of segments of a container.
    #[must_use]
    pub fn segments(&self, container: Container) -> u64 {
        self.span(container).segments
    }

    /// The bytes of a container.
    #[must_use]
    pub fn container_bytes(&self, container: Container) -> u64 {
        self.span(container).bytes
    }

    /// Offset of the tar header of a segment, and the length of its content.
    fn segment(&self, container: Container, number: u64) -> (u64, u64) {
        let span = self.span(container);
        let begin = span.begin + number * (tar::BLOCK_BYTES + self.segment_bytes);
        let length = if number + 1 == span.segments {
            span.bytes - number * self.segment_bytes
        } else {
            self.segment_bytes
        };
        (begin, length)
    }
}

impl Span {
    fn new(facts: &ContainerFacts, segment_bytes: u64, begin: u64) -> Result<Self, Damage> {
        if facts.segments == 0 || facts.segments > crate::base::limits::SEGMENTS_MAX {
            return Err(Damage::Layout("the number of segments is out of bounds"));
        }
        // Bounded by SEGMENTS_MAX * SEGMENT_BYTES_MAX, so nothing here overflows.
        let full = (facts.segments - 1) * segment_bytes;
        if facts.bytes <= full || facts.bytes > full + segment_bytes {
            return Err(Damage::Layout(
                "the number of segments does not fit the bytes of a container",
            ));
        }
        Ok(Self {
            begin,
            segments: facts.segments,
            bytes: facts.bytes,
        })
    }

    fn end(&self) -> u64 {
        self.begin + self.segments * tar::BLOCK_BYTES + self.bytes + tar::padding(self.bytes)
    }
}

/// Refuses names that the members before the containers do not have, and lengths above their bounds.
fn check_names(manifest: &Manifest) -> Result<(), Damage> {
    use crate::base::limits;
    let members = &manifest.members;
    let fits = |member: &Member, name: &str, most: u64| member.name == name && member.bytes <= most;
    if !fits(&members.recover, outer::RECOVER, limits::RECOVER_BYTES_MAX)
        || !fits(&members.header, outer::HEADER, limits::MANIFEST_BYTES_MAX)
        || !fits(&members.sums, outer::SUMS, limits::SUMS_BYTES_MAX)
        || members.keyslots.len() > limits::SLOTS_MAX
    {
        return Err(Damage::Layout(
            "a member has another name or size than this version knows",
        ));
    }
    for slot in &members.keyslots {
        let name = slot.name.strip_prefix("keyslots/").unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) || slot.bytes > limits::SLOT_BYTES_MAX {
            return Err(Damage::Layout(
                "a key slot has a name or size that this version does not know",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
