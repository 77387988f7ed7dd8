//! What is wrong with settings that shows when keys are read and sources are looked for, and nothing is asked, connected to or written:
//! the second half of `config check`, after `config::check`.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use sequoia_openpgp::Cert;

use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::base::fault;
use crate::base::fault::Fault;
use crate::base::secret::SecretText;
use crate::bundle::manifest::Role;
use crate::config::SetSettings;
use crate::config::Settings;
use crate::config::environment::Environment;
use crate::config::error::Problem;
use crate::config::error::Problems;
use crate::config::origin::Origin;
use crate::config::origin::Setting;
use crate::config::secret::SecretSource;
use crate::keyring::Recipient;
use crate::keyring::describe;
use crate::keyring::describe::State;
use crate::keyring::facts;
use crate::keyring::identities;
use crate::keyring::openpgp;
use crate::keyring::recipients::read_recipients;
use crate::keyring::trust::TrustStore;
use crate::keyring::unlock::is_locked;
use crate::seal::SoftwareSigner;
use crate::source::uri::SourceUri;
use crate::source::uri::What;

use super::expiring;
use super::init::MOVE_OFFLINE;
use super::named_keys;
use super::reading;
use super::setup;
use super::sources;

const NEW_SIGNER: &str = "Make a signing key with `hub-backup keys generate --role signer`, let the root certify it with `hub-backup \
                          keys certify`, put the certificate among keys.certificates and name the key here.";

/// Why keys have to leave, behind their folder.
pub const STILL_HERE: &str =
    "still holds secret keys: whoever takes over this host opens its bundles and makes new signers with them";

/// What to do about that.
pub const MOVE: &str = "Move them to where its README.txt says, check the copies, then remove them here.";

/// What a check of settings found.
pub struct Findings {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What should not stay so: keys that run out, and keys that have not left this host.
    pub warnings: Vec<Problem>,
}

/// Every problem with the store, the keys and the sources that settings name. What cannot be read at all is for `config::check`.
#[must_use]
pub fn check(settings: &Settings, environment: &Environment, clock: &Arc<dyn Clock>) -> Findings {
    let mut check = Check {
        settings,
        environment,
        now: clock.now(),
        found: Problems::default(),
        soon: Problems::default(),
    };
    check.store();
    check.keys_to_move();
    check.certificates();
    check.signers();
    check.recipients();
    for set in settings.sets() {
        check.sources(&set, clock);
    }
    Findings {
        problems: check.found.into_vec(),
        warnings: check.soon.into_vec(),
    }
}

/// The folder beside the settings file in which `init` left the secret keys of recipients and root, while it still holds some: until they
/// have left, who takes over this host opens every bundle of it and makes new signers.
#[must_use]
pub fn keys_to_move(settings: &Settings) -> Option<PathBuf> {
    let folder = settings.file.as_ref()?.parent()?.join(MOVE_OFFLINE);
    let mut entries = fs::read_dir(&folder).ok()?.flatten();
    let is_key = |path: PathBuf| path.extension().is_some_and(|extension| extension == "key");
    entries.any(|entry| is_key(entry.path())).then_some(folder)
}

struct Check<'c> {
    settings: &'c Settings,
    environment: &'c Environment,
    now: Timestamp,
    found: Problems,
    soon: Problems,
}

