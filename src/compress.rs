//! Level 3: blocks of the payload, each compressed on its own as one zstd frame (RFC 8878).
//!
//! A block is stored as a skippable frame of 12 bytes that holds the length of the frame after it, and that frame, with content size
//! and checksum. Any `zstd -d` reads the sequence; `pzstd -d`, which writes the same form, reads it in parallel.

use std::io;
use std::io::Read;
use std::io::Write;

use zstd::bulk;
use zstd::zstd_safe;
use zstd::zstd_safe::CParameter;

use crate::base::fault;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;

/// Bytes before each frame.
pub const PREFIX_BYTES: usize = 12;

/// The first skippable magic number of RFC 8878, section 3.1.2.
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;

/// A block could not be compressed or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// libzstd reports an error.
    #[error("cannot compress")]
    Compress(#[source] io::Error),
    /// A frame is damaged, or not of the form that this format has.
    #[error("a compressed block is damaged: {0}")]
    Damaged(&'static str),
    /// The compressed stream cannot be read.
    #[error("cannot read a compressed block")]
    Read(#[source] io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Compress(_) => Kind::Internal,
            Self::Damaged(_) => Kind::DigestMismatch,
            Self::Read(error) => fault::kind_of_read(error),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read(error) => Some(fault::hint_of_read(error)),
            Self::Compress(_) | Self::Damaged(_) => None,
        }
    }
}

impl Error {
    /// The same error once more: each block that a thread cannot work on has the same reason.
    #[must_use]
    pub fn again(&self) -> Self {
        let copy = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::Compress(error) => Self::Compress(copy(error)),
            Self::Damaged(what) => Self::Damaged(what),
            Self::Read(error) => Self::Read(copy(error)),
        }
    }
}

/// Compresses blocks; one for each thread.
pub struct Compressor(bulk::Compressor<'static>);

impl Compressor {
    /// A compressor of a level from [`limits::LEVEL_MIN`] to [`limits::LEVEL_MAX`].
    ///
    /// # Errors
    /// When libzstd refuses its parameters.
    pub fn new(level: i32) -> Result<Self, Error> {
        let mut inner = bulk::Compressor::new(level).map_err(Error::Compress)?;
        inner.include_checksum(true).map_err(Error::Compress)?;
        inner.include_contentsize(true).map_err(Error::Compress)?;
        if level == limits::LEVEL {
            // A window as long as the block, a larger table of short matches, and matches of six bytes at least make up for the history
            // that a short frame lacks: measured on database files and dumps, the output is no larger than that of one long stream at
            // this level, and takes less time.
            for parameter in [
                CParameter::WindowLog(22),
                CParameter::HashLog(17),
                CParameter::ChainLog(17),
                CParameter::MinMatch(6),
            ] {
                inner.set_parameter(parameter).map_err(Error::Compress)?;
            }
        }
        Ok(Self(inner))
    }

    /// Replaces the content of `out` by the frame of `block`.
    ///
    /// # Errors
    /// When libzstd fails.
    pub fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        out.clear();
        out.reserve(zstd_safe::compress_bound(block.len()));
        let _length = self.0.compress_to_buffer(block, out).map_err(Error::Compress)?;
        Ok(())
    }
}

/// Writes a frame with its prefix; gives the bytes written.
///
/// # Errors
/// What the writer reports.
pub fn write_frame(frame: &[u8], out: &mut impl Write) -> io::Result<u64> {
    let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut prefix = [0; PREFIX_BYTES];
    prefix[..4].copy_from_slice(&SKIPPABLE_MAGIC.to_le_bytes());
    prefix[4..8].copy_from_slice(&4_u32.to_le_bytes());
    prefix[8..].copy_from_slice(&length.to_le_bytes());
    out.write_all(&prefix)?;
    out.write_all(frame)?;
    Ok((PREFIX_BYTES + frame.len()) as u64)
}

