//! There and back through the program: every kind of source, every suite, every kind of key and target; and every
//! refusal with its exit code.

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::cli::PROGRAM;
use crate::cli::Ran;
use crate::cli::World;

/// What the command source of these tests prints: more than one part, so that something has to be joined.
const COMMAND: &str = "command:numbers=sh -c 'seq 1 300000'";

/// A world with a database, a folder and a set `all` of these two and a command.
fn world() -> World {
    let world = World::new();
    world.script(
        "mkdir -p data/folder/deep data/empty
        printf 'one\\n' > data/one.txt
        head -c 3000000 /dev/urandom > data/folder/noise
        printf 'two words' > 'data/folder/two words'
        ln -s one.txt data/link
        ln data/one.txt data/hard
        chmod 640 data/one.txt; touch -d '2020-02-29 12:00:00.123456789' data/one.txt
        truncate -s 5M data/folder/deep/sparse; printf end >> data/folder/deep/sparse
        sqlite3 hub.db 'PRAGMA journal_mode = WAL; CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
            WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 20000)
            INSERT INTO t SELECT n, hex(randomblob(20)) FROM i;' > /dev/null
        seq 1 300000 > numbers
        printf 'correct horse battery staple' > secrets/passphrase; chmod 600 secrets/passphrase",
    );
    let sources = format!("sources = [\"sqlite:hub.db\", \"files:data\", \"{COMMAND}\"]");
    world.settings(&format!("[sets.all]\n{sources}"));
    world
}

/// The restored folder holds what the sources hold.
#[track_caller]
fn assert_restored(world: &World, target: &str) {
    world.script(&format!(
        "diff -r --no-dereference data {target}/data
        test \"$(readlink {target}/data/link)\" = one.txt
        test {target}/data/one.txt -ef {target}/data/hard
        test \"$(stat -c '%a %y' data/one.txt)\" = \"$(stat -c '%a %y' {target}/data/one.txt)\"
        cmp numbers {target}/numbers/output
        test \"$(sqlite3 {target}/hub.db/hub.db 'PRAGMA integrity_check')\" = ok
        test \"$(sqlite3 {target}/hub.db/hub.db .dump | sha256sum)\" = \"$(sqlite3 hub.db .dump | sha256sum)\""
    ));
}

/// A suite, the recipients of a bundle, and what opens it.
struct Way {
    suite: &'static str,
    recipients: &'static [&'static str],
    opened_by: &'static [&'static [&'static str]],
}

const OPERATIONS: &[&str] = &["--identity", "secrets/operations.key"];
const GNUPG: &[&str] = &["--identity", "secrets/gnupg.key"];
const AGE: &[&str] = &["--identity", "secrets/age.key"];
const PASSPHRASE: &[&str] = &["--passphrase-file", "secrets/passphrase"];

const WAYS: [Way; 4] = [
    Way {
        suite: "rfc9580",
        recipients: &["keys/operations.asc"],
        opened_by: &[OPERATIONS, AGE, PASSPHRASE],
    },
    Way {
        suite: "gnupg",
        recipients: &["keys/gnupg.asc", "keys/operations.asc"],
        opened_by: &[GNUPG, OPERATIONS, AGE, PASSPHRASE],
    },
    Way {
        suite: "auto",
        recipients: &["keys/gnupg.asc"],
        opened_by: &[GNUPG, AGE, PASSPHRASE],
    },
    Way {
        suite: "age",
        recipients: &[],
        opened_by: &[AGE, PASSPHRASE],
    },
];

