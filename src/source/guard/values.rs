//! Values that stand for themselves, as against references to a secret that is kept elsewhere, switches, numbers and masks.

use std::sync::LazyLock;

use regex::Regex;

/// How surely a key says that its value is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// A password: also a number can be one.
    Password,
    /// A token, key or other secret.
    Secret,
    /// A list that often gives the names of secrets.
    Names,
    /// A word with other meanings: only values that cannot be plain words count.
    Weak,
}

/// Words that switch something, or say that there is nothing, or what type is expected.
const SWITCHES: &[&str] = &[
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "null",
    "none",
    "nil",
    "undefined",
    "~",
    "enabled",
    "disabled",
    "required",
    "optional",
    "auto",
    "inherit",
    "string",
    "str",
    "redacted",
    "hidden",
    "prompt",
    "ask",
    "files",
    "compat",
    "sensitive",
    "todo",
    "tbd",
    "read",
    "write",
];

/// How references to a secret begin: files, secret managers, sealed values, public halves of keys.
const REFERENCES: &[&str] = &[
    "file:",
    "vault:",
    "op://",
    "ssm:",
    "arn:",
    "env:",
    "env.",
    "sm://",
    "ref+",
    "enc[",
    "$ansible_vault",
    "awssm:",
    "aws-sm:",
    "gcp-sm:",
    "akv:",
    "kms:",
    "keyring:",
    "keychain:",
    "bao:",
    "secret:",
    "secretsmanager:",
    "secretref:",
    "docker-secret:",
    "k8s:",
    "sops:",
    "doppler:",
    "infisical:",
    "akeyless:",
    "conjur:",
    "@microsoft.keyvault(",
    "{cipher}",
    "projects/",
    "credential:",
    "systemd-creds:",
    "./",
    "../",
    "~/",
    "/run/",
    "/var/",
    "/etc/",
    "/opt/",
    "/home/",
    "/mnt/",
    "/srv/",
    "/usr/",
    "/app/",
    "/data/",
    "/tmp/",
    "/root/",
    "/secrets/",
    "/vault/",
    "/config/",
    "/dev/",
    "/proc/",
    "/path/",
    "ssh-rsa ",
    "ssh-ed25519 ",
    "ecdsa-sha2-",
    "age1",
    "-----begin public key",
    "-----begin certificate",
    "var.",
    "local.",
    "data.",
    "module.",
    "process.env",
    "os.environ",
    "config.",
    "self.",
    "this.",
    "settings.",
    "secrets.",
    "inputs.",
    "each.value",
];

fn compile(form: &str) -> Regex {
    Regex::new(form).expect("a constant that the tests compile")
}

/// What a program fills in: `${X}`, `$(X)`, `{{ x }}`, `<% x %>`, `%(x)s`, `#{x}`; the default of `${X:-default}` is its first or second group.
static FILLED_IN: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"\$\{\{.*?\}\}|\$\{[A-Za-z_][\w.]*(?::?[-=]([^}]*)|:([^}?+-][^}]*)|[^}]*)\}|\$\([^)]*\)|\{\{.*?\}\}|<%.*?%>|%\([\w.]+\)s|#\{.*?\}",
    )
});

/// The whole value is the name of a variable, a call that gets it, or a placeholder: `$X`, `%X%`, `getenv('X')`, `<your password>`, `[redacted]`.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"^(?:\$[A-Za-z_]\w*|\$\d|%[\w():]+%|%[sdv]|<[^<>]*>|\[[^\[\]]*\]|\{[\w.: -]*\}|[*xX.•_#-]{3,}|\?+|@@?\w+@@?|__\w+__|[A-Za-z_.]+\((?:["'].*|[A-Z_]*)\))$"#,
    )
});

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"^[+-]?\d[\d_,]*(?:\.\d+)?(?:[eE][+-]?\d+)?\s*(?:%|ms|s|m|h|d|w|y|[kKMG]i?B?|sec|min|hours?|days?|minutes?|seconds?|/tcp|/udp)?$",
    )
});

