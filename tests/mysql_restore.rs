//! MySQL and MariaDB as restore targets, against real servers: what comes back is what was there, or nothing comes.

#[path = "support/mysql.rs"]
mod mysql;

use std::io::Read;
use std::process::Command;
use std::process::Stdio;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::digest::Digest;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::bundle::entry::Attributes;
use hub_backup::bundle::entry::CollectError;
use hub_backup::bundle::entry::Collector;
use hub_backup::bundle::entry::Entry;
use hub_backup::bundle::entry::Extent;
use hub_backup::bundle::entry::Location;
use hub_backup::bundle::entry::Node;
use hub_backup::bundle::entry::NodeWithoutContent;
use hub_backup::bundle::entry::OpenStream;
use hub_backup::bundle::entry::Part;
use hub_backup::bundle::entry::Rows;
use hub_backup::bundle::entry::Stream;
use hub_backup::bundle::path::EntryPath;
use hub_backup::server::mysql::sql;
use hub_backup::sink;
use hub_backup::sink::Sink;
use hub_backup::sink::mysql::MysqlSink;
use hub_backup::sink::mysql::options::Definer;
use hub_backup::sink::mysql::options::MysqlSinkOptions;
use hub_backup::sink::row_check::Compared;
use hub_backup::sink::row_check::RowCheck;
use hub_backup::source::Source as _;
use hub_backup::source::mysql::MysqlOptions;
use hub_backup::source::mysql::MysqlSource;
use hub_backup::source::mysql::Selection;
use mysql::Server;
use mysql::options;

const TORTURE: &str = include_str!("../testdata/mysql/torture.sql");
const ODD: &str = "odd `name, \"with\" é.dots";
const ZERO: Location = Location { block: 0, skip: 0 };

/// What a source gives, kept in its order.
#[derive(Default)]
struct Dump(Vec<Piece>);

enum Piece {
    Entry(Entry, Vec<u8>),
    Part(Part, Vec<u8>),
    Stream(Stream),
}

impl Collector for Dump {
    fn file(
        &mut self,
        path: EntryPath,
        attributes: Attributes,
        size: u64,
        extents: Option<Vec<Extent>>,
        content: &mut dyn Read,
    ) -> Result<Digest, CollectError> {
        let mut bytes = Vec::new();
        let _read = content.read_to_end(&mut bytes).map_err(CollectError::Content)?;
        let sha256 = Digest::of(&bytes);
        let node = Node::File { size, extents, sha256 };
        let entry = Entry {
            path,
            node,
            attributes,
            at: ZERO,
        };
        self.0.push(Piece::Entry(entry, bytes));
        Ok(sha256)
    }

    fn node(&mut self, _: EntryPath, _: Attributes, _: NodeWithoutContent) -> Result<(), CollectError> {
        Ok(())
    }

    fn stream(&mut self, path: EntryPath, mode: u32, content: &mut dyn Read) -> Result<(u64, Digest), CollectError> {
        let mut stream = OpenStream::new(path, mode);
        let mut bytes = Vec::new();
        let _read = content.read_to_end(&mut bytes).map_err(CollectError::Content)?;
        self.part(&mut stream, &bytes)?;
        self.end(stream, None)
    }

    fn part(&mut self, stream: &mut OpenStream, bytes: &[u8]) -> Result<(), CollectError> {
        let path = stream.path().clone();
        let part = Part {
            path,
            number: 0,
            size: bytes.len() as u64,
            at: ZERO,
        };
        self.0.push(Piece::Part(part, bytes.to_vec()));
        Ok(())
    }

    fn end(&mut self, stream: OpenStream, rows: Option<Rows>) -> Result<(u64, Digest), CollectError> {
        let sha256 = Digest::of(b"");
        let path = stream.path().clone();
        self.0.push(Piece::Stream(Stream {
            path,
            mode: 0o600,
            parts: 1,
            size: 0,
            sha256,
            rows,
        }));
        Ok((0, sha256))
    }

