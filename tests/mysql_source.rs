//! MySQL and MariaDB as a source, against real servers: MariaDB of the system, and Oracle's MySQL where `TEST_MYSQL_ROOT` names
//! the root folder of a distribution that has it.

#[expect(dead_code, reason = "shared with tests that use more of it")]
#[path = "support/cli.rs"]
mod cli;
#[path = "support/collected.rs"]
mod collected;
#[path = "support/full.rs"]
mod full;
#[path = "support/mysql.rs"]
mod mysql;
#[path = "support/trigger.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod trigger;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::bundle::entry::Rows;
use hub_backup::server::mysql::connection::Connection;
use hub_backup::server::mysql::layout::Plan;
use hub_backup::source;
use hub_backup::source::Learnt;
use hub_backup::source::Source as _;
use hub_backup::source::mysql::MysqlOptions;
use hub_backup::source::mysql::MysqlSource;
use hub_backup::source::mysql::Selection;

use collected::Collected;
use mysql::PASSWORD;
use mysql::Server;
use mysql::connect;
use mysql::options;
use trigger::Trigger;

/// Values at the edges of every type, in tables of every kind, and every kind of object. `$I` stands for the words that make a column invisible.
const TYPES: &str = include_str!("mysql_source/types.sql");
const MARIADB: &str = include_str!("mysql_source/mariadb.sql");
const MYSQL: &str = include_str!("mysql_source/mysql.sql");

fn select(names: &[&str]) -> MysqlOptions {
    MysqlOptions {
        selection: Selection {
            databases: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Selection::default()
        },
        ..MysqlOptions::default()
    }
}

fn source(uri: &str, options_: MysqlOptions) -> MysqlSource {
    MysqlSource::new("shop".parse().expect("a label"), options(uri), options_)
}

fn dump(uri: &str, options_: MysqlOptions) -> Result<(Collected, Learnt), source::Error> {
    let mut source = source(uri, options_);
    source.check(&Cancel::new())?;
    let mut collected = Collected::default();
    let learnt = source.collect(&mut collected, &Cancel::new())?;
    Ok((collected, learnt))
}

/// Writes what was collected as it would be unpacked.
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn unpack(collected: &Collected, folder: &Path) {
    let files = collected.files.iter().map(|(path, (_, bytes))| (path, bytes));
    let streams = collected.streams.iter().map(|(path, (_, bytes))| (path, bytes));
    for (path, bytes) in files.chain(streams) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("below")).expect("room");
        std::fs::write(path, bytes).expect("room");
    }
}

