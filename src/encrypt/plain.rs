//! Plaintext that was opened and is not yet given out.

use std::io;

use zeroize::Zeroizing;

/// The plaintext of one step or chunk. Wiped when it is dropped.
#[derive(Default)]
pub(crate) struct Plain {
    octets: Zeroizing<Vec<u8>>,
    given: usize,
}

impl Plain {
    /// Whether all of it was given out.
    pub(crate) fn is_empty(&self) -> bool {
        self.given == self.octets.len()
    }

    /// Lets `open` put plaintext into `room` octets, of which the first `kept` are given out from now on. When it fails, nothing is.
    pub(crate) fn fill(
        &mut self,
        room: usize,
        kept: usize,
        open: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.octets.resize(room, 0);
        let opened = open(&mut self.octets);
        self.octets.truncate(kept);
        self.given = if opened.is_ok() { 0 } else { self.octets.len() };
        opened
    }

    /// Gives out as much as there is, or as the buffer takes.
    pub(crate) fn give(&mut self, buffer: &mut [u8]) -> usize {
        let left = &self.octets[self.given..];
        let count = buffer.len().min(left.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.given += count;
        count
    }

    /// Gives out `count` octets, of those that there are, to nobody.
    pub(crate) fn skip(&mut self, count: usize) {
        self.given = (self.given + count).min(self.octets.len());
    }
}
