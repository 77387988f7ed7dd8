//! The content index on its way into its container: records to lines, lines to compressed blocks, blocks to ciphertext.
//!
//! It is written while the payload flows, and stored after it; until then its ciphertext waits in memory, and past some
//! MiB in an unlinked temporary file.

use std::collections::BTreeMap;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::Write;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::base::spool;
use crate::base::spool::Spool;
use crate::bundle::index::BadRecord;
use crate::bundle::index::Record;
use crate::bundle::outer::Container;
use crate::compress;
use crate::compress::Compressor;
use crate::compress::Decompressor;
use crate::encrypt;
use crate::encrypt::ContentKey;
use crate::encrypt::Encryptor;
use crate::envelope::write::TooManySegments;

/// Ciphertext that is kept in memory before it moves to a temporary file.
const IN_MEMORY_BYTES: usize = 1 << 20;

/// Why the index could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its temporary file or its container failed.
    #[error("cannot write the index")]
    Write(#[source] io::Error),
    /// It would be longer than a reader takes.
    #[error(transparent)]
    TooLarge(#[from] TooManySegments),
    /// A record would be longer than a reader takes.
    #[error(
        "the record of {what} would have {bytes} bytes in the index, and a reader takes {}",
        limits::INDEX_LINE_BYTES_MAX
    )]
    RecordTooLong {
        /// The entry or source that it speaks of.
        what: String,
        /// Its length.
        bytes: usize,
    },
    /// It could not be encrypted or decrypted.
    #[error(transparent)]
    Encrypt(#[from] encrypt::Error),
    /// It could not be compressed or decompressed.
    #[error(transparent)]
    Compress(#[from] compress::Error),
    /// It holds something else than records.
    #[error(transparent)]
    Record(#[from] BadRecord),
    /// It ends in the middle of a line.
    #[error("the index ends in the middle of a record")]
    Cut,
}

impl Error {
    /// Why the container took no more bytes.
    fn unwritten(error: io::Error) -> Self {
        error.downcast().map_or_else(Self::Write, Self::TooLarge)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Write(_) => Kind::StoreUnavailable,
            Self::TooLarge(error) => error.kind(),
            Self::RecordTooLong { .. } => Kind::Failed,
            Self::Encrypt(error) => error.kind(),
            Self::Compress(error) => error.kind(),
            Self::Record(error) => error.kind(),
            Self::Cut => Kind::DigestMismatch,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Write(error) => spool::hint(error).or(Some(
                "Make room in the store or repair it, and run the backup again; nothing was published.".into(),
            )),
            Self::TooLarge(error) => error.hint(),
            Self::RecordTooLong { what, .. } => Some(format!(
                "Leave {what} out, or give it to several sources, each with fewer objects; nothing was published."
            )),
            Self::Encrypt(error) => error.hint(),
            Self::Compress(error) => error.hint(),
            Self::Record(error) => error.hint(),
            Self::Cut => None,
        }
    }
}

/// Writes the index.
pub struct IndexWriter {
    out: Encryptor<Spool>,
    compressor: Compressor,
    block_bytes: usize,
    lines: Vec<u8>,
    frame: Vec<u8>,
    /// Where the blocks lie in the payload container that later records may name.
    offsets: BTreeMap<u64, u64>,
}

impl IndexWriter {
    /// An empty index.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new(key: &ContentKey, block_bytes: u32, level: i32) -> Result<Self, Error> {
        let spool = Spool::new(IN_MEMORY_BYTES);
        Ok(Self {
            out: encrypt::encryptor(key, Container::Index, spool)?,
            compressor: Compressor::new(level)?,
            block_bytes: block_bytes as usize,
            lines: Vec::new(),
            frame: Vec::new(),
            offsets: BTreeMap::new(),
        })
    }

    /// Says that block `number` of the payload lies at `offset`.
    pub fn block(&mut self, number: u64, offset: u64) {
        let _none = self.offsets.insert(number, offset);
    }

    /// Says that no later record names a block before `oldest`.
    pub fn forget_before(&mut self, oldest: u64) {
        self.offsets = self.offsets.split_off(&oldest);
    }

    /// Adds a record whose locations name numbers of blocks.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn add(&mut self, mut record: Record) -> Result<(), Error> {
        match &mut record {
            Record::Entry(entry) => entry.at.block = self.offset(entry.at.block),
            Record::Part(part) => part.at.block = self.offset(part.at.block),
            Record::Begin(_)
            | Record::Source(_)
            | Record::Stream(_)
            | Record::Exception(_)
            | Record::Facts(_)
            | Record::End(_) => {}
        }
        let before = self.lines.len();
        record.append_to(&mut self.lines);
        let bytes = self.lines.len() - before;
        if bytes > limits::INDEX_LINE_BYTES_MAX {
            let what = subject(&record);
            return Err(Error::RecordTooLong { what, bytes });
        }
        while self.lines.len() >= self.block_bytes {
            self.flush(self.block_bytes)?;
        }
        Ok(())
    }

    fn offset(&self, number: u64) -> u64 {
        *self
            .offsets
            .get(&number)
            .expect("the packer names a block until the last record in it")
    }

    fn flush(&mut self, bytes: usize) -> Result<(), Error> {
        self.compressor.compress(&self.lines[..bytes], &mut self.frame)?;
        let _written = compress::write_frame(&self.frame, &mut self.out).map_err(Error::Write)?;
        drop(self.lines.drain(..bytes));
        Ok(())
    }

    /// Ends the index and copies its container to `out`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn finish(mut self, out: &mut impl Write) -> Result<(), Error> {
        self.flush(self.lines.len())?;
        let mut spool = self.out.finish().map_err(Error::Write)?;
        spool.rewind().map_err(Error::Write)?;
        let _bytes = io::copy(&mut spool, out).map_err(Error::unwritten)?;
        Ok(())
    }
}

