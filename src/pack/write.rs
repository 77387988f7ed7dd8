//! Entries to one tar stream, cut into blocks.
//!
//! Every byte of content is hashed on its way into the block. Records of what was packed travel with the block in which
//! it ended, because where its block lies in the container is known only once that block has been compressed.

use std::io;
use std::io::Read;

use super::header;
use crate::base::cancel::Cancel;
use crate::base::digest::Digest;
use crate::base::digest::Hasher;
use crate::base::limits;
use crate::base::parallel::Pool;
use crate::base::parallel::Stopped;
use crate::base::progress::Progress;
use crate::base::tar;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Collector;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Extent;
use crate::bundle::entry::Location;
use crate::bundle::entry::Node;
use crate::bundle::entry::NodeWithoutContent;
use crate::bundle::entry::OpenStream;
use crate::bundle::entry::Part;
use crate::bundle::entry::Rows;
use crate::bundle::entry::Stream;
use crate::bundle::index::Exception;
use crate::bundle::index::Record;
use crate::bundle::index::Totals;
use crate::bundle::path::EntryPath;

/// A stretch of the tar stream, to be compressed on its own.
#[derive(Debug)]
pub struct Block {
    /// Its number, counted from 0.
    pub number: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What ended in it. Each location names the *number* of a block, not yet an offset.
    pub records: Vec<Record>,
    /// No later record names a block before this one.
    pub oldest: u64,
}

/// Writes the tar stream and hands out its blocks.
pub struct Packer<'a> {
    hand_out: &'a mut dyn FnMut(Block) -> Result<(), Stopped>,
    pool: Pool,
    cancel: &'a Cancel,
    progress: &'a dyn Progress,
    /// The modification time of parts.
    seconds: i64,
    /// The block being filled; its length is the block size.
    block: Vec<u8>,
    used: usize,
    number: u64,
    records: Vec<Record>,
    /// The block in which the member being written begins.
    open_since: u64,
    totals: Totals,
}

impl<'a> Packer<'a> {
    /// A packer of blocks of `block_bytes`, taken from `pool`, handed to `hand_out`. `seconds` is the time of parts.
    pub fn new(
        block_bytes: u32,
        seconds: i64,
        pool: Pool,
        cancel: &'a Cancel,
        progress: &'a dyn Progress,
        hand_out: &'a mut dyn FnMut(Block) -> Result<(), Stopped>,
    ) -> Self {
        let block = vec![0; block_bytes as usize];
        let (records, totals) = (Vec::new(), Totals::default());
        Self {
            hand_out,
            pool,
            cancel,
            progress,
            seconds,
            block,
            used: 0,
            number: 0,
            records,
            open_since: 0,
            totals,
        }
    }

    /// Puts a record without a member into the index.
    pub fn note(&mut self, record: Record) {
        self.records.push(record);
    }

    /// How many exceptions were recorded so far.
    #[must_use]
    pub fn exceptions(&self) -> u64 {
        self.totals.exceptions
    }

    /// Ends the tar stream. Gives the totals.
    ///
    /// # Errors
    /// When the pipeline has stopped.
    pub fn finish(mut self) -> Result<Totals, CollectError> {
        self.write(&tar::END)?;
        let tar_bytes = self.totals.tar_bytes + self.used as u64;
        let totals = Totals {
            tar_bytes,
            blocks: self.number + 1,
            ..self.totals
        };
        self.note(Record::End(totals));
        self.flush()?;
        Ok(totals)
    }

