//! Streams of INSERT statements, taken as lines: a row is a line, because the source escapes every line feed in a value.

/// What a line of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// `INSERT INTO … VALUES`.
    Head,
    /// `(…),`.
    Row,
    /// `(…);`: the last of its statement.
    Last,
}

/// The stream is not made of INSERT statements with a row a line.
#[derive(Debug, thiserror::Error)]
#[error("a line is neither the head of an INSERT statement nor a row")]
pub(super) struct NotRows;

fn line(line: &[u8]) -> Result<Line, NotRows> {
    match line {
        [b'(', .., b')', b',', b'\n'] => Ok(Line::Row),
        [b'(', .., b')', b';', b'\n'] => Ok(Line::Last),
        [b'I', b'N', b'S', b'E', b'R', b'T', b' ', .., b'\n'] => Ok(Line::Head),
        _ => Err(NotRows),
    }
}

/// Lines put together again from pieces that may end anywhere.
#[derive(Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

impl Lines {
    /// Adds a piece; gives whole lines, and the piece to give back.
    fn whole(&mut self, mut piece: Vec<u8>) -> Vec<u8> {
        let end = piece.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&piece[end..]);
            piece.truncate(end);
            return piece;
        }
        let mut lines = std::mem::take(&mut self.rest);
        if end == 0 {
            lines.extend_from_slice(&piece);
            self.rest = lines;
            return Vec::new();
        }
        lines.extend_from_slice(&piece[..end]);
        self.rest.extend_from_slice(&piece[end..]);
        lines
    }

    /// Whether a line has no end.
    pub(super) fn is_cut(&self) -> bool {
        !self.rest.is_empty()
    }
}

/// Rows as `LOAD DATA` reads them: each as it is, with `),` and a line feed at its end.
#[derive(Default)]
pub(super) struct Tuples {
    lines: Lines,
    /// Rows so far.
    pub(super) count: u64,
}

impl Tuples {
    /// Takes a piece of the stream; gives stretches of rows to `give`.
    pub(super) fn take<E: From<NotRows>>(
        &mut self,
        piece: Vec<u8>,
        mut give: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let mut lines = self.lines.whole(piece);
        let (mut begin, mut at) = (0, 0);
        while at < lines.len() {
            let end = next_line(&lines, at);
            match line(&lines[at..end])? {
                Line::Row => self.count += 1,
                Line::Last => {
                    self.count += 1;
                    lines[end - 2] = b',';
                }
                Line::Head => {
                    give(&lines[begin..at])?;
                    begin = end;
                }
            }
            at = end;
        }
        give(&lines[begin..])?;
        Ok(lines)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.lines.is_cut()
    }
}

/// The statements as they are.
#[derive(Default)]
pub(super) struct Statements {
    lines: Lines,
    statement: Vec<u8>,
    /// Rows so far.
    pub(super) count: u64,
}

impl Statements {
    /// Takes a piece of the stream; gives whole statements to `give`.
    pub(super) fn take<E: From<NotRows>>(
        &mut self,
        piece: Vec<u8>,
        mut give: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let lines = self.lines.whole(piece);
        let (mut begin, mut at) = (0, 0);
        while at < lines.len() {
            let end = next_line(&lines, at);
            let kind = line(&lines[at..end])?;
            self.count += u64::from(kind != Line::Head);
            if kind == Line::Last {
                self.statement.extend_from_slice(&lines[begin..end - 2]);
                give(&self.statement)?;
                self.statement.clear();
                begin = end;
            }
            at = end;
        }
        self.statement.extend_from_slice(&lines[begin..]);
        Ok(lines)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.lines.is_cut() || !self.statement.is_empty()
    }
}

fn next_line(bytes: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |at| from + at + 1)
}

#[cfg(test)]
mod tests {
    use super::NotRows;
    use super::Statements;
    use super::Tuples;

    const STREAM: &[u8] =
        b"INSERT INTO `t` (`a`) VALUES\n(1,'x\\n'),\n(2,NULL);\nINSERT INTO `t` (`a`) VALUES\n(3,'),');\n";

    fn cut_everywhere(mut check: impl FnMut(&[&[u8]])) {
        for first in 0..=STREAM.len() {
            for second in [first, (first + 7).min(STREAM.len())] {
                check(&[&STREAM[..first], &STREAM[first..second], &STREAM[second..]]);
            }
        }
    }

    #[test]
    fn tuples_are_the_same_wherever_the_pieces_end() {
        cut_everywhere(|pieces| {
            let (mut tuples, mut out) = (Tuples::default(), Vec::new());
            for piece in pieces {
                let taken = tuples.take(piece.to_vec(), |rows| {
                    out.extend_from_slice(rows);
                    Ok::<(), NotRows>(())
                });
                assert!(taken.is_ok());
            }
            assert_eq!(out, b"(1,'x\\n'),\n(2,NULL),\n(3,'),'),\n");
            assert!(tuples.count == 3 && !tuples.is_cut());
        });
    }

    #[test]
    fn statements_are_the_same_wherever_the_pieces_end() {
        cut_everywhere(|pieces| {
            let (mut statements, mut out) = (Statements::default(), Vec::new());
            for piece in pieces {
                let taken = statements.take(piece.to_vec(), |statement| {
                    out.push(statement.to_vec());
                    Ok::<(), NotRows>(())
                });
                assert!(taken.is_ok());
            }
            let expected = [
                "INSERT INTO `t` (`a`) VALUES\n(1,'x\\n'),\n(2,NULL)",
                "INSERT INTO `t` (`a`) VALUES\n(3,'),')",
            ];
            assert_eq!(out, expected.map(|text| text.as_bytes().to_vec()));
            assert!(statements.count == 3 && !statements.is_cut());
        });
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [&b"DROP TABLE `t`;\n"[..], b"(1)\n", b"\n", b"-- x\n"] {
            let taken = Tuples::default().take(bad.to_vec(), |_| Ok::<(), NotRows>(()));
            assert!(taken.is_err(), "{bad:?}");
        }
        let mut cut = Tuples::default();
        assert!(
            cut.take(b"INSERT INTO `t` VALUES\n(1),\n(2".to_vec(), |_| Ok::<(), NotRows>(()))
                .is_ok()
        );
        assert!(cut.is_cut());
    }
}
