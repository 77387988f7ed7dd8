//! What a manifest tells about a key: never key material.
//!
//! Role and generation of a key that this program made stand in notations on its self-signature. Their names end in a domain
//! that belongs to nobody (RFC 2606), so no other program gives them a meaning. A key without them is of generation 1.

use std::time::SystemTime;

use sequoia_openpgp::Cert;
use sequoia_openpgp::Fingerprint;
use sequoia_openpgp::cert::ValidCert;
use sequoia_openpgp::cert::amalgamation::ValidAmalgamation as _;
use sequoia_openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::key::KeyRole;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::types::RevocationStatus;

use super::Recipient;
use super::algorithm;
use super::encryption::encryption_keys;
use super::profile::profile_at;
use crate::base::clock::Timestamp;
use crate::bundle::kind::KeyKind;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::Role;
use crate::bundle::manifest::WorkingKey;

/// The notation that holds the generation of a key, in decimal.
pub const GENERATION_NOTATION: &str = "generation@hub-backup.invalid";
/// The notation that holds the role of a key: `root`, `signer` or `recipient`.
pub const ROLE_NOTATION: &str = "role@hub-backup.invalid";

/// Facts about the key of `certificate` that does the work of `role` at `at`: the newest usable one.
#[must_use]
pub fn facts(certificate: &Cert, role: Role, at: Timestamp) -> KeyFacts {
    facts_where(certificate, role, at, |key| does(key, role))
}

/// Facts about one key of `certificate`, given by its own fingerprint.
#[must_use]
pub fn facts_of_key(certificate: &Cert, key: &Fingerprint, role: Role, at: Timestamp) -> KeyFacts {
    facts_where(certificate, role, at, |candidate| candidate.key().fingerprint() == *key)
}

type ValidKey<'a> = ValidErasedKeyAmalgamation<'a, PublicParts>;

fn facts_where(certificate: &Cert, role: Role, at: Timestamp, fits: impl Fn(&ValidKey) -> bool) -> KeyFacts {
    let primary = certificate.primary_key().key();
    let mut facts = KeyFacts {
        kind: KeyKind::OpenPgp,
        id: certificate.fingerprint().to_hex(),
        keys: Vec::new(),
        algorithm: algorithm::name(primary),
        created: Some(primary.creation_time().into()),
        expires: None,
        role,
        generation: generation(certificate, at),
    };
    let profile = profile_at(at);
    let Ok(valid) = certificate.with_policy(&profile, at.system_time()) else {
        return facts;
    };
    facts.expires = valid.primary_key().key_expiration_time().map(Into::into);
    let usable = |key: &ValidKey| key.alive().is_ok() && key.revocation_status() == RevocationStatus::NotAsFarAsWeKnow;
    let working = valid
        .keys()
        .filter(|key| fits(key))
        .max_by_key(|key| (usable(key), key.key().creation_time()));
    if let Some(key) = working {
        facts.keys = match role {
            // Whom nothing can be encrypted to has no such key: the reason is told to who tries.
            Role::Recipient => encryption_keys(certificate, at)
                .unwrap_or_default()
                .iter()
                .map(working_key)
                .collect(),
            Role::Root | Role::Signer => vec![working_key(key.key())],
        };
        facts.algorithm = algorithm::name(key.key());
        facts.created = Some(key.key().creation_time().into());
        facts.expires = earlier(valid.primary_key().key_expiration_time(), key.key_expiration_time());
    }
    facts
}

fn working_key<R: KeyRole>(key: &Key<PublicParts, R>) -> WorkingKey {
    WorkingKey {
        fingerprint: key.fingerprint().to_hex(),
        algorithm: algorithm::name(key),
    }
}

fn does(key: &ValidKey, role: Role) -> bool {
    match role {
        Role::Root => key.for_certification(),
        Role::Signer => key.for_signing(),
        Role::Recipient => key.for_storage_encryption() || key.for_transport_encryption(),
    }
}

fn earlier(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<Timestamp> {
    one.into_iter().chain(other).min().map(Into::into)
}

/// How often the key of this role was replaced, as its maker said; 1 where nothing is said.
#[must_use]
pub fn generation(certificate: &Cert, at: Timestamp) -> u32 {
    notation(certificate, GENERATION_NOTATION, at)
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}

/// The role that the key was made for, where this program made it.
#[must_use]
pub fn role(certificate: &Cert, at: Timestamp) -> Option<Role> {
    match notation(certificate, ROLE_NOTATION, at)?.as_str() {
        "root" => Some(Role::Root),
        "signer" => Some(Role::Signer),
        "recipient" => Some(Role::Recipient),
        _ => None,
    }
}

/// The word for a role in its notation.
#[must_use]
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Root => "root",
        Role::Signer => "signer",
        Role::Recipient => "recipient",
    }
}

fn notation(certificate: &Cert, name: &str, at: Timestamp) -> Option<String> {
    let profile = profile_at(at);
    let valid: ValidCert = certificate.with_policy(&profile, at.system_time()).ok()?;
    let value = valid
        .userids()
        .find_map(|user| user.binding_signature().notation(name).next().map(<[u8]>::to_vec))?;
    String::from_utf8(value).ok()
}

/// Facts about an age recipient, `age1…`.
#[must_use]
pub fn age_facts(recipient: &str) -> KeyFacts {
    KeyFacts {
        kind: KeyKind::Age,
        id: recipient.to_owned(),
        keys: Vec::new(),
        algorithm: age_algorithm(recipient),
        created: None,
        expires: None,
        role: Role::Recipient,
        generation: 1,
    }
}

/// The last `1` of a recipient ends its human-readable part: `age`, or `age1` and the name of a plugin.
fn age_algorithm(recipient: &str) -> String {
    let human = recipient.rsplit_once('1').map_or(recipient, |(human, _)| human);
    match human.strip_prefix("age1") {
        None => algorithm::X25519.into(),
        Some("pq") => "ML-KEM-768+X25519".into(),
        Some("tag") => "ECDH P-256".into(),
        Some("tagpq") => "ML-KEM-768+P-256".into(),
        Some(plugin) => format!("plugin {plugin}"),
    }
}

/// Facts about a passphrase: that there is one.
#[must_use]
pub fn passphrase_facts() -> KeyFacts {
    KeyFacts {
        kind: KeyKind::Passphrase,
        id: KeyKind::Passphrase.to_string(),
        keys: Vec::new(),
        algorithm: algorithm::SCRYPT.into(),
        created: None,
        expires: None,
        role: Role::Recipient,
        generation: 1,
    }
}

/// Facts about a recipient of any kind.
#[must_use]
pub fn recipient_facts(recipient: &Recipient, at: Timestamp) -> KeyFacts {
    match recipient {
        Recipient::OpenPgp(certificate) => facts(certificate, Role::Recipient, at),
        Recipient::Age(text) => age_facts(text),
        Recipient::Passphrase(_) => passphrase_facts(),
    }
}
