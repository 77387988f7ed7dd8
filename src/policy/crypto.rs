//! Whether the keys of a bundle satisfy the rules: how many, how strong, valid when it was made, and the ones that it claims.
//!
//! Every problem is reported, not the first alone: who mends one shall not find the next a day later.

mod violation;

use std::collections::BTreeSet;

use sequoia_openpgp::Fingerprint;
use sequoia_openpgp::KeyHandle;

use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::bundle::kind::KeyKind;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::Manifest;
use crate::bundle::manifest::Role;
use crate::bundle::manifest::WorkingKey;
use crate::bundle::outer::slot;
use crate::bundle::suite::Suite;
use crate::keyring::algorithm;

pub use violation::Violation;
pub use violation::Violations;

/// What the operator demands of the keys of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    /// Fewest recipients. Two is a good rule: one for operations, one in escrow.
    pub recipients_min: usize,
    /// Fewest signers.
    pub signers_min: usize,
    /// Fewest bits of an RSA key; never less than [`limits::RSA_BITS_MIN`].
    pub rsa_bits_min: u32,
    /// Whether a passphrase may be a recipient: it can be guessed, and nobody can take it back.
    pub passphrase_allowed: bool,
    /// Recipients that have to be among those of the bundle, such as the escrow key, by id.
    pub recipients_required: Vec<String>,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            recipients_min: 1,
            signers_min: 1,
            rsa_bits_min: limits::RSA_BITS_MIN,
            passphrase_allowed: true,
            recipients_required: Vec::new(),
        }
    }
}

/// Judges the keys that the manifest names, by the facts in it, at `at`: the time of the bundle. `signed` are the facts that the
/// certificates of those who have signed tell. (About recipients nobody but their owners can tell.)
///
/// # Errors
/// Every violation there is.
pub fn check(manifest: &Manifest, signed: &[KeyFacts], policy: &KeyPolicy, at: Timestamp) -> Result<(), Violations> {
    let keys = &manifest.keys;
    let mut found = violations(manifest.suite, &keys.signers, &keys.recipients, policy, at);
    check_numbers(&keys.signers, |count| count == 1, &mut found);
    check_numbers(&keys.recipients, |count| count > 0, &mut found);
    check_signed(&keys.signers, signed, &mut found);
    check_slots(manifest, &mut found);
    verdict(found)
}

/// Judges the keys that a bundle shall have, before it is begun.
///
/// # Errors
/// Every violation there is.
pub fn check_keys(
    suite: Suite,
    signers: &[KeyFacts],
    recipients: &[KeyFacts],
    policy: &KeyPolicy,
    at: Timestamp,
) -> Result<(), Violations> {
    verdict(violations(suite, signers, recipients, policy, at))
}

fn violations(
    suite: Suite,
    signers: &[KeyFacts],
    recipients: &[KeyFacts],
    policy: &KeyPolicy,
    at: Timestamp,
) -> Vec<Violation> {
    let mut found = Vec::new();
    check_counts(signers, recipients, policy, &mut found);
    for (keys, role) in [(signers, Role::Signer), (recipients, Role::Recipient)] {
        check_unique(keys, &mut found);
        for key in keys {
            check_key(key, role, policy, at, &mut found);
        }
    }
    for key in signers.iter().filter(|key| key.kind != KeyKind::OpenPgp) {
        found.push(wrong_kind(key, suite));
    }
    for key in recipients.iter().filter(|key| !takes(suite, &key.kind)) {
        found.push(wrong_kind(key, suite));
    }
    found
}

fn verdict(found: Vec<Violation>) -> Result<(), Violations> {
    if found.is_empty() {
        Ok(())
    } else {
        Err(Violations(found))
    }
}

