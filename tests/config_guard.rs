//! The config source and its guard: what is found in the files of `testdata/config`, what is stored, and what is refused.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::path::PathBuf;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::base::limits;
use hub_backup::bundle::entry::NodeWithoutContent;
use hub_backup::source::Error;
use hub_backup::source::Learnt;
use hub_backup::source::Source as _;
use hub_backup::source::config::ConfigOptions;
use hub_backup::source::config::ConfigSource;
use hub_backup::source::config::SecretRule;
use hub_backup::source::guard;
use hub_backup::source::guard::Format;
use tempfile::TempDir;

use crate::collected::Collected;

#[path = "support/collected.rs"]
mod collected;

fn corpus() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.file_name().is_some_and(|name| name != "README.md"))
        .collect();
    files.sort();
    assert!(files.len() > 20, "the corpus is not whole");
    let text = |path: &PathBuf| fs::read_to_string(path).expect("text");
    files.iter().map(|path| (path.clone(), text(path))).collect()
}

/// What a file of the corpus says of itself: `expect: LINE RULE KEY`, with `-` for no key, or `expect: none`.
fn expected(text: &str) -> BTreeSet<String> {
    // Within JSON, the quote after the key belongs to the text around it.
    let form = r#"expect: (none|\d+ \S+ (?:[^\s",]|"[^"\s,\]]+")+)"#;
    let form = regex::Regex::new(form).expect("a constant");
    let said: BTreeSet<String> = form
        .captures_iter(text)
        .map(|found| found[1].trim().to_owned())
        .collect();
    assert!(!said.is_empty(), "a file that expects nothing says so");
    said.into_iter().filter(|line| line != "none").collect()
}

#[test]
fn every_file_of_the_corpus_gives_what_it_says() {
    let mut wrong = Vec::new();
    for (path, text) in corpus() {
        let scan = guard::scan(&text, Format::of(&path));
        let found: BTreeSet<String> = scan
            .findings
            .iter()
            .map(|finding| {
                format!(
                    "{} {} {}",
                    finding.line,
                    finding.rule,
                    finding.key.as_deref().unwrap_or("-")
                )
            })
            .collect();
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let expected = expected(&text);
        wrong.extend(
            expected
                .difference(&found)
                .map(|line| format!("{name}: not found: {line}")),
        );
        wrong.extend(
            found
                .difference(&expected)
                .map(|line| format!("{name}: not expected: {line}")),
        );
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Every secret of the corpus has `fake` in it, and nothing else has.
#[test]
fn nothing_of_the_corpus_is_left_after_redaction() {
    for (path, text) in corpus() {
        let name = path.display();
        let format = Format::of(&path);
        let (redacted, scan) =
            guard::redact(&text, format, &|_| false).unwrap_or_else(|error| panic!("{name}: {error}"));
        let left = redacted.to_lowercase().find("fake");
        assert!(left.is_none(), "{name}: {}", &redacted[left.unwrap_or_default()..]);
        assert_eq!(guard::scan(&redacted, format).read_as, scan.read_as, "{name}");
        assert_eq!(redacted == text, scan.findings.is_empty(), "{name}");
        if scan.read_as == Format::Json {
            let before: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let after: serde_json::Value = serde_json::from_str(&redacted).expect("still JSON");
            assert!(same_shape(&before, &after), "{name}");
        }
        if format == Format::Toml {
            let before: toml::Table = text.parse().expect("TOML");
            let after: toml::Table = redacted.parse().expect("still TOML");
            assert!(before.keys().eq(after.keys()), "{name}");
        }
    }
}

fn same_shape(before: &serde_json::Value, after: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            before.keys().eq(after.keys()) && before.iter().all(|(key, value)| same_shape(value, &after[key]))
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len()
                && before
                    .iter()
                    .zip(after)
                    .all(|(before, after)| same_shape(before, after))
        }
        (before, after) => before == after || after.as_str().is_some_and(|text| text.contains(guard::REDACTED)),
    }
}