    fn exception(&mut self, path: EntryPath, reason: String) -> Result<(), CollectError> {
        panic!("{path}: {reason}");
    }
}

/// The dump of some databases.
fn dump(server: &Server, databases: &[&str]) -> Dump {
    let selection = Selection {
        databases: databases.iter().map(|name| (*name).to_owned()).collect(),
        ..Selection::default()
    };
    // Small chunks, so that tables have several streams.
    let how = MysqlOptions {
        selection,
        jobs: 3,
        lock_tables: true,
        chunk_bytes: 1 << 20,
    };
    let mut source = MysqlSource::new("shop".parse().expect("a label"), options(&server.uri("admin", "")), how);
    let mut dump = Dump::default();
    let cancel = Cancel::new();
    source.check(&Cancel::new()).unwrap_or_else(|error| panic!("{error}"));
    let _learnt = source
        .collect(&mut dump, &cancel)
        .unwrap_or_else(|error| panic!("{error}"));
    dump
}

impl Dump {
    /// Gives the first `most` pieces to a sink.
    fn give(&self, sink: &mut dyn Sink, most: usize) -> Result<(), sink::Error> {
        for piece in self.0.iter().take(most) {
            match piece {
                Piece::Entry(entry, bytes) => sink.entry(entry, &mut &bytes[..])?,
                Piece::Part(part, bytes) => sink.part(part, &mut &bytes[..])?,
                Piece::Stream(stream) => sink.stream(stream)?,
            }
        }
        Ok(())
    }

    /// Restores it whole; gives the notes.
    fn restore(&self, server: &Server, how: MysqlSinkOptions) -> Result<Vec<String>, sink::Error> {
        let mut sink = open(server, how)?;
        self.give(&mut sink, usize::MAX)?;
        sink.prepare()?;
        Box::new(sink).commit()
    }
}

fn open(server: &Server, how: MysqlSinkOptions) -> Result<MysqlSink, sink::Error> {
    let options_of_server = options(&server.uri("admin", ""));
    MysqlSink::new(
        "mysql://admin@server/".to_owned(),
        options_of_server,
        how,
        &Cancel::new(),
    )
}

fn usual() -> MysqlSinkOptions {
    MysqlSinkOptions {
        jobs: 2,
        ..MysqlSinkOptions::default()
    }
}

