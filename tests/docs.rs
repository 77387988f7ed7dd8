//! The documentation: links lead somewhere, commands parse, settings are settings, tests that are named exist, and nothing
//! speaks of the place where it was written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use clap::Parser as _;
use clap::error::ErrorKind;
use hub_backup::base::limits;
use hub_backup::bundle::outer;
use hub_backup::cli::Cli;
use hub_backup::config::environment::Environment;
use hub_backup::config::layer::Layer;
use hub_backup::config::resolve;
use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` with one of these endings, as paths from the root of the project.
fn files(folder: &str, endings: &[&str], found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(root().join(folder)) else {
        return;
    };
    for entry in entries {
        let entry = entry.expect("the project can be read");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = Path::new(folder).join(&name);
        let kind = entry.file_type().expect("the project can be read");
        if kind.is_dir() && !["node_modules", "target"].contains(&name.as_str()) {
            files(&path.to_string_lossy(), endings, found);
        } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            found.insert(path);
        }
    }
}

/// Every page, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root()).expect("the project can be read") {
        let name = entry.expect("the project can be read").file_name();
        if Path::new(&name).extension().is_some_and(|ending| ending == "md") {
            found.insert(PathBuf::from(name));
        }
    }
    for folder in ["docs", "keys"] {
        files(folder, &[".md"], &mut found);
    }
    // Among the test data are pages that are data themselves.
    for folder in ["testdata", "tests"] {
        files(folder, &["README.md"], &mut found);
    }
    assert!(found.len() > 10, "the walk finds the pages");
    found.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "\n  {}", found.join("\n  "));
}

/// A fenced block: the word after the fence, and its lines.
struct Block {
    language: String,
    text: String,
}

/// The fenced blocks of a page, and the page without them.
fn blocks(page: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(word), None) => {
                open = Some(Block {
                    language: word.trim().to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {
                prose += line;
                prose.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block without end");
    (blocks, prose)
}

fn regex(form: &str) -> Regex {
    Regex::new(form).expect("a right form")
}

/// The code in the text, between single backticks.
fn spans(prose: &str) -> Vec<String> {
    regex("`([^`\n]+)`")
        .captures_iter(prose)
        .map(|found| found[1].to_owned())
        .collect()
}

/// The anchor of a heading, as the usual renderers make it.
fn anchor(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = plain
        .chars()
        .filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
    kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{} leads out of the project", path.display()),
            Component::Normal(name) => plain.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    plain
}

/// Links within the project: the target file, and the anchor in it.
fn links(page: &Path, prose: &str) -> Vec<(PathBuf, Option<String>)> {
    let mut links = Vec::new();
    for found in regex(r"\]\(([^)\s]+)\)").captures_iter(prose) {
        let target = &found[1];
        if target.contains("://") {
            continue;
        }
        let (file, anchor) = target
            .split_once('#')
            .map_or((target, None), |(file, anchor)| (file, Some(anchor)));
        let beside = page.parent().expect("a file").join(file);
        let file = if file.is_empty() {
            page.to_owned()
        } else {
            plain(&beside)
        };
        links.push((file, anchor.map(str::to_owned)));
    }
    links
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for (path, text) in pages() {
        let (_, prose) = blocks(&text);
        for (target, wanted) in links(&path, &prose) {
            if !root().join(&target).exists() {
                wrong.push(format!("{}: there is no {}", path.display(), target.display()));
            } else if let Some(wanted) = wanted {
                let (_, there) = blocks(&read(&target));
                if !there
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == wanted)
                {
                    wrong.push(format!(
                        "{}: {} has no heading {wanted}",
                        path.display(),
                        target.display()
                    ));
                }
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let mut reached = BTreeSet::from([PathBuf::from("README.md")]);
    let mut open = vec![PathBuf::from("README.md")];
    while let Some(page) = open.pop() {
        let (_, prose) = blocks(&read(&page));
        for (target, _) in links(&page, &prose) {
            let is_page = target.extension().is_some_and(|ending| ending == "md");
            if is_page && root().join(&target).exists() && reached.insert(target.clone()) {
                open.push(target);
            }
        }
    }
    let all = pages().into_iter().map(|(path, _)| path);
    let lost = all.filter(|path| !reached.contains(path));
    none(&lost.map(|path| path.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn paths_that_are_named_are_there() {
    let mut wrong = Vec::new();
    for (path, text) in pages() {
        let (_, prose) = blocks(&text);
        for span in spans(&prose) {
            let is_ours = ["src/", "tests/", "docs/", "testdata/", "keys/", ".ci/", ".cargo/"]
                .iter()
                .any(|folder| span.starts_with(folder));
            let is_plain = span
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
            // Made when first needed, and kept out of the repository.
            let is_made = ["testdata/bundles", "tests/fuzz"]
                .iter()
                .any(|made| span.starts_with(made));
            // The folders that `init` makes have such names too.
            let is_of_init = span.starts_with("keys/") && span != "keys/README.md";
            if is_ours && is_plain && !is_made && !is_of_init && !root().join(&span).exists() {
                wrong.push(format!("{}: there is no {span}", path.display()));
            }
        }
    }
    none(&wrong);
}

#[test]
fn no_line_numbers_of_source() {
    let place = regex(r"[\w/]\.(rs|toml|md|sh|js):\d+");
    let mut wrong = Vec::new();
    for (path, text) in pages() {
        wrong.extend(
            place
                .find_iter(&text)
                .map(|found| format!("{}: {}", path.display(), found.as_str())),
        );
    }
    none(&wrong);
}

/// Paths of a machine where the project was written. Spelled in pieces, so that this file is clean too.
fn places() -> Regex {
    regex(&[r"/wo", r"rk/|/ro", r"ot/\w"].concat())
}

/// Discussions elsewhere, homes of people, and what is not done yet: in a page for readers none of it has a place.
fn asides() -> Regex {
    regex(r"(?i)\b(issue|pull request|ticket) #?\d+|\b[\w.-]+/[\w.-]+#\d+|/home/[a-z]+/|\b(todo|fixme)\b")
}

#[test]
fn nothing_speaks_of_where_it_was_written() {
    let (places, asides) = (places(), asides());
    let mut code = BTreeSet::new();
    for folder in ["src", "tests", "testdata", ".ci"] {
        files(folder, &[".rs", ".sh", ".sql", ".toml", ".json", "run"], &mut code);
    }
    code.extend(["Cargo.toml", ".clippy.toml", ".gitignore"].map(PathBuf::from));
    let mut wrong = Vec::new();
    let mut look = |form: &Regex, path: &Path, text: &str| {
        let found = form.find_iter(text);
        wrong.extend(found.map(|found| format!("{}: {}", path.display(), found.as_str())));
    };
    for path in code {
        look(&places, &path, &read(&path));
    }
    for (path, text) in pages() {
        look(&places, &path, &text);
        look(&asides, &path, &text);
    }
    none(&wrong);
}

#[test]
fn foreign_text_is_found() {
    for text in ["see issue 12", "restic/restic#187", "/home/ann/x", "TODO"] {
        assert!(asides().is_match(text), "{text}");
    }
    assert!(places().is_match("/wo\u{72}k/main/x"));
    for text in [
        "RUSTSEC-2023-0071",
        "RFC 9580 section 13.8",
        "/srv/backup",
        "$HOME/x",
        "format.md#71-facts",
    ] {
        assert!(!asides().is_match(text) && !places().is_match(text), "{text}");
    }
}

#[test]
fn the_readme_begins_with_two_commands() {
    let (blocks, _) = blocks(&read(Path::new("README.md")));
    assert_eq!(blocks[0].text, "sh tests/tour.sh\nsh tests/run.sh\n");
}

/// The command lines of the program in a block, without what the shell does with them.
fn command_lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let start = regex(r"(?:^|[\s;|&=(/])hub-backup (?P<rest>[a-z-].*)$");
    let mut lines = Vec::new();
    for line in joined.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(found) = start.captures(line) {
            lines.push(without_shell(&found["rest"]));
        }
    }
    lines
}

/// Up to the first character outside quotes that ends a command.
fn without_shell(rest: &str) -> String {
    let mut quote = None;
    for (at, sign) in rest.char_indices() {
        match (quote, sign) {
            (None, '\'' | '"') => quote = Some(sign),
            (Some(open), _) if open == sign => quote = None,
            (None, '|' | '>' | ';' | '&' | ')' | '#') => return rest[..at].trim_end_matches('2').to_owned(),
            _ => {}
        }
    }
    rest.to_owned()
}

fn parse(rest: &str) -> Result<(), clap::Error> {
    let words = shlex::split(rest).unwrap_or_else(|| panic!("not a command line: {rest}"));
    Cli::try_parse_from(std::iter::once("hub-backup".to_owned()).chain(words)).map(drop)
}

#[test]
fn command_lines_parse() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (path, text) in pages() {
        let (blocks, prose) = blocks(&text);
        for line in blocks.iter().flat_map(|block| command_lines(&block.text)) {
            count += 1;
            if let Err(error) = parse(&line) {
                wrong.push(format!("{}: hub-backup {line}\n{error}", path.display()));
            }
        }
        // The format has labels that begin with the name of the program.
        let prose = if path.ends_with("format.md") { "" } else { &prose };
        // In running text a command may be named without its arguments, or as a form.
        let named = spans(prose)
            .into_iter()
            .filter_map(|span| span.strip_prefix("hub-backup ").map(str::to_owned));
        for line in named.filter(|line| !line.contains(['[', '<', '…']) && !line.starts_with("COMMAND")) {
            let unfinished = [
                ErrorKind::MissingRequiredArgument,
                ErrorKind::DisplayHelp,
                ErrorKind::DisplayVersion,
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                ErrorKind::MissingSubcommand,
            ];
            match parse(&line) {
                Err(error) if !unfinished.contains(&error.kind()) => {
                    wrong.push(format!("{}: `hub-backup {line}`\n{error}", path.display()));
                }
                _ => {}
            }
        }
    }
    none(&wrong);
    assert!(count > 60, "the walk finds command lines: {count}");
}

#[test]
fn command_lines_are_cut_where_the_shell_takes_over() {
    let text = "ExecStart=/usr/bin/hub-backup backup hub\nhub-backup list --json | jq .\nx && hub-backup ls a '*.p|f' \\\n  --json 2>/dev/null\n# hub-backup no";
    assert_eq!(
        command_lines(text),
        ["backup hub", "list --json ", "ls a '*.p|f'    --json "]
    );
    assert!(parse("no-such-command").is_err());
}

#[test]
fn settings_are_settings() {
    let mut count = 0;
    for (path, text) in pages() {
        let (blocks, _) = blocks(&text);
        for block in blocks.iter().filter(|block| block.language == "toml") {
            count += 1;
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("hub-backup.toml");
            hub_backup::base::durable::write_new(&file, block.text.as_bytes(), 0o600).expect("a new file");
            let settings = resolve::settings(Some(&file), Layer::default(), &Environment::default());
            assert!(settings.is_ok(), "{}: {settings:?}", path.display());
        }
    }
    assert!(count >= 2, "the walk finds settings: {count}");
}

/// Every function of the project's tests and code, and every file of tests.
fn functions() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    files("src", &[".rs"], &mut all);
    files("tests", &[".rs"], &mut all);
    let name = regex(r"\bfn ([a-z0-9_]+)");
    let texts = all.iter().map(|path| read(path));
    texts
        .flat_map(|text| {
            name.captures_iter(&text)
                .map(|found| found[1].to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn tests_that_are_named_exist() {
    let functions = functions();
    let name = regex(r"^[a-z0-9]+(_[a-z0-9]+){2,}$");
    let mut wrong = Vec::new();
    for page in ["docs/threat-model.md", "docs/testing.md"] {
        let (_, prose) = blocks(&read(Path::new(page)));
        let named = spans(&prose).into_iter().filter(|span| name.is_match(span));
        wrong.extend(
            named
                .filter(|span| !functions.contains(span))
                .map(|span| format!("{page}: there is no {span}")),
        );
    }
    none(&wrong);
}

#[test]
fn every_row_of_the_threat_model_names_a_test_or_says_that_none_does() {
    let page = read(Path::new("docs/threat-model.md"));
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") || line.starts_with("|-"));
    let (mut wrong, mut count) = (Vec::new(), 0);
    for row in rows.filter(|row| !row.starts_with("|-") && !row.ends_with("| test |")) {
        count += 1;
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        let names = spans(last).iter().any(|span| span.contains('_'));
        if row.split('|').count() != 5 || !(names || last == "—") {
            wrong.push(row.to_owned());
        }
    }
    none(&wrong);
    assert!(count > 30, "the walk finds rows: {count}");
}

#[test]
fn the_sizes_that_the_format_names_are_those_that_are_written() {
    let page = read(Path::new("docs/format.md"));
    for (field, written) in [
        ("segment_bytes", limits::SEGMENT_BYTES),
        ("block_bytes", limits::BLOCK_BYTES),
    ] {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{field}` |")));
        let row = row.unwrap_or_else(|| panic!("the page has no {field}"));
        let said = row.rsplit("written: ").next().unwrap_or_default();
        let digits: String = said.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits, written.to_string(), "{row}");
    }
}

#[test]
fn every_file_of_tests_is_described() {
    let page = read(Path::new("docs/testing.md"));
    let mut all = BTreeSet::new();
    files("tests", &[".rs"], &mut all);
    let top = all
        .into_iter()
        .filter(|path| path.components().count() == 2 || path.ends_with("main.rs"));
    let missing = top
        .map(|path| path.display().to_string())
        .filter(|path| !page.contains(&format!("`{path}`")));
    none(&missing.collect::<Vec<_>>());
}

#[test]
fn the_header_that_the_format_shows_is_the_one_that_is_written() {
    let (blocks, _) = blocks(&read(Path::new("docs/format.md")));
    let dump = blocks
        .iter()
        .find(|block| block.text.contains("|data/00000000"))
        .expect("it is shown");
    let mut shown = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    for line in dump.text.lines().filter(|line| *line != "*") {
        let offset = usize::from_str_radix(&line[..8], 16).expect("an offset");
        // A star stands for repetitions of the line before it.
        while shown.len() < offset {
            shown.extend_from_slice(&last);
        }
        let octets = line.get(8..line.find('|').unwrap_or(line.len())).unwrap_or_default();
        last = octets
            .split_whitespace()
            .map(|octet| u8::from_str_radix(octet, 16).expect("an octet"))
            .collect();
        shown.extend_from_slice(&last);
    }
    assert_eq!(shown, outer::tar_header("data/00000000", 4 << 20));
}
