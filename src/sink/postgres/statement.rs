//! What one statement of `pg_dump` is, read from its words: whom it gives what, and which tables it locks.

use std::ops::Range;

/// A word or a sign of a statement, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    what: What,
    at: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// A word without quotes, in lower case.
    Word(String),
    /// A name in quotes, without them.
    Name(String),
    /// Any other sign; texts and bodies are passed over.
    Sign(u8),
}

/// A name with its schema, without quotes.
pub(super) type Qualified = (String, String);

/// The words of one statement.
#[derive(Debug)]
pub(super) struct Statement<'t> {
    text: &'t str,
    tokens: Vec<Token>,
}

/// The number of a large object, where a piece of it belongs, and the piece, if `text` is what a dump writes such a piece with.
pub(super) fn piece_of_large_object(text: &str) -> Option<(u32, i64, Vec<u8>)> {
    let inner = text.strip_prefix("SELECT pg_catalog.lo_put(")?.strip_suffix("');")?;
    let (object, inner) = inner.split_once(", ")?;
    let (offset, digits) = inner.split_once(", '\\x")?;
    Some((object.parse().ok()?, offset.parse().ok()?, hex::decode(digits).ok()?))
}

impl<'t> Statement<'t> {
    /// Reads at most as many tokens as say what a statement of `pg_dump` is.
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            tokens: tokens(text, 4096),
        }
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        matches!(self.tokens.get(at), Some(Token { what: What::Word(have), .. }) if have == word)
    }

    fn begins(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(at, word)| self.is_word(at, word))
    }

    /// Where `words` stand one after another.
    fn position(&self, words: &[&str]) -> Option<usize> {
        (0..self.tokens.len()).find(|begin| {
            words
                .iter()
                .enumerate()
                .all(|(at, word)| self.is_word(begin + at, word))
        })
    }

    fn name(&self, at: usize) -> Option<&str> {
        match &self.tokens.get(at)?.what {
            What::Word(text) | What::Name(text) => Some(text),
            What::Sign(_) => None,
        }
    }

    /// `schema.name` at a token.
    fn qualified(&self, at: usize) -> Option<Qualified> {
        let dotted = self.tokens.get(at + 1)?.what == What::Sign(b'.');
        dotted.then_some(())?;
        Some((self.name(at)?.to_owned(), self.name(at + 2)?.to_owned()))
    }

    /// `ALTER … OWNER TO role`.
    pub(super) fn gives_owner(&self) -> bool {
        let last = self.tokens.len().saturating_sub(usize::from(self.ends_with_sign()));
        self.is_word(0, "alter") && last >= 3 && self.is_word(last - 3, "owner") && self.is_word(last - 2, "to")
    }

    fn ends_with_sign(&self) -> bool {
        matches!(
            self.tokens.last(),
            Some(Token {
                what: What::Sign(b';'),
                ..
            })
        )
    }

    /// `GRANT`, `REVOKE`, `ALTER DEFAULT PRIVILEGES`, and the session of another grantor around them.
    pub(super) fn gives_privileges(&self) -> bool {
        self.is_word(0, "grant")
            || self.is_word(0, "revoke")
            || self.begins(&["alter", "default", "privileges"])
            || self.begins(&["set", "session", "authorization"])
            || self.begins(&["reset", "session", "authorization"])
    }

    /// `COPY`, which would need rows from a client.
    pub(super) fn is_copy(&self) -> bool {
        self.is_word(0, "copy")
    }

    /// The parameter of `SET name = …`.
    pub(super) fn sets(&self) -> Option<&str> {
        let sets = self.is_word(0, "set") && self.tokens.get(2).is_some_and(|token| token.what == What::Sign(b'='));
        sets.then(|| self.name(1)).flatten()
    }

    /// `CREATE SCHEMA name`.
    pub(super) fn creates_schema(&self) -> Option<&str> {
        self.begins(&["create", "schema"]).then(|| self.name(2)).flatten()
    }

    /// `COMMENT ON EXTENSION`.
    pub(super) fn comments_extension(&self) -> bool {
        self.begins(&["comment", "on", "extension"])
    }

    /// The table of `CREATE [UNIQUE] INDEX … ON [ONLY] schema.name`.
    pub(super) fn indexed(&self) -> Option<Qualified> {
        let index = self.begins(&["create", "index"]) || self.begins(&["create", "unique", "index"]);
        let on = index.then(|| self.position(&["on"])).flatten()?;
        self.qualified(on + 1 + usize::from(self.is_word(on + 1, "only")))
    }

    /// The table of `ALTER TABLE [ONLY] schema.name`.
    pub(super) fn altered(&self) -> Option<Qualified> {
        let alter = self.begins(&["alter", "table"]) || self.begins(&["alter", "foreign", "table"]);
        let at = 2 + usize::from(self.is_word(1, "foreign"));
        alter
            .then(|| self.qualified(at + usize::from(self.is_word(at, "only"))))
            .flatten()
    }

    /// The table that a foreign key refers to.
    pub(super) fn referenced(&self) -> Option<Qualified> {
        let at = self.position(&["foreign", "key"])?;
        let references = (at..self.tokens.len()).find(|at| self.is_word(*at, "references"))?;
        self.qualified(references + 1)
    }

    /// The relation of `CREATE [MATERIALIZED] VIEW schema.name`.
    pub(super) fn creates_view(&self) -> Option<Qualified> {
        if self.begins(&["create", "materialized", "view"]) {
            self.qualified(3)
        } else if self.begins(&["create", "view"]) {
            self.qualified(2)
        } else {
            None
        }
    }

    /// The view of `REFRESH MATERIALIZED VIEW schema.name`.
    pub(super) fn refreshes(&self) -> Option<Qualified> {
        let refresh = self.begins(&["refresh", "materialized", "view"]);
        refresh.then(|| self.qualified(3)).flatten()
    }

    /// `COMMENT ON CONSTRAINT`.
    pub(super) fn comments_constraint(&self) -> bool {
        self.begins(&["comment", "on", "constraint"])
    }

    /// `CREATE TABLE … INHERITS (…)`.
    pub(super) fn inherits(&self) -> bool {
        self.begins(&["create"]) && self.position(&["inherits"]).is_some()
    }

    /// The role of `CREATE ROLE` and `ALTER ROLE`.
    pub(super) fn role(&self) -> Option<&str> {
        let role = self.begins(&["create", "role"]) || self.begins(&["alter", "role"]);
        role.then(|| self.name(2)).flatten()
    }

    /// Whether it makes a role or a tablespace.
    pub(super) fn makes_global(&self) -> bool {
        self.begins(&["create", "role"]) || self.begins(&["create", "tablespace"])
    }

    /// The statement with `table` in another schema, wherever its qualified name stands outside quotes and bodies; and its own schema's
    /// name where an index is created.
    pub(super) fn moved(&self, table: &Qualified, schema: &str) -> String {
        let mut text = String::with_capacity(self.text.len() + 32);
        let mut done = 0;
        for at in 0..self.tokens.len() {
            if self.qualified(at).as_ref() == Some(table) {
                let span = &self.tokens[at].at;
                text.push_str(&self.text[done..span.start]);
                text.push_str(schema);
                done = span.end;
            }
        }
        text.push_str(&self.text[done..]);
        text
    }
}

