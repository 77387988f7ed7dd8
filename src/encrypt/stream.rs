//! The container of the suite `age`: what follows the header in an age file (c2sp.org/age): a nonce, and chunks of 64 KiB
//! under ChaCha20-Poly1305, of which the last is marked.

use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Take;
use std::io::Write;

use ring::aead::Aad;
use ring::aead::CHACHA20_POLY1305;
use ring::aead::LessSafeKey;
use ring::aead::Nonce;
use ring::aead::UnboundKey;
use zeroize::Zeroizing;

use super::error::Error;
use super::error::crypto_io;
use super::error::damaged;
use super::framing::read_exact;
use super::key::FILE_KEY_BYTES;
use super::key::derive;
use super::plain::Plain;
use crate::base::random;

const NONCE: usize = 16;
const CHUNK: usize = 64 << 10;
const AUTH_TAG: usize = 16;
const SEALED: u64 = (CHUNK + AUTH_TAG) as u64;

/// The key of the chunks.
fn payload_key(file_key: &[u8; FILE_KEY_BYTES], nonce: &[u8; NONCE]) -> LessSafeKey {
    let key = Zeroizing::new(derive::<32>(nonce, file_key, b"payload"));
    let key = UnboundKey::new(&CHACHA20_POLY1305, &*key).expect("the key has 32 octets");
    LessSafeKey::new(key)
}

/// A counter of 11 octets, and the mark of the last chunk.
fn chunk_nonce(chunk: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&chunk.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

/// Encrypts what is written into it.
pub(crate) struct Writer<W> {
    out: W,
    key: LessSafeKey,
    chunk: u64,
    buffer: Zeroizing<Vec<u8>>,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(file_key: &[u8; FILE_KEY_BYTES], mut out: W) -> Result<Self, Error> {
        let nonce: [u8; NONCE] = random::octets()?;
        out.write_all(&nonce)?;
        Ok(Self {
            out,
            key: payload_key(file_key, &nonce),
            chunk: 0,
            buffer: Zeroizing::new(Vec::with_capacity(CHUNK + AUTH_TAG)),
        })
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = chunk_nonce(self.chunk, last);
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut *self.buffer)
            .map_err(|_| crypto_io("ChaCha20-Poly1305 refused a chunk"))?;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.chunk += 1;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk is kept back until more comes: it might be the last.
        if self.buffer.len() == CHUNK && !bytes.is_empty() {
            self.seal(false)?;
        }
        let count = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Where everything is in a container of known length.
#[derive(Clone, Copy, Debug)]
struct Layout {
    chunks: u64,
    plaintext: u64,
}

impl Layout {
    fn of_container(length: u64) -> Option<Self> {
        let sealed = length.checked_sub(NONCE as u64)?;
        let chunks = sealed.div_ceil(SEALED);
        let plaintext = sealed.checked_sub(chunks * AUTH_TAG as u64)?;
        // Only an empty plaintext has an empty last chunk.
        let fits = chunks == plaintext.div_ceil(CHUNK as u64).max(1);
        fits.then_some(Self { chunks, plaintext })
    }
}

/// Reads the plaintext, chunk by chunk; every chunk is checked before an octet of it is given out.
pub(crate) struct Reader<R> {
    input: Take<R>,
    key: LessSafeKey,
    layout: Layout,
    chunk: u64,
    plain: Plain,
}

impl<R: Read + Seek> Reader<R> {
    pub(crate) fn new(file_key: &[u8; FILE_KEY_BYTES], mut input: R, length: u64, start: u64) -> Result<Self, Error> {
        let layout = Layout::of_container(length).ok_or(Error::Damaged("no container has its length"))?;
        if start > layout.plaintext {
            return Err(Error::Damaged("it ends before the place to read from"));
        }
        let mut nonce = [0; NONCE];
        read_exact(&mut input, &mut nonce)?;
        // A read from the very end opens the last chunk nevertheless: it tells that the container ends there.
        let chunk = (start / CHUNK as u64).min(layout.chunks - 1);
        let place = NONCE as u64 + chunk * SEALED;
        let _ = input.seek(SeekFrom::Start(place))?;
        let mut reader = Self {
            input: input.take(length - place),
            key: payload_key(file_key, &nonce),
            layout,
            chunk,
            plain: Plain::default(),
        };
        reader.open()?;
        reader
            .plain
            .skip(usize::try_from(start - chunk * CHUNK as u64).expect("at most a chunk"));
        Ok(reader)
    }
}

impl<R: Read> Reader<R> {
    fn open(&mut self) -> io::Result<()> {
        let last = self.chunk + 1 == self.layout.chunks;
        let count = self.layout.plaintext - self.chunk * CHUNK as u64;
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(CHUNK);
        let nonce = chunk_nonce(self.chunk, last);
        let (input, key) = (&mut self.input, &self.key);
        self.plain.fill(count + AUTH_TAG, count, |chunk| {
            read_exact(input, chunk)?;
            let opened = key.open_in_place(nonce, Aad::empty(), chunk);
            opened
                .map(drop)
                .map_err(|_| damaged("a chunk is not the one that was encrypted"))
        })?;
        self.chunk += 1;
        Ok(())
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.plain.is_empty() && self.chunk < self.layout.chunks {
            self.open()?;
        }
        Ok(self.plain.give(buffer))
    }
}
