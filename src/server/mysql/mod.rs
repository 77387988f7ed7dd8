//! MySQL and MariaDB: how a server is reached, and how its dump is laid out in a bundle.

pub mod layout;
pub mod script;
