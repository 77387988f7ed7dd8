//! Level 3: entries to one tar stream, and back.
//!
//! The bytes before the content of an entry — pax records, ustar header, sparse map — are a function of the entry
//! ([`header`]). So the reader knows them beforehand and compares: the payload says nothing that the index does not say.

mod digests;
pub mod header;
pub mod read;
pub mod write;

/// Zero bytes at the end of a tar stream (POSIX: two blocks).
pub const END_BYTES: usize = 1024;

/// Zero bytes that fill a content of `size` bytes up to a whole tar block.
#[must_use]
pub fn padding(size: u64) -> usize {
    // Below 512, so the conversion is exact.
    ((512 - size % 512) % 512) as usize
}
