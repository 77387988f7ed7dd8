//! Whether a root's word for a signer held at a time.

use std::time::SystemTime;

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::amalgamation::UserIDAmalgamation;
use sequoia_openpgp::cert::amalgamation::ValidAmalgamation as _;
use sequoia_openpgp::cert::amalgamation::ValidateAmalgamation as _;
use sequoia_openpgp::cert::amalgamation::key::ErasedKeyAmalgamation;
use sequoia_openpgp::cert::amalgamation::key::PrimaryKey as _;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::types::RevocationStatus;

use super::Untrusted;
use super::validity::check_certificate;
use super::validity::is_hard;
use crate::base::clock::Timestamp;
use crate::bundle::manifest::Role;
use crate::keyring::algorithm;
use crate::keyring::facts;
use crate::keyring::profile::profile_at;

/// Whether the root's word for the certificate held at `at`.
pub(super) fn check(root: &Cert, certificate: &Cert, at: Timestamp) -> Result<bool, Untrusted> {
    // A pinned signer is trusted for its own signatures, not for naming others.
    if matches!(facts::role(root, at), Some(Role::Signer | Role::Recipient)) {
        return Ok(false);
    }
    let mut revoked = false;
    for user in certificate.userids() {
        let profile = profile_at(at);
        let Ok(valid) = user.clone().with_policy(&profile, at.system_time()) else {
            continue;
        };
        // Revoked by its owner. Revocations by others are the root's, judged below, or nobody's.
        if matches!(valid.revocation_status(), RevocationStatus::Revoked(_)) {
            continue;
        }
        let Some(certified) = certified_at(root, &user, at) else {
            continue;
        };
        // A root that is compromised, or no longer valid, is named rather than passed over: but only if its word is needed.
        check_certificate(root, at)?;
        if is_taken_back(root, &user, certified, at) {
            revoked = true;
        } else {
            return Ok(true);
        }
    }
    if revoked {
        return Err(Untrusted::CertificationRevoked {
            fingerprint: certificate.fingerprint().to_hex(),
            root: root.fingerprint().to_hex(),
        });
    }
    Ok(false)
}

/// When the root's newest certification of the user id that holds at `at` was made, by a key that could certify then.
fn certified_at(root: &Cert, user: &UserIDAmalgamation, at: Timestamp) -> Option<Timestamp> {
    let profile = profile_at(at);
    let mut newest = None;
    for key in root.keys() {
        for certification in user.valid_certifications_by_key(&profile, at.system_time(), key.key()) {
            let made = certification.signature_creation_time();
            if let Some(made) = made.filter(|made| could_certify(&key, *made)) {
                newest = newest.max(Some(Timestamp::from(made)));
            }
        }
    }
    newest
}

fn could_certify(key: &ErasedKeyAmalgamation<PublicParts>, made: SystemTime) -> bool {
    let profile = profile_at(made.into());
    let Ok(valid) = key.clone().with_policy(&profile, made) else {
        return false;
    };
    let sound = match valid.revocation_status() {
        RevocationStatus::NotAsFarAsWeKnow => true,
        // Passed here, so that the verdict on the root names it.
        RevocationStatus::Revoked(signatures) | RevocationStatus::CouldBe(signatures) => {
            key.primary() && signatures.iter().any(|signature| is_hard(signature))
        }
    };
    sound && valid.for_certification() && valid.alive().is_ok() && algorithm::is_strong(&algorithm::name(key.key()))
}

/// Whether the root revoked its certification: softly between it and `at`, or hard at any time. The profile is not asked: a
/// revocation by a weak digest is still the root's wish.
fn is_taken_back(root: &Cert, user: &UserIDAmalgamation, certified: Timestamp, at: Timestamp) -> bool {
    let primary = user.cert().primary_key().key();
    let by_root = |revocation: &Signature| {
        root.keys().any(|key| {
            let named = revocation
                .get_issuers()
                .iter()
                .any(|issuer| issuer.aliases(key.key().key_handle()));
            named
                && revocation
                    .verify_userid_revocation(key.key(), primary, user.userid())
                    .is_ok()
        })
    };
    let in_force = |revocation: &Signature| {
        let made: Option<Timestamp> = revocation.signature_creation_time().map(Into::into);
        is_hard(revocation) || made.is_some_and(|made| certified <= made && made <= at)
    };
    user.other_revocations()
        .any(|revocation| in_force(revocation) && by_root(revocation))
}
