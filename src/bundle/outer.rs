//! The outer tar: names of the members in their order, and the one tar header that each has.
//!
//! The header is a function of name and size alone, so a reader compares it byte for byte: no bit of a bundle is free.

use tar::EntryType;
use tar::Header;

use super::name::BundleId;
use crate::base::digest::Digest;
use crate::base::tar::BLOCK;

/// How to open the bundle with stock tools.
pub const RECOVER: &str = "RECOVER.txt";
/// The header of the bundle.
pub const HEADER: &str = "header.json";
/// The digests of every member above.
pub const SUMS: &str = "SHA256SUMS";
/// The signed statement.
pub const MANIFEST: &str = "manifest.json";
/// The signatures.
pub const SIGNATURES: &str = "manifest.json.asc";
/// The trailer.
pub const TRAILER: &str = "trailer";

/// Members of `keyslots/`, by their name there.
pub mod slot {
    /// OpenPGP suites: the session key for each certificate, as PKESK packets.
    pub const OPENPGP: &str = "openpgp.pgp";
    /// OpenPGP suites: the session key for the age recipients, as an age file.
    pub const SESSION_KEY: &str = "session-key.age";
    /// The session key, or in the suite `age` an identity, for whoever knows the passphrase, as an age file.
    pub const PASSPHRASE: &str = "passphrase.age";
    /// Suite `age`: the header of the payload.
    pub const AGE: &str = "age.txt";
    /// Suite `age`: the header of the index.
    pub const AGE_INDEX: &str = "age-index.txt";
}

/// The containers of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// The members `data/…`: the payload.
    Payload,
    /// The members `index/…`: the content index.
    Index,
}

impl Container {
    /// The name of one of its segments.
    #[must_use]
    pub fn segment_name(self, number: u64) -> String {
        match self {
            Self::Payload => format!("data/{number:08}"),
            Self::Index => format!("index/{number:08}"),
        }
    }
}

/// The tar header of the member `name` of `size` bytes: regular file, mode 0444, owner 0, time 0.
#[must_use]
pub fn tar_header(name: &str, size: u64) -> [u8; BLOCK] {
    let mut header = Header::new_ustar();
    header.set_path(name).expect("member names are short and relative");
    header.set_size(size);
    header.set_mode(0o444);
    header.set_entry_type(EntryType::Regular);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    *header.as_bytes()
}

/// The file name of a bundle.
#[must_use]
pub fn file_name(bundle: &BundleId) -> String {
    format!("{bundle}.hub.tar")
}

/// One line of `SHA256SUMS`, as `sha256sum` writes it.
#[must_use]
pub fn sums_line(name: &str, digest: &Digest) -> String {
    format!("{digest}  {name}\n")
}