/// `^9.0.0`, `2.x`: the version of something that deals with secrets.
static VERSION: LazyLock<Regex> =
    LazyLock::new(|| compile(r"^(?:[~^]|[<>=]=?)?\s*v?\d+(?:\.(?:\d+|x|\*))+(?:-[a-z]+[.\d]*)?$"));

/// `regcred`, `my-db.secret`: the name of something, in the way of Kubernetes and Compose.
static NAME: LazyLock<Regex> = LazyLock::new(|| compile(r"^[a-z]+(?:[-_.][a-z0-9]+)*$"));

/// The path of a file with a key in it.
static FILE: LazyLock<Regex> = LazyLock::new(|| {
    compile(r"^[\w./~$@{}-]+\.(?:pem|key|crt|cer|der|p12|pfx|jks|txt|json|ya?ml|toml|env|asc|gpg|age|pub|kdbx)$")
});

/// Words of lower-case letters and digits, joined: `scram-sha-256`.
static JOINED: LazyLock<Regex> = LazyLock::new(|| compile(r"^[a-z0-9]+(?:[-_. ][a-z0-9]+)*$"));

/// Whether `value` is a secret, given that its key is named after one.
pub(super) fn is_secret(value: &str, strength: Strength) -> bool {
    let value = without_scheme(value.trim());
    if is_filler(value) || is_switch(value) || VERSION.is_match(value) || is_reference(value) {
        return false;
    }
    let is_number = NUMBER.is_match(value);
    match strength {
        Strength::Password => !is_number || is_digits(value),
        // A pass phrase is made of words; no key and no token is.
        Strength::Secret => !is_number && !is_sentence(value),
        Strength::Names => !is_number && !is_sentence(value) && !NAME.is_match(value),
        Strength::Weak => !is_number && !is_sentence(value) && is_no_word(value),
    }
}

/// Nothing, or a sign or two that stand for something.
fn is_filler(value: &str) -> bool {
    value.len() < 4 && !value.chars().any(char::is_alphanumeric)
}

/// Four digits or more can be a password; fewer are a count.
fn is_digits(value: &str) -> bool {
    value.len() >= 4 && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Several words of letters alone.
pub(super) fn is_prose(value: &str) -> bool {
    let is_word = |word: &str| {
        word.trim_matches(|letter: char| letter.is_ascii_punctuation())
            .chars()
            .all(char::is_alphabetic)
    };
    value.contains(' ') && value.split_whitespace().all(is_word)
}

/// Documentation: "The token that the server gave you."
fn is_sentence(value: &str) -> bool {
    let small = [
        "a", "an", "and", "are", "be", "by", "for", "from", "if", "in", "is", "not", "of", "on", "or", "that", "the",
        "this", "to", "with", "your",
    ];
    let begins_so = value.starts_with(|letter: char| letter.is_uppercase());
    begins_so
        && is_prose(value)
        && value
            .split_whitespace()
            .any(|word| small.contains(&word.to_lowercase().as_str()))
}

fn without_scheme(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, rest)) if ["basic", "bearer", "token", "digest"].contains(&scheme.to_lowercase().as_str()) => {
            rest.trim_start()
        }
        Some(_) | None => value,
    }
}

fn is_switch(value: &str) -> bool {
    SWITCHES.contains(&value.to_lowercase().as_str())
}

/// Whether the value says where a secret is rather than what it is.
fn is_reference(value: &str) -> bool {
    let begin: String = value.chars().take(32).collect::<String>().to_lowercase();
    if REFERENCES.iter().any(|reference| begin.starts_with(reference))
        || PLACEHOLDER.is_match(value)
        || FILE.is_match(value)
    {
        return true;
    }
    let mut is_filled_in = false;
    for found in FILLED_IN.captures_iter(value) {
        is_filled_in = true;
        let default = found.get(1).or(found.get(2)).map_or("", |default| default.as_str());
        if is_secret(default, Strength::Password) {
            return false;
        }
    }
    // `user:${PASSWORD}` is a reference; `abcd1234efgh${X}` holds most of a secret.
    is_filled_in && longest_run(&FILLED_IN.replace_all(value, " ")) < 8
}