fn redacted(text: &str, format: Format) -> String {
    guard::redact(text, format, &|_| false)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .0
}

/// Each with what becomes of it.
const MARKED: &[(Format, &str, &str)] = &[
    (
        Format::Yaml,
        "password: hunter2 # why\nuser: hub\n",
        "password: \"[redacted]\" # why\nuser: hub\n",
    ),
    (
        Format::Yaml,
        "{a: b, password: hunter2}\n",
        "{a: b, password: \"[redacted]\"}\n",
    ),
    (
        Format::Yaml,
        "{u: postgres://u:hunter2@h/d, b: c}\n",
        "{u: \"postgres://u:[redacted]@h/d\", b: c}\n",
    ),
    (
        Format::Yaml,
        "password:\n  hunter2\nb: c\n",
        "password:\n  \"[redacted]\"\nb: c\n",
    ),
    (
        Format::Yaml,
        "password: |\n  one\n  two\n\nb: c\n",
        "password: |\n  [redacted]\n\nb: c\n",
    ),
    (Format::Yaml, "password: 'it''s'\n", "password: \"[redacted]\"\n"),
    (
        Format::Yaml,
        "- password: &a hunter2\n- token: *a\n",
        "- password: &a \"[redacted]\"\n- token: *a\n",
    ),
    (
        Format::Json,
        "{\"token\": 1234567890.5e3}",
        "{\"token\": 1234567890.5e3}",
    ),
    (
        Format::Json,
        "{\"password\":12345678}\n",
        "{\"password\":\"[redacted]\"}\n",
    ),
    (
        Format::Toml,
        "password = '''\nhunter2\n'''\n",
        "password = \"[redacted]\"\n",
    ),
    (
        Format::Toml,
        "u = \"postgres://u:hunter2@h/d\"\n",
        "u = \"postgres://u:[redacted]@h/d\"\n",
    ),
    (
        Format::Lines,
        "PASSWORD=\"hunter2\" # x\nA=b\r\n",
        "PASSWORD=\"[redacted]\" # x\nA=b\r\n",
    ),
    (
        Format::Lines,
        "\u{feff}password=hunter2\n",
        "\u{feff}password=[redacted]\n",
    ),
    (
        Format::Yaml,
        "\u{feff}password: hunter2\n",
        "\u{feff}password: \"[redacted]\"\n",
    ),
];

#[test]
fn marks_fit_their_formats() {
    for (format, before, after) in MARKED {
        assert_eq!(redacted(before, *format), *after);
    }
}

#[test]
fn copies_of_a_secret_are_taken_out_and_common_words_are_not() {
    let text = "# was hunter2hunter2 before\npassword: hunter2hunter2\nuser: postgres\ndb_password: postgres\n";
    assert_eq!(
        redacted(text, Format::Yaml),
        "# was [redacted] before\npassword: \"[redacted]\"\nuser: postgres\ndb_password: \"[redacted]\"\n"
    );
}

#[test]
fn two_secrets_in_one_value_are_both_taken_out() {
    let text = "{\"a\": \"\\u0068ttps://u:hunter2one@h https://u:hunter2two@h\"}";
    let result = redacted(text, Format::Json);
    assert!(!result.contains("hunter2"), "{result}");
    let text = "a: https://u:hunter2one@h https://u:hunter2two@h\n";
    let result = redacted(text, Format::Yaml);
    assert!(!result.contains("hunter2"), "{result}");
}