/// What a record speaks of.
fn subject(record: &Record) -> String {
    match record {
        Record::Entry(entry) => entry.path.to_string(),
        Record::Part(part) => part.path.to_string(),
        Record::Stream(stream) => stream.path.to_string(),
        Record::Exception(exception) => exception.path.to_string(),
        Record::Source(source) => format!("the source {}", source.label),
        Record::Facts(facts) => format!("the source {}", facts.label),
        Record::Begin(_) | Record::End(_) => "the bundle".to_owned(),
    }
}

/// Reads the records of an index, one after the other.
pub struct IndexReader<R> {
    input: R,
    block_bytes: u32,
    decompressor: Decompressor,
    frame: Vec<u8>,
    block: Vec<u8>,
    lines: Vec<u8>,
    /// Bytes of `lines` that were given out.
    used: usize,
}

impl<R: Read> IndexReader<R> {
    /// Reads the plaintext of an index container.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new(input: R, block_bytes: u32) -> Result<Self, Error> {
        let decompressor = Decompressor::new()?;
        let (frame, block, lines) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            input,
            block_bytes,
            decompressor,
            frame,
            block,
            lines,
            used: 0,
        })
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn next_record(&mut self) -> Result<Option<Record>, Error> {
        let mut searched = self.used;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.lines[searched..]) {
                let end = searched + at;
                let record = Record::parse(&self.lines[self.used..end])?;
                self.used = end + 1;
                return Ok(Some(record));
            }
            drop(self.lines.drain(..self.used));
            self.used = 0;
            searched = self.lines.len();
            if searched > limits::INDEX_LINE_BYTES_MAX {
                return Err(BadRecord::TooLong.into());
            }
            if !compress::read_frame(&mut self.input, self.block_bytes, &mut self.frame)? {
                return if self.lines.is_empty() {
                    Ok(None)
                } else {
                    Err(Error::Cut)
                };
            }
            self.decompressor
                .decompress(&self.frame, self.block_bytes, &mut self.block)?;
            self.lines.extend_from_slice(&self.block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::index::Facts;
    use crate::bundle::suite::Suite;

    fn writer() -> IndexWriter {
        let key = ContentKey::generate(Suite::Rfc9580).expect("random");
        IndexWriter::new(&key, limits::BLOCK_BYTES_MIN, limits::LEVEL).expect("known parameters")
    }

    fn facts(bytes: usize) -> Record {
        Record::Facts(Facts {
            label: "hub".parse().expect("plain"),
            facts: BTreeMap::from([("tables".to_owned(), "t".repeat(bytes))]),
        })
    }

    #[test]
    fn no_record_is_longer_than_a_reader_takes() {
        let mut line = Vec::new();
        facts(0).append_to(&mut line);
        let fits = limits::INDEX_LINE_BYTES_MAX - line.len();
        let mut index = writer();
        index.add(facts(fits)).expect("as long as a reader takes");
        index.finish(&mut io::sink()).expect("room");
        let error = writer().add(facts(fits + 1)).expect_err("too long");
        assert_eq!(error.kind(), Kind::Failed);
        let hint = error.hint().expect("a next step");
        assert!(
            error.to_string().contains("the source hub") && hint.contains("several sources"),
            "{error}: {hint}"
        );
    }

    #[test]
    fn a_container_that_is_full_is_no_store_that_is() {
        let full = || io::Error::other(TooManySegments);
        assert_eq!(Error::unwritten(full()).kind(), Kind::Failed);
        let error = Error::unwritten(io::ErrorKind::StorageFull.into());
        assert_eq!(error.kind(), Kind::StoreUnavailable);
    }
}
