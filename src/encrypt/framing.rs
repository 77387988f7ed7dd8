//! The framing of one OpenPGP packet of any length, so that every offset is arithmetic.
//!
//! A packet (RFC 9580 section 4.2.1) is written as its tag octet, then pieces of 2^16 octets, each behind the octet `0xF0`,
//! and a last piece of 1 to 2^16 octets behind `0xFF` and its length in four octets. A body that fits into one piece is
//! that last piece. The last piece is never empty, so a body has one framing only, and its length follows from the
//! length of the packet.

use std::io;
use std::io::Read;
use std::io::Write;

use super::error::damaged;

const PIECE_BITS: u8 = 16;
/// Octets in every piece but the last.
pub(crate) const PIECE: usize = 1 << PIECE_BITS;
const PARTIAL: u8 = 0xe0 + PIECE_BITS;
const DEFINITE: u8 = 0xff;
const DEFINITE_HEADER: usize = 5;

/// A packet whose body length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framing {
    body: u64,
}

impl Framing {
    /// The framing of a body of `body` octets; not 0.
    #[cfg(test)]
    pub(crate) fn of_body(body: u64) -> Self {
        assert!(body > 0, "the last piece is never empty");
        Self { body }
    }

    /// The framing of a packet of `total` octets; `None` when no packet has this length.
    pub(crate) fn of_packet(total: u64) -> Option<Self> {
        let pieces_and_marks = total.checked_sub(1 + DEFINITE_HEADER as u64)?;
        let marks = pieces_and_marks / (PIECE as u64 + 1);
        let last_is_empty = pieces_and_marks.is_multiple_of(PIECE as u64 + 1);
        (!last_is_empty).then(|| Self {
            body: pieces_and_marks - marks,
        })
    }

    /// Octets of the body.
    pub(crate) fn body(self) -> u64 {
        self.body
    }

    /// Octets of the packet.
    pub(crate) fn packet(self) -> u64 {
        1 + self.last_piece() + DEFINITE_HEADER as u64 + self.body
    }

    /// Where in the packet a reader begins that shall read the body from `offset` on: at the octets that frame it, where there are any.
    pub(crate) fn position(self, offset: u64) -> u64 {
        if offset == 0 {
            return 0;
        }
        if offset >= self.body {
            return self.packet();
        }
        let piece = offset / PIECE as u64;
        let mut marks = piece;
        if !offset.is_multiple_of(PIECE as u64) {
            marks += self.mark(piece).len() as u64;
        }
        1 + marks + offset
    }

    fn last_piece(self) -> u64 {
        (self.body - 1) / PIECE as u64
    }

    /// The octets before a piece.
    fn mark(self, piece: u64) -> Mark {
        if piece < self.last_piece() {
            Mark::Partial
        } else {
            let rest = self.body - piece * PIECE as u64;
            Mark::Definite(u32::try_from(rest).expect("the last piece has at most 2^16 octets"))
        }
    }
}

/// What stands before a piece.
enum Mark {
    Partial,
    Definite(u32),
}

impl Mark {
    fn len(&self) -> usize {
        match self {
            Self::Partial => 1,
            Self::Definite(_) => DEFINITE_HEADER,
        }
    }

    fn octets(&self) -> ([u8; DEFINITE_HEADER], usize) {
        let mut octets = [0; DEFINITE_HEADER];
        match self {
            Self::Partial => octets[0] = PARTIAL,
            Self::Definite(length) => {
                octets[0] = DEFINITE;
                octets[1..].copy_from_slice(&length.to_be_bytes());
            }
        }
        (octets, self.len())
    }
}

/// Frames what is written into it. Without [`Framer::finish`] the packet has no end.
pub(crate) struct Framer<W> {
    inner: W,
    piece: Vec<u8>,
}

impl<W: Write> Framer<W> {
    /// Begins a packet with its tag octet.
    pub(crate) fn begin(mut inner: W, tag: u8) -> io::Result<Self> {
        inner.write_all(&[tag])?;
        Ok(Self {
            inner,
            piece: Vec::with_capacity(PIECE),
        })
    }

    /// Writes the last piece and gives back the inner writer.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        let length = u32::try_from(self.piece.len()).expect("a piece has at most 2^16 octets");
        assert!(length > 0, "every body of a container begins with a header");
        let (mark, count) = Mark::Definite(length).octets();
        self.inner.write_all(&mark[..count])?;
        self.inner.write_all(&self.piece)?;
        Ok(self.inner)
    }

    fn write_piece(inner: &mut W, piece: &[u8]) -> io::Result<()> {
        inner.write_all(&[PARTIAL])?;
        inner.write_all(piece)
    }
}

impl<W: Write> Write for Framer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // A full piece is kept back until more comes: it might be the last.
        if self.piece.len() == PIECE {
            Self::write_piece(&mut self.inner, &self.piece)?;
            self.piece.clear();
        }
        if self.piece.is_empty() && bytes.len() > PIECE {
            Self::write_piece(&mut self.inner, &bytes[..PIECE])?;
            return Ok(PIECE);
        }
        let count = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads the body of a packet whose framing is known, and refuses every other framing.
///
/// The last octets are only given out when `inner` has ended well: [`Read::read`] of `inner` is asked for more, which is
/// where a stage below checks its final tag.
pub(crate) struct Deframer<R> {
    inner: R,
    framing: Framing,
    tag: u8,
    offset: u64,
    ended: bool,
}

