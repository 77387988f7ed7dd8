//! Every way to a server, and what is said where there is none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use hub_backup::base::fault::Kind;

use crate::cli::World;
use crate::postgres::NEEDLE;
use crate::postgres::PROGRAMS;
use crate::postgres::Server;
use crate::support::collect;
use crate::support::known;
use crate::support::refused;
use crate::support::source;

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn every_way_to_a_server() {
    let server = Server::start();
    let port = server.port;
    let authority = server.authority().display().to_string();
    let socket = server.socket().display().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let services = folder.path().join("services");
    let passwords = folder.path().join("passwords");
    let escaped = NEEDLE.replace('\\', "\\\\").replace(':', "\\:");
    write(
        &services,
        &format!("[hub]\nhost={socket}\nport={port}\nuser=postgres\ndbname=postgres\n"),
    );
    write(
        &passwords,
        &format!("# mine\n*:1:*:*:other\n*:{port}:postgres:postgres:{escaped}\n"),
    );
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).expect("own file");
    let (services, passwords) = (services.display().to_string(), passwords.display().to_string());
    let local = format!("127.0.0.1:{port}/postgres");
    let good = [
        (format!("postgres://postgres@{local}"), vec![]),
        (format!("postgres://postgres@{local}?sslmode=disable"), vec![]),
        (format!("postgres://postgres@{local}?sslmode=allow"), vec![]),
        (
            format!("postgres://postgres@{local}?sslmode=require&channel_binding=require"),
            vec![],
        ),
        (
            format!("postgres://postgres@{local}?sslmode=verify-full&sslrootcert={authority}"),
            vec![],
        ),
        (
            format!("postgres://postgres@localhost:{port}/postgres?sslmode=verify-full"),
            vec![("PGSSLROOTCERT", authority.as_str())],
        ),
        (
            format!(
                "postgres://postgres@other.invalid:{port}/postgres?hostaddr=127.0.0.1&sslmode=verify-ca&sslrootcert={authority}"
            ),
            vec![],
        ),
        (
            format!(
                "postgres:host=127.0.0.1 port={port} user=postgres dbname=postgres ssl_max_protocol_version=TLSv1.2 sslmode=require"
            ),
            vec![],
        ),
        (
            format!("postgres://postgres@127.0.0.1:1,127.0.0.1:{port}/postgres"),
            vec![],
        ),
        (format!("postgres:host={socket} port={port} user=postgres"), vec![]),
        (
            "postgres:service=hub".to_owned(),
            vec![("PGSERVICEFILE", services.as_str())],
        ),
        (
            "postgres://".to_owned(),
            vec![("PGSERVICE", "hub"), ("PGSERVICEFILE", services.as_str())],
        ),
    ];
    for (uri, mut variables) in good {
        variables.push(("PGPASSFILE", &passwords));
        // Rows too: the workers and pg_dump go the same way.
        let (collected, _) = collect(source(&uri, &variables));
        assert!(collected.streams.contains_key("hub/post-data.sql"), "{uri}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn what_is_said_where_there_is_no_way() {
    let server = Server::start();
    let port = server.port;
    let authority = server.authority().display().to_string();
    let stranger = tempfile::tempdir().expect("a folder");
    let other = stranger.path().join("other.crt");
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=other",
            "-keyout",
            "/dev/null",
            "-out",
        ])
        .arg(&other)
        .output();
    assert!(made.expect("openssl").status.success());
    let other = other.display().to_string();
    let at = |host: &str, rest: &str| format!("postgres://postgres@{host}:{port}/postgres?{rest}");
    for (uri, kind, part) in [
        (
            at("127.0.0.1", &format!("sslmode=verify-full&sslrootcert={other}")),
            Kind::SourceUnsupported,
            "UnknownIssuer",
        ),
        (
            at(
                "other.invalid",
                &format!("hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={authority}"),
            ),
            Kind::SourceUnsupported,
            "certificate is for another name",
        ),
        (
            at("127.0.0.1", "sslmode=verify-full"),
            Kind::SourceUnsupported,
            "no root certificate is given",
        ),
        (
            at("127.0.0.1", "sslmode=verify-full&sslrootcert=/nowhere"),
            Kind::Usage,
            "cannot use /nowhere",
        ),
        (
            at("127.0.0.1", "sslmode=require&sslrootcert=system"),
            Kind::Usage,
            "must be verify-full",
        ),
        (
            format!("postgres://postgres@127.0.0.1:{port}/nowhere"),
            Kind::SourceUnsupported,
            "database \"nowhere\" does not exist",
        ),
        (
            format!("postgres://nobody@127.0.0.1:{port}/postgres"),
            Kind::SourceUnsupported,
            "password authentication failed",
        ),
        (
            "postgres://postgres@127.0.0.1:1/postgres".into(),
            Kind::SourceUnreachable,
            "127.0.0.1:1",
        ),
        (
            "postgres://postgres@nowhere.invalid/postgres".into(),
            Kind::SourceUnreachable,
            "nowhere.invalid:5432",
        ),
        (
            "postgres:host=/nowhere".into(),
            Kind::SourceUnreachable,
            "/nowhere/.s.PGSQL.5432",
        ),
        (
            at("127.0.0.1", "target_session_attrs=standby"),
            Kind::SourceUnreachable,
            "it is not a standby",
        ),
    ] {
        let (found, why) = refused(known(&uri));
        assert_eq!(found, kind, "{uri}: {why}");
        assert!(why.contains(part), "{uri}: {why}");
    }
    let uri = server.uri("postgres", "postgres");
    let (kind, why) = refused(source(&uri, &[("PGPASSWORD", "needle-wrong")]));
    assert_eq!(kind, Kind::SourceUnsupported);
    assert!(why.contains("refuses postgres") && why.contains("~/.pgpass"), "{why}");
    let (_, why) = refused(source(&uri, &[]));
    assert!(
        why.contains("asks for the password of postgres, and none is given"),
        "{why}"
    );
}

