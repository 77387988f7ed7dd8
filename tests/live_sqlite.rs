//! SQLite databases backed up while they are written: every restored file is a state that existed.
//!
//! The writer is the `sqlite3` program, in a process of its own, committing as fast as it can. What its n-th
//! transaction does follows from n alone, so the whole state after n transactions can be computed and compared.

use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Read;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::digest::Digest;
use hub_backup::base::digest::Hasher;
use hub_backup::bundle::entry::Attributes;
use hub_backup::bundle::entry::CollectError;
use hub_backup::bundle::entry::Collector;
use hub_backup::bundle::entry::Entry;
use hub_backup::bundle::entry::Extent;
use hub_backup::bundle::entry::Location;
use hub_backup::bundle::entry::Node;
use hub_backup::bundle::entry::NodeWithoutContent;
use hub_backup::bundle::entry::OpenStream;
use hub_backup::bundle::entry::Rows;
use hub_backup::bundle::path::EntryPath;
use hub_backup::sink::Sink as _;
use hub_backup::sink::sqlite::SqliteSink;
use hub_backup::sink::sqlite::check::Check;
use hub_backup::sink::sqlite::check::Checker;
use hub_backup::source::Source as _;
use hub_backup::source::sqlite::SqliteOptions;
use hub_backup::source::sqlite::SqliteSource;
use rusqlite::Connection;

const ACCOUNTS: u64 = 500;
const BALANCE: i64 = 1000;
const LOG_KEPT: u64 = 3000;

