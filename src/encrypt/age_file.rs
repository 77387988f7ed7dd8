//! The header of an age file (c2sp.org/age), written and read strictly; and small age files with their content.
//!
//! The crate `age` makes and opens the stanzas. It writes no header for a given file key, which is what the containers of
//! the suite `age` need, so the header itself is written here.

use std::io::Cursor;
use std::io::Read as _;
use std::io::Write as _;

use age::armor::ArmoredReader;
use age::armor::ArmoredWriter;
use age::armor::Format;
use age_core::format::Stanza;
use age_core::format::read::age_stanza;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::hmac;
use zeroize::Zeroizing;

use super::error::Error;
use super::key::FILE_KEY_BYTES;
use super::key::derive;
use super::stream;
use crate::base::limits;
use crate::base::random;
use crate::base::secret::SecretBytes;

const MAGIC: &[u8] = b"age-encryption.org/v1\n";
const STANZA: &str = "-> ";
const FOOTER: &[u8] = b"---";
const MAC_DIGITS: usize = 43;
const LINE_DIGITS: usize = 64;
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// The stanza of a passphrase, which stands alone in its header.
pub(crate) const SCRYPT: &str = "scrypt";

/// A header that was read.
pub(crate) struct Header {
    pub(crate) stanzas: Vec<Stanza>,
    authenticated: Vec<u8>,
    mac: Vec<u8>,
}

impl Header {
    /// Reads the header at the beginning of `bytes` and gives what follows it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), &'static str> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or("it is not an age file of version 1")?;
        let mut stanzas = Vec::new();
        while rest.starts_with(STANZA.as_bytes()) {
            let (tail, stanza) = age_stanza(rest).map_err(|_| "a recipient stanza of its age header is damaged")?;
            stanzas.push(Stanza::from(stanza));
            rest = tail;
        }
        let damaged = "the end of its age header is damaged";
        let rest = rest.strip_prefix(FOOTER).ok_or(damaged)?;
        let authenticated = bytes[..bytes.len() - rest.len()].to_vec();
        let (mac, rest) = rest
            .strip_prefix(b" ")
            .and_then(|rest| rest.split_at_checked(MAC_DIGITS))
            .ok_or(damaged)?;
        let mac = STANDARD_NO_PAD.decode(mac).map_err(|_| damaged)?;
        let rest = rest.strip_prefix(b"\n").ok_or(damaged)?;
        if stanzas.is_empty() {
            return Err("its age header has no recipient");
        }
        if stanzas.len() > 1 && stanzas.iter().any(|stanza| stanza.tag == SCRYPT) {
            return Err("its age header has a passphrase and other recipients");
        }
        let header = Self {
            stanzas,
            authenticated,
            mac,
        };
        Ok((header, rest))
    }

    /// Whether the header was made by whoever knows this file key.
    pub(crate) fn fits(&self, file_key: &[u8; FILE_KEY_BYTES]) -> bool {
        hmac::verify(&mac_key(file_key), &self.authenticated, &self.mac).is_ok()
    }
}

fn mac_key(file_key: &[u8; FILE_KEY_BYTES]) -> hmac::Key {
    hmac::Key::new(
        hmac::HMAC_SHA256,
        &*Zeroizing::new(derive::<32>(&[], file_key, b"header")),
    )
}

/// The bytes of a header for this file key, whose stanzas were made for it.
pub(crate) fn header(file_key: &[u8; FILE_KEY_BYTES], stanzas: &[Stanza]) -> Vec<u8> {
    let mut text = MAGIC.to_vec();
    for stanza in stanzas {
        write_stanza(&mut text, stanza);
    }
    text.extend(FOOTER);
    let mac = hmac::sign(&mac_key(file_key), &text);
    text.push(b' ');
    text.extend(STANDARD_NO_PAD.encode(mac).bytes());
    text.push(b'\n');
    text
}

