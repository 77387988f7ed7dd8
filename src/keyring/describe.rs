//! A certificate described for people: its keys, who vouches for it, and whether it is valid now.

use std::fmt;

use sequoia_openpgp::Cert;
use sequoia_openpgp::KeyHandle;
use sequoia_openpgp::cert::Preferences;
use sequoia_openpgp::cert::amalgamation::ValidateAmalgamation as _;
use sequoia_openpgp::cert::amalgamation::key::ErasedKeyAmalgamation;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::UserID;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::packet::key::SecretKeyMaterial;
use serde::Serialize;
use serde::Serializer;

use super::algorithm;
use super::facts;
use super::profile::profile_at;
use super::trust;
use super::trust::NotValid;
use super::trust::Revocation;
use super::trust::TrustStore;
use super::trust::Untrusted;
use crate::base::clock::Timestamp;
use crate::bundle::manifest::Role;

/// Whether a certificate can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can.
    Valid,
    /// It is compromised, or no reason is given: nothing that it signed counts.
    Revoked,
    /// Another key took its place, or it is not used any more: what it signed before counts.
    Retired,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// Its algorithms are not accepted.
    Weak,
    /// It has no valid self-signature.
    Unusable,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Revoked => "revoked",
            Self::Retired => "retired",
            Self::Expired => "expired",
            Self::NotYet => "not-yet-valid",
            Self::Weak => "weak",
            Self::Unusable => "unusable",
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Whether the certificate can be used at `at`, leaving aside who trusts it.
#[must_use]
pub fn state(certificate: &Cert, at: Timestamp) -> State {
    let alone = TrustStore {
        pinned: vec![certificate.clone()],
        known: Vec::new(),
    };
    match alone.judge(certificate, at) {
        Ok(_) => State::Valid,
        Err(Untrusted::RevokedHard { .. }) => State::Revoked,
        Err(Untrusted::WeakAlgorithm { .. }) => State::Weak,
        Err(Untrusted::NotValidAt { why, .. }) => match why {
            NotValid::Expired => State::Expired,
            NotValid::NotYet => State::NotYet,
            NotValid::Retired => State::Retired,
            NotValid::NotForThis => State::Unusable,
        },
        Err(Untrusted::Unknown { .. } | Untrusted::NotCertified { .. } | Untrusted::CertificationRevoked { .. }) => {
            State::Unusable
        }
    }
}

/// A key of a certificate.
#[derive(Clone, Debug)]
pub struct KeyLine {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its algorithm.
    pub algorithm: String,
    /// What it may do: `certify`, `sign`, `encrypt`.
    pub uses: Vec<&'static str>,
    /// When it was made.
    pub created: Timestamp,
    /// When it expires, if it does.
    pub expires: Option<Timestamp>,
    /// Whether its secret part is there, and if so, whether it is locked.
    pub secret_locked: Option<bool>,
}

/// What another key says about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The other certificate, or, when it is not known, what the signature says of its maker.
    pub by: String,
    /// When it was said.
    pub at: Option<Timestamp>,
    /// Whether it takes an earlier word back.
    pub revokes: bool,
    /// Whether the other certificate is known and the signature is good.
    pub genuine: bool,
}

/// What there is to say about a certificate.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its fingerprint.
    pub fingerprint: String,
    /// The names that it gives itself.
    pub user_ids: Vec<String>,
    /// What it was made for, where this program made it.
    pub role: Option<Role>,
    /// How often the key of this role was replaced, counted from 1.
    pub generation: u32,
    /// Whether it can be used.
    pub state: State,
    /// What revokes it, where anything does.
    pub revocation: Option<Revocation>,
    /// Its keys, the primary one first.
    pub keys: Vec<KeyLine>,
    /// What others say about it.
    pub words: Vec<Word>,
    /// Whether its owner reads the suite `rfc9580`.
    pub seipdv2: bool,
}

/// Describes a certificate as it is at `at`. `trust` holds the certificates whose word can be checked, and copies that may know of a revocation.
#[must_use]
pub fn describe(certificate: &Cert, trust: &TrustStore, at: Timestamp) -> Description {
    let certificate = &trust.merged(certificate);
    let profile = profile_at(at);
    let valid = certificate.with_policy(&profile, at.system_time()).ok();
    let features = valid.as_ref().and_then(Preferences::features);
    Description {
        fingerprint: certificate.fingerprint().to_hex(),
        user_ids: certificate
            .userids()
            .map(|user| String::from_utf8_lossy(user.userid().value()).into_owned())
            .collect(),
        role: facts::role(certificate, at),
        generation: facts::generation(certificate, at),
        state: state(certificate, at),
        revocation: trust::revocation(certificate, at),
        keys: certificate.keys().map(|key| key_line(&key, at)).collect(),
        words: words(certificate, trust),
        seipdv2: features.is_some_and(|features| features.supports_seipdv2()),
    }
}

fn key_line(key: &ErasedKeyAmalgamation<PublicParts>, at: Timestamp) -> KeyLine {
    let profile = profile_at(at);
    let valid = key.clone().with_policy(&profile, at.system_time()).ok();
    let mut uses = Vec::new();
    if let Some(valid) = &valid {
        let encrypts = valid.for_storage_encryption() || valid.for_transport_encryption();
        let all = [
            (valid.for_certification(), "certify"),
            (valid.for_signing(), "sign"),
            (encrypts, "encrypt"),
        ];
        uses.extend(all.into_iter().filter(|(may, _)| *may).map(|(_, name)| name));
    }
    KeyLine {
        fingerprint: key.key().fingerprint().to_hex(),
        algorithm: algorithm::name(key.key()),
        uses,
        created: key.key().creation_time().into(),
        expires: valid.and_then(|valid| valid.key_expiration_time()).map(Into::into),
        secret_locked: key.key().optional_secret().map(SecretKeyMaterial::is_encrypted),
    }
}

fn words(certificate: &Cert, trust: &TrustStore) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for user in certificate.userids() {
        let certifications = user.certifications().map(|signature| (signature, false));
        let revocations = user.other_revocations().map(|signature| (signature, true));
        for (signature, revokes) in certifications.chain(revocations) {
            let word = word(certificate, user.userid(), signature, revokes, trust);
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words
}

fn word(certificate: &Cert, user: &UserID, signature: &Signature, revokes: bool, trust: &TrustStore) -> Word {
    let issuers = signature.get_issuers();
    let primary = certificate.primary_key().key();
    let made = trust.candidates(&issuers).into_iter().find(|candidate| {
        let good = if revokes {
            signature.verify_userid_revocation(&candidate.key, primary, user)
        } else {
            signature.verify_userid_binding(&candidate.key, primary, user)
        };
        good.is_ok()
    });
    let by = match &made {
        Some(candidate) => candidate.certificate.fingerprint().to_hex(),
        None => issuers.first().map_or_else(|| "unknown".into(), KeyHandle::to_hex),
    };
    Word {
        by,
        at: signature.signature_creation_time().map(Into::into),
        revokes,
        genuine: made.is_some(),
    }
}
