//! What a role may not read is named before anything is stored.

use hub_backup::base::fault::Kind;

use crate::postgres::NEEDLE;
use crate::postgres::PROGRAMS;
use crate::postgres::Server;
use crate::support::collect;
use crate::support::known;
use crate::support::refused;
use crate::support::rows_of;
use crate::support::source;
use crate::support::text;

#[test]
fn missing_grants_are_named_one_by_one() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE hub");
    server.sql(
        "hub",
        "CREATE ROLE reader LOGIN PASSWORD 'needle-2'; CREATE SCHEMA closed; CREATE TABLE closed.t(a int);
         CREATE TABLE open(a int); CREATE TABLE shut(a serial); GRANT SELECT ON open TO reader; INSERT INTO shut VALUES (3);
         SELECT lo_create(77);",
    );
    let reader = || source(&server.uri("reader", "hub"), &[("PGPASSWORD", "needle-2")]);
    let (kind, why) = refused(reader());
    assert_eq!(kind, Kind::SourceUnsupported);
    for part in [
        "no USAGE on schema \"closed\"",
        "no SELECT on table \"closed\".\"t\"",
        "no SELECT on table \"public\".\"shut\"",
        "no SELECT on sequence \"public\".\"shut_a_seq\"",
        "may not read 1 large objects, 77 among them",
        "GRANT SELECT ON TABLE \"public\".\"shut\" TO \"reader\";",
        "GRANT pg_read_all_data TO \"reader\";",
    ] {
        assert!(why.contains(part), "{part} is not in {why}");
    }
    assert!(!why.contains("\"open\""), "{why}");
    // As the message says; no superuser is needed.
    server.sql(
        "hub",
        "GRANT pg_read_all_data TO reader; GRANT SELECT ON LARGE OBJECT 77 TO reader",
    );
    let (collected, _) = collect(reader());
    assert_eq!(rows_of(&collected, "shut"), ["3"]);

    // Rows that a policy hides would be missing silently.
    server.sql("hub", "ALTER TABLE shut ENABLE ROW LEVEL SECURITY");
    let (kind, why) = refused(reader());
    assert_eq!(kind, Kind::SourceUnsupported);
    assert!(
        why.contains("row-level security would hide rows of table \"public\".\"shut\""),
        "{why}"
    );
    server.sql("hub", "ALTER ROLE reader BYPASSRLS");
    let (collected, _) = collect(reader());
    assert_eq!(rows_of(&collected, "shut"), ["3"]);
}

#[test]
fn roles_without_a_superuser_and_without_the_program() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE hub");
    server.sql("hub", "CREATE TABLE t(a int); INSERT INTO t VALUES (1)");
    let password = NEEDLE.replace('\'', "''");
    server.sql(
        "hub",
        &format!("CREATE ROLE backup LOGIN PASSWORD '{password}'; GRANT pg_read_all_data TO backup; CREATE ROLE app"),
    );
    let uri = server.uri("backup", "hub");
    let (collected, learnt) = collect(known(&uri));
    let globals = text(&collected, "globals.sql");
    assert!(
        globals.contains("CREATE ROLE app;") && !globals.contains("PASSWORD"),
        "{globals}"
    );
    assert!(learnt.private["globals"].contains("without password hashes"));

    // A pg_dump that came alone.
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("pg_dump");
    std::os::unix::fs::symlink(format!("{PROGRAMS}/pg_dump"), &alone).expect("a link");
    let (collected, learnt) = collect(known(&format!("{uri}?pg_dump={}", alone.display())));
    assert!(text(&collected, "globals.sql").contains("could not be read"));
    let why = learnt.private.get("globals_left_out");
    assert!(
        why.is_some_and(|why| why.contains("pg_dumpall")),
        "{:?}",
        learnt.private
    );
    assert_eq!(rows_of(&collected, "t"), ["1"]);
}

#[test]
fn partitions_that_a_pattern_forgets_are_named() {
    let server = Server::start();
    server.sql(
        "postgres",
        "CREATE TABLE p(k int) PARTITION BY LIST (k); CREATE TABLE q PARTITION OF p DEFAULT",
    );
    let uri = server.uri("postgres", "postgres");
    let (_, why) = refused(crate::support::known(&format!("{uri}?table=p")));
    assert!(why.contains("its partition \"public\".\"q\" is not"), "{why}");
    collect(crate::support::known(&format!("{uri}?table=p&table=q")));
}
