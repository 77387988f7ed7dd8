//! What a dump of a database server says about itself, read out of a bundle before anything of it is restored, and which of its tables
//! a pattern names.

use globset::Glob;
use globset::GlobMatcher;
use serde::de::DeserializeOwned;

use crate::base::cancel::Cancel;
use crate::bundle::name::Label;
use crate::bundle::path::RawBytes;
use crate::flow::contents::Opened;
use crate::policy::selection::Selection;

use super::contents;
use super::error::Error;

/// A member of a source.
pub(super) fn below(label: &Label, name: &str) -> RawBytes {
    RawBytes(format!("{label}/{name}").into_bytes())
}

/// What a dump says it holds: its member `name`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read_plan<Plan: DeserializeOwned>(
    opened: &Opened<'_>,
    label: &Label,
    name: &str,
    cancel: &Cancel,
) -> Result<Plan, Error> {
    let mut bytes = Vec::new();
    let _restored = contents::pour(opened, below(label, name), &mut bytes, cancel)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Unfit {
        what: format!("{name} of source {label} cannot be read: {error}"),
        hint: "Use the version of hub-backup that made the bundle.".to_owned(),
    })
}

/// A table of a dump: its schema or database, its name, and the members with its rows.
pub(super) type Named<'p> = (&'p str, &'p str, &'p [String]);

/// Lets patterns of `selection` name tables of a dump, as [`TablePattern`] says. `plan` is the member that wants a table without rows, which has no other.
/// Gives the tables that are chosen, or nothing where the source is wanted as a whole.
pub(super) fn choose<'p>(
    selection: &mut Selection,
    label: &Label,
    plan: &str,
    tables: &[Named<'p>],
) -> Option<Vec<(&'p str, &'p str)>> {
    let (mut chosen, mut is_whole) = (Vec::new(), false);
    let labels = selection.labels().to_vec();
    selection.resolve(|text| {
        let pattern = TablePattern::new(text, label, &labels);
        let mut paths = Vec::new();
        for (schema, table, streams) in tables.iter().filter(|(schema, table, _)| pattern.fits(schema, table)) {
            paths.extend(streams.iter().map(|stream| below(label, stream)));
            paths.push(below(label, plan));
            chosen.push((*schema, *table));
        }
        is_whole |= pattern.is_label();
        if pattern.is_label() { Vec::new() } else { paths }
    });
    (!is_whole).then_some(chosen)
}

/// What a pattern of `--only` names in a dump: `SCHEMA.TABLE`, or `TABLE` in every schema, where no source is called so; with the label in front or
/// without; a name may hold `*`. The label alone names every table.
struct TablePattern {
    name: String,
    glob: Option<GlobMatcher>,
    is_label: bool,
    is_bare: bool,
}

impl TablePattern {
    fn new(pattern: &str, label: &Label, labels: &[Label]) -> Self {
        let pattern = pattern.trim_end_matches('/');
        let own = pattern
            .strip_prefix(label.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        let name = own.map_or(pattern, |name| name.strip_prefix("data/").unwrap_or(name));
        let glob = Glob::new(name).ok().map(|glob| glob.compile_matcher());
        let means = |label: &Label| {
            own.is_none() && (label.as_str() == name || glob.as_ref().is_some_and(|glob| glob.is_match(label.as_str())))
        };
        Self {
            is_label: means(label) || matches!(own, Some("*" | "**")),
            is_bare: !labels.iter().any(means) && !name.contains(['.', '/']),
            name: name.to_owned(),
            glob,
        }
    }

    /// Whether the pattern stands for the source as a whole, and so for what is no table too.
    fn is_label(&self) -> bool {
        self.is_label
    }

    /// Whether it names this table.
    fn fits(&self, schema: &str, table: &str) -> bool {
        let full = format!("{schema}.{table}");
        let named = if self.is_bare { table } else { full.as_str() };
        let by_glob = || self.glob.as_ref().is_some_and(|glob| glob.is_match(named));
        self.is_label
            || full == self.name
            || named == self.name
            || ((self.is_bare || self.name.contains('.')) && by_glob())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_tables() {
        let labels: Vec<Label> = ["db", "uploads"].map(|label| label.parse().expect("a label")).to_vec();
        let fits = |pattern: &str, schema: &str, table: &str| {
            TablePattern::new(pattern, &labels[0], &labels).fits(schema, table)
        };
        for pattern in [
            "s.My t",
            "db/s.My t",
            "db/data/s.My t",
            "My t",
            "db/My t",
            "s.*",
            "My*",
            "db",
            "db/",
            "*",
        ] {
            assert!(fits(pattern, "s", "My t"), "{pattern}");
        }
        for pattern in [
            "t",
            "s",
            "s.My",
            "other.My t",
            "db/other",
            "other/s.My t",
            "My",
            "data/My t",
            "data/*",
            "data/s.*",
        ] {
            assert!(!fits(pattern, "s", "My t"), "{pattern}");
        }
        assert!(!fits("uploads", "s", "uploads"), "another source is meant");
        assert!(fits("db/uploads", "s", "uploads") && fits("s.uploads", "s", "uploads"));
        assert!(
            fits("s.a.b", "s", "a.b") && !fits("a.b", "s", "a.b"),
            "a full stop parts schema and name"
        );
        let is_label = |pattern: &str| TablePattern::new(pattern, &labels[0], &labels).is_label();
        assert!(["db", "db/", "*", "db/*", "db/**"].into_iter().all(is_label));
        assert!(!["My t", "db/My*", "data/*", "uploads", "s.*"].into_iter().any(is_label));
    }
}
