//! Data to stdout, talk to stderr. `--json` gives one object a command, whose `schema` names its form.
//!
//! Text that comes from a bundle, a file name or a tool is escaped before people see it, so that nothing in a bundle
//! can steer their terminal.

use std::fmt::Write as _;
use std::io;
use std::io::BufWriter;
use std::io::StdoutLock;
use std::io::Write;

use serde::Serialize;
use serde_json::ser::CompactFormatter;
use serde_json::ser::Formatter;
use serde_json::ser::Serializer;

use crate::cli::error::CliError;

/// How to speak to whoever started the program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Printer {
    /// Objects rather than text on stdout.
    pub json: bool,
    /// Neither talk nor the results of work that went well; warnings and errors alone.
    pub quiet: bool,
    /// Colours on stderr.
    pub color: bool,
}

impl Printer {
    /// Prints the result of a command: `value` as JSON, or what `human` writes.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn show<T: Serialize>(
        &self,
        command: &str,
        value: &T,
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let mut out = Self::stdout();
        let written = if self.json {
            out.write_all(json_line(command, value).as_bytes())
        } else {
            human(&mut out)
        };
        written.and_then(|()| out.flush()).map_err(CliError::stdout)
    }

    /// As [`Self::show`], for work that went well: with `--quiet` people need not read that it did.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn done<T: Serialize>(
        &self,
        command: &str,
        value: &T,
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        if self.quiet && !self.json {
            return Ok(());
        }
        self.show(command, value, human)
    }

    /// Prints bytes as they are: a script, a page, the content of a member.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = Self::stdout();
        out.write_all(bytes)
            .and_then(|()| out.flush())
            .map_err(CliError::stdout)
    }

    /// Stdout, for whoever streams; errors of it are for [`CliError::stdout`].
    #[must_use]
    pub fn stdout() -> BufWriter<StdoutLock<'static>> {
        BufWriter::new(io::stdout().lock())
    }

    /// Says one line on stderr, unless `--quiet`.
    pub fn talk(&self, line: &str) {
        if !self.quiet {
            to_stderr(&visible(line));
        }
    }

    /// Warns on stderr, also with `--quiet`.
    pub fn warn(&self, line: &str) {
        to_stderr(&format!("{} {}", self.label("warning:", Tint::Yellow), visible(line)));
    }

    /// A word in colour, where colours are wanted.
    #[must_use]
    pub fn label(&self, word: &str, tint: Tint) -> String {
        match (self.color, tint) {
            (false, _) => word.to_owned(),
            (true, Tint::Red) => format!("\x1b[1;31m{word}\x1b[0m"),
            (true, Tint::Yellow) => format!("\x1b[1;33m{word}\x1b[0m"),
            (true, Tint::Cyan) => format!("\x1b[1;36m{word}\x1b[0m"),
        }
    }
}

/// The colours in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// Errors.
    Red,
    /// Warnings.
    Yellow,
    /// Hints.
    Cyan,
}

/// Writes one line to stderr, as it is. When stderr is gone there is nobody left to tell.
pub(crate) fn to_stderr(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// One line of JSON: `{"schema":"hub-backup/<command>/1", …the fields of value}`.
///
/// `value` must be a struct or a map: only objects have fields.
#[must_use]
pub fn json_line<T: Serialize>(command: &str, value: &T) -> String {
    let mut body = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut body, PlainText(CompactFormatter));
    value
        .serialize(&mut serializer)
        .expect("results have text keys and are written to memory");
    let body = String::from_utf8(body).expect("JSON is UTF-8");
    let fields = body.strip_prefix('{').expect("a result is an object");
    let comma = if fields == "}" { "" } else { "," };
    format!("{{\"schema\":\"hub-backup/{command}/1\"{comma}{fields}\n")
}

/// JSON whose texts have no character that a terminal obeys; the escapes mean the same text.
struct PlainText(CompactFormatter);

impl Formatter for PlainText {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, sign)) = rest.char_indices().find(|(_, sign)| steers(*sign)) {
            self.0.write_string_fragment(writer, &rest[..at])?;
            let mut units = [0; 2];
            for unit in sign.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + sign.len_utf8()..];
        }
        self.0.write_string_fragment(writer, rest)
    }
}

