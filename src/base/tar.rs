//! The arithmetic of tar (POSIX.1-2001): blocks, the zeros that fill a content up to them, and the zeros at the end.

/// Bytes of a header, and the unit that contents are filled up to, as lengths in memory are counted.
pub const BLOCK: usize = 512;

/// The same, as lengths of files are counted.
pub const BLOCK_BYTES: u64 = BLOCK as u64;

/// The zeros at the end: two blocks.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The length of [`END`].
pub const END_BYTES: u64 = 2 * BLOCK_BYTES;

/// Bytes of zeros after a content of `size` bytes.
#[must_use]
pub fn padding(size: u64) -> u64 {
    (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES
}

/// The zeros after a content of `size` bytes.
#[must_use]
pub fn fill(size: u64) -> &'static [u8] {
    static ZEROS: [u8; BLOCK] = [0; BLOCK];
    let padding = usize::try_from(padding(size)).expect("less than a block");
    &ZEROS[..padding]
}

/// Bytes that a content of `size` bytes takes, with its header and the zeros after it.
#[must_use]
pub fn member_bytes(size: u64) -> u64 {
    BLOCK_BYTES + size + padding(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_fill_whole_blocks() {
        for (size, padding) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511), (1024, 0)] {
            assert_eq!(
                (fill(size).len() as u64, member_bytes(size)),
                (padding, 512 + size + padding)
            );
        }
    }
}
