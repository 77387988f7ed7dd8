//! Puts a mark in the place of every secret, and looks again.

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
    drop_accepted(text, &mut hits, is_accepted);
    if hits.is_full {
        return Err(NotRedacted::TooMany);
    }
    let result = without_copies(replace(text, &hits), &hits);
    check(&result, format, read_as, is_accepted)?;
    check_texts(text, &result, &hits)?;
    let scan = Scan {
        findings: hits.findings(text),
        is_cut: false,
        read_as,
    };
    Ok((result, scan))
}

/// A hit is accepted with the finding that it is part of.
pub(super) fn drop_accepted(text: &str, hits: &mut Hits, is_accepted: &dyn Fn(&Finding) -> bool) {
    let groups: Vec<Vec<Hit>> = hits
        .groups()
        .into_iter()
        .map(|group| group.into_iter().cloned().collect())
        .collect();
    hits.list.clear();
    for list in groups {
        let group = Hits { list, is_full: false };
        if !group.findings(text).iter().all(is_accepted) {
            hits.list.extend(group.list);
        }
    }
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
fn without_copies(mut text: String, hits: &Hits) -> String {
    for (secret, _) in distinctive(hits) {
        let copies: Vec<usize> = copies(&text, secret).collect();
        for copy in copies.into_iter().rev() {
            text.replace_range(copy..copy + secret.len(), REDACTED);
        }
    }
    text
}

/// Where the secret stands in the text, on its own and not within a longer word.
fn copies<'t>(text: &'t str, secret: &'t str) -> impl Iterator<Item = usize> + 't {
    let is_part = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    text.match_indices(secret).map(|(at, _)| at).filter(move |at| {
        !is_part(text[..*at].chars().next_back()) && !is_part(text[at + secret.len()..].chars().next())
    })
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
    drop_accepted(result, &mut left, is_accepted);
    match left.findings(result).into_iter().next() {
        Some(finding) => Err(NotRedacted::Left(finding)),
        None => Ok(()),
    }
}

fn check_texts(text: &str, result: &str, hits: &Hits) -> Result<(), NotRedacted> {
    let Some((_, hit)) = distinctive(hits).find(|(secret, _)| copies(result, secret).next().is_some()) else {
        return Ok(());
    };
    let list = vec![hit.clone()];
    let finding = Hits { list, is_full: false }
        .findings(text)
        .pop()
        .expect("a hit is a finding");
    Err(NotRedacted::LeftElsewhere(finding))
}
