//! Tokens of the SQL that a server prints about its own objects: enough to rename and to take apart, and no grammar.

use std::collections::BTreeMap;
use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word or a number outside of quotes.
    Word,
    /// A name in backticks.
    Name,
    /// A string in quotes of either kind.
    Text,
    /// A comment, a versioned one too.
    Comment,
    /// One character of anything else.
    Sign,
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

/// The tokens of `sql`, without the white space between them. What is not closed ends with the text.
pub(super) fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut begin = 0;
    while let Some(letter) = sql[begin..].chars().next() {
        let rest = &sql[begin..];
        let (kind, length) = match letter {
            _ if letter.is_whitespace() => {
                begin += letter.len_utf8();
                continue;
            }
            '`' => (Kind::Name, quoted(rest, b'`', false)),
            '\'' => (Kind::Text, quoted(rest, b'\'', true)),
            '"' => (Kind::Text, quoted(rest, b'"', true)),
            '/' if rest.starts_with("/*") => (Kind::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2)),
            '#' => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
            '-' if rest.starts_with("-- ") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
            _ if is_word(letter) => (Kind::Word, rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())),
            _ => (Kind::Sign, letter.len_utf8()),
        };
        let at = begin..begin + length;
        begin = at.end;
        tokens.push(Token { kind, at });
    }
    tokens
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '$' | '@') || !letter.is_ascii()
}

/// The length of a quoted text, quotes included: a quote within is doubled, or behind a backslash where those escape.
fn quoted(rest: &str, quote: u8, escapes: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        if escapes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at] != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    rest.len()
}

/// A statement with its tokens.
pub(super) struct Statement<'s> {
    pub(super) sql: &'s str,
    pub(super) tokens: Vec<Token>,
}

impl<'s> Statement<'s> {
    pub(super) fn new(sql: &'s str) -> Self {
        Self {
            sql,
            tokens: tokens(sql),
        }
    }

    /// The text of token `number`; empty past the end.
    pub(super) fn text(&self, number: usize) -> &'s str {
        self.tokens.get(number).map_or("", |token| &self.sql[token.at.clone()])
    }

    /// Whether token `number` is this word or sign, whatever its case.
    pub(super) fn is(&self, number: usize, word: &str) -> bool {
        let plain = |token: &Token| matches!(token.kind, Kind::Word | Kind::Sign);
        self.tokens.get(number).is_some_and(plain) && self.text(number).eq_ignore_ascii_case(word)
    }

    fn is_name(&self, number: usize) -> bool {
        self.tokens.get(number).is_some_and(|token| token.kind == Kind::Name)
    }

    /// The name that token `number` quotes.
    pub(super) fn name(&self, number: usize) -> Option<String> {
        let inner = self.text(number).strip_prefix('`')?.strip_suffix('`')?;
        Some(inner.replace("``", "`"))
    }

    /// Finds words that follow each other, from token `begin` on.
    pub(super) fn find(&self, begin: usize, words: &[&str]) -> Option<usize> {
        (begin..self.tokens.len()).find(|at| {
            words
                .iter()
                .enumerate()
                .all(|(offset, word)| self.is(at + offset, word))
        })
    }

    /// The statement with other names for databases, where it qualifies something by them.
    ///
    /// A name before a dot is a database where two dots follow each other, where a table or routine is expected, and before the
    /// parenthesis of a call; elsewhere it is a table or an alias.
    pub(super) fn with_databases(&self, names: &BTreeMap<String, String>) -> String {
        let mut out = String::with_capacity(self.sql.len());
        let mut copied = 0;
        for number in 0..self.tokens.len() {
            if !self.qualifies(number) {
                continue;
            }
            if let Some(new) = self.name(number).and_then(|old| names.get(&old)) {
                let at = &self.tokens[number].at;
                out.push_str(&self.sql[copied..at.start]);
                out.push_str(&crate::server::mysql::sql::name(new));
                copied = at.end;
            }
        }
        out.push_str(&self.sql[copied..]);
        out
    }

    /// Whether the name `number` is that of a database before the name of something in it.
    fn qualifies(&self, number: usize) -> bool {
        let dotted = self.is_name(number) && self.is(number + 1, ".") && self.is_name(number + 2);
        if !dotted || (number > 0 && self.is(number - 1, ".")) {
            return false;
        }
        let three = self.is(number + 3, ".");
        three || self.is(number + 3, "(") || self.follows_a_place(number)
    }

    fn follows_a_place(&self, number: usize) -> bool {
        const PLACES: [&str; 10] = [
            "from",
            "join",
            "straight_join",
            "references",
            "nextval",
            "lastval",
            "setval",
            "for",
            "on",
            "into",
        ];
        let mut before = number;
        while before > 0 && self.is(before - 1, "(") {
            before -= 1;
        }
        // `on (a.b = c.d)` is a condition, `ON db.table` of a trigger is a place.
        before > 0
            && PLACES.iter().any(|place| self.is(before - 1, place))
            && !(self.is(before - 1, "on") && before != number)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use super::Statement;
    use super::tokens;

    #[test]
    fn quotes_and_comments_are_one_token_each() {
        let sql = r#"a 'it''s \' ok' "x\"y" `b``c` /*!80016 x,'y' */ (1.5)"#;
        let kinds: Vec<Kind> = tokens(sql).into_iter().map(|token| token.kind).collect();
        let signs = [Kind::Sign, Kind::Word, Kind::Sign, Kind::Word, Kind::Sign];
        let first = [Kind::Word, Kind::Text, Kind::Text, Kind::Name, Kind::Comment];
        assert_eq!(kinds, [first, signs].concat());
        assert_eq!(tokens("'open").len(), 1);
        assert_eq!(tokens("'open\\").len(), 1);
    }

    #[test]
    fn databases_are_renamed_where_they_qualify_and_nowhere_else() {
        let names = [("shop".to_owned(), "n`ew".to_owned())].into();
        for (before, after) in [
            ("select `shop`.`id` from `shop`", "select `shop`.`id` from `shop`"),
            (
                "select `shop`.`t`.`id` from (`shop`.`t` join `shop`.`u` on(`shop`.`id` = 1))",
                "select `n``ew`.`t`.`id` from (`n``ew`.`t` join `n``ew`.`u` on(`shop`.`id` = 1))",
            ),
            ("DEFAULT nextval(`shop`.`s`)", "DEFAULT nextval(`n``ew`.`s`)"),
            ("`shop`.`f`(`shop`.`c`)", "`n``ew`.`f`(`shop`.`c`)"),
            ("REFERENCES `shop`.`p` (`id`)", "REFERENCES `n``ew`.`p` (`id`)"),
            ("'`shop`.`t`.`c`'", "'`shop`.`t`.`c`'"),
        ] {
            assert_eq!(Statement::new(before).with_databases(&names), after);
        }
    }
}