/// Whether a terminal may obey a character rather than show it, or show other text than there is: controls,
/// directional marks, line separators, invisible marks.
fn steers(sign: char) -> bool {
    sign.is_control()
        || matches!(sign,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What secret age keys begin with, in upper case.
const SECRETS: [&str; 2] = ["AGE-SECRET-KEY-", "AGE-PLUGIN-"];

/// A text without the secret keys that somebody put in the place of a file or a recipient.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    let mut shown = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some(begin) = SECRETS.iter().filter_map(|secret| upper[rest..].find(secret)).min() {
        let begin = rest + begin;
        let is_key = |sign: char| sign.is_ascii_alphanumeric() || sign == '-';
        let length = text[begin..].find(|sign| !is_key(sign)).unwrap_or(text.len() - begin);
        let word = &text[begin..begin + length];
        shown.push_str(&text[rest..begin]);
        // `-1` ends the name of the plugin: without it this is its program, `age-plugin-yubikey`.
        shown.push_str(if word.contains("-1") { "[redacted]" } else { word });
        rest = begin + length;
    }
    shown.push_str(&text[rest..]);
    shown
}

/// A text for people: what steers a terminal is written as `\n`, `\x1b` or `\u{202e}`. Past ASCII it is never `\xHH`, which stands for
/// a byte that is no text: two names are never shown alike.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if steers(sign) && sign.is_ascii() => {
                let _ = write!(shown, "\\x{:02x}", u32::from(sign));
            }
            _ if steers(sign) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(sign));
            }
            _ => shown.push(sign),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::path::RawBytes;

    #[derive(Serialize)]
    struct Named {
        name: &'static str,
    }

    #[test]
    fn nothing_steers_a_terminal() {
        let hostile = "a\x1b]0;owned\x07\n\u{9b}31m\u{202e}fdp.exe\u{7f}\u{e0041}";
        let shown = visible(hostile);
        assert_eq!(shown, "a\\x1b]0;owned\\x07\\n\\u{9b}31m\\u{202e}fdp.exe\\x7f\\u{e0041}");
        assert_eq!(visible("Ünï — 数 💾 'x' \\"), "Ünï — 数 💾 'x' \\");
    }

    #[test]
    fn what_is_shown_of_a_path_finds_it() {
        let names: [&[u8]; 5] = [
            b"a\x1b[31m\n\xff\\x1b",
            "\u{9b}31m\u{202e}\u{e0041} \u{7f}\r\t".as_bytes(),
            b"\x9b31m",
            "Ünï — 数 💾 \\n".as_bytes(),
            b"\\u{41}\xc3",
        ];
        for name in names {
            let shown = visible(&RawBytes(name.to_vec()).to_string());
            assert_eq!(RawBytes::from_shown(&shown).expect(&shown).0, name, "{shown}");
        }
    }

    #[test]
    fn secret_keys_are_left_out() {
        let text = "invalid value 'AGE-SECRET-KEY-1QQ' for x: Age-Plugin-Y-1ZZ, age1abc";
        assert_eq!(
            without_secrets(text),
            "invalid value '[redacted]' for x: [redacted], age1abc"
        );
        assert_eq!(without_secrets("é AGE-SECRET"), "é AGE-SECRET");
        assert_eq!(without_secrets("age-plugin-y asks"), "age-plugin-y asks");
    }

    #[test]
    fn json_has_its_schema_first_and_means_the_same_text() {
        let name = "a\x1b\u{9b}\u{202e}\u{e0041}\"\\é";
        let line = json_line("show", &Named { name });
        assert!(line.starts_with(r#"{"schema":"hub-backup/show/1","name":""#), "{line}");
        assert!(!line.trim_end().chars().any(steers), "{line:?}");
        let back: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(back["name"], name);
        let empty = std::collections::BTreeMap::<String, String>::new();
        assert_eq!(json_line("x", &empty), "{\"schema\":\"hub-backup/x/1\"}\n");
    }
}
