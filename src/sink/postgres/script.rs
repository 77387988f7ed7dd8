//! A script of `pg_dump`, cut into statements at the top level of its text: nothing inside quotes, bodies or comments counts.
//!
//! This is what psql would do with the text, without psql: a line that begins with a backslash is a command to psql, and is never run.

use std::collections::VecDeque;

use super::toc::Header;

/// The longest statement that is read: a single large object's write and a very long function stay far below.
const STATEMENT_BYTES_MAX: usize = 64 << 20;

/// One thing in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The comment above the statements of one entry.
    Header(Header),
    /// One statement, with its semicolon.
    Statement(String),
}

/// The text is not a script that a dump holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadScript {
    /// A command to psql: it could run programs on this machine.
    #[error("line {line} is a command to psql, which a dump does not need")]
    Command {
        /// Counted from 1.
        line: u64,
    },
    /// A statement is not UTF-8.
    #[error("the statement that ends on line {line} is not UTF-8")]
    Encoding {
        /// Counted from 1.
        line: u64,
    },
    /// A statement is longer than any.
    #[error("the statement on line {line} is longer than {STATEMENT_BYTES_MAX} bytes")]
    TooLong {
        /// Counted from 1.
        line: u64,
    },
    /// The text ends within a statement.
    #[error("the text ends within a statement, on line {line}")]
    Unfinished {
        /// Counted from 1.
        line: u64,
    },
}

/// Where in the grammar of tokens the text is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Top,
    /// `'…'`; in `E'…'` a backslash takes the next character along.
    Text {
        escapes: bool,
    },
    /// `"…"`.
    Name,
    /// `$tag$…$tag$`, with its tag.
    Dollar(Vec<u8>),
    /// `/* … */`, which nests.
    Comment {
        depth: u32,
    },
}

