//! The container of the suite `rfc9580`: one version 2 SEIPD packet (RFC 9580 section 5.13.2), AES-256-OCB in chunks of 256 KiB.
//!
//! Payload and index share the session key; each has a fresh salt, from which the keys that encrypt are derived
//! (RFC 9580 section 13.8 describes this reuse).

use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Take;
use std::io::Write;

use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::crypto::aead::DecryptionContext;
use sequoia_openpgp::crypto::aead::EncryptionContext;
use sequoia_openpgp::crypto::aead::SEIPv2Schedule;
use sequoia_openpgp::crypto::aead::Schedule;
use sequoia_openpgp::types::AEADAlgorithm;
use sequoia_openpgp::types::SymmetricAlgorithm;
use zeroize::Zeroizing;

use super::error::Error;
use super::error::crypto_io;
use super::error::damaged;
use super::framing::Deframer;
use super::framing::Framer;
use super::framing::Framing;
use super::framing::read_exact;
use super::literal;
use super::literal::Literal;
use super::plain::Plain;
use crate::base::random;

const TAG: u8 = 0xd2;
const CIPHER: SymmetricAlgorithm = SymmetricAlgorithm::AES256;
const MODE: AEADAlgorithm = AEADAlgorithm::OCB;
const CHUNK_OCTET: u8 = 12;
const CHUNK: usize = 1 << (CHUNK_OCTET + 6);
const AUTH_TAG: usize = 16;
const SALT: usize = 32;
/// Version, cipher, mode, chunk size.
const FIXED: [u8; 4] = [2, 9, 2, CHUNK_OCTET];
const HEADER: usize = FIXED.len() + SALT;

/// The keys of one container; cheap to make, once.
fn schedule(secret: &[u8], salt: &[u8]) -> Result<SEIPv2Schedule, Error> {
    SEIPv2Schedule::new(&SessionKey::from(secret), CIPHER, MODE, CHUNK, salt)
        .map_err(|error| Error::Crypto(error.into()))
}

/// Encrypts what is written into it. It is finished from the outside to the inside.
pub(crate) type Writer<W> = Framer<Chunker<W>>;

/// Begins a container in `out`.
pub(crate) fn writer<W: Write>(secret: &[u8], out: W) -> Result<Writer<W>, Error> {
    let salt: [u8; SALT] = random::octets()?;
    let mut packet = Framer::begin(out, TAG)?;
    packet.write_all(&FIXED)?;
    packet.write_all(&salt)?;
    Ok(literal::begin(Chunker {
        packet,
        schedule: schedule(secret, &salt)?,
        plain: Zeroizing::new(Vec::with_capacity(CHUNK)),
        cipher: vec![0; CHUNK + AUTH_TAG],
        chunks: 0,
        bytes: 0,
    })?)
}

/// Seals chunk after chunk of the literal packet.
pub(crate) struct Chunker<W> {
    packet: Framer<W>,
    schedule: SEIPv2Schedule,
    plain: Zeroizing<Vec<u8>>,
    cipher: Vec<u8>,
    chunks: u64,
    bytes: u64,
}

impl<W: Write> Chunker<W> {
    fn seal(&mut self) -> io::Result<()> {
        let cipher = &mut self.cipher[..self.plain.len() + AUTH_TAG];
        seal_with(|fun| self.schedule.chunk(self.chunks, fun), cipher, &self.plain)?;
        self.packet.write_all(cipher)?;
        self.chunks += 1;
        self.bytes += self.plain.len() as u64;
        self.plain.clear();
        Ok(())
    }

    /// Writes the last chunk and the final tag, and gives back the inner writer.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.plain.is_empty() {
            self.seal()?;
        }
        let mut tag = [0; AUTH_TAG];
        seal_with(
            |fun| self.schedule.finalizer(self.chunks, self.bytes, fun),
            &mut tag,
            &[],
        )?;
        self.packet.write_all(&tag)?;
        self.packet.finish()
    }
}

type Made<'a, T> = &'a mut dyn FnMut(&SessionKey, &[u8], &[u8]) -> sequoia_openpgp::Result<T>;

fn seal_with(
    scheduled: impl FnOnce(Made<'_, EncryptionContext>) -> sequoia_openpgp::Result<EncryptionContext>,
    cipher: &mut [u8],
    plain: &[u8],
) -> io::Result<()> {
    scheduled(&mut |key, nonce, ad| MODE.context(CIPHER, key, ad, nonce)?.for_encryption())
        .and_then(|mut context| context.encrypt_seal(cipher, plain))
        .map_err(crypto_io)
}

fn open_with(
    scheduled: impl FnOnce(Made<'_, DecryptionContext>) -> sequoia_openpgp::Result<DecryptionContext>,
    plain: &mut [u8],
    cipher: &[u8],
    what: &'static str,
) -> io::Result<()> {
    scheduled(&mut |key, nonce, ad| MODE.context(CIPHER, key, ad, nonce)?.for_decryption())
        .map_err(crypto_io)?
        .decrypt_verify(plain, cipher)
        .map_err(|_| damaged(what))
}

impl<W: Write> Write for Chunker<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK - self.plain.len());
        self.plain.extend_from_slice(&bytes[..count]);
        if self.plain.len() == CHUNK {
            self.seal()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.packet.flush()
    }
}