#[test]
fn every_suite_goes_and_comes_back_by_every_key() {
    let world = world();
    let age = String::from_utf8(world.read("keys/age.txt")).expect("text");
    for (number, way) in WAYS.iter().enumerate() {
        let mut backup = vec!["backup", "all", "--suite", way.suite, "--recipient", age.trim()];
        backup.extend(PASSPHRASE);
        for recipient in way.recipients {
            backup.extend(["--recipient", recipient]);
        }
        let made = world.json(&backup);
        assert_eq!(made["schema"], "hub-backup/backup/1", "{made}");
        assert_eq!(made["sequence"], number + 1, "{made}");
        let suite = if way.suite == "auto" { "gnupg" } else { way.suite };
        assert_eq!(made["suite"], suite, "{made}");
        assert_eq!(
            made["recipients"].as_array().map(Vec::len),
            Some(way.recipients.len() + 2),
            "{made}"
        );
        let verified = world.json(&["verify"]);
        assert_eq!(verified["schema"], "hub-backup/verify/1", "{verified}");
        assert_eq!(verified["result"]["manifest_sha256"], made["manifest_sha256"]);
        assert_eq!(verified["result"]["position"], "in-chain");
        assert_eq!(verified["result"]["proven"], true);
        for (which, key) in way.opened_by.iter().enumerate() {
            let target = format!("back-{number}-{which}");
            let restore = [&["restore", "latest", "--verify-sig", "--to", &target], *key].concat();
            let restored = world.json(&restore);
            assert_eq!(restored["schema"], "hub-backup/restore/1", "{restored}");
            assert_eq!(restored["databases_checked"], 1, "{restored}");
            assert_eq!(restored["recorded"], true, "{restored}");
            assert_restored(&world, &target);
            world.script(&format!("rm -r {target}"));
        }
    }
    let all = world.json(&["verify", "--all"]);
    assert_eq!(all["schema"], "hub-backup/verify-all/1", "{all}");
    assert_eq!(all["bundles"].as_array().map(Vec::len), Some(WAYS.len()), "{all}");
    assert_eq!(all["problems"].as_array().map(Vec::len), Some(0), "{all}");
    let deep = [&["verify", "latest", "--deep"], AGE].concat();
    let deep = world.json(&deep);
    assert!(deep["contents"]["entries"].as_u64() > Some(8), "{deep}");
}

fn paths(report: &Value) -> Vec<String> {
    let entries = report["entries"].as_array().expect("a list");
    let path = |entry: &Value| entry["path"].as_str().expect("a path").to_owned();
    entries.iter().map(path).collect()
}

#[test]
fn what_is_wanted_goes_where_it_is_wanted() {
    let world = world();
    world.good(&["backup", "all"]);
    let before = world.script("ls");

    let listed = world.json(&["ls", "latest"]);
    assert_eq!(listed["schema"], "hub-backup/ls/1", "{listed}");
    let everything = paths(&listed);
    for path in ["hub.db/hub.db", "data/folder/two words", "numbers/output"] {
        assert!(everything.iter().any(|known| known == path), "{path}: {everything:?}");
    }
    let plan = world.json(&["restore", "latest", "--plan"]);
    assert_eq!(plan["schema"], "hub-backup/restore-plan/1", "{plan}");
    assert_eq!(paths(&plan), everything);
    let plan = world.json(&[
        "restore",
        "latest",
        "--plan",
        "--only",
        "data/folder/**",
        "--to",
        "nowhere",
    ]);
    let planned = paths(&plan);
    assert!(
        planned.iter().all(|path| path.starts_with("data/folder")),
        "{planned:?}"
    );
    assert_eq!(world.script("ls"), before, "a plan writes nothing");

    let one = ["restore", "latest", "--only", "data/folder/two words", "--to", "only"];
    assert_eq!(world.json(&one)["entries"], 1);
    world.script("test \"$(find only -type f)\" = 'only/data/folder/two words'; diff 'data/folder/two words' 'only/data/folder/two words'");

    let stream = ["restore", "latest", "--only", "numbers/output", "--to", "stream"];
    assert_eq!(world.json(&stream)["entries"], 1);
    world.script("cmp numbers stream/numbers/output; test \"$(find stream -type f | wc -l)\" = 1");

    world.good(&[
        "restore",
        "latest",
        "--to",
        "data=files:mine",
        "--to",
        "hub.db=sqlite:mine.db",
        "--only",
        "data",
        "--only",
        "hub.db",
    ]);
    world.script("diff -r --no-dereference data mine; test \"$(sqlite3 mine.db 'SELECT count(*) FROM t')\" = 20000; test ! -e numbers.output");

    world.good(&[
        "restore",
        "latest",
        "--only",
        "hub.db",
        "--to",
        "sqlite:alone.db",
        "--sqlite-check",
        "full",
    ]);
    world.script("cmp mine.db alone.db");

    let cat = world.good(&["cat", "latest", "numbers/output"]);
    assert_eq!(cat.stdout, world.read("numbers"));
    let cat = world.good(&["cat", "latest", "data/hard"]);
    assert_eq!(cat.stdout, b"one\n");

    // A bundle that was carried elsewhere: nothing but its file and keys.
    world.script("cp store/bundles/all/*/*/*.hub.tar carried.hub.tar; mv hub-backup.toml away.toml");
    let keys = ["--root", "keys/root.asc", "--certificate", "keys/signer.asc"];
    let carried = [
        &["restore", "carried.hub.tar", "--to", "carried"],
        &keys[..],
        OPERATIONS,
    ]
    .concat();
    let restored = world.json(&carried);
    assert_eq!(restored["result"]["position"], "no-chain", "{restored}");
    assert_restored(&world, "carried");
}