/// Takes a script in pieces of any size and gives its statements.
#[derive(Debug)]
pub(super) struct Splitter {
    state: State,
    /// The begun line.
    line: Vec<u8>,
    statement: Vec<u8>,
    /// Whether `statement` holds anything but white space and comments.
    begun: bool,
    parentheses: u32,
    /// The first words, as far as they say whether `BEGIN ATOMIC` may follow.
    words: Vec<Vec<u8>>,
    /// How many `END`s the body of a function in standard SQL still needs.
    bodies: u32,
    lines: u64,
    ready: VecDeque<Piece>,
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self {
            state: State::Top,
            line: Vec::new(),
            statement: Vec::new(),
            begun: false,
            parentheses: 0,
            words: Vec::new(),
            bodies: 0,
            lines: 0,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next bytes of the script.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), BadScript> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            if self.line.is_empty() {
                self.take_line(line)?;
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend(line);
                self.take_line(&whole)?;
            }
        }
        self.line.extend(bytes);
        if self.line.len() + self.statement.len() > STATEMENT_BYTES_MAX {
            return Err(BadScript::TooLong { line: self.lines + 1 });
        }
        Ok(())
    }

    /// The next piece, if it is whole.
    pub(super) fn next(&mut self) -> Option<Piece> {
        self.ready.pop_front()
    }

    /// The end of the script: the last pieces become ready.
    pub(super) fn finish(&mut self) -> Result<(), BadScript> {
        if !self.line.is_empty() {
            let mut last = std::mem::take(&mut self.line);
            last.push(b'\n');
            self.take_line(&last)?;
        }
        if self.begun || self.state != State::Top {
            return Err(BadScript::Unfinished { line: self.lines });
        }
        Ok(())
    }

    /// One whole line with its line feed: no token but quoted text goes past it.
    fn take_line(&mut self, line: &[u8]) -> Result<(), BadScript> {
        self.lines += 1;
        if self.state == State::Top && !self.begun {
            if line.starts_with(b"\\restrict ") || line.starts_with(b"\\unrestrict ") {
                // They fence psql in; here there is no psql.
                return Ok(());
            }
            if let Some(header) = Header::parse(line) {
                self.statement.clear();
                self.ready.push_back(Piece::Header(header));
                return Ok(());
            }
        }
        let mut at = 0;
        while at < line.len() {
            at = self.step(line, at)?;
        }
        Ok(())
    }

    /// Takes at least one byte of `line` from `at`; gives where it stopped.
    fn step(&mut self, line: &[u8], at: usize) -> Result<usize, BadScript> {
        let rest = &line[at..];
        let taken = match &mut self.state {
            State::Top => return self.top(line, at),
            State::Text { escapes } => {
                let escapes = *escapes;
                let end = rest
                    .iter()
                    .position(|byte| *byte == b'\'' || (escapes && *byte == b'\\'));
                match end {
                    None => rest.len(),
                    Some(end) if rest[end] == b'\\' => (end + 2).min(rest.len()),
                    // A doubled quote leaves the text and enters it again.
                    Some(end) if rest.get(end + 1) == Some(&b'\'') => end + 2,
                    Some(end) => {
                        self.state = State::Top;
                        end + 1
                    }
                }
            }
            State::Name => match rest.iter().position(|byte| *byte == b'"') {
                None => rest.len(),
                Some(end) => {
                    self.state = State::Top;
                    end + 1
                }
            },
            State::Dollar(tag) => match memchr::memmem::find(rest, tag) {
                None => rest.len(),
                Some(end) => {
                    let taken = end + tag.len();
                    self.state = State::Top;
                    taken
                }
            },
            State::Comment { depth } => {
                let taken = if rest.starts_with(b"/*") {
                    *depth += 1;
                    2
                } else if rest.starts_with(b"*/") {
                    *depth -= 1;
                    2
                } else {
                    1
                };
                if *depth == 0 {
                    self.state = State::Top;
                }
                taken
            }
        };
        self.statement.extend(&rest[..taken]);
        Ok(at + taken)
    }

    fn top(&mut self, line: &[u8], at: usize) -> Result<usize, BadScript> {
        let rest = &line[at..];
        let second = rest.get(1).copied();
        let taken = match rest[0] {
            b'-' if second == Some(b'-') => {
                // A comment inside a statement is only white space.
                if self.begun {
                    self.statement.push(b'\n');
                }
                return Ok(line.len());
            }
            b'/' if second == Some(b'*') => {
                self.state = State::Comment { depth: 1 };
                2
            }
            b'\\' => return Err(BadScript::Command { line: self.lines }),
            b';' if self.parentheses == 0 && self.bodies == 0 => {
                self.end_statement()?;
                return Ok(at + 1);
            }
            byte if byte.is_ascii_whitespace() => 1,
            _ => {
                self.begun = true;
                self.token(rest)
            }
        };
        if self.begun || self.state != State::Top {
            self.statement.extend(&rest[..taken]);
        }
        Ok(at + taken)
    }

    /// The length of the token that `rest` begins with; changes the state when it opens something.
    fn token(&mut self, rest: &[u8]) -> usize {
        match rest[0] {
            b'\'' => {
                self.state = State::Text { escapes: false };
                1
            }
            b'"' => {
                self.state = State::Name;
                1
            }
            b'(' => {
                self.parentheses += 1;
                1
            }
            b')' => {
                self.parentheses = self.parentheses.saturating_sub(1);
                1
            }
            b'$' => match dollar_tag(rest) {
                Some(tag) => {
                    self.state = State::Dollar(tag.to_vec());
                    tag.len()
                }
                None => 1,
            },
            byte if is_word_begin(byte) => self.word(rest),
            // Digits take the letters after them along, so that none of these opens a text.
            byte if byte.is_ascii_digit() => rest.iter().take_while(|byte| is_word(**byte)).count(),
            _ => 1,
        }
    }

    fn word(&mut self, rest: &[u8]) -> usize {
        let length = rest.iter().take_while(|byte| is_word(**byte)).count();
        let word = rest[..length].to_ascii_uppercase();
        if word == b"E" && rest.get(length) == Some(&b'\'') {
            self.state = State::Text { escapes: true };
            return length + 1;
        }
        self.follow_bodies(&word);
        if self.words.len() < 4 {
            self.words.push(word);
        }
        length
    }

    /// As psql does: in `CREATE [OR REPLACE] FUNCTION|PROCEDURE`, `BEGIN` opens a body, in which `CASE` needs an `END` too.
    fn follow_bodies(&mut self, word: &[u8]) {
        if self.parentheses > 0 {
            return;
        }
        let first: Vec<&[u8]> = self.words.iter().map(Vec::as_slice).collect();
        let routine = match first.as_slice() {
            [b"CREATE", b"OR", b"REPLACE", kind, ..] | [b"CREATE", kind, ..] => {
                matches!(*kind, b"FUNCTION" | b"PROCEDURE")
            }
            _ => false,
        };
        match word {
            b"BEGIN" if routine => self.bodies += 1,
            b"CASE" if self.bodies > 0 => self.bodies += 1,
            b"END" if self.bodies > 0 => self.bodies -= 1,
            _ => {}
        }
    }

    fn end_statement(&mut self) -> Result<(), BadScript> {
        let mut bytes = std::mem::take(&mut self.statement);
        let begun = std::mem::take(&mut self.begun);
        self.words.clear();
        if !begun {
            return Ok(());
        }
        bytes.push(b';');
        let statement = String::from_utf8(bytes).map_err(|_| BadScript::Encoding { line: self.lines })?;
        self.ready.push_back(Piece::Statement(statement));
        Ok(())
    }
}

