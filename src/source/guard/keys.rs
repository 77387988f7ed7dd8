//! Names of keys that are named after a secret: `DB_PASSWORD`, `clientSecret`, `api-key`; but not `token_ttl` or `passwordFile`.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::values::Strength;

fn words_of(table: &'static str) -> HashSet<&'static str> {
    table.split_whitespace().collect()
}

/// What the last word of a name tells: the value is about a secret, and none itself.
static ABOUT: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    words_of(
        "age alg algorithm algorithms annotation annotations arn attempts attribute audience authentication backend \
     bits bucket bytes cache change char chars check claim class cmd column command complexity config cookie \
     count created days description digits dir directory driver duration enabled encoding encryption endpoint \
     engine env environment expiration expires expiry field file filename files flow folder format from group \
     header headers helper hint history host hours id ids input interval issuer kind label labels length level \
     lifetime limit limits link location lookup manager max message method methods min minutes mode mount name \
     names namespace param parameter path paths pattern placeholder policy port prefix prompt property protocol \
     provider proxy quality rate realm ref refresh refs regex region required reset resource reuse role rotate \
     rotation rule rules schema scheme scope scopes script seconds selector server service set size socket \
     source spec stdin store strategy strength style suffix template text threshold timeout title tries ttl type \
     types uri url urls usage use user username users validation validator validity var variable vault version \
     volume volumes warning window",
    )
});

/// Words before `key` that make it a secret.
static KEY_KINDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    words_of(
        "access account api app auth encryption hmac jwt license master preshared private secret service shared signing ssh wep",
    )
});

/// Single words that hold two.
static FUSED_SECRETS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    words_of(
        "accesskey accountkey apikey apikeys authkey authtoken encryptionkey masterkey presharedkey privatekey psk secretkey \
     signingkey",
    )
});
static FUSED_PASSWORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    words_of(
        "adminpass authpass bindpw dbpass keypass masterauth mysqlpass pgpass requirepass rootpass rootpw smtppass \
     storepass userpass userpw",
    )
});

/// Words that say that the value names a secret which is kept elsewhere.
static ELSEWHERE: LazyLock<HashSet<&str>> = LazyLock::new(|| words_of("existing external pull sealed"));

/// Words before `pass` that give it another meaning: what a web server passes on, what a filter lets pass.
static OTHER_PASSES: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words_of("proxy fastcgi uwsgi grpc scgi memcached band high low first multi second"));

/// Words beside `token` that make it a unit of text.
static TEXT_TOKENS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    words_of(
        "bos completion continuation cursor eos input mask max min next num output pad page per prompt sep special stop total unk",
    )
});

/// How surely the value of the key `name` is a secret; `None` when its name says nothing of one.
pub(super) fn strength(name: &str) -> Option<Strength> {
    let words = words(name);
    let last = words.last()?.as_str();
    let has = |table: &HashSet<&str>| words.iter().any(|word| table.contains(word.as_str()));
    if ABOUT.contains(last) || has(&ELSEWHERE) {
        return None;
    }
    let before = words.len().checked_sub(2).map_or("", |index| words[index].as_str());
    if last == "key" || last == "keys" {
        return KEY_KINDS.contains(before).then_some(Strength::Secret);
    }
    let is_pass = (last == "pass" && !OTHER_PASSES.contains(before)) || last == "pw";
    if is_pass || words.iter().any(|word| is_password(word)) {
        return Some(Strength::Password);
    }
    if last == "secrets" {
        return Some(Strength::Names);
    }
    if words.iter().any(|word| is_secret(word))
        && !(words.iter().any(|word| word.starts_with("token")) && has(&TEXT_TOKENS))
    {
        return Some(Strength::Secret);
    }
    (last == "auth" || last == "authorization").then_some(Strength::Weak)
}