/// Runs a command that must be refused, in words and as JSON, and gives the message and its causes.
#[track_caller]
fn refused(world: &World, code: i32, arguments: &[&str]) -> String {
    let words = world.run(arguments).expect_code(code, &arguments.join(" "));
    assert!(
        words.stderr.lines().any(|line| line.starts_with("error: ")),
        "{}",
        words.stderr
    );
    assert!(words.stdout.is_empty(), "nothing is data");
    let json = [arguments, &["--json"]].concat();
    let failure = world.run(&json).expect_code(code, &json.join(" ")).object();
    assert_eq!(failure["schema"], "hub-backup/error/1", "{failure}");
    assert_eq!(failure["exit_code"], code, "{failure}");
    assert!(failure["kind"].is_string() && failure["causes"].is_array(), "{failure}");
    words.stderr
}

#[test]
fn refusals_have_their_codes_and_change_nothing() {
    let world = world();
    world.good(&["backup", "all"]);
    let bundles = world.files("store/bundles");
    world.script("mkdir full; touch full/file; printf wrong > secrets/wrong; chmod 600 secrets/wrong");
    let restore = ["restore", "latest", "--to"];

    let said = refused(&world, 40, &[&restore[..], &["full"]].concat());
    assert!(said.contains("not empty"), "{said}");
    refused(&world, 40, &[&restore[..], &["full/file"]].concat());
    refused(&world, 40, &[&restore[..], &["hub.db=sqlite:hub.db"]].concat());
    refused(&world, 40, &[&restore[..], &["missing/deeper/place"]].concat());
    let to_new = [&restore[..], &["new"]].concat();
    refused(&world, 12, &[&to_new[..], GNUPG].concat());
    refused(&world, 12, &[&to_new[..], AGE].concat());
    refused(&world, 2, &[&to_new[..], &["--to", "label=files:other"]].concat());
    refused(&world, 10, &[&to_new[..], &["--only", "no/such/path"]].concat());
    refused(&world, 10, &["verify", "20200101T000000Z-0123456789abcdef"]);
    refused(&world, 10, &["verify", "latest", "--set", "nobody"]);
    refused(&world, 10, &["verify", "./missing.hub.tar"]);
    world.run(&["cat", "latest", "no/such/path"]).expect_code(10, "cat");
    refused(&world, 2, &["restore", "latest"]);
    world.script("test ! -e new -a ! -e other; test -z \"$(find . -name '.hub-tmp-*')\"");

    // Somebody who is not trusted signs.
    let stranger = ["backup", "all", "--signer", "secrets/stranger.key"];
    let elsewhere = [&stranger[..], &["--store", "other-store"]].concat();
    world.store("other-store");
    refused(&world, 50, &["verify", "--store", "no-store"]);
    refused(&world, 22, &elsewhere);
    // Where he is trusted, he may.
    world.good(&[&elsewhere[..], &["--root", "stranger/stranger.asc"]].concat());
    refused(&world, 22, &["verify", "--store", "other-store"]);
    refused(&world, 22, &[&to_new[..], &["--store", "other-store"]].concat());
    let all = world
        .run(&["verify", "--all", "--store", "other-store", "--json"])
        .expect_code(22, "all");
    assert_eq!(all.object()["bundles"][0]["kind"], "signer-untrusted");

    // Without a root, without a signer, without recipients enough.
    world.script("sed -i '/^roots/d' hub-backup.toml");
    refused(&world, 2, &["verify"]);
    refused(&world, 2, &to_new);
    world.script("sed -i '/^signers/d' hub-backup.toml");
    refused(&world, 2, &["backup", "all"]);
    world.settings("[sets.all]\nsources = [\"files:data\"]\n[policy]\nrecipients_min = 2");
    refused(&world, 25, &["backup", "all"]);
    refused(&world, 25, &["verify"]);
    world.settings("[sets.all]\nsources = [\"files:data\"]");
    refused(&world, 30, &["backup", "all", "--source", "files:missing"]);
    refused(&world, 30, &["backup", "all", "--source", "sqlite:missing.db"]);
    refused(&world, 2, &["backup", "all", "--source", "strange:thing"]);
    refused(&world, 2, &["backup", "nobody"]);
    assert!(world.files("store/bundles") == bundles, "no bundle came or changed");
    world.script("test ! -e new; test -z \"$(find . -name '.hub-tmp-*')\"");
    world.good(&["verify", "--all"]);
}

