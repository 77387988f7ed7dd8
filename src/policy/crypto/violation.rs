//! What can be wrong with the keys of a bundle, in words.

use std::fmt;

use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::kind::KeyKind;
use crate::bundle::suite::Suite;

/// One thing that is wrong with the keys of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Too few recipients: losing one key would lose the bundle.
    #[error("the number of recipients is {found}, and the policy demands {least}")]
    TooFewRecipients {
        /// How many there are.
        found: usize,
        /// How many there have to be.
        least: usize,
    },
    /// Too few signers.
    #[error("the number of signers is {found}, and the policy demands {least}")]
    TooFewSigners {
        /// How many there are.
        found: usize,
        /// How many there have to be.
        least: usize,
    },
    /// A recipient that the policy demands is not there.
    #[error("the recipient {id} is required and missing")]
    RecipientMissing {
        /// Its id.
        id: String,
    },
    /// A passphrase, against the policy.
    #[error("a passphrase is a recipient, and the policy forbids it")]
    Passphrase,
    /// A key is too weak, or its algorithm is not accepted.
    #[error("{algorithm} of {id} is not accepted")]
    Algorithm {
        /// The key.
        id: String,
        /// Its algorithm.
        algorithm: String,
    },
    /// A key had expired when the bundle was made.
    #[error("{id} had expired at {expired}, before the bundle was made")]
    Expired {
        /// The key.
        id: String,
        /// When.
        expired: Timestamp,
    },
    /// A key was made after the bundle.
    #[error("{id} was made at {created}, after the bundle")]
    NotYet {
        /// The key.
        id: String,
        /// When.
        created: Timestamp,
    },
    /// A key stands in a place for another role.
    #[error("{id} is listed for the wrong role")]
    WrongRole {
        /// The key.
        id: String,
    },
    /// A key is listed twice, so that fewer keys count than it seems.
    #[error("{id} is listed twice")]
    Twice {
        /// The key.
        id: String,
    },
    /// A key of a kind that cannot do this.
    #[error("{id} is of the kind {kind}, which cannot be used here in the suite {suite}")]
    WrongKind {
        /// The key.
        id: String,
        /// Its kind.
        kind: KeyKind,
        /// The suite.
        suite: Suite,
    },
    /// The manifest names a signer that has not signed.
    #[error("the manifest names the signer {id}, who has not signed")]
    NotSigned {
        /// The signer.
        id: String,
    },
    /// Somebody has signed whom the manifest does not name.
    #[error("{id} has signed, and the manifest does not name it as a signer")]
    NotNamed {
        /// The signer.
        id: String,
    },
    /// The manifest says something else about a signer than its certificate.
    #[error("the manifest says {claimed} of the signer {id}, whose key is {found}")]
    OtherAlgorithm {
        /// The signer.
        id: String,
        /// What the manifest says.
        claimed: String,
        /// What the certificate says.
        found: String,
    },
    /// The key that signed is not the one that the manifest names.
    #[error("the manifest says that {claimed} signs for {id}, and {found} did")]
    OtherKey {
        /// The signer.
        id: String,
        /// What the manifest says.
        claimed: String,
        /// What the signature says.
        found: String,
    },
    /// A signer with another number of keys than the one that signs, an OpenPGP recipient with none, or another recipient with some.
    #[error("the manifest names {found} keys of {id}, which is of the kind {kind}")]
    NumberOfKeys {
        /// The certificate, or the recipient.
        id: String,
        /// Its kind.
        kind: KeyKind,
        /// How many keys it names.
        found: usize,
    },
    /// A packet in the slot for somebody whom the manifest does not name: a way in that nobody speaks of.
    #[error("keyslots/openpgp.pgp has a packet for the key {key}, which the manifest does not name")]
    PacketNotNamed {
        /// The key id or fingerprint in the packet.
        key: String,
    },
    /// A recipient that the manifest promises, and the slot does not serve.
    #[error("keyslots/openpgp.pgp has no packet for the key {key} of the recipient {id}")]
    PacketMissing {
        /// The recipient.
        id: String,
        /// Its key.
        key: String,
    },
    /// A key slot is missing or should not be there.
    #[error("the key slots are {found}, and for these recipients the suite {suite} has {expected}")]
    Slots {
        /// The slots in the manifest.
        found: String,
        /// The slots that there have to be.
        expected: String,
        /// The suite.
        suite: Suite,
    },
}

/// Everything that is wrong with the keys of a bundle; not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the keys do not satisfy the policy: ")?;
        for (index, violation) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(out, "{separator}{violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

impl Fault for Violations {
    fn kind(&self) -> Kind {
        Kind::KeyPolicy
    }

    fn hint(&self) -> Option<String> {
        // Counts are what an operator sets; everything else is a matter of the keys themselves.
        for violation in &self.0 {
            if let Violation::TooFewRecipients { least, .. } = violation {
                return Some(format!(
                    "recipients_min is {least} now, by the first of these that is given: --recipients-min, HUB_BACKUP_RECIPIENTS_MIN, and \
                     recipients_min under [policy] in the settings. Name more recipients, or demand fewer there."
                ));
            }
            if let Violation::TooFewSigners { least, .. } = violation {
                return Some(format!(
                    "signers_min is {least} now, by [policy] in the settings. Name more signing keys, or demand fewer there."
                ));
            }
        }
        Some("Look at the keys with `hub-backup keys list`; the rules stand in the settings under `[policy]`.".into())
    }
}
