//! PostgreSQL: how a server is reached, and how its dump is laid out in a bundle.
//!
//! A connection is described as libpq describes it: [`parameters`] reads a URI or a `key=value` text, [`conninfo`] adds what a service
//! file, the environment and the password file say, [`connect()`] opens it. Everything comes in as values; nothing here looks at the
//! environment of the process.

pub mod connect;
pub mod conninfo;
pub mod error;
mod files;
pub mod layout;
pub mod parameters;
pub mod quote;
pub mod session;
mod tls;
mod values;

pub use self::connect::Session;
pub use self::connect::connect;
pub use self::conninfo::Conninfo;
pub use self::conninfo::Surroundings;
pub use self::error::Error;
pub use self::parameters::Parameters;