/// Reads the next frame into `frame`, replacing its content. `false` at the end of the stream.
///
/// # Errors
/// `Damaged` when the stream is not a sequence of frames of blocks of at most `block_bytes`.
pub fn read_frame(input: &mut impl Read, block_bytes: u32, frame: &mut Vec<u8>) -> Result<bool, Error> {
    let mut prefix = [0; PREFIX_BYTES];
    match fill(input, &mut prefix).map_err(Error::Read)? {
        0 => return Ok(false),
        PREFIX_BYTES => {}
        _ => return Err(Error::Damaged("it ends in the middle of a prefix")),
    }
    let word =
        |begin: usize| u32::from_le_bytes([prefix[begin], prefix[begin + 1], prefix[begin + 2], prefix[begin + 3]]);
    if word(0) != SKIPPABLE_MAGIC || word(4) != 4 {
        return Err(Error::Damaged("there is no prefix where one must be"));
    }
    let length = word(8) as usize;
    if length == 0 || length > zstd_safe::compress_bound(block_bytes as usize) {
        return Err(Error::Damaged("its length is out of bounds"));
    }
    frame.resize(length, 0);
    match fill(input, frame).map_err(Error::Read)? {
        got if got == length => Ok(true),
        _ => Err(Error::Damaged("it ends in the middle of a block")),
    }
}

/// Reads until `buffer` is full or the input ends; gives the number of bytes.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Decompresses blocks; one for each thread.
pub struct Decompressor(bulk::Decompressor<'static>);

impl Decompressor {
    /// A decompressor.
    ///
    /// # Errors
    /// When libzstd has no memory.
    pub fn new() -> Result<Self, Error> {
        Ok(Self(bulk::Decompressor::new().map_err(Error::Compress)?))
    }

    /// Replaces the content of `block` by what `frame` holds, at most `block_bytes`.
    ///
    /// # Errors
    /// `Damaged` when it is not one whole frame with its content size, of a block of that size.
    pub fn decompress(&mut self, frame: &[u8], block_bytes: u32, block: &mut Vec<u8>) -> Result<(), Error> {
        let size = match zstd_safe::get_frame_content_size(frame) {
            Ok(Some(size)) if size <= u64::from(block_bytes) => size,
            _ => return Err(Error::Damaged("its size is missing or out of bounds")),
        };
        if zstd_safe::find_frame_compressed_size(frame).ok() != Some(frame.len()) {
            return Err(Error::Damaged("it is not one whole frame"));
        }
        block.clear();
        block.reserve(usize::try_from(size).expect("checked against a u32"));
        let got = self
            .0
            .decompress_to_buffer(frame, block)
            .map_err(|_| Error::Damaged("its checksum or its form is wrong"))?;
        if got as u64 == size {
            Ok(())
        } else {
            Err(Error::Damaged("it holds less than it says"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(blocks: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut frame = Vec::new();
        let mut compressor = Compressor::new(3).expect("a level");
        for block in blocks {
            compressor.compress(block, &mut frame).expect("memory");
            write_frame(&frame, &mut out).expect("a Vec");
        }
        out
    }

    fn read_back(mut stored: &[u8]) -> Result<Vec<u8>, Error> {
        let (mut frame, mut block, mut all) = (Vec::new(), Vec::new(), Vec::new());
        let mut decompressor = Decompressor::new()?;
        while read_frame(&mut stored, 1 << 20, &mut frame)? {
            decompressor.decompress(&frame, 1 << 20, &mut block)?;
            all.extend_from_slice(&block);
        }
        Ok(all)
    }

    #[test]
    fn blocks_come_back() {
        let big = vec![7; 1 << 20];
        let stored = stored(&[b"one", b"", &big]);
        assert_eq!(read_back(&stored).expect("whole"), [&b"one"[..], &big].concat());
    }

    #[test]
    fn every_cut_inside_a_block_is_seen() {
        let stored = stored(&[b"some text, some text, some text"]);
        for length in 1..stored.len() {
            assert!(read_back(&stored[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn every_flip_is_seen_or_harmless() {
        let stored = stored(&[b"some text, some text, some text"]);
        let plain = read_back(&stored).expect("whole");
        for at in 0..stored.len() {
            let mut bad = stored.clone();
            bad[at] ^= 1;
            // Some bits of a frame header mean nothing; none may change the content.
            assert!(
                read_back(&bad).is_ok_and(|got| got == plain) || read_back(&bad).is_err(),
                "flip at {at}"
            );
        }
    }

    #[test]
    fn stock_zstd_reads_it() {
        use std::process::Command;
        use std::process::Stdio;
        let stored = stored(&[b"one\n", b"two\n"]);
        let mut child = Command::new("zstd")
            .arg("-dc")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("zstd is installed");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(&stored)
            .expect("zstd reads");
        let output = child.wait_with_output().expect("zstd ends");
        assert!(output.status.success());
        assert_eq!(output.stdout, b"one\ntwo\n");
    }
}