fn check_counts(signers: &[KeyFacts], recipients: &[KeyFacts], policy: &KeyPolicy, found: &mut Vec<Violation>) {
    let count = |keys: &[KeyFacts]| keys.iter().map(|key| &key.id).collect::<BTreeSet<_>>().len();
    if count(recipients) < policy.recipients_min {
        found.push(Violation::TooFewRecipients {
            found: count(recipients),
            least: policy.recipients_min,
        });
    }
    if count(signers) < policy.signers_min {
        found.push(Violation::TooFewSigners {
            found: count(signers),
            least: policy.signers_min,
        });
    }
    for id in &policy.recipients_required {
        if !recipients.iter().any(|key| key.id == *id) {
            found.push(Violation::RecipientMissing { id: id.clone() });
        }
    }
}

fn check_unique(keys: &[KeyFacts], found: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for key in keys.iter().filter(|key| !seen.insert(&key.id)) {
        found.push(Violation::Twice { id: key.id.clone() });
    }
}

fn check_key(key: &KeyFacts, role: Role, policy: &KeyPolicy, at: Timestamp, found: &mut Vec<Violation>) {
    let id = key.id.clone();
    if key.role != role {
        found.push(Violation::WrongRole { id: id.clone() });
    }
    if key.kind == KeyKind::Passphrase && !policy.passphrase_allowed {
        found.push(Violation::Passphrase);
    }
    let algorithms = [&key.algorithm]
        .into_iter()
        .chain(key.keys.iter().map(|key| &key.algorithm));
    for algorithm in algorithms.collect::<BTreeSet<_>>() {
        if !is_accepted(&key.kind, algorithm, policy) {
            let (id, algorithm) = (id.clone(), algorithm.clone());
            found.push(Violation::Algorithm { id, algorithm });
        }
    }
    if let Some(created) = key.created.filter(|created| *created > at) {
        found.push(Violation::NotYet {
            id: id.clone(),
            created,
        });
    }
    if let Some(expired) = key.expires.filter(|expires| *expires <= at) {
        found.push(Violation::Expired { id, expired });
    }
}

/// An OpenPGP certificate is named with as many of its keys as `fits`, anything else with none.
fn check_numbers(listed: &[KeyFacts], fits: impl Fn(usize) -> bool, found: &mut Vec<Violation>) {
    for key in listed {
        let count = key.keys.len();
        let is_right = if key.kind == KeyKind::OpenPgp {
            fits(count)
        } else {
            count == 0
        };
        if !is_right {
            let (id, kind) = (key.id.clone(), key.kind.clone());
            found.push(Violation::NumberOfKeys { id, kind, found: count });
        }
    }
}

/// What a plugin of age does is out of sight: choosing it is the operator's decision.
fn is_accepted(kind: &KeyKind, algorithm: &str, policy: &KeyPolicy) -> bool {
    match kind {
        KeyKind::Passphrase => algorithm == algorithm::SCRYPT,
        KeyKind::Age => algorithm.starts_with("plugin ") || algorithm::is_strong(algorithm),
        KeyKind::OpenPgp | KeyKind::Other(_) => {
            let long = algorithm::rsa_bits(algorithm).is_none_or(|bits| bits >= policy.rsa_bits_min);
            long && algorithm::is_strong(algorithm)
        }
    }
}

/// Whether the suite has a key slot for recipients of that kind.
fn takes(suite: Suite, kind: &KeyKind) -> bool {
    match suite {
        Suite::Rfc9580 | Suite::Gnupg => [KeyKind::OpenPgp, KeyKind::Age, KeyKind::Passphrase].contains(kind),
        Suite::Age => [KeyKind::Age, KeyKind::Passphrase].contains(kind),
    }
}

fn wrong_kind(key: &KeyFacts, suite: Suite) -> Violation {
    Violation::WrongKind {
        id: key.id.clone(),
        kind: key.kind.clone(),
        suite,
    }
}

