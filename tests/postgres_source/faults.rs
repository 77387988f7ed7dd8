//! What happens to a server or its tables while they are read: the dump is whole, or an error says why not.

use std::path::Path;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::fault::Kind;
use hub_backup::source::Source as _;

use crate::cli::World;
use crate::postgres::NEEDLE;
use crate::postgres::Server;
use crate::postgres::signal;
use crate::support::known;
use crate::support::rows_of;
use crate::support::told;
use crate::trigger::Trigger;

/// More rows than fit into what is on its way at any time.
const ROWS: &str = "CREATE TABLE big(a int, t text); INSERT INTO big SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 60000) n;
                    CREATE TABLE small(a int); INSERT INTO small VALUES (1)";

fn server() -> Server {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE hub");
    server.sql("hub", ROWS);
    server
}

/// The error of a backup during which something is done to the server.
fn failed(server: &Server, action: impl FnOnce()) -> String {
    failed_at(server, Trigger::new(action))
}

fn failed_at(server: &Server, mut collector: Trigger<'_>) -> String {
    let mut source = known(&server.uri("postgres", "hub"));
    let begun = Instant::now();
    let error = source.collect(&mut collector, &Cancel::new()).expect_err("not whole");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let (kind, why) = told(&error);
    assert_eq!(kind, Kind::Incomplete, "{why}");
    why
}

const BACKENDS: &str = "FROM pg_stat_activity WHERE application_name = 'hub-backup' AND query LIKE 'COPY%big%'";

#[test]
fn cut_off_in_every_way() {
    let server = server();
    let why = failed(&server, || {
        let count = server.sql("postgres", &format!("SELECT count(pg_cancel_backend(pid)) {BACKENDS}"));
        assert_eq!(count, "1");
    });
    assert!(
        why.contains("reading table \"public\".\"big\"") && why.contains("57014"),
        "{why}"
    );
    let why = failed(&server, || {
        server.sql("postgres", &format!("SELECT pg_terminate_backend(pid) {BACKENDS}"));
    });
    assert!(why.contains("lost while reading table \"public\".\"big\""), "{why}");
    let why = failed(&server, || {
        let leader = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub-backup' AND query LIKE '%datname%'";
        assert_eq!(server.sql("postgres", leader), "t");
    });
    assert!(why.contains("lost"), "{why}");
    let why = failed(&server, || {
        let pid = server.sql("postgres", &format!("SELECT pid {BACKENDS}"));
        signal("KILL", pid.parse().expect("one"));
    });
    assert!(why.contains("lost"), "{why}");
}

#[test]
fn a_server_that_goes_down() {
    let server = server();
    let why = failed(&server, || server.signal("QUIT"));
    assert!(why.contains("lost"), "{why}");
}

/// It answered once, so that this is no wrong address: the dump was under way.
#[test]
fn a_server_that_goes_down_before_the_further_connections() {
    let server = server();
    let down = || {
        let pid = server.pid().expect("it runs");
        server.signal("QUIT");
        let begun = Instant::now();
        while Path::new(&format!("/proc/{pid}/fd/0")).exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    };
    let why = failed_at(&server, Trigger::after("pre-data.sql", down));
    assert!(why.contains("lost while opening a further connection"), "{why}");
}

#[test]
fn a_server_that_is_killed_leaves_nothing_published() {
    let server = server();
    let world = World::new();
    world.settings("[sets.hub]\nsources = []");
    // Slow enough to be met at work: the dump program waits for a file.
    let wait = format!(
        "#!/bin/sh\ncase \"$1\" in --version) ;; *) touch {0}; while test ! -e {1}; do sleep 0.02; done;; esac\nexec {2}/pg_dump \"$@\"\n",
        world.path("begun").display(),
        world.path("go").display(),
        crate::postgres::PROGRAMS
    );
    world.write("bin/pg_dump", wait.as_bytes());
    world.script("chmod 700 bin/pg_dump");
    let uri = format!(
        "{}?pg_dump={}",
        server.uri("postgres", "hub"),
        world.path("bin/pg_dump").display()
    );
    let mut command = world.command(crate::cli::PROGRAM);
    let child = command
        .args(["backup", "hub", "--source", &uri])
        .env("PGPASSWORD", NEEDLE);
    let child = child
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let begun = Instant::now();
    while !world.path("begun").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the dump was not begun");
        thread::sleep(Duration::from_millis(10));
    }
    server.signal("KILL");
    let backends = server.path("data/postmaster.pid");
    assert!(backends.exists(), "it had no time to tidy up");
    world.write("go", b"");
    let ran = crate::cli::Ran::new(child.wait_with_output().expect("it ends")).expect_code(3, "backup");
    assert!(
        ran.stderr.contains("error: source hub: ")
            && ran.stderr.contains("connection")
            && !ran.stderr.contains("needle"),
        "{}",
        ran.stderr
    );
    let log = world.json(&["audit", "list"]);
    let last = log["records"]
        .as_array()
        .and_then(|records| records.last())
        .expect("a record");
    assert_eq!(last["record"]["act"], "backup", "{log}");
    assert_eq!(last["record"]["outcome"]["kind"], "incomplete", "{log}");
    let stored = world.files("store/bundles");
    assert!(stored.is_empty(), "nothing is published");
}

#[test]
fn told_to_stop() {
    let server = server();
    let cancel = Cancel::new();
    let mut source = known(&server.uri("postgres", "hub"));
    let mut collector = Trigger::new(|| cancel.set());
    let begun = Instant::now();
    let error = source.collect(&mut collector, &cancel).expect_err("interrupted");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let (kind, why) = told(&error);
    assert_eq!(kind, Kind::Incomplete, "{why}");
    let source = std::error::Error::source(&error)
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(source.contains("interrupted"), "{why}: {source}");
    let begun = Instant::now();
    let question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hub-backup'";
    while server.sql("postgres", question) != "0" {
        assert!(begun.elapsed() < Duration::from_secs(5), "no connection is left behind");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn tables_are_held_until_the_end() {
    let server = server();
    let mut drop_table = None;
    let mut collector = Trigger::new(|| {
        drop_table = Some(
            server
                .psql_command("hub", &["--command=DROP TABLE small, big"])
                .spawn()
                .expect("psql"),
        );
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        while server.sql("postgres", waiting) == "0" {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut source = known(&server.uri("postgres", "hub"));
    source
        .collect(&mut collector, &Cancel::new())
        .expect("whole, although somebody waits to drop the tables");
    let inner = std::mem::take(&mut collector.inner);
    drop(collector);
    assert_eq!(rows_of(&inner, "big").len(), 60_000);
    assert_eq!(rows_of(&inner, "small"), ["1"]);
    let dropped = drop_table.expect("it was started").wait().expect("it ends");
    assert!(dropped.success(), "and then they are dropped");
}