/// Gives a dump to the stock client of `server`.
fn restore(collected: &Collected, server: &Server) {
    let folder = tempfile::tempdir_in(server.path()).expect("a folder");
    unpack(collected, folder.path());
    let below = folder.path().join("shop");
    let ran = server.follow_restore_sql(&below);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

fn plan(collected: &Collected) -> Plan {
    serde_json::from_slice(&collected.files["shop/plan.json"].1).expect("a plan")
}

/// The rows of each table, all its streams together.
fn rows(collected: &Collected) -> BTreeMap<String, Rows> {
    let mut tables = BTreeMap::new();
    for database in plan(collected).databases {
        for table in database.tables {
            let mut sum = Rows::default();
            for stream in &table.streams {
                sum.merge(&collected.rows[&format!("shop/{stream}")]);
            }
            tables.insert(format!("{}.{}", database.name, table.name), sum);
        }
    }
    tables
}

#[test]
fn connections_verify_whom_they_talk_to() {
    let server = Server::shared();
    let mut admin = server.admin();
    assert!(admin.is_tls() && admin.version().is_mariadb());
    assert_eq!(admin.value("SELECT 'é€😀'").expect("a row").as_deref(), Some("é€😀"));
    let long = admin
        .value("SELECT REPEAT('x', 15 << 20)")
        .expect("a long row")
        .expect("text");
    assert_eq!(long.len(), 15 << 20);

    let (port, folder) = (server.port, server.path().display());
    let uri = |host: &str, rest: &str| format!("mysql://admin:{PASSWORD}@{host}:{port}/?no-defaults=1&{rest}");
    for good in [
        uri("localhost", &format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={folder}/ca.pem"))
            .replace("@localhost", "@127.0.0.1"),
        uri("127.0.0.1", &format!("ssl-mode=VERIFY_CA&ssl-ca={folder}/ca.pem")),
        uri("127.0.0.1", "ssl-mode=REQUIRED"),
        uri("127.0.0.1", ""),
    ] {
        assert!(connect(&good).is_tls(), "{good}");
    }
    for (bad, kind, word) in [
        (
            uri("127.0.0.1", &format!("ssl-mode=VERIFY_CA&ssl-ca={folder}/other.pem")),
            Kind::SourceUnreachable,
            "UnknownIssuer",
        ),
        (
            uri("127.0.0.1", "ssl-mode=VERIFY_IDENTITY"),
            Kind::SourceUnreachable,
            "UnknownIssuer",
        ),
        (
            uri("127.0.0.1", "ssl-mode=DISABLED"),
            Kind::SourceUnsupported,
            "Access denied",
        ),
        (
            uri("127.0.0.1", "").replace(PASSWORD, "wrong-9d"),
            Kind::SourceUnsupported,
            "Access denied",
        ),
        (
            "mysql://u@127.0.0.1:1/?no-defaults=1".to_owned(),
            Kind::SourceUnreachable,
            "refused",
        ),
    ] {
        let error = Connection::open(&options(&bad), &Cancel::new()).err().expect("refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(!error.to_string().contains(PASSWORD) && !error.to_string().contains("wrong-9d"));
    }
}

#[test]
fn accounts_prove_themselves_in_every_way_that_is_known() {
    let server = Server::shared();
    server.run(&[
        "INSTALL SONAME 'auth_ed25519'",
        &format!("CREATE USER signs@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')"),
        &format!("CREATE USER shows@'127.0.0.1' IDENTIFIED BY '{PASSWORD}' REQUIRE X509"),
        "CREATE USER pam@'127.0.0.1' IDENTIFIED VIA unix_socket",
    ]);
    assert_eq!(
        connect(&server.uri("signs", "")).value("SELECT 1").expect("a row"),
        Some("1".into())
    );
    let folder = server.path().display();
    let shows = server.uri(
        "shows",
        &format!("?ssl-cert={folder}/server.crt&ssl-key={folder}/server.key"),
    );
    assert!(connect(&shows).is_tls());
    for (bad, word) in [
        (server.uri("shows", ""), "Access denied"),
        (
            server.uri("shows", &format!("?ssl-cert={folder}/server.crt")),
            "belong together",
        ),
        (
            server.uri(
                "shows",
                &format!("?ssl-cert={folder}/server.crt&ssl-key={folder}/ca.pem"),
            ),
            "ca.pem",
        ),
        (server.uri("pam", ""), "Access denied"),
    ] {
        let error = Connection::open(&options(&bad), &Cancel::new()).err().expect("refused");
        assert!(error.to_string().contains(word), "{error}");
    }
}

/// Listens, says `greeting` to whoever comes, and nothing more. Gives the port, and all that it was told.
fn mute(greeting: &'static [u8]) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&heard);
    let _ends_with_the_tests = thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, all) = (stream.expect("a client"), Arc::clone(&all));
            let _ends_with_the_client = thread::spawn(move || {
                stream.write_all(greeting).expect("a reader");
                let mut octets = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut octets) {
                    all.lock().expect("no panic").extend_from_slice(&octets[..count]);
                }
            });
        }
    });
    (port, heard)
}

/// A MySQL without TLS, whose accounts need `caching_sha2_password`.
const WITHOUT_TLS: &[u8] = b"\x4a\0\0\0\x0a9.7.4\0\x08\0\0\0abcdefgh\0\x00\x82\xff\x02\0\x08\0\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0";

