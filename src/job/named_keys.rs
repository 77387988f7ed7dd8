//! The keys that settings name, read from their files: whom to trust, who signs, who can open, and what opens.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use sequoia_openpgp::Cert;

use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::secret::SecretText;
use crate::config::Recipients;
use crate::config::Settings;
use crate::config::environment::Environment;
use crate::config::origin::Setting;
use crate::config::secret;
use crate::config::secret::SecretSource;
use crate::keyring;
use crate::keyring::Identity;
use crate::keyring::Recipient;
use crate::keyring::identities;
use crate::keyring::identities::read_identity;
use crate::keyring::openpgp;
use crate::keyring::recipients::read_recipients;
use crate::keyring::trust::TrustStore;
use crate::keyring::unlock::is_locked;
use crate::keyring::unlock::opens_unasked;
use crate::seal::Signer;
use crate::seal::SoftwareSigner;

use super::error::Error;
use super::reading;
use super::reading::read_public;
use super::reading::read_secret;

/// How files with public certificates end.
const PUBLIC_EXTENSIONS: [&str; 3] = ["asc", "pgp", "gpg"];

/// Asks somebody for the passphrase of a locked key file.
pub type Ask<'a> = &'a dyn Fn(&Path) -> Result<SecretText, Box<dyn Fault + Send + Sync>>;

/// Asks somebody for the passphrase of a locked key file; none when there is nobody to ask.
pub type AskIfThere<'a> = &'a dyn Fn(&Path) -> Result<Option<SecretText>, Box<dyn Fault + Send + Sync>>;

/// The certificates that are trusted, and those that may have signed.
///
/// # Errors
/// When a named file is not there or holds no certificate.
pub fn trust(settings: &Settings) -> Result<TrustStore, Error> {
    let mut pinned = Vec::new();
    for path in &settings.keys.roots.value {
        pinned.extend(certificates(path)?);
    }
    let mut known = Vec::new();
    for path in &settings.keys.certificates.value {
        for file in key_files(path)? {
            known.extend(certificates(&file)?);
        }
    }
    Ok(TrustStore { pinned, known })
}

/// As [`trust`], for work that is of no use without a pinned certificate.
///
/// # Errors
/// As [`trust`], and when no certificate is pinned.
pub fn pinned_trust(settings: &Settings) -> Result<TrustStore, Error> {
    let trust = trust(settings)?;
    if trust.pinned.is_empty() {
        return Err(Error::Missing {
            what: "no root certificate is pinned, so no signature can be trusted".into(),
            hint: "Give --root FILE, or write [keys] roots in hub-backup.toml.".into(),
        });
    }
    Ok(trust)
}

/// As [`trust`], with the signers themselves pinned: what they made before may be taken up again after a crash. Where a root is pinned, each
/// must be trusted by its word: a bundle that nobody can verify, and that no other signer can follow, is not made.
///
/// # Errors
/// As [`trust`], and `Signer`.
pub fn trust_of_signers(settings: &Settings, signers: &[&dyn Signer], now: Timestamp) -> Result<TrustStore, Error> {
    let mut trust = trust(settings)?;
    if !trust.pinned.is_empty() {
        for signer in signers {
            let _word = trust.judge(signer.certificate(), now).map_err(|source| Error::Signer {
                fingerprint: signer.certificate().fingerprint().to_hex(),
                source,
            })?;
        }
    }
    trust
        .pinned
        .extend(signers.iter().map(|signer| signer.certificate().clone()));
    Ok(trust)
}

/// A file, or the files with public certificates of a folder, in order.
///
/// # Errors
/// When there is no such file or folder.
pub fn key_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::OpenFile {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| PUBLIC_EXTENSIONS.contains(&extension)) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The certificates in a file.
pub(super) fn certificates(path: &Path) -> Result<Vec<Cert>, Error> {
    openpgp::read_certificates(&read_public(path)?).map_err(|source| bad_key(path, source))
}

fn bad_key(path: &Path, source: keyring::Error) -> Error {
    let path = path.to_owned();
    Error::KeyFile { path, source }
}

/// Reads a file with a secret key, to do `work`. One that is public is said to be, before anybody asks who may read it.
pub(super) fn read_secret_key(path: &Path, work: &'static str) -> Result<crate::base::secret::SecretBytes, Error> {
    let read = read_secret(path);
    let public = match &read {
        Ok(bytes) => reading::public_content(bytes.expose()),
        Err(Error::Secret(secret::Error::Readable { .. })) => reading::read_wiped(path)
            .ok()
            .and_then(|bytes| reading::public_content(bytes.expose())),
        Err(_) => None,
    };
    match public {
        None => read,
        Some(what) => Err(Error::Public {
            path: path.to_owned(),
            what,
            work,
        }),
    }
}