/// What the stock dump program says about a database, by whatever name.
fn stock_dump(server: &Server, database: &str) -> String {
    let mut command = Command::new("mariadb-dump");
    command
        .arg(format!("--defaults-file={}/client.cnf", server.path().display()))
        .arg(format!("--socket={}", server.socket().display()))
        .args([
            "--user=root",
            "--routines",
            "--events",
            "--triggers",
            "--hex-blob",
            "--skip-dump-date",
            "--order-by-primary",
        ])
        .args([
            "--default-character-set=utf8mb4",
            "--skip-comments",
            "--tz-utc",
            "--single-transaction",
        ])
        .arg("--databases")
        .arg(database);
    let _client_file = server.stock("");
    let ran = command.stderr(Stdio::piped()).output().expect("mariadb-dump");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

fn assert_same(server_of_source: &Server, server_of_target: &Server, database: &str) {
    let before = stock_dump(server_of_source, database);
    assert_same_text(database, &before, &stock_dump(server_of_target, database));
}

fn assert_same_text(what: &str, before: &str, after: &str) {
    let differing = before
        .lines()
        .zip(after.lines())
        .find(|(before, after)| before != after);
    if let Some((before, after)) = differing {
        panic!("{what} differs:\n{before:.2000}\n{after:.2000}");
    }
    assert_eq!(before.len(), after.len());
}

fn databases(server: &Server) -> Vec<String> {
    let rows = server.admin().table("SHOW DATABASES").expect("a list");
    let names = rows.into_iter().flatten().flatten();
    names
        .filter(|name| !["mysql", "information_schema", "performance_schema", "sys"].contains(&name.as_str()))
        .collect()
}

fn drop_all(server: &Server) {
    for database in databases(server) {
        let drop = format!("DROP DATABASE {}", sql::name(&database));
        server.run(&["SET SESSION foreign_key_checks = 0", &drop]);
    }
}

fn source() -> Server {
    let server = Server::mariadb("max_allowed_packet=64M\nlocal_infile=1");
    server.script(TORTURE);
    server
}

#[test]
fn everything_comes_back_as_it_was() {
    let (from, to) = (source(), Server::mariadb("local_infile=1"));
    let dump = dump(&from, &["torture", ODD]);
    to.run(&["CREATE USER app@'10.%' IDENTIFIED BY 'x'"]);
    let notes = dump.restore(&to, usual()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(databases(&to).len(), 2, "{:?}", databases(&to));
    assert!(notes.iter().any(|note| note.contains("nobody")), "{notes:?}");
    for database in ["torture", ODD] {
        assert_same(&from, &to, database);
    }
}

/// A small database with one of everything that a restore handles in its own way.
const SMALL: [&str; 8] = [
    "CREATE DATABASE shop CHARACTER SET utf8mb4",
    "CREATE TABLE shop.parent (id INT PRIMARY KEY, v VARCHAR(20), KEY (v))",
    "CREATE TABLE shop.child (id INT PRIMARY KEY, p INT, note VARCHAR(200), KEY (p), CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id))",
    "INSERT INTO shop.parent VALUES (1, 'one'), (2, 'it''s')",
    "INSERT INTO shop.child VALUES (1, 1, 'needle-row'), (2, 2, NULL)",
    "CREATE DEFINER=root@localhost VIEW shop.pairs AS SELECT c.id, p.v FROM shop.child c JOIN shop.parent p ON p.id = c.p",
    "CREATE DEFINER=nobody@nowhere TRIGGER shop.t BEFORE INSERT ON shop.child FOR EACH ROW SET NEW.note = 'x'",
    "CREATE DEFINER=nobody@nowhere EVENT shop.e ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.parent VALUES (99, 'event')",
];

fn small() -> (Server, Dump) {
    let server = Server::mariadb("local_infile=1");
    server.run(&SMALL);
    let dump = dump(&server, &["shop"]);
    (server, dump)
}

fn named(name: &str) -> MysqlSinkOptions {
    MysqlSinkOptions {
        database: Some(name.to_owned()),
        ..usual()
    }
}

fn refusal(result: Result<Vec<String>, sink::Error>) -> (Kind, String) {
    let error = result.expect_err("it is refused");
    (error.kind(), format!("{error} {}", error.hint().unwrap_or_default()))
}

#[test]
fn a_database_gets_the_name_that_it_is_given() {
    let (server, dump) = small();
    dump.restore(&server, named("new name"))
        .unwrap_or_else(|error| panic!("{error}"));
    for how in [RowCheck::None, RowCheck::Rows, RowCheck::Fingerprint] {
        let check = MysqlSinkOptions {
            check: how,
            ..named("looked at")
        };
        let mut sink = open(&server, check).unwrap_or_else(|error| panic!("{error}"));
        dump.give(&mut sink, usize::MAX)
            .and_then(|()| sink.prepare())
            .unwrap_or_else(|error| panic!("{error}"));
        let (tables, rows) = (2, 4);
        let expected = (how != RowCheck::None).then_some(Compared { tables, rows, how });
        assert_eq!(sink.compared(), expected);
    }
    assert_eq!(databases(&server), ["new name", "shop"]);
    let mut admin = server.admin();
    let rows = admin
        .table("SELECT * FROM `new name`.pairs ORDER BY 1")
        .expect("the view");
    let text = |cell: &str| Some(cell.to_owned());
    assert_eq!(rows, [[text("1"), text("one")], [text("2"), text("it's")]]);
    // The view and the foreign key are of the new database, not of the old one.
    let _done = admin.run("DROP DATABASE shop").expect("nothing needs it");
    assert!(admin.table("SELECT * FROM `new name`.pairs").is_ok());
    let orphan = admin.run("UPDATE `new name`.child SET p = 77");
    assert_eq!(orphan.expect_err("a foreign key").code(), Some(1452));
    let show = admin
        .table("SHOW CREATE TABLE `new name`.child")
        .expect("a table")
        .concat()
        .concat_text();
    assert!(show.contains("REFERENCES `parent`"), "{show}");
}

trait ConcatText {
    fn concat_text(&self) -> String;
}

impl ConcatText for Vec<Option<String>> {
    fn concat_text(&self) -> String {
        self.iter().flatten().cloned().collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn definers_are_as_the_operator_says() {
    let (server, dump) = small();
    let definer = |how: Definer, name: &str| {
        let notes = dump.restore(
            &server,
            MysqlSinkOptions {
                definer: how,
                ..named(name)
            },
        );
        let notes = notes.unwrap_or_else(|error| panic!("{error}"));
        let sql = format!("SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{name}'");
        (notes, server.admin().value(sql).expect("a trigger").expect("one"))
    };
    let (notes, kept) = definer(Definer::Keep, "kept");
    assert_eq!(kept, "nobody@nowhere");
    assert!(
        notes.iter().any(|note| note.contains("'nobody'@'nowhere'")),
        "{notes:?}"
    );
    let (notes, dropped) = definer(Definer::Drop, "dropped");
    assert_eq!(dropped, "admin@127.0.0.1");
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(
        definer("root@localhost".parse().expect("an account"), "given").1,
        "root@localhost"
    );
}

#[test]
fn an_account_with_rights_on_the_server_is_told_of() {
    let server = Server::mariadb("local_infile=1");
    let dangers = open(&server, usual()).map_or_else(|error| panic!("{error}"), |sink| sink.dangers());
    assert_eq!(dangers.len(), 1, "{dangers:?}");
    assert!(
        dangers[0].contains("the account admin@127.0.0.1 has SUPER and FILE"),
        "{dangers:?}"
    );
    server.run(&["REVOKE SUPER, FILE ON *.* FROM admin@'127.0.0.1'"]);
    let dangers = open(&server, usual()).map_or_else(|error| panic!("{error}"), |sink| sink.dangers());
    assert_eq!(dangers, [""; 0]);
}

#[test]
fn without_local_files_statements_are_sent() {
    let (from, to) = (source(), Server::mariadb("local_infile=0\nmax_allowed_packet=64M"));
    let dump = dump(&from, &["torture", ODD]);
    let _notes = dump.restore(&to, usual()).unwrap_or_else(|error| panic!("{error}"));
    for database in ["torture", ODD] {
        assert_same(&from, &to, database);
    }
}

#[test]
fn what_is_there_is_never_touched() {
    let (server, dump) = small();
    let before = stock_dump(&server, "shop");
    let refused = |how: MysqlSinkOptions, word: &str| {
        let (kind, text) = refusal(dump.restore(&server, how));
        assert_eq!(kind, Kind::TargetRefused, "{text}");
        assert!(text.contains(word), "{text}");
    };
    refused(usual(), "the database that the dump was made of");
    server.run(&[
        "CREATE DATABASE other",
        "CREATE PROCEDURE other.p() SELECT 1",
        "CREATE DATABASE void CHARACTER SET latin1",
    ]);
    refused(named("other"), "not empty: it holds p");
    refused(named("mysql"), "the server itself");
    refused(
        MysqlSinkOptions {
            protected: vec!["prod-*".into()],
            ..named("prod-shop")
        },
        "protected by \"prod-*\"",
    );
    refused(
        MysqlSinkOptions {
            protected: vec!["127.0.0.1".into()],
            ..named("x")
        },
        "protected",
    );
    refused(named(&"x".repeat(65)), "1 to 64 letters");
    assert_eq!(stock_dump(&server, "shop"), before);
    assert_eq!(databases(&server), ["other", "shop", "void"]);
    // An empty one is taken, with the character set of the dump.
    let _notes = dump
        .restore(&server, named("void"))
        .unwrap_or_else(|error| panic!("{error}"));
    let sql = "SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = 'void'";
    assert_eq!(server.admin().value(sql).expect("a row").as_deref(), Some("utf8mb4"));
}

#[test]
fn a_restore_that_ends_anywhere_leaves_nothing() {
    let (server, dump) = small();
    for most in 0..=dump.0.len() {
        let mut sink = open(&server, named("target")).unwrap_or_else(|error| panic!("{error}"));
        dump.give(&mut sink, most)
            .unwrap_or_else(|error| panic!("after {most}: {error}"));
        drop(sink);
        assert_eq!(databases(&server), ["shop"], "after {most} pieces");
    }
    let _notes = dump
        .restore(&server, named("target"))
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(databases(&server), ["shop", "target"]);
}

#[test]
fn rows_that_differ_are_found_and_nothing_is_kept() {
    let (server, mut dump) = small();
    let change = |dump: &mut Dump, from: &str, to: &str| {
        for piece in &mut dump.0 {
            if let Piece::Part(part, bytes) = piece {
                let text = String::from_utf8_lossy(bytes).replace(from, to);
                *bytes = text.into_bytes();
                part.size = bytes.len() as u64;
            }
        }
    };
    change(&mut dump, "needle-row", "needle-raw");
    let (kind, text) = refusal(dump.restore(&server, named("target")));
    assert_eq!(kind, Kind::AssertionFailed, "{text}");
    assert!(
        text.contains("shop.child: its 2 rows differ") && !text.contains("needle"),
        "{text}"
    );
    // The count alone does not see it.
    let counting = MysqlSinkOptions {
        check: RowCheck::Rows,
        ..named("target")
    };
    let _notes = dump
        .restore(&server, counting.clone())
        .unwrap_or_else(|error| panic!("{error}"));
    server.run(&["DROP DATABASE target"]);
    change(&mut dump, "(2,2,NULL)", "(1,2,NULL)");
    let (kind, text) = refusal(dump.restore(&server, counting));
    assert!(matches!(kind, Kind::AssertionFailed | Kind::RestoreFailed), "{text}");
    assert!(
        text.contains("Duplicate entry '…'") || text.contains("took 1 of 2 rows"),
        "{text}"
    );
    assert_eq!(databases(&server), ["shop"]);
}

#[test]
fn a_server_that_dies_leaves_nothing_visible_and_the_next_restore_sweeps() {
    let (from, dump) = small();
    let to = Server::mariadb("local_infile=1");
    let mut sink = open(&to, usual()).unwrap_or_else(|error| panic!("{error}"));
    dump.give(&mut sink, dump.0.len() / 2)
        .unwrap_or_else(|error| panic!("{error}"));
    to.kill();
    let error = sink.prepare().expect_err("the server is gone");
    assert_eq!(error.kind(), Kind::RestoreFailed, "{error}");
    drop(sink);
    to.start();
    let left = databases(&to);
    assert!(left.iter().all(|name| name.starts_with("shop_hub_tmp_")), "{left:?}");
    let notes = dump.restore(&to, usual()).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        notes.iter().any(|note| note.contains("removed shop_hub_tmp_")),
        "{notes:?}"
    );
    assert_eq!(databases(&to), ["shop"]);
    assert_same(&from, &to, "shop");
}

#[test]
fn what_another_restore_is_filling_is_not_swept() {
    let (server, dump) = small();
    let mut first = open(&server, named("first")).unwrap_or_else(|error| panic!("{error}"));
    dump.give(&mut first, usize::MAX)
        .unwrap_or_else(|error| panic!("{error}"));
    let notes = dump
        .restore(&server, named("second"))
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(!notes.iter().any(|note| note.contains("hub_tmp")), "{notes:?}");
    drop(Box::new(first).commit().unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(databases(&server), ["first", "second", "shop"]);
}

#[test]
fn chosen_tables_come_alone() {
    let (server, dump) = small();
    let how = MysqlSinkOptions {
        tables: Some(vec!["shop.child".into()]),
        ..named("some")
    };
    let mut sink = open(&server, how).unwrap_or_else(|error| panic!("{error}"));
    dump.give(&mut sink, usize::MAX)
        .unwrap_or_else(|error| panic!("{error}"));
    sink.prepare().unwrap_or_else(|error| panic!("{error}"));
    let notes = Box::new(sink).commit().unwrap_or_else(|error| panic!("{error}"));
    assert!(
        notes.iter().any(|note| note.contains("without its foreign keys")),
        "{notes:?}"
    );
    let tables = server
        .admin()
        .table("SHOW TABLES FROM `some`")
        .expect("a list")
        .concat()
        .concat_text();
    assert_eq!(tables, "child");
    assert_eq!(
        server
            .admin()
            .value("SELECT COUNT(*) FROM `some`.child")
            .expect("a row")
            .as_deref(),
        Some("2")
    );
}

#[test]
fn the_stock_client_restores_the_same() {
    let from = source();
    let dump = dump(&from, &["torture", ODD]);
    let folder = tempfile::tempdir().expect("a folder");
    dump.unpack(folder.path());
    let below = folder.path().join("shop");
    let to = Server::mariadb("max_allowed_packet=64M");
    let again = || {
        for database in ["torture", ODD] {
            assert_same(&from, &to, database);
        }
        drop_all(&to);
    };
    let ran = to.follow_restore_sql(&below);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    again();

    let by_itself = || {
        let script = std::fs::File::open(below.join("restore.sql")).expect("restore.sql");
        let mut client = to.stock("");
        let client = client.args(["--skip-binary-mode", "--abort-source-on-error"]);
        let client = client.current_dir(&below).stdin(script).stdout(Stdio::null());
        client.output().expect("mariadb")
    };
    let ran = by_itself();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    again();

    // A row of a table that is not there, and then a file that is not there.
    let mut data = below.join("data");
    while data.is_dir() {
        let first = std::fs::read_dir(&data).expect("rows").next().expect("rows");
        data = first.expect("readable").path();
    }
    let mut file = std::fs::OpenOptions::new().append(true).open(&data).expect("rows");
    std::io::Write::write_all(&mut file, b"INSERT INTO `nowhere` (`a`) VALUES\n(1);\n").expect("room");
    for how in ["an error", "a missing file"] {
        for ran in [to.follow_restore_sql(&below), by_itself()] {
            assert!(!ran.status.success(), "{how} is not noticed");
            drop_all(&to);
        }
        let _gone = std::fs::remove_file(&data);
    }
}

impl Dump {
    /// Writes the members below a folder, as unpacking a bundle does.
    fn unpack(&self, folder: &std::path::Path) {
        use std::io::Write as _;
        let add = |path: &EntryPath, bytes: &[u8]| {
            let path = folder.join(path.as_path());
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("room");
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .expect("room");
            file.write_all(bytes).expect("room");
        };
        for piece in &self.0 {
            match piece {
                Piece::Entry(entry, bytes) => add(&entry.path, bytes),
                Piece::Part(part, bytes) => add(&part.path, bytes),
                Piece::Stream(stream) => add(&stream.path, b""),
            }
        }
    }
}

/// What both products know. Character sets are written out: MySQL writes one that it was not told in another way once it is told.
const PLAIN: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci; CREATE DATABASE plain CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE plain;
    CREATE TABLE p (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(90) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, b BLOB, f DOUBLE, t TIMESTAMP(3) NULL, j JSON, e ENUM('a','') CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, bits BIT(9), g GEOMETRY,
      gen INT GENERATED ALWAYS AS (LENGTH(v)) STORED, UNIQUE KEY u (v), KEY g (gen), FULLTEXT KEY ft (v));
    INSERT INTO p (id, v, b, f, t, j, e, bits, g) VALUES (5, 'x\\n\\'é😀),', x'00FF27', 1.5e300, '2024-10-27 00:30:00.123', '{\"a\": [1, \"\\\\\"\"]}', '', 5, ST_GeomFromText('POINT(1 2)')), (6, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE TABLE c (id INT PRIMARY KEY, p INT, KEY (p), CONSTRAINT fk FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE); INSERT INTO c VALUES (1, 5);
    CREATE VIEW w AS SELECT c.id, p.v FROM c JOIN p ON p.id = c.p;
    CREATE TRIGGER t BEFORE INSERT ON c FOR EACH ROW SET NEW.id = NEW.id + 0;
    CREATE PROCEDURE s(a INT) SELECT a;";

#[test]
#[ignore = "needs the root folder of a distribution with Oracle's MySQL in TEST_MYSQL_ROOT"]
#[expect(
    clippy::disallowed_methods,
    reason = "only the environment knows where another distribution is"
)]
fn everything_comes_back_on_mysql() {
    let root = std::env::var_os("TEST_MYSQL_ROOT").expect("TEST_MYSQL_ROOT is set");
    let server = Server::mysql_in(std::path::Path::new(&root), "local_infile=1");
    server.script(PLAIN);
    let dump = dump(&server, &["plain"]);
    let again = |name: &str| {
        let _notes = dump
            .restore(&server, named(name))
            .unwrap_or_else(|error| panic!("{error}"));
        stock_dump(&server, name).replace(&format!("`{name}`"), "`plain`")
    };
    let before = stock_dump(&server, "plain");
    assert_same_text("by_file", &before, &again("by_file"));
    server.run(&["SET GLOBAL local_infile = 0"]);
    assert_same_text("by_statement", &before, &again("by_statement"));
    let maria = Server::mariadb("");
    what_the_other_lacks_is_named(&server, &maria);
    // And what both know goes from one to the other.
    maria.script(PLAIN);
    crosses(&self::dump(&maria, &["plain"]), &server);
    drop_all(&maria);
    crosses(&dump, &maria);
}

fn crosses(dump: &Dump, to: &Server) {
    let _notes = dump
        .restore(to, named("crossed"))
        .unwrap_or_else(|error| panic!("{error}"));
    let value = to.admin().value("SELECT v FROM crossed.w").expect("a view");
    assert_eq!(value.as_deref(), Some("x\n'é😀),"));
}

/// What one product knows and the other does not is named before anything is made, and nothing stays.
fn what_the_other_lacks_is_named(server: &Server, maria: &Server) {
    maria.run(&[
        "CREATE DATABASE own CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci",
        "CREATE SEQUENCE own.s",
        "CREATE TABLE own.t (u UUID DEFAULT uuid(), i INET6, hidden INT INVISIBLE)",
        "CREATE TABLE own.v (a INT) WITH SYSTEM VERSIONING",
    ]);
    server.run(&[
        "CREATE DATABASE own CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs",
        "CREATE TABLE own.t (a INT INVISIBLE, b INT, KEY k ((a + 1)), CONSTRAINT c CHECK (b > 0) NOT ENFORCED)",
    ]);
    let maria_says = [
        "sequence own.s; ",
        "own.t.u: type uuid",
        "own.t.u: default uuid()",
        "own.t.i: type inet6",
        "own.v: system versioning",
        "collation utf8mb4_uca1400_ai_ci",
    ];
    let mysql_says = [
        "own.t.a: an invisible column",
        "own.t.k: a key of an expression",
        "own.t.c: a constraint that is not enforced",
        "collation utf8mb4_0900_as_cs",
    ];
    for (from, to, words) in [(maria, server, &maria_says[..]), (server, maria, &mysql_says[..])] {
        let (kind, text) = refusal(dump(from, &["own"]).restore(to, named("strange")));
        assert_eq!(kind, Kind::RestoreFailed, "{text}");
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert!(!text.contains("hidden"), "{text}");
        assert!(
            !databases(to).iter().any(|name| name.contains("strange")),
            "{:?}",
            databases(to)
        );
    }
}
