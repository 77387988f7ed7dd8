//! What can be wrong with a key file, a passphrase or a key that shall be made.

use std::error::Error as StdError;

use crate::base::fault::Fault;
use crate::base::fault::Kind;

/// What a library below reports.
pub type Cause = Box<dyn StdError + Send + Sync + 'static>;

/// A key could not be read, unlocked, made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is larger than any key file.
    #[error("a key file of more than {bytes_max} bytes is not read")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// More certificates than anybody trusts.
    #[error("more than {most} certificates in one file")]
    TooMany {
        /// The bound.
        most: usize,
    },
    /// No certificate is in the file.
    #[error("it holds no OpenPGP certificate")]
    NoCertificate,
    /// A certificate does not parse. One unreadable certificate spoils the file: it could be the one that matters.
    #[error("OpenPGP certificate {number} of the file cannot be read")]
    BadCertificate {
        /// Its place in the file, counted from 1.
        number: usize,
        /// What the parser reports.
        #[source]
        source: Cause,
    },
    /// Not exactly one secret key.
    #[error("one OpenPGP secret key is expected, and the file holds {found} certificates")]
    NotOneKey {
        /// How many.
        found: usize,
    },
    /// Only public keys.
    #[error("{fingerprint} is a public certificate, and a secret key is expected")]
    NotSecret {
        /// The certificate.
        fingerprint: String,
    },
    /// The secret key is locked and no passphrase is given.
    #[error("the secret key of {fingerprint} is locked with a passphrase, and none is given")]
    Locked {
        /// The certificate.
        fingerprint: String,
    },
    /// The passphrase does not unlock the secret key.
    #[error("the passphrase does not unlock the secret key of {fingerprint}")]
    WrongPassphrase {
        /// The certificate.
        fingerprint: String,
    },
    /// No secret key of the certificate does this work at that time.
    #[error("{fingerprint} has no secret key that can {work} at {time}")]
    NoKeyFor {
        /// The certificate.
        fingerprint: String,
        /// `sign`, `certify`.
        work: &'static str,
        /// When.
        time: String,
    },
    /// The key is weaker than anything that is accepted.
    #[error("{algorithm} of {fingerprint} is too weak or not known")]
    Weak {
        /// The certificate.
        fingerprint: String,
        /// Its algorithm.
        algorithm: String,
    },
    /// Text that is no recipient.
    #[error("line {line} is neither an age recipient nor a comment")]
    NotARecipient {
        /// Counted from 1.
        line: usize,
    },
    /// Not one recipient.
    #[error("it holds no recipient")]
    NoRecipient,
    /// Neither an OpenPGP secret key nor an age identity file. The content is secret, so it is not shown.
    #[error("it is neither an OpenPGP secret key nor an age identity file")]
    NotAnIdentity,
    /// An age identity file that is itself encrypted, and no passphrase is given.
    #[error("the age identity file is locked with a passphrase, and none is given")]
    AgeLocked,
    /// An age identity file that the passphrase does not open.
    #[error("the passphrase does not open the age identity file")]
    AgeWrongPassphrase,
    /// The name of a new key cannot be a user id.
    #[error("a key is named by 1 to {bytes_max} bytes without control characters")]
    BadName {
        /// The bound.
        bytes_max: usize,
    },
    /// A new key would never be valid.
    #[error("the key would expire at {expires}, before it is made")]
    ExpiresBefore {
        /// The wanted expiry.
        expires: String,
    },
    /// The generation of a key is counted from 1.
    #[error("generations are counted from 1")]
    GenerationZero,
    /// The certificate has no user id that the root could certify.
    #[error("{fingerprint} has no valid user id at {time}")]
    NoUserId {
        /// The certificate.
        fingerprint: String,
        /// When.
        time: String,
    },
    /// The certificate has no key that may be encrypted to.
    #[error("the certificate {fingerprint} cannot be a recipient: {reason}")]
    CannotEncryptTo {
        /// The certificate.
        fingerprint: String,
        /// Why not.
        reason: String,
    },
    /// The OpenPGP library refuses.
    #[error("cannot {act}")]
    OpenPgp {
        /// What was tried.
        act: &'static str,
        /// What the library reports.
        #[source]
        source: Cause,
    },
}

impl Error {
    /// Names what was tried when the OpenPGP library refused.
    pub(crate) fn openpgp<E: Into<Cause>>(act: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::OpenPgp {
            act,
            source: source.into(),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Locked { .. }
            | Self::WrongPassphrase { .. }
            | Self::AgeLocked
            | Self::AgeWrongPassphrase
            | Self::NotSecret { .. }
            | Self::NotAnIdentity => Kind::NoUsableKey,
            Self::Weak { .. } | Self::NoKeyFor { .. } | Self::NoUserId { .. } | Self::CannotEncryptTo { .. } => {
                Kind::KeyPolicy
            }
            Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::NoCertificate
            | Self::BadCertificate { .. }
            | Self::NotOneKey { .. }
            | Self::NotARecipient { .. }
            | Self::NoRecipient
            | Self::BadName { .. }
            | Self::ExpiresBefore { .. }
            | Self::GenerationZero => Kind::Usage,
            Self::OpenPgp { .. } => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoCertificate | Self::BadCertificate { .. } => {
                "Export it again with `gpg --armor --export FINGERPRINT` or `sq cert export`."
            }
            Self::NotOneKey { .. } | Self::NotSecret { .. } => {
                "Export it with `gpg --armor --export-secret-keys FINGERPRINT`."
            }
            Self::Locked { .. } | Self::AgeLocked => "Give the passphrase by a file or a command.",
            Self::WrongPassphrase { .. } | Self::AgeWrongPassphrase => {
                "Give the passphrase of this key; each key can have its own."
            }
            Self::NotAnIdentity => "Name the file of the secret key, not that of the certificate or the recipient.",
            Self::NoKeyFor { .. } => {
                "Look at the clock of this machine, and at expiry, revocation and flags of the key with `hub-backup keys show`."
            }
            Self::Weak { .. } => "Make a new key: ECDSA P-384, Ed25519 or RSA of 3072 bits and more are accepted.",
            Self::CannotEncryptTo { .. } => {
                "Fetch the current certificate from its owner, or name a recipient whose encryption key is valid."
            }
            Self::NotARecipient { .. } => {
                "A recipients file has one recipient `age1…` a line, and comments that begin with `#`."
            }
            Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::NoRecipient
            | Self::BadName { .. }
            | Self::ExpiresBefore { .. }
            | Self::GenerationZero
            | Self::NoUserId { .. }
            | Self::OpenPgp { .. } => return None,
        };
        Some(hint.into())
    }
}