#[test]
fn no_password_goes_out_under_a_key_that_nobody_vouches_for() {
    let (port, heard) = mute(WITHOUT_TLS);
    for more in ["", "&ssl-mode=DISABLED", "&ssl-mode=REQUIRED", "&ssl-mode=VERIFY_CA"] {
        let uri = format!("mysql://u:{PASSWORD}@127.0.0.1:{port}/?no-defaults=1{more}");
        let error = Connection::open(&options(&uri), &Cancel::new()).err().expect("refused");
        assert!(
            matches!(error.kind(), Kind::SourceUnsupported | Kind::SourceUnreachable),
            "{error}"
        );
        assert!(
            error.hint().is_some() && !error.to_string().contains(PASSWORD),
            "{error}"
        );
    }
    assert_eq!(*heard.lock().expect("no panic"), b"", "a server heard something");
}

#[test]
fn a_silent_server_is_left_when_time_is_up_or_the_user_says_so() {
    let (port, _heard) = mute(b"");
    let uri = format!("mysql://u:{PASSWORD}@127.0.0.1:{port}/?no-defaults=1");
    let begin = Instant::now();
    let error = Connection::open(&options(&format!("{uri}&connect-timeout=1")), &Cancel::new());
    let error = error.err().expect("no answer");
    assert_eq!(error.kind(), Kind::SourceUnreachable, "{error}");
    assert!((1..3).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());

    let (begin, cancel) = (Instant::now(), Cancel::new());
    let error = thread::scope(|scope| {
        let checked = scope.spawn(|| {
            source(&uri, MysqlOptions::default())
                .check(&cancel)
                .expect_err("no answer")
        });
        thread::sleep(Duration::from_millis(300));
        cancel.set();
        checked.join().expect("no panic")
    });
    assert_eq!(error.kind(), Kind::Incomplete, "{error}");
    assert!(begin.elapsed() < Duration::from_millis(1300), "{:?}", begin.elapsed());
}

/// A dump through the stock client and dumped again is the same, text for text.
fn every_value_survives(server: &Server, more: &str, names: &[&str]) {
    server.script(&format!("{TYPES}\n{more}"));
    let uri = server.uri("admin", "");
    let (first, learnt) = dump(&uri, select(names)).unwrap_or_else(|error| panic!("{error} {:?}", error.hint()));
    assert!(
        learnt.public.contains_key("binlog_file") && learnt.public.contains_key("gtid"),
        "{learnt:?}"
    );
    for name in names {
        server.run(&[&format!("DROP DATABASE {}", hub_backup::server::mysql::sql::name(name))]);
    }
    restore(&first, server);
    let (second, _) = dump(&uri, select(names)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(rows(&first), rows(&second));
    assert!(rows(&first).values().any(|rows| rows.count > 3));
    for (path, (_, bytes)) in &first.files {
        let (left, right) = (
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(&second.files[path].1),
        );
        assert_eq!(left, right, "{path}");
    }
    for (path, (_, bytes)) in &first.streams {
        let (left, right) = (
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(&second.streams[path].1),
        );
        assert_eq!(left, right, "{path}");
    }
    // The text itself, where another wrong value could have made the same way round.
    let data = String::from_utf8_lossy(&first.streams["shop/data/types/numbers.sql"].1).into_owned();
    for part in [
        "0x00000000000000FF",
        "0.10000000149011612",
        "18446744073709551615",
        "0.30000000000000004",
    ] {
        assert!(data.contains(part), "{part} in {data}");
    }
    let data = String::from_utf8_lossy(&first.streams["shop/data/types/texts.sql"].1).into_owned();
    for part in ["'it\\'s \\\\ \\0 \\n \\r \\Z \"'", "'é€'", "😀", "0xC0DE00"] {
        assert!(data.contains(part), "{part} in {data}");
    }
}

#[test]
fn every_value_survives_the_stock_client_of_mariadb() {
    every_value_survives(&Server::mariadb(""), MARIADB, &["types", "we`ird näme"]);
}

#[test]
#[ignore = "needs the root folder of a distribution with Oracle's MySQL in TEST_MYSQL_ROOT"]
#[expect(
    clippy::disallowed_methods,
    reason = "only the environment knows where another distribution is"
)]
fn every_value_survives_the_stock_client_of_mysql() {
    let root = std::env::var_os("TEST_MYSQL_ROOT").expect("TEST_MYSQL_ROOT is set");
    let server = Server::mysql_in(Path::new(&root), "");
    every_value_survives(&server, MYSQL, &["types", "we`ird näme"]);
    moves_are_seen_whole(&server, "moves");
    // Without TLS, the password itself goes out only where that is allowed.
    let plain = server
        .uri("admin", "")
        .replace("ssl-mode=VERIFY_IDENTITY", "ssl-mode=DISABLED");
    assert!(plain.contains("DISABLED"), "{plain}");
    let error = Connection::open(&options(&plain), &Cancel::new())
        .err()
        .expect("refused");
    assert!(
        error.hint().is_some_and(|hint| hint.contains("get-server-public-key")),
        "{error}"
    );
    server.run(&["FLUSH PRIVILEGES"]);
    assert!(!connect(&format!("{plain}&get-server-public-key=1")).is_tls());
}

