//! Files with keys, as bytes: bounded, wiped where they may hold a secret, and refused where others can read one.

use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;

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
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(limits::KEY_FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    let fits = read.and_then(|count| {
        if count as u64 > limits::KEY_FILE_BYTES_MAX {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(())
        }
    });
    fits.map_err(|source| Error::OpenFile {
        path: path.to_owned(),
        source,
    })?;
    Ok(bytes)
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
        let file = File::open(path)?;
        let most = usize::try_from(limits::KEY_FILE_BYTES_MAX).unwrap_or(usize::MAX);
        // A pipe does not say how much will come.
        let bytes = secret::bounded(file, most)?;
        bytes.ok_or_else(|| io::ErrorKind::FileTooLarge.into())
    };
    read().map_err(|source| Error::OpenFile {
        path: path.to_owned(),
        source,
    })
}
