//! The container of the suite `gnupg`: one version 1 SEIPD packet (RFC 9580 section 5.13.1), AES-256-CFB with an MDC.
//!
//! CFB is not authenticated. A read from the beginning to the end checks the MDC; a read that begins further on cannot, and
//! its caller has checked the signed digests of the segments first, as every caller does. The MDC alone would be no defence
//! against whoever holds the session key or knows the plaintext.

use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Take;
use std::io::Write;

use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::crypto::symmetric::BlockCipherMode;
use sequoia_openpgp::crypto::symmetric::Decryptor;
use sequoia_openpgp::crypto::symmetric::Encryptor;
use sequoia_openpgp::crypto::symmetric::PaddingMode;
use sequoia_openpgp::crypto::symmetric::UnpaddingMode;
use sequoia_openpgp::parse::Cookie;
use sequoia_openpgp::parse::buffered_reader::Memory;
use sequoia_openpgp::types::SymmetricAlgorithm;
use sha1::Digest as _;
use sha1::Sha1;

use super::error::Error;
use super::error::crypto_io;
use super::error::damaged;
use super::framing::Deframer;
use super::framing::Framer;
use super::framing::Framing;
use super::framing::PIECE;
use super::framing::read_exact;
use super::literal;
use super::literal::Literal;
use super::plain::Plain;
use crate::base::random;

const TAG: u8 = 0xd2;
const CIPHER: SymmetricAlgorithm = SymmetricAlgorithm::AES256;
const VERSION: u8 = 1;
const BLOCK: usize = 16;
/// A random block, and its last two octets again.
const PREFIX: usize = BLOCK + 2;
const MDC_HEADER: [u8; 2] = [0xd3, 0x14];
const MDC: usize = MDC_HEADER.len() + 20;
/// Octets that are decrypted at once: whole blocks, so that each step begins where CFB begins a block.
const STEP: usize = PIECE;

/// Encrypts what is written into it. It is finished from the outside to the inside.
pub(crate) type Writer<W> = Framer<Mdc<W>>;

/// Begins a container in `out`.
pub(crate) fn writer<W: Write>(secret: &[u8], out: W) -> Result<Writer<W>, Error> {
    let random: [u8; BLOCK] = random::octets()?;
    let mut packet = Framer::begin(out, TAG)?;
    packet.write_all(&[VERSION])?;
    let key = SessionKey::from(secret);
    let cfb = Encryptor::new(CIPHER, BlockCipherMode::CFB, PaddingMode::None, &key, None, packet)
        .map_err(|error| Error::Crypto(error.into()))?;
    let mut mdc = Mdc { hash: Sha1::new(), cfb };
    mdc.write_all(&random)?;
    mdc.write_all(&random[BLOCK - 2..])?;
    Ok(literal::begin(mdc)?)
}

/// Hashes the plaintext on its way into CFB: the pieces that come from above are still in the cache of the processor.
pub(crate) struct Mdc<W: Write> {
    hash: Sha1,
    cfb: Encryptor<Framer<W>>,
}

impl<W: Write> Mdc<W> {
    /// Writes the MDC, and gives back the inner writer.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.write_all(&MDC_HEADER)?;
        self.cfb.write_all(&self.hash.finalize())?;
        self.cfb.finalize().map_err(crypto_io)?.finish()
    }
}

impl<W: Write> Write for Mdc<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.cfb.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.cfb.flush()
    }
}

/// Where everything is in a container of known length. Offsets are within the text that CFB encrypts.
#[derive(Clone, Copy, Debug)]
struct Layout {
    packet: Framing,
    literal: Literal,
}

impl Layout {
    fn of_container(length: u64) -> Option<Self> {
        let packet = Framing::of_packet(length)?;
        let literal = Literal::of_packet(packet.body().checked_sub((1 + PREFIX + MDC) as u64)?)?;
        Some(Self { packet, literal })
    }

    /// Where the MDC packet begins.
    fn mdc(self) -> u64 {
        self.packet.body() - (1 + MDC) as u64
    }
}

/// Reads the plaintext. From the beginning it is authentic only at its end; see the module.
pub(crate) type Reader<R> = Deframer<Authentic<Take<R>>>;