/// Accounts between which money moves: the sum over several tables stays what it is.
fn accounts(server: &Server, name: &str) {
    server.script(&format!(
        "CREATE DATABASE {name}; USE {name};
         CREATE TABLE a(id int PRIMARY KEY AUTO_INCREMENT, balance bigint NOT NULL, pad varchar(200) DEFAULT (REPEAT('x', 200)));
         CREATE TABLE b LIKE a; CREATE TABLE c LIKE a;
         INSERT INTO a(balance) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT 1000 FROM n;
         INSERT INTO a(balance) SELECT balance FROM a; INSERT INTO a(balance) SELECT balance FROM a;
         INSERT INTO a(balance) SELECT balance FROM a; INSERT INTO a(balance) SELECT balance FROM a;
         INSERT INTO b SELECT * FROM a; INSERT INTO c SELECT * FROM a; ANALYZE TABLE a, b, c;"
    ));
}

/// The sum of the second column in a stream of rows.
fn sum(bytes: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(bytes);
    let rows = text.lines().filter(|line| line.starts_with('('));
    rows.map(|line| {
        line.split(',')
            .nth(1)
            .expect("a balance")
            .parse::<i64>()
            .expect("a number")
    })
    .sum()
}

fn moves_are_seen_whole(server: &Server, name: &str) {
    accounts(server, name);
    let (uri, stop) = (server.uri("admin", ""), AtomicBool::new(false));
    thread::scope(|scope| {
        for seed in 0..3_u64 {
            let (uri, stop) = (&uri, &stop);
            scope.spawn(move || {
                let mut session = connect(uri);
                let _done = session.run(format!("USE {name}")).expect("the database");
                let mut number = seed;
                while !stop.load(Ordering::Relaxed) {
                    number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let tables =
                        [["a", "b"], ["b", "c"], ["c", "a"]][usize::try_from(number >> 62).expect("small") % 3];
                    let id = (number >> 33) % 16_000 + 1;
                    let done = session
                        .run("BEGIN")
                        .and_then(|_| {
                            session.run(format!(
                                "UPDATE {} SET balance = balance - 7 WHERE id = {id}",
                                tables[0]
                            ))
                        })
                        .and_then(|_| {
                            session.run(format!(
                                "UPDATE {} SET balance = balance + 7 WHERE id = {id}",
                                tables[1]
                            ))
                        })
                        .and_then(|_| session.run("COMMIT"));
                    if done.is_err() {
                        // A deadlock: the server has taken the transaction back.
                        let _done = session.run("ROLLBACK").expect("alive");
                    }
                }
            });
        }
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let options = MysqlOptions {
                jobs: 3,
                chunk_bytes: 1 << 20,
                ..select(&[name])
            };
            let dumped = dump(&uri, options);
            let (collected, learnt) = dumped.unwrap_or_else(|error| panic!("{error} {:?}", error.hint()));
            assert_eq!(learnt.public["connections"], "3");
            assert!(collected.streams.len() > 3, "large tables are cut");
            let total: i64 = collected.streams.values().map(|(_, bytes)| sum(bytes)).sum();
            assert_eq!(total, 3 * 16_000 * 1000);
            let fingerprints: Vec<String> = rows(&collected)
                .values()
                .map(|rows| rows.fingerprint.to_string())
                .collect();
            let _new = seen.insert(fingerprints);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(seen.len() > 1, "the writers wrote meanwhile");
    });
}

