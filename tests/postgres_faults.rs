//! PostgreSQL when something breaks: a cut network, a full disk, a server that does not answer, a killed restore into a database in use.
//! Nothing is published, the exit code and the reason are right, and the audit log knows.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;
#[path = "support/full.rs"]
mod full;
#[path = "support/postgres.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "support/postgres_cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod postgres_cli;
#[path = "support/proxy.rs"]
mod proxy;

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::cli::Ran;
use crate::cli::World;
use crate::postgres::NEEDLE;
use crate::postgres::Server;
use crate::postgres_cli::backup;
use crate::postgres_cli::program;
use crate::postgres_cli::run;
use crate::proxy::Breaks;
use crate::proxy::Proxy;

/// A database of some tens of megabytes.
fn filled(server: &Server) {
    server.sql("postgres", "CREATE DATABASE hub");
    server.sql(
        "hub",
        "CREATE TABLE big AS SELECT i AS id, repeat(md5(i::text), 8) AS a FROM generate_series(1, 120000) i; \
         ALTER TABLE big ADD PRIMARY KEY (id); CREATE TABLE small (id int); INSERT INTO small VALUES (1)",
    );
}

fn backed_up(server: &Server) -> World {
    let world = World::new();
    backup(&world, server, "hub", "");
    world
}

/// The last thing that the audit log of the store knows.
fn last_deed(world: &World) -> String {
    let files = world.files("store/audit");
    let record = |name: &str| Path::new(name).extension().is_some_and(|end| end == "json");
    let last = files.iter().rev().find(|(name, _)| record(name));
    String::from_utf8(last.expect("a record").1.clone()).expect("text")
}

#[track_caller]
fn nothing_published(world: &World) {
    let bundles = world.path("store/bundles");
    assert!(
        !bundles.exists() || world.files("store/bundles").is_empty(),
        "something is published"
    );
}

#[track_caller]
fn no_sessions(server: &Server) {
    let begun = Instant::now();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hub-backup'";
    while server.sql("postgres", sessions) != "0" {
        assert!(begun.elapsed() < Duration::from_secs(30), "sessions stay");
        thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn nothing_left(server: &Server, database: &str) {
    let begun = Instant::now();
    let sql = format!("SELECT count(*) FROM pg_database WHERE datname = '{database}' OR datname LIKE '%\\_hub\\_%'");
    // A server that lost its client drops nothing by itself; a restore whose network works again does.
    while server.sql("postgres", &sql) != "0" {
        assert!(begun.elapsed() < Duration::from_secs(20), "something is left");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_network_that_breaks_while_rows_are_read() {
    let server = Server::start();
    filled(&server);
    for octets in [20_000, 3 << 20, 20 << 20] {
        let world = World::new();
        let proxy = Proxy::before(server.port, octets, Breaks::Loudly);
        let source = format!("db=postgres://postgres@127.0.0.1:{}/hub?connect_timeout=5", proxy.port);
        let begun = Instant::now();
        let ran = run(&world, &["backup", "--set", "pg", "--source", &source]);
        assert!(proxy.is_broken(), "{octets}");
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{octets}: {:?}",
            begun.elapsed()
        );
        assert!(
            [Some(3), Some(30)].contains(&ran.code),
            "{octets}: {:?} {}",
            ran.code,
            ran.stderr
        );
        assert!(ran.stderr.contains("hint:"), "{octets}: {}", ran.stderr);
        nothing_published(&world);
        let deed = last_deed(&world);
        assert!(deed.contains("backup") && !deed.contains("\"ok\""), "{octets}: {deed}");
    }
}

#[test]
fn a_network_that_breaks_while_rows_are_written() {
    let server = Server::start();
    filled(&server);
    let world = backed_up(&server);
    for octets in [30_000, 4 << 20, 30 << 20] {
        let proxy = Proxy::before(server.port, octets, Breaks::Loudly);
        let target = format!("postgres://postgres@127.0.0.1:{}/again?connect_timeout=5", proxy.port);
        let begun = Instant::now();
        let ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &target]).expect_code(41, "cut");
        assert!(proxy.is_broken(), "{octets}");
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{octets}: {:?}",
            begun.elapsed()
        );
        assert!(
            ran.stderr.contains("cannot restore to postgres:"),
            "{octets}: {}",
            ran.stderr
        );
        let deed = last_deed(&world);
        assert!(deed.contains("restore") && !deed.contains("\"ok\""), "{octets}: {deed}");
    }
    // What could not be dropped over a dead network, the next restore drops, once the server knows that nobody is there any more.
    no_sessions(&server);
    let target = server.uri("postgres", "again");
    let _ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &target]).expect_code(0, "restore");
    assert_eq!(server.sql("again", "SELECT count(*) FROM big"), "120000");
    server.sql("postgres", "DROP DATABASE again");
    nothing_left(&server, "again");
}

#[test]
fn a_full_disk_on_the_target() {
    let server = Server::start();
    filled(&server);
    let world = backed_up(&server);
    let small = Server::start_small(55);
    let target = small.uri("postgres", "again");
    let ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &target]).expect_code(41, "no room");
    // Which of the two depends on where the last block ends.
    let said = ["No space left on device", "Check free disk space"];
    assert!(said.iter().any(|words| ran.stderr.contains(words)), "{}", ran.stderr);
    nothing_left(&small, "again");
    let deed = last_deed(&world);
    assert!(deed.contains("restore") && !deed.contains("\"ok\""), "{deed}");
}