    /// Hands out the block, if it holds anything, and begins the next one.
    fn flush(&mut self) -> Result<(), CollectError> {
        if self.used == 0 && self.records.is_empty() {
            return Ok(());
        }
        self.cancel.check()?;
        let size = self.block.len();
        let mut bytes = std::mem::take(&mut self.block);
        bytes.truncate(self.used);
        self.totals.tar_bytes += bytes.len() as u64;
        let records = std::mem::take(&mut self.records);
        self.progress.advance(bytes.len() as u64);
        let block = Block {
            number: self.number,
            bytes,
            records,
            oldest: self.open_since.min(self.number + 1),
        };
        self.number += 1;
        self.used = 0;
        (self.hand_out)(block).map_err(|Stopped| CollectError::Stopped)?;
        // Taken only now: what was handed out may have come back. It has this size or little less; only a new one costs the zeros.
        self.block = self.pool.take();
        self.block.resize(size, 0);
        Ok(())
    }

    /// Appends bytes, handing out blocks as they fill.
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), CollectError> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let step = bytes.len().min(room.len());
            room[..step].copy_from_slice(&bytes[..step]);
            self.used += step;
            bytes = &bytes[step..];
        }
        Ok(())
    }

    /// The free rest of the block, never empty.
    fn room(&mut self) -> Result<&mut [u8], CollectError> {
        if self.used == self.block.len() {
            self.flush()?;
        }
        Ok(&mut self.block[self.used..])
    }

    /// Begins a member: where its header will be. A large member begins a block of its own, so that reading it alone reads little else.
    fn begin(&mut self, member_bytes: u64) -> Result<Location, CollectError> {
        let rest = (self.block.len() - self.used) as u64;
        let mostly_full = self.used >= self.block.len() / 2;
        if self.used == self.block.len() || (member_bytes > rest && mostly_full) {
            self.flush()?;
        }
        self.open_since = self.number;
        Ok(Location {
            block: self.number,
            skip: u32::try_from(self.used).expect("a block is shorter than 4 GiB"),
        })
    }

    /// Ends a member: its record goes with the current block.
    fn end_member(&mut self, record: Record) {
        self.records.push(record);
        self.open_since = u64::MAX;
    }

    /// Copies exactly `length` bytes of content into the stream and the digest.
    fn copy(&mut self, content: &mut dyn Read, length: u64, hasher: &mut Hasher) -> Result<(), CollectError> {
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let room = self.room()?;
            let room_bytes = room.len().min(most);
            match content.read(&mut room[..room_bytes]) {
                Ok(0) => {
                    return Err(CollectError::Short {
                        expected: length,
                        got: length - left,
                    });
                }
                Ok(count) => {
                    hasher.update(&room[..count]);
                    self.used += count;
                    left -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CollectError::Content(error)),
            }
        }
        Ok(())
    }

    /// Copies the content of a file, extent by extent, and hashes its holes as zeros.
    fn copy_file(&mut self, content: &mut dyn Read, size: u64, extents: &[Extent]) -> Result<Digest, CollectError> {
        let mut hasher = Hasher::new();
        let mut reached = 0;
        let mut stored = 0;
        for extent in extents {
            hasher.update_zeros_unless(extent.offset - reached, || self.cancel.check())?;
            self.copy(content, extent.length, &mut hasher)?;
            reached = extent.offset + extent.length;
            stored += extent.length;
        }
        hasher.update_zeros_unless(size - reached, || self.cancel.check())?;
        self.totals.content_bytes += stored;
        self.write(tar::fill(stored))?;
        Ok(hasher.finish())
    }

    /// Reads one part of a stream straight into the block behind the place of its header, which is written once the size is known.
    /// A block without room for the header and `least` bytes is handed out before. Gives whether there may be more.
    fn read_part(
        &mut self,
        stream: &mut OpenStream,
        content: &mut dyn Read,
        least: usize,
    ) -> Result<bool, CollectError> {
        let mut part = Part {
            path: stream.path.clone(),
            number: stream.parts,
            size: 0,
            at: Location { block: 0, skip: 0 },
        };
        let header_bytes = header::of_part(&part, self.seconds).len();
        if self.block.len() - self.used <= header_bytes + least {
            self.flush()?;
        }
        part.at = self.begin(0)?;
        let begin = self.used + header_bytes;
        let (got, more) = read_up_to(content, &mut self.block[begin..])?;
        if got == 0 && stream.parts > 0 {
            self.open_since = u64::MAX;
            return Ok(false);
        }
        stream.hasher.update(&self.block[begin..begin + got]);
        stream.parts += 1;
        stream.size += got as u64;
        part.size = got as u64;
        self.block[self.used..begin].copy_from_slice(&header::of_part(&part, self.seconds));
        self.used = begin + got;
        self.totals.content_bytes += part.size;
        self.write(tar::fill(part.size))?;
        self.end_member(Record::Part(part));
        Ok(more)
    }
}

