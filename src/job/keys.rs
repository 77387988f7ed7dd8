//! Keys made, certified and revoked: files in, files out.

use std::path::Path;
use std::path::PathBuf;

use sequoia_openpgp::Cert;

use crate::base::clock::Timestamp;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::Role;
use crate::keyring::certify;
use crate::keyring::describe;
use crate::keyring::describe::State;
use crate::keyring::facts;
use crate::keyring::make;
use crate::keyring::make::NewKey;
use crate::keyring::openpgp;
use crate::keyring::revoke;
use crate::keyring::revoke::Why;
use crate::keyring::trust::TrustStore;
use crate::keyring::trust::Untrusted;

use super::keyfiles;
use super::keyfiles::Error;
use super::keyfiles::PUBLIC_MODE;
use super::keyfiles::SECRET_MODE;
use super::keyfiles::SecretKey;

/// The mode of a folder that is made for keys.
const FOLDER_MODE: u32 = 0o700;

/// A key that was written.
#[derive(Clone, Debug)]
pub struct Generated {
    /// What is public about it.
    pub facts: KeyFacts,
    /// Its secret part.
    pub secret: PathBuf,
    /// Whether a passphrase locks it.
    pub locked: bool,
    /// Its public certificate; an age recipient has none.
    pub public: Option<PathBuf>,
    /// Its revocation, for the day when it is lost.
    pub revocation: Option<PathBuf>,
    /// The root that certified it.
    pub certified_by: Option<String>,
}

/// Makes a key and writes `ROLE-NAME.key`, `ROLE-NAME.rev` and `ROLE-NAME.asc` to `folder`, which is made where it is missing.
///
/// # Errors
/// When one of the files exists, the key cannot be made, or the root cannot certify it.
pub fn generate(key: &NewKey, root: Option<&SecretKey>, folder: &Path, now: Timestamp) -> Result<Generated, Error> {
    check_free(key.role, &key.name, folder)?;
    let [secret, revocation, public] = paths(key.role, &key.name, folder);
    let made = make::make(key, now)?;
    let certificate = match root {
        Some(root) => certified(root, &made.cert, now)?,
        None => made.cert.clone(),
    };

    // The secret part comes first: without it the others are of no use.
    keyfiles::create_folder(folder, FOLDER_MODE)?;
    keyfiles::write(&secret, made.secret.expose().as_bytes(), SECRET_MODE)?;
    keyfiles::write(&revocation, made.revocation.as_bytes(), SECRET_MODE)?;
    keyfiles::write(&public, openpgp::public_text(&certificate)?.as_bytes(), PUBLIC_MODE)?;
    Ok(Generated {
        facts: facts::facts(&certificate, key.role, now),
        secret,
        locked: key.passphrase.is_some(),
        public: Some(public),
        revocation: Some(revocation),
        certified_by: root.map(|root| root.key.fingerprint().to_hex()),
    })
}

/// Refuses a key whose files exist, before anybody is asked for anything.
///
/// # Errors
/// `Exists`, naming the first.
pub fn check_free(role: Role, name: &str, folder: &Path) -> Result<(), Error> {
    keyfiles::check_free(paths(role, name, folder).iter().map(PathBuf::as_path))
}

fn paths(role: Role, name: &str, folder: &Path) -> [PathBuf; 3] {
    let stem = stem(role, name);
    ["key", "rev", "asc"].map(|end| folder.join(format!("{stem}.{end}")))
}

/// Makes an age identity and writes it to `recipient-NAME.key` in `folder`. Its recipient is the id in the facts.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn generate_age(name: &str, folder: &Path) -> Result<Generated, Error> {
    let secret = folder.join(format!("{}.key", stem(Role::Recipient, name)));
    keyfiles::check_free([secret.as_path()])?;
    let (recipient, identity) = make::make_age_identity();
    keyfiles::create_folder(folder, FOLDER_MODE)?;
    keyfiles::write(&secret, identity.expose().as_bytes(), SECRET_MODE)?;
    Ok(Generated {
        facts: facts::age_facts(&recipient),
        secret,
        locked: false,
        public: None,
        revocation: None,
        certified_by: None,
    })
}

/// How the files of a key are called: its role, and its name where that says more. What means anything in a path is left out.
#[must_use]
pub fn stem(role: Role, name: &str) -> String {
    const LONGEST: usize = 64;
    let role = facts::role_name(role);
    let mut words = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            words.push(letter);
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
    }
    words.truncate(LONGEST);
    let words = words.trim_end_matches('-');
    if words.is_empty() || words == role {
        role.to_owned()
    } else {
        format!("{role}-{words}")
    }
}