fn longest_run(text: &str) -> usize {
    text.split(|letter: char| !letter.is_alphanumeric())
        .map(str::len)
        .max()
        .unwrap_or_default()
}

/// Something with digits, a padding or a colon, and not made of words: what `auth` means when it means a secret.
pub(super) fn is_no_word(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let is_pair = value.contains(':') && !value.contains("://");
    value.len() >= 8 && !JOINED.is_match(value) && (digits >= 2 || value.ends_with('=') || is_pair)
}

/// Whether a text is so unlike a word that another place with the same text is the same secret.
pub(super) fn is_distinctive(text: &str) -> bool {
    text.len() >= 8 && classes(text) >= 2
}

/// How many of lower case, upper case and digits the text has.
fn classes(text: &str) -> usize {
    let has = |class: fn(&u8) -> bool| usize::from(text.as_bytes().iter().any(class));
    has(u8::is_ascii_lowercase) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_digit)
}

/// Whether a value in a comment is a secret and not a word of an explanation.
pub(super) fn is_secret_in_comment(value: &str, strength: Strength) -> bool {
    value.len() >= 6
        && classes(value) >= 2
        && strength != Strength::Weak
        && is_secret(value, strength)
        && !is_type(value)
}

/// `String`, `SecretKeyRef`: comments explain types.
fn is_type(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_values() {
        for value in [
            "hunter2",
            "a",
            "changeme",
            "correct horse battery staple",
            "pa$word123",
            "${DB_PASSWORD:-hunter2}",
            "${DB_PASSWORD:hunter2}",
            "Bearer abcdef123",
            "12345678",
            "abcd1234efgh${X}",
            "/AbC+dEf/0123",
            "p@ss",
        ] {
            assert!(is_secret(value, Strength::Password), "{value}");
        }
    }

    #[test]
    fn references_and_switches() {
        for value in [
            "",
            " ",
            "true",
            "off",
            "null",
            "${DB_PASSWORD}",
            "${DB_PASSWORD:?missing}",
            "${DB_PASSWORD:-}",
            "$DB_PASSWORD",
            "$(DB_PASSWORD)",
            "{{ .Values.password }}",
            "{{ .user }}:{{ .pass }}",
            "${{ secrets.TOKEN }}",
            "%(db_password)s",
            "file:/etc/x",
            "/run/secrets/db",
            "vault:secret/data/x#y",
            "op://vault/item/field",
            "***",
            "xxxx",
            "[redacted]",
            "<your-password>",
            "ENC[AES256_GCM,data:x]",
            "Bearer ${TOKEN}",
            "arn:aws:secretsmanager:eu-west-1:1:secret:x",
            "var.db_password",
            "getenv('X')",
            "ssh-ed25519 AAAAC3Nza",
            "${A}:${B}",
            "12",
            "./secret.txt",
        ] {
            assert!(!is_secret(value, Strength::Password), "{value}");
        }
        for value in ["3600", "12345678", "30s", "1.5", "4096"] {
            assert!(!is_secret(value, Strength::Secret), "{value}");
        }
        for value in ["regcred", "db_password", "my-tls.secret"] {
            assert!(!is_secret(value, Strength::Names), "{value}");
        }
        for value in [
            "basic",
            "scram-sha-256",
            "oauth2",
            "https://auth.example.org",
            "ldap and local",
        ] {
            assert!(!is_secret(value, Strength::Weak), "{value}");
        }
        for value in ["dXNlcjpwYXNzd29yZA==", "user:password"] {
            assert!(is_secret(value, Strength::Weak), "{value}");
        }
    }
}
