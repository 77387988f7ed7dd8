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
    world.write("conf/app.env", b"# settings\nNAME=hub\nDB_PASSWORD=correct-horse-battery\n");
    world.settings("[sets.all]\nsources = [\"files:data\", \"config:conf\"]\nexclude = [\"*.tmp\"]\nredact_secrets = true");
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
    assert_tells(&text(&world.good(&["show", "latest"])), &["1 exceptions", "redacted 1", "`hub-backup ls` names"]);
}

#[test]
fn what_a_part_is_without_is_told_of_that_part() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let only = [&["restore", "latest", "--only", "conf/app.env", "--to", "conf"], &KEY[..]].concat();
    fs::remove_dir_all(world.path("conf")).expect("there");
    let part = world.good(&only);
    assert_tells(&text(&part), &[REDACTED]);
    assert!(!text(&part).contains(SOCKET), "{}", text(&part));
    let only = [&["restore", "latest", "--only", "data/one.txt", "--to", "one"], &KEY[..]].concat();
    let part = text(&world.good(&only));
    assert!(!part.contains(SOCKET) && !part.contains("redacted"), "{part}");
}
