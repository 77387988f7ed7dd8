//! Slips of an operator, and what an attacker makes of them, through the whole program: each must fail closed, say why, and leave things as they were.

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::io;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Child;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;

use crate::cli::PROGRAM;
use crate::cli::Ran;
use crate::cli::World;

const SETS: &str = "[sets.hub]\nsources = [\"files:data\", \"sqlite:hub.db\"]";

const SETS_OF_FILES: &str = "[sets.hub]\nsources = [\"files:data\"]";

/// A world with one bundle of a folder and a database.
fn backed_up() -> World {
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    world.script("sqlite3 hub.db 'CREATE TABLE t(a); INSERT INTO t VALUES (1);'");
    world.settings(SETS);
    world.good(&["backup", "hub"]);
    world
}

/// Runs it, expects this exit code, and gives the error as `--json` tells it.
#[track_caller]
fn fails(world: &World, code: i32, arguments: &[&str]) -> String {
    let arguments = [arguments, &["--json"]].concat();
    let ran = world.run(&arguments).expect_code(code, &arguments.join(" "));
    let error = ran.object();
    assert_eq!(error["exit_code"], code);
    assert!(error["hint"].is_string(), "the next thing to do: {error}");
    error["message"].as_str().expect("text").to_owned()
}

#[test]
fn a_store_that_is_not_mounted_is_no_store() {
    let world = backed_up();
    world.good(&["checkpoint", "create", "--out", "kept.json"]);
    fs::create_dir(world.path("mount-point")).expect("new");
    let there = ["--store", "mount-point"];
    for act in [
        &["backup", "hub"][..],
        &["backup", "hub", "--dry-run"],
        &["checkpoint", "create"],
    ] {
        let message = fails(&world, 50, &[act, &there].concat());
        assert!(
            message.ends_with("is not a store: it has no repository.json"),
            "{message}"
        );
    }
    for act in [
        &["verify", "--all"][..],
        &["verify"],
        &["list"],
        &["audit", "list"],
        &["audit", "check"],
        &["restore", "latest", "--to", "out"],
    ] {
        fails(&world, 50, &[act, &there].concat());
    }
    world.store("new");
    fails(&world, 10, &["verify", "--all", "--store", "new"]);
    world.good(&["list", "--store", "new"]);
    fails(&world, 10, &["verify", "--all", "--set", "nowhere"]);
    assert_eq!(world.files("mount-point"), []);
    let missing = fails(&world, 50, &["backup", "hub", "--store", "nowhere"]);
    assert!(missing.contains("cannot open the folder of the store"), "{missing}");
}

#[test]
fn a_store_without_its_bundles_is_held_against_the_checkpoint() {
    let world = backed_up();
    world.good(&["checkpoint", "create", "--out", "kept.json"]);
    world.script("rm -r store/bundles store/manifests");
    let ran = world.run(&["verify", "--all", "--checkpoint", "kept.json", "--json"]);
    let told = ran.expect_code(23, "everything is gone").object();
    let problems = told["problems"].to_string();
    assert!(problems.contains("set hub is gone"), "{problems}");
}

#[test]
fn a_store_that_lost_its_identity_is_a_problem_of_the_store() {
    let world = backed_up();
    world.script("rm store/repository.json");
    let ran = world.run(&["verify", "--all"]).expect_code(23, "verify");
    let shown = String::from_utf8(ran.stdout).expect("text");
    assert!(shown.contains("the store has no repository.json"), "{shown}");
    assert!(shown.contains("ok "), "its bundles are proven all the same: {shown}");
    world.good(&["restore", "latest", "--to", "out"]);
}

#[test]
fn a_bundle_that_the_chain_names_and_nobody_has_is_a_break() {
    let world = backed_up();
    let id = world.json(&["list"])["bundles"][0]["bundle"]
        .as_str()
        .expect("an id")
        .to_owned();
    world.script("rm store/bundles/hub/*/*/*.hub.tar");
    for act in [
        &["verify", "latest"][..],
        &["verify", &id],
        &["restore", &id, "--to", "out"],
    ] {
        let message = fails(&world, 23, act);
        assert!(message.contains("no longer has bundle"), "{message}");
    }
    drop(world.run(&["verify", "--all"]).expect_code(23, "all"));
    fails(&world, 10, &["verify", "20260131T235959Z-0123456789abcdef"]);
}

