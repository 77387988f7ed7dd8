//! Verification and restore need no network: they succeed where there is none, and never ask for a socket of any kind.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;

use std::fs;

use crate::cli::PROGRAM;
use crate::cli::Ran;
use crate::cli::World;

/// Every act of somebody behind an air gap, on a store and on a carried bundle; each restores to a place of its own.
const ACTS: [&[&str]; 7] = [
    &["verify", "--all"],
    &["verify", "latest", "--deep"],
    &["verify", "carried.hub.tar"],
    &["ls", "carried.hub.tar"],
    &["cat", "latest", "data/one.txt"],
    &["restore", "latest", "--to", "from-store"],
    &["restore", "carried.hub.tar", "--to", "from-file"],
];

fn world() -> World {
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    world.script("sqlite3 hub.db 'CREATE TABLE t(a); INSERT INTO t VALUES (1);'");
    world.settings("[sets.hub]\nsources = [\"files:data\", \"sqlite:hub.db\"]");
    world.good(&["backup", "hub"]);
    world.script("cp store/bundles/hub/*/*/*.hub.tar carried.hub.tar");
    world
}

fn assert_restored(world: &World) {
    for target in ["from-store", "from-file"] {
        world.script(&format!(
            "cmp data/one.txt {target}/data/one.txt; cmp hub.db {target}/hub/hub.db"
        ));
    }
}

#[test]
fn everything_is_proven_and_restored_without_a_network() {
    let world = world();
    for act in ACTS {
        let mut command = world.command("unshare");
        let command = command.args(["-rn", "--", PROGRAM]).args(act);
        let ran = Ran::new(command.output().expect("unshare is installed"));
        ran.expect_code(0, &act.join(" "));
    }
    assert_restored(&world);
}

#[test]
fn no_socket_is_ever_asked_for() {
    let world = world();
    let backup: &[&str] = &["backup", "hub"];
    for act in ACTS.into_iter().chain([backup]) {
        let mut command = world.command("strace");
        let command = command.args([
            "-f",
            "-qq",
            "-e",
            "trace=network",
            "-e",
            "signal=none",
            "-o",
            "trace",
            PROGRAM,
        ]);
        let ran = Ran::new(command.args(act).output().expect("strace is installed"));
        ran.expect_code(0, &act.join(" "));
        let trace = fs::read_to_string(world.path("trace")).expect("written by strace");
        let calls: Vec<&str> = trace.lines().filter(|line| line.contains('(')).collect();
        assert_eq!(calls, [""; 0], "{act:?}");
    }
    assert_restored(&world);
}

#[test]
fn the_trace_shows_sockets_where_there_are_any() {
    let world = World::new();
    let mut command = world.command("strace");
    let script = "exec 3<>/dev/udp/127.0.0.1/9; exit 0";
    let command = command.args(["-f", "-qq", "-e", "trace=network", "-o", "trace", "bash", "-c", script]);
    let _ran = command.output().expect("strace is installed");
    let trace = fs::read_to_string(world.path("trace")).expect("written by strace");
    assert!(trace.contains("socket("), "{trace}");
}
