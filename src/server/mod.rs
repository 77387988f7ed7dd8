//! Level 2: what a source and a sink of the same database server share: how it is reached, how it is spoken to, and how its dump is laid out.
//!
//! Sources and sinks never import each other. Async code stays in here and in them: each runs its own small runtime behind a blocking face.

pub mod mysql;
pub mod postgres;
