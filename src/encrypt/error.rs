//! What can go wrong between the content key and the container.

use std::error::Error as StdError;
use std::io;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::random::NoRandom;
use crate::keyring;

/// A container or a key slot could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No random bytes for a key, a salt or a nonce.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// The bundle would be readable by nobody.
    #[error("no recipient is given")]
    NoRecipient,
    /// A certificate has no key that may be encrypted to.
    #[error(transparent)]
    Certificate(#[from] keyring::Error),
    /// The text names no recipient of a kind that age has.
    #[error("{recipient:?} cannot be an age recipient: {reason}")]
    AgeRecipient {
        /// The text.
        recipient: String,
        /// Why not.
        reason: &'static str,
    },
    /// Recipients of age that refuse to share a file, such as post-quantum and classical ones.
    #[error("the age recipients refuse to be used together")]
    AgeRecipientsDiffer,
    /// The suite `age` has no place for OpenPGP.
    #[error("the certificate {fingerprint} cannot be a recipient in the suite age")]
    OpenPgpInAge {
        /// Its fingerprint.
        fingerprint: String,
    },
    /// A passphrase slot holds one passphrase.
    #[error("more than one passphrase is given")]
    SeveralPassphrases,
    /// A plugin of age is not installed.
    #[error("there is no program age-plugin-{name} in the PATH")]
    PluginMissing {
        /// The name of the plugin.
        name: String,
    },
    /// A plugin of age has failed.
    #[error("a plugin of age has failed: {reason}")]
    Plugin {
        /// What it said.
        reason: String,
    },
    /// A plugin of age asks, and there is nobody to ask.
    #[error("{name} asks {question:?}, and there is no terminal to ask at")]
    PluginAsksNobody {
        /// The plugin.
        name: String,
        /// What it asks.
        question: String,
    },
    /// A plugin of age asks, and nothing was answered.
    #[error("{name} asks {question:?}, and got no answer")]
    PluginUnanswered {
        /// The plugin.
        name: String,
        /// What it asks.
        question: String,
    },
    /// The work was told to stop while a plugin of age asked.
    #[error("interrupted while {name} asked {question:?}")]
    PluginInterrupted {
        /// The plugin.
        name: String,
        /// What it asked.
        question: String,
    },
    /// A key slot is not of the form that the suite asks for, or is damaged.
    #[error("the key slot {name}: {reason}")]
    Slot {
        /// Its name within `keyslots/`.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A key slot that was made would be refused by every reader.
    #[error("the key slot {name} would be one that no reader takes: {reason}")]
    SlotMade {
        /// Its name within `keyslots/`.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// None of the keys fits a slot.
    #[error("none of the given keys opens the bundle, which wants {}", list(.wanted))]
    NoUsableKey {
        /// What the slots want: key ids, fingerprints, kinds of age stanzas, a passphrase.
        wanted: Vec<String>,
    },
    /// The secret key that fits is locked, and no passphrase was given for it.
    #[error("the secret key of the certificate {fingerprint} is locked by a passphrase")]
    KeyLocked {
        /// The certificate whose key fits the slot.
        fingerprint: String,
    },
    /// The secret key that fits is locked by another passphrase.
    #[error("the passphrase does not unlock the secret key of the certificate {fingerprint}")]
    WrongKeyPassphrase {
        /// The certificate whose key fits the slot.
        fingerprint: String,
    },
    /// The passphrase of the bundle is another one.
    #[error("the passphrase does not open the bundle")]
    WrongPassphrase,
    /// A line of an age identity file is none of its kinds.
    #[error("line {line} of the age identity file is not an identity")]
    AgeIdentity {
        /// Its number, counted from 1. The line itself may be a secret.
        line: usize,
    },
    /// The container is damaged, cut short, or not of the suite.
    #[error("the container is damaged: {0}")]
    Damaged(&'static str),
    /// The library that encrypts has refused.
    #[error("the cryptographic library failed")]
    Crypto(#[source] Box<dyn StdError + Send + Sync>),
    /// The container could not be read or written.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for Error {
    /// Takes out the error of this kind that a reader or a writer has put in, so that damage has one form.
    fn from(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }
}

impl Error {
    /// That a key slot is damaged, or not what the suite asks for.
    pub(super) fn slot(name: &str, reason: &str) -> Self {
        Self::Slot {
            name: name.to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// The same for who makes a slot: what he finds wrong with it is no damage.
    pub(super) fn of_maker(self) -> Self {
        if let Self::Slot { name, reason } = self {
            Self::SlotMade { name, reason }
        } else {
            self
        }
    }
}

fn list(wanted: &[String]) -> String {
    if wanted.is_empty() {
        "nothing: it has no key slot".to_owned()
    } else {
        wanted.join(", ")
    }
}

/// The form in which a reader or a writer reports damage: [`Error::Damaged`] within an [`io::Error`].
pub(crate) fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Error::Damaged(what))
}

/// The form in which a reader or a writer reports that the library has refused.
pub(crate) fn crypto_io(source: impl Into<Box<dyn StdError + Send + Sync>>) -> io::Error {
    io::Error::other(Error::Crypto(source.into()))
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoRecipient
            | Self::AgeRecipient { .. }
            | Self::AgeRecipientsDiffer
            | Self::OpenPgpInAge { .. }
            | Self::SeveralPassphrases
            | Self::SlotMade { .. }
            | Self::PluginAsksNobody { .. }
            | Self::PluginUnanswered { .. }
            | Self::AgeIdentity { .. } => Kind::Usage,
            Self::Certificate(error) => error.kind(),
            Self::PluginInterrupted { .. } => Kind::Incomplete,
            Self::Slot { .. } | Self::Damaged(_) => Kind::DigestMismatch,
            Self::NoUsableKey { .. }
            | Self::KeyLocked { .. }
            | Self::WrongKeyPassphrase { .. }
            | Self::WrongPassphrase => Kind::NoUsableKey,
            Self::Random(_) | Self::PluginMissing { .. } | Self::Plugin { .. } | Self::Crypto(_) | Self::Io(_) => {
                Kind::Failed
            }
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoRecipient => "Name at least one recipient; two are better: one for operations, one in escrow.",
            Self::Certificate(error) => return error.hint(),
            Self::AgeRecipient { .. } => "Give a recipient that begins with age1, as age-keygen -y prints it.",
            Self::AgeRecipientsDiffer => {
                "Use recipients of one kind: all post-quantum, or none. In the suite age a passphrase counts as a classical one."
            }
            Self::OpenPgpInAge { .. } => {
                "Choose the suite rfc9580 or gnupg: there, age recipients and OpenPGP certificates go together."
            }
            Self::SeveralPassphrases => "Keep one passphrase; give each further person a key of their own.",
            Self::PluginMissing { .. } => "Install it, and try it with the command age.",
            Self::Plugin { .. } => "Try the plugin with the command age.",
            Self::PluginAsksNobody { .. } => {
                "Run this at a terminal, or give another key that opens the bundle without a question."
            }
            Self::PluginUnanswered { .. } => "Run it again, and answer.",
            Self::SlotMade { .. } => {
                "Name fewer recipients: 1 MiB of keys is the most. If there are few, leave out one after the other to find the one that does not fit."
            }
            Self::Slot { .. } | Self::Damaged(_) => "Fetch the bundle again, and verify it before it is opened.",
            Self::NoUsableKey { .. } => "Give the secret key, the age identity or the passphrase of one of these.",
            Self::KeyLocked { .. } => "Give the passphrase of this secret key as well.",
            Self::WrongKeyPassphrase { .. } => "Give the passphrase that this secret key was locked with.",
            Self::WrongPassphrase => "Give the passphrase that the bundle was made with.",
            Self::AgeIdentity { .. } => {
                "An identity begins with AGE-SECRET-KEY-1 or AGE-PLUGIN-; decrypt the file first if it is an encrypted one."
            }
            Self::PluginInterrupted { .. } | Self::Random(_) | Self::Crypto(_) | Self::Io(_) => return None,
        };
        Some(hint.to_owned())
    }
}