#[test]
fn several_connections_see_one_moment_while_others_write() {
    moves_are_seen_whole(&Server::shared(), "moves");
}

/// An account that has been granted nothing but what is said.
fn account(server: &Server, name: &str, grants: &[&str]) {
    server.run(&[&format!(
        "CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL"
    )]);
    for grant in grants {
        server.run(&[&format!("GRANT {grant} TO {name}@'127.0.0.1'")]);
    }
}

#[test]
fn missing_privileges_are_named_and_without_a_lock_one_connection_reads() {
    let server = Server::shared();
    server.script(
        "CREATE DATABASE granted; CREATE TABLE granted.t(a int PRIMARY KEY); INSERT INTO granted.t VALUES (1);",
    );
    account(&server, "poor", &["SELECT ON granted.*"]);
    let error = dump(&server.uri("poor", ""), select(&["granted"]))
        .err()
        .expect("refused");
    assert_eq!(error.kind(), Kind::SourceUnsupported);
    for part in [
        "SHOW VIEW on `granted`.*",
        "TRIGGER on",
        "EVENT on",
        "SELECT on `mysql`.`proc`",
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(!error.to_string().contains("lacks SELECT on `granted`"), "{error}");
    account(
        &server,
        "lockless",
        &["SELECT, SHOW VIEW, TRIGGER, EVENT ON granted.*", "SELECT ON mysql.proc"],
    );
    let (collected, learnt) =
        dump(&server.uri("lockless", ""), select(&["granted"])).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(learnt.public["consistency"], "single-connection");
    assert_eq!(
        (learnt.public["connections"].as_str(), plan(&collected).connections),
        ("1", 1)
    );
    let error = dump(&server.uri("poor", ""), select(&["nowhere"]))
        .err()
        .expect("refused");
    assert!(error.to_string().contains("no database \"nowhere\""), "{error}");
}

#[test]
fn tables_without_transactions_are_refused_or_locked() {
    let server = Server::shared();
    server.script(
        "CREATE DATABASE mixed; CREATE TABLE mixed.m(a int) ENGINE=MyISAM; CREATE TABLE mixed.i(a int) ENGINE=InnoDB;
         INSERT INTO mixed.m VALUES (1),(2); INSERT INTO mixed.i VALUES (3);",
    );
    let error = dump(&server.uri("admin", ""), select(&["mixed"]))
        .err()
        .expect("refused");
    assert!(error.to_string().contains("`mixed`.`m` (MyISAM)"), "{error}");
    assert!(error.hint().expect("a hint").contains("lock-tables=1"));
    let options = MysqlOptions {
        lock_tables: true,
        ..select(&["mixed"])
    };
    let (collected, learnt) = dump(&server.uri("admin", ""), options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(learnt.public["consistency"], "read-lock");
    assert_eq!(rows(&collected)["mixed.m"].count, 2);
    let mut options = select(&["mixed"]);
    options.selection.exclude_tables = vec!["mixed.m".into()];
    let (collected, _) = dump(&server.uri("admin", ""), options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(rows(&collected).keys().collect::<Vec<_>>(), ["mixed.i"]);
}

/// Rows of some dozen megabytes, so that a dump is under way while something happens.
fn long(server: &Server, name: &str) {
    accounts(server, name);
    server.script(&format!(
        "USE {name}; INSERT INTO a(balance) SELECT balance FROM b; INSERT INTO a(balance) SELECT balance FROM a; INSERT INTO a(balance) SELECT balance FROM a;"
    ));
}

fn dump_while(uri: &str, name: &str, cancel: &Cancel, meddle: impl FnOnce()) -> Result<Learnt, source::Error> {
    let options = MysqlOptions {
        jobs: 1,
        ..select(&[name])
    };
    source(uri, options).collect(&mut Trigger::new(meddle), cancel)
}

#[test]
fn definitions_that_change_meanwhile_end_the_dump() {
    let server = Server::shared();
    long(&server, "altered");
    for (statement, back) in [
        (
            "ALTER TABLE altered.b ADD COLUMN late int DEFAULT 5, ALGORITHM=INSTANT",
            "ALTER TABLE altered.b DROP COLUMN late",
        ),
        (
            "ALTER TABLE altered.c ENGINE=InnoDB, ALGORITHM=COPY, COMMENT='x'",
            "ALTER TABLE altered.c COMMENT=''",
        ),
        ("DROP TABLE altered.c", "CREATE TABLE altered.c LIKE altered.b"),
        ("TRUNCATE TABLE altered.b", "DO 1"),
        ("CREATE TABLE altered.d(a int)", "DROP TABLE altered.d"),
        (
            "RENAME TABLE altered.b TO altered.e",
            "RENAME TABLE altered.e TO altered.b",
        ),
        (
            "CREATE TRIGGER altered.t BEFORE INSERT ON altered.b FOR EACH ROW SET NEW.pad = ''",
            "DROP TRIGGER altered.t",
        ),
    ] {
        let ended = dump_while(&server.uri("admin", ""), "altered", &Cancel::new(), || {
            server.run(&[statement]);
        });
        let error = ended.err().unwrap_or_else(|| panic!("{statement} was not seen"));
        assert_eq!(error.kind(), Kind::Incomplete, "{statement}: {error}");
        assert!(error.hint().expect("a hint").contains("again"), "{error}");
        server.run(&[back]);
    }
    let whole = dump_while(&server.uri("admin", ""), "altered", &Cancel::new(), || {
        server.run(&["INSERT INTO altered.b(balance) VALUES (1)"]);
    });
    assert!(whole.is_ok(), "rows may change");
}

#[test]
fn a_dump_under_way_ends_when_its_connection_the_server_or_the_user_says_so() {
    let server = Server::mariadb("");
    long(&server, "ended");
    let uri = server.uri("admin", "");
    let killed = dump_while(&uri, "ended", &Cancel::new(), || {
        let mut admin = server.admin();
        let own = admin.id();
        for row in admin
            .table("SELECT id FROM information_schema.PROCESSLIST WHERE user = 'admin'")
            .expect("a list")
        {
            let id = row[0].clone().expect("an id");
            if id != own.to_string() {
                let _done = admin.run(format!("KILL {id}"));
            }
        }
    });
    let error = killed.expect_err("killed");
    assert_eq!(error.kind(), Kind::Incomplete, "{error}");
    assert!(!error.to_string().contains(PASSWORD));

    let cancel = Cancel::new();
    let begun = Instant::now();
    let cancelled = dump_while(&uri, "ended", &cancel, || {
        server.freeze();
        cancel.set();
    });
    assert!(cancelled.is_err());
    server.go_on();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    let crashed = dump_while(&uri, "ended", &Cancel::new(), || server.kill());
    assert_eq!(crashed.expect_err("killed").kind(), Kind::Incomplete);
    let error = dump(&uri, select(&["ended"])).err().expect("nobody there");
    assert_eq!(error.kind(), Kind::SourceUnreachable, "{error}");
}

/// A world whose option file says how the program gets at the server.
fn with_option_file(server: &Server) -> cli::World {
    let world = cli::World::new();
    let place = format!(
        "[client]\nhost=127.0.0.1\nport={}\nssl-ca={}\nssl-verify-server-cert\n[hub-backup]\nuser=admin\npassword='{PASSWORD}'\n",
        server.port,
        server.path().join("ca.pem").display()
    );
    world.write(".my.cnf", place.as_bytes());
    world
}

#[test]
fn a_full_disk_under_the_store() {
    let server = Server::shared();
    server.script("CREATE DATABASE full; USE full; CREATE TABLE t(a int PRIMARY KEY, b blob); INSERT INTO t SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_8000;");
    let world = with_option_file(&server);
    full::fill_the_store(&world, "db=mysql:///full", "");
}

/// Which tables a restore by the program brings back, and whether their view came with them.
#[test]
fn the_program_restores_the_tables_that_are_named() {
    let server = Server::shared();
    server.script("CREATE DATABASE pick; USE pick; CREATE TABLE one(a int PRIMARY KEY); CREATE TABLE two(a int PRIMARY KEY); CREATE VIEW seen AS SELECT a FROM two; INSERT INTO one VALUES (1); INSERT INTO two VALUES (2), (3);");
    let world = with_option_file(&server);
    world.settings("[sets.pick]\nsources = [\"db=mysql:///pick\"]");
    let _made = world.run(&["backup", "pick"]).expect_code(0, "backup");
    for (number, (patterns, expected)) in [
        (&["pick.two"][..], "two"),
        (&["db/pick.two"], "two"),
        (&["two"], "two"),
        (&["t*", "one"], "one two"),
        (&["db"], "one seen two"),
        (&["db/*"], "one seen two"),
        (&[], "one seen two"),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("mysql:///picked_{number}");
        let mut arguments = vec!["restore", "latest", "--set", "pick", "--to", &target];
        for pattern in patterns {
            arguments.extend(["--only", pattern]);
        }
        let _done = world.run(&arguments).expect_code(0, &format!("{patterns:?}"));
        let tables = server
            .admin()
            .table(format!("SHOW TABLES FROM picked_{number}"))
            .expect("a list");
        let mut names: Vec<String> = tables.into_iter().filter_map(|mut row| row.remove(0)).collect();
        names.sort();
        assert_eq!(names.join(" "), expected, "{patterns:?}");
        let rows = server
            .admin()
            .value(format!("SELECT COUNT(*) FROM picked_{number}.two"))
            .expect("a row");
        assert_eq!(rows.as_deref(), Some("2"), "{patterns:?}");
    }
    let nowhere = [
        "restore",
        "latest",
        "--set",
        "pick",
        "--to",
        "mysql:///none",
        "--only",
        "three",
    ];
    let _refused = world.run(&nowhere).expect_code(10, "no such table");
}

/// Backups by the program: the password comes from an option file, and shows nowhere.
#[test]
fn the_program_backs_up_by_an_option_file_and_shows_no_password() {
    let server = Server::shared();
    server.script("CREATE DATABASE cli; CREATE TABLE cli.t(a int PRIMARY KEY, b text); INSERT INTO cli.t VALUES (1, 'one'), (2, 'two');");
    let world = with_option_file(&server);
    let written = format!(
        "mysql://admin:{PASSWORD}@127.0.0.1:{}/cli?ssl-mode=REQUIRED",
        server.port
    );
    world.settings(&format!("[sets.cli]\nsources = [\"mysql:///cli\"]\n[sets.written]\nsources = [{written:?}, \"two=mysql:user=u password={PASSWORD}\"]"));
    let mut said = String::new();
    for arguments in [
        &["backup", "cli"][..],
        &["backup", "cli", "--json"],
        &["verify", "latest", "--set", "cli"],
        &["show", "latest", "--set", "cli"],
        &["ls", "latest", "--set", "cli"],
        &["config", "show"],
        &["audit", "show"],
        &["restore", "latest", "--set", "cli", "--to", "out"],
    ] {
        let ran = world.run(arguments);
        said.push_str(&String::from_utf8_lossy(&ran.stdout));
        said.push_str(&ran.stderr);
        assert!(
            ran.code == Some(0) || arguments[0] == "audit",
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    let refused = world.run(&[
        "backup",
        "two",
        "--source",
        &format!("mysql://admin:wrong-9d@127.0.0.1:{}/cli", server.port),
    ]);
    assert_eq!(refused.code, Some(31), "{}", refused.stderr);
    said.push_str(&refused.stderr);
    assert!(said.contains("mysql") && said.contains("data/cli/t.sql"), "{said}");
    assert!(!said.contains(PASSWORD) && !said.contains("wrong-9d"), "{said}");
    for (name, bytes) in world.files("store").into_iter().chain(world.files("out")) {
        assert!(
            !bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()),
            "{name}"
        );
    }
    let rows = String::from_utf8(world.read("out/cli/data/cli/t.sql")).expect("UTF-8");
    assert_eq!(rows, "INSERT INTO `t` (`a`,`b`) VALUES\n(1,'one'),\n(2,'two');\n");
    // Others may read the file: it is not used.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(world.path(".my.cnf"), mode).expect("own file");
    let refused = world.run(&["backup", "cli"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("chmod 600"), "{}", refused.stderr);
}