fn write_stanza(text: &mut Vec<u8>, stanza: &Stanza) {
    text.extend(STANZA.bytes());
    text.extend(stanza.tag.bytes());
    for argument in &stanza.args {
        text.push(b' ');
        text.extend(argument.bytes());
    }
    text.push(b'\n');
    let body = STANDARD_NO_PAD.encode(&stanza.body);
    let mut lines = body.as_bytes().chunks_exact(LINE_DIGITS);
    for line in &mut lines {
        text.extend(line);
        text.push(b'\n');
    }
    // The last line is a short one, if need be an empty one: it ends the stanza.
    text.extend(lines.remainder());
    text.push(b'\n');
}

/// A small age file that was read but not opened.
pub(crate) struct AgeFile {
    pub(crate) header: Header,
    payload: Vec<u8>,
}

impl AgeFile {
    /// Writes an armoured age file; `stanzas` makes the stanzas for its new file key.
    pub(crate) fn write(
        content: &[u8],
        stanzas: impl FnOnce(&[u8; FILE_KEY_BYTES]) -> Result<Vec<Stanza>, Error>,
    ) -> Result<Vec<u8>, Error> {
        let file_key = Zeroizing::new(random::octets()?);
        let mut out = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        out.write_all(&header(&file_key, &stanzas(&file_key)?))?;
        let mut payload = stream::Writer::new(&file_key, out)?;
        payload.write_all(content)?;
        Ok(payload.finish()?.finish()?)
    }

    /// Reads an armoured age file.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        if !bytes.starts_with(ARMOR) {
            return Err("it is not an armoured age file");
        }
        let mut file = Vec::new();
        let _ = ArmoredReader::new(bytes)
            .take(limits::SLOT_BYTES_MAX)
            .read_to_end(&mut file)
            .map_err(|_| "its armour is damaged")?;
        let (header, payload) = Header::parse(&file)?;
        Ok(Self {
            header,
            payload: payload.to_vec(),
        })
    }

    /// The content, once the file key is known.
    pub(crate) fn open(&self, file_key: &[u8; FILE_KEY_BYTES]) -> Result<SecretBytes, &'static str> {
        if !self.header.fits(file_key) {
            return Err("its age header was altered");
        }
        let damaged = "its content is damaged";
        let mut content = Vec::with_capacity(self.payload.len());
        let length = self.payload.len() as u64;
        let mut reader = stream::Reader::new(file_key, Cursor::new(&self.payload), length, 0).map_err(|_| damaged)?;
        let read = reader.read_to_end(&mut content);
        let content = SecretBytes::new(content);
        read.map_or(Err(damaged), |_| Ok(content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(tag: &str, body: usize) -> Stanza {
        Stanza {
            tag: tag.into(),
            args: vec!["one".into(), "two".into()],
            body: vec![7; body],
        }
    }

    #[test]
    fn headers_read_back() {
        let key = [9; 16];
        for body in [0, 1, 32, 47, 48, 49, 96, 200] {
            let bytes = header(&key, &[stanza("X25519", body), stanza("other", 32)]);
            let longer = [&bytes[..], b"payload"].concat();
            let (read, rest) = Header::parse(&longer).expect("own form");
            assert_eq!(rest, b"payload");
            assert_eq!(read.stanzas[0], stanza("X25519", body));
            assert!(read.fits(&key));
            assert!(!read.fits(&[8; 16]));
        }
    }

    #[test]
    fn no_bit_of_a_header_is_free() {
        let key = [9; 16];
        let bytes = header(&key, &[stanza("X25519", 32), stanza("other", 48)]);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let fits = Header::parse(&damaged).is_ok_and(|(header, rest)| rest.is_empty() && header.fits(&key));
                assert!(!fits, "bit {bit} of octet {at}");
            }
        }
        for end in 0..bytes.len() {
            assert!(Header::parse(&bytes[..end]).is_err(), "cut to {end}");
        }
    }

    #[test]
    fn a_passphrase_stands_alone() {
        let key = [9; 16];
        assert!(Header::parse(&header(&key, &[stanza(SCRYPT, 32)])).is_ok());
        assert!(Header::parse(&header(&key, &[stanza(SCRYPT, 32), stanza("X25519", 32)])).is_err());
        assert!(Header::parse(&header(&key, &[])).is_err());
    }
}