impl<R: Read> Deframer<R> {
    /// Reads the body from `offset` on; `inner` stands at [`Framing::position`] of it.
    pub(crate) fn new(inner: R, framing: Framing, tag: u8, offset: u64) -> Self {
        Self {
            inner,
            framing,
            tag,
            offset,
            ended: false,
        }
    }

    fn expect(&mut self, octets: &[u8]) -> io::Result<()> {
        let mut found = [0; DEFINITE_HEADER];
        let found = &mut found[..octets.len()];
        read_exact(&mut self.inner, found)?;
        if found == octets {
            Ok(())
        } else {
            Err(damaged("its framing is not the one that its length asks for"))
        }
    }

    fn enter_piece(&mut self) -> io::Result<()> {
        if self.offset == 0 {
            self.expect(&[self.tag])?;
        }
        let (mark, count) = self.framing.mark(self.offset / PIECE as u64).octets();
        self.expect(&mark[..count])
    }

    fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        loop {
            return match self.inner.read(&mut [0]) {
                Ok(0) => Ok(()),
                Ok(_) => Err(damaged("something follows its end")),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

impl<R: Read> Read for Deframer<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.framing.body - self.offset;
        if rest == 0 && !self.ended {
            self.end()?;
        }
        if rest == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let within = usize::try_from(self.offset % PIECE as u64).expect("below 2^16");
        if within == 0 {
            self.enter_piece()?;
        }
        let left = usize::try_from(rest).unwrap_or(usize::MAX).min(PIECE - within);
        let count = buffer.len().min(left);
        read_exact(&mut self.inner, &mut buffer[..count])?;
        self.offset += count as u64;
        if self.offset == self.framing.body {
            self.end()?;
        }
        Ok(count)
    }
}

/// Fills the buffer; an end before that is damage.
pub(crate) fn read_exact(inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<()> {
    inner.read_exact(buffer).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            damaged("it ends early")
        } else {
            error
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const EDGES: [u64; 11] = [
        1,
        2,
        191,
        192,
        8384,
        PIECE as u64 - 1,
        PIECE as u64,
        PIECE as u64 + 1,
        2 * PIECE as u64 - 1,
        2 * PIECE as u64,
        3 * PIECE as u64 + 5,
    ];

    fn body(length: u64) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at % 251).expect("small")).collect()
    }

    fn packet(body: &[u8], step: usize) -> Vec<u8> {
        let mut framer = Framer::begin(Vec::new(), 0xd2).expect("memory");
        for bytes in body.chunks(step) {
            framer.write_all(bytes).expect("memory");
        }
        framer.finish().expect("memory")
    }

    #[test]
    fn lengths_follow_from_each_other() {
        for length in EDGES {
            let framing = Framing::of_body(length);
            assert_eq!(Framing::of_packet(framing.packet()), Some(framing));
        }
        let lengths = (1..400_000).map(|length| Framing::of_body(length).packet());
        assert!(lengths.clone().zip(lengths.skip(1)).all(|(one, next)| one < next));
    }

    #[test]
    fn impossible_lengths_are_refused() {
        let possible: std::collections::HashSet<u64> =
            (1..200_000).map(|length| Framing::of_body(length).packet()).collect();
        for total in 0..190_000 {
            assert_eq!(
                Framing::of_packet(total).is_some(),
                possible.contains(&total),
                "{total}"
            );
        }
    }

    #[test]
    fn the_writer_writes_what_the_arithmetic_says() {
        for length in EDGES {
            let body = body(length);
            let one = packet(&body, 1 << 20);
            assert_eq!(one.len() as u64, Framing::of_body(length).packet());
            for step in [1000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
                assert!(packet(&body, step) == one, "{length} in steps of {step}");
            }
        }
    }

    #[test]
    fn reading_begins_anywhere() {
        for length in EDGES {
            let body = body(length);
            let packet = packet(&body, 777);
            let framing = Framing::of_packet(packet.len() as u64).expect("a packet");
            for begin in EDGES
                .into_iter()
                .flat_map(|edge| [0, edge - 1, edge])
                .filter(|at| *at <= length)
            {
                let mut input = Cursor::new(&packet);
                input.set_position(framing.position(begin));
                let mut found = Vec::new();
                let mut reader = Deframer::new(input, framing, 0xd2, begin);
                let _ = reader.read_to_end(&mut found).expect("whole");
                let begin = usize::try_from(begin).expect("small");
                assert!(found == body[begin..], "{length} from {begin}");
            }
        }
    }

    #[test]
    fn other_framings_are_refused() {
        let whole = packet(&body(PIECE as u64 + 9), 777);
        let framing = Framing::of_packet(whole.len() as u64).expect("a packet");
        let second = usize::try_from(framing.position(PIECE as u64)).expect("small");
        for at in [0, 1, second, second + 1, second + 4] {
            let mut packet = whole.clone();
            packet[at] ^= 1;
            let mut reader = Deframer::new(&packet[..], framing, 0xd2, 0);
            assert!(reader.read_to_end(&mut Vec::new()).is_err(), "octet {at}");
        }
        let longer = [&whole[..], b"x"].concat();
        assert!(
            Deframer::new(&longer[..], framing, 0xd2, 0)
                .read_to_end(&mut Vec::new())
                .is_err()
        );
        assert!(
            Deframer::new(&whole[..9], framing, 0xd2, 0)
                .read_to_end(&mut Vec::new())
                .is_err()
        );
    }
}
