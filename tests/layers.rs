//! The order of the source: imports go down only, stages do not know each other, and every file says what it is for.
//!
//! Unit tests may import what they like; they are left out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Every module of the crate with its level.
const LEVELS: [(&str, u8); 19] = [
    ("base", 1),
    ("bundle", 2),
    ("keyring", 2),
    ("server", 2),
    ("source", 3),
    ("pack", 3),
    ("compress", 3),
    ("encrypt", 3),
    ("seal", 3),
    ("envelope", 3),
    ("store", 3),
    ("sink", 3),
    ("policy", 3),
    ("catalog", 3),
    ("audit", 3),
    ("flow", 4),
    ("config", 4),
    ("job", 5),
    ("cli", 6),
];

/// Imports within one level, each with its reason.
const SAME_LEVEL: [(&str, &str, &str); 3] = [
    (
        "keyring",
        "bundle",
        "facts about a key are what a manifest tells, and roles are the manifest's",
    ),
    (
        "catalog",
        "store",
        "chains and checkpoints are objects behind the trait of stores",
    ),
    ("audit", "store", "audit records are objects behind the trait of stores"),
];

/// A source file without its unit tests and comments.
struct Source {
    path: PathBuf,
    /// The top-level module that it belongs to; `lib` and `main` stand for themselves.
    module: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files_below(&root(), &mut found);
    found.sort();
    assert!(found.len() > 100, "the walk finds the files");
    found
}

fn is_test(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

/// What counts of a file: no comments, nothing from its `mod tests` on.
fn stripped(text: &str) -> String {
    let production = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .expect("one part at least");
    let lines = production.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

fn sources() -> Vec<Source> {
    let source = |path: PathBuf| {
        let text = stripped(&fs::read_to_string(&path).expect("source is UTF-8"));
        let relative = path.strip_prefix(root()).expect("below src").to_owned();
        let first = relative
            .components()
            .next()
            .expect("a file")
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        Source {
            path: relative,
            module,
            text,
        }
    };
    files().into_iter().filter(|path| !is_test(path)).map(source).collect()
}

/// The word after every `prefix` in `text`.
fn words_after<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(prefix).filter_map(move |(at, _)| {
        let before = text[..at].chars().next_back();
        let whole = before.is_none_or(|sign| !sign.is_alphanumeric() && sign != '_' && sign != ':');
        let rest = &text[at + prefix.len()..];
        let end = rest
            .find(|sign: char| !sign.is_alphanumeric() && sign != '_')
            .unwrap_or(rest.len());
        whole.then_some(&rest[..end])
    })
}

fn level(module: &str) -> Option<u8> {
    LEVELS.iter().find(|(name, _)| *name == module).map(|(_, level)| *level)
}

/// Which module imports which.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let imported = words_after(&source.text, "crate::").map(str::to_owned);
        edges
            .entry(source.module.clone())
            .or_default()
            .extend(imported.filter(|name| *name != source.module));
    }
    edges
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "\n  {}", found.join("\n  "));
}

#[test]
fn every_module_has_a_level_and_every_level_a_module() {
    let present: BTreeSet<String> = sources().into_iter().map(|source| source.module).collect();
    let known: BTreeSet<String> = LEVELS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let other: BTreeSet<String> = ["lib", "main"].map(str::to_owned).into();
    assert_eq!(present, &known | &other);
}

