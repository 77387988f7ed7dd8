//! What operators rely on: warnings before a bundle is less than they think, nothing said when all is well, options that hold or are
//! refused, commands of the documentation that work as they stand.

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use hub_backup::base::secret::SecretText;
use hub_backup::bundle::manifest::Role;
use hub_backup::keyring::make::SuiteFeatures;
use serde_json::Value;

use crate::cli::PROGRAM;
use crate::cli::Ran;
use crate::cli::World;
use crate::cli::make_key;

const SETS: &str = "[sets.hub]\nsources = [\"files:data\", \"sqlite:hub.db\"]";

/// A world with a folder, a database, and settings that name both.
fn world() -> World {
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    world.script("sqlite3 hub.db 'CREATE TABLE t(a); INSERT INTO t VALUES (1);'");
    world.settings(SETS);
    world
}

/// Runs it, expects this exit code, and gives the error as `--json` tells it.
#[track_caller]
fn fails(world: &World, code: i32, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    world.run(&arguments).expect_code(code, &arguments.join(" ")).object()
}

fn text(ran: &Ran) -> String {
    String::from_utf8(ran.stdout.clone()).expect("text")
}

#[test]
fn sources_that_are_left_out_are_named() {
    let world = world();
    let whole = world.json(&["backup", "hub"]);
    assert_eq!(whole["left_out"], Value::Array(Vec::new()));
    for more in [&[][..], &["--dry-run"]] {
        let arguments = [&["backup", "hub", "--source", "files:data"], more].concat();
        let ran = world.good(&arguments);
        let warned = "this bundle is without sqlite:hub.db";
        assert!(ran.stderr.contains(warned), "{}", ran.stderr);
        assert_eq!(world.json(&arguments)["left_out"], serde_json::json!(["sqlite:hub.db"]));
    }
    let all = ["backup", "hub", "--source", "files:data", "--source", "sqlite:hub.db"];
    assert_eq!(world.good(&all).stderr, "", "nothing is left out");
    // A password among the arguments of a command is nobody's business.
    world.settings("[sets.hub]\nsources = [\"files:data\", \"command:dump=dump --password needle\"]");
    let ran = world.good(&["backup", "hub", "--source", "files:data"]);
    assert!(ran.stderr.contains("without command:dump=…"), "{}", ran.stderr);
}

#[test]
fn a_set_that_begins_beside_others_is_told() {
    let world = world();
    let first = ["backup", "first", "--source", "files:data"];
    let ran = world.good(&first);
    assert!(ran.stderr.contains("warning: set first is new"), "{}", ran.stderr);
    assert!(ran.stderr.contains("there are hub"), "{}", ran.stderr);
    assert_eq!(world.good(&first).stderr, "", "the store has it now");
    let ran = world.good(&["backup", "frist", "--source", "files:data", "--dry-run"]);
    assert!(ran.stderr.contains("warning: set frist is new"), "{}", ran.stderr);
    assert!(ran.stderr.contains("there are first, hub"), "{}", ran.stderr);
    let told = text(&ran);
    assert!(told.contains("set        frist, number 1 of its chain"), "{told}");
    let planned = world.json(&["backup", "first", "--source", "files:data", "--dry-run"]);
    assert_eq!(planned["sequence"], 3);
    // The first set of all is nobody's mistake, and one of the settings neither.
    assert_eq!(world.good(&["backup", "hub"]).stderr, "");
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    assert_eq!(world.good(&first).stderr, "");
}

