//! Paths inside a bundle: bytes, relative, without tricks; and raw byte strings in JSON.

use std::ffi::OsStr;
use std::fmt;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use super::name::Label;
use crate::base::limits;

/// Any byte string, as file systems hold names. In JSON: text, with `\` written `\\` and every byte that is not part of
/// valid UTF-8 written `\xHH`; one byte string has one spelling.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RawBytes(pub Vec<u8>);

/// The text is not the spelling of a byte string.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the spelling of a byte string: a backslash begins \\\\ or \\xHH, and UTF-8 is written as it is")]
pub struct BadSpelling(String);

impl RawBytes {
    /// The bytes as a name of the operating system.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// A path as people see it, back into its bytes: besides the spelling, `\n`, `\r`, `\t`, `\xHH` and `\u{H…}` for what would steer a
    /// terminal. None when it is not of that form.
    #[must_use]
    pub fn from_shown(text: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            let mut signs = rest[at + 1..].chars();
            match signs.next()? {
                '\\' => bytes.push(b'\\'),
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                'x' => {
                    bytes.push(u8::try_from(hex_number(signs.as_str().get(..2)?)?).ok()?);
                    signs = signs.as_str()[2..].chars();
                }
                'u' => {
                    let (digits, after) = signs.as_str().strip_prefix('{')?.split_once('}')?;
                    let sign = char::from_u32(hex_number(digits)?)?;
                    bytes.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
                    signs = after.chars();
                }
                _ => return None,
            }
            rest = signs.as_str();
        }
        bytes.extend_from_slice(rest.as_bytes());
        Some(Self(bytes))
    }

    fn spell(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            text.push_str(&chunk.valid().replace('\\', "\\\\"));
            for byte in chunk.invalid() {
                write!(text, "\\x{byte:02x}").expect("a String takes every text");
            }
        }
        text
    }
}

/// Digits alone: the parser of the library takes a sign before them too.
fn hex_number(digits: &str) -> Option<u32> {
    let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| is_number)
}

impl From<RawBytes> for String {
    fn from(raw: RawBytes) -> Self {
        raw.spell()
    }
}

impl TryFrom<String> for RawBytes {
    type Error = BadSpelling;

    fn try_from(text: String) -> Result<Self, BadSpelling> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            rest = tail;
            if first != b'\\' {
                bytes.push(first);
            } else if let Some(tail) = rest.strip_prefix(b"\\") {
                bytes.push(b'\\');
                rest = tail;
            } else {
                let digits = rest
                    .strip_prefix(b"x")
                    .and_then(|tail| tail.get(..2))
                    .ok_or_else(|| BadSpelling(text.clone()))?;
                bytes.extend(hex::decode(digits).map_err(|_| BadSpelling(text.clone()))?);
                rest = &rest[3..];
            }
        }
        let raw = Self(bytes);
        if raw.spell() == text {
            Ok(raw)
        } else {
            Err(BadSpelling(text))
        }
    }
}

impl fmt::Display for RawBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.spell())
    }
}

impl fmt::Debug for RawBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.spell())
    }
}

/// The path of an entry: `label` or `label/one/two`. Relative, `/` between components, no empty component, no `.` or `..`,
/// no NUL, at most 4096 bytes; its first component is a [`Label`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawBytes", into = "RawBytes")]
pub struct EntryPath(RawBytes);

/// The path is not one that a bundle may hold.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a path that a bundle may hold: label/one/two, without '..', '.', empty components or NUL")]
pub struct BadPath(RawBytes);

impl EntryPath {
    /// The path of a source itself.
    #[must_use]
    pub fn of_label(label: &Label) -> Self {
        Self(RawBytes(label.as_str().as_bytes().to_vec()))
    }

    /// This path and one or more further components.
    ///
    /// # Errors
    /// [`BadPath`] when the result is not a path that a bundle may hold.
    pub fn join(&self, rest: &Path) -> Result<Self, BadPath> {
        let mut bytes = self.0.0.clone();
        bytes.push(b'/');
        bytes.extend(rest.as_os_str().as_bytes());
        Self::try_from(RawBytes(bytes))
    }

    /// The bytes of the path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }

    /// The path as the operating system writes it; relative and free of tricks.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(self.0.as_os_str())
    }

    /// The first component.
    #[must_use]
    pub fn label(&self) -> Label {
        let first = self.as_bytes().split(|byte| *byte == b'/').next().unwrap_or_default();
        let text = std::str::from_utf8(first).expect("checked when the path was made");
        text.parse().expect("checked when the path was made")
    }
}

impl TryFrom<RawBytes> for EntryPath {
    type Error = BadPath;

    fn try_from(raw: RawBytes) -> Result<Self, BadPath> {
        let mut components = raw.0.split(|byte| *byte == b'/');
        let label = components.next().and_then(|first| std::str::from_utf8(first).ok());
        let fits = raw.0.len() <= limits::PATH_BYTES_MAX
            && !raw.0.contains(&0)
            && label.is_some_and(|text| text.parse::<Label>().is_ok())
            && components.all(|component| !component.is_empty() && component != b"." && component != b"..");
        if fits { Ok(Self(raw)) } else { Err(BadPath(raw)) }
    }
}

impl From<EntryPath> for RawBytes {
    fn from(path: EntryPath) -> Self {
        path.0
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_see_of_a_path_finds_it() {
        let shown = |text: &str| RawBytes::from_shown(text).map(|raw| raw.0);
        assert_eq!(shown(r"a\\b\\x1b"), Some(br"a\b\x1b".to_vec()));
        assert_eq!(
            shown(r"\x1b[31m\n\u{202e}\xffé"),
            Some(b"\x1b[31m\n\xe2\x80\xae\xff\xc3\xa9".to_vec())
        );
        for wrong in [
            r"\",
            r"\q",
            r"\x1",
            r"\x+1",
            r"\xé",
            r"\u{}",
            r"\u{+41}",
            r"\u{d800}",
            r"\u12",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bytes_have_one_spelling() {
        for bytes in [
            &b"plain"[..],
            b"back\\slash",
            b"\xff\xfe",
            "ünï\u{1f4be}".as_bytes(),
            b"mixed\\x41\xc3",
        ] {
            let raw = RawBytes(bytes.to_vec());
            let text = String::from(raw.clone());
            assert_eq!(RawBytes::try_from(text).expect("own spelling"), raw);
        }
        for wrong in ["\\", "\\x", "\\x4", "\\x41", "\\xFF", "\\q", "\\xzz"] {
            assert!(RawBytes::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tricks_are_no_paths() {
        for wrong in [
            "", "/", "/a", "a/", "a//b", "a/../b", "a/.", "..", ".", "a\0b", "a b/c", "-a",
        ] {
            assert!(EntryPath::try_from(RawBytes(wrong.into())).is_err(), "{wrong:?}");
        }
        for right in ["a", "a/b", "a/b c/…", "a/..b"] {
            let path = EntryPath::try_from(RawBytes(right.into())).expect("plain");
            assert_eq!(path.label().as_str(), "a");
        }
    }
}
