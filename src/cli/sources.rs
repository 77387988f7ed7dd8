//! The sources of a bundle, in the words of every command that names them.

use serde::Serialize;

/// A source, as JSON.
#[derive(Serialize)]
pub struct SourceReport {
    /// Its label.
    pub label: String,
    /// Its kind.
    pub kind: String,
}

impl SourceReport {
    /// Sources for people.
    #[must_use]
    pub fn list(sources: &[Self]) -> String {
        let shown = sources
            .iter()
            .map(|source| format!("{} ({})", source.label, source.kind));
        shown.collect::<Vec<_>>().join(", ")
    }
}
