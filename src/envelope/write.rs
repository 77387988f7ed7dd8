//! Writes the outer tar in one pass: every size is known before its header is written.

use std::io;
use std::io::Seek as _;
use std::io::Write;

use crate::base::digest::Digest;
use crate::base::digest::Hasher;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::base::spool::Spool;
use crate::base::tar;
use crate::bundle::header::FORMAT_VERSION;
use crate::bundle::header::Header;
use crate::bundle::manifest::ContainerFacts;
use crate::bundle::manifest::Member;
use crate::bundle::manifest::Members;
use crate::bundle::manifest::SegmentChain;
use crate::bundle::outer;
use crate::bundle::outer::Container;
use crate::bundle::trailer::Trailer;

/// A container would have more segments than a reader takes. The error of a [`SegmentWriter`] holds it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the bundle would be larger than a reader takes: more than {} segments",
    limits::SEGMENTS_MAX
)]
pub struct TooManySegments;

impl Fault for TooManySegments {
    fn kind(&self) -> Kind {
        Kind::Failed
    }

    fn hint(&self) -> Option<String> {
        Some("Spread the sources over several sets; nothing was published.".into())
    }
}

/// Lines of `SHA256SUMS` that are kept in memory before they move to a temporary file: those of 3 GiB.
const IN_MEMORY_BYTES: usize = 64 << 10;

/// A bundle whose data is being written. What it is goes by the type: data, then index, then seal.
pub struct Writer<W> {
    out: W,
    offset: u64,
    sums: Sums,
    segment_bytes: usize,
    recover: Member,
    header: Member,
    keyslots: Vec<Member>,
}

/// A bundle whose members up to `SHA256SUMS` are written, waiting for its manifest.
pub struct Unsealed<W> {
    out: W,
    offset: u64,
    /// Digests and lengths of everything written.
    pub members: Members,
}

impl<W: Write> Writer<W> {
    /// Begins a bundle: `RECOVER.txt`, `header.json` and the key slots, given as names within `keyslots/` and contents.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn begin(out: W, header: &Header, recover: &str, slots: &[(&str, &[u8])]) -> io::Result<Self> {
        let nothing = Member {
            name: String::new(),
            bytes: 0,
            sha256: Digest::from_octets([0; 32]),
        };
        let mut writer = Self {
            out,
            offset: 0,
            sums: Sums::default(),
            segment_bytes: header.segment_bytes as usize,
            recover: nothing.clone(),
            header: nothing,
            keyslots: Vec::new(),
        };
        writer.recover = writer.summed(outer::RECOVER.to_owned(), recover.as_bytes())?;
        writer.header = writer.summed(outer::HEADER.to_owned(), &header.to_bytes())?;
        for (name, bytes) in slots {
            let slot = writer.summed(format!("keyslots/{name}"), bytes)?;
            writer.keyslots.push(slot);
        }
        Ok(writer)
    }

    /// A writer for the bytes of a container, which cuts them into segments.
    pub fn container(&mut self, container: Container) -> SegmentWriter<'_, W> {
        let segment = Vec::with_capacity(self.segment_bytes);
        SegmentWriter {
            writer: self,
            container,
            segment,
            segments: 0,
            bytes: 0,
            chain: SegmentChain::default(),
        }
    }

    /// Writes `SHA256SUMS`.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn end(mut self, data: ContainerFacts, index: ContainerFacts) -> io::Result<Unsealed<W>> {
        let sums = self.sums.write(&mut self.out)?;
        let offset = self.offset + tar::member_bytes(sums.bytes);
        let (recover, header, keyslots) = (self.recover, self.header, self.keyslots);
        let members = Members {
            recover,
            header,
            keyslots,
            data,
            index,
            sums,
        };
        Ok(Unsealed {
            out: self.out,
            offset,
            members,
        })
    }

    fn summed(&mut self, name: String, content: &[u8]) -> io::Result<Member> {
        let member = self.member(name, content)?;
        self.sums.add(&outer::sums_line(&member.name, &member.sha256))?;
        Ok(member)
    }

    fn member(&mut self, name: String, content: &[u8]) -> io::Result<Member> {
        let (_, next) = put(&mut self.out, self.offset, &name, content)?;
        self.offset = next;
        Ok(Member {
            bytes: content.len() as u64,
            sha256: Digest::of(content),
            name,
        })
    }
}

