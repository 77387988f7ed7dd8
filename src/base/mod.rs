//! Level 1: tools that know nothing of backups. Nothing here imports anything of ours.

pub mod cancel;
pub mod claim;
pub mod clock;
pub mod digest;
pub mod durable;
pub mod fault;
pub mod fingerprint;
pub mod gaps;
pub mod input;
pub mod limits;
pub mod parallel;
pub mod progress;
pub mod random;
pub mod read_at;
pub mod record;
pub mod secret;
pub mod shared;
pub mod spool;
pub mod sqlite_uri;
pub mod tar;
