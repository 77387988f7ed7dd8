//! The settings file `hub-backup.toml`, read into a [`Layer`]: unknown keys and secrets in it are problems.

use std::path::Path;

use crate::bundle::name::SetName;
use crate::config::document::Document;
use crate::config::document::Section;
use crate::config::error::Problem;
use crate::config::layer::Layer;
use crate::config::layer::PolicyLayer;
use crate::config::layer::RecipientLayer;
use crate::config::layer::SetLayer;
use crate::config::origin::Origin;
use crate::config::origin::Setting;
use crate::config::secret::SecretSource;
use crate::config::value;

/// What the file at `path` says, and what is wrong with it.
pub fn layer(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Layer {
    let document = Document::new(path, text);
    let mut layer = Layer::default();
    let mut root = document.root();
    if let Some(section) = root.section("store") {
        store(section, &mut layer);
    }
    if let Some(section) = root.section("keys") {
        keys(section, &mut layer);
    }
    if let Some(section) = root.section("recipients") {
        layer.every_set.recipients = recipients(section);
    }
    if let Some(section) = root.section("policy") {
        policy(section, &mut layer);
    }
    if let Some(section) = root.section("defaults") {
        defaults(section, &mut layer);
    }
    if let Some(section) = root.section("sets") {
        sets(section, &mut layer);
    }
    root.finish();
    problems.extend(document.into_problems());
    layer
}

fn store(mut section: Section<'_>, layer: &mut Layer) {
    layer.store = section.path("path");
    section.finish();
}

fn keys(mut section: Section<'_>, layer: &mut Layer) {
    layer.roots = section.paths("roots");
    layer.certificates = section.paths("certificates");
    layer.signers = signers(&mut section);
    layer.signer_passphrase = secret(
        &mut section,
        [
            "signer_passphrase",
            "signer_passphrase_file",
            "signer_passphrase_command",
        ],
    );
    layer.identities = section.paths("identities");
    layer.identity_passphrase = secret(
        &mut section,
        [
            "identity_passphrase",
            "identity_passphrase_file",
            "identity_passphrase_command",
        ],
    );
    section.finish();
}

fn signers(section: &mut Section<'_>) -> Option<Setting<Vec<std::path::PathBuf>>> {
    let one = section.path("signer");
    let several = section.paths("signers");
    if let (Some(_), Some(several)) = (&one, &several) {
        let hint = Some("Name them all in signers.".to_owned());
        section.report(
            &several.origin,
            "signers",
            "signer and signers say the same thing".into(),
            hint,
        );
    }
    several.or(one.map(|one| one.map(|path| vec![path])))
}

/// A secret by a file that holds it or a command that prints it; never by its value.
fn secret(section: &mut Section<'_>, [plain, file, command]: [&'static str; 3]) -> Option<Setting<SecretSource>> {
    section.refuse_secret(plain);
    let in_file = section.path(file);
    let by_command = section.command(command);
    if let (Some(_), Some(by_command)) = (&in_file, &by_command) {
        let message = format!("{file} and {command} say the same thing");
        section.report(&by_command.origin, command, message, Some("Keep one of them.".into()));
    }
    let by_command = by_command.map(|words| {
        let program = program(&words.origin, &words.value[0]);
        words.map(|mut words| {
            words[0] = program;
            SecretSource::Command(words)
        })
    });
    in_file.map(|path| path.map(SecretSource::File)).or(by_command)
}

/// A program named by a relative path is beside the settings file; one named by a bare word is looked up in `PATH`.
fn program(origin: &Origin, word: &str) -> String {
    if word.contains('/') {
        origin.resolve(Path::new(word)).to_string_lossy().into_owned()
    } else {
        word.to_owned()
    }
}

fn recipients(mut section: Section<'_>) -> RecipientLayer {
    let layer = RecipientLayer {
        openpgp: section.paths("openpgp"),
        age: section.texts("age", value::age_recipient),
        passphrase: secret(&mut section, ["passphrase", "passphrase_file", "passphrase_command"]),
    };
    section.finish();
    layer
}

fn policy(mut section: Section<'_>, layer: &mut Layer) {
    layer.protected = section.texts("protected", value::pattern);
    layer.policy = PolicyLayer {
        recipients_min: section.number("recipients_min", value::count),
        recipients_required: section.texts("recipients_required", value::recipient_id),
        signers_min: section.number("signers_min", value::count),
        rsa_bits_min: section.number("rsa_bits_min", value::rsa_bits),
        passphrase_allowed: section.flag("passphrase_allowed"),
    };
    section.finish();
}

fn defaults(mut section: Section<'_>, layer: &mut Layer) {
    layer.every_set.suite = section.text("suite", str::parse);
    layer.every_set.level = section.number("level", value::level);
    layer.jobs = section.number("jobs", value::jobs);
    layer.block_bytes = section.size("block_size", value::block_bytes);
    section.finish();
}

fn sets(mut section: Section<'_>, layer: &mut Layer) {
    for (name, origin, mut table) in section.sections() {
        let set = SetLayer {
            origin: Some(origin.clone()),
            ..set(&mut table)
        };
        match name.parse::<SetName>() {
            Ok(name) => drop(layer.sets.insert(name, set)),
            Err(error) => section.report(&origin, &name, error.to_string(), None),
        }
        table.finish();
    }
}

fn set(section: &mut Section<'_>) -> SetLayer {
    SetLayer {
        origin: None,
        sources: section.texts("sources", |text| Ok(text.to_owned())),
        exclude: section.texts("exclude", value::pattern),
        one_file_system: section.flag("one_file_system"),
        allow_changed: section.flag("allow_changed"),
        redact_secrets: section.flag("redact_secrets"),
        accept_findings: section.texts("accept_findings", value::finding),
        check_sources: section.flag("check_sources"),
        retention_class: section.text("retention_class", value::retention_class),
        command_env: section.texts("command_env", value::variable_name),
        command_timeout: section.number("command_timeout", value::timeout),
        allow_empty: section.flag("allow_empty"),
        suite: section.text("suite", str::parse),
        level: section.number("level", value::level),
        recipients: section.section("recipients").map(recipients).unwrap_or_default(),
    }
}
