//! Names that become file names and object names. Parsing refuses anything that could mean a path.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::base::random;

/// A name is not of the allowed form.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a {what}: {form}")]
pub struct BadName {
    text: String,
    what: &'static str,
    form: &'static str,
}

/// Up to 64 of `a-z A-Z 0-9 . _ -`, beginning with a letter or a digit.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=64).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

macro_rules! plain_name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                if is_plain(text) {
                    return Ok(Self(text.to_owned()));
                }
                let form = "1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit";
                Err(BadName { text: text.to_owned(), what: $what, form })
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

plain_name!(
    /// A series of bundles of the same sources, chained.
    SetName,
    "set name"
);
plain_name!(
    /// A source within a bundle: the first component of its entries' paths.
    Label,
    "source label"
);

/// The name of a bundle: `20260131T235959Z-0123456789abcdef`. Sorts by time; the digits are random.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BundleId(String);

impl BundleId {
    /// A new id for a bundle begun at `created`.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(created: Timestamp) -> Result<Self, random::NoRandom> {
        let token: [u8; 8] = random::octets()?;
        Ok(Self(format!("{}-{}", created.compact(), hex::encode(token))))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the bundle was begun, to the second, as text that sorts by time.
    #[must_use]
    pub fn begun(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl FromStr for BundleId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bytes = text.as_bytes();
        let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
        let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        let fits = bytes.len() == 33
            && digits(0..8)
            && bytes[8] == b'T'
            && digits(9..15)
            && bytes[15..17] == *b"Z-"
            && bytes[17..].iter().all(is_hex);
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(BadName {
            text: text.to_owned(),
            what: "bundle id",
            form: "a time and 16 hexadecimal digits, as 20260131T235959Z-0123456789abcdef",
        })
    }
}

impl TryFrom<String> for BundleId {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<BundleId> for String {
    fn from(id: BundleId) -> Self {
        id.0
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_no_names() {
        for wrong in ["", ".", "..", "a/b", "-a", ".a", "a b", "ä", &"a".repeat(65)] {
            assert!(wrong.parse::<SetName>().is_err(), "{wrong:?}");
        }
        for right in ["a", "hub", "Hub-1.2_3"] {
            assert_eq!(right.parse::<SetName>().expect("plain").as_str(), right);
        }
    }

    #[test]
    fn ids_parse_back() {
        let id = BundleId::new("2026-01-31T23:59:59Z".parse().expect("a time")).expect("random");
        assert_eq!(id.as_str().parse::<BundleId>().expect("own form"), id);
        for wrong in [
            "20260131T235959Z",
            "20260131T235959Z-0123456789ABCDEF",
            "../../../../../../../../../../../",
        ] {
            assert!(wrong.parse::<BundleId>().is_err(), "{wrong:?}");
        }
    }
}
