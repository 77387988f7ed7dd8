//! What a bundle says about itself that its reader must know: what is missing or may be inconsistent, what was taken out, what was
//! left out. Gathered on both roads from the records of the index, as many as people read.

use crate::base::limits;
use crate::bundle::index::Exception;
use crate::bundle::index::Facts;
use crate::bundle::index::Record;
use crate::bundle::name::Label;

/// Facts of sources that say that something is not there, or not as it was; their names are in `docs/format.md`.
const TOLD: [&str; 10] = [
    "redacted",
    "accepted",
    "excluded",
    "mount_points_left_out",
    "without_history",
    "foreign_tables_without_rows",
    "tables_without_rows",
    "pg_dump_warnings",
    "properties_left_out",
    "globals_left_out",
];

/// One line of a fact of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The source.
    pub label: Label,
    /// The name of the fact: `redacted`, `excluded`.
    pub fact: String,
    /// Its text, one line: for `redacted` the file, the line and the rule.
    pub text: String,
}

/// What a bundle says about what is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// What is missing or may be inconsistent.
    pub exceptions: Vec<Exception>,
    /// What was taken out or left out by order.
    pub notes: Vec<Note>,
    /// How many more there are of either than are kept.
    pub more: u64,
}

impl Remarks {
    /// Keeps what a record tells, if it tells anything.
    pub fn see(&mut self, record: &Record) {
        match record {
            Record::Exception(exception) => self.except(exception.clone()),
            Record::Facts(facts) => self.learn(facts),
            Record::Begin(_)
            | Record::Source(_)
            | Record::Entry(_)
            | Record::Part(_)
            | Record::Stream(_)
            | Record::End(_) => {}
        }
    }

    fn except(&mut self, exception: Exception) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.exceptions.push(exception);
        }
    }

    fn learn(&mut self, facts: &Facts) {
        for (fact, text) in facts.facts.iter().filter(|(fact, _)| TOLD.contains(&fact.as_str())) {
            for line in text.lines() {
                if self.is_full() {
                    self.more += 1;
                    continue;
                }
                self.notes.push(Note {
                    label: facts.label.clone(),
                    fact: fact.clone(),
                    text: line.to_owned(),
                });
            }
        }
    }

    fn is_full(&self) -> bool {
        self.exceptions.len() + self.notes.len() >= limits::REMARKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bundle::path::EntryPath;

    #[test]
    fn so_many_are_kept_and_the_rest_is_counted() {
        let label: Label = "conf".parse().expect("a label");
        let mut remarks = Remarks::default();
        let text = "a.env:1: KEY (named)\nb.env:2: (token)".to_owned();
        let facts = BTreeMap::from([("redacted".to_owned(), text), ("files".to_owned(), "2".to_owned())]);
        remarks.see(&Record::Facts(Facts {
            label: label.clone(),
            facts,
        }));
        let shown: Vec<&str> = remarks.notes.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(shown, ["a.env:1: KEY (named)", "b.env:2: (token)"]);
        for _ in 0..limits::REMARKS_MAX {
            remarks.see(&Record::Exception(Exception {
                path: EntryPath::of_label(&label),
                reason: "a socket, not stored".into(),
            }));
        }
        assert_eq!(remarks.exceptions.len(), limits::REMARKS_MAX - 2);
        assert_eq!(remarks.more, 2);
    }
}