fn tokens(text: &str, most: usize) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() && tokens.len() < most {
        let rest = &bytes[at..];
        let (length, what) = match rest[0] {
            byte if byte.is_ascii_whitespace() => (1, None),
            b'-' if rest.starts_with(b"--") => (until(rest, b'\n'), None),
            b'/' if rest.starts_with(b"/*") => (comment(rest), None),
            b'\'' => (quoted(rest, b'\'', false), None),
            b'e' | b'E' if rest.get(1) == Some(&b'\'') => (1 + quoted(&rest[1..], b'\'', true), None),
            b'"' => {
                let length = quoted(rest, b'"', false);
                let inner = text.get(at + 1..(at + length).saturating_sub(1)).unwrap_or_default();
                (length, Some(What::Name(inner.replace("\"\"", "\""))))
            }
            b'$' => (dollar(rest), None),
            byte if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => {
                let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'$' | 0x80..);
                let length = rest.iter().take_while(is_word).count();
                let word = text.get(at..at + length).unwrap_or_default();
                (length, Some(What::Word(word.to_lowercase())))
            }
            sign => (1, Some(What::Sign(sign))),
        };
        let end = (at + length).min(bytes.len());
        tokens.extend(what.map(|what| Token { what, at: at..end }));
        at = end;
    }
    tokens
}