#[test]
fn nobody_signs_what_would_not_verify() {
    let world = backed_up();
    let before = world.files("store");
    let message = fails(&world, 22, &["backup", "hub", "--signer", "secrets/stranger.key"]);
    assert!(
        message.contains("is not trusted, so its bundles would not verify"),
        "{message}"
    );
    // The signer's own key is known to be stolen, and only the certificates say so.
    world.good(&[
        "keys",
        "revoke",
        "secrets/signer.key",
        "--reason",
        "compromised",
        "--out",
        "stolen.asc",
    ]);
    let stolen = ["--certificate", "stolen.asc", "--certificate", "keys/signer.asc"];
    fails(&world, 22, &[&["backup", "hub"][..], &stolen].concat());
    fails(
        &world,
        22,
        &[&["backup", "other", "--source", "files:data"][..], &stolen].concat(),
    );
    assert_eq!(world.files("store"), before);
    world.good(&["backup", "hub"]);
}

#[test]
fn a_chain_that_ends_in_untrusted_hands_is_not_continued_and_a_new_set_is() {
    let world = backed_up();
    world.script(&format!(
        "{PROGRAM} keys generate --role root --out second --no-passphrase --name two
         {PROGRAM} keys generate --role signer --out second --no-passphrase --name two --certify-with second/root-two.key"
    ));
    let second = [
        "--root",
        "second/root-two.asc",
        "--certificate",
        "second/signer-two.asc",
        "--signer",
        "second/signer-two.key",
    ];
    let message = fails(&world, 22, &[&["backup", "hub"][..], &second].concat());
    assert!(
        message.starts_with("the chain of set hub ends in manifest 1"),
        "{message}"
    );
    world.good(&[&["backup", "hub-2", "--source", "files:data"][..], &second].concat());
}

