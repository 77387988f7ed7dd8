//! Level 2: keys as values: who can open a bundle, who has signed it, and whom to trust.

use sequoia_openpgp::Cert;

use crate::base::secret::SecretText;

/// Someone who shall be able to open a bundle. Public, but for a passphrase.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// An OpenPGP certificate with an encryption key.
    OpenPgp(Box<Cert>),
    /// An age recipient, `age1…`, also of a plugin: `age1yubikey1…`.
    Age(String),
    /// Whoever knows the passphrase.
    Passphrase(SecretText),
}

/// A secret that opens bundles.
#[derive(Clone, Debug)]
pub enum Identity {
    /// An OpenPGP certificate with secret keys, and the passphrase that they are locked with, if they are.
    OpenPgp {
        /// The certificate with its secret keys.
        key: Box<Cert>,
        /// What unlocks them.
        passphrase: Option<SecretText>,
    },
    /// The text of an age identity file: lines `AGE-SECRET-KEY-1…` or `AGE-PLUGIN-…`, and comments.
    Age(SecretText),
    /// A passphrase of a passphrase slot.
    Passphrase(SecretText),
}
