//! Where secrets and names must not be: whatever happens, no passphrase, no content and no name of a file is found in the
//! store or in what the program says and hands to others, and no core dump can hold one.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;

use std::fs;
use std::process::Stdio;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use hub_backup::bundle::manifest::Role;
use hub_backup::keyring::make::SuiteFeatures;
use regex::bytes::Regex;

use crate::cli::PROGRAM;
use crate::cli::Ran;
use crate::cli::World;

// Each of a kind of its own, none of which may be anywhere.
const SIGNER: &str = "needle-signer-Ahch4oet";
const IDENTITY: &str = "needle-identity-ooNgai7w";
const SLOT: &str = "needle-slot-Eeph6tai";
const WRONG: &str = "needle-wrong-uoV4eim0";
const ENVIRONMENT: &str = "needle-environment-iePh9uoh";

// What is backed up: for whoever restores it, and nobody else.
const CONTENT: &str = "needle-content-Xai5aihi";
const VALUE: &str = "needle-value-ohGho3ae";
const CONFIG: &str = "needle-config-aeT7eiqu";

// Names: for people at the terminal, but not in the store.
const NAME: &str = "needle-name-ieg1Ahpa";
const FOLDER: &str = "needle-folder-quoo8Eip";
const SAID: &str = "needle-said-ooK9pohj";

static SECRETS: LazyLock<Needles> = LazyLock::new(|| Needles::new(&[SIGNER, IDENTITY, SLOT, WRONG, ENVIRONMENT]));
static PASSPHRASES: LazyLock<Needles> = LazyLock::new(|| Needles::new(&[SIGNER, IDENTITY, SLOT, WRONG]));
static CONTENTS: LazyLock<Needles> = LazyLock::new(|| Needles::new(&[CONTENT, VALUE, CONFIG]));
static NAMES: LazyLock<Needles> = LazyLock::new(|| Needles::new(&[NAME, FOLDER, SAID]));

/// Texts that are looked for in all their forms.
struct Needles(Regex);

impl Needles {
    fn new(needles: &[&str]) -> Self {
        let forms = needles.iter().flat_map(|needle| forms(needle));
        let any: Vec<String> = forms.map(|form| escaped(&form)).collect();
        let any = any.join("|");
        Self(Regex::new(&format!("(?s-u:{any})")).expect("escaped"))
    }

    fn find<'h>(&self, haystack: &'h [u8]) -> Option<&'h [u8]> {
        self.0.find(haystack).map(|found| found.as_bytes())
    }
}

/// A world whose keys are locked, and which is full of needles.
fn world() -> World {
    let world = World::new();
    let signer = cli::make_key(Role::Signer, SuiteFeatures::Rfc9580, Some(SIGNER));
    let recipient = cli::make_key(Role::Recipient, SuiteFeatures::Rfc9580, Some(IDENTITY));
    world.write("keys/locked.asc", signer.public.as_bytes());
    world.write("keys/recipient.asc", recipient.public.as_bytes());
    world.write("secrets/locked.key", signer.secret.expose().as_bytes());
    world.write("secrets/recipient.key", recipient.secret.expose().as_bytes());
    for (name, passphrase) in [
        ("signer", SIGNER),
        ("identity", IDENTITY),
        ("slot", SLOT),
        ("wrong", WRONG),
    ] {
        world.write(&format!("secrets/{name}.pass"), format!("{passphrase}\n").as_bytes());
    }
    world.write(&format!("data/{FOLDER}/{NAME}.txt"), CONTENT.repeat(100).as_bytes());
    world.write("app.env", format!("GREETING={CONFIG}\n").as_bytes());
    world.script(&format!(
        "sqlite3 hub.db \"CREATE TABLE t(a); INSERT INTO t VALUES ('{VALUE}');\""
    ));
    world.write(
        "hub-backup.toml",
        settings("sources = [\"files:data\", \"sqlite:hub.db\", \"config:app.env\"]"),
    );
    world
}

fn settings(set: &str) -> &'static [u8] {
    let text = format!(
        r#"
[store]
path = "store"
[keys]
roots = ["keys/locked.asc"]
signers = ["secrets/locked.key"]
identities = ["secrets/recipient.key"]
signer_passphrase_file = "secrets/signer.pass"
identity_passphrase_command = "cat secrets/identity.pass"
[recipients]
openpgp = ["keys/recipient.asc"]
passphrase_file = "secrets/slot.pass"
[sets.all]
{set}
"#
    );
    Box::leak(text.into_boxed_str()).as_bytes()
}

