//! hub-backup: a cryptographic backup archiver.

pub mod audit;
pub mod base;
pub mod bundle;
pub mod catalog;
pub mod cli;
pub mod compress;
pub mod config;
pub mod encrypt;
pub mod envelope;
pub mod flow;
pub mod job;
pub mod keyring;
pub mod pack;
pub mod policy;
pub mod seal;
pub mod sink;
pub mod source;
pub mod store;