#[test]
fn a_full_disk_under_the_store() {
    let server = Server::start();
    filled(&server);
    let source = format!("db={}", server.uri("postgres", "hub"));
    full::fill_the_store(&World::new(), &source, NEEDLE);
    no_sessions(&server);
}

#[test]
fn a_server_that_never_answers() {
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let world = World::new();
    let source = format!("db=postgres://postgres@127.0.0.1:{port}/hub?connect_timeout=2");
    let begun = Instant::now();
    let ran = run(&world, &["backup", "--set", "pg", "--source", &source]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_ne!(ran.code, Some(0));
    assert!(
        ran.stderr.contains(&format!("127.0.0.1:{port}")) && ran.stderr.contains("2 s"),
        "{}",
        ran.stderr
    );
    nothing_published(&world);

    // Told to stop, it does not wait for the time to pass.
    let source = format!("db=postgres://postgres@127.0.0.1:{port}/hub?connect_timeout=60");
    let child = program(&world, &["backup", "--set", "pg", "--source", &source])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let _connection = silent.accept().expect("it connects");
    thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    postgres::signal("TERM", i32::try_from(child.id()).expect("small"));
    let ran = Ran::new(child.wait_with_output().expect("ended"));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(ran.stderr.contains("interrupted"), "{}", ran.stderr);
}

/// Starts the program before a network that falls silent, tells it to stop, and gives what it said.
#[track_caller]
fn stopped_in_silence(world: &World, proxy: &Proxy, arguments: &[&str]) -> Ran {
    let child = program(world, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let begun = Instant::now();
    while !proxy.is_broken() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came so far");
        thread::sleep(Duration::from_millis(5));
    }
    // It waits now.
    thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    postgres::signal("TERM", i32::try_from(child.id()).expect("small"));
    let ran = Ran::new(child.wait_with_output().expect("ended"));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(ran.stderr.contains("interrupted"), "{}", ran.stderr);
    ran
}

#[test]
fn a_server_that_falls_silent() {
    let server = Server::start();
    filled(&server);
    for octets in [20_000, 5 << 20] {
        let world = World::new();
        let proxy = Proxy::before(server.port, octets, Breaks::Silently);
        let source = format!("db=postgres://postgres@127.0.0.1:{}/hub", proxy.port);
        let ran = stopped_in_silence(&world, &proxy, &["backup", "--set", "pg", "--source", &source]);
        assert_ne!(ran.code, Some(0), "{octets}");
        nothing_published(&world);
    }
    let world = backed_up(&server);
    for octets in [40_000, 5 << 20] {
        let proxy = Proxy::before(server.port, octets, Breaks::Silently);
        let target = format!("postgres://postgres@127.0.0.1:{}/again", proxy.port);
        let ran = stopped_in_silence(&world, &proxy, &["restore", "latest", "--set", "pg", "--to", &target]);
        assert_eq!(ran.code, Some(41), "{octets}");
        let found = server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'again'");
        assert_eq!(found, "0", "{octets}");
        let deed = last_deed(&world);
        assert!(deed.contains("restore") && !deed.contains("\"ok\""), "{octets}: {deed}");
    }
}

#[test]
fn a_killed_restore_into_a_schema_is_swept() {
    let server = Server::start();
    filled(&server);
    let world = backed_up(&server);
    let target = server.uri("postgres", "hub");
    let arguments = [
        "restore",
        "latest",
        "--set",
        "pg",
        "--to",
        &target,
        "--only",
        "public.big",
        "--into-schema",
        "rescued",
    ];
    let mut child = program(&world, &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program was built");
    let staged = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%\\_hub\\_tmp\\_%'";
    let begun = Instant::now();
    while server.sql("hub", staged) != "1" {
        assert!(begun.elapsed() < Duration::from_secs(30), "no staged schema");
        thread::sleep(Duration::from_millis(5));
    }
    // While it works, another one leaves its schema alone.
    let beside = arguments.map(|argument| if argument == "rescued" { "beside" } else { argument });
    let ran = run(&world, &beside).expect_code(0, "beside");
    assert!(!ran.stderr.contains("dropped the schema"), "{}", ran.stderr);
    child.kill().expect("running, or just done");
    child.wait().expect("ended");
    server.sql("hub", "DROP SCHEMA IF EXISTS rescued CASCADE");
    let mut child = program(&world, &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program was built");
    while server.sql("hub", staged) == "0" {
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("running");
    child.wait().expect("ended");
    no_sessions(&server);
    let ran = run(&world, &arguments).expect_code(0, "after a kill");
    assert!(
        ran.stderr.contains("dropped the schema rescued_hub_tmp_"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.sql("hub", staged), "0");
    assert_eq!(server.sql("hub", "SELECT count(*) FROM rescued.big"), "120000");
    let comment = "SELECT count(*) FROM pg_description WHERE description LIKE 'hub-backup%'";
    assert_eq!(server.sql("hub", comment), "0");
}