/// Reads until `buffer` is full or the content ends; gives the number of bytes, and whether the buffer was filled.
fn read_up_to(content: &mut dyn Read, buffer: &mut [u8]) -> Result<(usize, bool), CollectError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..]) {
            Ok(0) => return Ok((filled, false)),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CollectError::Content(error)),
        }
    }
    Ok((filled, true))
}

impl Collector for Packer<'_> {
    fn file(
        &mut self,
        path: EntryPath,
        attributes: Attributes,
        size: u64,
        extents: Option<Vec<Extent>>,
        content: &mut dyn Read,
    ) -> Result<Digest, CollectError> {
        let at = Location { block: 0, skip: 0 };
        let node = Node::File {
            size,
            extents,
            sha256: Digest::from_octets([0; 32]),
        };
        let mut entry = Entry {
            path,
            node,
            attributes,
            at,
        };
        let header = header::of_entry(&entry);
        entry.at = self.begin(header.len() as u64 + entry.stored_bytes())?;
        self.write(&header)?;
        let whole = [Extent {
            offset: 0,
            length: size,
        }];
        let Node::File { extents, sha256, .. } = &mut entry.node else {
            unreachable!("made as a file above")
        };
        let list = extents.as_deref().unwrap_or(if size == 0 { &[] } else { &whole });
        let digest = self.copy_file(content, size, list)?;
        *sha256 = digest;
        self.totals.entries += 1;
        self.end_member(Record::Entry(entry));
        Ok(digest)
    }

    fn node(&mut self, path: EntryPath, attributes: Attributes, node: NodeWithoutContent) -> Result<(), CollectError> {
        let mut entry = Entry {
            path,
            node: node.into(),
            attributes,
            at: Location { block: 0, skip: 0 },
        };
        let header = header::of_entry(&entry);
        entry.at = self.begin(header.len() as u64)?;
        self.write(&header)?;
        self.totals.entries += 1;
        self.end_member(Record::Entry(entry));
        Ok(())
    }

    fn stream(&mut self, path: EntryPath, mode: u32, content: &mut dyn Read) -> Result<(u64, Digest), CollectError> {
        let mut stream = OpenStream::new(path, mode);
        let least = self.block.len() / 2;
        while self.read_part(&mut stream, content, least)? {}
        self.end(stream, None)
    }

    fn part(&mut self, stream: &mut OpenStream, mut bytes: &[u8]) -> Result<(), CollectError> {
        while !bytes.is_empty() {
            let least = bytes.len().min(limits::PART_BYTES_MIN);
            let _more = self.read_part(stream, &mut bytes, least)?;
        }
        Ok(())
    }

    fn end(&mut self, mut stream: OpenStream, rows: Option<Rows>) -> Result<(u64, Digest), CollectError> {
        if stream.parts == 0 {
            let _more = self.read_part(&mut stream, &mut io::empty(), 0)?;
        }
        let sha256 = stream.hasher.finish();
        self.totals.entries += 1;
        self.note(Record::Stream(Stream {
            path: stream.path,
            mode: stream.mode,
            parts: stream.parts,
            size: stream.size,
            sha256,
            rows,
        }));
        Ok((stream.size, sha256))
    }

    fn exception(&mut self, path: EntryPath, reason: String) -> Result<(), CollectError> {
        self.totals.exceptions += 1;
        self.note(Record::Exception(Exception { path, reason }));
        Ok(())
    }
}
