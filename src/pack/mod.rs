//! Level 3: entries to one tar stream, and back.
//!
//! The bytes before the content of an entry — pax records, ustar header, sparse map — are a function of the entry
//! ([`header`]). So the reader knows them beforehand and compares: the payload says nothing that the index does not say.

mod digests;
pub mod header;
pub mod read;
pub mod write;
