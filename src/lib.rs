//! hub-backup: a cryptographic backup archiver.

pub mod base;
pub mod bundle;
pub mod encrypt;
pub mod keyring;
pub mod policy;
pub mod seal;
pub mod sink;
pub mod source;
pub mod store;
