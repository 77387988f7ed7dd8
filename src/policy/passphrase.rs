//! Whether a passphrase is long enough for something new. Its length is all that is measured: no program can tell how another would
//! guess it.

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;

/// What its length says about a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Long enough not to be tried through.
    Good,
    /// It may be tried through by whoever has the bundle or the key file and some time; its characters.
    Short(usize),
}

/// The passphrase is too short for anything.
#[derive(Debug, thiserror::Error)]
#[error(
    "{of} has {found} characters, and at least {} are needed",
    limits::PASSPHRASE_CHARS_MIN
)]
pub struct TooShort {
    /// What it is for.
    pub of: String,
    /// How many it has.
    pub found: usize,
}

impl Fault for TooShort {
    fn kind(&self) -> Kind {
        Kind::KeyPolicy
    }

    fn hint(&self) -> Option<String> {
        Some("Take several words that nobody else would put together, or `openssl rand -base64 18`.".into())
    }
}

/// Judges a passphrase that shall lock a key or open bundles from now on. `of` says which.
///
/// # Errors
/// `TooShort`.
pub fn judge(of: &str, passphrase: &str) -> Result<Length, TooShort> {
    let found = passphrase.chars().count();
    if found < limits::PASSPHRASE_CHARS_MIN {
        return Err(TooShort {
            of: of.to_owned(),
            found,
        });
    }
    if found < limits::PASSPHRASE_CHARS_GOOD {
        Ok(Length::Short(found))
    } else {
        Ok(Length::Good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let judge = |text| judge("the passphrase", text);
        assert!(matches!(judge("ÄÖÜäöü7"), Err(TooShort { found: 7, .. })));
        assert_eq!(judge("ÄÖÜäöü78").expect("long enough"), Length::Short(8));
        assert_eq!(judge("fourteen chars").expect("long enough"), Length::Short(14));
        assert_eq!(judge("fifteen  chars!").expect("long enough"), Length::Good);
    }
}
