//! Thirty backups of a database in which money moves between tables all the time, several at once: every restore has all of it.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;
#[path = "support/postgres.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "support/postgres_cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod postgres_cli;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use crate::cli::World;
use crate::postgres::Server;

/// Backups at once, and of each how many one after another.
const LANES: usize = 5;
const ROUNDS: usize = 6;

/// Four tables of five hundred accounts; the third is binary in a dump.
const BANK: &str = "
    CREATE TABLE a (id int PRIMARY KEY, balance bigint NOT NULL); CREATE TABLE b (LIKE a INCLUDING ALL);
    CREATE TABLE c (id int PRIMARY KEY, balance bigint NOT NULL, at timestamptz DEFAULT now()); CREATE TABLE d (LIKE a INCLUDING ALL);
    INSERT INTO a SELECT i, 1000 FROM generate_series(1, 500) i; INSERT INTO b SELECT i, 1000 FROM generate_series(1, 500) i;
    INSERT INTO c SELECT i, 1000 FROM generate_series(1, 500) i; INSERT INTO d SELECT i, 1000 FROM generate_series(1, 500) i;
    CREATE PROCEDURE transfer(times int) LANGUAGE plpgsql AS $$
    DECLARE names text[] := '{a,b,c,d}'; source text; target text; amount int;
    BEGIN
      FOR i IN 1..times LOOP
        source := names[1 + floor(random() * 4)]; target := names[1 + floor(random() * 4)]; amount := floor(random() * 100);
        EXECUTE format('UPDATE %I SET balance = balance - $1 WHERE id = $2', source) USING amount, 1 + floor(random() * 500);
        EXECUTE format('UPDATE %I SET balance = balance + $1 WHERE id = $2', target) USING amount, 1 + floor(random() * 500);
        COMMIT;
      END LOOP;
    END $$;
";

const TOTALS: &str = "SELECT sum(balance) || ' in ' || count(*) FROM (SELECT balance FROM a UNION ALL SELECT balance FROM b \
                      UNION ALL SELECT balance FROM c UNION ALL SELECT balance FROM d) every";

#[test]
fn thirty_backups_while_money_moves() {
    let server = Server::start_with(std::path::Path::new(postgres::PROGRAMS), &["max_connections = 200"]);
    server.sql("postgres", "CREATE DATABASE bank");
    server.sql("bank", BANK);
    let world = World::new();
    let run = |arguments: &[&str]| postgres_cli::run(&world, arguments).expect_code(0, &arguments.join(" "));
    let stop = AtomicBool::new(false);
    let (server, run, stop) = (&server, &run, &stop);
    let states = thread::scope(|scope| {
        for _ in 0..3 {
            // A deadlock ends one call, and the next one goes on.
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    drop(server.psql("bank", &["--command=CALL transfer(300)"]));
                }
            });
        }
        let lane = |lane: usize| {
            let set = format!("bank-{lane}");
            let source = format!("db={}", server.uri("postgres", "bank"));
            let mut states = Vec::new();
            for round in 0..ROUNDS {
                let _ran = run(&["backup", "--set", &set, "--source", &source]);
                let database = format!("again_{lane}_{round}");
                let target = server.uri("postgres", &database);
                let _ran = run(&["restore", "latest", "--set", &set, "--to", &target]);
                assert_eq!(server.sql(&database, TOTALS), "2000000 in 2000", "{database}");
                states.push(server.sql(
                    &database,
                    "SELECT md5(string_agg(balance::text, ',' ORDER BY id)) FROM a",
                ));
            }
            states
        };
        let lanes: Vec<_> = (0..LANES).map(|number| scope.spawn(move || lane(number))).collect();
        let states: Vec<_> = lanes.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        states
            .into_iter()
            .flat_map(|lane| lane.expect("every restore is whole"))
            .collect::<Vec<_>>()
    });
    let mut distinct = states.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(states.len(), LANES * ROUNDS);
    assert!(
        distinct.len() > LANES * ROUNDS / 2,
        "money moved meanwhile: {}",
        distinct.len()
    );
}
