//! The tree of a JSON text with the place of every value, which serde does not tell.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::hits::Hits;
use super::tree::Scalar;
use super::tree::Style;
use super::tree::Walker;
use crate::base::limits;

/// The hits in JSON; `None` when it is none, or too deep. A key that comes twice is met twice.
pub(super) fn walk(text: &str) -> Option<Hits> {
    // After this, every string ends and every bracket has its partner.
    let _valid: IgnoredAny = serde_json::from_str(text).ok()?;
    let mut walker = Walker::new(text);
    let bytes = text.as_bytes();
    let mut offset = 0;
    let mut depth = 0_usize;
    while let Some(&byte) = bytes.get(offset) {
        let begin = offset;
        offset += 1;
        match byte {
            b'{' | b'[' if depth == limits::CONFIG_DEPTH_MAX => return None,
            b'{' | b'[' => {
                depth += 1;
                if byte == b'{' {
                    walker.begin_mapping();
                } else {
                    walker.begin_list();
                }
            }
            b'}' | b']' => {
                depth -= 1;
                walker.end();
            }
            b'"' => {
                offset = end_of_string(bytes, offset);
                walker.scalar(string(text, begin, offset));
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => {
                let length = text[begin..].find([',', '}', ']', ' ', '\t', '\r', '\n']);
                offset = length.map_or(text.len(), |length| begin + length);
                walker.scalar(literal(text, begin, offset));
            }
        }
    }
    Some(walker.finish())
}

/// The offset after the closing quote.
fn end_of_string(bytes: &[u8], mut offset: usize) -> usize {
    while let Some(&byte) = bytes.get(offset) {
        match byte {
            b'"' => return offset + 1,
            b'\\' => offset += 2,
            _ => offset += 1,
        }
    }
    bytes.len()
}

fn string(text: &str, begin: usize, end: usize) -> Scalar<'_> {
    // A lone surrogate is no text; its spelling is looked at instead.
    let value = serde_json::from_str(&text[begin..end]).map_or(Cow::Borrowed(&text[begin..end]), Cow::Owned);
    Scalar {
        value,
        at: begin..end,
        style: Style::Quoted,
        is_reference: false,
    }
}

/// A number, `true`, `false` or `null`.
fn literal(text: &str, begin: usize, end: usize) -> Scalar<'_> {
    Scalar {
        value: Cow::Borrowed(&text[begin..end]),
        at: begin..end,
        style: Style::Plain,
        is_reference: false,
    }
}
