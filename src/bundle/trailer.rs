//! The trailer: fixed size, last, unsigned. It says where to begin reading; everything found there is then checked.

use serde::Deserialize;
use serde::Serialize;

use crate::base::digest::Digest;

/// The length of the trailer's content: one tar block.
pub const TRAILER_BYTES: usize = 512;

/// Where the members at the end of a bundle begin: offsets of their content, not of their tar headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// The format version of the bundle.
    pub version: u32,
    /// Offset of the content of `manifest.json`.
    pub manifest_offset: u64,
    /// Its length.
    pub manifest_bytes: u64,
    /// Offset of the content of `manifest.json.asc`.
    pub signatures_offset: u64,
    /// Its length.
    pub signatures_bytes: u64,
    /// The digest of `manifest.json.asc`: armour that was damaged without harm to the signature shows as well.
    pub signatures_sha256: Digest,
}

/// Not the trailer of a bundle.
#[derive(Debug, thiserror::Error)]
#[error("the bundle does not end in a trailer: it is damaged or cut short")]
pub struct BadTrailer;

impl Trailer {
    /// The content of the member: one line of JSON, filled up with spaces and a final line feed.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; TRAILER_BYTES] {
        let text = serde_json::to_vec(self).expect("a trailer has only string keys");
        let mut bytes = [b' '; TRAILER_BYTES];
        bytes[..text.len()].copy_from_slice(&text);
        bytes[TRAILER_BYTES - 1] = b'\n';
        bytes
    }

    /// Reads the content of the member. There is one spelling of each trailer.
    ///
    /// # Errors
    /// [`BadTrailer`] for anything else.
    pub fn parse(bytes: &[u8; TRAILER_BYTES]) -> Result<Self, BadTrailer> {
        let trailer: Self = serde_json::from_slice(bytes).map_err(|_| BadTrailer)?;
        if trailer.to_bytes() == *bytes {
            Ok(trailer)
        } else {
            Err(BadTrailer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_trailer_fits() {
        let most = u64::MAX;
        let trailer = Trailer {
            version: u32::MAX,
            manifest_offset: most,
            manifest_bytes: most,
            signatures_offset: most,
            signatures_bytes: most,
            signatures_sha256: Digest::of(b""),
        };
        assert_eq!(Trailer::parse(&trailer.to_bytes()).expect("own form"), trailer);
    }
}
