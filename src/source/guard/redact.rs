//! Puts a mark in the place of every secret, and looks again.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use aho_corasick::MatchKind;
use regex::Regex;

use super::Finding;
use super::Format;
use super::REDACTED;
use super::Scan;
use super::find;
use super::hits::Hit;
use super::hits::Hits;
use super::hits::Put;
use super::values;
use crate::base::limits;

/// The secrets of a text could not be taken out with certainty.
#[derive(Debug, thiserror::Error)]
pub enum NotRedacted {
    /// More secrets than are kept account of.
    #[error("more than {} places hold a secret", limits::CONFIG_FINDINGS_MAX)]
    TooMany,
    /// Without its secrets the text would not parse any more.
    #[error("it would not parse any more without its secrets")]
    WouldNotParse,
    /// A second look found a secret in the result.
    #[error("a secret would be left at {0}")]
    Left(Finding),
    /// Something is left right beside a mark.
    #[error("only a part of the value in line {line} would be taken out")]
    Partly {
        /// The line in the result.
        line: usize,
    },
    /// A second look found the text of a secret in the result, in a place that no rule knows.
    #[error("the text of the secret at {0} would be left elsewhere")]
    LeftElsewhere(Finding),
}

/// The text with [`REDACTED`] in the place of every secret, and what was found. What `is_accepted` names stays.
///
/// The result is of the same form: JSON stays JSON, lines stay lines.
///
/// # Errors
/// When a second look at the result is not satisfied: see [`NotRedacted`].
pub fn redact(
    text: &str,
    format: Format,
    is_accepted: &dyn Fn(&Finding) -> bool,
) -> Result<(String, Scan), NotRedacted> {
    let (mut hits, read_as) = find(text, format);
    if hits.is_full {
        return Err(NotRedacted::TooMany);
    }
    hits.drop_accepted(text, is_accepted);
    let finder = finder_of(&hits);
    let result = without_copies(replace(text, &hits), finder.as_ref());
    check(&result, format, read_as, is_accepted)?;
    check_sides(&result)?;
    check_texts(text, &result, &hits, finder.as_ref())?;
    let scan = Scan {
        findings: hits.findings(text),
        is_cut: false,
        read_as,
    };
    Ok((result, scan))
}

fn replace(text: &str, hits: &Hits) -> String {
    let mut result = String::with_capacity(text.len());
    let mut offset = 0;
    for group in hits.groups() {
        let begin = group.iter().map(|hit| hit.at.start).min().unwrap_or(offset);
        let end = group.iter().map(|hit| hit.at.end).max().unwrap_or(offset);
        result.push_str(&text[offset..begin]);
        result.push_str(&replacement(&group));
        offset = end;
    }
    result.push_str(&text[offset..]);
    result
}

/// What the widest hit of the group asks for. Two hits that each leave a part of the same value would each leave the other's secret.
fn replacement(group: &[&Hit]) -> String {
    let width = |hit: &Hit| hit.at.end - hit.at.start;
    let widest = group.iter().map(|hit| width(hit)).max().unwrap_or_default();
    let mut puts = group.iter().filter(|hit| width(hit) == widest).map(|hit| &hit.put);
    let first = puts.next().unwrap_or(&Put::Mark);
    match first {
        Put::Value(rest) if puts.all(|put| put == first) => serde_json::to_string(rest.expose()).expect("text is JSON"),
        Put::Value(_) | Put::QuotedMark => format!("\"{REDACTED}\""),
        Put::Mark if group.iter().any(|hit| hit.put != Put::Mark && width(hit) == widest) => format!("\"{REDACTED}\""),
        Put::Mark => REDACTED.to_owned(),
    }
}

/// Takes out what repeats a secret elsewhere, in a comment for example.
fn without_copies(text: String, finder: Option<&AhoCorasick>) -> String {
    let Some(finder) = finder else { return text };
    let mut result = String::with_capacity(text.len());
    let mut offset = 0;
    for copy in copies(&text, finder) {
        result.push_str(&text[offset..copy.start]);
        result.push_str(REDACTED);
        offset = copy.end;
    }
    result.push_str(&text[offset..]);
    result
}

/// Where a secret stands in the text, on its own and not within a longer word.
fn copies<'t>(text: &'t str, finder: &'t AhoCorasick) -> impl Iterator<Item = Range<usize>> + 't {
    let is_part = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let found = finder.find_iter(text).map(|found| found.range());
    found.filter(move |at| !is_part(text[..at.start].chars().next_back()) && !is_part(text[at.end..].chars().next()))
}

/// Finds the secrets that are no common words; `None` when there are none.
fn finder_of(hits: &Hits) -> Option<AhoCorasick> {
    let texts: BTreeSet<&str> = distinctive(hits).map(|(secret, _)| secret).collect();
    if texts.is_empty() {
        return None;
    }
    let mut builder = AhoCorasick::builder();
    let finder = builder.match_kind(MatchKind::LeftmostLongest).build(texts);
    Some(finder.expect("secrets of one file are fewer and shorter than the automaton allows"))
}

/// The secrets that are no common words, by their texts.
fn distinctive(hits: &Hits) -> impl Iterator<Item = (&str, &Hit)> {
    let texts = hits.list.iter().map(|hit| (hit.secret.expose().trim(), hit));
    texts.filter(|(secret, _)| values::is_distinctive(secret))
}

fn check(
    result: &str,
    format: Format,
    read_as: Format,
    is_accepted: &dyn Fn(&Finding) -> bool,
) -> Result<(), NotRedacted> {
    let (mut left, now_read_as) = find(result, format);
    if now_read_as != read_as {
        return Err(NotRedacted::WouldNotParse);
    }
    left.drop_accepted(result, is_accepted);
    match left.findings(result).into_iter().next() {
        Some(finding) => Err(NotRedacted::Left(finding)),
        None => Ok(()),
    }
}

/// Letters or digits beside a mark are the rest of a value whose end was not understood.
static BESIDE: LazyLock<Regex> = LazyLock::new(|| {
    let form = r#"[A-Za-z0-9]["']?\[redacted\]|\[redacted\]["']?[A-Za-z0-9]"#;
    Regex::new(form).expect("a constant that the tests compile")
});

fn check_sides(result: &str) -> Result<(), NotRedacted> {
    match BESIDE.find(result) {
        Some(found) => Err(NotRedacted::Partly {
            line: result[..found.start()].matches('\n').count() + 1,
        }),
        None => Ok(()),
    }
}

fn check_texts(text: &str, result: &str, hits: &Hits, finder: Option<&AhoCorasick>) -> Result<(), NotRedacted> {
    let Some(copy) = finder.and_then(|finder| copies(result, finder).next()) else {
        return Ok(());
    };
    let left = &result[copy];
    let known = distinctive(hits).find(|(secret, _)| *secret == left);
    let list = known.map(|(_, hit)| hit.clone()).into_iter().collect();
    let finding = Hits { list, is_full: false }.findings(text).pop();
    Err(NotRedacted::LeftElsewhere(
        finding.expect("what was looked for is the secret of a hit"),
    ))
}
