//! Values that have a form: parsed once, with the same words whether they come from a flag, a variable or the file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::base::limits;
use crate::base::tar;
use crate::bundle::kind::KeyKind;
use crate::bundle::suite::Suite;
use crate::source::command;
use crate::source::command::BadCommand;

/// What the names of our variables begin with.
pub const PREFIX: &str = "HUB_BACKUP_";

/// The suite to write with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuiteChoice {
    /// What the recipients' certificates advertise.
    Auto,
    /// This one.
    Fixed(Suite),
}

/// The value does not have the form of its setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(pub String);

impl SuiteChoice {
    /// Every word for a suite.
    pub const WORDS: [&'static str; 4] = ["auto", "rfc9580", "gnupg", "age"];

    /// The suite, if it is not left to the certificates.
    #[must_use]
    pub fn fixed(self) -> Option<Suite> {
        match self {
            Self::Auto => None,
            Self::Fixed(suite) => Some(suite),
        }
    }
}

impl fmt::Display for SuiteChoice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => out.write_str("auto"),
            Self::Fixed(suite) => suite.fmt(out),
        }
    }
}

impl FromStr for SuiteChoice {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let unknown = |_| BadValue(format!("{text:?} is not one of {}", Self::WORDS.join(", ")));
        text.parse().map(Self::Fixed).map_err(unknown)
    }
}

/// A level of zstd, as a number.
///
/// # Errors
/// Outside [`limits::LEVEL_MIN`] to [`limits::LEVEL_MAX`].
pub fn level(number: i64) -> Result<i32, BadValue> {
    between(number, limits::LEVEL_MIN, limits::LEVEL_MAX)
}

/// A number of worker threads; 0 for one a core.
///
/// # Errors
/// Above [`limits::JOBS_MAX`].
pub fn jobs(number: i64) -> Result<usize, BadValue> {
    between(number, 0, limits::JOBS_MAX)
}

/// A least number of recipients or signers.
///
/// # Errors
/// When it is 0 or absurd.
pub fn count(number: i64) -> Result<u32, BadValue> {
    between(number, 1, 100)
}

/// A least length of RSA keys in bits.
///
/// # Errors
/// Below what is accepted anyway, or absurd.
pub fn rsa_bits(number: i64) -> Result<u32, BadValue> {
    between(number, limits::RSA_BITS_MIN, 16_384)
}

/// Most seconds of a command.
///
/// # Errors
/// When it is 0 or above a week.
pub fn timeout(number: i64) -> Result<u32, BadValue> {
    between(number, 1, 7 * 24 * 60 * 60)
}

/// A block size in bytes.
///
/// # Errors
/// Outside what a reader accepts.
pub fn block_bytes(number: i64) -> Result<u32, BadValue> {
    let bytes = between(number, limits::BLOCK_BYTES_MIN, limits::BLOCK_BYTES_MAX)?;
    if u64::from(bytes).is_multiple_of(tar::BLOCK_BYTES) {
        Ok(bytes)
    } else {
        Err(BadValue(format!("{bytes} is not a multiple of {}", tar::BLOCK_BYTES)))
    }
}

fn between<T>(number: i64, least: T, most: T) -> Result<T, BadValue>
where
    T: TryFrom<i64> + PartialOrd + Copy + fmt::Display,
{
    T::try_from(number)
        .ok()
        .filter(|value| (&least..=&most).contains(&value))
        .ok_or_else(|| BadValue(format!("{number} is not between {least} and {most}")))
}

/// A whole number in text.
///
/// # Errors
/// When it is none.
pub fn number(text: &str) -> Result<i64, BadValue> {
    text.parse()
        .map_err(|_| BadValue(format!("{text:?} is not a whole number")))
}

/// A size: bytes, or with `KiB` or `MiB` behind it.
///
/// # Errors
/// When it is none.
pub fn size(text: &str) -> Result<i64, BadValue> {
    let (digits, unit) = match text.find(|sign: char| !sign.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let factor = match unit.trim_start() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => {
            return Err(BadValue(format!(
                "{text:?} is not a size: write 1048576, 1024KiB or 1MiB"
            )));
        }
    };
    number(digits)?
        .checked_mul(factor)
        .ok_or_else(|| BadValue(format!("{text:?} is too large")))
}

