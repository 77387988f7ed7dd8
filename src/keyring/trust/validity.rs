//! Whether a certificate, and a key of it, was valid at a time.

use sequoia_openpgp::Cert;
use sequoia_openpgp::Fingerprint;
use sequoia_openpgp::cert::amalgamation::ValidAmalgamation as _;
use sequoia_openpgp::cert::amalgamation::ValidateAmalgamation as _;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::key::KeyRole;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::types::ReasonForRevocation;
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::types::RevocationType;

use super::NotValid;
use super::Untrusted;
use crate::base::clock::Timestamp;
use crate::keyring::algorithm;
use crate::keyring::profile::laxest;
use crate::keyring::profile::profile_at;

/// The certificate itself: not revoked, valid at `at`, strong.
pub(super) fn check_certificate(certificate: &Cert, at: Timestamp) -> Result<(), Untrusted> {
    let fingerprint = certificate.fingerprint().to_hex();
    let profile = profile_at(at);
    check_not_revoked(
        &certificate.revocation_status(&profile, at.system_time()),
        &fingerprint,
        at,
    )?;
    let primary = certificate.primary_key().key();
    check_strong(primary, &fingerprint)?;
    let not_valid = |why| Untrusted::NotValidAt {
        fingerprint: fingerprint.clone(),
        time: at,
        why,
    };
    if primary.creation_time() > at.system_time() {
        return Err(not_valid(NotValid::NotYet));
    }
    match certificate.with_policy(&profile, at.system_time()) {
        Ok(valid) => valid.alive().map_err(|_| not_valid(NotValid::Expired)),
        Err(_) if certificate.with_policy(&laxest(), at.system_time()).is_ok() => Err(Untrusted::WeakAlgorithm {
            algorithm: "its self-signature uses an outdated digest".into(),
            fingerprint: fingerprint.clone(),
        }),
        Err(_) => Err(not_valid(NotValid::NotForThis)),
    }
}

/// The key that signed, which is often a subkey: bound, for signing, not revoked, valid at `at`, strong.
pub(super) fn check_signing_key(certificate: &Cert, key: &Fingerprint, at: Timestamp) -> Result<(), Untrusted> {
    let profile = profile_at(at);
    let primary = certificate.fingerprint();
    // People know certificates by their fingerprints, so a subkey is not named alone.
    let fingerprint = if *key == primary {
        key.to_hex()
    } else {
        format!("{key:X} of the certificate {primary:X}")
    };
    let not_valid = |why| Untrusted::NotValidAt {
        fingerprint: fingerprint.clone(),
        time: at,
        why,
    };
    let key = certificate
        .keys()
        .find(|candidate| candidate.key().fingerprint() == *key)
        .ok_or_else(|| not_valid(NotValid::NotForThis))?;
    check_strong(key.key(), &fingerprint)?;
    if key.key().creation_time() > at.system_time() {
        return Err(not_valid(NotValid::NotYet));
    }
    let valid = key
        .with_policy(&profile, at.system_time())
        .map_err(|_| not_valid(NotValid::NotForThis))?;
    check_not_revoked(&valid.revocation_status(), &fingerprint, at)?;
    valid.alive().map_err(|_| not_valid(NotValid::Expired))?;
    if valid.for_signing() {
        Ok(())
    } else {
        Err(not_valid(NotValid::NotForThis))
    }
}

fn check_strong<R: KeyRole>(key: &Key<PublicParts, R>, fingerprint: &str) -> Result<(), Untrusted> {
    let algorithm = algorithm::name(key);
    if algorithm::is_strong(&algorithm) {
        return Ok(());
    }
    Err(Untrusted::WeakAlgorithm {
        fingerprint: fingerprint.to_owned(),
        algorithm,
    })
}

fn check_not_revoked(status: &RevocationStatus, fingerprint: &str, at: Timestamp) -> Result<(), Untrusted> {
    let signatures = match status {
        // It could be revoked by a key that it names as its revoker: whether it is would need that key, so it counts.
        RevocationStatus::Revoked(signatures) | RevocationStatus::CouldBe(signatures) => signatures,
        RevocationStatus::NotAsFarAsWeKnow => return Ok(()),
    };
    if let Some(hard) = signatures.iter().find(|signature| is_hard(signature)) {
        return Err(Untrusted::RevokedHard {
            fingerprint: fingerprint.to_owned(),
            reason: reason(hard),
        });
    }
    Err(Untrusted::NotValidAt {
        fingerprint: fingerprint.to_owned(),
        time: at,
        why: NotValid::Retired,
    })
}

/// What revokes a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The reason that it gives, and what else it says.
    pub reason: String,
    /// When it was made.
    pub at: Option<Timestamp>,
}

/// What revokes the certificate at `at`, if anything does: rather a hard revocation than a soft one.
pub(in crate::keyring) fn revocation(certificate: &Cert, at: Timestamp) -> Option<Revocation> {
    let profile = profile_at(at);
    let signatures = match certificate.revocation_status(&profile, at.system_time()) {
        RevocationStatus::Revoked(signatures) | RevocationStatus::CouldBe(signatures) => signatures,
        RevocationStatus::NotAsFarAsWeKnow => return None,
    };
    let hard = signatures.iter().find(|signature| is_hard(signature));
    let signature = hard.or(signatures.first())?;
    Some(Revocation {
        reason: reason(signature),
        at: signature.signature_creation_time().map(Into::into),
    })
}

/// A revocation without a reason is hard.
pub(super) fn is_hard(revocation: &Signature) -> bool {
    let code = revocation.reason_for_revocation().map(|(code, _)| code);
    code.unwrap_or(ReasonForRevocation::Unspecified).revocation_type() == RevocationType::Hard
}

fn reason(revocation: &Signature) -> String {
    match revocation.reason_for_revocation() {
        None => "no reason is given".into(),
        Some((code, [])) => code.to_string(),
        // What another program wrote there could steer a terminal.
        Some((code, message)) => format!("{code} ({})", String::from_utf8_lossy(message).escape_debug()),
    }
}
