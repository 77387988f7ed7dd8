//! Which entries of a bundle are wanted.

use globset::GlobBuilder;
use globset::GlobMatcher;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;
use crate::bundle::path::RawBytes;

/// Everything, or what fits one of some patterns.
///
/// A pattern is a path (`hub/uploads`), which selects the entry and everything under it, or a glob (`hub/*.json`, `**/*.sql`)
/// over whole paths; `*` does not cross a `/`, `**` does.
#[derive(Debug)]
pub struct Selection {
    /// One path and nothing under it, and whether it was found.
    exact: Option<(RawBytes, bool)>,
    /// None selects everything, when there is no `exact`.
    patterns: Option<Vec<Pattern>>,
    /// Wanted beside them, found or not.
    also: Vec<RawBytes>,
    /// The labels of the bundle, for whoever asked for something else.
    labels: Vec<Label>,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    /// As `ls` shows it.
    shown: Option<RawBytes>,
    matcher: Option<GlobMatcher>,
    /// When there are any, the pattern stands for these alone.
    paths: Vec<RawBytes>,
    found: bool,
}

/// Why a selection cannot be made, or found nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pattern is not a glob.
    #[error("{pattern:?} is not a pattern")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// An empty pattern, as an unset variable of a script gives.
    #[error("an empty pattern selects nothing")]
    Empty,
    /// A pattern fits no entry.
    #[error("nothing in the bundle fits {pattern:?}")]
    Nothing {
        /// The pattern.
        pattern: String,
        /// What the sources in the bundle are called, where it is known.
        labels: Vec<Label>,
    },
    /// Tables are wanted, and no pattern names one.
    #[error("no pattern names a table of source {label}; it has {known}")]
    NoTable {
        /// The source.
        label: Label,
        /// Some of its tables.
        known: String,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Pattern { .. } | Self::Empty => Kind::Usage,
            Self::Nothing { .. } | Self::NoTable { .. } => Kind::NotFound,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Pattern { .. } | Self::Empty => {
                Some("Write a path as `hub-backup ls` prints it, or a glob such as 'hub/**/*.json'.".into())
            }
            Self::NoTable { .. } => Some("Write SCHEMA.TABLE or TABLE; `*` in a name stands for anything.".into()),
            Self::Nothing { labels, .. } if labels.is_empty() => {
                Some("`hub-backup ls` prints the paths in a bundle.".into())
            }
            Self::Nothing { labels, .. } => {
                let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
                Some(format!(
                    "Paths begin with a label, and the bundle has {}; `hub-backup ls` prints the paths.",
                    labels.join(", ")
                ))
            }
        }
    }
}