#[test]
fn the_policy_demands_recipients_when_a_bundle_is_made_and_when_it_is_read() {
    let world = world();
    let fingerprint = |file: &str| {
        let shown = world.json(&["keys", "show", file]);
        shown["certificates"][0]["fingerprint"]
            .as_str()
            .expect("one")
            .to_owned()
    };
    let (operations, gnupg) = (fingerprint("keys/operations.asc"), fingerprint("keys/gnupg.asc"));

    let backup = ["backup", "all", "--source", "files:data", "--require-recipient"];
    let said = refused(&world, 25, &[&backup[..], &[&gnupg]].concat());
    assert!(
        said.contains(&format!("the recipient {gnupg} is required and missing")),
        "{said}"
    );
    refused(
        &world,
        25,
        &[&backup[..], &[&operations, "--recipients-min", "2"]].concat(),
    );
    assert_eq!(world.files("store").len(), 1, "what the store is, and nothing else");
    world
        .run(&[&backup[..], &["0123456789ABCDEF"]].concat())
        .expect_code(2, "a key id");
    world.good(&[&backup[..], &[&operations.to_lowercase(), "--recipients-min", "1"]].concat());

    for command in [&["verify"][..], &["restore", "latest", "--to", "new"]] {
        let demand = [command, &["--require-recipient", &gnupg]].concat();
        refused(&world, 25, &demand);
        refused(&world, 25, &[command, &["--recipients-min", "2"]].concat());
    }
    world.script("test ! -e new");
    world.good(&["verify", "--require-recipient", &operations]);

    // The same from the settings, for every command that verifies.
    let settings =
        |policy: &str| world.settings(&format!("[sets.all]\nsources = [\"files:data\"]\n[policy]\n{policy}"));
    for policy in [
        format!("recipients_required = [\"{gnupg}\"]"),
        "signers_min = 2".to_owned(),
    ] {
        settings(&policy);
        for command in [&["backup", "all"][..], &["verify"], &["ls", "latest"]] {
            refused(&world, 25, command);
        }
    }
    settings("passphrase_allowed = false");
    world.good(&["verify"]);
    let said = refused(&world, 25, &[&["backup", "all"], PASSPHRASE].concat());
    assert!(said.contains("the policy forbids it"), "{said}");
}

#[test]
fn what_is_not_given_back_as_it_was_is_said() {
    let world = world();
    world.script("chown 12345 data/one.txt hub.db; chmod 6755 'data/folder/two words'; setfattr -n user.note -v x data/folder/noise");
    world.good(&["backup", "all"]);
    let notes = |restored: &Value| -> Vec<String> {
        let notes = restored["notes"].as_array().expect("a list").iter();
        notes.map(|note| note.as_str().expect("text").to_owned()).collect()
    };
    let whole = world.json(&["restore", "latest", "--to", "whole"]);
    assert_eq!(notes(&whole), [""; 0]);
    world.script("test \"$(stat -c %u whole/data/one.txt whole/hub.db/hub.db)\" = $'12345\\n12345'");

    let to = ["--to", "mine", "--to", "hub.db=sqlite:mine.db", "--no-same-owner"];
    let ran = world.good(&[&["restore", "latest"], &to[..], &["--json", "--quiet"]].concat());
    let expected = [
        "owners not restored, so that these belong to who restores: 1, first data/hard",
        "setuid and setgid bits and capabilities not restored, because owners are not: 1, first data/folder/two words",
        "owners not restored, so that these belong to who restores: 1, first hub.db/hub.db",
    ];
    assert_eq!(notes(&ran.object()), expected);
    for note in expected {
        assert!(ran.stderr.contains(&format!("warning: {note}\n")), "{}", ran.stderr);
    }
    world.script("test \"$(stat -c %u mine/data/one.txt mine.db)\" = $'0\\n0'");

    let bare = |flags: &str| {
        let script =
            format!("mkdir -p bare; mount -t ramfs none bare; {PROGRAM} restore latest --to bare/to --json {flags}");
        let ran = world
            .command("unshare")
            .args(["--mount", "bash", "-c", &script])
            .output();
        Ran::new(ran.expect("unshare is installed"))
    };
    let refused = bare("").expect_code(41, "no extended attributes there");
    assert!(refused.stderr.contains("--allow-missing-xattrs"), "{}", refused.stderr);
    let ran = bare("--allow-missing-xattrs").expect_code(0, "allowed");
    let expected = "extended attributes that the target does not take: 1, first data/folder/noise";
    assert_eq!(notes(&ran.object()), [expected]);
}