fn is_word_begin(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    is_word_begin(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// `$tag$` at the beginning of `rest`.
fn dollar_tag(rest: &[u8]) -> Option<&[u8]> {
    let inner = rest[1..].iter().position(|byte| *byte == b'$')?;
    let tag = &rest[1..=inner];
    let plain = tag.iter().all(|byte| is_word(*byte)) && tag.first().is_none_or(|byte| is_word_begin(*byte));
    plain.then(|| &rest[..inner + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(script: &str, step: usize) -> Result<Vec<Piece>, BadScript> {
        let mut splitter = Splitter::new();
        let mut pieces = Vec::new();
        for bytes in script.as_bytes().chunks(step) {
            splitter.feed(bytes)?;
            pieces.extend(std::iter::from_fn(|| splitter.next()));
        }
        splitter.finish()?;
        pieces.extend(std::iter::from_fn(|| splitter.next()));
        Ok(pieces)
    }

    fn statements(script: &str) -> Vec<String> {
        let texts = |step| {
            let pieces = pieces(script, step).expect("a script");
            let text = |piece| match piece {
                Piece::Statement(text) => text,
                Piece::Header(header) => format!("[{}]", header.name),
            };
            pieces.into_iter().map(text).collect::<Vec<_>>()
        };
        let whole = texts(1 << 20);
        assert_eq!(whole, texts(1), "cuts do not matter");
        assert_eq!(whole, texts(7), "cuts do not matter");
        whole
    }

    #[test]
    fn semicolons_count_at_the_top_alone() {
        for script in [
            "SELECT 'a;b''c;';",
            "SELECT E'a\\';b;\\\\';",
            "SELECT 'a\\';",
            "SELECT \"a;\"\"b;\";",
            "SELECT $$a;'b$$;",
            "SELECT $x$a;$y$;$$;$x$;",
            "SELECT $1, a$1;",
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);",
            "SELECT 1 /* a; /* b; */ c; */ + 2;",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;",
            "CREATE OR REPLACE PROCEDURE f(a int DEFAULT 1) BEGIN ATOMIC INSERT INTO t VALUES (1); END;",
            "SELECT U&'d\\0061;';",
            "SELECT 1e'x;';",
            "COMMENT ON TABLE t IS 'two\n-- Name: x; Type: TABLE; Schema: a; Owner: b\n;lines';",
        ] {
            assert_eq!(statements(script), [script], "{script}");
        }
        assert_eq!(
            statements("BEGIN;\nSELECT 1;;\n\nCOMMIT;"),
            ["BEGIN;", "SELECT 1;", "COMMIT;"]
        );
        assert_eq!(statements("SELECT 1 -- a; b\n + 2;"), ["SELECT 1 \n + 2;"]);
    }

    #[test]
    fn headers_and_fences() {
        let script = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET a = 0;\n\n--\n-- Name: t; Type: TABLE; \
                      Schema: s; Owner: o\n--\n\nCREATE TABLE s.t ();\n\n\\unrestrict abc\n";
        assert_eq!(statements(script), ["SET a = 0;", "[t]", "CREATE TABLE s.t ();"]);
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        for (script, error) in [
            ("\\connect other\n", BadScript::Command { line: 1 }),
            ("\n\\! touch /tmp/x\n", BadScript::Command { line: 2 }),
            ("SELECT 1 \\g |sh\n;", BadScript::Command { line: 1 }),
            ("\\restrictx\n", BadScript::Command { line: 1 }),
            ("SELECT 1", BadScript::Unfinished { line: 1 }),
            ("SELECT 'a;\n", BadScript::Unfinished { line: 1 }),
        ] {
            assert_eq!(pieces(script, 1 << 20), Err(error), "{script:?}");
        }
        let mut splitter = Splitter::new();
        assert_eq!(splitter.feed(b"SELECT '\xff';\n"), Err(BadScript::Encoding { line: 1 }));
    }
}
