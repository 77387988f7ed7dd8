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
use hub_backup::sink;
use hub_backup::sink::Sink;
use hub_backup::sink::mysql::MysqlSink;
use hub_backup::sink::mysql::options::Definer;
use hub_backup::sink::mysql::options::MysqlSinkOptions;
use hub_backup::sink::postgres::options::RowCheck;
use hub_backup::source::Source as _;
use hub_backup::source::mysql::MysqlOptions;
use hub_backup::source::mysql::MysqlSource;
use hub_backup::source::mysql::Selection;
use mysql::PASSWORD;
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
        let entry = Entry { path, node, attributes, at: ZERO };
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
        let part = Part { path, number: 0, size: bytes.len() as u64, at: ZERO };
        self.0.push(Piece::Part(part, bytes.to_vec()));
        Ok(())
    }

    fn end(&mut self, stream: OpenStream, rows: Option<Rows>) -> Result<(u64, Digest), CollectError> {
        let sha256 = Digest::of(b"");
        let path = stream.path().clone();
        self.0.push(Piece::Stream(Stream { path, mode: 0o600, parts: 1, size: 0, sha256, rows }));
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
    let how = MysqlOptions { selection, jobs: 3, lock_tables: true, chunk_bytes: 1 << 20 };
    let mut source = MysqlSource::new("shop".parse().expect("a label"), options(&server.uri("admin", "")), how);
    let mut dump = Dump::default();
    let cancel = Cancel::new();
    source.check().unwrap_or_else(|error| panic!("{error}"));
    let _learnt = source.collect(&mut dump, &cancel).unwrap_or_else(|error| panic!("{error}"));
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
        let notes = sink.notes();
        Box::new(sink).commit()?;
        Ok(notes)
    }
}

fn open(server: &Server, how: MysqlSinkOptions) -> Result<MysqlSink, sink::Error> {
    let options_of_server = options(&server.uri("admin", ""));
    MysqlSink::new("mysql://admin@server/".to_owned(), options_of_server, how, &Cancel::new())
}

fn usual() -> MysqlSinkOptions {
    MysqlSinkOptions { jobs: 2, ..MysqlSinkOptions::default() }
}

/// What the stock dump program says about a database, by whatever name.
fn stock_dump(server: &Server, database: &str) -> String {
    let mut command = Command::new("mariadb-dump");
    command
        .arg(format!("--defaults-file={}/client.cnf", server.path().display()))
        .arg(format!("--socket={}", server.socket().display()))
        .args(["--user=root", "--routines", "--events", "--triggers", "--hex-blob", "--skip-dump-date", "--order-by-primary"])
        .args(["--default-character-set=utf8mb4", "--skip-comments", "--tz-utc", "--single-transaction"])
        .arg("--databases")
        .arg(database);
    let _client_file = server.stock("");
    let ran = command.stderr(Stdio::piped()).output().expect("mariadb-dump");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

fn assert_same(server_of_source: &Server, server_of_target: &Server, database: &str) {
    let (before, after) = (stock_dump(server_of_source, database), stock_dump(server_of_target, database));
    let differing = before.lines().zip(after.lines()).find(|(before, after)| before != after);
    if let Some((before, after)) = differing {
        panic!("{database} differs:\n{before:.2000}\n{after:.2000}");
    }
    assert_eq!(before.len(), after.len());
}

fn databases(server: &Server) -> Vec<String> {
    let rows = server.admin().table("SHOW DATABASES").expect("a list");
    let names = rows.into_iter().flatten().flatten();
    names.filter(|name| !["mysql", "information_schema", "performance_schema", "sys"].contains(&name.as_str())).collect()
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