/// Writes one member at `offset`; gives the offset of its content and the one after it.
fn put(out: &mut impl Write, offset: u64, name: &str, content: &[u8]) -> io::Result<(u64, u64)> {
    let size = content.len() as u64;
    out.write_all(&outer::tar_header(name, size))?;
    out.write_all(content)?;
    pad(out, size)?;
    Ok((offset + tar::BLOCK_BYTES, offset + tar::member_bytes(size)))
}

/// Writes the zeros after a content.
fn pad(out: &mut impl Write, size: u64) -> io::Result<()> {
    out.write_all(tar::fill(size))
}

/// The lines of `SHA256SUMS` until all are known; past some KiB they wait in an unlinked temporary file. There is nothing secret in them.
struct Sums {
    lines: Spool,
    check: SumsCheck,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            lines: Spool::new(IN_MEMORY_BYTES),
            check: SumsCheck::default(),
        }
    }
}

impl Sums {
    fn add(&mut self, line: &str) -> io::Result<()> {
        self.check.add(line);
        self.lines.write_all(line.as_bytes())
    }

    /// Writes the member.
    fn write(mut self, out: &mut impl Write) -> io::Result<Member> {
        let (sha256, bytes) = self.check.finish();
        out.write_all(&outer::tar_header(outer::SUMS, bytes))?;
        self.lines.rewind()?;
        if io::copy(&mut self.lines, out)? != bytes {
            return Err(io::Error::other("the temporary file of SHA256SUMS lost lines"));
        }
        pad(out, bytes)?;
        Ok(Member {
            name: outer::SUMS.to_owned(),
            bytes,
            sha256,
        })
    }
}

/// Cuts the bytes of a container into segments, holding one at a time.
pub struct SegmentWriter<'a, W> {
    writer: &'a mut Writer<W>,
    container: Container,
    segment: Vec<u8>,
    segments: u64,
    bytes: u64,
    chain: SegmentChain,
}

impl<W: Write> SegmentWriter<'_, W> {
    /// As if so many segments had been written.
    #[cfg(test)]
    pub(super) fn after(mut self, segments: u64) -> Self {
        self.segments = segments;
        self
    }

    /// Writes the last segment; gives the facts of the container.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn finish(mut self) -> io::Result<ContainerFacts> {
        if !self.segment.is_empty() {
            self.cut()?;
        }
        Ok(ContainerFacts {
            segments: self.segments,
            bytes: self.bytes,
            chain: self.chain.value(),
        })
    }

    fn cut(&mut self) -> io::Result<()> {
        if self.segments == limits::SEGMENTS_MAX {
            return Err(io::Error::other(TooManySegments));
        }
        let name = self.container.segment_name(self.segments);
        let member = self.writer.summed(name, &self.segment)?;
        self.chain.add(&member.sha256);
        self.segments += 1;
        self.bytes += member.bytes;
        self.segment.clear();
        Ok(())
    }
}

impl<W: Write> Write for SegmentWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full segment is cut only when more follows, so that the last one is never empty.
        if self.segment.len() == self.writer.segment_bytes && !bytes.is_empty() {
            self.cut()?;
        }
        let count = bytes.len().min(self.writer.segment_bytes - self.segment.len());
        self.segment.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Unsealed<W> {
    /// Writes the manifest, its signatures, the trailer and the end; gives back the writer.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn seal(mut self, manifest: &[u8], signatures: &[u8]) -> io::Result<W> {
        let (manifest_offset, next) = put(&mut self.out, self.offset, outer::MANIFEST, manifest)?;
        let (signatures_offset, next) = put(&mut self.out, next, outer::SIGNATURES, signatures)?;
        let trailer = Trailer {
            version: FORMAT_VERSION,
            manifest_offset,
            manifest_bytes: manifest.len() as u64,
            signatures_offset,
            signatures_bytes: signatures.len() as u64,
            signatures_sha256: Digest::of(signatures),
        };
        let _end = put(&mut self.out, next, outer::TRAILER, &trailer.to_bytes())?;
        self.out.write_all(&tar::END)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Digest and length of all sums lines.
#[derive(Default)]
pub(super) struct SumsCheck {
    hasher: Hasher,
    bytes: u64,
}

impl SumsCheck {
    pub(super) fn add(&mut self, line: &str) {
        self.bytes += line.len() as u64;
        self.hasher.update(line.as_bytes());
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.bytes)
    }
}
