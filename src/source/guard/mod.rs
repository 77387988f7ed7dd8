//! Finds secrets in settings: private keys, tokens of known forms, passwords in URLs, and values of keys that are named after a secret.
//!
//! JSON, TOML and YAML are read by their structure; everything else, and what does not parse, line by line. A value is never
//! called a secret for looking random: most random values in settings are digests, ids and public keys. What is found is
//! told by its place and never by its value. The finder is a safety net for what people forget in their settings, and no proof
//! that nothing is there.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use self::hits::Hits;
pub use self::redact::NotRedacted;
pub use self::redact::redact;
pub use self::rule::Rule;

mod extent;
mod findings;
mod hits;
mod json;
mod keys;
mod lines;
mod redact;
mod rule;
mod rules;
mod tree;
mod values;
mod yaml;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// How the text of a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// TOML 1.
    Toml,
    /// YAML 1.2, one or more documents.
    Yaml,
    /// Lines of `key = value`, and everything else.
    Lines,
    /// A PostgreSQL password file: `host:port:database:user:password`.
    Pgpass,
}

impl Format {
    /// The format that the name of a file announces.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            _ if name == ".pgpass" || name == "pgpass" || name == "pgpass.conf" => Self::Pgpass,
            Some("json" | "webmanifest" | "tfstate") => Self::Json,
            Some("toml") => Self::Toml,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Lines,
        }
    }
}

/// Where a secret is. It does not hold the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line, counted from 1.
    pub line: usize,
    /// The key that it is the value of, with the keys above it: `db.password`, `servers[0].token`.
    pub key: Option<String>,
    /// What it was known by.
    pub rule: Rule,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(out, "line {}: {key} ({})", self.line, self.rule),
            None => write!(out, "line {} ({})", self.line, self.rule),
        }
    }
}

/// What was found in one text.
#[derive(Debug)]
pub struct Scan {
    /// The places, in the order of the text.
    pub findings: Vec<Finding>,
    /// Whether there are more places than are listed.
    pub is_cut: bool,
    /// How the text was really read: text that does not parse is read by lines.
    pub read_as: Format,
}

/// Looks for secrets.
#[must_use]
pub fn scan(text: &str, format: Format) -> Scan {
    let (hits, read_as) = find(text, format);
    Scan {
        findings: hits.findings(text),
        is_cut: hits.is_full,
        read_as,
    }
}

/// The hits, and how the text was read.
fn find(text: &str, format: Format) -> (Hits, Format) {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Blanks of the same length keep every offset, and no parser stumbles over them.
    let text = if body.len() == text.len() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("   {body}"))
    };
    let format = match format {
        // Tools that name their JSON files otherwise are many: .docker/config.json, but also .babelrc, terraform.tfvars.
        Format::Lines if text.trim_start().starts_with(['{', '[']) => Format::Json,
        Format::Json | Format::Toml | Format::Yaml | Format::Lines | Format::Pgpass => format,
    };
    let walked = match format {
        Format::Json => json::walk(&text),
        Format::Toml => tree::walk_toml(&text),
        Format::Yaml => yaml::walk(&text),
        Format::Lines | Format::Pgpass => None,
    };
    let mut hits = Hits::default();
    let read_as = match walked {
        Some(found) => {
            hits = found;
            lines::find_in_comments(&text, &mut hits);
            format
        }
        None if format == Format::Pgpass => {
            lines::find_in_pgpass(&text, &mut hits);
            format
        }
        None => {
            lines::find_in(&text, 0, None, &mut hits);
            Format::Lines
        }
    };
    rules::find_in(&text, &mut hits);
    (hits, read_as)
}