/// A word for the retention rules: letters, digits, `.`, `_`, `-`.
///
/// # Errors
/// When it is none.
pub fn retention_class(text: &str) -> Result<String, BadValue> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(BadValue(format!(
            "{text:?} is not a word of letters, digits, '.', '_' and '-'"
        )))
    }
}

/// An age recipient. Whether its checksum is right shows when it is used.
///
/// # Errors
/// For anything that does not begin with `age1`; a secret key is named as what it is, and not repeated.
pub fn age_recipient(text: &str) -> Result<String, BadValue> {
    if is_secret(text) {
        let message = "this is a secret key; the recipient that belongs to it begins with age1 (`age-keygen -y`)";
        return Err(BadValue(message.to_owned()));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.starts_with("age1") && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(BadValue(format!(
            "{text:?} is not an age recipient: they begin with age1"
        )))
    }
}

/// The id of a recipient, as manifests have it: a fingerprint, an age recipient, or the word `passphrase`.
///
/// # Errors
/// For everything else: a key id or a user id fits more than one key.
pub fn recipient_id(text: &str) -> Result<String, BadValue> {
    if text == KeyKind::Passphrase.as_str() {
        return Ok(text.to_owned());
    }
    if text.starts_with("age1") || is_secret(text) {
        return age_recipient(text);
    }
    let digits: String = text.split_whitespace().collect();
    if [40, 64].contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(digits.to_ascii_uppercase());
    }
    Err(BadValue(format!(
        "{text:?} is neither a whole fingerprint of 40 or 64 digits, nor an age recipient, nor the word passphrase"
    )))
}

/// A finding of the search for secrets that is none: `FILE:KEY`, or `FILE:RULE` for one without a key.
///
/// # Errors
/// When it is not of that form.
pub fn finding(text: &str) -> Result<String, BadValue> {
    match text.split_once(':') {
        Some((file, key)) if !file.is_empty() && !key.is_empty() => Ok(text.to_owned()),
        _ => Err(BadValue(format!(
            "{text:?} is not of the form FILE:KEY, such as app.env:PUBLIC_KEY"
        ))),
    }
}

/// A recipient as the command line and the environment name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientWord {
    /// An age recipient.
    Age(String),
    /// A file with an OpenPGP certificate.
    Certificate(PathBuf),
}

impl FromStr for RecipientWord {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text.starts_with("age1") || is_secret(text) {
            return age_recipient(text).map(Self::Age);
        }
        path(text).map(Self::Certificate)
    }
}

/// A path. The shell's `~` is refused rather than taken for a folder of that name.
///
/// # Errors
/// When it is empty or begins with `~`.
pub fn path(text: &str) -> Result<PathBuf, BadValue> {
    if text.is_empty() {
        return Err(BadValue("is empty, and must be a path".into()));
    }
    if text == "~" || text.starts_with("~/") {
        return Err(BadValue(format!(
            "{text:?}: the shell's ~ means nothing here; write the whole path"
        )));
    }
    Ok(text.into())
}

/// A pattern of files to leave out.
///
/// # Errors
/// When it is not a pattern.
pub fn pattern(text: &str) -> Result<String, BadValue> {
    match globset::Glob::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(BadValue(format!("{text:?} is not a pattern: {}", error.kind()))),
    }
}

/// The name of an environment variable that a command may see.
///
/// # Errors
/// For what is no name, and for the variables of this program: some hold secrets.
pub fn variable_name(text: &str) -> Result<String, BadValue> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = !text.is_empty() && !text.as_bytes()[0].is_ascii_digit() && text.bytes().all(plain);
    if text.starts_with(PREFIX) {
        Err(BadValue(format!(
            "{text} is a setting of this program and is kept from commands"
        )))
    } else if fits {
        Ok(text.to_owned())
    } else {
        Err(BadValue(format!("{text:?} is not the name of an environment variable")))
    }
}

