//! What is wrong with settings beyond their form: files that are not there, secrets that others can read, too few recipients.

use std::fs;
use std::path::Path;

use crate::base::fault::Fault as _;
use crate::config::Policy;
use crate::config::Recipients;
use crate::config::Settings;
use crate::config::error::Problem;
use crate::config::error::Problems;
use crate::config::origin::Origin;
use crate::config::origin::Setting;
use crate::config::secret;
use crate::config::secret::SecretSource;

/// Every problem that shows without opening a store or a key.
#[must_use]
pub fn problems(settings: &Settings) -> Vec<Problem> {
    let mut check = Check::default();
    if let Some(store) = &settings.store {
        check.folder("store.path", &store.origin, &store.value);
    }
    let keys = &settings.keys;
    check.public("keys.roots", &keys.roots);
    check.public("keys.certificates", &keys.certificates);
    check.private("keys.signers", &keys.signers);
    check.private("keys.identities", &keys.identities);
    check.passphrase("keys.signer_passphrase", keys.signer_passphrase.as_ref());
    check.passphrase("keys.identity_passphrase", keys.identity_passphrase.as_ref());
    check.recipients("recipients", &settings.recipients);
    for set in settings.sets() {
        let key = |name: &str| format!("sets.{}.{name}", set.name);
        check.recipients(&key("recipients"), &set.recipients);
        check.enough(&key("recipients"), &set.recipients, &settings.policy);
        if set.sources.value.is_empty() {
            check.found.add(
                &set.sources.origin,
                &key("sources"),
                "is empty: there is nothing to back up".into(),
                None,
            );
        }
    }
    check.found.into_vec()
}

#[derive(Default)]
struct Check {
    found: Problems,
}

impl Check {
    fn folder(&mut self, key: &str, origin: &Origin, path: &Path) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => self
                .found
                .add(origin, key, format!("{} is not a folder", path.display()), None),
            Err(error) => {
                let hint = "Is its disk mounted? `hub-backup init FOLDER` makes a new store, FOLDER/store.".to_owned();
                self.found
                    .add(origin, key, format!("{}: {error}", path.display()), Some(hint));
            }
        }
    }

    fn public(&mut self, key: &str, paths: &Setting<Vec<std::path::PathBuf>>) {
        for path in &paths.value {
            if let Err(error) = fs::metadata(path) {
                self.found
                    .add(&paths.origin, key, format!("{}: {error}", path.display()), None);
            }
        }
    }

    fn private(&mut self, key: &str, paths: &Setting<Vec<std::path::PathBuf>>) {
        for path in &paths.value {
            self.private_file(key, &paths.origin, path);
        }
    }

    fn private_file(&mut self, key: &str, origin: &Origin, path: &Path) {
        match fs::metadata(path) {
            Err(error) => self
                .found
                .add(origin, key, format!("{}: {error}", path.display()), None),
            Ok(metadata) => {
                if let Err(error) = secret::check_private(path, &metadata) {
                    self.found.add(origin, key, error.to_string(), error.hint());
                }
            }
        }
    }

    fn passphrase(&mut self, key: &str, source: Option<&Setting<SecretSource>>) {
        let Some(source) = source else { return };
        match &source.value {
            SecretSource::File(path) => self.private_file(key, &source.origin, path),
            SecretSource::Command(words) => {
                let program = Path::new(&words[0]);
                if program.components().count() > 1 && !program.is_file() {
                    self.found.add(
                        &source.origin,
                        key,
                        format!("there is no program {}", program.display()),
                        None,
                    );
                }
            }
            SecretSource::Given(_) => {}
        }
    }

    fn recipients(&mut self, key: &str, recipients: &Recipients) {
        self.public(key, &recipients.openpgp);
        self.passphrase(key, recipients.passphrase.as_ref());
    }

    fn enough(&mut self, key: &str, recipients: &Recipients, policy: &Policy) {
        let (count, least) = (recipients.count(), &policy.recipients_min);
        if let Some(passphrase) = recipients
            .passphrase
            .as_ref()
            .filter(|_| !policy.passphrase_allowed.value)
        {
            let message = "a passphrase is named, and policy.passphrase_allowed forbids it".to_owned();
            self.found.add(&passphrase.origin, key, message, None);
        }
        if count < least.value as usize {
            let message = format!("{count} of at least {} recipients are named", least.value);
            let hint = "Name them under [recipients]: certificates in openpgp, age recipients in age.";
            self.found.add(&least.origin, key, message, Some(hint.into()));
        }
    }
}