#[test]
fn the_password_stands_in_no_argument_and_no_environment_of_children() {
    let server = Server::start();
    server.sql("postgres", "CREATE TABLE t(a int)");
    let world = World::new();
    world.settings("[sets.hub]\nsources = []");
    // Programs that tell what they are given, and then are the real ones.
    for name in ["pg_dump", "pg_dumpall"] {
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in --version) ;; *) tr '\\0' '\\n' < /proc/self/environ >> {log}; echo \"$@\" >> {log};; esac\n\
             exec {PROGRAMS}/{name} \"$@\"\n",
            log = world.path("log").display()
        );
        world.write(&format!("bin/{name}"), script.as_bytes());
        fs::set_permissions(world.path(&format!("bin/{name}")), fs::Permissions::from_mode(0o700)).expect("own file");
    }
    let pg_dump = world.path("bin/pg_dump").display().to_string();
    let uri = server.uri("postgres", "postgres") + "?pg_dump=" + &pg_dump;
    let mut command = world.command(crate::cli::PROGRAM);
    let output = command
        .args(["backup", "hub", "--source", &uri])
        .env("PGPASSWORD", NEEDLE)
        .output()
        .expect("it runs");
    let ran = crate::cli::Ran::new(output).expect_code(0, "backup");
    let log = String::from_utf8(world.read("log")).expect("text");
    assert!(
        log.matches("--section=").count() == 2 && log.contains("--globals-only"),
        "{log}"
    );
    assert!(
        log.contains("PGPASSFILE=/proc/self/fd/0") && log.contains("PGHOST=127.0.0.1"),
        "{log}"
    );
    assert!(!log.contains("needle") && !log.contains("PGPASSWORD"), "{log}");
    assert!(!ran.stderr.contains("needle"));
    // Nor is a file with it left anywhere in its folder.
    for (name, bytes) in world.files("") {
        assert!(!String::from_utf8_lossy(&bytes).contains("needle"), "{name}");
    }

    // A program that is too old is named, with the version that is needed.
    let old = "#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.22'\n";
    world.write("bin/old", old.as_bytes());
    fs::set_permissions(world.path("bin/old"), fs::Permissions::from_mode(0o700)).expect("own file");
    let uri = format!(
        "{}?pg_dump={}",
        server.uri("postgres", "postgres"),
        world.path("bin/old").display()
    );
    let (kind, why) = refused(known(&uri));
    assert_eq!(kind, Kind::SourceUnsupported);
    assert!(
        why.contains("version 15 or newer: it is version 12.22") && why.contains("postgresql-client-15"),
        "{why}"
    );
}

#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn write(path: &std::path::Path, text: &str) {
    fs::write(path, text).expect("a file");
}
