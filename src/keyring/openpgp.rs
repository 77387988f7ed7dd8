//! OpenPGP certificates and secret keys out of bytes, and back into text.

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::MarshalInto as _;

use super::Cause;
use super::Error;
use crate::base::limits;
use crate::base::secret::SecretText;

/// What every armored OpenPGP block begins with.
pub(super) const ARMOR: &[u8] = b"-----BEGIN PGP ";

/// Reads the certificates of an armored or binary keyring, several armored blocks too. Secret keys in it are dropped.
///
/// # Errors
/// When there is none, when one of them does not parse, or past the bounds of [`limits`].
pub fn read_certificates(bytes: &[u8]) -> Result<Vec<Cert>, Error> {
    let mut certificates = read_all(bytes)?;
    for certificate in &mut certificates {
        *certificate = certificate.clone().strip_secret_key_material();
    }
    Ok(certificates)
}

/// Whether a secret key is among the certificates.
#[must_use]
pub fn holds_secret(bytes: &[u8]) -> bool {
    read_all(bytes).is_ok_and(|certificates| certificates.iter().any(Cert::is_tsk))
}

/// Reads exactly one certificate with secret keys.
///
/// # Errors
/// When the file holds another number of certificates, or no secret key.
pub fn read_secret(bytes: &[u8]) -> Result<Cert, Error> {
    let mut certificates = read_all(bytes)?;
    let found = certificates.len();
    let (Some(certificate), 1) = (certificates.pop(), found) else {
        return Err(Error::NotOneKey { found });
    };
    if certificate.is_tsk() {
        Ok(certificate)
    } else {
        Err(Error::NotSecret {
            fingerprint: certificate.fingerprint().to_hex(),
        })
    }
}

/// The certificate as armored text, without secret keys.
///
/// # Errors
/// When the OpenPGP library cannot write it.
pub fn public_text(certificate: &Cert) -> Result<String, Error> {
    let bytes = certificate
        .armored()
        .to_vec()
        .map_err(Error::openpgp("write a certificate"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The certificate with its secret keys as armored text.
///
/// # Errors
/// When the OpenPGP library cannot write it.
pub fn secret_text(certificate: &Cert) -> Result<SecretText, Error> {
    let bytes = certificate
        .as_tsk()
        .armored()
        .to_vec()
        .map_err(Error::openpgp("write a secret key"))?;
    // The error itself would carry the key.
    String::from_utf8(bytes)
        .map(SecretText::new)
        .map_err(|error| Error::openpgp("write a secret key")(error.utf8_error()))
}

/// Whether the bytes look like OpenPGP: armor, or a packet (the first bit of which is always set).
pub(super) fn looks_like_openpgp(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0x80 != 0) || starts_of_armor(bytes).next().is_some()
}

fn read_all(bytes: &[u8]) -> Result<Vec<Cert>, Error> {
    if bytes.len() as u64 > limits::KEY_FILE_BYTES_MAX {
        return Err(Error::TooLarge {
            bytes_max: limits::KEY_FILE_BYTES_MAX,
        });
    }
    if !looks_like_openpgp(bytes) {
        return Err(Error::NoCertificate);
    }
    let mut certificates = Vec::new();
    for block in blocks(bytes) {
        read_block(block, &mut certificates)?;
    }
    if certificates.is_empty() {
        return Err(Error::NoCertificate);
    }
    Ok(certificates)
}

fn read_block(block: &[u8], certificates: &mut Vec<Cert>) -> Result<(), Error> {
    let bad = |number| move |source: Cause| Error::BadCertificate { number, source };
    let parser = CertParser::from_bytes(block).map_err(|source| bad(certificates.len() + 1)(source.into()))?;
    for certificate in parser {
        let number = certificates.len() + 1;
        if number > limits::CERTIFICATES_MAX {
            return Err(Error::TooMany {
                most: limits::CERTIFICATES_MAX,
            });
        }
        certificates.push(certificate.map_err(|source| bad(number)(source.into()))?);
    }
    Ok(())
}

/// The armored blocks one by one, since the parser reads only the first; a binary keyring is one block.
fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        vec![0]
    } else {
        starts_of_armor(bytes).collect()
    };
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(&start, end)| bytes.get(start..end))
        .collect()
}

/// Where armored blocks begin: always at the beginning of a line.
fn starts_of_armor(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let begins = move |start: usize| start == 0 || bytes.get(start - 1) == Some(&b'\n');
    bytes
        .windows(ARMOR.len())
        .enumerate()
        .filter(move |(start, window)| *window == ARMOR && begins(*start))
        .map(|(start, _)| start)
}
