//! MySQL and MariaDB: how a server is named and reached, and how its dump is laid out in a bundle.
//!
//! The client is `mysql_async`, behind a blocking face: one statement at a time in the text protocol, rows handed out one by one.

pub mod columns;
pub mod connection;
pub mod error;
pub mod layout;
mod login;
pub mod option_files;
pub mod options;
pub mod parameters;
pub mod rows;
pub mod script;
pub mod sql;
mod tls;
mod waiting;
