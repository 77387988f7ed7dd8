//! Why a manifest could not be sealed, or its seal not be opened.

use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::keyring::Cause;
use crate::keyring::trust::Untrusted;

/// A seal could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no signature.
    #[error("there is no signature")]
    Missing,
    /// A signature cannot be read, was altered, or does not fit what it shall cover.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A signature is good, and its signer is not to be trusted.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The key cannot be used for signing.
    #[error(transparent)]
    Key(#[from] crate::keyring::Error),
    /// The signer failed.
    #[error("the signer {fingerprint} cannot sign")]
    Sign {
        /// The signer.
        fingerprint: String,
        /// What it reports.
        #[source]
        source: Cause,
    },
    /// More signers than a reader takes signatures.
    #[error(
        "{signers} signers are given, and a reader takes {} signatures",
        limits::SIGNATURES_MAX
    )]
    TooManySigners {
        /// How many.
        signers: usize,
    },
    /// What the signers gave is not what a reader takes.
    #[error("the signers did not make signatures that a reader takes")]
    Made(#[source] Invalid),
    /// A signer gave more or less than one signature.
    #[error("{signers} signers gave {signatures} signatures")]
    NotOneEach {
        /// How many were asked.
        signers: usize,
        /// How many came.
        signatures: usize,
    },
}

/// What is wrong with a signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// Larger than any block of signatures.
    #[error("the signatures are larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// More signatures than anybody needs.
    #[error("there are more than {} signatures", limits::SIGNATURES_MAX)]
    TooMany,
    /// Not an armored block of signatures at all.
    #[error("the signatures cannot be read")]
    Unreadable(#[source] Option<Cause>),
    /// Readable, but not spelled the one way that is allowed: something was added or changed.
    #[error("the signatures are not in their canonical form")]
    NotCanonical,
    /// Something other than a signature over a file.
    #[error("a packet among the signatures is {found}, not a signature over binary data")]
    NotASignature {
        /// What it is.
        found: String,
    },
    /// A digest that can be forged, or is not known.
    #[error("a signature uses the digest {digest}, which is not accepted")]
    Digest {
        /// The digest.
        digest: String,
    },
    /// A signature says too little or too much about itself.
    #[error("a signature is malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The signature is not by that key over these bytes.
    #[error("a signature by {signer} does not fit: the signed bytes or the signature were altered")]
    DoesNotFit {
        /// The key that it names.
        signer: String,
    },
    /// The signature was made at another time than what it covers.
    #[error("a signature by {signer} was made at {created}, but what it covers was made at {expected}")]
    AnotherTime {
        /// The key.
        signer: String,
        /// When the signature was made.
        created: Timestamp,
        /// When the signed bytes say that they were made.
        expected: Timestamp,
    },
    /// Two signatures by one certificate.
    #[error("{fingerprint} has signed twice")]
    SignerTwice {
        /// The certificate.
        fingerprint: String,
    },
}

impl Error {
    /// The same for who makes a seal: what he finds wrong with it was altered by nobody.
    pub(super) fn of_maker(self) -> Self {
        if let Self::Invalid(invalid) = self {
            Self::Made(invalid)
        } else {
            self
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::SignatureMissing,
            Self::Invalid(_) => Kind::SignatureInvalid,
            Self::Untrusted(untrusted) => untrusted.kind(),
            // "None of the given keys opens the bundle" would mislead whoever is making one.
            Self::Key(error) if error.kind() == Kind::NoUsableKey => Kind::Usage,
            Self::Key(error) => error.kind(),
            Self::TooManySigners { .. } => Kind::Usage,
            Self::Sign { .. } | Self::Made(_) | Self::NotOneEach { .. } => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing => {
                Some("A bundle without a signature proves nothing; look for the one that was signed.".into())
            }
            Self::Invalid(_) => {
                Some("Take another copy of the bundle; if every copy says this, somebody has altered it.".into())
            }
            Self::Untrusted(untrusted) => untrusted.hint(),
            Self::Key(error) => error.hint(),
            Self::TooManySigners { .. } | Self::Made(Invalid::TooLarge { .. } | Invalid::TooMany) => {
                Some("Name fewer signers, or some whose signatures are shorter.".into())
            }
            Self::Made(_) => {
                Some("Let another key sign, or look what is wrong with this one: `hub-backup keys show`.".into())
            }
            Self::Sign { .. } | Self::NotOneEach { .. } => None,
        }
    }
}