#[test]
fn keys_that_are_secrets_are_not_told() {
    let token = format!("ghp_{}", "FAKE".repeat(9));
    let scan = guard::scan(&format!("tokens:\n  {token}: {{password: hunter2}}\n"), Format::Yaml);
    let told = format!("{:?}", scan.findings);
    assert!(
        scan.findings.len() == 2 && !told.contains("FAKE") && !told.contains("hunter2"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_kept_account_of_is_not_redacted() {
    let text = "password=x\n".repeat(limits::CONFIG_FINDINGS_MAX + 1);
    assert!(guard::scan(&text, Format::Lines).is_cut);
    guard::redact(&text, Format::Lines, &|_| false).expect_err("too many");
}

fn folder_with(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("writable");
        write(&path, content);
    }
    folder
}

fn write(path: &Path, content: &[u8]) {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(path)
        .expect("writable");
    file.write_all(content).expect("writable");
}

fn collect(path: &Path, options: ConfigOptions) -> (Collected, Result<Learnt, Error>) {
    let mut collected = Collected::default();
    let mut source = ConfigSource::new("cfg".parse().expect("a label"), path.into(), options).expect("good patterns");
    let learnt = source
        .check(&Cancel::new())
        .and_then(|()| source.collect(&mut collected, &Cancel::new()));
    (collected, learnt)
}

fn redacting() -> ConfigOptions {
    ConfigOptions {
        secrets: SecretRule::Redact,
        ..ConfigOptions::default()
    }
}

#[test]
fn a_clean_folder_is_stored_as_it_is() {
    let folder = folder_with(&[("b.toml", b"a = 1\n"), ("a/z.env", b"A=b\n"), ("a.txt", b"\xc3\xa4\n")]);
    symlink("../nowhere", folder.path().join("link")).expect("writable");
    let (collected, learnt) = collect(folder.path(), ConfigOptions::default());
    let learnt = learnt.expect("nothing is wrong");
    assert_eq!(
        collected.order,
        ["cfg", "cfg/a", "cfg/a/z.env", "cfg/a.txt", "cfg/b.toml", "cfg/link"]
    );
    let (attributes, bytes) = &collected.files["cfg/b.toml"];
    let metadata = fs::metadata(folder.path().join("b.toml")).expect("there");
    assert_eq!(bytes, b"a = 1\n");
    assert_eq!(
        (attributes.mode, attributes.uid, attributes.gid),
        (0o640, metadata.uid(), metadata.gid())
    );
    assert_eq!(
        (attributes.mtime.seconds, i64::from(attributes.mtime.nanos)),
        (metadata.mtime(), metadata.mtime_nsec())
    );
    let NodeWithoutContent::Symlink { target } = &collected.nodes["cfg/link"].1 else {
        panic!("a link")
    };
    assert_eq!(target.0, b"../nowhere");
    assert_eq!(learnt.public["redacted"], "0");
    assert_eq!(
        (learnt.private["files"].as_str(), learnt.private["symlinks"].as_str()),
        ("3", "1")
    );
}

#[test]
fn a_single_file_is_stored_below_the_label() {
    let folder = folder_with(&[("app.toml", b"a = 1\n")]);
    let (collected, learnt) = collect(&folder.path().join("app.toml"), ConfigOptions::default());
    learnt.expect("nothing is wrong");
    assert_eq!(collected.order, ["cfg/app.toml"]);
}

#[test]
fn secrets_are_a_reason_to_refuse_and_are_all_told() {
    let folder = folder_with(&[
        ("a.env", b"DB_PASSWORD=needle1\n"),
        ("b/app.toml", b"[db]\npassword = 'needle2'\n"),
        ("c.txt", b"postgres://hub:needle3@db/hub\n"),
    ]);
    let (collected, learnt) = collect(folder.path(), ConfigOptions::default());
    let error = learnt.expect_err("secrets");
    assert_eq!(error.kind(), Kind::SourceUnsupported);
    assert_eq!(
        error.to_string(),
        "source cfg: 3 secrets in its files: a.env:1: DB_PASSWORD (key-name); b/app.toml:2: db.password (key-name); \
         c.txt:1: (url-password)"
    );
    let hint = error.hint().expect("a hint");
    assert!(hint.contains("--redact-secrets") && hint.contains("exclude"), "{hint}");
    assert!(!format!("{error:?}").contains("needle"));
    assert!(collected.files.is_empty());
}

#[test]
fn long_lists_are_cut_and_counted() {
    let text = "password=needle\n".repeat(100);
    let folder = folder_with(&[("a.env", text.as_bytes())]);
    let error = collect(folder.path(), ConfigOptions::default())
        .1
        .expect_err("secrets")
        .to_string();
    assert!(
        error.contains(": 100 secrets in its files:") && error.ends_with("and 60 more"),
        "{error}"
    );
}

#[test]
fn redacted_copies_are_stored_and_the_places_kept() {
    let folder = folder_with(&[
        ("a.env", b"DB_PASSWORD=needle1\nA=b\n"),
        ("b.json", b"{\"token\": \"needle2\"}"),
    ]);
    let (collected, learnt) = collect(folder.path(), redacting());
    let learnt = learnt.expect("redacted");
    assert_eq!(collected.files["cfg/a.env"].1, b"DB_PASSWORD=[redacted]\nA=b\n");
    assert_eq!(collected.files["cfg/b.json"].1, b"{\"token\": \"[redacted]\"}");
    assert_eq!(
        learnt.public.into_iter().collect::<Vec<_>>(),
        [("redacted".into(), "2".into())]
    );
    assert_eq!(
        learnt.private["redacted"],
        "a.env:1: DB_PASSWORD (key-name)\nb.json:1: token (key-name)"
    );
    let stored = format!("{:?}", fs::read(folder.path().join("a.env")).expect("there"));
    assert!(
        stored.contains("110, 101, 101, 100, 108, 101"),
        "the file itself is left as it is"
    );
}

#[test]
fn what_the_operator_accepts_stays() {
    let folder = folder_with(&[
        ("a.env", b"DB_PASSWORD=example\nAPI_TOKEN=needle\n"),
        ("t.txt", b"AKIAFAKEFAKEFAKEFAKE\n"),
    ]);
    let accept = vec!["a.env:DB_PASSWORD".to_owned(), "t.txt:aws-access-key-id".to_owned()];
    let (collected, learnt) = collect(
        folder.path(),
        ConfigOptions {
            accept: accept.clone(),
            ..redacting()
        },
    );
    let learnt = learnt.expect("redacted");
    assert_eq!(
        collected.files["cfg/a.env"].1,
        b"DB_PASSWORD=example\nAPI_TOKEN=[redacted]\n"
    );
    assert_eq!(collected.files["cfg/t.txt"].1, b"AKIAFAKEFAKEFAKEFAKE\n");
    assert_eq!(learnt.private["accepted"], accept.join("\n"));
    let (_, learnt) = collect(
        folder.path(),
        ConfigOptions {
            accept,
            ..ConfigOptions::default()
        },
    );
    assert!(
        learnt
            .expect_err("one is left")
            .to_string()
            .contains(": 1 secret in its files: a.env:2: API_TOKEN")
    );
}

#[test]
fn what_is_excluded_is_left_out_and_counted() {
    let folder = folder_with(&[
        ("a.env", b"A=b\n"),
        ("secrets/x.env", b"PASSWORD=needle\n"),
        ("b.bak", b"\0"),
    ]);
    let exclude = vec!["secrets/".to_owned(), "*.bak".to_owned()];
    let (collected, learnt) = collect(
        folder.path(),
        ConfigOptions {
            exclude,
            ..ConfigOptions::default()
        },
    );
    assert_eq!(learnt.expect("the rest is clean").private["excluded"], "2");
    assert_eq!(collected.order, ["cfg", "cfg/a.env"]);
    let options = ConfigOptions {
        exclude: vec!["!x".into()],
        ..ConfigOptions::default()
    };
    let error =
        ConfigSource::new("cfg".parse().expect("a label"), folder.path().into(), options).expect_err("negation");
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn what_is_no_text_is_refused_by_name() {
    let folder = folder_with(&[
        ("a.db", b"SQLite format 3\0"),
        ("b.txt", b"caf\xe9\n"),
        ("c.env", b"A=b\n"),
    ]);
    let large = vec![b'#'; usize::try_from(limits::CONFIG_FILE_BYTES_MAX).expect("small") + 1];
    write(&folder.path().join("d.log"), &large);
    let _socket = UnixListener::bind(folder.path().join("e.sock")).expect("writable");
    for options in [ConfigOptions::default(), redacting()] {
        let (_, learnt) = collect(folder.path(), options);
        let error = learnt.expect_err("no settings");
        assert_eq!(error.kind(), Kind::SourceUnsupported);
        assert_eq!(
            error.to_string(),
            "source cfg: not settings that can be searched for secrets: a.db: not UTF-8 text; b.txt: not UTF-8 text; \
             d.log: longer than 4 MiB; e.sock: a socket"
        );
        assert!(error.hint().expect("a hint").contains("files"));
    }
}

#[test]
fn roots_that_are_not_there_are_told_before_anything_is_read() {
    let folder = folder_with(&[]);
    let socket = folder.path().join("socket");
    let _socket = UnixListener::bind(&socket).expect("writable");
    for (path, kind) in [
        (folder.path().join("missing"), Kind::SourceUnreachable),
        (PathBuf::from("/dev/null"), Kind::SourceUnsupported),
    ] {
        let mut source =
            ConfigSource::new("cfg".parse().expect("a label"), path, ConfigOptions::default()).expect("plain");
        assert_eq!(source.check(&Cancel::new()).expect_err("no settings").kind(), kind);
    }
}

#[test]
fn the_work_stops_when_told() {
    let folder = folder_with(&[("a.env", b"A=b\n")]);
    let cancel = Cancel::new();
    cancel.set();
    let mut source = ConfigSource::new(
        "cfg".parse().expect("a label"),
        folder.path().into(),
        ConfigOptions::default(),
    )
    .expect("plain");
    let error = source.collect(&mut Collected::default(), &cancel).expect_err("stopped");
    assert_eq!(error.kind(), Kind::Incomplete);
}

#[test]
fn modes_beyond_permissions_are_kept() {
    let folder = folder_with(&[("a.env", b"A=b\n")]);
    fs::set_permissions(folder.path().join("a.env"), fs::Permissions::from_mode(0o4755)).expect("own file");
    let (collected, _) = collect(folder.path(), ConfigOptions::default());
    assert_eq!(collected.files["cfg/a.env"].0.mode, 0o4755);
}

mod any_text {
    use proptest::prelude::*;

    use super::*;

    /// Pieces whose joints are where finders stumble: quotes, escapes, brackets, line ends, wide letters, halves of secrets.
    const PIECES: &[&str] = &[
        "password",
        "_token",
        ": ",
        "=",
        "\"",
        "'",
        "\\",
        "\n",
        "\r\n",
        "  ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "#",
        "|",
        ">-",
        "&a ",
        "*a",
        "!vault ",
        "hunter2",
        "ä",
        "💾",
        "\u{feff}",
        "\u{0}",
        "https://u:",
        "@h",
        "${X}",
        "${X:-",
        "{{",
        "}}",
        "AKIAFAKEFAKEFAKEFAKE",
        "<key>",
        "</key>",
        "name: ",
        "value: ",
        "data:\n",
        "kind: Secret\n",
        "-----BEGIN PRIVATE KEY-----",
        "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD",
        "-----END PRIVATE KEY-----",
        "\\u0041",
        "\"\"\"",
        "'''",
        "--",
        "export ",
        "Authorization: Bearer abcdefgh1",
        "1234567",
        ":",
        "---\n",
        "?",
        "\t",
        "true",
    ];

    fn texts() -> impl Strategy<Value = String> {
        proptest::collection::vec(proptest::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn is_searched_and_what_is_redacted_is_clean(text in texts()) {
            for format in [Format::Json, Format::Toml, Format::Yaml, Format::Lines, Format::Pgpass] {
                let scan = guard::scan(&text, format);
                if let Ok((redacted, found)) = guard::redact(&text, format, &|_| false) {
                    prop_assert_eq!(&found.findings, &scan.findings);
                    let again = guard::scan(&redacted, format);
                    prop_assert!(again.findings.is_empty(), "{:?} {}", again.findings, redacted);
                    prop_assert_eq!(scan.findings.is_empty(), redacted == text);
                }
            }
        }
    }
}
