//! PostgreSQL: how a server is reached, and how its dump is laid out in a bundle.
//!
//! A connection is described as libpq describes it: [`parameters`] reads a URI or a `key=value` text, [`conninfo`] adds what a service
//! file, the environment and the password file say, [`connect()`] opens it. Everything comes in as values; nothing here looks at the
//! environment of the process.

pub mod bad_parameters;
pub mod connect;
pub mod conninfo;
mod encoding;
pub mod endpoint;
pub mod error;
mod files;
pub mod layout;
pub mod parameters;
pub mod properties;
pub mod quote;
pub mod rows;
pub mod session;
mod surroundings;
mod tls;
mod values;
mod verifier;

pub use self::connect::Session;
pub use self::connect::connect;
pub use self::conninfo::Conninfo;
pub use self::error::Error;
pub use self::parameters::Parameters;
pub use self::surroundings::Surroundings;
pub use self::surroundings::user_name;