/// Where everything is in a container of known length.
#[derive(Clone, Copy, Debug)]
struct Layout {
    packet: Framing,
    chunked: u64,
    literal: Literal,
}

impl Layout {
    fn of_container(length: u64) -> Option<Self> {
        let packet = Framing::of_packet(length)?;
        let sealed = packet.body().checked_sub((HEADER + AUTH_TAG) as u64)?;
        let chunks = sealed.div_ceil((CHUNK + AUTH_TAG) as u64);
        let chunked = sealed.checked_sub(chunks * AUTH_TAG as u64)?;
        // A last chunk without a plaintext octet would be a second form of the same text.
        if chunked.div_ceil(CHUNK as u64) != chunks {
            return None;
        }
        let literal = Literal::of_packet(chunked)?;
        Some(Self {
            packet,
            chunked,
            literal,
        })
    }
}

/// Reads the plaintext, chunk by chunk; every chunk is checked before an octet of it is given out.
pub(crate) type Reader<R> = Deframer<Unchunker<Take<R>>>;

/// Opens a container of `length` octets, to be read from plaintext offset `start` on.
pub(crate) fn reader<R: Read + Seek>(secret: &[u8], mut input: R, length: u64, start: u64) -> Result<Reader<R>, Error> {
    let layout = Layout::of_container(length).ok_or(Error::Damaged("no container has its length"))?;
    layout.literal.check_start(start)?;
    let mut header = [0; HEADER];
    read_exact(&mut Deframer::new(&mut input, layout.packet, TAG, 0), &mut header)?;
    if header[..FIXED.len()] != FIXED {
        return Err(Error::Damaged("it is not AES-256-OCB in chunks of 256 KiB"));
    }
    let position = layout.literal.position(start);
    let chunk = position / CHUNK as u64;
    let body = HEADER as u64 + chunk * (CHUNK + AUTH_TAG) as u64;
    // Past the last chunk there is the final tag alone.
    let body = body.min(layout.packet.body() - AUTH_TAG as u64);
    let place = layout.packet.position(body);
    let _ = input.seek(SeekFrom::Start(place))?;
    let mut chunks = Unchunker {
        packet: Deframer::new(input.take(length - place), layout.packet, TAG, body),
        schedule: schedule(secret, &header[FIXED.len()..])?,
        chunked: layout.chunked,
        chunk,
        plain: Plain::default(),
        cipher: vec![0; CHUNK + AUTH_TAG],
        ended: false,
    };
    chunks.skip(usize::try_from(position % CHUNK as u64).expect("below a chunk"))?;
    Ok(layout.literal.reader(chunks, start)?)
}

/// Opens chunk after chunk, and checks the final tag at the end.
pub(crate) struct Unchunker<R> {
    packet: Deframer<R>,
    schedule: SEIPv2Schedule,
    chunked: u64,
    chunk: u64,
    plain: Plain,
    cipher: Vec<u8>,
    ended: bool,
}

impl<R: Read> Unchunker<R> {
    fn skip(&mut self, count: usize) -> io::Result<()> {
        if count > 0 {
            self.open()?;
            self.plain.skip(count);
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        let left = self.chunked - self.chunk * CHUNK as u64;
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK);
        let cipher = &mut self.cipher[..count + AUTH_TAG];
        read_exact(&mut self.packet, cipher)?;
        let scheduled = |fun: Made<'_, DecryptionContext>| self.schedule.chunk(self.chunk, fun);
        let changed = "a chunk is not the one that was encrypted";
        self.plain
            .fill(count, count, |plain| open_with(scheduled, plain, cipher, changed))?;
        self.chunk += 1;
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let mut tag = [0; AUTH_TAG];
        read_exact(&mut self.packet, &mut tag)?;
        open_with(
            |fun| self.schedule.finalizer(self.chunk, self.chunked, fun),
            &mut [],
            &tag,
            "its final tag does not fit",
        )?;
        self.ended = true;
        Ok(())
    }
}

impl<R: Read> Read for Unchunker<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.plain.is_empty() {
            if self.chunk * CHUNK as u64 >= self.chunked {
                self.end()?;
                return Ok(0);
            }
            self.open()?;
        }
        Ok(self.plain.give(buffer))
    }
}