/// `signer` with the root's certification, which is checked to hold.
///
/// # Errors
/// When the root is none, cannot certify, or the signer would not be trusted all the same.
pub fn certified(root: &SecretKey, signer: &Cert, now: Timestamp) -> Result<Cert, Error> {
    if let Some(role @ (Role::Signer | Role::Recipient)) = facts::role(&root.key, now) {
        let fingerprint = root.key.fingerprint();
        let role = facts::role_name(role);
        return Err(Error::Unfit {
            what: format!("{fingerprint} is the key of a {role}, whose certifications nobody trusts"),
            hint: "Certify with the key of a root.",
        });
    }
    let certified = certify::certify(&root.key, root.passphrase.as_ref(), signer, now)?;
    let trust = TrustStore {
        pinned: vec![root.key.clone().strip_secret_key_material()],
        known: Vec::new(),
    };
    match trust.judge(&certified, now) {
        Ok(_) => Ok(certified),
        Err(untrusted) => Err(Error::Unfit {
            what: format!("the certified key would not be trusted: {untrusted}"),
            hint: "Look at it with `hub-backup keys show FILE`.",
        }),
    }
}

/// What revokes a certificate.
pub enum Revocation<'a> {
    /// Its own secret key.
    OwnKey {
        /// The key.
        key: &'a SecretKey,
        /// Why.
        why: Why,
        /// More about it, for whoever reads the certificate.
        message: &'a str,
    },
    /// A revocation that was made before.
    Prepared {
        /// The certificate.
        certificate: &'a Cert,
        /// A copy of it that has the revocation.
        revoked: &'a Cert,
    },
    /// The root, which takes its word back.
    Root {
        /// The certificate.
        certificate: &'a Cert,
        /// The root.
        root: &'a SecretKey,
        /// Why.
        why: Why,
    },
}

/// The public certificate, revoked.
///
/// # Errors
/// When the keys do not belong together, cannot be unlocked, or nothing is revoked by it.
pub fn revoked(revocation: &Revocation<'_>, now: Timestamp) -> Result<Cert, Error> {
    match revocation {
        Revocation::OwnKey { key, why, message } => {
            Ok(revoke::revoke(&key.key, key.passphrase.as_ref(), *why, message, now)?)
        }
        Revocation::Prepared { certificate, revoked } => merged(certificate, revoked, now),
        Revocation::Root { certificate, root, why } => taken_back(certificate, root, *why, now),
    }
}

fn taken_back(certificate: &Cert, root: &SecretKey, why: Why, now: Timestamp) -> Result<Cert, Error> {
    let trust = TrustStore {
        pinned: vec![root.key.clone().strip_secret_key_material()],
        known: Vec::new(),
    };
    if let Err(Untrusted::NotCertified { fingerprint, .. }) = trust.judge(certificate, now) {
        return Err(Error::Unfit {
            what: format!("{} has not certified {fingerprint}", root.key.fingerprint()),
            hint: "Name the copy of the certificate that the root certified.",
        });
    }
    let passphrase = root.passphrase.as_ref();
    Ok(revoke::revoke_certification(
        &root.key,
        passphrase,
        certificate,
        why,
        now,
    )?)
}

fn merged(certificate: &Cert, revoked: &Cert, now: Timestamp) -> Result<Cert, Error> {
    let (one, other) = (certificate.fingerprint(), revoked.fingerprint());
    let merged = (*certificate).clone().merge_public((*revoked).clone());
    let merged = merged.map_err(|_| Error::Unfit {
        what: format!("the revocation is of {other}, and the certificate is {one}"),
        hint: "Name the revocation that was made with the key.",
    })?;
    match describe::state(&merged, now) {
        State::Revoked | State::Retired => Ok(merged),
        State::Valid | State::Expired | State::NotYet | State::Weak | State::Unusable => Err(Error::Unfit {
            what: format!("the file holds no revocation of {one}"),
            hint: "Name the file that ends in .rev.",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_hold_no_path() {
        for (name, stem_of_it) in [
            ("signer", "signer"),
            ("", "signer"),
            ("../../etc/passwd", "signer-etc-passwd"),
            ("Hub, Köln <a@b.c>", "signer-hub-k-ln-a-b-c"),
            ("\u{202e}\n", "signer"),
        ] {
            assert_eq!(stem(Role::Signer, name), stem_of_it);
        }
        assert!(stem(Role::Root, &"a-".repeat(200)).len() < 80);
    }
}
