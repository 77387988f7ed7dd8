//! hub-backup: a cryptographic backup archiver.

pub mod base;
pub mod bundle;
pub mod cli;
pub mod config;
pub mod keyring;
pub mod sink;
pub mod source;
pub mod store;
