//! Restores to PostgreSQL: what is there afterwards, what is refused, and what a broken restore leaves.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;
#[path = "support/postgres.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod postgres;
#[path = "support/postgres_cli.rs"]
mod postgres_cli;

use std::path::Path;
use std::process::Child;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::digest::Digest;
use hub_backup::base::fault::Fault as _;
use hub_backup::bundle::entry::Location;
use hub_backup::bundle::entry::Part;
use hub_backup::bundle::entry::Rows;
use hub_backup::bundle::entry::Stream;
use hub_backup::bundle::path::EntryPath;
use hub_backup::bundle::path::RawBytes;
use hub_backup::server::postgres::Conninfo;
use hub_backup::server::postgres::Parameters;
use hub_backup::server::postgres::Surroundings;
use hub_backup::sink;
use hub_backup::sink::Sink as _;
use hub_backup::sink::postgres::PostgresSink;
use hub_backup::sink::postgres::options::PostgresSinkOptions;
use hub_backup::sink::row_check::RowCheck;

use crate::cli::Ran;
use crate::cli::World;
use crate::postgres::NEEDLE;
use crate::postgres::PROGRAMS;
use crate::postgres::Server;
use crate::postgres_cli::PROGRAMS_17;
use crate::postgres_cli::backup;
use crate::postgres_cli::dump;
use crate::postgres_cli::dump_with;
use crate::postgres_cli::program;
use crate::postgres_cli::run;
use crate::postgres_cli::same;
use crate::postgres_cli::torture;

/// What every restore says that connects as a superuser.
const SUPERUSER: &str = "the role postgres is a superuser, and the SQL of the dump runs with these rights";

fn backed_up(server: &Server, database: &str) -> World {
    let world = World::new();
    backup(&world, server, database, "");
    world
}

fn restore(world: &World, server: &Server, database: &str, more: &[&str]) -> Ran {
    let target = server.uri("postgres", database);
    run(
        world,
        &[&["restore", "latest", "--set", "pg", "--to", &target], more].concat(),
    )
}

/// A database that takes a moment to restore.
fn large(server: &Server) {
    server.sql("postgres", "CREATE DATABASE large");
    server.sql(
        "large",
        "CREATE TABLE big AS SELECT i AS id, md5(i::text) AS a, md5((i + 1)::text) AS b FROM generate_series(1, 400000) i; \
         ALTER TABLE big ADD PRIMARY KEY (id); CREATE INDEX ON big (a); CREATE INDEX ON big (b); \
         CREATE TABLE small AS SELECT i AS id FROM generate_series(1, 10) i; \
         ALTER TABLE small ADD FOREIGN KEY (id) REFERENCES big (id)",
    );
}

fn databases(server: &Server) -> Vec<String> {
    let names = server.sql("postgres", "SELECT datname FROM pg_database ORDER BY 1");
    names.lines().map(str::to_owned).collect()
}

/// Nothing of a restore is there, under any name.
#[track_caller]
fn nothing_left(server: &Server, database: &str) {
    let names = databases(server);
    let left = |name: &String| name == database || name.contains("_hub_");
    assert!(!names.iter().any(left), "{names:?}");
}

/// Waits until a database is staged for this one.
fn staged(server: &Server, database: &str) {
    let begun = Instant::now();
    let prefix = format!("{database}_hub_tmp_");
    while !databases(server).iter().any(|name| name.starts_with(&prefix)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no staged database");
        thread::sleep(Duration::from_millis(5));
    }
}

fn begin(world: &World, server: &Server, database: &str) -> Child {
    let target = server.uri("postgres", database);
    program(world, &["restore", "latest", "--set", "pg", "--to", &target])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built")
}

