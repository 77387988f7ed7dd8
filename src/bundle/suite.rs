//! The cryptographic suites of format version 1.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

/// Which standard container holds the payload, and so which stock tools open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// OpenPGP SEIPDv2, AES-256-OCB in 256 KiB chunks, v6 PKESKs (RFC 9580).
    Rfc9580,
    /// OpenPGP SEIPDv1, AES-256-CFB with MDC, v3 PKESKs: what GnuPG 2.2 and 2.4 read.
    Gnupg,
    /// One age v1 file (c2sp.org/age).
    Age,
}

impl Suite {
    /// Every suite of this format version.
    pub const ALL: [Self; 3] = [Self::Rfc9580, Self::Gnupg, Self::Age];

    /// The name in headers, settings and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rfc9580 => "rfc9580",
            Self::Gnupg => "gnupg",
            Self::Age => "age",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// No suite has this name.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a suite: the suites are rfc9580, gnupg and age")]
pub struct UnknownSuite(String);

impl FromStr for Suite {
    type Err = UnknownSuite;

    fn from_str(text: &str) -> Result<Self, UnknownSuite> {
        Self::ALL
            .into_iter()
            .find(|suite| suite.name() == text)
            .ok_or_else(|| UnknownSuite(text.to_owned()))
    }
}
