//! SHA-256 (FIPS 180-4) as a value, and what makes it of bytes as they come.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;

/// A SHA-256 digest. In text and JSON: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// A digest from its 32 octets.
    #[must_use]
    pub fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The 32 octets.
    #[must_use]
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("a SHA-256 digest is 64 lower-case hexadecimal digits")]
pub struct NotADigest;

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let mut octets = [0; 32];
        hex::decode_to_slice(text, &mut octets).map_err(|_| NotADigest)?;
        let digest = Self(octets);
        // One digest has one spelling, so that signed text has no second form.
        if digest.to_string() == text {
            Ok(digest)
        } else {
            Err(NotADigest)
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// An incremental SHA-256.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Starts a digest.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds `count` zero bytes: the holes of a sparse file.
    pub fn update_zeros(&mut self, mut count: u64) {
        const ZEROS: [u8; 4096] = [0; 4096];
        while count > 0 {
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(ZEROS.len());
            self.0.update(&ZEROS[..step]);
            count -= step as u64;
        }
    }

    /// The same for a hole that may be of terabytes, which takes as long to hash as bytes do: `stopped` is asked on the way whether to go on.
    ///
    /// # Errors
    /// What `stopped` gives; not all zeros were added then.
    pub fn update_zeros_unless<E>(&mut self, mut count: u64, stopped: impl Fn() -> Result<(), E>) -> Result<(), E> {
        const BETWEEN_QUESTIONS: u64 = 64 << 20;
        while count > 0 {
            stopped()?;
            let step = count.min(BETWEEN_QUESTIONS);
            self.update_zeros(step);
            count -= step;
        }
        Ok(())
    }

    /// The digest of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_string().parse::<Digest>().expect("own spelling"), digest);
        assert!(digest.to_string().to_uppercase().parse::<Digest>().is_err());
        assert!("ba78".parse::<Digest>().is_err());
    }

    #[test]
    fn zeros_are_bytes() {
        let mut hasher = Hasher::new();
        hasher.update_zeros(10_000);
        assert_eq!(hasher.finish(), Digest::of(&[0; 10_000]));
        let mut hasher = Hasher::new();
        assert_eq!(hasher.update_zeros_unless(10_000, || Ok::<(), ()>(())), Ok(()));
        assert_eq!(hasher.finish(), Digest::of(&[0; 10_000]));
        assert_eq!(
            Hasher::new().update_zeros_unless(u64::MAX, || Err("stopped")),
            Err("stopped")
        );
    }
}
