//! Files with keys, as bytes: bounded, wiped where they may hold a secret, and refused where others can read one.

use std::io;
use std::path::Path;

use crate::base::input;
use crate::base::limits;
use crate::base::secret::SecretBytes;
use crate::config::secret;
use crate::keyring::Recipient;
use crate::keyring::identities;
use crate::keyring::recipients::read_recipients;

use super::error::Error;

/// Reads a file that holds no secret.
///
/// # Errors
/// When it cannot be read or is too large for what it should be.
pub(super) fn read_public(path: &Path) -> Result<Vec<u8>, Error> {
    input::read(path, limits::KEY_FILE_BYTES_MAX).map_err(|source| unreadable(path, source))
}

/// A file that is none, or no key file, was named by mistake; the others cannot be read.
fn unreadable(path: &Path, source: io::Error) -> Error {
    match input::hint(&source) {
        Some(hint) => Error::Unfit {
            what: format!("cannot use {}: {source}", path.display()),
            hint: hint.into(),
        },
        None => Error::OpenFile {
            path: path.to_owned(),
            source,
        },
    }
}

/// Reads a secret file, which only its owner may read.
pub(super) fn read_secret(path: &Path) -> Result<SecretBytes, Error> {
    let most = usize::try_from(limits::KEY_FILE_BYTES_MAX).unwrap_or(usize::MAX);
    Ok(secret::read_private(path, most)?)
}

/// What a file holds that is public altogether, in words; none for anything else.
pub(super) fn public_content(bytes: &[u8]) -> Option<String> {
    if identities::holds_secret(bytes) {
        return None;
    }
    match read_recipients(bytes).ok()?.first()? {
        Recipient::OpenPgp(certificate) => Some(format!("the public certificate {}", certificate.fingerprint())),
        Recipient::Age(recipient) => Some(format!("the public recipient {recipient}")),
        Recipient::Passphrase(_) => None,
    }
}

/// The bytes of a file that may hold a secret: read into room for all of it, so that growing leaves no copy behind.
pub(super) fn read_wiped(path: &Path) -> Result<SecretBytes, Error> {
    let read = || {
        let file = input::open(path)?;
        let most = usize::try_from(limits::KEY_FILE_BYTES_MAX).unwrap_or(usize::MAX);
        // A pipe does not say how much will come.
        let bytes = secret::bounded(file, most)?;
        bytes.ok_or_else(|| io::ErrorKind::FileTooLarge.into())
    };
    read().map_err(|source| unreadable(path, source))
}
