//! Small stored records: JSON that names its format and version, read strictly.

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use super::fault::Kind;

/// A record that names its format in a field `format` and its version in a field `version`. Its fields are closed:
/// implement it for types with `deny_unknown_fields`.
pub trait Record: Serialize + DeserializeOwned {
    /// The word in the field `format`, which tells it from other signed JSON.
    const FORMAT: &'static str;

    /// The version that this program writes and reads.
    const VERSION: u32;

    /// The field `format` as it was read.
    fn format(&self) -> &str;

    /// What in the record contradicts itself.
    ///
    /// # Errors
    /// The contradiction, in words.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// The bytes of the record: what is stored and signed.
#[must_use]
pub fn to_bytes<R: Record>(record: &R) -> Vec<u8> {
    pretty(record)
}

/// JSON for people and programs, with a line feed at its end.
///
/// # Panics
/// When a key is no string.
#[must_use]
pub fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("keys are strings");
    bytes.push(b'\n');
    bytes
}

/// Why JSON with a version could not be read.
#[derive(Debug)]
pub enum Unread {
    /// It is not of the form of `version`, or no JSON at all.
    Form(serde_json::Error),
    /// It says that it is of this version.
    Version(u64),
}

/// Reads JSON that has its version in a field `version`, strictly: a second value for a field is refused, and what follows. For types with
/// `deny_unknown_fields`.
///
/// # Errors
/// See [`Unread`].
pub fn versioned<T: DeserializeOwned>(bytes: &[u8], version: u32) -> Result<T, Unread> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(Unread::Form)?;
    // The version first, so that a later version is named and not called damaged.
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(version) => Err(Unread::Version(found)),
        // From the bytes again, for the value has lost what came twice.
        _ => serde_json::from_slice(bytes).map_err(Unread::Form),
    }
}

/// What to do about stored bytes of a version that this program does not read. Not damage: other bytes could be read by another program.
#[must_use]
pub fn version_hint(found: u64, known: u32) -> String {
    if found > u64::from(known) {
        "A newer version of hub-backup wrote this: read it with that version or a later one.".into()
    } else {
        "No version of hub-backup has written this; if another program did, read it with that.".into()
    }
}

/// Reads a record, strictly: unknown fields and versions are refused.
///
/// # Errors
/// See [`BadRecord`].
pub fn parse<R: Record>(bytes: &[u8]) -> Result<R, BadRecord> {
    let what = R::FORMAT;
    let known = R::VERSION;
    let record: R = versioned(bytes, known).map_err(|unread| match unread {
        Unread::Form(source) => BadRecord::NotOne { what, source },
        Unread::Version(found) => BadRecord::Version { what, found, known },
    })?;
    let contradiction = |reason| BadRecord::Contradiction { what, reason };
    if record.format() != R::FORMAT {
        return Err(contradiction("the field 'format' names something else"));
    }
    record.check().map_err(contradiction)?;
    Ok(record)
}

/// Reads a field that may be `null` and must be there. For `deserialize_with`: without it, a missing field would be `null`, and a
/// record would have a second spelling.
///
/// # Errors
/// What the reader reports.
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(reader: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(reader)
}

/// Reads a field that may be missing and is never `null`. For `deserialize_with`, beside `default`.
///
/// # Errors
/// What the reader reports.
pub fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(reader: D) -> Result<Option<T>, D::Error> {
    T::deserialize(reader).map(Some)
}

/// The record cannot be read by this version.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// Not such a record at all.
    #[error("not a {what} record")]
    NotOne {
        /// The format that was expected.
        what: &'static str,
        /// What the JSON reader reports.
        #[source]
        source: serde_json::Error,
    },
    /// A record of another version.
    #[error("version {found} of the {what} record is unknown; this program reads version {known}")]
    Version {
        /// The format.
        what: &'static str,
        /// The version in the record.
        found: u64,
        /// The version that this program reads.
        known: u32,
    },
    /// Values that do not fit each other.
    #[error("the {what} record contradicts itself: {reason}")]
    Contradiction {
        /// The format.
        what: &'static str,
        /// The contradiction.
        reason: &'static str,
    },
}

impl Fault for BadRecord {
    fn kind(&self) -> Kind {
        match self {
            Self::NotOne { .. } | Self::Contradiction { .. } => Kind::DigestMismatch,
            Self::Version { .. } => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Version { found, known, .. } => Some(version_hint(*found, *known)),
            Self::NotOne { .. } | Self::Contradiction { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        format: String,
        version: u32,
        even: u32,
    }

    impl Record for Sample {
        const FORMAT: &'static str = "hub-backup sample";
        const VERSION: u32 = 1;

        fn format(&self) -> &str {
            &self.format
        }

        fn check(&self) -> Result<(), &'static str> {
            if self.even.is_multiple_of(2) {
                Ok(())
            } else {
                Err("odd")
            }
        }
    }

    fn refusal(text: &str) -> String {
        parse::<Sample>(text.as_bytes()).expect_err(text).to_string()
    }

    #[test]
    fn records_read_back() {
        let sample = Sample {
            format: Sample::FORMAT.into(),
            version: 1,
            even: 4,
        };
        assert_eq!(parse::<Sample>(&to_bytes(&sample)).expect("own bytes"), sample);
    }

    #[test]
    fn anything_unknown_is_refused() {
        let later = refusal(r#"{"format":"hub-backup sample","version":2,"new":1}"#);
        assert_eq!(
            later,
            "version 2 of the hub-backup sample record is unknown; this program reads version 1"
        );
        for text in [
            r#"{"format":"hub-backup sample","version":1,"even":2,"more":0}"#,
            r#"{"format":"hub-backup sample","version":1,"even":2,"even":2}"#,
            r#"{"format":"hub-backup sample","version":1}"#,
            r#"{"format":"hub-backup sample","version":"1","even":2}"#,
            r#"{"format":"hub-backup sample","version":1,"even":2} x"#,
            "",
        ] {
            assert_eq!(refusal(text), "not a hub-backup sample record", "{text}");
        }
        let other = refusal(r#"{"format":"hub-backup manifest","version":1,"even":2}"#);
        assert!(other.ends_with("the field 'format' names something else"), "{other}");
        assert!(refusal(r#"{"format":"hub-backup sample","version":1,"even":3}"#).ends_with(": odd"));
    }
}
