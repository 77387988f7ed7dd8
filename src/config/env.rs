//! The settings in the environment.

use std::path::PathBuf;

use crate::base::secret::SecretText;
use crate::config::environment::Environment;
use crate::config::error::Problem;
use crate::config::layer::Layer;
use crate::config::layer::PolicyLayer;
use crate::config::layer::RecipientLayer;
use crate::config::origin::Origin;
use crate::config::origin::Setting;
use crate::config::secret::SecretSource;
use crate::config::value;
use crate::config::value::BadValue;
use crate::config::value::PREFIX;
use crate::config::value::RecipientWord;

/// Every variable that is read, and what it sets. Lists are separated by `:`, as in `PATH`; an empty variable is none.
pub const VARIABLES: [(&str, &str); 21] = [
    ("HUB_BACKUP_CONFIG", "the settings file, as --config"),
    ("HUB_BACKUP_STORE", "the folder of the store, as --store"),
    ("HUB_BACKUP_ROOT", "trusted certificates, as --root"),
    (
        "HUB_BACKUP_CERTIFICATE",
        "files or folders with public certificates, as --certificate",
    ),
    ("HUB_BACKUP_SIGNER", "secret signing keys, as --signer"),
    ("HUB_BACKUP_SIGNER_PASSPHRASE", "what unlocks the signing keys"),
    ("HUB_BACKUP_SIGNER_PASSPHRASE_FILE", "a file that holds it"),
    ("HUB_BACKUP_SIGNER_PASSPHRASE_COMMAND", "a command that prints it"),
    ("HUB_BACKUP_IDENTITY", "secret keys that open bundles, as --identity"),
    ("HUB_BACKUP_IDENTITY_PASSPHRASE", "what unlocks the identities"),
    ("HUB_BACKUP_IDENTITY_PASSPHRASE_FILE", "a file that holds it"),
    ("HUB_BACKUP_IDENTITY_PASSPHRASE_COMMAND", "a command that prints it"),
    (
        "HUB_BACKUP_RECIPIENT",
        "certificate files and age recipients, as --recipient",
    ),
    ("HUB_BACKUP_PASSPHRASE", "a passphrase that opens bundles"),
    ("HUB_BACKUP_PASSPHRASE_FILE", "a file that holds it"),
    ("HUB_BACKUP_PASSPHRASE_COMMAND", "a command that prints it"),
    (
        "HUB_BACKUP_RECIPIENTS_MIN",
        "how many recipients a bundle must have at least, as --recipients-min",
    ),
    (
        "HUB_BACKUP_RECIPIENTS_REQUIRED",
        "recipients that a bundle must have, as --require-recipient",
    ),
    ("HUB_BACKUP_SUITE", "the suite, as --suite"),
    ("HUB_BACKUP_LEVEL", "the level of zstd, as --level"),
    ("HUB_BACKUP_JOBS", "worker threads, as --jobs"),
];

/// What the environment says.
pub fn layer(environment: &Environment, problems: &mut Vec<Problem>) -> Layer {
    let mut reader = Reader { environment, problems };
    reader.refuse_unknown();
    let mut layer = Layer {
        store: reader
            .paths("HUB_BACKUP_STORE", false)
            .map(|paths| paths.map(|mut paths| paths.remove(0))),
        roots: reader.paths("HUB_BACKUP_ROOT", true),
        certificates: reader.paths("HUB_BACKUP_CERTIFICATE", true),
        signers: reader.paths("HUB_BACKUP_SIGNER", true),
        signer_passphrase: reader.secret([
            "HUB_BACKUP_SIGNER_PASSPHRASE",
            "HUB_BACKUP_SIGNER_PASSPHRASE_FILE",
            "HUB_BACKUP_SIGNER_PASSPHRASE_COMMAND",
        ]),
        identities: reader.paths("HUB_BACKUP_IDENTITY", true),
        identity_passphrase: reader.secret([
            "HUB_BACKUP_IDENTITY_PASSPHRASE",
            "HUB_BACKUP_IDENTITY_PASSPHRASE_FILE",
            "HUB_BACKUP_IDENTITY_PASSPHRASE_COMMAND",
        ]),
        policy: PolicyLayer {
            recipients_min: reader.parsed("HUB_BACKUP_RECIPIENTS_MIN", |text| value::count(value::number(text)?)),
            recipients_required: reader.parsed("HUB_BACKUP_RECIPIENTS_REQUIRED", |text| {
                words(text).map(value::recipient_id).collect()
            }),
            ..PolicyLayer::default()
        },
        jobs: reader.parsed("HUB_BACKUP_JOBS", |text| value::jobs(value::number(text)?)),
        ..Layer::default()
    };
    layer.every_set.suite = reader.parsed("HUB_BACKUP_SUITE", str::parse);
    layer.every_set.level = reader.parsed("HUB_BACKUP_LEVEL", |text| value::level(value::number(text)?));
    layer.every_set.recipients = reader.recipients();
    layer
}

