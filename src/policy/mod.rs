//! Level 3: decisions. Pure functions of facts, rules and a time; nothing here reads or writes anything.

pub mod crypto;
pub mod passphrase;
pub mod selection;
