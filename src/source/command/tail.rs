//! The end of a text of any length, in bounded memory.

use std::collections::VecDeque;

/// Keeps the last bytes that were pushed.
pub(in crate::source) struct Tail {
    kept: VecDeque<u8>,
    bytes_max: usize,
    is_cut: bool,
}

impl Tail {
    /// Keeps at most `bytes_max` bytes.
    pub(in crate::source) fn new(bytes_max: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            bytes_max,
            is_cut: false,
        }
    }

    /// Adds bytes, and forgets the oldest.
    pub(in crate::source) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.bytes_max)..];
        let surplus = (self.kept.len() + bytes.len()).saturating_sub(self.bytes_max);
        self.is_cut |= surplus > 0;
        drop(self.kept.drain(..surplus));
        self.kept.extend(bytes);
    }

    /// What was kept, as text that no terminal obeys: control characters are spelt out.
    pub(in crate::source) fn text(&self) -> String {
        let bytes: Vec<u8> = self.kept.iter().copied().collect();
        let mut text = String::with_capacity(bytes.len());
        if self.is_cut {
            text.push_str("[earlier text left out]…");
        }
        for letter in String::from_utf8_lossy(&bytes).trim_end().chars() {
            if letter.is_control() && !"\n\t".contains(letter) {
                text.extend(letter.escape_default());
            } else {
                text.push(letter);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;

    #[test]
    fn only_the_end_is_kept() {
        let mut tail = Tail::new(4);
        tail.push(b"ab");
        assert_eq!(tail.text(), "ab");
        tail.push(b"cde");
        assert_eq!(tail.text(), "[earlier text left out]…bcde");
        tail.push(b"0123456789\n");
        assert_eq!(tail.text(), "[earlier text left out]…789");
    }

    #[test]
    fn terminals_are_not_commanded() {
        let mut tail = Tail::new(100);
        tail.push(b"\x1b[2Jred\xff\n\tnext\n");
        assert_eq!(tail.text(), "\\u{1b}[2Jred\u{fffd}\n\tnext");
    }
}
