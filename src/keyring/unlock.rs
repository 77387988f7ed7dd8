//! The secret key of a certificate that does a piece of work, unlocked.

use sequoia_openpgp::Cert;
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::crypto::Password;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::key::SecretParts;
use sequoia_openpgp::packet::key::UnspecifiedRole;
use sequoia_openpgp::types::KeyFlags;
use sequoia_openpgp::types::RevocationStatus;

use super::Error;
use super::algorithm;
use super::profile::profile_at;
use crate::base::clock::Timestamp;
use crate::base::secret::SecretText;

/// Work that a secret key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Signs manifests and records.
    Sign,
    /// Certifies other keys.
    Certify,
}

impl Work {
    fn verb(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Certify => "certify",
        }
    }

    fn flags(self) -> KeyFlags {
        match self {
            Self::Sign => KeyFlags::empty().set_signing(),
            Self::Certify => KeyFlags::empty().set_certification(),
        }
    }
}

/// The newest secret key of `certificate` that may do `work` at `at`, unlocked.
///
/// # Errors
/// When none may, when it is weak, or when the passphrase does not unlock it.
pub fn unlock(
    certificate: &Cert,
    passphrase: Option<&SecretText>,
    work: Work,
    at: Timestamp,
) -> Result<KeyPair, Error> {
    let profile = profile_at(at);
    let fingerprint = certificate.fingerprint().to_hex();
    let none = || Error::NoKeyFor {
        fingerprint: fingerprint.clone(),
        work: work.verb(),
        time: at.to_string(),
    };
    let valid = certificate
        .with_policy(&profile, at.system_time())
        .map_err(|_| none())?;
    let revoked = !matches!(valid.revocation_status(), RevocationStatus::NotAsFarAsWeKnow);
    if revoked || valid.alive().is_err() {
        return Err(none());
    }
    let keys = valid.keys().supported().alive().revoked(false).key_flags(work.flags());
    let mut keys: Vec<Key<SecretParts, UnspecifiedRole>> = keys.secret().map(|key| key.key().clone()).collect();
    keys.sort_by_key(|key| std::cmp::Reverse(key.creation_time()));
    let mut failure = none();
    for key in keys {
        let algorithm = algorithm::name(&key);
        if !algorithm::is_strong(&algorithm) {
            return Err(Error::Weak { fingerprint, algorithm });
        }
        // An offline primary key that GnuPG exported as a stub does not unlock: another key may.
        match unlock_key(key, passphrase, &fingerprint) {
            Ok(pair) => return Ok(pair),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Whether a secret key of the certificate is locked.
#[must_use]
pub fn is_locked(key: &Cert) -> bool {
    key.keys().secret().any(|key| !key.key().has_unencrypted_secret())
}

/// Whether a secret key of the certificate that can decrypt is not locked. A stub of GnuPG for an offline primary key does not count.
#[must_use]
pub fn opens_unasked(key: &Cert) -> bool {
    key.keys()
        .secret()
        .any(|key| key.key().pk_algo().for_encryption() && key.key().has_unencrypted_secret())
}

/// Unlocks one secret key.
///
/// # Errors
/// `Locked` or `WrongPassphrase`.
pub(super) fn unlock_key(
    key: Key<SecretParts, UnspecifiedRole>,
    passphrase: Option<&SecretText>,
    fingerprint: &str,
) -> Result<KeyPair, Error> {
    let key = if key.has_unencrypted_secret() {
        key
    } else {
        let passphrase = passphrase.ok_or_else(|| Error::Locked {
            fingerprint: fingerprint.to_owned(),
        })?;
        key.decrypt_secret(&Password::from(passphrase.expose()))
            .map_err(|_| Error::WrongPassphrase {
                fingerprint: fingerprint.to_owned(),
            })?
    };
    key.into_keypair().map_err(Error::openpgp("use a secret key"))
}
