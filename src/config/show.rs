//! The settings in effect as rows for people and programs: no secret, and where each value comes from.

use std::path::PathBuf;

use crate::config::Recipients;
use crate::config::SetSettings;
use crate::config::Settings;
use crate::config::origin::Origin;
use crate::config::origin::Setting;
use crate::config::secret::SecretSource;
use crate::source::guard;
use crate::source::uri::SourceUri;
use crate::source::uri::What;

/// One setting in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name, as `keys.roots`.
    pub key: String,
    /// What it is, without secrets.
    pub value: Shown,
    /// Where it was set.
    pub origin: Origin,
}

/// A value that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing is set.
    Nothing,
    /// A text.
    Text(String),
    /// A whole number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A list of texts.
    List(Vec<String>),
}

/// Every setting in effect, in the order of the settings file.
#[must_use]
pub fn rows(settings: &Settings) -> Vec<Row> {
    let (keys, policy) = (&settings.keys, &settings.policy);
    let mut rows = vec![
        optional("store.path", settings.store.as_ref(), |path| text(&path.display())),
        paths("keys.roots", &keys.roots),
        paths("keys.certificates", &keys.certificates),
        paths("keys.signers", &keys.signers),
        optional("keys.signer_passphrase", keys.signer_passphrase.as_ref(), secret),
        paths("keys.identities", &keys.identities),
        optional("keys.identity_passphrase", keys.identity_passphrase.as_ref(), secret),
    ];
    rows.extend(recipients("recipients", &settings.recipients));
    rows.extend([
        number("policy.recipients_min", &policy.recipients_min),
        list("policy.recipients_required", &policy.recipients_required),
        number("policy.signers_min", &policy.signers_min),
        number("policy.rsa_bits_min", &policy.rsa_bits_min),
        flag("policy.passphrase_allowed", &policy.passphrase_allowed),
        list("policy.protected", &settings.protected),
        row("defaults.suite", &settings.suite, text(&settings.suite.value)),
        row("defaults.level", &settings.level, number_of(settings.level.value)),
        row("defaults.jobs", &settings.jobs, number_of(settings.jobs.value)),
        number("defaults.block_size", &settings.block_bytes),
    ]);
    rows.extend(settings.sets().iter().flat_map(set));
    rows
}

fn set(set: &SetSettings) -> Vec<Row> {
    let key = |name: &str| format!("sets.{}.{name}", set.name);
    let sources = set.sources.value.iter().map(|uri| without_secrets(uri)).collect();
    let mut rows = vec![
        row(&key("sources"), &set.sources, Shown::List(sources)),
        list(&key("exclude"), &set.exclude),
        flag(&key("one_file_system"), &set.one_file_system),
        flag(&key("allow_changed"), &set.allow_changed),
        flag(&key("redact_secrets"), &set.redact_secrets),
        list(&key("accept_findings"), &set.accept_findings),
        flag(&key("check_sources"), &set.check_sources),
        optional(&key("retention_class"), set.retention_class.as_ref(), text),
        list(&key("command_env"), &set.command_env),
        optional(&key("command_timeout"), set.command_timeout.as_ref(), |seconds| {
            number_of(*seconds)
        }),
        flag(&key("allow_empty"), &set.allow_empty),
        row(&key("suite"), &set.suite, text(&set.suite.value)),
        row(&key("level"), &set.level, number_of(set.level.value)),
    ];
    rows.extend(recipients(&key("recipients"), &set.recipients));
    rows
}

fn recipients(key: &str, recipients: &Recipients) -> [Row; 3] {
    [
        paths(&format!("{key}.openpgp"), &recipients.openpgp),
        list(&format!("{key}.age"), &recipients.age),
        optional(&format!("{key}.passphrase"), recipients.passphrase.as_ref(), secret),
    ]
}

fn row<T>(key: &str, setting: &Setting<T>, value: Shown) -> Row {
    Row {
        key: key.to_owned(),
        value,
        origin: setting.origin.clone(),
    }
}

fn optional<T>(key: &str, setting: Option<&Setting<T>>, show: impl Fn(&T) -> Shown) -> Row {
    match setting {
        Some(setting) => row(key, setting, show(&setting.value)),
        None => row(key, &Setting::default_of(()), Shown::Nothing),
    }
}