impl Selection {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self {
            exact: None,
            patterns: None,
            also: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// What fits one of `patterns`; everything when there are none.
    ///
    /// # Errors
    /// `Pattern` for one that is not a glob, `Empty` for one that is nothing.
    pub fn new(patterns: &[String]) -> Result<Self, Error> {
        if patterns.is_empty() {
            return Ok(Self::all());
        }
        let patterns = patterns
            .iter()
            .map(|text| Pattern::new(text))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            exact: None,
            patterns: Some(patterns),
            also: Vec::new(),
            labels: Vec::new(),
        })
    }

    /// One path, as it is.
    #[must_use]
    pub fn exactly(path: RawBytes) -> Self {
        Self {
            exact: Some((path, false)),
            patterns: None,
            also: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Remembers what the sources of the bundle are called, so that whoever asks for what is not there is told.
    pub fn among(&mut self, labels: impl Iterator<Item = Label>) {
        self.labels = labels.collect();
    }

    /// What the sources are called, as far as it was told.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Gives patterns a meaning of their own: those for which `resolve` names paths stand for these paths alone.
    pub fn resolve(&mut self, mut resolve: impl FnMut(&str) -> Vec<RawBytes>) {
        for pattern in self.patterns.iter_mut().flatten() {
            pattern.paths.extend(resolve(&pattern.text));
        }
    }

    /// Wants `paths` too, where only some paths are wanted: what is chosen needs them. They need not be there.
    pub fn also(&mut self, paths: Vec<RawBytes>) {
        self.also.extend(paths);
    }

    /// The patterns as they were given; none when everything is wanted.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().flatten().map(|pattern| pattern.text.as_str())
    }

    /// Whether everything is wanted.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.exact.is_none() && self.patterns.is_none()
    }

    /// Whether an entry is wanted. Remembers which patterns have found something.
    pub fn wants(&mut self, path: &EntryPath) -> bool {
        if let Some((exact, found)) = &mut self.exact {
            let wanted = path.as_bytes() == exact.0;
            *found |= wanted;
            return wanted;
        }
        let Some(patterns) = &mut self.patterns else {
            return true;
        };
        let mut wanted = self.also.iter().any(|also| path.as_bytes() == also.0);
        for pattern in patterns {
            if pattern.fits(path) {
                pattern.found = true;
                wanted = true;
            }
        }
        wanted
    }

    /// Checks that every pattern has found something.
    ///
    /// # Errors
    /// `Nothing` for the first that has not.
    pub fn finish(&self) -> Result<(), Error> {
        let nothing = |pattern| Error::Nothing {
            pattern,
            labels: self.labels.clone(),
        };
        if let Some((exact, false)) = &self.exact {
            return Err(nothing(exact.to_string()));
        }
        match self.patterns.iter().flatten().find(|pattern| !pattern.found) {
            Some(pattern) => Err(nothing(pattern.text.clone())),
            None => Ok(()),
        }
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Self, Error> {
        let bad = |source| Error::Pattern {
            pattern: text.to_owned(),
            source,
        };
        let trimmed = text.trim_end_matches('/');
        if trimmed.is_empty() {
            return Err(Error::Empty);
        }
        let shown = RawBytes::from_shown(trimmed).filter(|raw| raw.0 != trimmed.as_bytes());
        let glob = GlobBuilder::new(trimmed)
            .literal_separator(true)
            .backslash_escape(true)
            .build();
        let matcher = match glob {
            Ok(glob) => Some(glob.compile_matcher()),
            // A name with escapes is no slip in a glob.
            Err(_) if shown.is_some() => None,
            Err(error) => return Err(bad(error)),
        };
        Ok(Self {
            text: text.to_owned(),
            shown,
            matcher,
            paths: Vec::new(),
            found: false,
        })
    }

    /// The path itself, literally or by the glob, or one of the folders that it is in.
    fn fits(&self, path: &EntryPath) -> bool {
        if !self.paths.is_empty() {
            return self.paths.iter().any(|own| path.as_bytes() == own.0);
        }
        let literal = std::path::Path::new(self.text.trim_end_matches('/'));
        let shown = self.shown.as_ref().map(|raw| std::path::Path::new(raw.as_os_str()));
        path.as_path().ancestors().any(|ancestor| {
            ancestor == literal
                || Some(ancestor) == shown
                || self.matcher.as_ref().is_some_and(|glob| glob.is_match(ancestor))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(patterns: &[&str], path: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let path = EntryPath::try_from(RawBytes(path.into())).expect("a path");
        Selection::new(&patterns).expect("patterns").wants(&path)
    }

    #[test]
    fn paths_and_globs() {
        assert!(wanted(&[], "hub/a"));
        assert!(wanted(&["hub"], "hub/a/b"));
        assert!(wanted(&["hub/a/"], "hub/a/b"));
        assert!(!wanted(&["hub/a"], "hub/ab"));
        assert!(wanted(&["hub/*.json"], "hub/a.json"));
        assert!(!wanted(&["hub/*.json"], "hub/x/a.json"));
        assert!(wanted(&["**/*.json"], "hub/x/a.json"));
        assert!(
            wanted(&["hub/[x]"], "hub/[x]/a"),
            "a name that looks like a glob can be given as it is"
        );
        assert!(
            wanted(&[r"hub/\x1b[31m\n"], "hub/\x1b[31m\n/a"),
            "a name can be given as it is shown"
        );
    }

    #[test]
    fn an_empty_pattern_is_not_everything() {
        for text in ["", "/"] {
            let refused = Selection::new(&[text.to_owned()]);
            assert!(matches!(refused, Err(Error::Empty)), "{text:?}: {refused:?}");
        }
    }

    #[test]
    fn a_pattern_can_stand_for_other_paths_and_need_more() {
        let mut selection = Selection::new(&["s.t".to_owned()]).expect("a pattern");
        selection.resolve(|text| {
            assert_eq!(text, "s.t");
            vec![RawBytes(b"db/data/1".to_vec())]
        });
        selection.also(vec![RawBytes(b"db/plan.json".to_vec())]);
        let mut wants = |path: &str| selection.wants(&EntryPath::try_from(RawBytes(path.into())).expect("a path"));
        assert!(wants("db/data/1") && wants("db/plan.json"));
        assert!(!wants("db/data/2") && !wants("s.t"));
        assert!(selection.finish().is_ok());
    }

    #[test]
    fn a_pattern_that_finds_nothing_is_an_error() {
        let mut selection = Selection::new(&["nowhere".to_owned()]).expect("a pattern");
        selection.among(
            ["hub.db", "uploads"]
                .into_iter()
                .map(|label| label.parse().expect("a label")),
        );
        let error = selection.finish().expect_err("it finds nothing");
        assert!(
            matches!(&error, Error::Nothing { pattern, .. } if pattern == "nowhere"),
            "{error}"
        );
        let hint = error.hint().expect("a next step");
        assert!(hint.contains("the bundle has hub.db, uploads;"), "{hint}");
    }
}