/// How surely the values below the key `name` are secrets, whatever they are called: `passwords: {alice: …}`.
pub(super) fn strength_below(name: &str, child: &str) -> Option<Strength> {
    let child_is_about = words(child).last().is_some_and(|last| ABOUT.contains(last.as_str()));
    let words = words(name);
    match words.last()?.as_str() {
        // A long name is that of a function or a chapter.
        _ if child_is_about || words.len() > 2 => None,
        "passwords" | "passphrases" | "tokens" | "secrets" => strength(name),
        _ => None,
    }
}

fn is_password(word: &str) -> bool {
    let is_negated = word.starts_with("no");
    let ends = [
        "password",
        "passwords",
        "passwd",
        "passphrase",
        "passphrases",
        "passcode",
    ];
    !is_negated && (word == "pwd" || ends.iter().any(|end| word.ends_with(end))) || FUSED_PASSWORDS.contains(word)
}

fn is_secret(word: &str) -> bool {
    let ends = ["secret", "token", "tokens", "credential", "credentials"];
    ends.iter().any(|end| word.ends_with(end))
        || ["creds", "bearer", "secrets"].contains(&word)
        || FUSED_SECRETS.contains(word)
}

/// The words of a name in `snake_case`, `camelCase`, `kebab-case` or `dot.case`, lower-case, without digits at their ends.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| letters[index]);
        let after = letters.get(index + 1);
        // fooBar | fooBAR, and the last capital of HTTPServer.
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase()));
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().expect("never empty").extend(letter.to_lowercase());
        }
    }
    let without_digits = |word: String| word.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
    words
        .into_iter()
        .map(without_digits)
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_every_case() {
        assert_eq!(words("dbPassword2"), ["db", "password"]);
        assert_eq!(words("HTTPServerToken"), ["http", "server", "token"]);
        assert_eq!(words("AWS_SECRET_ACCESS_KEY"), ["aws", "secret", "access", "key"]);
        assert_eq!(words("--api-key"), ["api", "key"]);
        assert_eq!(
            words("spring.datasource.password"),
            ["spring", "datasource", "password"]
        );
    }

    #[test]
    fn names_of_secrets() {
        for name in [
            "password",
            "DB_PASSWORD",
            "PGPASSWORD",
            "rootPassword",
            "mysql_pwd",
            "smtp-pass",
            "bindpw",
            "passphrase",
            "requirepass",
        ] {
            assert_eq!(strength(name), Some(Strength::Password), "{name}");
        }
        for name in [
            "secret",
            "client_secret",
            "clientSecret",
            "token",
            "accessToken",
            "GITHUB_TOKEN",
            "api_key",
            "apiKey",
            "APIKEY",
            "private-key",
            "AWS_SECRET_ACCESS_KEY",
            "access_key",
            "credentials",
            "SECRET_KEY_BASE",
            "_authToken",
            "license.key",
            "TOKEN_2",
        ] {
            assert_eq!(strength(name), Some(Strength::Secret), "{name}");
        }
        assert_eq!(strength("secrets"), Some(Strength::Names));
        for name in ["auth", "_auth", "basic_auth", "Authorization"] {
            assert_eq!(strength(name), Some(Strength::Weak), "{name}");
        }
    }

    #[test]
    fn names_about_secrets() {
        for name in [
            "",
            "user",
            "token_ttl",
            "tokenType",
            "password_file",
            "POSTGRES_PASSWORD_FILE",
            "passwordKey",
            "secretName",
            "secretKeyRef",
            "existingSecret",
            "imagePullSecrets",
            "password_encryption",
            "PasswordAuthentication",
            "max_tokens",
            "pad_token",
            "proxy_pass",
            "NOPASSWD",
            "PASS_MAX_DAYS",
            "author",
            "secretary",
            "tokenizer",
            "public_key",
            "primary_key",
            "aws_access_key_id",
            "compass",
            "authentication",
            "auth_url",
            "key",
            "monkey",
            "keyboard",
            "ssl_key_file",
            "validate_password.policy",
        ] {
            assert_eq!(strength(name), None, "{name}");
        }
    }
}