/// Opens a container of `length` octets, to be read from plaintext offset `start` on.
pub(crate) fn reader<R: Read + Seek>(secret: &[u8], mut input: R, length: u64, start: u64) -> Result<Reader<R>, Error> {
    let layout = Layout::of_container(length).ok_or(Error::Damaged("no container has its length"))?;
    layout.literal.check_start(start)?;
    let mut version = [0];
    read_exact(&mut Deframer::new(&mut input, layout.packet, TAG, 0), &mut version)?;
    if version != [VERSION] {
        return Err(Error::Damaged("it is not version 1 of its packet"));
    }
    let begin = match start {
        0 => 0,
        _ => PREFIX as u64 + layout.literal.position(start),
    };
    let mut cfb = Cfb::new(secret, input, length, layout.packet, begin)?;
    let mut hash = (start == 0).then(Sha1::new);
    if let Some(hash) = &mut hash {
        hash.update(read_prefix(&mut cfb)?);
    }
    let left = layout.mdc() - begin.max(PREFIX as u64);
    let text = Authentic { cfb, hash, left };
    Ok(layout.literal.reader(text, start)?)
}

/// Reads the random block, which tells the right key from a wrong one.
fn read_prefix(cfb: &mut impl Read) -> io::Result<[u8; PREFIX]> {
    let mut prefix = [0; PREFIX];
    read_exact(cfb, &mut prefix)?;
    if prefix[BLOCK - 2..BLOCK] == prefix[BLOCK..] {
        Ok(prefix)
    } else {
        // No oracle: it is asked once for each container, whose digest was checked before.
        Err(damaged("its first blocks do not decrypt with this key"))
    }
}

/// Gives out the text before the MDC, and checks the MDC at the end where it has seen all of it.
pub(crate) struct Authentic<R> {
    cfb: Cfb<R>,
    hash: Option<Sha1>,
    left: u64,
}

impl<R: Read> Authentic<R> {
    fn end(&mut self) -> io::Result<()> {
        let mut mdc = [0; MDC];
        read_exact(&mut self.cfb, &mut mdc)?;
        let header_fits = mdc.starts_with(&MDC_HEADER);
        let digest_fits = self.hash.take().is_none_or(|mut hash| {
            hash.update(MDC_HEADER);
            hash.finalize()[..] == mdc[MDC_HEADER.len()..]
        });
        if header_fits && digest_fits {
            Ok(())
        } else {
            Err(damaged("its MDC does not fit"))
        }
    }
}

impl<R: Read> Read for Authentic<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            if !self.cfb.has_ended() {
                self.end()?;
            }
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.cfb.read(&mut buffer[..most])?;
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..count]);
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Decrypts in steps of whole blocks, each a run of CFB of its own that goes on from the ciphertext before it.
pub(crate) struct Cfb<R> {
    packet: Deframer<R>,
    key: SessionKey,
    /// The block of ciphertext before the next step; zeros before the first.
    before: [u8; BLOCK],
    left: u64,
    cipher: Vec<u8>,
    plain: Plain,
}

impl<R: Read + Seek> Cfb<Take<R>> {
    /// Decrypts the text from `begin` on.
    fn new(secret: &[u8], mut input: R, length: u64, packet: Framing, begin: u64) -> io::Result<Self> {
        let aligned = begin - begin % BLOCK as u64;
        let before = aligned.saturating_sub(BLOCK as u64);
        let place = packet.position(1 + before);
        let _ = input.seek(SeekFrom::Start(place))?;
        let mut cfb = Self {
            packet: Deframer::new(input.take(length - place), packet, TAG, 1 + before),
            key: SessionKey::from(secret),
            before: [0; BLOCK],
            left: packet.body() - 1 - aligned,
            cipher: vec![0; STEP],
            plain: Plain::default(),
        };
        if aligned > 0 {
            read_exact(&mut cfb.packet, &mut cfb.before)?;
        }
        let mut skipped = [0; BLOCK];
        let skip = usize::try_from(begin - aligned).expect("below a block");
        read_exact(&mut cfb, &mut skipped[..skip])?;
        Ok(cfb)
    }
}

impl<R: Read> Cfb<R> {
    fn has_ended(&self) -> bool {
        self.left == 0 && self.plain.is_empty()
    }

    fn step(&mut self) -> io::Result<()> {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(STEP);
        let cipher = &mut self.cipher[..count];
        read_exact(&mut self.packet, cipher)?;
        let input = Memory::with_cookie(cipher, Cookie::default());
        let iv = Some(&self.before[..]);
        let mut run = Decryptor::new(CIPHER, BlockCipherMode::CFB, UnpaddingMode::None, &self.key, iv, input)
            .map_err(crypto_io)?;
        self.plain.fill(count, count, |plain| run.read_exact(plain))?;
        if let Some(last) = cipher.last_chunk() {
            self.before = *last;
        }
        self.left -= count as u64;
        Ok(())
    }
}

impl<R: Read> Read for Cfb<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.plain.is_empty() {
            if self.left == 0 {
                return Ok(0);
            }
            self.step()?;
        }
        Ok(self.plain.give(buffer))
    }
}