#[test]
fn a_set_without_sources_says_where_they_belong() {
    let world = World::new();
    world.settings("[sets.hub]\n# sources = []");
    let settings = String::from_utf8(world.read("hub-backup.toml")).expect("text");
    let line = 1 + settings
        .lines()
        .position(|line| line == "[sets.hub]")
        .expect("it is there");
    let error = fails(&world, 2, &["backup", "hub"]);
    assert_eq!(error["message"], "set hub names no sources yet");
    let hint = error["hint"].as_str().expect("text");
    assert!(hint.contains(&format!("hub-backup.toml:{line}")), "{hint}");
    assert!(hint.contains("--source"), "{hint}");
    // As `init` leaves it.
    world.settings("[sets.hub]\nallow_changed = true\nsources = []");
    let error = fails(&world, 2, &["backup", "hub"]);
    let hint = error["hint"].as_str().expect("text");
    assert!(hint.contains(&format!("hub-backup.toml:{}", line + 2)), "{hint}");
    let error = fails(&world, 2, &["backup", "hbu"]);
    assert_eq!(error["message"], "the settings have no set hbu");
    let hint = error["hint"].as_str().expect("text");
    assert!(hint.starts_with("The settings have: hub."), "{hint}");
}

#[test]
fn a_bundle_is_named_by_the_beginning_of_its_id() {
    let world = world();
    let id = |object: &Value| object["bundle"].as_str().expect("text").to_owned();
    let (one, two) = (id(&world.json(&["backup", "hub"])), id(&world.json(&["backup", "hub"])));
    let differ = one.bytes().zip(two.bytes()).position(|(one, two)| one != two);
    let unique = &one[..=differ.expect("two ids").max(8)];
    for command in [
        &["show", unique][..],
        &["ls", unique],
        &["cat", unique, "data/one.txt"],
        &["verify", unique],
        &["verify", unique, "--deep"],
        &["restore", unique, "--to", "back"],
    ] {
        world.good(command);
    }
    assert_eq!(id(&world.json(&["verify", unique])["result"]), one);
    let error = fails(&world, 2, &["show", &one[..8]]);
    let message = error["message"].as_str().expect("text");
    assert!(message.contains(&one) && message.contains(&two), "{message}");

    // What is no bundle is said before a key is asked for.
    for command in ["verify", "show", "restore", "ls", "verify --deep"] {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.insert(1, "hub");
        if command == "restore" {
            words.extend(["--to", "again"]);
        }
        if command != "show" && command != "verify" {
            words.extend(["--identity", "nope.key"]);
        }
        let error = fails(&world, 10, &words);
        assert_eq!(error["message"], "hub is neither a file nor the id of a bundle");
        let hint = error["hint"].as_str().expect("text");
        assert!(hint.contains("did you mean `latest --set hub`?"), "{hint}");
    }
    let error = fails(&world, 10, &["show", "20010101T000000Z"]);
    let hint = error["hint"].as_str().expect("text");
    assert!(hint.contains("`hub-backup list`"), "{hint}");
    // Seven characters are too few, and a path is a path.
    fails(&world, 10, &["show", &one[..7]]);
    fails(&world, 10, &["show", &format!("./{unique}")]);
    // A store that is away says so.
    fails(&world, 50, &["show", "20010101T000000Z", "--store", "gone"]);
}

