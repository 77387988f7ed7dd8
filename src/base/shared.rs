//! Blocks of bytes that several threads read at once.

use std::io;
use std::io::BufRead;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use super::parallel::Pool;

/// A buffer that goes back to its pool when the last who reads it has done.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    pool: Option<Pool>,
}

impl Block {
    /// A buffer of `pool`.
    #[must_use]
    pub fn of(bytes: Vec<u8>, pool: Pool) -> Self {
        let pool = Some(pool);
        Self { bytes, pool }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.give(std::mem::take(&mut self.bytes));
        }
    }
}

/// Some bytes of a block.
#[derive(Clone, Debug)]
pub struct Slice {
    block: Arc<Block>,
    range: Range<usize>,
}

impl Slice {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.block.bytes[self.range.clone()]
    }

    /// Whether `next` lies just behind these bytes, which then are longer by it.
    pub fn join(&mut self, next: &Self) -> bool {
        let fits = Arc::ptr_eq(&self.block, &next.block) && self.range.end == next.range.start;
        if fits {
            self.range.end = next.range.end;
        }
        fits
    }
}

/// A stream of blocks: what was read can be kept, without a copy, while the stream goes on.
pub trait BlockRead: BufRead {
    /// The next `count` bytes of those that `fill_buf` gave last, before they are consumed.
    ///
    /// # Panics
    /// When there are not so many.
    fn slice(&self, count: usize) -> Slice;
}

/// A place in a block, and by itself the stream of the bytes from there to the end of the block.
#[derive(Debug, Default)]
pub struct BlockCursor {
    block: Arc<Block>,
    used: usize,
}

impl BlockCursor {
    /// The begin of a block.
    #[must_use]
    pub fn new(block: Block) -> Self {
        let block = Arc::new(block);
        Self { block, used: 0 }
    }

    /// What was not consumed yet.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.block.bytes[self.used..]
    }

    /// Goes to a place in the block; to its end, where the block is shorter.
    pub fn go(&mut self, place: usize) {
        self.used = place.min(self.block.bytes.len());
    }
}

impl From<Vec<u8>> for BlockCursor {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(Block { bytes, pool: None })
    }
}

impl Read for BlockCursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

impl BufRead for BlockCursor {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest())
    }

    fn consume(&mut self, count: usize) {
        self.used += count;
    }
}

impl BlockRead for BlockCursor {
    fn slice(&self, count: usize) -> Slice {
        assert!(count <= self.rest().len(), "there are not so many bytes");
        Slice {
            block: Arc::clone(&self.block),
            range: self.used..self.used + count,
        }
    }
}

/// `read` for what reads by its buffer.
///
/// # Errors
/// That of `fill_buf`.
pub fn read_buffered(input: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let ready = input.fill_buf()?;
    let count = ready.len().min(buffer.len());
    buffer[..count].copy_from_slice(&ready[..count]);
    input.consume(count);
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_goes_back_when_nobody_reads_it_any_more() {
        let pool = Pool::new(1);
        let mut cursor = BlockCursor::new(Block::of(vec![1, 2, 3], pool.clone()));
        let slice = cursor.slice(2);
        cursor.consume(2);
        assert_eq!(cursor.rest(), [3]);
        drop(cursor);
        assert_eq!(slice.bytes(), [1, 2], "kept");
        assert!(pool.take().is_empty(), "still read");
        drop(slice);
        assert_eq!(pool.take(), [1, 2, 3]);
    }

    #[test]
    fn only_neighbours_join() {
        let mut cursor = BlockCursor::from(vec![1, 2, 3]);
        let mut first = cursor.slice(1);
        cursor.consume(1);
        let second = cursor.slice(1);
        assert!(first.join(&second));
        assert_eq!(first.bytes(), [1, 2]);
        assert!(!first.join(&second), "not behind it any more");
        assert!(
            !first.join(&BlockCursor::from(vec![1, 2, 3]).slice(3)),
            "of another block"
        );
    }
}