#[test]
fn a_secret_key_is_no_recipient_and_is_never_repeated() {
    let world = backed_up();
    for key in ["secrets/operations.key", "secrets/age.key"] {
        let message = fails(&world, 2, &["backup", "hub", "--recipient", key]);
        assert!(message.contains("holds a secret key"), "{message}");
    }
    let text = String::from_utf8(world.read("secrets/age.key")).expect("text");
    let secret = text
        .lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY-"))
        .expect("an identity");
    for arguments in [
        &["backup", "hub", "--recipient", secret][..],
        &["restore", "latest", "--to", "out", "--identity", secret],
        &["backup", "hub", "--signer", secret],
        &["verify", secret],
        &["verify", "--set", secret],
        &[secret],
    ] {
        for more in [&[][..], &["--json"]] {
            let ran = world.run(&[arguments, more].concat());
            assert_ne!(ran.code, Some(0));
            let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), ran.stderr);
            assert!(!said.to_uppercase().contains(secret), "{arguments:?}: {said}");
            assert!(said.contains("[redacted]"), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn what_has_no_target_is_not_left_out_in_silence() {
    let world = backed_up();
    let restore = ["restore", "latest"];
    for targets in [
        &["--to", "hub.db=sqlite:out.db"][..],
        &["--to", "sqlite:out.db"],
        &["--to", "files:out"],
        &["--to", "files:out", "--only", "hub.db", "--only", "data"],
        &["--to", "files:out", "--plan"],
    ] {
        let message = fails(&world, 2, &[&restore, targets].concat());
        assert!(
            message.contains("has no target, and would not be restored"),
            "{message}"
        );
        assert!(!world.path("out").exists() && !world.path("out.db").exists());
    }
    world.good(&["restore", "latest", "--to", "hub.db=sqlite:out.db", "--only", "hub.db"]);
    world.good(&["restore", "latest", "--to", "sqlite:two.db", "--to", "rest"]);
    assert_eq!(world.read("rest/data/one.txt"), b"one\n");
    assert!(!world.path("rest/hub.db").exists());
}

#[test]
fn targets_that_will_not_do_are_refused_before_anything_is_read() {
    let world = backed_up();
    world.write("taken/file", b"x");
    world.script("ln -s store link; truncate -s 100 store/bundles/hub/*/*/*.hub.tar");
    for targets in [
        &["--to", "taken"][..],
        &["--to", "store/x"],
        &["--to", "link/bundles/hub/x"],
        &["--to", "data=files:store/x", "--to", "rest"],
        &["--to", "hub.db=sqlite:store/x.db", "--to", "rest"],
        &["--to", "nowhere/x"],
        &["--to", "taken", "--plan"],
        &["--to", "store/x", "--plan"],
    ] {
        fails(&world, 40, &[&["restore", "latest"], targets].concat());
    }
    assert!(!world.path("store/x").exists());
    // Only now the bundle is looked at.
    fails(&world, 24, &["restore", "latest", "--to", "free"]);
}

#[test]
fn two_targets_are_two_places() {
    let world = backed_up();
    world.script("mkdir there; ln -s there link; ln -s there/new dangling");
    let here = world.path("").display().to_string();
    let whole = format!("hub.db=sqlite:{here}/same");
    for (one, other, how) in [
        ("hub.db=sqlite:same", "data=files:same", "is the same place as"),
        (&*whole, "data=files:./there/../same", "is the same place as"),
        ("hub.db=sqlite:there/x", "link/x", "is the same place as"),
        ("new", "data=files:new/data", "lies in"),
        ("data=files:new/not/there", "new", "holds"),
        ("new", "new", "is the same place as"),
        ("new", "new/.", "is the same place as"),
        ("new", "new/x/..", "is the same place as"),
        (
            "a=postgres://one@h/db",
            "b=postgres:host=h user=two dbname=db",
            "is the same place as",
        ),
        (
            "a=mysql://one@h/db",
            "b=mariadb:host=h user=two dbname=db",
            "is the same place as",
        ),
    ] {
        for more in [&[][..], &["--plan"]] {
            let arguments = [&["restore", "latest", "--to", one, "--to", other], more].concat();
            let told = fails(&world, 2, &arguments);
            assert!(told.contains(how), "{arguments:?}: {told}");
        }
    }
    assert!(!world.path("new").exists());
    let beside = [
        "restore",
        "latest",
        "--to",
        "hub.db=sqlite:there/x",
        "--to",
        "link/x-and-more",
    ];
    drop(world.good(&beside));
}

#[test]
fn what_cannot_be_reached_comes_with_a_hint() {
    let world = backed_up();
    for source in [
        "command:a=/nonexistent/program",
        "command:a=nonexistent-program",
        "sqlite:/nonexistent/hub.db",
        "files:/nonexistent",
        "config:/nonexistent",
        "mysql://user@127.0.0.1:1/shop",
        "postgres://user@127.0.0.1:1/shop",
    ] {
        let message = fails(&world, 30, &["backup", "x", "--source", source]);
        assert!(!message.contains(". "), "hints are no part of the message: {message}");
    }
}

#[test]
fn files_that_an_address_names_are_not_waited_for() {
    let world = backed_up();
    world.script("mkfifo -m 600 pipe");
    let pipe = world.path("pipe").display().to_string();
    for (address, code) in [
        (format!("mysql://user@127.0.0.1:1/shop?password-file={pipe}"), 2),
        (format!("mysql://user@127.0.0.1:1/shop?defaults-file={pipe}"), 2),
        (
            format!("postgres://user@127.0.0.1:1/shop?sslmode=verify-full&sslrootcert={pipe}"),
            2,
        ),
        (format!("postgres://user@127.0.0.1:1/shop?passfile={pipe}"), 30),
    ] {
        let arguments = ["-k", "20", "20", PROGRAM, "backup", "x", "--source", &*address];
        let output = world
            .command("timeout")
            .args(arguments)
            .output()
            .expect("timeout is installed");
        let ran = Ran::new(output).expect_code(code, &address);
        assert!(
            code == 30 || ran.stderr.contains("FIFO that nobody writes to"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn what_was_meant_is_told() {
    let world = backed_up();
    world.write("old.db-wal", b"");
    let taken = fails(&world, 40, &["restore", "latest", "--to", "hub.db=sqlite:old.db"]);
    assert!(taken.contains("old.db-wal exists already"), "{taken}");
    let empty = fails(&world, 2, &["restore", "latest", "--to", "hub.db="]);
    assert!(empty.contains("the target is empty"), "{empty}");
    for act in [&["verify", "latest"][..], &["backup", "hub"]] {
        let ran = world
            .run(&[act, &["--recipients-min", "5"]].concat())
            .expect_code(25, "too few");
        assert!(
            ran.stderr
                .contains("hint: recipients_min is 5 now, by the first of these that is given: --recipients-min"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_key_that_does_not_come_is_not_waited_for_after_a_signal() {
    let world = backed_up();
    let script = format!("exec {PROGRAM} ls latest --identity <(echo > asked; exec sleep 40)");
    let mut command = world.command("bash");
    let mut child = command
        .arg("-c")
        .arg(script)
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash is installed");
    let begun = Instant::now();
    while !world.path("asked").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the writer begins");
        thread::sleep(Duration::from_millis(10));
    }
    // It has begun to read when it holds the pipe as a file of its own.
    thread::sleep(Duration::from_secs(1));
    tell(&child);
    let ended = child.wait().expect("own child");
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "it does not wait for the writer"
    );
    assert!(!ended.success());
}

#[test]
fn a_stop_of_cat_says_that_stdout_has_a_part() {
    let world = backed_up();
    world.script("head -c 64M /dev/urandom > data/large");
    world.good(&["backup", "hub"]);
    let mut command = world.command(PROGRAM);
    let command = command.args(["cat", "latest", "data/large"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("built");
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut begin = [0];
    stdout.read_exact(&mut begin).expect("it begins");
    tell(&child);
    let rest = thread::spawn(move || io::copy(&mut stdout, &mut io::sink()).expect("a pipe"));
    let ran = Ran::new(child.wait_with_output().expect("own child")).expect_code(3, "told to stop");
    assert!(rest.join().expect("no panic") < 64 << 20);
    assert!(
        ran.stderr.contains("stdout has only a part of the file"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_was_not_read_is_not_on_record_as_read() {
    let world = backed_up();
    let deep = |world: &World| {
        let log = world.json(&["audit", "list"]);
        let last = log["records"].as_array().expect("rows").last().expect("one").clone();
        last["record"]["details"]["deep"].as_str().expect("a detail").to_owned()
    };
    drop(world.good(&["verify", "--deep"]));
    assert_eq!(deep(&world), "the contents were decrypted and compared");
    let stranger = ["verify", "--deep", "--identity", "secrets/stranger.key"];
    drop(world.run(&stranger).expect_code(12, "another key"));
    assert!(deep(&world).contains("not all were"), "{}", deep(&world));
}

#[test]
fn leftovers_of_other_targets_are_named() {
    let world = backed_up();
    world.script(
        "mkdir .hub-tmp-0123456789abcdef; echo x > .hub-tmp-0123456789abcdef/content
        (stat -c %i .hub-tmp-0123456789abcdef; printf other) > .hub-tmp-0123456789abcdef.lock",
    );
    let done = world.json(&["restore", "latest", "--to", "hub.db=sqlite:one.db", "--to", "out"]);
    let notes: Vec<&str> = done["notes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(serde_json::Value::as_str)
        .collect();
    let named = notes
        .iter()
        .filter(|note| note.contains(".hub-tmp-0123456789abcdef") && note.contains("killed restore to other"));
    assert_eq!(named.count(), 1, "{notes:?}");
    assert!(
        world.path(".hub-tmp-0123456789abcdef/content").exists(),
        "it is for the next restore to its own target"
    );
    drop(world.good(&["restore", "latest", "--to", "other"]));
    assert!(!world.path(".hub-tmp-0123456789abcdef.lock").exists());
}

#[test]
fn the_plan_says_where_things_would_go() {
    let world = backed_up();
    let ran = world.good(&["restore", "latest", "--to", "out", "--plan"]);
    let shown = String::from_utf8(ran.stdout).expect("text");
    assert!(shown.contains("would go to out\n"), "{shown}");
    assert!(!world.path("out").exists());
}

/// A database whose backup is taken as it is, and that no check finds sound.
fn damaged() -> World {
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    world.script(
        "sqlite3 hub.db 'CREATE TABLE t(a); CREATE INDEX i ON t(a);
            WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<5000) INSERT INTO t SELECT hex(randomblob(40)) FROM c;'
         head -c 8192 /dev/urandom | dd of=hub.db bs=4096 seek=20 conv=notrunc status=none",
    );
    world.settings(SETS);
    let message = fails(&world, 3, &["backup", "hub"]);
    assert!(
        message.contains("the database is damaged: quick_check reports"),
        "{message}"
    );
    world.script("test -z \"$(find store -name '*.hub.tar')\"");
    world.good(&["backup", "hub", "--no-check-sources"]);
    world
}

#[test]
fn a_database_is_checked_wherever_it_is_restored_to() {
    let world = damaged();
    for targets in [
        &["--to", "out"][..],
        &["--to", "hub.db=files:out", "--to", "rest"],
        &["--to", "hub.db=sqlite:out", "--to", "rest"],
    ] {
        for check in ["quick", "full"] {
            let more = ["--sqlite-check", check];
            let message = fails(&world, 42, &[&["restore", "latest"], targets, &more].concat());
            assert!(!message.contains(".hub-tmp-"), "a place that is gone by now: {message}");
            assert!(!world.path("out").exists() && !world.path("rest").exists());
        }
    }
}

#[test]
fn what_was_not_checked_is_not_called_sound() {
    let world = damaged();
    let unchecked = ["restore", "latest", "--sqlite-check", "none", "--to"];
    let ran = world.good(&[&unchecked[..], &["out"]].concat());
    let shown = String::from_utf8(ran.stdout).expect("text");
    assert!(!shown.contains("sound"), "{shown}");
    assert_eq!(
        world.json(&[&unchecked[..], &["out-2"]].concat())["databases_checked"],
        0
    );

    let world = backed_up();
    for (targets, place) in [("a", "a"), ("hub.db=files:b", "c"), ("hub.db=sqlite:d", "e")] {
        let done = world.json(&[
            "restore",
            "latest",
            "--to",
            targets,
            "--to",
            &format!("data=files:{place}-data"),
        ]);
        assert_eq!(done["databases_checked"], 1, "{targets}");
    }
}

#[test]
fn a_store_does_not_back_up_itself() {
    let world = backed_up();
    let here = world.path("").to_string_lossy().into_owned();
    let here = here.trim_end_matches('/');
    world.script("ln -s . around");
    for source in [
        format!("here=files:{here}"),
        "here=files:around".to_owned(),
        "here=files:store".to_owned(),
        "here=files:store/bundles".to_owned(),
    ] {
        let message = fails(&world, 31, &["backup", "self", "--source", &source]);
        assert!(message.contains("the store"), "{message}");
        fails(&world, 31, &["backup", "self", "--source", &source, "--dry-run"]);
    }
    let source = format!("here=files:{here}");
    for exclude in ["/store", "store/", "/sto*"] {
        world.good(&["backup", "self", "--source", &source, "--exclude", exclude]);
    }
}

#[test]
fn a_limit_on_the_length_of_files_is_an_error_and_no_death() {
    let world = backed_up();
    world.script("head -c 600000 /dev/urandom > data/random");
    let before = world.files("store/bundles");
    let limited = |arguments: &str| {
        let script = format!("ulimit -f 100; exec {PROGRAM} {arguments}");
        let output = world.command("bash").args(["-c", &script]).output();
        Ran::new(output.expect("bash is installed"))
    };
    drop(limited("backup hub").expect_code(50, "backup"));
    assert_eq!(world.files("store/bundles"), before);
    world.good(&["backup", "hub"]);
    drop(limited("restore latest --to out").expect_code(41, "restore"));
    let left = fs::read_dir(world.path("")).expect("readable");
    let left = left.filter(|entry| {
        let name = entry.as_ref().expect("readable").file_name();
        name.to_string_lossy().starts_with(".hub-tmp-")
    });
    assert_eq!(left.count(), 0);
}

/// A backup that waits for a program that goes on for a minute, once that program runs.
fn waiting(world: &World) -> Child {
    waiting_for(world, "touch begun; exec sleep 60")
}

fn waiting_for(world: &World, script: &str) -> Child {
    let command = format!("command:slow=sh -c '{script}'");
    let mut backup = world.command(PROGRAM);
    let backup = backup.args(["backup", "slow", "--source", &command]);
    let child = backup
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program was built");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !world.path("begun").exists() {
        assert!(Instant::now() < deadline, "the command never ran");
        thread::sleep(Duration::from_millis(10));
    }
    child
}

fn tell(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).expect("it runs");
}

#[test]
fn two_signals_at_once_are_one() {
    let world = backed_up();
    let mut child = waiting(&world);
    tell(&child);
    // As `timeout` does; some of it after the first was handled.
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(2));
        let _gone = kill_process(Pid::from_child(&child), Signal::TERM);
    }
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(3), "{status:?}");
    assert_eq!(world.files("store/.tmp"), []);
}

#[test]
fn a_later_signal_ends_the_program_at_once() {
    let world = backed_up();
    // A program that does not listen is waited for.
    let mut child = waiting_for(&world, "trap \"\" TERM; touch begun; exec sleep 60");
    tell(&child);
    thread::sleep(Duration::from_millis(1200));
    tell(&child);
    let begun = Instant::now();
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(128 + 15), "{status:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn an_empty_pattern_is_not_everything() {
    let world = backed_up();
    for arguments in [
        &["restore", "latest", "--to", "out", "--only", ""][..],
        &["ls", "latest", ""],
    ] {
        fails(&world, 2, arguments);
    }
    assert!(!world.path("out").exists());
}

#[test]
fn a_bundle_that_is_published_but_not_on_record_is_said_to_be_published() {
    let world = backed_up();
    world.write("store/audit/18446744073709551615.json", b"{}");
    let message = fails(&world, 50, &["backup", "hub"]);
    assert!(message.contains("is published and in its chain"), "{message}");
    assert_eq!(world.json(&["list"])["bundles"].as_array().expect("rows").len(), 2);
}

#[test]
fn a_checkpoint_without_signatures_is_unsigned_for_every_command() {
    let world = backed_up();
    world.good(&["checkpoint", "create", "--out", "kept.json"]);
    world.script("rm kept.json.asc");
    for act in [
        &["checkpoint", "check", "kept.json"][..],
        &["verify", "latest", "--checkpoint", "kept.json"],
        &["restore", "latest", "--to", "out", "--checkpoint", "kept.json"],
    ] {
        fails(&world, 20, act);
    }
}

#[test]
fn a_pipe_is_no_bundle_and_is_not_waited_for() {
    let world = backed_up();
    world.script("mkfifo pipe");
    let begun = Instant::now();
    let ran = world.run(&["verify", "pipe"]);
    drop(ran.expect_code(10, "a FIFO without a writer"));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn reasons_are_lines_without_escaped_breaks() {
    let world = backed_up();
    world.write(
        "conf/a.env",
        b"DB_PASSWORD=Tr0ub4dor-and-3\nAPI_TOKEN=abcdefghijklmnop0123\n",
    );
    for source in ["config:conf", "command:x=sh -c 'echo one >&2; echo two >&2; exit 1'"] {
        let ran = world.run(&["backup", "x", "--source", source]);
        assert!(matches!(ran.code, Some(3 | 31)), "{}", ran.stderr);
        assert!(!ran.stderr.contains("\\n"), "{}", ran.stderr);
    }
}

#[test]
fn settings_that_anybody_can_write_are_told_how_to_mend() {
    let world = backed_up();
    let path = world.path("hub-backup.toml");
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("own file");
    let ran = world.run(&["list"]).expect_code(2, "everybody can write the settings");
    assert!(
        ran.stderr.contains("hint: Look at its owner and mode"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_carried_bundle_is_told_from_the_newest_that_a_checkpoint_saw() {
    let world = backed_up();
    world.script("cp store/bundles/hub/*/*/*.hub.tar carried.hub.tar");
    world.good(&["backup", "hub"]);
    world.good(&["checkpoint", "create", "--out", "kept.json"]);
    let ran = world.good(&["verify", "carried.hub.tar", "--checkpoint", "kept.json"]);
    let shown = String::from_utf8(ran.stdout).expect("text");
    assert!(
        shown.contains("the newest that the checkpoint saw is number 2"),
        "{shown}"
    );
    let told = world.json(&["verify", "carried.hub.tar", "--checkpoint", "kept.json"]);
    assert_eq!(
        (&told["result"]["sequence"], &told["result"]["head"]),
        (&1.into(), &2.into())
    );
}

#[test]
fn a_name_can_be_given_as_it_is_shown() {
    let world = backed_up();
    world.script(r"printf inside > $'data/a\x1b[31m\n\xffb'; printf other > 'data/a\x1b'");
    world.good(&["backup", "hub"]);
    let ran = world.good(&["ls", "latest"]);
    let shown = String::from_utf8(ran.stdout).expect("text");
    let name = shown
        .lines()
        .find_map(|line| line.split(' ').find(|word| word.contains("[31m")));
    let name = name.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(world.good(&["cat", "latest", name]).stdout, b"inside");
    let alone = String::from_utf8(world.good(&["ls", "latest", name]).stdout).expect("text");
    assert!(alone.contains(name) && !alone.contains(r"a\\x1b"), "{alone}");
    assert_eq!(world.good(&["cat", "latest", r"data/a\x1b"]).stdout, b"other");
    world.good(&["restore", "latest", "--only", name, "--to", "out"]);
    assert_eq!(world.files("out").len(), 1);
}

#[test]
fn a_place_that_is_taken_shows_before_a_source_is_read() {
    let world = backed_up();
    for (taken, suffix) in [(&b"no manifest"[..], ""), (b"no signature", ".asc")] {
        let name = format!("manifests/hub/0000000002.json{suffix}");
        world.write(&format!("store/{name}"), taken);
        let message = fails(
            &world,
            23,
            &["backup", "hub", "--source", "command:mark=touch was-read"],
        );
        assert_eq!(message, format!("{name} exists and differs"));
        assert!(!world.path("was-read").exists());
        fs::remove_file(world.path(&format!("store/{name}"))).expect("there");
    }
    world.good(&["backup", "hub"]);
}

#[test]
fn a_reader_of_a_file_that_goes_away_ends_it_quietly() {
    let world = World::new();
    world.write("data/long", &vec![b'x'; 4 << 20]);
    world.settings(SETS_OF_FILES);
    world.good(&["backup", "hub"]);
    let script = format!("{PROGRAM} cat latest data/long 2>said | head -c 1; echo ${{PIPESTATUS[0]}}");
    let output = world.command("bash").args(["-c", &script]).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "x141\n");
    assert_eq!(String::from_utf8_lossy(&world.read("said")), "");
}

#[test]
fn a_backup_tells_that_the_bundle_before_it_is_gone() {
    let world = backed_up();
    let (bundle, _) = world.files("store/bundles").remove(0);
    fs::remove_file(world.path(&format!("store/bundles/{bundle}"))).expect("there");
    let ran = world.good(&["backup", "hub", "--json"]);
    let gone = ran.object()["gone"].as_str().expect("gone").to_owned();
    assert!(bundle.contains(&gone), "{bundle}: {gone}");
    assert!(world.json(&["backup", "hub"])["gone"].is_null());
}

#[test]
fn a_stop_does_not_wait_for_the_lock_of_a_database() {
    let world = backed_up();
    let lock = rusqlite::Connection::open(world.path("hub.db")).expect("there");
    lock.execute_batch("BEGIN EXCLUSIVE").expect("free");
    let mut backup = world.command(PROGRAM);
    let backup = backup.args(["backup", "hub"]).stderr(Stdio::null());
    let mut child = backup.spawn().expect("the program was built");
    thread::sleep(Duration::from_secs(1));
    let begun = Instant::now();
    tell(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
