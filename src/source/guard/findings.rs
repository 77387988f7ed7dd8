//! Hits as findings: one for each line and secret, named by what says most.

use super::Finding;
use super::hits::Hit;
use super::hits::Hits;
use super::rules;

impl Hits {
    /// The findings of all groups.
    pub(super) fn findings(&self, text: &str) -> Vec<Finding> {
        let lines = LineStarts::of(text);
        self.groups()
            .iter()
            .flat_map(|group| findings_of(group, &lines))
            .collect()
    }

    /// Takes out the groups whose findings are all accepted.
    pub(super) fn drop_accepted(&mut self, text: &str, is_accepted: &dyn Fn(&Finding) -> bool) {
        let lines = LineStarts::of(text);
        let is_left = |group: &Vec<&Hit>| !findings_of(group, &lines).iter().all(is_accepted);
        let left = self.groups().into_iter().filter(is_left).flatten().cloned().collect();
        self.list = left;
    }
}

/// One finding for each line of a group: known by its form rather than by its key, where both are so.
fn findings_of(group: &[&Hit], lines: &LineStarts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for hit in group.iter().filter(|hit| !is_explained(hit, group)) {
        let line = lines.line_of(hit.at.start);
        match findings.iter_mut().find(|known| known.line == line) {
            Some(known) => merge(known, hit),
            None => findings.push(Finding {
                line,
                key: hit.key.clone().map(without_tokens),
                rule: hit.rule,
            }),
        }
    }
    findings
}

/// Whether something of a known form within the value says better what it is than its key.
fn is_explained(hit: &Hit, group: &[&Hit]) -> bool {
    let is_within = |other: &Hit| other.at != hit.at && other.at.start >= hit.at.start && other.at.end <= hit.at.end;
    let says_more = |other: &Hit| other.key.is_some() && !other.rule.is_by_key();
    hit.rule.is_by_key() && group.iter().any(|other| says_more(other) && is_within(other))
}

/// Two hits on the same secret: the form says more than the key, and the longer path more than the shorter.
fn merge(known: &mut Finding, hit: &Hit) {
    if known.rule.is_by_key() {
        known.rule = hit.rule;
    }
    let key = hit.key.clone().map(without_tokens);
    if key.as_ref().map(String::len) > known.key.as_ref().map(String::len) {
        known.key = key;
    }
}

/// A key can be a secret, too: `tokens.<token> = "who"`.
fn without_tokens(key: String) -> String {
    let mut hits = Hits::default();
    rules::find_in(&key, &mut hits);
    hits.list
        .iter()
        .fold(key, |key, hit| key.replace(hit.secret.expose(), super::REDACTED))
}

/// Where the lines of a text begin.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(breaks.map(|(offset, _)| offset + 1).collect())
    }

    fn line_of(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset) + 1
    }
}
