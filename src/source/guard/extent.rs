//! How far a value goes that begins somewhere in a line: quoted, over several lines, or up to a comment.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::base::limits;

/// One line of a text, without its end.
#[derive(Clone, Copy)]
pub(super) struct Line<'t> {
    pub(super) text: &'t str,
    pub(super) offset: usize,
}

/// The lines of a text.
pub(super) fn lines_of(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut offset = 0;
    text.split_inclusive('\n').map(move |line| {
        let begin = offset;
        offset += line.len();
        let text = line.trim_end_matches(['\n', '\r']);
        Line { text, offset: begin }
    })
}

/// The header of a block of lines in YAML.
static BLOCK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[|>][+-]?\d?[+-]?\s*(?:#.*)?$").expect("a constant that the tests compile"));

/// The header of a block of lines that ends in a word of its own.
static HEREDOC: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^<<[-~]?["']?(\w+)["']?$"#).expect("a constant that the tests compile"));

/// Where the value stands that begins at `begin` in `line` of `text`, without quotes around it.
pub(super) fn value_at(text: &str, line: Line<'_>, begin: usize) -> Range<usize> {
    let rest = &line.text[begin - line.offset..];
    for quotes in ["\"\"\"", "'''"] {
        let inner = rest.starts_with(quotes).then(|| begin + 3);
        if let Some((inner, length)) = inner.and_then(|inner| Some((inner, near(text, inner).find(quotes)?))) {
            return inner..inner + length;
        }
    }
    if let Some(quote) = rest.chars().next().filter(|first| "\"'".contains(*first)) {
        return quoted(text, begin, rest, quote);
    }
    if BLOCK.is_match(rest) {
        return block(text, line);
    }
    if let Some(word) = HEREDOC.captures(rest) {
        return heredoc(text, line, &word[1]).unwrap_or_else(|| unquoted(begin, rest));
    }
    with_continuation(text, unquoted(begin, rest))
}

/// As much of the text as a value may fill.
fn near(text: &str, begin: usize) -> &str {
    let mut end = text.len().min(begin + limits::CONFIG_VALUE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[begin..end]
}

fn quoted(text: &str, begin: usize, rest: &str, quote: char) -> Range<usize> {
    let inner = begin + 1;
    let Some(length) = end_of_quote(near(text, inner), quote) else {
        return unquoted(inner, &rest[1..]);
    };
    // `'one'"two"` is one word to a shell.
    let after = text[inner + length + 1..].chars().next();
    let goes_on = after.is_some_and(|after| after.is_alphanumeric() || "\"'\\$".contains(after));
    if goes_on && length + 2 <= rest.len() {
        return begin..begin + length + 2 + statement(&rest[length + 2..]);
    }
    inner..inner + length
}

/// The length of a quoted text up to its closing quote.
fn end_of_quote(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (offset, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            letter if letter == quote => return Some(offset),
            _ => {}
        }
    }
    None
}

/// The lines below `line` that are indented deeper.
fn block(text: &str, line: Line<'_>) -> Range<usize> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let begin = (line.offset + line.text.len() + 1).min(text.len());
    let mut end = begin;
    let mut first = None;
    for next in lines_of(near(text, begin)) {
        if next.text.trim().is_empty() {
            continue;
        }
        if indent(next.text) <= indent(line.text) {
            break;
        }
        first = first.or(Some(begin + next.offset + indent(next.text)));
        end = begin + next.offset + next.text.len();
    }
    first.map_or(begin..begin, |first| first..end)
}

/// The lines below `line` up to one that is `word`.
fn heredoc(text: &str, line: Line<'_>, word: &str) -> Option<Range<usize>> {
    let begin = (line.offset + line.text.len() + 1).min(text.len());
    let end = lines_of(near(text, begin)).find(|next| next.text.trim() == word)?;
    let inner = &text[begin..begin + end.offset];
    let start = begin + (inner.len() - inner.trim_start().len()).min(inner.len());
    Some(start..(begin + inner.trim_end().len()).max(start))
}

/// A backslash at the end of a line takes the next line in.
fn with_continuation(text: &str, at: Range<usize>) -> Range<usize> {
    let mut end = at.end;
    while text[at.start..end].ends_with('\\') && end - at.start < limits::CONFIG_VALUE_BYTES_MAX {
        let after = text[end..].trim_start_matches('\r');
        let Some(next) = after.strip_prefix('\n') else { break };
        let begin = text.len() - next.len();
        end = begin + next.split(['\r', '\n']).next().unwrap_or_default().trim_end().len();
    }
    at.start..end
}

/// A value without quotes: up to a comment, without the signs that end a statement.
fn unquoted(begin: usize, text: &str) -> Range<usize> {
    without_quotes(begin, &text[..statement(text)])
}

/// The length of the text up to a comment, without the signs that end a statement.
fn statement(text: &str) -> usize {
    // A sign with something right behind it may be a part of the value.
    let is_sign = |rest: &str| {
        ["# ", "; ", "// "]
            .iter()
            .any(|sign| rest.starts_with(sign) || rest == sign.trim_end())
    };
    if is_sign(text) {
        return 0;
    }
    let mut blanks = text.match_indices([' ', '\t']).map(|(at, _)| at);
    let end = blanks.find(|at| is_sign(&text[at + 1..])).unwrap_or(text.len());
    text[..end].trim_end().trim_end_matches([',', ';']).len()
}

/// Leaves out a quote, perhaps escaped, at the beginning and its partner at the end.
pub(super) fn without_quotes(begin: usize, text: &str) -> Range<usize> {
    let inner = text
        .strip_prefix('\\')
        .filter(|rest| rest.starts_with('"'))
        .unwrap_or(text);
    let rest = inner.strip_prefix(['"', '\'']).unwrap_or(inner);
    let start = begin + (text.len() - rest.len());
    let is_quoted = rest.len() < inner.len();
    let rest = if is_quoted {
        rest.strip_suffix(['"', '\'']).unwrap_or(rest)
    } else {
        rest
    };
    start..start + rest.trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_as_far_as_they_go() {
        for (text, value) in [
            ("k=a b # c", "a b"),
            ("k=a#b", "a#b"),
            ("k=a #b", "a #b"),
            ("k=# c", ""),
            ("k=a;", "a"),
            ("k=\"a # b\" # c", "a # b"),
            ("k=\"a\\\"b\"", "a\\\"b"),
            ("k='a'\"b\" c", "'a'\"b\" c"),
            ("k='a', 'b'", "a"),
            ("k=\"a\nb\"", "a\nb"),
            ("k='a", "a"),
            ("k=\"\"\"\na\n\"\"\"\nx", "\na\n"),
            ("k=|\n  a\n\n  b\nc", "a\n\n  b"),
            ("k=>-\n a\n", "a"),
            ("k=|\nc", ""),
            ("k=<<EOF\n  a\n  b\n  EOF\nx", "a\n  b"),
            ("k=<<EOF\na", "<<EOF"),
            ("k=a\\\nb\\\r\nc\nd", "a\\\nb\\\r\nc"),
            ("k=ä\\", "ä\\"),
        ] {
            let line = lines_of(text).next().expect("a line");
            assert_eq!(&text[value_at(text, line, 2)], value, "{text:?}");
        }
    }
}