/// The signers that the manifest names are those that have signed, and it tells the truth about them.
fn check_signed(named: &[KeyFacts], signed: &[KeyFacts], found: &mut Vec<Violation>) {
    for claim in named {
        match signed.iter().find(|by| by.id == claim.id) {
            None => found.push(Violation::NotSigned { id: claim.id.clone() }),
            Some(by) if by.algorithm != claim.algorithm => found.push(Violation::OtherAlgorithm {
                id: claim.id.clone(),
                claimed: claim.algorithm.clone(),
                found: by.algorithm.clone(),
            }),
            Some(by) if by.keys != claim.keys => found.push(Violation::OtherKey {
                id: claim.id.clone(),
                claimed: fingerprints(&claim.keys),
                found: fingerprints(&by.keys),
            }),
            Some(_) => {}
        }
    }
    for by in signed.iter().filter(|by| !named.iter().any(|claim| claim.id == by.id)) {
        found.push(Violation::NotNamed { id: by.id.clone() });
    }
}

fn fingerprints(keys: &[WorkingKey]) -> String {
    let fingerprints: Vec<&str> = keys.iter().map(|key| key.fingerprint.as_str()).collect();
    fingerprints.join(", ")
}

/// Compares the packets of the slot `openpgp.pgp` with the recipients of the manifest: one packet for each key that it names, and none
/// more. `packets` are the recipients that the packets name, fingerprints or key ids. What the slots of age are for, nobody can tell
/// without a key: their stanzas name no recipient.
///
/// # Errors
/// Every violation there is.
pub fn check_packets(manifest: &Manifest, packets: &[KeyHandle]) -> Result<(), Violations> {
    let mut left: Vec<&KeyHandle> = packets.iter().collect();
    let mut found = Vec::new();
    for recipient in &manifest.keys.recipients {
        for key in &recipient.keys {
            let whole = match key.fingerprint.parse() {
                Ok(whole @ (Fingerprint::V4(_) | Fingerprint::V6(_))) => Some(KeyHandle::from(whole)),
                Ok(_) | Err(_) => None,
            };
            let place = whole.and_then(|whole| left.iter().position(|packet| packet.aliases(&whole)));
            match place {
                Some(place) => drop(left.swap_remove(place)),
                None => found.push(Violation::PacketMissing {
                    id: recipient.id.clone(),
                    key: key.fingerprint.clone(),
                }),
            }
        }
    }
    found.extend(
        left.iter()
            .map(|packet| Violation::PacketNotNamed { key: packet.to_hex() }),
    );
    verdict(found)
}

/// One slot for each kind of recipient, and none more: a slot that no recipient explains is a way in that nobody names.
fn check_slots(manifest: &Manifest, found: &mut Vec<Violation>) {
    let has = |kind: KeyKind| manifest.keys.recipients.iter().any(|key| key.kind == kind);
    let wanted = match manifest.suite {
        Suite::Rfc9580 | Suite::Gnupg => [
            (has(KeyKind::OpenPgp), slot::OPENPGP),
            (has(KeyKind::Age), slot::SESSION_KEY),
            (has(KeyKind::Passphrase), slot::PASSPHRASE),
        ],
        Suite::Age => [
            (true, slot::AGE),
            (true, slot::AGE_INDEX),
            (has(KeyKind::Passphrase), slot::PASSPHRASE),
        ],
    };
    let wanted = wanted.iter().filter(|(wanted, _)| *wanted);
    let expected: BTreeSet<String> = wanted.map(|(_, name)| format!("keyslots/{name}")).collect();
    let present: BTreeSet<String> = manifest.members.keyslots.iter().map(|slot| slot.name.clone()).collect();
    if present != expected || present.len() != manifest.members.keyslots.len() {
        let list = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
        found.push(Violation::Slots {
            found: list(&mut manifest.members.keyslots.iter().map(|slot| slot.name.clone())),
            expected: list(&mut expected.into_iter()),
            suite: manifest.suite,
        });
    }
}

#[cfg(test)]
mod tests;