#[test]
fn what_is_no_secret_is_stored_when_the_operator_says_so() {
    let world = World::new();
    world.write("conf/a.env", b"PUBLIC_TOKEN=shown to everybody\n");
    world.settings("[sets.conf]\nsources = [\"config:conf\"]");
    let said = refused(&world, 31, &["backup", "conf"]);
    assert!(said.contains("a.env:1: PUBLIC_TOKEN"), "{said}");
    assert!(said.contains("--accept-finding FILE:KEY"), "{said}");
    refused(&world, 31, &["backup", "conf", "--accept-finding", "a.env:OTHER"]);
    world
        .run(&["backup", "conf", "--accept-finding", "a.env"])
        .expect_code(2, "no key");

    let accept = [
        "--accept-finding",
        "other.env:X",
        "--accept-finding",
        "a.env:PUBLIC_TOKEN",
    ];
    world.good(&[&["backup", "conf"], &accept[..]].concat());
    world.settings("[sets.conf]\nsources = [\"config:conf\"]\naccept_findings = [\"a.env:PUBLIC_TOKEN\"]");
    world.good(&["backup", "conf", "--redact-secrets"]);
    let stored = world.good(&["cat", "latest", "conf/a.env"]).stdout;
    assert_eq!(
        stored,
        world.read("conf/a.env"),
        "what is accepted is not redacted either"
    );
}

#[test]
fn what_is_mounted_below_is_left_out_when_the_operator_says_so() {
    let world = World::new();
    world.script("mkdir -p data/mounted; touch data/here");
    world.settings("[sets.data]\nsources = [\"files:data\"]\none_file_system = true");
    let back_up = |set: &str, flags: &str| {
        let script = format!(
            "mount -t tmpfs none data/mounted; touch data/mounted/elsewhere; {PROGRAM} backup --set {set} {flags}"
        );
        let ran = world
            .command("unshare")
            .args(["--mount", "bash", "-ec", &script])
            .output();
        Ran::new(ran.expect("unshare is installed")).expect_code(0, &script);
        paths(&world.json(&["ls", "latest", "--set", set]))
    };
    let whole = ["data", "data/here", "data/mounted", "data/mounted/elsewhere"];
    assert_eq!(back_up("data", ""), whole[..3], "by the settings");
    assert_eq!(back_up("other", "--source files:data"), whole);
    let flags = "--source files:data --one-file-system";
    assert_eq!(back_up("third", flags), whole[..3], "by the flag");
}

#[test]
fn a_command_may_be_silent_or_be_ended_when_the_operator_says_so() {
    let world = World::new();
    let silent = ["backup", "--set", "a", "--source", "command:a=true"];
    let said = refused(&world, 3, &silent);
    assert!(said.contains("--allow-empty"), "{said}");
    world.good(&[&silent[..], &["--allow-empty"]].concat());
    assert_eq!(world.good(&["cat", "latest", "a/output"]).stdout, b"");

    world.settings("[sets.b]\nsources = [\"command:b=sleep 600\"]\ncommand_timeout = 1");
    let begin = Instant::now();
    let said = refused(&world, 3, &["backup", "b"]);
    assert!(said.contains("--command-timeout"), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(60), "two runs of a second each");
    world.settings("[sets.b]\nsources = [\"command:b=sleep 1\"]\nallow_empty = true\ncommand_timeout = 300");
    world.good(&["backup", "b"]);
    refused(
        &world,
        3,
        &[
            "backup",
            "b",
            "--source",
            "command:b=sleep 600",
            "--command-timeout",
            "1",
        ],
    );
}

