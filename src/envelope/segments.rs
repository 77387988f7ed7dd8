//! The bytes of a container out of a checked bundle: every segment is hashed again when it is read, so that nothing can
//! change between the check and the use.

use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;

use crate::base::digest::Digest;
use crate::base::read_at::ReadAt;
use crate::base::tar;
use crate::bundle::outer::Container;

use super::Damage;
use super::Layout;
use super::pages::Page;
use super::pages::Pages;
use super::read::Checked;

/// Reads one container, a whole segment at a time. Its errors are [`io::Error`]s around [`Damage`].
pub struct SegmentReader<'a> {
    object: &'a dyn ReadAt,
    layout: &'a Layout,
    container: Container,
    digests: &'a Pages,
    page: Option<Page>,
    position: u64,
    /// The segment in `buffer`.
    loaded: Option<u64>,
    buffer: Vec<u8>,
}

impl<'a> SegmentReader<'a> {
    /// A reader at the begin of a container of a bundle that was checked.
    #[must_use]
    pub fn new(object: &'a dyn ReadAt, checked: &'a Checked, container: Container) -> Self {
        let digests = match container {
            Container::Payload => &checked.data,
            Container::Index => &checked.index,
        };
        Self {
            object,
            layout: &checked.layout,
            container,
            digests,
            page: None,
            position: 0,
            loaded: None,
            buffer: Vec::new(),
        }
    }

    /// The bytes of the whole container.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.layout.container_bytes(self.container)
    }

    fn load(&mut self, number: u64) -> io::Result<()> {
        let (offset, bytes) = self.layout.segment(self.container, number);
        self.loaded = None;
        self.buffer.resize(usize::try_from(bytes).map_err(io::Error::other)?, 0);
        self.object.read_exact_at(&mut self.buffer, offset + tar::BLOCK_BYTES)?;
        let actual = Digest::of(&self.buffer);
        let expected = self.digests.digest(self.object, number, &mut self.page);
        let expected = expected.map_err(invalid)?;
        if actual != expected {
            let member = self.container.segment_name(number);
            return Err(invalid(Damage::Digest {
                member,
                expected,
                actual,
            }));
        }
        self.loaded = Some(number);
        Ok(())
    }
}

fn invalid(damage: Damage) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, damage)
}

impl Read for SegmentReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length() || out.is_empty() {
            return Ok(0);
        }
        let number = self.position / self.layout.segment_bytes;
        if self.loaded != Some(number) {
            self.load(number)?;
        }
        let within = usize::try_from(self.position % self.layout.segment_bytes).map_err(io::Error::other)?;
        let rest = &self.buffer[within..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for SegmentReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(delta) => self.length().checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