fn paths(key: &str, setting: &Setting<Vec<PathBuf>>) -> Row {
    let paths = setting.value.iter().map(|path| path.display().to_string()).collect();
    row(key, setting, Shown::List(paths))
}

fn list(key: &str, setting: &Setting<Vec<String>>) -> Row {
    row(key, setting, Shown::List(setting.value.clone()))
}

fn flag(key: &str, setting: &Setting<bool>) -> Row {
    row(key, setting, Shown::Flag(setting.value))
}

fn number(key: &str, setting: &Setting<u32>) -> Row {
    row(key, setting, number_of(setting.value))
}

fn number_of<T: TryInto<u64>>(value: T) -> Shown {
    // No setting is negative: their bounds were checked.
    Shown::Number(value.try_into().unwrap_or_default())
}

fn text(value: &impl ToString) -> Shown {
    Shown::Text(value.to_string())
}

/// Where a secret comes from. A command shows its program only: an argument may be a secret.
fn secret(source: &SecretSource) -> Shown {
    match source {
        SecretSource::Given(_) => text(&"[redacted]"),
        SecretSource::File(path) => text(&format!("file {}", path.display())),
        SecretSource::Command(words) => text(&format!("command {}", words.first().map_or("", String::as_str))),
    }
}

/// A source as it can be shown.
fn without_secrets(uri: &str) -> String {
    match uri.parse::<SourceUri>() {
        Ok(source) if matches!(&source.what, What::Postgres(parameters) if parameters.has_secret()) => {
            source.to_string()
        }
        Ok(SourceUri {
            label,
            what: What::Command { name, command },
        }) => {
            let label = label.map_or_else(String::new, |label| format!("{label}="));
            format!("{label}command:{name}={}", program_alone(&command))
        }
        Ok(_) => without_password(uri),
        // Nobody can say where in it a password begins.
        Err(_) => match uri.split_once("postgres") {
            Some((before, _)) if !before.contains(':') => format!("{before}postgres:[redacted]"),
            Some(_) | None => without_password(uri),
        },
    }
}

/// A command without its arguments: each may be a secret, in more forms (`-pSECRET`) than anybody can list.
fn program_alone(command: &str) -> String {
    match command.trim().split_once(char::is_whitespace) {
        // A variable that is set for the program comes first.
        Some((first, _)) if first.contains('=') => guard::REDACTED.to_owned(),
        Some((program, _)) => format!("{program} {}", guard::REDACTED),
        None => command.trim().to_owned(),
    }
}

/// A URI without the password in it: `scheme://user:[redacted]@host`.
#[must_use]
pub fn without_password(uri: &str) -> String {
    // Databases have several places for a password; their own reader knows them all.
    if let Ok(SourceUri {
        what: What::Mysql(_), ..
    }) = uri.parse()
    {
        return uri
            .parse()
            .map_or_else(|_| String::new(), |uri: SourceUri| uri.to_string());
    }
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.to_owned();
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    match authority
        .rsplit_once('@')
        .map(|(user, host)| (user.split_once(':'), host))
    {
        Some((Some((user, _)), host)) => format!("{scheme}://{user}:[redacted]@{host}{path}"),
        _ => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_commands_are_not_shown() {
        for (written, shown) in [
            (
                "command:dump=mysqldump -pneedle-4c1f hub",
                "command:dump=mysqldump [redacted]",
            ),
            (
                "all=command:dump=API_TOKEN=needle-4c1f export --all",
                "all=command:dump=[redacted]",
            ),
            ("command:dump=/usr/bin/export-all", "command:dump=/usr/bin/export-all"),
        ] {
            assert_eq!(without_secrets(written), shown);
        }
    }

    #[test]
    fn passwords_in_uris_are_not_shown() {
        let shown = without_password("postgres://hub:needle@db:5432/hub?sslmode=require");
        assert_eq!(shown, "postgres://hub:[redacted]@db:5432/hub?sslmode=require");
        let shown = without_password("postgres://hub:nee@dle@db/hub");
        assert_eq!(shown, "postgres://hub:[redacted]@db/hub");
        for plain in [
            "files:/srv/a:b@c",
            "postgres://hub@db/hub",
            "command:m=run http://x/y:z@w",
        ] {
            assert_eq!(without_password(plain), plain);
        }
    }
}