const SCHEMA: &str = "
    CREATE TABLE checking(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, note TEXT);
    CREATE TABLE savings(id TEXT PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE counter(n INTEGER NOT NULL);
    CREATE TABLE log(n INTEGER PRIMARY KEY, entry TEXT NOT NULL);
    CREATE INDEX log_entry ON log(entry);
    WITH RECURSIVE i(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM i WHERE id < 499)
      INSERT INTO checking SELECT id, 1000, hex(zeroblob(id)) FROM i;
    INSERT INTO savings SELECT 'account ' || id, 1000 FROM checking;
    INSERT INTO counter VALUES (0);";

/// Hands the content of the one file to a function, and sees that exactly its size is read.
struct OneFile<F>(F);

impl<F: FnMut(&mut dyn Read) -> io::Result<()>> Collector for OneFile<F> {
    fn file(
        &mut self,
        _path: EntryPath,
        _attributes: Attributes,
        size: u64,
        _extents: Option<Vec<Extent>>,
        content: &mut dyn Read,
    ) -> Result<Digest, CollectError> {
        let mut content = content.take(size);
        (self.0)(&mut content).map_err(CollectError::Content)?;
        if content.limit() == 0 {
            return Ok(Digest::of(b"not looked at"));
        }
        let got = size - content.limit();
        Err(CollectError::Short { expected: size, got })
    }

    fn node(&mut self, _: EntryPath, _: Attributes, _: NodeWithoutContent) -> Result<(), CollectError> {
        panic!("a database is one file")
    }

    fn stream(&mut self, _: EntryPath, _: u32, _: &mut dyn Read) -> Result<(u64, Digest), CollectError> {
        panic!("a database is one file")
    }

    fn part(&mut self, _: &mut OpenStream, _: &[u8]) -> Result<(), CollectError> {
        panic!("a database is one file")
    }

    fn end(&mut self, _: OpenStream, _: Option<Rows>) -> Result<(u64, Digest), CollectError> {
        panic!("a database is one file")
    }

    fn exception(&mut self, _: EntryPath, _: String) -> Result<(), CollectError> {
        panic!("nothing is left out")
    }
}

fn source(database: &Path) -> SqliteSource {
    let options = SqliteOptions {
        check: false,
        busy_timeout: Duration::from_secs(30),
    };
    SqliteSource::new("db".parse().expect("plain"), database.to_owned(), options)
}

fn back_up(database: &Path, copy: &Path) {
    let mut collector = OneFile(|content: &mut dyn Read| {
        let mut file = BufWriter::with_capacity(1 << 20, File::create_new(copy)?);
        io::copy(content, &mut file)?;
        file.flush()
    });
    source(database)
        .collect(&mut collector, &Cancel::new())
        .expect("a live database can be read");
}

fn program(database: &Path) -> Command {
    let mut command = Command::new("sqlite3");
    command.arg("-batch").arg("-bail").arg(database);
    command
}

fn run(database: &Path, sql: &str) -> String {
    let output = program(database).arg(sql).output().expect("sqlite3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The hub holds text that is not valid UTF-8.
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// From which account, to which, and how much the n-th transaction moves.
fn transfer(n: u64) -> (u64, u64, i64) {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let amount = i64::try_from(mixed % 90).expect("small") - 40;
    (mixed % ACCOUNTS, mixed / ACCOUNTS % ACCOUNTS, amount)
}

fn transaction(n: u64) -> String {
    let (from, to, amount) = transfer(n);
    // Rows of growing length come and go, so that pages are split, freed and used again.
    format!(
        "BEGIN IMMEDIATE;
         UPDATE checking SET balance = balance - {amount}, note = hex(zeroblob({length})) WHERE id = {from};
         UPDATE counter SET n = n + 1;
         INSERT INTO log VALUES ({n}, hex(zeroblob({long})) || {n});
         DELETE FROM log WHERE n <= {n} - {LOG_KEPT};
         UPDATE savings SET balance = balance + {amount} WHERE id = 'account {to}';
         COMMIT;\n",
        length = n % 700,
        long = n % 190,
    )
}

/// A process that is fed SQL until it is stopped.
struct Program {
    child: Child,
    stop: Arc<AtomicBool>,
    feeder: Option<JoinHandle<()>>,
}

impl Program {
    fn start(database: &Path, mut next: impl FnMut() -> String + Send + 'static) -> Self {
        let mut child = program(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("sqlite3 is installed");
        let mut input = child.stdin.take().expect("piped");
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let feeder = std::thread::spawn(move || {
            let begin = ".timeout 60000\nPRAGMA synchronous = OFF;\n";
            let mut sql = begin.to_owned();
            // The pipe ends when the process was killed.
            while !told.load(Ordering::Relaxed) && input.write_all(sql.as_bytes()).is_ok() {
                sql = next();
            }
        });
        Self {
            child,
            stop,
            feeder: Some(feeder),
        }
    }

    fn writer(database: &Path) -> Self {
        let mut n = 0;
        Self::start(database, move || {
            n += 1;
            transaction(n)
        })
    }

    fn checkpointer(database: &Path) -> Self {
        let mut modes = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"].into_iter().cycle();
        Self::start(database, move || {
            std::thread::sleep(Duration::from_millis(3));
            let mode = modes.next().expect("a cycle");
            // A checkpoint that meets a reader gives up rather than hold the writer for long.
            format!(".timeout 20\nPRAGMA wal_checkpoint({mode});\n")
        })
    }

    /// Lets it finish what it was given, and sees that it went well.
    fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.feeder.take().expect("once").join().expect("no panic");
        assert!(self.child.wait().expect("own child").success(), "sqlite3 failed");
    }

    fn kill(mut self) {
        self.child.kill().expect("own child");
        self.child.wait().expect("own child");
        self.feeder.take().expect("once").join().expect("no panic");
    }
}

fn counter(database: &Path) -> u64 {
    let connection = Connection::open(database).expect("there");
    connection.busy_timeout(Duration::from_secs(30)).expect("open");
    let n: i64 = connection
        .query_row("SELECT n FROM counter", [], |row| row.get(0))
        .expect("a row");
    n.unsigned_abs()
}

fn wait_for_progress(database: &Path, past: u64) {
    while counter(database) <= past {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The file passes SQLite's own check and equals the state after so many transactions, which it gives.
fn state_of(copy: &Path) -> u64 {
    assert_eq!(run(copy, "PRAGMA integrity_check"), "ok\n");
    let connection = Connection::open(copy).expect("there");
    let n = counter(copy);
    let balances = |sql: &str| -> Vec<i64> {
        let mut statement = connection.prepare(sql).expect("a table");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("numbers")
    };
    let checking = balances("SELECT balance FROM checking ORDER BY id");
    let savings = balances("SELECT balance FROM savings ORDER BY CAST(substr(id, 9) AS INTEGER)");
    let accounts = usize::try_from(ACCOUNTS).expect("small");
    let (mut from, mut to) = (vec![BALANCE; accounts], vec![BALANCE; accounts]);
    for number in 1..=n {
        let (debited, credited, amount) = transfer(number);
        from[usize::try_from(debited).expect("small")] -= amount;
        to[usize::try_from(credited).expect("small")] += amount;
    }
    assert_eq!(
        checking.iter().chain(&savings).sum::<i64>(),
        2 * BALANCE * i64::try_from(ACCOUNTS).expect("small")
    );
    assert_eq!(checking, from, "after {n} transactions");
    assert_eq!(savings, to, "after {n} transactions");
    let log = balances("SELECT n FROM log ORDER BY n");
    let kept: Vec<i64> = (n.saturating_sub(LOG_KEPT) + 1..=n)
        .map(|n| i64::try_from(n).expect("small"))
        .collect();
    assert_eq!(log, kept, "the log ends where the counter stands");
    n
}

fn remove_database(database: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let path = format!("{}{suffix}", database.display());
        if Path::new(&path).exists() {
            std::fs::remove_file(path).expect("own file");
        }
    }
}

fn back_up_while_written(journal_mode: &str, backups: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("live.db");
    run(
        &database,
        &format!("PRAGMA page_size = 1024; PRAGMA journal_mode = {journal_mode}; {SCHEMA}"),
    );
    let writer = Program::writer(&database);
    let checkpointer = (journal_mode == "WAL").then(|| Program::checkpointer(&database));
    let mut last = 0;
    for number in 0..backups {
        wait_for_progress(&database, last);
        let copy = folder.path().join(format!("copy-{number}.db"));
        let before = counter(&database);
        back_up(&database, &copy);
        let after = counter(&database);
        let state = state_of(&copy);
        assert!((before..=after).contains(&state), "{before} <= {state} <= {after}");
        last = after;
        remove_database(&copy);
    }
    writer.finish();
    if let Some(checkpointer) = checkpointer {
        checkpointer.finish();
    }
    assert!(state_of(&database) >= u64::from(backups), "the writer wrote all along");
}

#[test]
fn fifty_backups_of_a_wal_database_under_a_writer_and_a_checkpointer() {
    back_up_while_written("WAL", 50);
}

#[test]
fn backups_of_a_rollback_database_under_a_writer() {
    back_up_while_written("DELETE", 15);
}

#[test]
fn a_killed_writer_leaves_a_state_that_was_committed() {
    for round in 1..=5 {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("live.db");
        run(&database, &format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
        let writer = Program::writer(&database);
        wait_for_progress(&database, round * 100);
        let seen = counter(&database);
        writer.kill();
        let copy = folder.path().join("copy.db");
        let files = [database.clone(), PathBuf::from(format!("{}-wal", database.display()))];
        let before = files
            .each_ref()
            .map(|file| std::fs::read(file).expect("left by the crash"));
        back_up(&database, &copy);
        assert!(
            files.map(|file| std::fs::read(file).expect("still there")) == before,
            "recovery wrote to them"
        );
        let state = state_of(&copy);
        assert!(state >= seen, "{state} >= {seen}");
        assert_eq!(state, state_of(&database), "what SQLite itself recovers");
    }
}

fn digest(content: &mut dyn Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// So many rows of ten megabytes that the next few cross one gibibyte.
fn nearly_one_gibibyte(database: &Path, page_size: u32) {
    let sql = format!(
        "PRAGMA page_size = {page_size}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE t(x);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 107)
           INSERT INTO t SELECT randomblob(10000000) FROM n;"
    );
    run(database, &sql);
    let length = std::fs::metadata(database).expect("made").len();
    assert!(((1 << 30) - 10_000_000..1 << 30).contains(&length), "{length}");
}

/// SQLite never stores the page at this place, and `sqlite_dbpage` gives zeros for it.
#[test]
fn the_lock_byte_page_at_one_gibibyte() {
    let grow = "INSERT INTO t SELECT x FROM t LIMIT 3";
    for (page_size, grown) in [
        (65536, grow.to_owned()),
        // The file ends before that page, and the -wal begins behind it.
        (
            4096,
            format!("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; {grow}"),
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("large.db");
        nearly_one_gibibyte(&database, page_size);
        let crash = program(&database).arg(grown).arg(".system kill -9 $PPID").output();
        assert!(!crash.expect("sqlite3 is installed").status.success(), "killed");
        let mut ours = None;
        let mut collector = OneFile(|content: &mut dyn Read| {
            ours = Some(digest(content)?);
            Ok(())
        });
        source(&database)
            .collect(&mut collector, &Cancel::new())
            .expect("readable");
        // What SQLite itself makes of it.
        run(&database, "PRAGMA wal_checkpoint(TRUNCATE)");
        assert!(std::fs::metadata(&database).expect("made").len() > (1 << 30) + 65536);
        let theirs = digest(&mut File::open(&database).expect("made")).expect("readable");
        assert_eq!(ours, Some(theirs), "pages of {page_size} bytes");
    }
}

#[test]
fn the_hub_goes_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("hub.db");
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hub/hub.sql");
    run(&database, &format!(".read '{}'", sql.display()));
    run(&database, "PRAGMA journal_mode = WAL");
    let mut memory = Vec::new();
    let copy = folder.path().join("copy.db");
    back_up(&database, &copy);
    File::open(&copy)
        .and_then(|mut file| file.read_to_end(&mut memory))
        .expect("made");
    let entry = Entry {
        path: EntryPath::of_label(&"db".parse().expect("plain")),
        node: Node::File {
            size: memory.len() as u64,
            extents: None,
            sha256: Digest::of(&memory),
        },
        attributes: Attributes {
            mode: 0o600,
            ..Attributes::default()
        },
        at: Location { block: 0, skip: 0 },
    };
    let restored = folder.path().join("restored.db");
    let mut sink =
        Box::new(SqliteSink::new(restored.clone(), Checker::new(Check::Full, 2, Cancel::new())).expect("free"));
    sink.entry(&entry, &mut &memory[..]).expect("room");
    let _notes = sink.commit().expect("sound");
    assert!(std::fs::read(&restored).expect("there") == std::fs::read(&database).expect("there"));
    assert!(run(&restored, ".dump") == run(&database, ".dump"), "the same SQL");
    let words = "SELECT title FROM docs('naive'); SELECT count(*) FROM installed; PRAGMA foreign_key_check";
    assert_eq!(run(&restored, words), "Résumé\n72\n");
}
