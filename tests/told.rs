//! What operators are told: what is not in a bundle and what was taken out of it, what the audit log says of an act, what is wrong
//! with the keys that they give.

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::net::UnixListener;

use serde_json::Value;

use crate::cli::Ran;
use crate::cli::World;

/// Restores, lists and verifies with this key.
const KEY: [&str; 2] = ["--identity", "secrets/operations.key"];

/// A world whose set `all` leaves out a socket and takes a password out of its settings.
fn world_with_remarks() -> World {
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    drop(UnixListener::bind(world.path("data/ear")).expect("a socket"));
    world.write(
        "conf/app.env",
        b"# settings\nNAME=hub\nDB_PASSWORD=correct-horse-battery\n",
    );
    world.settings(
        "[sets.all]\nsources = [\"files:data\", \"config:conf\"]\nexclude = [\"*.tmp\"]\nredact_secrets = true",
    );
    world
}

const SOCKET: &str = "data/ear: a socket, not stored";
const REDACTED: &str = "conf: redacted: app.env:3: DB_PASSWORD";

#[track_caller]
fn assert_tells(told: &str, what: &[&str]) {
    for words in what {
        assert!(told.contains(words), "{words:?} is not told:\n{told}");
    }
}

fn text(ran: &Ran) -> String {
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// The remarks of a report, as one exception and one note.
#[track_caller]
fn assert_remarks(remarks: &Value) {
    assert_eq!(remarks["exceptions"].as_array().map(Vec::len), Some(1), "{remarks}");
    assert_eq!(remarks["exceptions"][0]["path"], "data/ear", "{remarks}");
    assert_eq!(remarks["exceptions"][0]["reason"], "a socket, not stored", "{remarks}");
    assert_eq!(remarks["notes"][0]["source"], "conf", "{remarks}");
    assert_eq!(remarks["notes"][0]["fact"], "redacted", "{remarks}");
    let place = remarks["notes"][0]["text"].as_str().expect("text");
    assert!(place.starts_with("app.env:3: DB_PASSWORD ("), "{place}");
    assert_eq!(remarks["more"], 0, "{remarks}");
}

#[test]
fn what_is_not_in_a_bundle_is_named_by_every_command() {
    let world = world_with_remarks();
    let made = world.good(&["backup", "all"]);
    assert_tells(&made.stderr, &[&format!("warning: {SOCKET}"), REDACTED]);
    assert_tells(&text(&made), &["EXCEPTIONS 1"]);
    assert!(!made.stderr.contains("correct-horse"), "{}", made.stderr);
    let made = world.json(&["backup", "all"]);
    assert_eq!(made["exceptions"], 1, "{made}");
    assert_remarks(&made["remarks"]);

    let told = [&format!("exception  {SOCKET}")[..], &format!("note       {REDACTED}")];
    let deep = [&["verify", "latest", "--deep"], &KEY[..]].concat();
    assert_tells(&text(&world.good(&deep)), &told);
    assert_remarks(&world.json(&deep)["contents"]["remarks"]);
    let deep_all = [&["verify", "--all", "--deep"], &KEY[..]].concat();
    assert_tells(&text(&world.good(&deep_all)), &told);

    let plan = [&["restore", "latest", "--plan", "--to", "back"], &KEY[..]].concat();
    assert_tells(&text(&world.good(&plan)), &told);
    assert_remarks(&world.json(&plan)["remarks"]);
    let restore = [&["restore", "latest", "--to", "back"], &KEY[..]].concat();
    assert_tells(&text(&world.good(&restore)), &told);
    assert!(!world.path("back/data/ear").exists());

    let listed = world.good(&[&["ls", "latest"], &KEY[..]].concat());
    assert_tells(&listed.stderr, &[&format!("warning: {SOCKET}"), REDACTED]);
    assert_tells(
        &text(&world.good(&["show", "latest"])),
        &["1 exceptions", "redacted 1", "`hub-backup ls` names"],
    );
}

#[test]
fn what_a_part_is_without_is_told_of_that_part() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let only = [
        &["restore", "latest", "--only", "conf/app.env", "--to", "conf"],
        &KEY[..],
    ]
    .concat();
    fs::remove_dir_all(world.path("conf")).expect("there");
    let part = world.good(&only);
    assert_tells(&text(&part), &[REDACTED]);
    assert!(!text(&part).contains(SOCKET), "{}", text(&part));
    let only = [
        &["restore", "latest", "--only", "data/one.txt", "--to", "one"],
        &KEY[..],
    ]
    .concat();
    let part = text(&world.good(&only));
    assert!(!part.contains(SOCKET) && !part.contains("redacted"), "{part}");
}

