//! MySQL and MariaDB: how a server is named and reached, and how its dump is laid out in a bundle.
//!
//! The client is small and blocking: one statement at a time in the text protocol, rows handed out where they lie in the buffer they were
//! read into. A dump is rows by the hundred million, and a value of its own for every cell costs as much as compressing it.

pub mod columns;
pub mod connection;
pub mod error;
mod handshake;
pub mod layout;
pub mod option_files;
pub mod options;
pub mod parameters;
pub mod rows;
pub mod script;
pub mod sql;
mod tls;
mod wire;
