//! Key files in and out: secrets are private, nothing is overwritten, folders are read in order.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use sequoia_openpgp::Cert;

use crate::base::durable;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::secret::SecretText;
use crate::keyring;
use crate::keyring::Recipient;
use crate::keyring::identities;
use crate::keyring::openpgp;
use crate::keyring::recipients::read_recipients;
use crate::keyring::unlock::is_locked;

use super::error;
use super::named_keys;
use super::named_keys::Ask;
use super::reading;

/// The mode of a file that holds a secret.
pub const SECRET_MODE: u32 = 0o600;
/// The mode of a file that everybody may read.
pub const PUBLIC_MODE: u32 = 0o644;

/// Why a piece of work on keys was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// As in every job.
    #[error(transparent)]
    Job(#[from] error::Error),
    /// A key file is not what it should be.
    #[error("cannot use {}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: keyring::Error,
    },
    /// A file would have to be overwritten.
    #[error("{} exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// What was asked for does not fit the keys.
    #[error("{what}")]
    Unfit {
        /// What does not fit.
        what: String,
        /// What to do instead.
        hint: &'static str,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Job(error) => error.kind(),
            Self::Key { source, .. } => source.kind(),
            Self::Exists { .. } => Kind::TargetRefused,
            Self::Unfit { .. } => Kind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Job(error) => error.hint(),
            Self::Key { source, .. } => source.hint(),
            Self::Exists { .. } => Some("Nothing is overwritten: name a new file, or move the old one away.".into()),
            Self::Unfit { hint, .. } => Some((*hint).to_owned()),
        }
    }
}

impl From<keyring::Error> for Error {
    fn from(error: keyring::Error) -> Self {
        Self::Job(error.into())
    }
}

/// A secret key, and what unlocks it, if it is locked.
pub struct SecretKey {
    /// The certificate with its secret keys.
    pub key: Cert,
    /// The passphrase.
    pub passphrase: Option<SecretText>,
}

impl SecretKey {
    /// Reads a file that only its owner may read. `ask` is called when the key is locked and no passphrase is given.
    ///
    /// # Errors
    /// When it is not private, holds no secret key, or no passphrase can be had.
    pub fn read(path: &Path, given: Option<SecretText>, ask: Ask<'_>) -> Result<Self, Error> {
        let bytes = named_keys::read_secret_key(path, "certifying or revoking")?;
        let key = openpgp::read_secret(bytes.expose()).map_err(|source| bad(path, source))?;
        let passphrase = match given {
            None if is_locked(&key) => Some(ask(path).map_err(error::Error::Ask)?),
            given => given,
        };
        Ok(Self { key, passphrase })
    }
}

/// What a key file holds.
pub enum Content {
    /// Certificates and recipients, all public.
    Public(Vec<Recipient>),
    /// A secret key.
    Secret(Box<Cert>),
    /// An age identity file: the recipients whose secret it is. What only a plugin or a passphrase tells is not among them.
    AgeIdentity(Vec<String>),
}

/// Reads a key file of any kind: certificates, age recipients, one OpenPGP secret key, or an age identity file.
///
/// # Errors
/// When it cannot be read, or is none of them.
pub fn read(path: &Path) -> Result<Content, Error> {
    let bytes = reading::read_wiped(path)?;
    if let Ok(key) = openpgp::read_secret(bytes.expose()) {
        return Ok(Content::Secret(Box::new(key)));
    }
    if let Some(recipients) = identities::age_recipients(bytes.expose()) {
        return Ok(Content::AgeIdentity(recipients));
    }
    let public = read_recipients(bytes.expose());
    public.map(Content::Public).map_err(|source| bad(path, source))
}

/// Reads the one certificate of a file, without any secret part.
///
/// # Errors
/// When there is none, or there are several.
pub fn read_certificate(path: &Path) -> Result<Cert, Error> {
    let bytes = reading::read_wiped(path)?;
    let mut certificates = openpgp::read_certificates(bytes.expose()).map_err(|source| bad(path, source))?;
    match (certificates.pop(), certificates.is_empty()) {
        (Some(certificate), true) => Ok(certificate),
        _ => Err(Error::Unfit {
            what: format!("{} holds several certificates, and one is expected", path.display()),
            hint: "Export the one that is meant: `gpg --armor --export FINGERPRINT`.",
        }),
    }
}

/// Refuses to go on when one of the files exists.
///
/// # Errors
/// `Exists`, naming the first.
pub fn check_free<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<(), Error> {
    for path in paths {
        if fs::symlink_metadata(path).is_ok() {
            return Err(Error::Exists { path: path.to_owned() });
        }
    }
    Ok(())
}

/// Writes a new file.
///
/// # Errors
/// `Exists`, or what the file system reports.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    durable::write_new(path, bytes, mode).map_err(|source| unwritable(path, source))
}

/// Makes a folder where there is none.
///
/// # Errors
/// What the file system reports.
pub fn create_folder(path: &Path, mode: u32) -> Result<(), Error> {
    durable::create_folders(path, mode).map_err(|source| unwritable(path, source))
}

/// Why a file could not be written.
pub(super) fn unwritable(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    if source.kind() == io::ErrorKind::AlreadyExists {
        Error::Exists { path }
    } else {
        error::Error::WriteFile { path, source }.into()
    }
}

fn bad(path: &Path, source: keyring::Error) -> Error {
    let path = path.to_owned();
    Error::Key { path, source }
}
