//! Level 2: keys as values: who can open a bundle, who has signed it, and whom to trust.
//!
//! ```text
//! openpgp   certificates and secret keys, in and out of bytes      recipients, identities   the same for whoever opens bundles
//! make      new keys                                               certify, revoke          what a root says about a signer
//! facts     what a manifest tells about a key                      trust                    whether a signer may sign
//! unlock    the secret key that does a piece of work               encryption               the keys that a bundle is encrypted to
//! dialog    whom a plugin of age can ask
//! ```
//!
//! Nothing here reads a file or a clock: bytes and times come in as values.

pub mod algorithm;
pub mod certify;
pub mod describe;
pub mod dialog;
pub mod encryption;
mod error;
pub mod facts;
pub mod identities;
pub mod make;
pub mod openpgp;
pub mod profile;
pub mod recipients;
pub mod revoke;
#[cfg(test)]
pub(crate) mod tests;
pub mod trust;
pub mod unlock;

pub use error::Cause;
pub use error::Error;

use sequoia_openpgp::Cert;

use self::dialog::Dialog;
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
    /// An age identity file.
    Age {
        /// Its text: lines `AGE-SECRET-KEY-1…` or `AGE-PLUGIN-…`, and comments.
        text: SecretText,
        /// Whom a plugin can ask.
        dialog: Dialog,
    },
    /// A passphrase of a passphrase slot.
    Passphrase(SecretText),
}

impl Identity {
    /// An age identity file whose plugins can ask nobody.
    #[must_use]
    pub fn age(text: SecretText) -> Self {
        let dialog = Dialog::default();
        Self::Age { text, dialog }
    }

    /// What may be told of it in public: the fingerprint of a certificate, and else the kind.
    #[must_use]
    pub fn public_name(&self) -> String {
        match self {
            Self::OpenPgp { key, .. } => key.fingerprint().to_hex(),
            Self::Age { .. } => "an age identity".to_owned(),
            Self::Passphrase(_) => "a passphrase".to_owned(),
        }
    }
}