#[test]
fn what_is_not_there_has_a_next_step() {
    let world = world();
    world.good(&["backup", "hub"]);
    for arguments in [
        &["ls", "latest", "--identity", "nope.key"][..],
        &["verify", "--checkpoint", "nope"],
        &["keys", "show", "nope"],
        &["show", "./nope.hub.tar"],
        &["backup", "hub", "--source", "files:nope"],
    ] {
        let ran = world.run(&[arguments, &["--json"]].concat());
        let hint = ran.object()["hint"].as_str().map(str::to_owned);
        assert!(
            hint.is_some_and(|hint| hint.starts_with("Correct the ")),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    let error = fails(&world, 22, &["verify", "--certificate", "keys/operations.asc"]);
    let hint = error["hint"].as_str().expect("text");
    assert!(hint.contains("--certificate"), "{hint}");
}

/// Keys that expire in 30 days and in a day, and one that does not yet run out; the settings name them. Gives their ids.
fn keys_that_run_out(world: &World) -> [Option<String>; 3] {
    let generate = |role: &str, expires: &str| {
        let arguments = [
            "keys",
            "generate",
            "--role",
            role,
            "--name",
            expires,
            "--expires",
            expires,
        ];
        let made = world.json(&[&arguments[..], &["--no-passphrase", "--out", "soon"]].concat());
        made["id"].as_str().map(str::to_owned)
    };
    let (signer, late) = (generate("signer", "30d"), generate("recipient", "61d"));
    let soon = generate("recipient", "1d");
    let settings = String::from_utf8(world.read("hub-backup.toml")).expect("text");
    // Not in the second in which they were made.
    thread::sleep(Duration::from_millis(1100));
    let settings = settings
        .replace("secrets/signer.key", "soon/signer-30d.key")
        .replace(
            "\"keys/operations.asc\"",
            "\"soon/recipient-1d.asc\", \"soon/recipient-61d.asc\"",
        )
        .replace("keys/root.asc", "soon/signer-30d.asc");
    world.write("hub-backup.toml", settings.as_bytes());
    [signer, soon, late]
}

#[test]
fn keys_that_run_out_are_told_of_in_time() {
    let world = world();
    let [signer, soon, late] = keys_that_run_out(&world);
    for arguments in [&["backup", "hub"][..], &["backup", "hub", "--dry-run"]] {
        let ran = world.good(arguments);
        for warned in ["expires in 29 days, at 20", "expires in less than a day, at 20"] {
            assert!(ran.stderr.contains(warned), "{}", ran.stderr);
        }
        assert_eq!(ran.stderr.matches("warning: ").count(), 2, "{}", ran.stderr);
        let told = &world.json(arguments)["expiring"];
        assert_eq!(told.as_array().map(Vec::len), Some(2), "{told}");
        assert_eq!(
            (&told[0]["role"], &told[0]["days_left"]),
            (&"signer".into(), &29.into())
        );
        assert_eq!(
            (&told[1]["role"], &told[1]["days_left"]),
            (&"recipient".into(), &0.into())
        );
    }
    let ran = world.good(&["config", "check"]);
    assert!(ran.stderr.contains("keys.signers: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("expires in 29 days"), "{}", ran.stderr);
    let warnings = &world.json(&["config", "check"])["warnings"];
    let keys: Vec<&str> = warnings
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["key"].as_str())
        .collect();
    assert_eq!(keys, ["keys.roots", "keys.signers", "recipients.openpgp"]);
    let listed = world.json(&["keys", "list"]);
    let listed = listed["keys"].as_array().expect("a list");
    let days = |id: &Option<String>| {
        let mut rows = listed.iter().filter(|row| row["id"].as_str() == id.as_deref());
        rows.next().and_then(|row| row["days_left"].as_i64())
    };
    assert_eq!((days(&signer), days(&soon), days(&late)), (Some(29), Some(0), Some(60)));
    let told = text(&world.good(&["keys", "list"]));
    assert_eq!(told.matches("EXPIRES SOON").count(), 2, "{told}");
}

#[test]
fn a_pattern_that_finds_nothing_tells_the_labels() {
    let world = world();
    world.good(&["backup", "hub"]);
    for arguments in [
        &["restore", "latest", "--only", "nowhere", "--to", "out"][..],
        &["restore", "latest", "--only", "nowhere", "--plan"],
        &["ls", "latest", "nowhere"],
        &["cat", "latest", "nowhere"],
    ] {
        let ran = world.run(arguments).expect_code(10, &arguments.join(" "));
        assert!(ran.stderr.contains("the bundle has data, hub.db;"), "{}", ran.stderr);
    }
}

#[test]
fn quiet_success_says_nothing_and_failure_all() {
    let world = world();
    for arguments in [
        &["backup", "hub", "--dry-run"][..],
        &["backup", "hub"],
        &["verify", "latest"],
        &["verify", "--all"],
        &["verify", "latest", "--deep"],
        &["restore", "latest", "--to", "out"],
        &["checkpoint", "create", "--out", "kept.json"],
        &["checkpoint", "check", "kept.json"],
        &["audit", "check"],
        &["config", "check"],
    ] {
        let ran = world.good(&[arguments, &["--quiet"]].concat());
        assert_eq!(
            (text(&ran), ran.stderr),
            (String::new(), String::new()),
            "{arguments:?}"
        );
    }
    assert_eq!(world.json(&["verify", "latest", "--quiet"])["result"]["proven"], true);
    // What was asked for is no talk.
    for arguments in [
        &["list"][..],
        &["ls", "latest"],
        &["restore", "latest", "--plan"],
        &["show"],
    ] {
        let ran = world.good(&[arguments, &["--quiet"]].concat());
        assert!(!ran.stdout.is_empty(), "{arguments:?}");
    }
    let bundle = world.files("store/bundles")[0].0.clone();
    fs::remove_file(world.path("store/bundles").join(bundle)).expect("there");
    let ran = world
        .run(&["verify", "--all", "--quiet"])
        .expect_code(23, "a bundle is gone");
    assert!(text(&ran).contains("chain-broken"), "{}", text(&ran));
}

#[test]
fn options_for_another_kind_of_target_are_refused() {
    let world = world();
    world.good(&["backup", "hub"]);
    let folder = ["restore", "latest", "--to", "out"];
    for option in [
        &["--in-place"][..],
        &["--into-schema", "s", "--only", "data"],
        &["--globals"],
        &["--no-owner"],
        &["--no-privileges"],
        &["--role", "r"],
        &["--analyze"],
        &["--row-check", "rows"],
        &["--definer", "drop"],
    ] {
        let error = fails(&world, 2, &[&folder[..], option].concat());
        let message = error["message"].as_str().expect("text");
        assert!(message.starts_with(option[0]), "{message}");
        assert!(!world.path("out").exists());
    }
    let server = ["restore", "latest", "--to", "hub.db=postgres://u@127.0.0.1:1/new"];
    for option in [
        &["--sqlite-check", "none"][..],
        &["--no-same-owner"],
        &["--allow-missing-xattrs"],
        &["--definer", "drop"],
    ] {
        fails(&world, 2, &[&server[..], option].concat());
    }
    let options = ["--sqlite-check", "quick", "--no-same-owner", "--allow-missing-xattrs"];
    world.good(&[&folder[..], &options].concat());
}

#[test]
fn options_that_hold_for_nothing_are_refused() {
    let world = world();
    world.good(&["backup", "hub"]);
    for (option, value) in [
        ("--identity", "nope.key"),
        ("--identity-passphrase-file", "nope"),
        ("--passphrase-file", "nope"),
    ] {
        let error = fails(&world, 2, &["verify", option, value]);
        let message = error["message"].as_str().expect("text");
        assert!(message.starts_with(option) && message.contains("--deep"), "{message}");
    }
    for (option, value) in [
        ("--store", "other"),
        ("--config", "/nope"),
        ("--root", "nope.asc"),
        ("--certificate", "nope.asc"),
    ] {
        for command in [
            &["init", "box", "--no-passphrase"][..],
            &["completions", "bash"],
            &["man"],
        ] {
            let arguments = [command, &[option, value]].concat();
            let ran = world.run(&arguments).expect_code(2, &arguments.join(" "));
            assert!(
                ran.stderr.contains(&format!("has no use for {option}")),
                "{}",
                ran.stderr
            );
            assert!(!world.path("box").exists());
            let mut help = command.to_vec();
            help.push("--help");
            let help = text(&world.good(&help));
            assert!(!help.contains(option) && help.contains("--quiet"), "{help}");
        }
    }
    let help = text(&world.good(&["verify", "--help"]));
    assert!(help.contains("--store <DIR>"), "{help}");
}

#[test]
fn options_of_a_restore_stand_under_what_they_are_for() {
    let help = text(&World::new().good(&["restore", "--help"]));
    let mut heading = "";
    let mut found = Vec::new();
    let wanted = [
        "--definer",
        "--row-check",
        "--sqlite-check",
        "--no-same-owner",
        "--allow-missing-xattrs",
        "--analyze",
    ];
    for line in help.lines() {
        if !line.starts_with(' ') && line.ends_with(':') {
            heading = line;
        }
        let option = line.split_whitespace().next().unwrap_or_default();
        if wanted.contains(&option) {
            found.push((option, heading));
        }
    }
    let on_any = "Options of targets on any database server:";
    let in_files = "Options of folders and SQLite databases:";
    assert_eq!(
        found,
        [
            ("--analyze", "Options of PostgreSQL targets:"),
            ("--definer", "Options of MySQL and MariaDB targets:"),
            ("--row-check", on_any),
            ("--sqlite-check", in_files),
            ("--no-same-owner", in_files),
            ("--allow-missing-xattrs", in_files),
        ]
    );
    assert_eq!(help.matches("\nOptions:").count(), 1, "{help}");
}

/// The records of a log, by their names.
fn records(world: &World, store: &str) -> Vec<String> {
    let names = world.files(&format!("{store}/audit")).into_iter().map(|(name, _)| name);
    names.filter(|name| !name.contains(".asc")).collect()
}

#[test]
fn a_copy_of_a_store_can_be_verified_and_still_follow() {
    let world = world();
    world.good(&["backup", "hub"]);
    world.good(&["backup", "hub"]);
    let copy = "mkdir -p copy; cp -a --update=all store/. copy/ 2>/dev/null || cp -a store/. copy/";
    world.script(copy);
    let verifier =
        "[store]\npath = \"copy\"\n[keys]\nroots = [\"keys/root.asc\"]\ncertificates = [\"keys/signer.asc\"]\n";
    world.write("verifier.toml", verifier.as_bytes());
    for what in [&["verify", "latest"][..], &["verify", "--all"]] {
        let before = world.files("copy");
        world.good(&[what, &["--config", "verifier.toml"]].concat());
        assert!(world.files("copy") == before, "who has no key writes nothing");
    }
    world.good(&["backup", "hub"]);
    world.script(copy);
    world.good(&["audit", "check", "--config", "verifier.toml"]);
    assert_eq!(records(&world, "copy"), records(&world, "store"));
}

#[test]
fn verification_of_all_is_one_record() {
    let world = world();
    for _ in 0..3 {
        world.good(&["backup", "hub"]);
    }
    let before = records(&world, "store").len();
    world.good(&["verify", "--all"]);
    let after = records(&world, "store");
    assert_eq!(after.len(), before + 1);
    let last = world.read(&format!("store/audit/{}", after.last().expect("one")));
    let last: Value = serde_json::from_slice(&last).expect("JSON");
    assert_eq!((&last["act"], &last["bundle"]), (&"verify".into(), &Value::Null));
    assert_eq!(last["details"], serde_json::json!({"bundles": "3", "not_proven": "0"}));
    let bundle = world.files("store/bundles")[0].0.clone();
    fs::remove_file(world.path("store/bundles").join(bundle)).expect("there");
    world.run(&["verify", "--all"]).expect_code(23, "one is gone");
    let after = records(&world, "store");
    let last = world.read(&format!("store/audit/{}", after.last().expect("one")));
    let last: Value = serde_json::from_slice(&last).expect("JSON");
    assert_eq!(last["outcome"]["exit_code"], 23);
    assert_eq!(last["details"]["not_proven"], "1");
    world.good(&["audit", "check"]);
}

#[test]
fn the_gravest_of_several_findings_gives_the_code_and_damage_names_its_bundle() {
    let world = world();
    let ids: Vec<String> = (0..3)
        .map(|_| {
            world.json(&["backup", "hub"])["bundle"]
                .as_str()
                .expect("an id")
                .to_owned()
        })
        .collect();
    let mut stored = world.files("store/bundles");
    stored.sort();
    let file = |id: &str| {
        let named = stored.iter().find(|(name, _)| name.contains(id)).expect("it is there");
        (format!("store/bundles/{}", named.0), named.1.clone())
    };
    // The newest comes first, and is damaged.
    let (name, mut bytes) = file(&ids[2]);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    world.write(&name, &bytes);

    let error = fails(&world, 24, &["verify", "latest"]);
    assert_eq!(
        (&error["set"], &error["bundle"]),
        (&"hub".into(), &ids[2].clone().into())
    );
    let message = error["message"].as_str().expect("text");
    assert!(
        message.starts_with(&format!("bundle {} of set hub: ", ids[2])),
        "{message}"
    );
    let all = world.run(&["verify", "--all"]).expect_code(24, "one is damaged");
    assert!(all.stderr.contains(&ids[2]), "{}", all.stderr);
    assert!(!all.stderr.contains("verify --all"), "it was just done: {}", all.stderr);

    // What was removed is graver than what was damaged, wherever it stands.
    fs::remove_file(world.path(&file(&ids[0]).0)).expect("there");
    world.run(&["verify", "--all"]).expect_code(23, "one is gone");
    let log = world.json(&["audit", "list"]);
    let last = log["records"]
        .as_array()
        .and_then(|records| records.last())
        .expect("one");
    assert_eq!(last["record"]["outcome"]["exit_code"], 23);
}

#[test]
fn a_backup_that_is_too_old_has_its_code() {
    let world = world();
    world.good(&["backup", "hub"]);
    for what in [&["verify", "latest"][..], &["verify", "--all"]] {
        world.good(&[what, &["--max-age", "26h"]].concat());
        world.script("sleep 1.1");
        let ran = world.run(&[what, &["--max-age", "0m"]].concat()).expect_code(60, "old");
        assert!(
            ran.stderr.contains("the newest bundle of set hub was made"),
            "{}",
            ran.stderr
        );
    }
    for wrong in ["26", "h", "-1h", "1y", ""] {
        fails(&world, 2, &["verify", "--max-age", wrong]);
    }
    let bundle = world.json(&["list"])["bundles"][0]["bundle"]
        .as_str()
        .expect("an id")
        .to_owned();
    fails(&world, 2, &["verify", &bundle, "--max-age", "26h"]);
}

#[test]
fn a_list_shows_what_a_chain_lacks() {
    let world = world();
    for _ in 0..5 {
        world.good(&["backup", "hub"]);
    }
    assert_eq!(world.json(&["list"])["gaps"], Value::Array(Vec::new()));
    world.script("rm store/manifests/hub/*02.json store/manifests/hub/*03.json.asc store/manifests/hub/*05.json");
    let ran = world.run(&["list"]).expect_code(23, "gaps");
    let shown = text(&ran);
    assert!(
        shown.contains("MISSING    set hub: numbers 2 to 3 of its chain are missing"),
        "{shown}"
    );
    assert!(
        shown.contains("MISSING    set hub: number 5 of its chain is missing"),
        "{shown}"
    );
    let gaps = world.run(&["list", "--json"]).expect_code(23, "gaps").object();
    let gap = |first: u64, last: u64| serde_json::json!({"set": "hub", "first": first, "last": last});
    assert_eq!(gaps["gaps"], serde_json::json!([gap(2, 3), gap(5, 5)]));
}

#[test]
fn a_checkpoint_says_what_it_compared() {
    let world = world();
    world.good(&["backup", "hub"]);
    world.good(&["checkpoint", "create", "--out", "kept.json"]);
    let ran = world.good(&["checkpoint", "check", "kept.json"]);
    let shown = text(&ran);
    assert!(
        shown.contains("the id of the store; the digest of manifest 1 of set hub; the digest of audit record"),
        "{shown}"
    );
    assert!(shown.contains("not looked at: "), "{shown}");
    let json = world.json(&["checkpoint", "check", "kept.json"]);
    assert_eq!(json["compared"].as_array().map(Vec::len), Some(3), "{json}");
}

/// The problems that `config check` finds.
#[track_caller]
fn problems(world: &World, settings: &str) -> Vec<(String, String)> {
    world.write("checked.toml", settings.as_bytes());
    let ran = world.run(&["config", "check", "--config", "checked.toml", "--json"]);
    let list = ran.object()["problems"].as_array().expect("a list").clone();
    let said = |problem: &Value, key: &str| problem[key].as_str().expect("text").to_owned();
    let list: Vec<_> = list
        .iter()
        .map(|problem| (said(problem, "key"), said(problem, "message")))
        .collect();
    assert_eq!(ran.code, Some(if list.is_empty() { 0 } else { 2 }), "{list:?}");
    list
}

#[track_caller]
fn finds(world: &World, settings: &str, key: &str, words: &str) {
    let found = problems(world, settings);
    assert!(
        found.iter().any(|(at, message)| at == key && message.contains(words)),
        "{key}: {words}: {found:#?}"
    );
}

#[test]
fn a_check_of_settings_finds_what_a_backup_would() {
    let world = world();
    let good = format!("{}\n{SETS}\n", cli::SETTINGS);
    assert_eq!(problems(&world, &good), []);
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };

    fs::create_dir(world.path("empty")).expect("new");
    finds(&world, &with("\"store\"", "\"empty\""), "store.path", "is not a store");
    finds(
        &world,
        &with("files:data", "files:gone"),
        "sets.hub.sources",
        "files:gone: No such file",
    );
    finds(
        &world,
        &with("files:data", "sqlite:data/hub.db"),
        "sets.hub.sources",
        "the label hub.db stands for two",
    );
    finds(
        &world,
        &with("files:data", "ftp://data"),
        "sets.hub.sources",
        "is not a kind of source",
    );
}

#[test]
fn a_check_of_settings_judges_signers() {
    let world = world();
    let good = format!("{}\n{SETS}\n", cli::SETTINGS);
    let with = |from: &str, to: &str| good.replace(from, to);
    let signer = |file: &str| with("secrets/signer.key", file);
    finds(
        &world,
        &signer("secrets/stranger.key"),
        "keys.signers",
        "no pinned root had certified",
    );
    let locked = make_key(Role::Signer, SuiteFeatures::Rfc9580, Some("a long passphrase"));
    let secret = |text: &SecretText| text.expose().to_owned();
    world.write("secrets/locked.key", secret(&locked.secret).as_bytes());
    world.write("keys/locked.asc", locked.public.as_bytes());
    let pinned = signer("secrets/locked.key").replace("\"keys/root.asc\"", "\"keys/root.asc\", \"keys/locked.asc\"");
    finds(
        &world,
        &pinned,
        "keys.signers",
        "the key is locked, and nothing is named that unlocks it",
    );
    let unlocked = pinned.replace("identities", "signer_passphrase_file = \"pass\"\nidentities");
    world.write("pass", b"another passphrase\n");
    finds(&world, &unlocked, "keys.signers", "secrets/locked.key");
    world.write("pass", b"a long passphrase\n");
    assert_eq!(problems(&world, &unlocked), []);
    world.good(&[
        "keys",
        "revoke",
        "secrets/signer.key",
        "--reason",
        "retired",
        "--out",
        "keys/retired.asc",
    ]);
    finds(
        &world,
        &with("\"keys/signer.asc\"", "\"keys\""),
        "keys.signers",
        "was not valid at",
    );
}

#[test]
fn a_check_of_settings_judges_recipients() {
    let world = world();
    let good = format!("{}\n{SETS}\n", cli::SETTINGS);
    let with = |from: &str, to: &str| good.replace(from, to);
    finds(
        &world,
        &with("keys/operations.asc", "secrets/operations.key"),
        "recipients.openpgp",
        "holds a secret key",
    );
    world.good(&[
        "keys",
        "revoke",
        "secrets/operations.key",
        "--reason",
        "compromised",
        "--out",
        "keys/operations-revoked.asc",
    ]);
    finds(
        &world,
        &with("keys/operations.asc", "keys/operations-revoked.asc"),
        "recipients.openpgp",
        "the certificate is revoked",
    );
    world.write("keys/broken.asc", b"nothing\n");
    finds(
        &world,
        &with("\"keys/signer.asc\"", "\"keys/broken.asc\""),
        "keys.certificates",
        "keys/broken.asc",
    );
}

/// The blocks of commands below a heading of `docs/operating.md`, up to the next heading of its rank.
fn commands(heading: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let page = fs::read_to_string(page).expect("the page");
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let section = rest.split_once("\n## ").map_or(rest, |(section, _)| section);
    let blocks = section.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split_once("```").expect("an end").0.to_owned());
    blocks.collect()
}

/// A folder that `init` made, with a bundle, and the program where commands find it.
fn initialized() -> World {
    let world = World::new();
    let programs = world.path("programs");
    fs::create_dir(&programs).expect("new");
    std::os::unix::fs::symlink(PROGRAM, programs.join("hub-backup")).expect("new");
    world.good(&["init", "made", "--no-passphrase"]);
    let settings = world.path("made/hub-backup.toml");
    let text = fs::read_to_string(&settings).expect("made");
    let text = text.replace("sources = [\n", "sources = [\n    \"files:../keys\",\n");
    world.write("made/hub-backup.toml", text.as_bytes());
    fs::set_permissions(&settings, fs::Permissions::from_mode(0o640)).expect("own file");
    shell(&world, "hub-backup backup hub");
    world
}

/// Runs commands in the folder of `init`.
#[track_caller]
fn shell(world: &World, commands: &str) -> Ran {
    let search = format!("{}:{}", world.path("programs").display(), cli::SEARCH_PATH);
    let output = world
        .command("bash")
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(world.path("made"))
        .env("PATH", search)
        .output();
    Ran::new(output.expect("bash is installed")).expect_code(0, commands)
}

#[test]
fn keys_are_replaced_as_the_documentation_says() {
    let blocks = commands("Replace keys");
    let [expires, retired, stolen, unreachable, recipient] = blocks.as_slice() else {
        panic!("five blocks of commands: {blocks:#?}");
    };
    for last in [retired, stolen, unreachable] {
        let world = initialized();
        shell(&world, expires);
        let settings = String::from_utf8(world.read("made/hub-backup.toml")).expect("text");
        let settings = settings.replace("secrets/signer.key", "secrets/signer-2028.key");
        world.write("made/hub-backup.toml", settings.as_bytes());
        shell(
            &world,
            "hub-backup config check && hub-backup backup hub && hub-backup verify --all",
        );
        // What was signed in the second of a revocation is not before it.
        shell(&world, &format!("sleep 1.1\n{last}"));
        shell(&world, "hub-backup verify latest --set hub && hub-backup backup hub");
        let all = shell(&world, "hub-backup verify --all && echo good || echo \"code $?\"");
        let expected = if last == retired { "good\n" } else { "code 22\n" };
        assert!(text(&all).ends_with(expected), "{last}: {}", text(&all));
    }
    // It asks for a passphrase at a terminal, and here is none.
    let world = initialized();
    world.write("passphrase", b"a horse that is correct");
    let unattended = recipient.replace(
        " --out ",
        &format!(" --passphrase-file {} --out ", world.path("passphrase").display()),
    );
    assert_ne!(&unattended, recipient);
    shell(&world, &unattended);
}