/// A command and its arguments, without a shell, as those of `command:` sources.
///
/// # Errors
/// When there is none, a quote is not closed, or it is written for a shell. The text is not repeated: it may hold a secret.
pub fn command(text: &str) -> Result<Vec<String>, BadValue> {
    command::split(text).map_err(|bad| {
        BadValue(match bad {
            BadCommand::Shell(_) => format!("{bad}: put it in quotes, or write sh -c '…' if a shell is meant"),
            BadCommand::Assignment(_) => {
                "the command sets a variable before its program: write env NAME=VALUE PROGRAM".to_owned()
            }
            BadCommand::Empty | BadCommand::OpenQuote(_) | BadCommand::OpenEscape | BadCommand::Nul => bad.to_string(),
        })
    })
}

/// Whether a text is key material, which has no place among settings.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    upper.contains("AGE-SECRET-KEY-") || upper.contains("PRIVATE KEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_none() {
        assert_eq!(size("65536"), Ok(65536));
        assert_eq!(size("64KiB"), Ok(65536));
        assert_eq!(size("1 MiB"), Ok(1 << 20));
        for wrong in ["", "MiB", "1 MB", "1.5MiB", "-1", "9223372036854775807MiB"] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn bounds_are_in_the_message() {
        assert_eq!(level(1), Ok(1));
        assert_eq!(level(19), Ok(19));
        assert_eq!(level(0), Err(BadValue("0 is not between 1 and 19".into())));
        assert_eq!(level(20), Err(BadValue("20 is not between 1 and 19".into())));
        for wrong in [jobs(-1).map(drop), block_bytes(1 << 40).map(drop)] {
            let BadValue(why) = wrong.expect_err("out of bounds");
            assert!(why.contains(" is not between "), "{why}");
        }
        assert_eq!(block_bytes(100_352), Ok(100_352));
        assert_eq!(
            block_bytes(100_001),
            Err(BadValue("100001 is not a multiple of 512".into()))
        );
    }

    #[test]
    fn a_secret_is_never_repeated() {
        let error = age_recipient("AGE-SECRET-KEY-1NEEDLE").expect_err("a secret key");
        assert!(!error.to_string().contains("NEEDLE"), "{error}");
        let error = command("say 'NEEDLE").expect_err("an open quote");
        assert!(!error.to_string().contains("NEEDLE"), "{error}");
    }

    #[test]
    fn commands_are_split_without_a_shell() {
        let words = command("pass show 'hub backup' '$HOME'").expect("four words");
        assert_eq!(words, ["pass", "show", "hub backup", "$HOME"]);
        for shell in [
            "pass show NEEDLE | head -n 1",
            "cat ~/NEEDLE",
            "pass show $NEEDLE",
            "NEEDLE=1 pass show",
        ] {
            let error = command(shell).expect_err("meant for a shell").to_string();
            assert!(error.contains(": ") && !error.contains("NEEDLE"), "{error}");
        }
    }

    #[test]
    fn an_id_of_a_recipient_fits_one_key() {
        let fingerprint = "AAAA BBBB CCCC DDDD EEEE  FFFF 0000 1111 2222 3333";
        let digits = fingerprint.replace(' ', "");
        assert_eq!(recipient_id(fingerprint).as_deref(), Ok(digits.as_str()));
        assert_eq!(recipient_id(&digits.to_lowercase()).as_deref(), Ok(digits.as_str()));
        assert_eq!(recipient_id("passphrase").as_deref(), Ok("passphrase"));
        assert_eq!(recipient_id("age1abc").as_deref(), Ok("age1abc"));
        for wrong in ["", "0000111122223333", "operations", "age1ABC", &digits[1..]] {
            assert!(recipient_id(wrong).is_err(), "{wrong:?}");
        }
        let error = recipient_id("AGE-SECRET-KEY-1NEEDLE").expect_err("a secret key");
        assert!(!error.to_string().contains("NEEDLE"), "{error}");
    }

    #[test]
    fn a_finding_names_a_file_and_a_key() {
        assert_eq!(
            finding("conf.d/a.yaml:db.password").as_deref(),
            Ok("conf.d/a.yaml:db.password")
        );
        for wrong in ["", "a.env", ":KEY", "a.env:"] {
            assert!(finding(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn our_own_variables_are_kept_from_commands() {
        assert!(variable_name("HUB_URL").is_ok());
        for wrong in ["HUB_BACKUP_PASSPHRASE", "", "1A", "A-B", "A=B"] {
            assert!(variable_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