fn run(world: &World, arguments: &[&str]) -> Ran {
    let mut command = world.command(PROGRAM);
    let command = command.args(arguments).env("SOME_TOKEN", ENVIRONMENT);
    Ran::new(command.output().expect("the program was built"))
}

/// Bytes as a regular expression takes them.
fn escaped(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    let pairs = digits.as_bytes().chunks(2);
    pairs.fold(String::new(), |text, pair| {
        text + "\\x" + &String::from_utf8_lossy(pair)
    })
}

/// The forms in which a text could be hidden.
fn forms(needle: &str) -> Vec<Vec<u8>> {
    let bytes = needle.as_bytes();
    let hexadecimal = hex::encode(bytes);
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    let wide: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
    let mut forms = vec![
        bytes.to_vec(),
        hexadecimal.to_uppercase().into_bytes(),
        hexadecimal.into_bytes(),
        reversed,
        wide,
    ];
    // Base64 of what stands anywhere in a text: the quads that the needle fills alone, for each of three offsets.
    for skip in 0..3 {
        forms.push(base64(&bytes[skip..]).into_bytes());
    }
    forms
}

/// Base64 of the whole triples.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let triples = bytes.chunks_exact(3);
    triples
        .flat_map(|triple| {
            let number = triple
                .iter()
                .fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
            [18, 12, 6, 0].map(|shift| char::from(DIGITS[number >> shift & 63]))
        })
        .collect()
}

#[track_caller]
fn assert_none(haystack: &[u8], needles: &Needles, context: &str) {
    if let Some(found) = needles.find(haystack) {
        let (found, all) = (String::from_utf8_lossy(found), String::from_utf8_lossy(haystack));
        panic!("{context} holds {found:?}: {all}");
    }
}

/// No file of the store holds a secret, a content or a name; nor has such a name.
#[track_caller]
fn assert_store_is_clean(world: &World) {
    let files = world.files("store");
    assert!(files.iter().any(|(name, _)| name.ends_with(".hub.tar")));
    assert!(files.iter().any(|(name, _)| name.starts_with("audit/")));
    for (name, bytes) in files {
        for needles in [&*SECRETS, &*CONTENTS, &*NAMES] {
            assert_none(&bytes, needles, &name);
            assert_none(name.as_bytes(), needles, "a name in the store");
        }
    }
}

