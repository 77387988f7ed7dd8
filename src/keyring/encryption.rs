//! The keys of a certificate that a bundle is encrypted to. What the slots hold and what the manifest says comes from here.

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::Preferences as _;
use sequoia_openpgp::cert::ValidCert;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::packet::key::UnspecifiedRole;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::types::RevocationStatus;

use super::Error;
use super::profile::profile_at;
use crate::base::clock::Timestamp;

/// A public key that can be encrypted to.
pub type EncryptionKey = Key<PublicParts, UnspecifiedRole>;

/// Every key of `certificate` that may be encrypted to at `at`; at least one.
///
/// # Errors
/// `CannotEncryptTo` when the certificate was not valid then, or none of its keys was.
pub fn encryption_keys(certificate: &Cert, at: Timestamp) -> Result<Vec<EncryptionKey>, Error> {
    let profile = profile_at(at);
    let valid = valid(certificate, &profile, at)?;
    let all = || valid.keys().for_storage_encryption().for_transport_encryption();
    let usable = all().supported().alive().revoked(false);
    let usable: Vec<EncryptionKey> = usable.map(|found| found.key().clone()).collect();
    if !usable.is_empty() {
        return Ok(usable);
    }
    let reason = match all().count() {
        0 => "it has no key for encryption",
        _ => "its keys for encryption have expired, were revoked, or are of an unknown kind",
    };
    Err(refused(certificate, reason.to_owned()))
}

/// Whether the certificate says at `at` that its owner reads SEIPDv2.
///
/// # Errors
/// `CannotEncryptTo` when the certificate was not valid then.
pub fn reads_seipdv2(certificate: &Cert, at: Timestamp) -> Result<bool, Error> {
    let profile = profile_at(at);
    let valid = valid(certificate, &profile, at)?;
    Ok(valid.features().is_some_and(|features| features.supports_seipdv2()))
}

fn valid<'a>(certificate: &'a Cert, profile: &'a StandardPolicy<'_>, at: Timestamp) -> Result<ValidCert<'a>, Error> {
    let valid = certificate
        .with_policy(profile, at.system_time())
        .map_err(|error| refused(certificate, format!("{error:#}")))?;
    valid
        .alive()
        .map_err(|error| refused(certificate, format!("{error:#}")))?;
    match valid.revocation_status() {
        RevocationStatus::Revoked(_) => Err(refused(certificate, "it was revoked".to_owned())),
        RevocationStatus::CouldBe(_) | RevocationStatus::NotAsFarAsWeKnow => Ok(valid),
    }
}

fn refused(certificate: &Cert, reason: String) -> Error {
    Error::CannotEncryptTo {
        fingerprint: certificate.fingerprint().to_hex(),
        reason,
    }
}