#[test]
fn imports_go_down() {
    let mut wrong = Vec::new();
    for (module, imported) in edges() {
        let Some(own) = level(&module) else { continue };
        for name in imported {
            let excepted = SAME_LEVEL.iter().any(|(from, to, _)| *from == module && *to == name);
            match level(&name) {
                Some(other) if other < own || excepted => {}
                Some(other) => wrong.push(format!("{module} (level {own}) imports {name} (level {other})")),
                None => wrong.push(format!("{module} imports {name}, which is no module of the table")),
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_exception_is_used() {
    let edges = edges();
    for (from, to, reason) in SAME_LEVEL {
        assert!(edges[from].contains(to), "{from} no longer imports {to}: {reason}");
    }
}

#[test]
fn nothing_is_imported_from_the_root_of_the_crate() {
    let mut wrong = Vec::new();
    for source in sources() {
        for prefix in ["crate::", "hub_backup::"] {
            let names = words_after(&source.text, prefix).filter(|name| !name.starts_with(char::is_lowercase));
            wrong.extend(names.map(|name| format!("{}: {prefix}{name}", source.path.display())));
        }
        // In the file of a top-level module, `super` is the root.
        let depth = source.path.components().count();
        let is_top = depth == 1 || (depth == 2 && source.path.ends_with("mod.rs"));
        let above = source
            .text
            .lines()
            .any(|line| line.starts_with("use super::") || line.starts_with("pub use super::"));
        if is_top && above {
            wrong.push(format!("{}: use super::", source.path.display()));
        }
    }
    none(&wrong);
}

/// The names that stand for the files beside each other in a folder of a module, and which of them imports which.
fn sibling_edges(folder: &Path, sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let path = format!("crate::{}::", folder.to_string_lossy().replace('/', "::"));
    let within = |source: &&Source| source.path.starts_with(folder) && source.path != folder.join("mod.rs");
    let name = |source: &Source| {
        let below = source.path.strip_prefix(folder).expect("within");
        let first = below
            .components()
            .next()
            .expect("a file")
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        first.trim_end_matches(".rs").to_owned()
    };
    let names: BTreeSet<String> = sources.iter().filter(within).map(name).collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(within) {
        let own = name(source);
        let mut imported: BTreeSet<&str> = words_after(&source.text, &path).collect();
        let is_beside = source.path.parent() == Some(folder);
        let is_head = source.path == folder.join(&own).join("mod.rs");
        if is_beside || is_head {
            imported.extend(words_after(&source.text, "super::"));
        }
        let siblings = imported
            .into_iter()
            .filter(|other| names.contains(*other) && *other != own);
        edges
            .entry(own.clone())
            .or_default()
            .extend(siblings.map(str::to_owned));
    }
    edges
}

/// A circle in the graph, if there is one.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        node: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(at) = way.iter().position(|seen| seen == node) {
            return Some(way[at..].to_vec());
        }
        if done.contains(node) {
            return None;
        }
        way.push(node.to_owned());
        let found = edges
            .get(node)
            .into_iter()
            .flatten()
            .find_map(|next| visit(next, edges, way, done));
        way.pop();
        done.insert(node.to_owned());
        found
    }
    let mut done = BTreeSet::new();
    edges
        .keys()
        .find_map(|node| visit(node, edges, &mut Vec::new(), &mut done))
}

#[test]
fn no_circle() {
    let sources = sources();
    let mut wrong = Vec::new();
    wrong.extend(circle(&edges()).map(|way| way.join(" → ")));
    let mut folders: BTreeSet<PathBuf> = sources
        .iter()
        .filter_map(|source| source.path.parent())
        .map(Path::to_owned)
        .collect();
    folders.remove(Path::new(""));
    for folder in folders {
        let found = circle(&sibling_edges(&folder, &sources));
        wrong.extend(found.map(|way| format!("{}: {}", folder.display(), way.join(" → "))));
    }
    none(&wrong);
}

#[test]
fn circles_are_found() {
    let graph = |pairs: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            edges.entry((*from).into()).or_default().insert((*to).into());
        }
        edges
    };
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(
        circle(&graph(&[("x", "a"), ("a", "b"), ("b", "a")])),
        Some(vec!["a".into(), "b".into()])
    );
    let found: Vec<&str> = words_after("use crate::store::Store; xcrate::no::a hub::crate::no", "crate::").collect();
    assert_eq!(found, ["store"]);
}

#[test]
fn every_file_says_what_it_is_for() {
    let says = |path: &PathBuf| fs::read_to_string(path).expect("source is UTF-8").starts_with("//! ");
    let silent = files().into_iter().filter(|path| !says(path));
    none(&silent.map(|path| path.display().to_string()).collect::<Vec<_>>());
}