/// The records of the audit log, the oldest first.
fn records(world: &World) -> Vec<Value> {
    let list = world.json(&["audit", "list"]);
    let rows = list["records"].as_array().expect("a list");
    rows.iter().map(|row| row["record"].clone()).collect()
}

#[test]
fn the_audit_log_says_what_was_done() {
    let world = world_with_remarks();
    let made = world.json(&["backup", "all"]);
    let restore = [
        &[
            "restore", "latest", "--only", "data/**", "--only", "conf", "--to", "back",
        ],
        &KEY[..],
    ]
    .concat();
    let _restored = world.good(&restore);
    let _verified = world.good(&[&["verify", "latest", "--deep"], &KEY[..]].concat());
    let records = records(&world);
    assert_eq!(records.len(), 3, "{records:?}");
    assert_eq!(records[0]["details"]["manifest_sha256"], made["manifest_sha256"]);
    assert_eq!(records[0]["details"]["exceptions"], "1");
    assert_eq!(records[1]["details"]["targets"], "back");
    assert_eq!(records[1]["details"]["only"], "data/**\nconf");
    assert_eq!(records[1]["details"].get("verification"), None);
    assert!(records[2]["details"]["deep"].is_string(), "{records:?}");
    let people = text(&world.good(&["audit", "list"]));
    assert_tells(&people, &["\n        targets: back\n", "\n        only: conf\n"]);
    // Who did it is what the system says, whatever a variable says.
    let lied = world
        .command(cli::PROGRAM)
        .args(["verify"])
        .env("USER", "nobody-else")
        .env("LOGNAME", "liar")
        .output();
    assert_eq!(lied.expect("built").status.code(), Some(0));
    let user = String::from_utf8(world.script("id --user --name --real")).expect("text");
    let last = self::records(&world).pop().expect("a record");
    assert_eq!(last["actor"]["user"], user.trim());
}

#[test]
fn a_password_of_a_target_is_not_on_record() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let target = "postgres://admin:correct-horse@127.0.0.1:1/back";
    let ran = world.run(&[&["restore", "latest", "--to", target], &KEY[..]].concat());
    assert_ne!(ran.code, Some(0));
    let last = records(&world).pop().expect("a record");
    let targets = last["details"]["targets"].as_str().expect("text");
    assert!(
        targets.contains("127.0.0.1") && !targets.contains("correct-horse"),
        "{targets}"
    );
}

/// Nobody can add to the audit log any more.
fn fill_the_log(world: &World) {
    world.write("store/audit/18446744073709551615.json", b"{}");
}

#[test]
fn a_restore_without_proof_is_on_record_before_it_begins() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let danger = [
        &["restore", "latest", "--unsafe-skip-verification", "--to", "back"],
        &KEY[..],
    ]
    .concat();
    let _restored = world.good(&danger);
    let phases: Vec<Value> = records(&world)
        .iter()
        .map(|record| record["details"]["phase"].clone())
        .collect();
    assert_eq!(phases, [Value::Null, "begin".into(), "end".into()]);
    // One that fails is on record twice too.
    let _refused = world.run(&danger).expect_code(40, "the target is there");
    let last = records(&world).pop().expect("a record");
    assert_eq!(
        (&last["outcome"]["exit_code"], &last["details"]["phase"]),
        (&40.into(), &"end".into())
    );
    fill_the_log(&world);
    let elsewhere = [&danger[..3], &["--to", "other"], &KEY[..]].concat();
    let refused = world.run(&elsewhere).expect_code(50, "not on record");
    assert_tells(&refused.stderr, &["must be on record", "nothing was decrypted"]);
    assert!(!world.path("other").exists());
}

#[test]
fn what_fails_and_is_not_on_record_says_both() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    fill_the_log(&world);
    let bundles = world.files("store/bundles");
    let (name, bytes) = &bundles[0];
    let mut bytes = bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    world.write(&format!("store/bundles/{name}"), &bytes);
    let told = ["warning: this is not on record", "error: "];
    let verify = world.run(&["verify", "latest"]);
    assert_tells(&verify.stderr, &told);
    let restore = world.run(&[&["restore", "latest", "--to", "back"], &KEY[..]].concat());
    assert_tells(&restore.stderr, &told);
    let backup = world.run(&["backup", "all", "--source", "files:nowhere"]);
    assert_tells(&backup.stderr, &told);
    for ran in [verify, restore, backup] {
        assert!(
            ran.code != Some(0) && ran.stderr.matches("not on record").count() == 1,
            "{}",
            ran.stderr
        );
    }
}