#[test]
fn the_search_finds_needles() {
    for text in [
        format!("before {CONTENT} after"),
        format!("x{}", base64(format!("12{CONTENT}").as_bytes())),
        format!("x{}", base64(format!("1{CONTENT}2").as_bytes())),
        base64(CONTENT.as_bytes()),
    ] {
        assert!(CONTENTS.find(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(CONTENTS.find(b"nothing"), None);
}

/// Acts that succeed, and acts that fail in every way in which a secret is near; with the exit codes.
const ACTS: [(i32, &[&str]); 22] = [
    (0, &["backup", "all"]),
    (0, &["backup", "all", "--dry-run"]),
    (0, &["verify", "--all"]),
    (0, &["verify", "latest", "--deep"]),
    (0, &["ls", "latest"]),
    (0, &["ls", "latest", "--passphrase-file", "secrets/slot.pass"]),
    (0, &["restore", "latest", "--plan"]),
    (0, &["config", "show"]),
    (0, &["config", "check"]),
    (2, &["backup", "all", "--signer-passphrase-file", "secrets/wrong.pass"]),
    (
        12,
        &["ls", "latest", "--identity-passphrase-file", "secrets/wrong.pass"],
    ),
    (
        12,
        &["verify", "--deep", "--identity-passphrase-file", "secrets/wrong.pass"],
    ),
    (
        12,
        &[
            "restore",
            "latest",
            "--to",
            "not",
            "--identity-passphrase-file",
            "secrets/wrong.pass",
        ],
    ),
    (
        12,
        &[
            "restore",
            "latest",
            "--to",
            "not",
            "--identity",
            "secrets/gnupg.key",
            "--passphrase-file",
            "secrets/wrong.pass",
        ],
    ),
    (
        12,
        &[
            "ls",
            "latest",
            "--identity",
            "secrets/age.key",
            "--passphrase-file",
            "secrets/wrong.pass",
        ],
    ),
    (2, &["ls", "latest", "--identity", "secrets/signer.pass"]),
    (2, &["backup", "all", "--signer", "secrets/slot.pass"]),
    (2, &["backup", "all", "--passphrase-file", "secrets/missing.pass"]),
    (
        30,
        &["backup", "all", "--source", "files:data/needle-name-ieg1Ahpa/missing"],
    ),
    (
        30,
        &["backup", "all", "--source", "db=sqlite:data/needle-name-ieg1Ahpa.db"],
    ),
    (
        10,
        &[
            "restore",
            "latest",
            "--to",
            "not",
            "--only",
            "data/needle-folder-quoo8Eip/missing",
        ],
    ),
    (40, &["restore", "latest", "--to", "data"]),
];

/// Acts whose errors show what a program said: to people, never to the store.
const FAILING_SOURCES: [(i32, &str); 4] = [
    (
        3,
        "command:dump=sh -c 'echo whole; echo needle-said-ooK9pohj >&2; exit 4'",
    ),
    (
        3,
        "command:dump=sh -c 'cat data/needle-folder-quoo8Eip/needle-name-ieg1Ahpa.txt; cat app.env >&2; exit 4'",
    ),
    (30, "command:dump=data/needle-folder-quoo8Eip/missing"),
    (31, "db=sqlite:data/needle-folder-quoo8Eip/needle-name-ieg1Ahpa.txt"),
];

#[test]
fn no_act_lets_a_needle_out() {
    let world = world();
    run(&world, &["backup", "all"]).expect_code(0, "the first");
    for (code, act) in ACTS {
        for json in [&[][..], &["--json"]] {
            let arguments = [act, json].concat();
            let context = arguments.join(" ");
            let ran = run(&world, &arguments);
            assert_eq!(ran.code, Some(code), "{context}: {}", ran.stderr);
            for needles in [&*SECRETS, &*CONTENTS] {
                assert_none(&ran.stdout, needles, &context);
                assert_none(ran.stderr.as_bytes(), needles, &context);
            }
        }
    }
    for (code, source) in FAILING_SOURCES {
        let ran = run(&world, &["backup", "all", "--source", source]);
        assert_eq!(ran.code, Some(code), "{source}: {}", ran.stderr);
        assert_none(ran.stderr.as_bytes(), &SECRETS, source);
        assert_none(&ran.stdout, &SECRETS, source);
    }
    assert_store_is_clean(&world);

    // What was kept secret is there for whoever has the key.
    run(&world, &["restore", "latest", "--to", "back"]).expect_code(0, "restore");
    world.script(&format!(
        "cmp data/{FOLDER}/{NAME}.txt back/data/{FOLDER}/{NAME}.txt; cmp hub.db back/hub/hub.db
        grep -rq {CONFIG} back/app"
    ));
    assert_store_is_clean(&world);
}

#[test]
fn every_suite_hides_names_and_contents() {
    for (suite, recipient) in [
        ("gnupg", "keys/gnupg.asc"),
        ("rfc9580", "keys/operations.asc"),
        ("age", ""),
    ] {
        let world = world();
        let age = String::from_utf8(world.read("keys/age.txt")).expect("text");
        let recipient = if recipient.is_empty() { age.trim() } else { recipient };
        let passphrase = ["--passphrase-file", "secrets/slot.pass"];
        let backup = ["backup", "all", "--suite", suite, "--recipient", recipient];
        run(&world, &[&backup[..], &passphrase].concat()).expect_code(0, suite);
        assert_store_is_clean(&world);
        world.script("mkdir bundle; tar -xf store/bundles/all/*/*/*.hub.tar -C bundle");
        for (name, bytes) in world.files("bundle") {
            for needles in [&*SECRETS, &*CONTENTS, &*NAMES] {
                assert_none(&bytes, needles, &name);
            }
        }
    }
}

/// The environment of a traced child holds these.
fn traced(world: &World, arguments: &[&str]) -> Vec<String> {
    let mut command = world.command("strace");
    let options = [
        "-f",
        "-qq",
        "-e",
        "trace=execve",
        "-e",
        "signal=none",
        "-v",
        "-s",
        "4096",
        "-o",
        "trace",
        PROGRAM,
    ];
    let command = command
        .args(options)
        .args(arguments)
        .env("SOME_TOKEN", ENVIRONMENT)
        .env("HUB_BACKUP_SIGNER_PASSPHRASE", SIGNER)
        .env("HUB_BACKUP_JOBS", "1")
        .env("LANG", "C.UTF-8");
    Ran::new(command.output().expect("strace is installed")).expect_code(0, &arguments.join(" "));
    let trace = fs::read_to_string(world.path("trace")).expect("written by strace");
    let calls = trace.lines().filter(|line| line.contains("execve("));
    calls.map(str::to_owned).collect()
}

#[test]
fn children_get_no_secret_and_none_of_our_variables() {
    let world = world();
    let set = "sources = [\"files:data\", \"command:dump=sh -c 'sleep 0; env; seq 1 9'\"]";
    let text = String::from_utf8(settings(set).to_vec()).expect("text");
    let text = text.replace("signer_passphrase_file = \"secrets/signer.pass\"\n", "");
    let text = text.replace(
        "passphrase_file = \"secrets/slot.pass\"",
        "passphrase_command = \"cat secrets/slot.pass\"",
    );
    world.write("hub-backup.toml", text.as_bytes());
    let mut children = 0;
    for act in [
        &["backup", "all"][..],
        &["verify", "--deep"],
        &["ls", "latest"],
        &["restore", "latest", "--to", "back"],
    ] {
        let calls = traced(&world, act);
        // The first is the program itself, which strace started.
        assert!(calls[0].contains("HUB_BACKUP_SIGNER_PASSPHRASE"), "{}", calls[0]);
        for call in &calls[1..] {
            // Whoever prints a passphrase gets what the operator has, for an agent may be behind it.
            let is_source = !call.contains("secrets/");
            let secrets = if is_source { &SECRETS } else { &PASSPHRASES };
            assert_none(call.as_bytes(), secrets, "a child's arguments or environment");
            assert_none(call.as_bytes(), &CONTENTS, "a child's arguments or environment");
            assert!(!call.contains("HUB_BACKUP_"), "{call}");
            assert!(call.contains("PATH="), "{call}");
            children += 1;
        }
    }
    assert!(children >= 6, "{children}");
    world.script(
        "grep -q '^LANG=' back/dump/output; if grep -q 'HUB_BACKUP\\|SOME_TOKEN' back/dump/output; then exit 1; fi",
    );
    assert_store_is_clean(&world);
}

#[test]
fn the_variables_that_a_set_names_are_handed_on_and_no_others() {
    let world = world();
    let set = "sources = [\"command:dump=env\"]\ncommand_env = [\"SOME_TOKEN\"]";
    world.write("hub-backup.toml", settings(set));
    run(&world, &["backup", "all"]).expect_code(0, "backup");
    let shown = run(&world, &["cat", "latest", "dump/output"]).expect_code(0, "cat");
    let text = String::from_utf8(shown.stdout).expect("text");
    assert!(text.contains(&format!("SOME_TOKEN={ENVIRONMENT}\n")), "{text}");
    assert_store_is_clean(&world);
}

#[test]
fn there_are_no_core_dumps() {
    let world = world();
    let source = "command:slow=sh -c 'echo begun; touch begun; while test ! -e go; do sleep 0.02; done'";
    let mut child = world.command(PROGRAM);
    let child = child.args(["backup", "all", "--source", source]).stdout(Stdio::null());
    let mut child = child.spawn().expect("the program was built");
    let begin = Instant::now();
    while !world.path("begun").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it begins");
        thread::sleep(Duration::from_millis(5));
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("it runs");
    world.write("go", b"");
    assert!(child.wait().expect("own child").success());
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{words:?}");
}

#[test]
fn memory_is_closed_to_others_before_any_secret_is_read() {
    let world = world();
    let mut command = world.command("strace");
    let options = [
        "-f",
        "-qq",
        "-e",
        "trace=prctl,prlimit64,openat",
        "-o",
        "trace",
        PROGRAM,
    ];
    let command = command.args(options).args(["backup", "all"]);
    Ran::new(command.output().expect("strace is installed")).expect_code(0, "backup");
    let trace = fs::read_to_string(world.path("trace")).expect("written by strace");
    let position = |what: &str| trace.find(what).unwrap_or_else(|| panic!("{what}: {trace}"));
    let secret = position("secrets/");
    assert!(position("PR_SET_DUMPABLE, SUID_DUMP_DISABLE") < secret, "{trace}");
    assert!(position("RLIMIT_CORE, {rlim_cur=0, rlim_max=0}") < secret, "{trace}");
}
