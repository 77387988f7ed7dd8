//! Backups by the program of a database that is being written: each restores to a state that was committed.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::cli::World;

/// Money moves between two tables, and a log and a counter say how often. Nothing of it holds within a transaction.
fn transaction(n: u64) -> String {
    let (from, to, amount) = (n * 7 % 100, n * 13 % 100, n % 50);
    format!(
        "BEGIN IMMEDIATE;
        UPDATE checking SET balance = balance - {amount} WHERE id = {from};
        INSERT INTO log VALUES ({n}, hex(zeroblob({length})));
        UPDATE savings SET balance = balance + {amount} WHERE id = {to};
        UPDATE counter SET n = n + 1;
        DELETE FROM log WHERE n <= {n} - 2000;
        COMMIT;\n",
        length = n % 300
    )
}

fn number(database: &Path, sql: &str) -> i64 {
    let connection = Connection::open(database).expect("there");
    connection.busy_timeout(Duration::from_secs(30)).expect("open");
    connection.query_row(sql, [], |row| row.get(0)).expect("a number")
}

fn counter(database: &Path) -> i64 {
    number(database, "SELECT n FROM counter")
}

/// What holds after every transaction; gives how many there were.
fn state_of(database: &Path) -> i64 {
    let connection = Connection::open(database).expect("there");
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("a report");
    assert_eq!(check, "ok");
    let n = counter(database);
    let money = "SELECT (SELECT sum(balance) FROM checking) + (SELECT sum(balance) FROM savings)";
    assert_eq!(number(database, money), 200_000, "after {n} transactions");
    assert_eq!(number(database, "SELECT coalesce(max(n), 0) FROM log"), n);
    assert_eq!(number(database, "SELECT count(*) FROM log"), n.min(2000));
    n
}

#[test]
fn five_backups_of_a_database_under_a_writer() {
    let world = World::new();
    world.script(
        "sqlite3 live.db 'PRAGMA page_size = 1024; PRAGMA journal_mode = WAL;
        CREATE TABLE checking(id INTEGER PRIMARY KEY, balance INTEGER);
        CREATE TABLE savings(id INTEGER PRIMARY KEY, balance INTEGER);
        CREATE TABLE log(n INTEGER PRIMARY KEY, entry TEXT); CREATE INDEX entries ON log(entry);
        CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES (0);
        WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 99)
            INSERT INTO checking SELECT n, 1000 FROM i;
        INSERT INTO savings SELECT * FROM checking;' > /dev/null",
    );
    world.settings("[sets.live]\nsources = [\"sqlite:live.db\"]");
    let live = world.path("live.db");
    let stop = AtomicBool::new(false);
    let mut writer = world
        .command("sqlite3")
        .args(["-batch", "-bail", "live.db"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sqlite3 is installed");
    let mut input = writer.stdin.take().expect("piped");
    thread::scope(|scope| {
        let feeder = scope.spawn(|| {
            let mut sql = ".timeout 60000\nPRAGMA synchronous = OFF;\n".to_owned();
            for n in 1.. {
                if stop.load(Ordering::Relaxed) || input.write_all(sql.as_bytes()).is_err() {
                    break;
                }
                sql = transaction(n);
            }
            drop(input);
        });
        let mut last = 0;
        for round in 0..5 {
            while counter(&live) <= last {
                thread::sleep(Duration::from_millis(1));
            }
            let before = counter(&live);
            world.good(&["backup", "live"]);
            let after = counter(&live);
            let target = format!("back-{round}.db");
            let restored = world.json(&["restore", "latest", "--to", &format!("live=sqlite:{target}")]);
            assert_eq!(restored["entries"], 1, "{restored}");
            let state = state_of(&world.path(&target));
            assert!((before..=after).contains(&state), "{before} <= {state} <= {after}");
            last = after;
        }
        stop.store(true, Ordering::Relaxed);
        feeder.join().expect("no panic");
    });
    assert!(writer.wait().expect("own child").success(), "sqlite3 failed");
    assert!(state_of(&live) > 5, "the writer wrote all along");
    world.good(&["verify", "--all", "--deep"]);
}
