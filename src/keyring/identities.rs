//! Identities out of bytes: an OpenPGP secret key, or an age identity file, which may itself be locked with a passphrase.

use std::io::Read as _;

use age::secrecy::ExposeSecret as _;
use age::secrecy::SecretString;
use sequoia_openpgp::Cert;
use zeroize::Zeroizing;

use super::Error;
use super::Identity;
use super::openpgp;
use super::unlock::unlock_key;
use crate::base::limits;
use crate::base::secret::SecretText;

/// What lines with secret age keys begin with.
const AGE_SECRETS: [&[u8]; 2] = [b"AGE-SECRET-KEY-", b"AGE-PLUGIN-"];

/// How an age file begins, binary and armored.
const AGE_FILES: [&[u8]; 2] = [b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----"];

/// Whether bytes that should be public hold a secret key: an OpenPGP one, or a line of an age identity file.
#[must_use]
pub fn holds_secret(bytes: &[u8]) -> bool {
    if openpgp::looks_like_openpgp(bytes) {
        return openpgp::holds_secret(bytes);
    }
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.any(|line| AGE_SECRETS.iter().any(|begin| line.starts_with(begin)))
}

/// Reads an identity: an OpenPGP secret key, or an age identity file. `passphrase` is what locks it, if anything does.
///
/// # Errors
/// When it is neither, or when the passphrase is missing or does not unlock it.
pub fn read_identity(bytes: &[u8], passphrase: Option<SecretText>) -> Result<Identity, Error> {
    if bytes.len() as u64 > limits::KEY_FILE_BYTES_MAX {
        return Err(Error::TooLarge {
            bytes_max: limits::KEY_FILE_BYTES_MAX,
        });
    }
    if AGE_FILES.iter().any(|start| bytes.starts_with(start)) {
        let text = open_age_file(bytes, passphrase.as_ref())?;
        return read_age(text.as_bytes());
    }
    if openpgp::looks_like_openpgp(bytes) {
        let key = openpgp::read_secret(bytes)?;
        check_unlocks(&key, passphrase.as_ref())?;
        let key = Box::new(key);
        return Ok(Identity::OpenPgp { key, passphrase });
    }
    read_age(bytes)
}

/// The recipients whose secrets an age identity file holds; none when it is no such file. A file that is locked, and identities of
/// plugins, do not tell theirs.
#[must_use]
pub fn age_recipients(bytes: &[u8]) -> Option<Vec<String>> {
    if AGE_FILES.iter().any(|start| bytes.starts_with(start)) {
        return Some(Vec::new());
    }
    let Ok(Identity::Age { text, .. }) = read_age(bytes) else {
        return None;
    };
    let identities = text.expose().lines().filter_map(|line| line.trim().parse().ok());
    let recipients = identities.map(|identity: age::x25519::Identity| identity.to_public().to_string());
    Some(recipients.collect())
}

/// A new age identity: its recipient, and the content of an identity file as `age-keygen` writes it.
#[must_use]
pub fn make_age_identity() -> (String, SecretText) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let secret = identity.to_string();
    let file = format!("# public key: {recipient}\n{}\n", secret.expose_secret());
    (recipient, SecretText::new(file))
}

/// One secret key that unlocks is enough: a stub of GnuPG for an offline primary key never does.
fn check_unlocks(certificate: &Cert, passphrase: Option<&SecretText>) -> Result<(), Error> {
    let fingerprint = certificate.fingerprint().to_hex();
    let mut failure = Error::NotSecret {
        fingerprint: fingerprint.clone(),
    };
    for key in certificate.keys().secret() {
        match unlock_key(key.key().clone(), passphrase, &fingerprint) {
            Ok(_) => return Ok(()),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn read_age(bytes: &[u8]) -> Result<Identity, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::NotAnIdentity)?;
    let is_identity =
        |line: &str| line.parse::<age::x25519::Identity>().is_ok() || line.parse::<age::plugin::Identity>().is_ok();
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    if lines.peek().is_none() || !lines.all(is_identity) {
        return Err(Error::NotAnIdentity);
    }
    Ok(Identity::age(SecretText::new(text.to_owned())))
}

fn open_age_file(bytes: &[u8], passphrase: Option<&SecretText>) -> Result<Zeroizing<String>, Error> {
    let passphrase = passphrase.ok_or(Error::AgeLocked)?;
    let identity = age::scrypt::Identity::new(SecretString::from(passphrase.expose().to_owned()));
    let decryptor = age::Decryptor::new(age::armor::ArmoredReader::new(bytes)).map_err(|_| Error::NotAnIdentity)?;
    let mut reader = decryptor
        .decrypt(std::iter::once(&identity as &dyn age::Identity))
        .map_err(|_| Error::AgeWrongPassphrase)?;
    // Room for all of it, so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len()));
    reader
        .read_to_string(&mut text)
        .map_err(|_| Error::AgeWrongPassphrase)?;
    Ok(text)
}