impl Check<'_> {
    fn fault(&mut self, origin: &Origin, key: &str, about: &Path, fault: &dyn Fault) {
        let message = format!("{}: {}", about.display(), fault::chain(fault));
        self.found.add(origin, key, message, fault.hint());
    }

    /// Notes a certificate that runs out soon.
    fn expiry(&mut self, origin: &Origin, key: &str, path: &Path, certificate: &Cert, role: Role) {
        for soon in expiring::among([&facts::facts(certificate, role, self.now)], self.now) {
            let message = format!("{}: {} {}", path.display(), soon.id, soon.words());
            self.soon.add(origin, key, message, Some(soon.hint().to_owned()));
        }
    }

    fn store(&mut self) {
        let Some(path) = &self.settings.store else { return };
        if !path.value.is_dir() {
            return;
        }
        if let Err(error) = setup::whole_store(self.settings) {
            self.found
                .add(&path.origin, "store.path", error.to_string(), error.hint());
        }
    }

    fn keys_to_move(&mut self) {
        if let Some(folder) = keys_to_move(self.settings) {
            let message = format!("{} {STILL_HERE}", folder.display());
            let origin = &self.settings.keys.roots.origin;
            self.soon.add(origin, "keys", message, Some(MOVE.to_owned()));
        }
    }

    fn certificates(&mut self) {
        let keys = &self.settings.keys;
        for (key, named) in [("keys.roots", &keys.roots), ("keys.certificates", &keys.certificates)] {
            for path in named.value.iter().filter(|path| path.exists()) {
                let files = match named_keys::key_files(path) {
                    Ok(files) => files,
                    Err(error) => {
                        self.fault(&named.origin, key, path, &error);
                        continue;
                    }
                };
                for file in files {
                    match named_keys::certificates(&file) {
                        Err(error) => self.fault(&named.origin, key, &file, &error),
                        // What has signed stays valid; who signs next is told of where signing keys are named.
                        Ok(roots) if key == "keys.roots" => {
                            for root in &roots {
                                self.expiry(&named.origin, key, &file, root, Role::Root);
                            }
                        }
                        Ok(_) => {}
                    }
                }
            }
        }
    }

    /// Whether each signing key can sign now, without anybody at a terminal, and whether a pinned root has certified it.
    fn signers(&mut self) {
        let keys = &self.settings.keys;
        let trust = named_keys::trust(self.settings).unwrap_or_else(|_| TrustStore {
            pinned: Vec::new(),
            known: Vec::new(),
        });
        for path in keys.signers.value.iter().filter(|path| path.exists()) {
            let Ok(bytes) = reading::read_secret(path) else {
                continue;
            };
            match openpgp::read_secret(bytes.expose()) {
                Ok(key) => self.signer(path, &key, &trust),
                Err(error) => self.fault(&keys.signers.origin, "keys.signers", path, &error),
            }
        }
    }

    fn signer(&mut self, path: &Path, key: &Cert, trust: &TrustStore) {
        let (settings, now) = (self.settings, self.now);
        let origin = &settings.keys.signers.origin;
        // A judgement below says more about one that has run out already.
        if describe::state(key, now) == State::Valid {
            self.expiry(origin, "keys.signers", path, key, Role::Signer);
        }
        let mut wrong = |message: String, hint: &str| {
            self.found.add(
                origin,
                "keys.signers",
                format!("{}: {message}", path.display()),
                Some(hint.to_owned()),
            );
        };
        if !trust.pinned.is_empty()
            && let Err(untrusted) = trust.judge(&key.clone().strip_secret_key_material(), now)
        {
            wrong(untrusted.to_string(), NEW_SIGNER);
            return;
        }
        let given = settings.keys.signer_passphrase.as_ref();
        let passphrase = match (is_locked(key), given) {
            (false, _) => None,
            (true, None) => {
                let hint = "Name what unlocks it: signer_passphrase_file or signer_passphrase_command in [keys]. Without one, only a person at a terminal can back up.";
                wrong(
                    "the key is locked, and nothing is named that unlocks it".to_owned(),
                    hint,
                );
                return;
            }
            (true, Some(source)) => match self.passphrase(source) {
                Some(passphrase) => Some(passphrase),
                None => return,
            },
        };
        if let Err(error) = SoftwareSigner::new(key.clone(), passphrase, now) {
            self.fault(origin, "keys.signers", path, &error);
        }
    }

    /// A passphrase that lies ready. No program is run for a check.
    fn passphrase(&self, source: &Setting<SecretSource>) -> Option<SecretText> {
        match &source.value {
            SecretSource::Command(_) => None,
            SecretSource::Given(_) | SecretSource::File(_) => source.value.read(self.environment).ok(),
        }
    }

    fn recipients(&mut self) {
        let settings = self.settings;
        let sets = settings.sets();
        let shared = ("recipients.openpgp".to_owned(), &settings.recipients.openpgp);
        let own = sets
            .iter()
            .map(|set| (format!("sets.{}.recipients", set.name), &set.recipients.openpgp));
        for (key, named) in [shared].into_iter().chain(own) {
            for path in &named.value {
                self.recipient(&named.origin, &key, path);
            }
        }
    }

    fn recipient(&mut self, origin: &Origin, key: &str, path: &Path) {
        let Ok(bytes) = reading::read_public(path) else { return };
        if identities::holds_secret(&bytes) {
            let message = format!("{} holds a secret key", path.display());
            let hint = "Name the public certificate, and take the secret key away from this host.";
            self.found.add(origin, key, message, Some(hint.to_owned()));
            return;
        }
        let recipients = match read_recipients(&bytes) {
            Ok(recipients) => recipients,
            Err(error) => return self.fault(origin, key, path, &error),
        };
        for recipient in recipients {
            let Recipient::OpenPgp(certificate) = recipient else {
                continue;
            };
            let state = describe::state(&certificate, self.now);
            if state == State::Valid {
                self.expiry(origin, key, path, &certificate, Role::Recipient);
            } else {
                let message = format!("{}: the certificate is {state}", path.display());
                let hint = "Bundles cannot be made for it: name another recipient.";
                self.found.add(origin, key, message, Some(hint.to_owned()));
            }
        }
    }

    fn sources(&mut self, set: &SetSettings, clock: &Arc<dyn Clock>) {
        let (key, origin) = (format!("sets.{}.sources", set.name), &set.sources.origin);
        let mut readable = true;
        for text in &set.sources.value {
            match text.parse::<SourceUri>() {
                Err(error) => {
                    readable = false;
                    self.found.add(origin, &key, error.to_string(), error.hint());
                }
                Ok(uri) => self.place(origin, &key, &uri),
            }
        }
        if !readable {
            return;
        }
        let store = self.settings.store.as_ref().map(|store| store.value.as_path());
        if let Err(error) = sources::make(set, store, self.environment, clock, 1) {
            self.found.add(origin, &key, error.to_string(), error.hint());
        }
    }

    fn place(&mut self, origin: &Origin, key: &str, uri: &SourceUri) {
        let (What::Sqlite(path) | What::Files(path) | What::Config(path)) = &uri.what else {
            return;
        };
        if let Err(error) = fs::symlink_metadata(origin.resolve(path)) {
            let hint = "Correct the path; or let the account that backs up see it.".to_owned();
            self.found
                .add(origin, key, format!("{}: {error}", uri.without_arguments()), Some(hint));
        }
    }
}