#[test]
fn everything_comes_back_here_there_and_by_psql() {
    let server = Server::start();
    torture(&server, "torture");
    let world = backed_up(&server, "torture");
    let original = dump(&server, PROGRAMS, "torture");

    let ran = restore(&world, &server, "again", &[]).expect_code(0, "restore");
    let lines = ran.stderr.lines().count();
    assert_eq!(lines, 1, "nothing else to warn of: {}", ran.stderr);
    assert!(ran.stderr.contains(SUPERUSER), "{}", ran.stderr);
    same(&original, &dump(&server, PROGRAMS, "again"));
    assert_eq!(
        server.sql(
            "postgres",
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'again'"
        ),
        ""
    );

    // What comes next knows no ICU.
    server.sql(
        "torture",
        "DROP COLLATION shop.loose; DROP COLLATION shop.numeric_order CASCADE",
    );
    backup(&world, &server, "torture", "");

    // Without this program: the members, and psql.
    let _ran = run(&world, &["restore", "latest", "--set", "pg", "--to", "out"]).expect_code(0, "restore to files");
    server.sql("postgres", "CREATE DATABASE stock TEMPLATE template0");
    let output = server.follow_restore_sql("stock", &world.path("out/db"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same(&dump(&server, PROGRAMS, "torture"), &dump(&server, PROGRAMS, "stock"));

    to_a_newer_server(&world, &server);

    // Without owners and privileges no role is needed.
    let another = Server::start();
    let _ran =
        restore(&world, &another, "plain", &["--no-owner", "--no-privileges"]).expect_code(41, "policies name roles");
    nothing_left(&another, "plain");
}

/// To a newer server, whose roles come out of the bundle.
fn to_a_newer_server(world: &World, server: &Server) {
    let newer = Server::start_with(Path::new(PROGRAMS_17), &[]);
    let missing = restore(world, &newer, "again", &[]).expect_code(41, "roles are missing");
    assert!(
        missing.stderr.contains("role \"torture_app\" does not exist"),
        "{}",
        missing.stderr
    );
    nothing_left(&newer, "again");
    let ran = restore(world, &newer, "again", &["--globals"]).expect_code(0, "restore to 17");
    assert!(
        ran.stderr.contains("role \"postgres\" already exists"),
        "{}",
        ran.stderr
    );
    // A newer server writes some definitions in other words: what stock tools make of the dump there is the measure.
    newer.sql("postgres", "CREATE DATABASE reference TEMPLATE template0");
    let script = world.path("torture.sql");
    world.write("torture.sql", dump(server, PROGRAMS, "torture").as_bytes());
    let output = newer.psql("reference", &["--file", script.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same(
        &dump(&newer, PROGRAMS_17, "reference"),
        &dump(&newer, PROGRAMS_17, "again"),
    );
}

/// The statements of `pg_dump` that concern a database itself, whatever its name is.
fn itself(server: &Server, database: &str) -> String {
    let text = dump_with(server, PROGRAMS, database, &["--create", "--schema-only"]);
    let text = text.replace(&format!("DATABASE {database}"), "DATABASE this");
    let lines = text
        .lines()
        .filter(|line| line.contains("DATABASE this") && !line.starts_with("--"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A database that has all that a database can have of its own, and roles: its owner, one that reads, and one that may make databases.
fn owned() -> Server {
    let server = Server::start();
    let password = NEEDLE.replace('\'', "''");
    server.sql(
        "postgres",
        &format!(
            "CREATE ROLE app; CREATE ROLE reader; CREATE ROLE restorer LOGIN CREATEDB PASSWORD '{password}'; GRANT app TO restorer"
        ),
    );
    server.sql("postgres", "CREATE DATABASE owned OWNER app");
    for statement in [
        "SET ROLE app; CREATE TABLE public.t (a int); INSERT INTO public.t VALUES (1)",
        "COMMENT ON DATABASE owned IS 'the shop''s'",
        "ALTER DATABASE owned CONNECTION LIMIT 7",
        "ALTER DATABASE owned SET search_path = \"$user\", \"My s\", public",
        "ALTER DATABASE owned SET app.tenant = 'it''s \\ one'",
        "ALTER ROLE reader IN DATABASE owned SET work_mem = '7MB'",
        "REVOKE CONNECT, TEMPORARY ON DATABASE owned FROM PUBLIC",
        "GRANT CONNECT ON DATABASE owned TO reader WITH GRANT OPTION",
        "REVOKE TEMPORARY ON DATABASE owned FROM app",
        // It must not hold for the sessions of the restore.
        "ALTER DATABASE owned SET default_transaction_read_only = on",
    ] {
        server.sql("owned", statement);
    }
    server
}

#[test]
fn what_a_database_has_of_its_own_comes_back() {
    let server = owned();
    let world = backed_up(&server, "owned");
    let original = itself(&server, "owned");
    for word in [
        "OWNER TO app",
        "read_only",
        "it''s",
        "My s",
        "7MB",
        "LIMIT = 7",
        "REVOKE",
        "GRANT CONNECT",
    ] {
        assert!(original.contains(word), "{word}: {original}");
    }

    let _ran = restore(&world, &server, "again", &[]).expect_code(0, "as a superuser");
    same(&original, &itself(&server, "again"));
    assert_eq!(server.sql("again", "SELECT count(*) FROM t"), "1");

    let _ran = run(&world, &["restore", "latest", "--set", "pg", "--to", "out"]).expect_code(0, "restore to files");
    server.sql("postgres", "CREATE DATABASE stock TEMPLATE template0 OWNER app");
    let output = server.follow_restore_sql("stock", &world.path("out/db"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same(&original, &itself(&server, "stock"));

    // On a server of its own, where the owner comes with the dump.
    let fresh = Server::start();
    let _ran = restore(&world, &fresh, "fresh", &["--globals"]).expect_code(0, "with roles");
    same(&original, &itself(&fresh, "fresh"));

    // What is the operator's stays as it is.
    server.sql("postgres", "CREATE DATABASE placed");
    let placed = itself(&server, "placed");
    let _ran = restore(&world, &server, "placed", &["--in-place"]).expect_code(0, "in place");
    same(&placed, &itself(&server, "placed"));

    let _ran = restore(&world, &server, "bare", &["--no-owner", "--no-privileges"]).expect_code(0, "bare");
    let bare = itself(&server, "bare");
    assert!(bare.contains("OWNER TO postgres") && bare.contains("My s"), "{bare}");
    assert!(!bare.contains("GRANT") && !bare.contains("REVOKE"), "{bare}");
}

#[test]
fn who_may_make_databases_restores_what_is_of_a_role_that_it_is_in() {
    let server = owned();
    let world = backed_up(&server, "owned");
    let original = itself(&server, "owned");
    server.sql("postgres", "CREATE DATABASE waiting TEMPLATE template0 OWNER app");
    for name in ["lent", "waiting"] {
        let target = server.uri("restorer", name);
        let ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &target]).expect_code(0, name);
        assert!(
            ran.stderr
                .contains("did not get the setting work_mem of the role reader"),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("did not get the setting app.tenant"),
            "{}",
            ran.stderr
        );
        let values = ["7MB", "it's"];
        assert!(!values.iter().any(|value| ran.stderr.contains(value)), "{}", ran.stderr);
        let without: Vec<&str> = original
            .lines()
            .filter(|line| !line.contains("7MB") && !line.contains("tenant"))
            .collect();
        let without = without.join("\n");
        same(&without, &itself(&server, name));
    }

    // A role that may give to the owner and not act as it: nothing is left that it could not drop.
    server.sql("postgres", "CREATE DATABASE strange TEMPLATE template0 OWNER reader");
    let strange = server.uri("restorer", "strange");
    let ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &strange]).expect_code(40, "not its own");
    assert!(ran.stderr.contains("belongs to reader"), "{}", ran.stderr);
    server.sql("postgres", "ALTER ROLE restorer NOINHERIT");
    let target = server.uri("restorer", "given");
    let ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &target]);
    let left = databases(&server).into_iter().filter(|name| name.contains("_hub_tmp_"));
    assert_eq!(left.count(), 0, "{}", ran.stderr);
}

#[test]
fn what_is_no_text_in_the_encoding_of_the_database_is_left_out_and_said() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE odd");
    server.sql("odd", "CREATE TABLE t (a int)");
    server.sql(
        "postgres",
        "CREATE DATABASE old ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    server.sql(
        "old",
        "SET client_encoding = LATIN1; COMMENT ON DATABASE odd IS E'caf\\351'",
    );
    let world = World::new();
    let source = format!("db={}", server.uri("postgres", "odd"));
    let ran = run(&world, &["backup", "--set", "pg", "--source", &source]).expect_code(0, "backup");
    assert!(
        ran.stderr.contains("properties left out: the comment"),
        "{}",
        ran.stderr
    );
    let _ran = restore(&world, &server, "again", &[]).expect_code(0, "without it");

    // Here the server itself refuses to read it.
    server.sql(
        "postgres",
        "CREATE DATABASE raw ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    server.sql(
        "raw",
        "CREATE TABLE t (a int); SET client_encoding = SQL_ASCII; COMMENT ON DATABASE raw IS E'caf\\351'",
    );
    let source = format!("db={}", server.uri("postgres", "raw"));
    let ran = run(&world, &["backup", "--set", "pg", "--source", &source]).expect_code(0, "backup");
    assert!(
        ran.stderr.contains("properties left out: owner, comment"),
        "{}",
        ran.stderr
    );
    let _ran = restore(&world, &server, "raw_again", &[]).expect_code(0, "without it");
}

#[test]
fn what_goes_where_is_told() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE told");
    server.sql("told", "CREATE TABLE t (a int)");
    let world = World::new();
    world.write("notes/one.txt", b"one");
    let source = format!("db={}", server.uri("postgres", "told"));
    let sources = ["--source", &source, "--source", "files:notes"];
    let _made = run(&world, &[&["backup", "--set", "pg"][..], &sources].concat()).expect_code(0, "backup");
    let again = |arguments: &[&str]| {
        let ran = run(
            &world,
            &[&["restore", "latest", "--set", "pg", "--json"], arguments].concat(),
        );
        ran.expect_code(0, "restore").object()
    };

    // The dump comes as files: what makes a database of them lies where they lie.
    for (arguments, targets, script) in [
        (
            &["--to", "a"][..],
            serde_json::json!([{"to": "a", "sources": ["db", "notes"]}]),
            "a/db/restore.sql",
        ),
        (
            &["--to", "db=b", "--to", "c"],
            serde_json::json!([{"to": "b", "sources": ["db"]}, {"to": "c", "sources": ["notes"]}]),
            "b/restore.sql",
        ),
    ] {
        let told = again(arguments);
        assert_eq!(told["targets"], targets);
        let next = told["next"][0].as_str().expect("a next step");
        assert!(next.contains(script) && next.contains("--to db=postgres:"), "{next}");
        assert!(
            world.path(script).exists() || world.path(&format!("{script}.part-00000000")).exists(),
            "{script}"
        );
    }
    let told = again(&["--only", "notes", "--to", "d"]);
    assert_eq!(told["targets"], serde_json::json!([{"to": "d", "sources": ["notes"]}]));
    assert_eq!(told["next"], serde_json::json!([]));
    let told = again(&["--only", "db", "--to", "e", "--plan"]);
    assert_eq!(told["targets"], serde_json::json!([{"to": "e", "sources": ["db"]}]));
    let target = server.uri("postgres", "new");
    let told = again(&["--to", &format!("db={target}"), "--to", "f"]);
    assert_eq!(told["targets"][0]["sources"], serde_json::json!(["db"]));
    assert!(
        told["next"][0].as_str().expect("a next step").contains("statistics"),
        "{told}"
    );
}

#[test]
fn what_is_there_is_never_touched() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE one");
    server.sql("one", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let world = backed_up(&server, "one");
    server.sql("postgres", "CREATE DATABASE taken");
    server.sql("taken", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    let before = databases(&server);

    let ran = restore(&world, &server, "taken", &[]).expect_code(40, "not empty");
    assert!(ran.stderr.contains("the function f"), "{}", ran.stderr);
    let _ran = restore(&world, &server, "one", &[]).expect_code(40, "the source");
    for name in ["postgres", "template0", "template1"] {
        let _ran = restore(&world, &server, name, &[]).expect_code(40, name);
    }
    world.settings("[policy]\nprotected = [\"prod-*\", \"127.0.0.1/live\"]");
    for name in ["prod-hub", "live"] {
        let ran = restore(&world, &server, name, &[]).expect_code(40, name);
        assert!(ran.stderr.contains("protected"), "{}", ran.stderr);
    }
    assert_eq!(databases(&server), before);
    assert_eq!(server.sql("one", "SELECT a FROM t"), "1");

    // The source is not restored to even when it is empty by now.
    server.sql("one", "DROP TABLE t");
    let ran = restore(&world, &server, "one", &[]).expect_code(40, "the source, empty");
    assert!(ran.stderr.contains("the source itself"), "{}", ran.stderr);
    assert_eq!(databases(&server), before);
}

#[test]
fn an_empty_database_is_replaced_and_keeps_its_owner() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE one");
    server.sql("one", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let world = backed_up(&server, "one");
    server.sql(
        "postgres",
        &format!("CREATE ROLE plain LOGIN PASSWORD '{}'", NEEDLE.replace('\'', "''")),
    );
    server.sql(
        "postgres",
        "CREATE DATABASE waiting OWNER plain ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );

    let ran = restore(&world, &server, "waiting", &[]).expect_code(0, "restore");
    let told = String::from_utf8(ran.stdout).expect("text");
    assert!(
        told.contains("compared   db: tables: 1, rows: 1, read back: "),
        "{told}"
    );
    for (how, expected) in [
        (
            "rows",
            serde_json::json!([{"label": "db", "tables": 1, "rows": 1, "how": "rows"}]),
        ),
        ("none", serde_json::json!([])),
    ] {
        let ran = restore(&world, &server, how, &["--row-check", how, "--json"]).expect_code(0, "restore");
        assert_eq!(ran.object()["compared"], expected);
    }
    let facts = "SELECT pg_get_userbyid(datdba) || ' ' || datcollate FROM pg_database WHERE datname = 'waiting'";
    assert_eq!(server.sql("postgres", facts), "plain C");
    assert_eq!(server.sql("waiting", "SELECT a FROM t"), "1");
    assert!(!databases(&server).iter().any(|name| name.contains("_hub_")));

    // Somebody is in it: then it stays as it is.
    server.sql("postgres", "CREATE DATABASE busy");
    let mut guest = server
        .psql_command("busy", &["--command", "SELECT pg_sleep(60)"])
        .spawn()
        .expect("psql");
    while server.sql(
        "postgres",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'busy'",
    ) != "1"
    {
        thread::sleep(Duration::from_millis(20));
    }
    let _ran = restore(&world, &server, "busy", &[]).expect_code(41, "busy");
    assert!(!databases(&server).iter().any(|name| name.contains("_hub_")));
    guest.kill().expect("running");
    guest.wait().expect("ended");

    // A role that may not make databases.
    server.sql("postgres", "CREATE DATABASE own OWNER plain");
    let target = server.uri("plain", "own");
    let arguments = ["restore", "latest", "--set", "pg", "--no-owner", "--to", &target];
    let ran = run(&world, &arguments).expect_code(40, "may not make databases");
    assert!(
        ran.stderr.contains("\nhint: ALTER ROLE … CREATEDB lets it; --in-place"),
        "{}",
        ran.stderr
    );
    let _ran = run(&world, &[&arguments[..], &["--in-place"]].concat()).expect_code(0, "in place");
    assert_eq!(server.sql("own", "SELECT a FROM t"), "1");
}

#[test]
fn a_broken_restore_leaves_nothing() {
    let server = Server::start();
    large(&server);
    let world = backed_up(&server, "large");

    // Told to stop.
    let child = begin(&world, &server, "stopped");
    staged(&server, "stopped");
    postgres::signal("TERM", i32::try_from(child.id()).expect("small"));
    let ran = Ran::new(child.wait_with_output().expect("ended")).expect_code(41, "stopped");
    assert!(ran.stderr.contains("interrupted"), "{}", ran.stderr);
    nothing_left(&server, "stopped");

    // Killed: what it left is swept by the next one, and not while it works.
    let mut child = begin(&world, &server, "killed");
    staged(&server, "killed");
    let beside = restore(&world, &server, "beside", &[]);
    drop(beside);
    child.kill().expect("running");
    child.wait().expect("ended");
    let mut child = begin(&world, &server, "killed-2");
    staged(&server, "killed-2");
    child.kill().expect("running");
    child.wait().expect("ended");
    let begun = Instant::now();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hub-backup'";
    while server.sql("postgres", sessions) != "0" {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "sessions of a killed restore stay"
        );
        thread::sleep(Duration::from_millis(50));
    }
    let ran = restore(&world, &server, "large-again", &[]).expect_code(0, "after a kill");
    assert!(
        ran.stderr.contains("dropped the database killed-2_hub_tmp_"),
        "{}",
        ran.stderr
    );
    assert!(
        !databases(&server).iter().any(|name| name.contains("_hub_")),
        "{:?}",
        databases(&server)
    );
    same(
        &dump(&server, PROGRAMS, "large"),
        &dump(&server, PROGRAMS, "large-again"),
    );

    // The server dies.
    let child = begin(&world, &server, "dead");
    staged(&server, "dead");
    server.signal("QUIT");
    let ran = Ran::new(child.wait_with_output().expect("ended")).expect_code(41, "the server died");
    assert!(ran.stderr.contains("cannot restore to postgres:"), "{}", ran.stderr);
    while server.pid().is_some() {
        thread::sleep(Duration::from_millis(20));
    }
    server.launch();
    let _ran = restore(&world, &server, "dead", &[]).expect_code(0, "restore");
    assert!(
        !databases(&server).iter().any(|name| name.contains("_hub_")),
        "{:?}",
        databases(&server)
    );
}

#[test]
fn chosen_tables_alone() {
    let server = Server::start();
    large(&server);
    server.sql("large", "CREATE SCHEMA s; CREATE TABLE s.\"My t\" (id int PRIMARY KEY, b text DEFAULT 's.My t'); INSERT INTO s.\"My t\" VALUES (1, 'x'); CREATE INDEX ON s.\"My t\" (b)");
    let world = backed_up(&server, "large");

    let only = ["--only", "public.small", "--plan"];
    let planned = restore(&world, &server, "chosen", &only).expect_code(0, "a plan");
    let planned = String::from_utf8_lossy(&planned.stdout).into_owned();
    assert!(
        planned.contains("-public.small.copy") && !planned.contains("public.big"),
        "{planned}"
    );
    let ran = restore(&world, &server, "chosen", &["--only", "public.small"]).expect_code(0, "one table");
    assert!(ran.stderr.contains("foreign key"), "{}", ran.stderr);
    let counts = "SELECT (SELECT count(*) FROM big) || ' ' || (SELECT count(*) FROM small)";
    assert_eq!(server.sql("chosen", counts), "0 10");

    // The accident: a row is gone from a database in use.
    server.sql("large", "DELETE FROM s.\"My t\"");
    let before = dump(&server, PROGRAMS, "large");
    let into = [
        "--into-schema",
        "rescued",
        "--only",
        "My t",
        "--only",
        "db/data/public.big",
    ];
    let _ran = restore(&world, &server, "large", &into).expect_code(0, "into a schema");
    assert_eq!(server.sql("large", "SELECT b FROM rescued.\"My t\""), "x");
    assert_eq!(server.sql("large", "SELECT count(*) FROM rescued.big"), "400000");
    assert_eq!(
        server.sql("large", "SELECT count(*) FROM pg_indexes WHERE schemaname = 'rescued'"),
        "5"
    );
    let _ran = restore(&world, &server, "large", &into).expect_code(40, "the schema is there");
    server.sql("large", "DROP SCHEMA rescued CASCADE");
    same(&before, &dump(&server, PROGRAMS, "large"));

    let _ran = restore(&world, &server, "all", &["--only", "db"]).expect_code(0, "the source as a whole");
    assert_eq!(server.sql("all", counts), "400000 10");
    let _ran = restore(&world, &server, "x", &["--only", "public.nowhere"]).expect_code(10, "no such table");
    let nowhere =
        restore(&world, &server, "x", &["--into-schema", "r", "--only", "nowhere"]).expect_code(10, "nor here");
    assert!(nowhere.stderr.contains("SCHEMA.TABLE"), "{}", nowhere.stderr);
    nothing_left(&server, "x");
}

#[test]
fn a_dump_acts_with_the_rights_of_the_role_that_restores_it() {
    let server = Server::start();
    server.sql("postgres", "CREATE ROLE mallory");
    server.sql("postgres", "CREATE DATABASE shop OWNER mallory");
    // Who may make a function and nothing else leaves a trap: it runs wherever the rows are loaded.
    server.sql(
        "shop",
        "SET ROLE mallory; CREATE SCHEMA s; CREATE FUNCTION s.ok(a int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN \
         BEGIN COPY (SELECT 1) TO PROGRAM 'cat > sprung'; EXCEPTION WHEN insufficient_privilege THEN NULL; END; \
         RETURN true; END $$; CREATE TABLE s.t (a int CHECK (s.ok(a))); INSERT INTO s.t VALUES (1)",
    );
    let sprung = server.path("data/sprung");
    assert!(!sprung.exists(), "mallory may run no programs");
    let world = backed_up(&server, "shop");

    let password = NEEDLE.replace('\'', "''");
    let restorer = format!("CREATE ROLE restorer LOGIN CREATEDB PASSWORD '{password}'; GRANT mallory TO restorer");
    server.sql("postgres", &restorer);
    let target = server.uri("restorer", "safe");
    let ran = run(&world, &["restore", "latest", "--set", "pg", "--to", &target]).expect_code(0, "without superuser");
    assert_eq!(ran.stderr, "");
    assert_eq!(
        server.sql("safe", "SELECT count(*) FROM pg_constraint WHERE conname = 't_a_check'"),
        "1"
    );
    assert!(!sprung.exists(), "the program was run");

    let ran = restore(&world, &server, "unsafe", &["--json"]).expect_code(0, "as a superuser");
    assert!(ran.stderr.contains(SUPERUSER), "{}", ran.stderr);
    let note = ran.object()["notes"][0].as_str().expect("a note").to_owned();
    assert!(note.contains(SUPERUSER), "{note}");
    assert!(
        sprung.exists(),
        "a superuser's restore runs it: that is what the warning says"
    );

    // Whatever role it makes things as, the session is the superuser's.
    let ran = restore(&world, &server, "as_role", &["--role", "restorer"]).expect_code(0, "--role");
    assert!(ran.stderr.contains(SUPERUSER), "{}", ran.stderr);
}

/// Gives a sink one stream in one part.
fn stream(sink: &mut PostgresSink, name: &str, content: &[u8], rows: Option<Rows>) -> Result<(), sink::Error> {
    let path = EntryPath::try_from(RawBytes(format!("db/{name}").into_bytes())).expect("a path");
    let size = content.len() as u64;
    let at = Location { block: 0, skip: 0 };
    let part = Part {
        path: path.clone(),
        number: 0,
        size,
        at,
    };
    sink.part(&part, &mut { content })?;
    sink.stream(&Stream {
        path,
        mode: 0o600,
        parts: 1,
        size,
        sha256: Digest::of(content),
        rows,
    })
}

/// Restores a table of two rows of which its stream says `rows`.
fn two_rows(server: &Server, rows: Rows, check: RowCheck) -> Result<(), sink::Error> {
    let target = format!("//postgres@127.0.0.1:{}/counted", server.port);
    let parameters = Parameters::parse(&target, &[]).expect("a URI");
    let surroundings = [("PGPASSWORD".into(), NEEDLE.into())];
    let surroundings = Surroundings::new(surroundings.iter().map(|(name, value)| (name, value)), "me");
    let options = PostgresSinkOptions {
        check,
        ..PostgresSinkOptions::default()
    };
    let conninfo = Conninfo::new(&parameters, &surroundings).expect("complete");
    let mut sink = PostgresSink::new("postgres:counted", conninfo, options, Cancel::new())?;
    let plan = r#"{"version":1,"server":150000,"database":"x","connections":1,"creation":{"encoding":"UTF8","provider":"libc",
        "collate":"C","ctype":"C","locale":null,"rules":null},"tables":[{"schema":"public","name":"t","columns":["a"],
        "format":"text","streams":["data/t.copy"]}]}"#;
    stream(&mut sink, "plan.json", plan.as_bytes(), None)?;
    stream(&mut sink, "pre-data.sql", b"CREATE TABLE public.t (a integer);\n", None)?;
    stream(&mut sink, "data/t.copy", b"1\n2\n", Some(rows))?;
    stream(&mut sink, "post-data.sql", b"", None)?;
    Box::new(sink).commit().map(drop)
}

#[test]
fn rows_that_are_not_the_source_s_are_found() {
    let server = Server::start();
    let rows = |texts: &[&str]| {
        let mut rows = Rows::default();
        for text in texts {
            rows.add(text.as_bytes());
        }
        rows
    };
    for (said, check) in [
        (rows(&["1", "3"]), RowCheck::Fingerprint),
        (rows(&["1"]), RowCheck::Fingerprint),
        (rows(&["1", "2", "2"]), RowCheck::Rows),
    ] {
        let error = two_rows(&server, said, check).expect_err("another content");
        assert_eq!(error.kind().exit_code(), 42, "{error}");
        let hint = error.hint().expect("the next thing to do");
        assert!(hint.contains("--row-check") && !hint.contains("sqlite"), "{hint}");
        nothing_left(&server, "counted");
    }
    two_rows(&server, rows(&["1", "3"]), RowCheck::Rows).expect("the count is right");
    server.sql("postgres", "DROP DATABASE counted");
    two_rows(&server, rows(&["2", "1"]), RowCheck::Fingerprint).expect("the same rows");
    assert_eq!(server.sql("counted", "SELECT sum(a) FROM t"), "3");
}
