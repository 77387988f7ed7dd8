//! Level 3: the content key, the two containers that it opens, and the slots that hold it.
//!
//! ```text
//! write_slots(key, recipients, at, …) → keyslots/…  encryptor(key, Payload, out) → data/…
//! open_slots(suite, slots, identities) → key        decryptor(key, Payload, input, length, start) ← data/…
//! ```
//!
//! Every suite is a standard that stock tools open: `cat keyslots/openpgp.pgp data/*` is an OpenPGP message and
//! `cat keyslots/age.txt data/*` an age file; the same with `index/*` (and `keyslots/age-index.txt`). Framing is fixed, so
//! that plaintext offsets become container offsets by arithmetic alone.
//!
//! Nothing here decides whether a bundle may be decrypted: the caller has verified it before.

mod age_file;
mod age_slots;
mod error;
mod framing;
mod key;
mod literal;
mod openpgp_slots;
mod plain;
mod plugins;
mod seipd1;
mod seipd2;
pub mod slots;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::Write;

pub use error::Error;
pub use key::ContentKey;

use crate::bundle::outer::Container;
use crate::bundle::suite::Suite;

/// Encrypts one container. Dropped without [`Encryptor::finish`], it leaves a container that no reader accepts.
pub struct Encryptor<W: Write>(Writer<W>);

enum Writer<W: Write> {
    Rfc9580(seipd2::Writer<W>),
    Gnupg(seipd1::Writer<W>),
    Age(Box<stream::Writer<W>>),
}

/// Begins a container: writes its header with a fresh salt, prefix or nonce.
///
/// One container of a kind for each key: a second payload under the same key would break the rules of age.
pub fn encryptor<W: Write>(key: &ContentKey, container: Container, out: W) -> Result<Encryptor<W>, Error> {
    Ok(Encryptor(match key.suite() {
        Suite::Rfc9580 => Writer::Rfc9580(seipd2::writer(key.secret(), out)?),
        Suite::Gnupg => Writer::Gnupg(seipd1::writer(key.secret(), out)?),
        Suite::Age => Writer::Age(Box::new(stream::Writer::new(&key.file_key(container), out)?)),
    }))
}

impl<W: Write> Encryptor<W> {
    /// Writes what ends the container (last chunk, final tag or MDC) and gives back the writer.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Writer::Rfc9580(writer) => writer.finish()?.finish(),
            Writer::Gnupg(writer) => writer.finish()?.finish(),
            Writer::Age(writer) => writer.finish(),
        }
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Writer::Rfc9580(writer) => writer.write(bytes),
            Writer::Gnupg(writer) => writer.write(bytes),
            Writer::Age(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Writer::Rfc9580(writer) => writer.flush(),
            Writer::Gnupg(writer) => writer.flush(),
            Writer::Age(writer) => writer.flush(),
        }
    }
}

/// Reads the plaintext of one container from an offset to its end.
///
/// The last octets are given out only after the end of the container was checked. After an error every further read fails.
/// In the suite `gnupg` a read from the beginning is authentic only as a whole, and a read from further on is not authenticated
/// at all: the caller has checked the signed digests of the segments.
pub struct Decryptor<R: Read> {
    reader: Reader<R>,
    failed: bool,
}

enum Reader<R: Read> {
    Rfc9580(seipd2::Reader<R>),
    Gnupg(seipd1::Reader<R>),
    Age(Box<stream::Reader<R>>),
}

/// Reads the plaintext of the container from plaintext offset `start` to its end.
///
/// `input` stands at the beginning of the container's ciphertext, which is `length` octets long. It is read for the header,
/// sought once, and from then on read strictly forward; never past `length`.
pub fn decryptor<R: Read + Seek>(
    key: &ContentKey,
    container: Container,
    input: R,
    length: u64,
    start: u64,
) -> Result<Decryptor<R>, Error> {
    let reader = match key.suite() {
        Suite::Rfc9580 => Reader::Rfc9580(seipd2::reader(key.secret(), input, length, start)?),
        Suite::Gnupg => Reader::Gnupg(seipd1::reader(key.secret(), input, length, start)?),
        Suite::Age => {
            let file_key = key.file_key(container);
            Reader::Age(Box::new(stream::Reader::new(&file_key, input, length, start)?))
        }
    };
    Ok(Decryptor { reader, failed: false })
}

impl<R: Read> Read for Decryptor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Err(error::damaged("reading it has failed before"));
        }
        let read = match &mut self.reader {
            Reader::Rfc9580(reader) => reader.read(buffer),
            Reader::Gnupg(reader) => reader.read(buffer),
            Reader::Age(reader) => reader.read(buffer),
        };
        self.failed = read.is_err();
        read
    }
}
