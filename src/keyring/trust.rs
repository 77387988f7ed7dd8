//! Whether a signer may sign: it is pinned, or a pinned root certified it. Pure: certificates and a time in, a verdict out.
//!
//! Trust never comes from a key that a bundle brings along. Everything is judged at the time of the signature, so a key that has
//! expired or was retired since does not spoil what it signed before. A hard revocation (the key is compromised, or no reason is
//! given) does, whenever it was made: a thief chooses the time in his signatures.

mod certification;
mod validity;

pub use self::validity::Revocation;
pub(super) use self::validity::revocation;

use std::fmt;

use sequoia_openpgp::Cert;
use sequoia_openpgp::Fingerprint;
use sequoia_openpgp::KeyHandle;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::packet::key::UnspecifiedRole;

use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::fault::Kind;

/// The certificates that decide about signatures.
///
/// Several copies of one certificate may be given: what any of them knows, such as a revocation, counts.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    /// Trusted as they stand, and for what they certify: roots, or single signers.
    pub pinned: Vec<Cert>,
    /// Known, and trusted only as far as a pinned certificate says.
    pub known: Vec<Cert>,
}

/// On whose word a signer is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedBy {
    /// The fingerprint of the pinned certificate, in upper-case hexadecimal.
    pub root: String,
}

/// Why a key was not valid at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotValid {
    /// It had expired.
    Expired,
    /// It did not exist yet.
    NotYet,
    /// It had been retired or superseded.
    Retired,
    /// It may not do this work: its certificate does not say so.
    NotForThis,
}

impl fmt::Display for NotValid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Expired => "it had expired",
            Self::NotYet => "it did not exist yet",
            Self::Retired => "it had been retired or superseded",
            Self::NotForThis => "its certificate did not permit this use",
        })
    }
}

/// Why a signer is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// Nobody knows the key.
    #[error("the signer is unknown: no certificate that is known here has the key {}", issuers.join(" or "))]
    Unknown {
        /// The fingerprints or key ids that the signature names.
        issuers: Vec<String>,
    },
    /// Known, but no pinned certificate had certified it.
    #[error("no pinned root had certified the signer {fingerprint} at {time}")]
    NotCertified {
        /// The signer.
        fingerprint: String,
        /// When.
        time: Timestamp,
    },
    /// The pinned certificate took its word back.
    #[error("the root {root} has revoked its certification of the signer {fingerprint}")]
    CertificationRevoked {
        /// The signer.
        fingerprint: String,
        /// The root.
        root: String,
    },
    /// Compromised: trusted for nothing, whenever it was signed.
    #[error("the key {fingerprint} is revoked: {reason}")]
    RevokedHard {
        /// The key, which may be the root's.
        fingerprint: String,
        /// What the revocation says.
        reason: String,
    },
    /// Not valid when it signed.
    #[error("the key {fingerprint} was not valid at {time}: {why}")]
    NotValidAt {
        /// The key, which may be the root's.
        fingerprint: String,
        /// The time of the signature.
        time: Timestamp,
        /// Why not.
        why: NotValid,
    },
    /// The key or its self-signature is weaker than anything that is accepted.
    #[error("the key {fingerprint} is too weak: {algorithm}")]
    WeakAlgorithm {
        /// The key, which may be the root's.
        fingerprint: String,
        /// What is weak.
        algorithm: String,
    },
}

impl Fault for Untrusted {
    fn kind(&self) -> Kind {
        Kind::SignerUntrusted
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unknown { .. } => {
                "If the signer is yours, give its certificate, certified by your root, with --certificate or among [keys] certificates; compare the fingerprint by another way first. The key \
                 that signs is often a subkey: `hub-backup keys show` lists the keys of a certificate."
            }
            Self::NotCertified { .. } => "Certify the signer with the root key, or pin its certificate.",
            Self::CertificationRevoked { .. } | Self::RevokedHard { .. } => {
                "Do not restore this bundle before you know who could have written it."
            }
            Self::NotValidAt { .. } => {
                "`hub-backup keys show FILE` tells of expiry and revocation; new bundles need a valid signer."
            }
            Self::WeakAlgorithm { .. } => {
                "Make a new key; ECDSA P-384, Ed25519 or RSA of 3072 bits and more are accepted."
            }
        };
        Some(hint.into())
    }
}

/// A certificate of the store, all copies merged, and one of its keys.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The certificate.
    pub certificate: Cert,
    /// The key of it that the signature may be by.
    pub key: Key<PublicParts, UnspecifiedRole>,
}

impl TrustStore {
    /// The keys that `issuers` may name. A key id may name several, and anybody can claim another's key for his certificate,
    /// so every candidate has to be tried.
    #[must_use]
    pub fn candidates(&self, issuers: &[KeyHandle]) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        for certificate in self.pinned.iter().chain(&self.known) {
            let known = |key: &Key<PublicParts, UnspecifiedRole>| {
                found
                    .iter()
                    .any(|one| one.certificate.fingerprint() == certificate.fingerprint() && one.key == *key)
            };
            let named =
                |key: &Key<PublicParts, UnspecifiedRole>| issuers.iter().any(|issuer| issuer.aliases(key.key_handle()));
            let keys: Vec<_> = certificate
                .keys()
                .map(|key| key.key().clone())
                .filter(|key| named(key) && !known(key))
                .collect();
            for key in keys {
                let certificate = self.merged(certificate);
                found.push(Candidate { certificate, key });
            }
        }
        found
    }

    /// Whether `certificate` is trusted at `at`, and on whose word.
    ///
    /// # Errors
    /// See [`Untrusted`].
    pub fn judge(&self, certificate: &Cert, at: Timestamp) -> Result<TrustedBy, Untrusted> {
        let certificate = self.merged(certificate);
        validity::check_certificate(&certificate, at)?;
        if let Some(pinned) = self.pinned.iter().find(|pinned| same(pinned, &certificate)) {
            return Ok(trusted_by(pinned));
        }
        let mut verdict = Untrusted::NotCertified {
            fingerprint: certificate.fingerprint().to_hex(),
            time: at,
        };
        for root in &self.pinned {
            match certification::check(&self.merged(root), &certificate, at) {
                Ok(true) => return Ok(trusted_by(root)),
                Ok(false) => {}
                Err(untrusted) => verdict = untrusted,
            }
        }
        Err(verdict)
    }

    /// Whether signatures by `key` of `certificate`, made at `at`, are trusted, and on whose word.
    ///
    /// # Errors
    /// See [`Untrusted`].
    pub fn judge_signer(&self, certificate: &Cert, key: &Fingerprint, at: Timestamp) -> Result<TrustedBy, Untrusted> {
        let trusted = self.judge(certificate, at)?;
        validity::check_signing_key(&self.merged(certificate), key, at)?;
        Ok(trusted)
    }

    /// The certificate with what every copy of it in the store knows.
    pub(super) fn merged(&self, certificate: &Cert) -> Cert {
        let copies = self
            .pinned
            .iter()
            .chain(&self.known)
            .filter(|copy| same(copy, certificate));
        copies.fold(certificate.clone(), |merged, copy| {
            merged
                .merge_public(copy.clone())
                .expect("merging fails for other fingerprints alone")
        })
    }
}

fn same(one: &Cert, other: &Cert) -> bool {
    one.fingerprint() == other.fingerprint()
}

fn trusted_by(root: &Cert) -> TrustedBy {
    TrustedBy {
        root: root.fingerprint().to_hex(),
    }
}
