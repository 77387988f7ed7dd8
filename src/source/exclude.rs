//! Which paths the operator leaves out: patterns close to those of `.gitignore`, without negation.

use globset::Candidate;
use globset::GlobBuilder;
use globset::GlobSet;
use globset::GlobSetBuilder;

use crate::base::fault::Fault;
use crate::base::fault::Kind;

/// A pattern that excludes nothing or means something else than it says.
#[derive(Debug, thiserror::Error)]
pub enum BadPattern {
    /// It can never match.
    #[error("the exclude pattern {pattern:?} can match nothing: {reason}")]
    Never {
        /// The pattern.
        pattern: String,
        /// Why it matches nothing.
        reason: &'static str,
    },
    /// It begins with `!`, which takes back an exclusion elsewhere.
    #[error("the exclude pattern {0:?} begins with '!'")]
    Negation(String),
    /// It is not a glob.
    #[error("the exclude pattern {pattern:?} is not a glob")]
    NotAGlob {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
}

impl Fault for BadPattern {
    fn kind(&self) -> Kind {
        match self {
            Self::Never { .. } | Self::Negation(_) | Self::NotAGlob { .. } => Kind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Never { .. } | Self::NotAGlob { .. } => {
                Some("Write patterns such as '*.log' (a name, anywhere) or '/var/cache/' (a folder below the root).".into())
            }
            Self::Negation(_) => Some(
                "An exclusion cannot be taken back: name what to leave out. Write '\\!' for a name that begins with '!'."
                    .into(),
            ),
        }
    }
}

/// The patterns, compiled.
///
/// - A pattern without `/`, but for one at its end, is a **name**: it matches at every depth.
/// - A pattern with `/` at its beginning or middle is a **path** from the root of the source.
/// - A `/` at the end matches folders alone.
/// - `*`, `?` and `[…]` never match `/`; `**` between slashes matches any number of folders; `{a,b}` either;
///   `\` takes the next character as it is. A leading dot is nothing special.
/// - An excluded folder is left out with all that is in it, and nothing takes that back.
/// - The root itself is never excluded.
#[derive(Debug)]
pub(super) struct Excludes {
    any: Sets,
    folders: Sets,
}

/// Patterns that apply to the same kind of thing.
#[derive(Debug)]
struct Sets {
    names: GlobSet,
    paths: GlobSet,
}

impl Sets {
    fn matches(&self, name: &[u8], path: &[u8]) -> bool {
        (!self.names.is_empty() && self.names.is_match_candidate(&Candidate::from_bytes(name)))
            || (!self.paths.is_empty() && self.paths.is_match_candidate(&Candidate::from_bytes(path)))
    }
}

impl Excludes {
    pub(super) fn new(patterns: &[String]) -> Result<Self, BadPattern> {
        let mut any = [GlobSetBuilder::new(), GlobSetBuilder::new()];
        let mut folders = [GlobSetBuilder::new(), GlobSetBuilder::new()];
        for pattern in patterns {
            let plain = pattern.strip_suffix('/');
            let sets = if plain.is_some() { &mut folders } else { &mut any };
            let rest = plain.unwrap_or(pattern);
            check(pattern, rest)?;
            let glob = GlobBuilder::new(rest.strip_prefix('/').unwrap_or(rest))
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|source| not_a_glob(pattern, source))?;
            let _: &mut GlobSetBuilder = sets[usize::from(rest.contains('/'))].add(glob);
        }
        Ok(Self {
            any: build(&any)?,
            folders: build(&folders)?,
        })
    }

    /// Whether the operator leaves out `path`, relative to the root, whose last component is `name`.
    pub(super) fn matches(&self, name: &[u8], path: &[u8], is_folder: bool) -> bool {
        self.any.matches(name, path) || (is_folder && self.folders.matches(name, path))
    }
}

fn build([names, paths]: &[GlobSetBuilder; 2]) -> Result<Sets, BadPattern> {
    let build = |set: &GlobSetBuilder| {
        set.build()
            .map_err(|source| not_a_glob("all patterns together", source))
    };
    Ok(Sets {
        names: build(names)?,
        paths: build(paths)?,
    })
}

fn not_a_glob(pattern: &str, source: globset::Error) -> BadPattern {
    BadPattern::NotAGlob {
        pattern: pattern.to_owned(),
        source,
    }
}

/// `rest` is `pattern` without the slash at its end.
fn check(pattern: &str, rest: &str) -> Result<(), BadPattern> {
    if pattern.starts_with('!') {
        return Err(BadPattern::Negation(pattern.to_owned()));
    }
    let relative = rest.strip_prefix('/').unwrap_or(rest);
    let reason = if relative.is_empty() {
        "it names nothing below the root"
    } else if relative.split('/').any(str::is_empty) {
        "it has an empty component"
    } else if relative
        .split('/')
        .any(|component| component == "." || component == "..")
    {
        "it has a component '.' or '..'"
    } else {
        return Ok(());
    };
    Err(BadPattern::Never {
        pattern: pattern.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(pattern: &str, path: &str) -> bool {
        let folder = path.strip_suffix('/');
        let path = folder.unwrap_or(path);
        let name = path.rsplit('/').next().unwrap_or(path);
        let excludes = Excludes::new(&[pattern.to_owned()]).expect("a good pattern");
        excludes.matches(name.as_bytes(), path.as_bytes(), folder.is_some())
    }

    #[test]
    fn names_match_at_every_depth_and_paths_from_the_root() {
        for (pattern, path, expected) in [
            ("*.log", "a.log", true),
            ("*.log", "x/y/a.log", true),
            ("*.log", "a.log.1", false),
            ("cache", "x/cache", true),
            ("cache/", "x/cache/", true),
            ("cache/", "x/cache", false),
            ("/cache", "cache", true),
            ("/cache", "x/cache", false),
            ("x/cache", "x/cache", true),
            ("x/cache", "y/x/cache", false),
            ("x/*", "x/a", true),
            ("x/*", "x/a/b", false),
            ("x/**/b", "x/b", true),
            ("x/**/b", "x/1/2/b", true),
            ("**/b/c", "1/b/c", true),
            ("*.{o,a}", "lib.a", true),
            ("*", ".hidden", true),
            ("\\!a", "!a", true),
            ("\\*", "b", false),
        ] {
            assert_eq!(excluded(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn names_need_not_be_utf8() {
        let excludes = Excludes::new(&["*.tmp".to_owned()]).expect("a good pattern");
        assert!(excludes.matches(b"\xff\xfe.tmp", b"a/\xff\xfe.tmp", false));
    }

    #[test]
    fn what_cannot_match_is_refused() {
        for pattern in ["", "/", "//", "a//b", "./a", "../a", "a/..", "!a", "[a", "a/"] {
            let result = Excludes::new(&[pattern.to_owned()]);
            assert_eq!(result.is_ok(), pattern == "a/", "{pattern:?}");
        }
    }
}
