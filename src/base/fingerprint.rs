//! A fingerprint of rows that does not depend on their order: the sum, modulo 2^128, of the XXH3-128 of each row.
//!
//! It finds rows that a restore lost, doubled or altered by mistake. It is no proof against malice, and does not have to be: what a bundle
//! holds is proven by digests and signatures.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;
use twox_hash::XxHash3_128;

/// The sum over some rows; zero over none. Written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(u128);

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("a fingerprint is 32 lower-case hexadecimal digits")]
pub struct BadFingerprint;

impl Fingerprint {
    /// Adds one row.
    pub fn add(&mut self, row: &[u8]) {
        self.0 = self.0.wrapping_add(XxHash3_128::oneshot(row));
    }

    /// Adds all rows of another sum.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let plain = text.len() == 32 && text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        let number = plain.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(BadFingerprint)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = BadFingerprint;

    fn try_from(text: String) -> Result<Self, BadFingerprint> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&str]) -> Fingerprint {
        let mut sum = Fingerprint::default();
        for row in rows {
            sum.add(row.as_bytes());
        }
        sum
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        assert_eq!(of(&["a", "b", "c"]), of(&["c", "a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "b", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["ab"]));
        let mut halves = of(&["a"]);
        halves.merge(of(&["b"]));
        assert_eq!(halves, of(&["a", "b"]));
    }

    #[test]
    fn the_text_is_the_reference_hash_and_reads_back() {
        // XXH3-128 of no input, as the reference implementation gives it.
        assert_eq!(of(&[""]).to_string(), "99aa06d3014798d86001c324468d497f");
        assert_eq!(of(&["a"]).to_string().parse::<Fingerprint>().ok(), Some(of(&["a"])));
        for bad in [
            "",
            "99AA06D3014798D86001C324468D497F",
            "+9aa06d3014798d86001c324468d497f",
            "99aa",
        ] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