fn until(rest: &[u8], end: u8) -> usize {
    rest.iter().position(|byte| *byte == end).unwrap_or(rest.len())
}

fn comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of a quoted text or name, quotes included.
fn quoted(rest: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < rest.len() {
        let doubled = rest[at] == quote && rest.get(at + 1) == Some(&quote);
        if doubled || (escapes && rest[at] == b'\\') {
            at += 2;
        } else if rest[at] == quote {
            return at + 1;
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn dollar(rest: &[u8]) -> usize {
    let Some(inner) = rest[1..].iter().position(|byte| *byte == b'$') else {
        return 1;
    };
    let tag = &rest[..inner + 2];
    let is_tag = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(*byte, b'_' | 0x80..);
    if !tag[1..=inner].iter().all(is_tag) || tag[1].is_ascii_digit() {
        return 1;
    }
    let body = &rest[tag.len()..];
    let end = body.windows(tag.len()).position(|window| window == tag);
    end.map_or(rest.len(), |end| tag.len() + end + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: &str, name: &str) -> Qualified {
        (schema.to_owned(), name.to_owned())
    }

    #[test]
    fn pieces_of_large_objects() {
        let piece = piece_of_large_object("SELECT pg_catalog.lo_put(7, 262144, '\\x00ff');");
        assert_eq!(piece, Some((7, 262_144, vec![0, 255])));
        for other in [
            "SELECT pg_catalog.lo_put(7, 0, '\\x0');",
            "SELECT pg_catalog.lo_put(7, 0, 'text');",
            "SELECT pg_catalog.lo_put(-7, 0, '\\x00');",
            "SELECT pg_catalog.lo_create(7);",
            "SELECT pg_catalog.lo_put(7, 0, '\\x00'), pg_catalog.lo_put(7, 0, '\\x00');",
        ] {
            assert_eq!(piece_of_large_object(other), None, "{other}");
        }
    }

    #[test]
    fn owners_and_privileges() {
        assert!(Statement::new("ALTER TABLE s.t OWNER TO \"an owner\";").gives_owner());
        assert!(Statement::new("ALTER FUNCTION s.f(a integer) OWNER TO app;").gives_owner());
        assert!(!Statement::new("ALTER TABLE s.t ALTER COLUMN owner SET NOT NULL;").gives_owner());
        assert!(!Statement::new("COMMENT ON TABLE s.t IS 'OWNER TO x';").gives_owner());
        assert!(Statement::new("GRANT SELECT(a) ON TABLE s.t TO r;").gives_privileges());
        assert!(Statement::new("ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT ALL ON TABLES TO r;").gives_privileges());
        assert!(!Statement::new("CREATE TABLE s.grant ();").gives_privileges());
    }

    #[test]
    fn tables_of_indexes_and_constraints() {
        let index = Statement::new("CREATE UNIQUE INDEX \"on\" ON ONLY \"S\".\"a\"\"b.c\" USING btree (x);");
        assert_eq!(index.indexed(), Some(name("S", "a\"b.c")));
        let key = "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k FOREIGN KEY (a, \"references\") REFERENCES p.q(id) ON DELETE CASCADE;";
        let key = Statement::new(key);
        assert_eq!(
            (key.altered(), key.referenced()),
            (Some(name("s", "t")), Some(name("p", "q")))
        );
        assert_eq!(
            Statement::new("CREATE MATERIALIZED VIEW s.m AS SELECT 1;").creates_view(),
            Some(name("s", "m"))
        );
        assert_eq!(
            Statement::new("SET transaction_timeout = 0;").sets(),
            Some("transaction_timeout")
        );
    }

    #[test]
    fn a_table_moves_to_another_schema_outside_quotes_alone() {
        let text = "CREATE TABLE s.t (a text DEFAULT 's.t'::text, b s.kind, CONSTRAINT c CHECK ((t.a <> $$s.t$$)));";
        let moved = Statement::new(text).moved(&("s".to_owned(), "t".to_owned()), "\"new\"");
        assert_eq!(moved, text.replacen("s.t (", "\"new\".t (", 1));
    }
}