/// Unlocks the signing keys. `ask` is called with the name of a locked key when the settings hold no passphrase.
///
/// # Errors
/// When one cannot be read, unlocked or used.
pub fn signers(
    settings: &Settings,
    environment: &Environment,
    now: Timestamp,
    ask: Ask<'_>,
) -> Result<Vec<SoftwareSigner>, Error> {
    let given = read_passphrase(settings.keys.signer_passphrase.as_ref(), environment)?;
    let mut signers = Vec::new();
    for path in &settings.keys.signers.value {
        let bytes = read_secret_key(path, "signing")?;
        let key = openpgp::read_secret(bytes.expose()).map_err(|source| bad_key(path, source))?;
        let passphrase = if given.is_none() && is_locked(&key) {
            Some(ask(path).map_err(Error::Ask)?)
        } else {
            given.clone()
        };
        signers.push(SoftwareSigner::new(key, passphrase, now)?);
    }
    Ok(signers)
}

fn read_passphrase(
    source: Option<&Setting<SecretSource>>,
    environment: &Environment,
) -> Result<Option<SecretText>, Error> {
    Ok(source.map(|setting| setting.value.read(environment)).transpose()?)
}

/// Everyone who shall be able to open a bundle.
///
/// # Errors
/// When one cannot be read, or there is none.
pub fn recipients(named: &Recipients, environment: &Environment) -> Result<Vec<Recipient>, Error> {
    let mut recipients = Vec::new();
    for path in &named.openpgp.value {
        let bytes = read_public(path)?;
        if identities::holds_secret(&bytes) {
            return Err(Error::Unfit {
                what: format!(
                    "{} holds a secret key: who makes backups needs only certificates",
                    path.display()
                ),
                hint:
                    "Name the public certificate, or the recipient age1…, and take the secret key away from this host."
                        .into(),
            });
        }
        recipients.extend(read_recipients(&bytes).map_err(|source| bad_key(path, source))?);
    }
    recipients.extend(named.age.value.iter().cloned().map(Recipient::Age));
    recipients.extend(read_passphrase(named.passphrase.as_ref(), environment)?.map(Recipient::Passphrase));
    if recipients.is_empty() {
        return Err(Error::Missing {
            what: "nobody is named who could open the bundle".into(),
            hint: "Give --recipient FILE or age1…, or write [recipients] in hub-backup.toml.".into(),
        });
    }
    Ok(recipients)
}

/// Secret keys that may open bundles. `ask` is called with the name of a locked key when the settings hold no passphrase; whom plugins of
/// age can ask is for the caller to add.
///
/// # Errors
/// When one cannot be read or unlocked.
pub fn identities(settings: &Settings, environment: &Environment, ask: AskIfThere<'_>) -> Result<Vec<Identity>, Error> {
    let given = read_passphrase(settings.keys.identity_passphrase.as_ref(), environment)?;
    let mut identities = Vec::new();
    for path in &settings.keys.identities.value {
        identities.push(identity(path, given.as_ref(), ask)?);
    }
    identities.extend(read_passphrase(settings.recipients.passphrase.as_ref(), environment)?.map(Identity::Passphrase));
    if identities.is_empty() {
        return Err(Error::Missing {
            what: "no secret key was given that could open the bundle".into(),
            hint: "Give --identity FILE or --passphrase-file FILE.".into(),
        });
    }
    Ok(identities)
}

/// One secret key. That it is locked shows only when it is read, so it is read before anybody is asked.
fn identity(path: &Path, given: Option<&SecretText>, ask: AskIfThere<'_>) -> Result<Identity, Error> {
    let bytes = read_secret_key(path, "opening bundles")?;
    let read = read_identity(bytes.expose(), given.cloned());
    let is_locked = match &read {
        Ok(Identity::OpenPgp { key, .. }) => !opens_unasked(key),
        Ok(Identity::Age { .. } | Identity::Passphrase(_)) => false,
        Err(error) => matches!(error, keyring::Error::Locked { .. } | keyring::Error::AgeLocked),
    };
    let passphrase = if is_locked && given.is_none() {
        ask(path).map_err(Error::Ask)?
    } else {
        None
    };
    let read = match passphrase {
        Some(passphrase) => read_identity(bytes.expose(), Some(passphrase)),
        None => read,
    };
    read.map_err(|source| {
        if matches!(source, keyring::Error::Locked { .. } | keyring::Error::AgeLocked) {
            let path = path.to_owned();
            Error::LockedIdentity { path, source }
        } else {
            bad_key(path, source)
        }
    })
}
