//! Level 4: the only place where stages meet. Two roads, in mirror order:
//!
//! ```text
//! source → pack → compress → encrypt → envelope → seal → store    backup
//! store → verify → decrypt → decompress → unpack → sink           restore
//! ```
//!
//! [`verify`] makes the only value, [`verify::Verified`], that [`restore`] takes.

pub mod backup;
pub mod contents;
pub mod index;
mod payload;
pub mod remarks;
pub mod restore;
pub mod verify;