struct Reader<'a> {
    environment: &'a Environment,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// A mistyped name must not be a setting that is silently not there.
    fn refuse_unknown(&mut self) {
        for name in self.environment.own_names() {
            let name = name.to_string_lossy();
            if VARIABLES.iter().any(|(known, _)| *known == name) || is_service_link(&name) {
                continue;
            }
            self.problems.push(Problem {
                origin: Origin::Environment("environment"),
                key: name.clone().into_owned(),
                message: "is not a setting".into(),
                hint: super::document::nearest(&name, VARIABLES.iter().map(|(known, _)| *known))
                    .map(|known| format!("Is {known} meant?"))
                    .or(Some("`hub-backup help` and docs/cli.md list the variables.".into())),
            });
        }
    }

    fn problem(&mut self, name: &'static str, message: String) {
        self.problems.push(Problem {
            origin: Origin::Environment("environment"),
            key: name.to_owned(),
            message,
            hint: None,
        });
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.environment.get(name)?;
        if let Some(text) = value.to_str() {
            return Some(text.to_owned());
        }
        self.problem(name, "is not UTF-8".into());
        None
    }

    fn parsed<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, BadValue>) -> Option<Setting<T>> {
        match parse(&self.text(name)?) {
            Ok(value) => Some(Setting::new(value, Origin::Environment(name))),
            Err(error) => {
                self.problem(name, error.to_string());
                None
            }
        }
    }

    fn paths(&self, name: &'static str, many: bool) -> Option<Setting<Vec<PathBuf>>> {
        let value = self.environment.get(name)?;
        let paths: Vec<PathBuf> = if many {
            std::env::split_paths(value)
                .filter(|path| !path.as_os_str().is_empty())
                .collect()
        } else {
            vec![value.into()]
        };
        Some(Setting::new(paths, Origin::Environment(name)))
    }

    /// A secret by its value, a file that holds it, or a command that prints it.
    fn secret(&mut self, [plain, file, command]: [&'static str; 3]) -> Option<Setting<SecretSource>> {
        let given: Vec<&'static str> = [plain, file, command]
            .into_iter()
            .filter(|name| self.environment.get(name).is_some())
            .collect();
        let [name] = given[..] else {
            if !given.is_empty() {
                self.problem(
                    given[0],
                    format!("{} say the same thing: set one of them", given.join(" and ")),
                );
            }
            return None;
        };
        let source = if name == file {
            SecretSource::File(self.environment.get(name)?.into())
        } else if name == command {
            return self.parsed(name, |text| value::command(text).map(SecretSource::Command));
        } else {
            SecretSource::Given(SecretText::new(self.text(name)?))
        };
        Some(Setting::new(source, Origin::Environment(name)))
    }

    fn recipients(&mut self) -> RecipientLayer {
        let name = "HUB_BACKUP_RECIPIENT";
        let mut layer = RecipientLayer {
            passphrase: self.secret([
                "HUB_BACKUP_PASSPHRASE",
                "HUB_BACKUP_PASSPHRASE_FILE",
                "HUB_BACKUP_PASSPHRASE_COMMAND",
            ]),
            ..RecipientLayer::default()
        };
        let parse = |text: &str| {
            words(text)
                .map(str::parse)
                .collect::<Result<Vec<RecipientWord>, BadValue>>()
        };
        if let Some(words) = self.parsed(name, parse) {
            layer.add(words.value, &words.origin);
        }
        layer
    }
}

/// The words of a list.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(':').filter(|word| !word.is_empty())
}

/// Variables that Kubernetes and Docker set for a service of the name `hub-backup`: addresses, and none of ours.
fn is_service_link(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    rest.starts_with("SERVICE_") || rest == "PORT" || rest.starts_with("PORT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let environment = Environment::from([("HUB_BACKUP_PASSPHRASE", "needle")]);
        let mut problems = Vec::new();
        let layer = layer(&environment, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let shown = format!("{environment:?} {layer:?}");
        assert!(shown.contains("HUB_BACKUP_PASSPHRASE"), "{shown}");
        assert!(!shown.contains("needle"), "{shown}");
    }

    #[test]
    fn a_mistyped_name_is_a_problem() {
        let environment = Environment::from([("HUB_BACKUP_STROE", "x"), ("HUB_BACKUP_PORT_80_TCP", "tcp://x")]);
        let mut problems = Vec::new();
        drop(layer(&environment, &mut problems));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].hint.as_deref(), Some("Is HUB_BACKUP_STORE meant?"));
    }

    #[test]
    fn two_forms_of_a_secret_are_a_problem() {
        let environment = Environment::from([("HUB_BACKUP_PASSPHRASE", "a"), ("HUB_BACKUP_PASSPHRASE_FILE", "b")]);
        let mut problems = Vec::new();
        let layer = layer(&environment, &mut problems);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(layer.every_set.recipients.passphrase.is_none());
    }

    #[test]
    fn empty_variables_are_none() {
        let environment = Environment::from([("HUB_BACKUP_STORE", ""), ("HUB_BACKUP_LEVEL", "")]);
        let mut problems = Vec::new();
        let layer = layer(&environment, &mut problems);
        assert!(problems.is_empty() && layer.store.is_none() && layer.every_set.level.is_none());
    }
}
