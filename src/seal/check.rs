//! The judgement on one signature.

use sequoia_openpgp::KeyHandle;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::signature::subpacket::SubpacketValue;
use sequoia_openpgp::policy::HashAlgoSecurity;
use sequoia_openpgp::policy::Policy as _;
use sequoia_openpgp::types::HashAlgorithm;
use sequoia_openpgp::types::SignatureType;

use super::Error;
use super::Invalid;
use super::SignedBy;
use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::bundle::manifest::Role;
use crate::keyring::facts::facts_of_key;
use crate::keyring::profile::profile_at;
use crate::keyring::trust::Candidate;
use crate::keyring::trust::TrustStore;
use crate::keyring::trust::Untrusted;

/// Digests without known collisions (FIPS 180-4, FIPS 202), whatever the profile of the time says.
const DIGESTS: [HashAlgorithm; 5] = [
    HashAlgorithm::SHA256,
    HashAlgorithm::SHA384,
    HashAlgorithm::SHA512,
    HashAlgorithm::SHA3_256,
    HashAlgorithm::SHA3_512,
];

/// Who made the signature, if it is good and he is trusted.
pub(super) fn signature(
    signature: &Signature,
    bytes: &[u8],
    trust: &TrustStore,
    expected: Timestamp,
) -> Result<SignedBy, Error> {
    let created = check_shape(signature)?;
    let issuers = signature.get_issuers();
    if issuers.is_empty() {
        return Err(malformed("it names no issuer"));
    }
    let mut failure = Error::Untrusted(Untrusted::Unknown {
        issuers: issuers.iter().map(KeyHandle::to_hex).collect(),
    });
    // Several certificates may claim the key: one that is right is enough.
    for (number, candidate) in trust.candidates(&issuers).into_iter().enumerate() {
        match check_candidate(signature, bytes, trust, expected, created, &candidate) {
            Ok(signed_by) => return Ok(signed_by),
            Err(error) if number == 0 => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

fn check_candidate(
    signature: &Signature,
    bytes: &[u8],
    trust: &TrustStore,
    expected: Timestamp,
    created: Timestamp,
    candidate: &Candidate,
) -> Result<SignedBy, Error> {
    let fingerprint = candidate.key.fingerprint();
    check_fits(signature, bytes, candidate)?;
    if created.unix().abs_diff(expected.unix()) > limits::SIGNATURE_TIME_SECONDS_MAX {
        return Err(Invalid::AnotherTime {
            signer: candidate.certificate.fingerprint().to_hex(),
            created,
            expected,
        }
        .into());
    }
    let trusted = trust.judge_signer(&candidate.certificate, &fingerprint, created)?;
    Ok(SignedBy {
        facts: facts_of_key(&candidate.certificate, &fingerprint, Role::Signer, created),
        fingerprint: candidate.certificate.fingerprint().to_hex(),
        signing_key: fingerprint.to_hex(),
        created,
        trusted_by: trusted.root,
    })
}

/// What a signature says about itself, without any key. Gives its creation time.
fn check_shape(signature: &Signature) -> Result<Timestamp, Error> {
    if signature.typ() != SignatureType::Binary {
        let found = format!("a signature of type {}", signature.typ());
        return Err(Invalid::NotASignature { found }.into());
    }
    if !matches!(signature.version(), 4 | 6) {
        return Err(malformed("its version is neither 4 nor 6"));
    }
    if !DIGESTS.contains(&signature.hash_algo()) {
        let digest = signature.hash_algo().to_string();
        return Err(Invalid::Digest { digest }.into());
    }
    if signature
        .signature_validity_period()
        .is_some_and(|period| !period.is_zero())
    {
        return Err(malformed("it expires, and a backup has to be verified years later"));
    }
    let created: Timestamp = signature
        .signature_creation_time()
        .ok_or_else(|| malformed("it does not say when it was made"))?
        .into();
    profile_at(created)
        .signature(signature, HashAlgoSecurity::CollisionResistance)
        .map_err(|_| malformed("it demands something that is not known"))?;
    Ok(created)
}

fn malformed(what: &'static str) -> Error {
    Invalid::Malformed { what }.into()
}

/// The signature is by that key over those bytes, and so is all that it says without signing it.
fn check_fits(signature: &Signature, bytes: &[u8], candidate: &Candidate) -> Result<(), Invalid> {
    let does_not_fit = || Invalid::DoesNotFit {
        signer: candidate.certificate.fingerprint().to_hex(),
    };
    signature
        .verify_message(&candidate.key, bytes)
        .map_err(|_| does_not_fit())?;
    // The first two octets of the digest stand in the signature unsigned, for quick checks.
    let prefix = signature.computed_digest().and_then(|digest| digest.get(..2));
    if prefix != Some(signature.digest_prefix()) {
        return Err(does_not_fit());
    }
    let right = [
        SubpacketValue::Issuer(candidate.key.keyid()),
        SubpacketValue::IssuerFingerprint(candidate.key.fingerprint()),
    ];
    let mut unsigned = signature.unhashed_area().iter();
    if unsigned.all(|subpacket| right.contains(subpacket.value())) {
        Ok(())
    } else {
        Err(does_not_fit())
    }
}
