//! The keys of a new store: what each is for, how long it is valid, and in which folder it lies.

use std::path::Path;

use sequoia_openpgp::Cert;

use crate::base::clock::SECONDS_A_DAY;
use crate::base::clock::Timestamp;
use crate::bundle::manifest::Role;
use crate::bundle::suite::Suite;
use crate::config::value::SuiteChoice;
use crate::keyring::make;
use crate::keyring::make::Made;
use crate::keyring::make::NewKey;
use crate::keyring::make::SuiteFeatures;
use crate::keyring::openpgp;

use super::Error;
use super::Init;
use super::KEYS;
use super::MOVE_OFFLINE;
use super::SECRETS;
use crate::job::error;
use crate::job::keyfiles;
use crate::job::keyfiles::PUBLIC_MODE;
use crate::job::keyfiles::SECRET_MODE;
use crate::job::keyfiles::SecretKey;
use crate::job::keys::certified;

/// How long keys are valid, in days: the root outlives several signers. Verification looks at the time of the signature, so
/// what an expired key signed stays good.
const ROOT_DAYS: i64 = 10 * 365;
const SIGNER_DAYS: i64 = 2 * 365;
const RECIPIENT_DAYS: i64 = 5 * 365;

/// The keys of a new store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Certifies the signer.
    Root,
    /// Signs bundles on this host.
    Signer,
    /// Opens bundles in daily work.
    Operations,
    /// Opens bundles when nothing else does.
    Escrow,
}

impl Part {
    /// Every key.
    pub const ALL: [Self; 4] = [Self::Root, Self::Signer, Self::Operations, Self::Escrow];

    /// The name of its files.
    #[must_use]
    pub fn stem(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Signer => "signer",
            Self::Operations => "recipient-operations",
            Self::Escrow => "recipient-escrow",
        }
    }

    /// What it is for.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Root => Role::Root,
            Self::Signer => Role::Signer,
            Self::Operations | Self::Escrow => Role::Recipient,
        }
    }

    fn days(self) -> i64 {
        match self {
            Self::Root => ROOT_DAYS,
            Self::Signer => SIGNER_DAYS,
            Self::Operations | Self::Escrow => RECIPIENT_DAYS,
        }
    }
}

/// A key of the new store.
pub(super) struct Key {
    pub(super) part: Part,
    pub(super) made: Made,
    /// Public, and for the signer certified by the root.
    pub(super) certificate: Cert,
}

/// Makes every key; the root certifies the signer.
pub(super) fn make_keys(init: &Init, now: Timestamp) -> Result<[Key; 4], Error> {
    let make = |part| make_key(init, part, now);
    let (root, mut signer) = (make(Part::Root)?, make(Part::Signer)?);
    let certifies = SecretKey {
        key: root.made.cert.clone(),
        passphrase: init.passphrase.clone(),
    };
    signer.certificate = certified(&certifies, &signer.made.cert, now)?;
    Ok([root, signer, make(Part::Operations)?, make(Part::Escrow)?])
}

fn make_key(init: &Init, part: Part, now: Timestamp) -> Result<Key, Error> {
    let key = NewKey {
        role: part.role(),
        name: format!("{} {}", init.set, part.stem().replace('-', " ")),
        algorithm: init.algorithm,
        expires: Timestamp::from_unix(now.unix() + part.days() * SECONDS_A_DAY).ok(),
        generation: 1,
        passphrase: init.passphrase.clone().filter(|_| part != Part::Signer),
        suite_features: suite_features(init.suite),
    };
    let made = make::make(&key, now).map_err(error::Error::Keyring)?;
    let certificate = made.cert.clone().strip_secret_key_material();
    Ok(Key {
        part,
        made,
        certificate,
    })
}

/// What new certificates say that their owners read.
#[must_use]
pub fn suite_features(suite: SuiteChoice) -> SuiteFeatures {
    match suite.fixed() {
        Some(Suite::Gnupg) => SuiteFeatures::Gnupg,
        Some(Suite::Rfc9580 | Suite::Age) | None => SuiteFeatures::Rfc9580,
    }
}

/// Writes every key to the folder of those who have it.
pub(super) fn write_keys(dir: &Path, keys: &[Key]) -> Result<(), Error> {
    for key in keys {
        let stem = key.part.stem();
        let home = if key.part == Part::Signer {
            SECRETS
        } else {
            MOVE_OFFLINE
        };
        let secret = dir.join(home).join(format!("{stem}.key"));
        let revocation = dir.join(MOVE_OFFLINE).join(format!("{stem}.rev"));
        let public = dir.join(KEYS).join(format!("{stem}.asc"));
        let text = openpgp::public_text(&key.certificate).map_err(error::Error::Keyring)?;
        keyfiles::write(&secret, key.made.secret.expose().as_bytes(), SECRET_MODE)?;
        keyfiles::write(&revocation, key.made.revocation.as_bytes(), SECRET_MODE)?;
        keyfiles::write(&public, text.as_bytes(), PUBLIC_MODE)?;
    }
    Ok(())
}