#[test]
fn a_command_that_fails_publishes_nothing_and_is_on_record() {
    let world = world();
    world.good(&["backup", "all"]);
    let bundles = world.files("store/bundles");
    let audit = world.files("store/audit").len();
    for command in ["seq 1 500000; exit 7", "seq 1 500000; kill -9 $$", "exit 0"] {
        let source = format!("command:dump=sh -c '{command}'");
        let sources = ["backup", "all", "--source", "files:data", "--source", &source];
        let ran = world.run(&sources).expect_code(3, command);
        assert!(ran.stderr.contains("\nerror: "), "{}", ran.stderr);
        assert!(world.files("store/bundles") == bundles, "{command}");
    }
    world.script("test -z \"$(find . -name '.hub-tmp-*')\"");
    let records = world.files("store/audit");
    assert_eq!(records.len(), audit + 6, "three records with their signatures");
    let last = records
        .iter()
        .rev()
        .find(|(name, _)| !name.contains(".asc"))
        .expect("a record");
    let last: Value = serde_json::from_slice(&last.1).expect("JSON");
    assert_eq!(last["act"], "backup", "{last}");
    assert_eq!(last["outcome"]["exit_code"], 3, "{last}");
    assert_eq!(last["outcome"]["kind"], "incomplete", "{last}");
    world.good(&["backup", "all"]);
    world.good(&["verify", "--all"]);
}

#[test]
fn a_source_that_cannot_be_read_publishes_nothing() {
    let world = world();
    // Root reads everything: a database that is none will do for both.
    world.write("broken.db", b"SQLite format 3\0 and nothing else");
    world.script("mkfifo data/pipe");
    let sources = [
        "backup",
        "all",
        "--source",
        "files:data",
        "--source",
        "sqlite:broken.db",
    ];
    let ran = world.run(&sources);
    assert!(matches!(ran.code, Some(3 | 30 | 31)), "{:?}: {}", ran.code, ran.stderr);
    assert_eq!(fs::read_dir(world.path("store/bundles")).map_or(0, Iterator::count), 0);
}

#[test]
fn one_writer_a_set() {
    let world = world();
    let slow = "command:slow=sh -c 'echo begun; touch begun; while test ! -e go; do sleep 0.02; done'";
    let mut first = world.command(PROGRAM);
    let first = first
        .args(["backup", "all", "--source", slow])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let first = first.spawn().expect("the program was built");
    let begin = Instant::now();
    while !world.path("begun").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it begins");
        thread::sleep(Duration::from_millis(5));
    }
    refused(&world, 11, &["backup", "all"]);
    // Another set has its own lease, and readers need none.
    world.good(&["backup", "--set", "other", "--source", "files:data"]);
    world.good(&["verify", "--set", "other"]);
    world.write("go", b"");
    Ran::new(first.wait_with_output().expect("own child")).expect_code(0, "the first");
    world.good(&["backup", "all"]);
    world.good(&["verify", "--all"]);
}

#[test]
fn a_dry_run_writes_nothing() {
    let world = world();
    let report = world.json(&["backup", "all", "--dry-run"]);
    assert_eq!(report["schema"], "hub-backup/backup-dry-run/1", "{report}");
    assert_eq!(report["sources"].as_array().map(Vec::len), Some(3), "{report}");
    let files: Vec<String> = world.files("store").into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, ["repository.json"]);
    refused(&world, 30, &["backup", "all", "--dry-run", "--source", "files:missing"]);
}

#[test]
fn a_secret_key_that_others_can_read_is_refused() {
    let world = world();
    world.good(&["backup", "all"]);
    for key in ["secrets/signer.key", "secrets/operations.key"] {
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(world.path(key), open).expect("own file");
    }
    let said = refused(&world, 2, &["backup", "all"]);
    assert!(said.contains("chmod 600"), "{said}");
    refused(&world, 2, &["ls", "latest"]);
}
