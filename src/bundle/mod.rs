//! Level 2: what a bundle is. Pure data: no I/O, no cryptography.
//!
//! ```text
//! RECOVER.txt            how to open this bundle with stock tools
//! header.json            Header
//! keyslots/…             the content key, once for each kind of recipient
//! data/00000000 …        the payload container, cut into segments
//! index/00000000 …       the index container, cut into segments
//! SHA256SUMS             every member above, in order
//! manifest.json          Manifest: the signed statement
//! manifest.json.asc      detached signatures over it
//! trailer                Trailer: where the members above begin; a hint
//! ```
//!
//! `docs/format.md` is the byte-exact specification.

pub mod entry;
pub mod header;
pub mod index;
pub mod kind;
pub mod manifest;
pub mod name;
pub mod outer;
pub mod path;
pub mod recover;
pub mod suite;
pub mod trailer;
pub mod written;
