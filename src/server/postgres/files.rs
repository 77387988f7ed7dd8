//! The two files of libpq: `.pgpass` with passwords and `pg_service.conf` with named connections.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::Error;
use crate::base::input;
use crate::base::limits;
use crate::base::secret::SecretText;

/// Keywords with their values.
pub(super) type Pairs = Vec<(String, Zeroizing<String>)>;

/// What a password file is asked for.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// What a password file gave.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) password: Option<SecretText>,
    /// Why the file was not read, where it is there.
    pub(super) note: String,
}

/// Looks into a password file. As in libpq, one that others may read is not used.
pub(super) fn password(path: &Path, wanted: &Wanted<'_>) -> Found {
    let note = |why: &str| Found {
        note: format!("; {} is not used: {why}", path.display()),
        ..Found::default()
    };
    let mut file = match input::open(path) {
        Ok(file) => file,
        Err(error) if input::hint(&error).is_some() => return note(&error.to_string()),
        Err(_) => return Found::default(),
    };
    // The open file is examined, not its name, which could be another file by now.
    let Ok(metadata) = file.metadata() else {
        return note("it cannot be examined");
    };
    if !metadata.is_file() {
        return note("it is no plain file");
    }
    if metadata.mode() & 0o077 != 0 {
        return note(&format!(
            "others may read it (mode {:o}); chmod 0600 it",
            metadata.mode() & 0o7777
        ));
    }
    let mut text = Zeroizing::new(vec![
        0;
        usize::try_from(metadata.len().min(limits::SETTINGS_BYTES_MAX))
            .unwrap_or(0)
    ]);
    if file.read_exact(&mut text).is_err() {
        return note("it cannot be read");
    }
    let mut lines = text.split(|octet| *octet == b'\n');
    let password = lines.find_map(|line| of_line(line, wanted));
    Found {
        password,
        note: String::new(),
    }
}

/// The password of a line, if the four fields before it fit.
fn of_line(line: &[u8], wanted: &Wanted<'_>) -> Option<SecretText> {
    let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()?;
    if line.starts_with('#') {
        return None;
    }
    let port = wanted.port.to_string();
    let mut rest = line;
    for value in [wanted.host, &port, wanted.database, wanted.user] {
        let (field, is_literal, after) = field(rest)?;
        if field.as_str() != value && (is_literal || field.as_str() != "*") {
            return None;
        }
        rest = after;
    }
    let (password, _) = unescape(rest, |_| false);
    (!password.is_empty()).then(|| SecretText::new(password.to_string()))
}

/// The next field, whether something in it was escaped, and what follows its colon.
fn field(text: &str) -> Option<(Zeroizing<String>, bool, &str)> {
    let (field, end) = unescape(text, |letter| letter == ':');
    let after = text.get(end..)?.strip_prefix(':')?;
    let is_literal = text[..end].contains('\\');
    Some((field, is_literal, after))
}

/// Text up to a letter that ends it, with `\x` read as `x`; and where it ended.
fn unescape(text: &str, ends: impl Fn(char) -> bool) -> (Zeroizing<String>, usize) {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next().map(|(_, escaped)| escaped)),
            letter if ends(letter) => return (plain, at),
            letter => plain.push(letter),
        }
    }
    (plain, text.len())
}

/// The parameters of a service, if the file has it.
///
/// # Errors
/// When the file is there and cannot be read, or has lines that mean nothing.
pub(super) fn service(path: &Path, name: &str) -> Result<Option<Pairs>, Error> {
    let bad = |what: String| Error::File {
        path: path.to_owned(),
        what,
        hint: "A service is written [NAME], then lines KEYWORD=VALUE.".into(),
    };
    let file = match input::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(error.to_string())),
    };
    let mut text = Zeroizing::new(String::new());
    let read = file.take(limits::SETTINGS_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| bad(error.to_string()))?;
    let mut found: Option<Pairs> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if found.is_some() {
                break;
            }
            found = (section == name).then(Vec::new);
            continue;
        }
        let Some(found) = &mut found else { continue };
        let pair = line
            .split_once('=')
            .ok_or_else(|| bad(format!("line {} has no '='", number + 1)))?;
        if pair.0.trim() == "service" {
            return Err(bad(format!("line {} names a service within a service", number + 1)));
        }
        found.push((pair.0.trim().to_owned(), Zeroizing::new(pair.1.trim().to_owned())));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<String> {
        let wanted = Wanted {
            host: "h:1",
            port: 5432,
            database: "*",
            user: "me",
        };
        of_line(line.as_bytes(), &wanted).map(|found| found.expose().to_owned())
    }

    #[test]
    fn fields_fit_or_not() {
        assert_eq!(of(r"h\:1:5432:*:me:p\:w\\").as_deref(), Some(r"p:w\"));
        assert_eq!(of(r"*:*:\*:*:pw with space ").as_deref(), Some("pw with space "));
        assert_eq!(of("*:*:*:*:a:b").as_deref(), Some("a:b"));
        for other in [
            r"h:1:5432:*:me:x",
            r"\*:5432:*:me:x",
            "#*:*:*:*:x",
            "*:5433:*:*:x",
            "*:*:*:*:",
            "*:*:*:x",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
