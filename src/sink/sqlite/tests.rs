//! Landing, refusing, checking. The databases are made by the `sqlite3` program.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use super::check::Check;
use super::*;
use crate::base::cancel::Cancel;
use crate::base::digest::Digest;
use crate::base::fault::Fault as _;
use crate::base::fault::Kind;
use crate::bundle::entry::Location;
use crate::bundle::entry::Mtime;

const AT: Location = Location { block: 0, skip: 0 };

const RICH: &str = "
    CREATE TABLE parent(id INTEGER PRIMARY KEY);
    CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent(id), raw BLOB);
    CREATE INDEX child_raw ON child(raw);
    CREATE VIRTUAL TABLE docs USING fts5(body);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
      INSERT INTO parent SELECT i FROM n;
    INSERT INTO child SELECT id, id, randomblob(500) FROM parent;
    INSERT INTO docs SELECT hex(raw) FROM child;";

fn checker(check: Check) -> Checker {
    Checker::new(check, 2, Cancel::new())
}

fn path(text: &str) -> EntryPath {
    EntryPath::of_label(&"db".parse().expect("plain"))
        .join(Path::new(text))
        .expect("plain")
}

fn entry(size: usize, extents: Option<Vec<Extent>>) -> Entry {
    Entry {
        path: path("hub.db"),
        node: Node::File {
            size: size as u64,
            extents,
            sha256: Digest::of(b""),
        },
        attributes: Attributes {
            mode: 0o4640,
            uid: 4321,
            gid: 1234,
            mtime: Mtime {
                seconds: 1_700_000_000,
                nanos: 5,
            },
            xattrs: Vec::new(),
        },
        at: AT,
    }
}

/// A database of this SQL, as bytes, made in WAL mode: its header says so.
fn database(folder: &Path, sql: &str) -> Vec<u8> {
    let made = folder.join("made.db");
    let output = Command::new("sqlite3")
        .arg(&made)
        .arg(format!("PRAGMA journal_mode = WAL; {sql}"))
        .output()
        .expect("sqlite3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = fs::read(&made).expect("made");
    fs::remove_file(made).expect("made");
    bytes
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("plain"))
        .collect();
    names.sort();
    names
}

fn restore(target: &Path, level: Check, bytes: &[u8]) -> Result<(), Error> {
    let mut sink = Box::new(SqliteSink::new(target.to_owned(), checker(level))?);
    sink.entry(&entry(bytes.len(), None), &mut &bytes[..])?;
    assert!(!target.exists(), "nothing is visible before the commit");
    sink.commit().map(drop)
}

#[test]
fn a_database_lands_whole_with_its_attributes() {
    for level in [Check::None, Check::Quick, Check::Full] {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = database(folder.path(), RICH);
        let target = folder.path().join("a ?#%.db");
        restore(&target, level, &bytes).expect("free");
        assert!(fs::read(&target).expect("there") == bytes);
        let metadata = fs::metadata(&target).expect("there");
        assert_eq!(metadata.mode() & 0o7777, 0o640, "without set-user-id");
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_700_000_000, 5));
        let owner = if rustix::process::geteuid().is_root() {
            4321
        } else {
            rustix::process::geteuid().as_raw()
        };
        assert_eq!(metadata.uid(), owner);
        assert_eq!(names(folder.path()), ["a ?#%.db"], "nothing beside it");
    }
}

#[test]
fn an_empty_database_and_a_sparse_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("empty.db");
    restore(&target, Check::Full, b"").expect("SQLite takes it");
    assert_eq!(fs::metadata(&target).expect("there").len(), 0);

    let bytes = database(
        folder.path(),
        "CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(20000))",
    );
    let hole = 3 * 4096..5 * 4096;
    let extents = vec![
        Extent {
            offset: 0,
            length: hole.start as u64,
        },
        Extent {
            offset: hole.end as u64,
            length: (bytes.len() - hole.end) as u64,
        },
    ];
    let mut sparse = bytes.clone();
    sparse[hole.clone()].fill(0);
    let stored = [&bytes[..hole.start], &bytes[hole.end..]].concat();
    let target = folder.path().join("sparse.db");
    let mut sink = Box::new(SqliteSink::new(target.clone(), checker(Check::None)).expect("free"));
    sink.entry(&entry(bytes.len(), Some(extents)), &mut &stored[..])
        .expect("room");
    let _notes = sink.commit().expect("free");
    assert!(fs::read(target).expect("there") == sparse);
}

#[test]
fn a_taken_target_is_refused() {
    for taken in ["hub.db", "hub.db-wal", "hub.db-shm", "hub.db-journal"] {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("nowhere", folder.path().join(taken)).expect("free");
        let target = folder.path().join("hub.db");
        let error = SqliteSink::new(target.clone(), checker(Check::None))
            .err()
            .expect(taken);
        assert_eq!(error.kind(), Kind::TargetRefused);
        assert!(error.to_string().contains("exists already"), "{error}");

        // Also when it comes while the content is written.
        fs::remove_file(folder.path().join(taken)).expect("made");
        let bytes = database(folder.path(), "CREATE TABLE t(x)");
        let mut sink = Box::new(SqliteSink::new(target, checker(Check::Quick)).expect("free"));
        sink.entry(&entry(bytes.len(), None), &mut &bytes[..]).expect("room");
        std::os::unix::fs::symlink("nowhere", folder.path().join(taken)).expect("free");
        assert_eq!(sink.commit().expect_err(taken).kind(), Kind::TargetRefused);
        assert_eq!(names(folder.path()), [taken], "no leftover");
    }
    let nowhere = SqliteSink::new("/nonexistent/hub.db".into(), checker(Check::None))
        .err()
        .expect("no folder");
    assert_eq!(nowhere.kind(), Kind::TargetRefused);
}

#[test]
fn exactly_one_file_entry() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = database(folder.path(), "CREATE TABLE t(x)");
    let target = folder.path().join("hub.db");
    let mut sink = Box::new(SqliteSink::new(target.clone(), checker(Check::Quick)).expect("free"));
    let directory = Entry {
        node: Node::Directory,
        ..entry(0, None)
    };
    assert_eq!(
        sink.entry(&directory, &mut io::empty()).expect_err("a folder").kind(),
        Kind::RestoreFailed
    );
    let part = Part {
        path: path("hub.db"),
        number: 0,
        size: 0,
        at: AT,
    };
    assert!(matches!(sink.part(&part, &mut io::empty()), Err(Error::Refused { .. })));
    let stream = Stream {
        path: path("hub.db"),
        mode: 0o600,
        parts: 1,
        size: 0,
        sha256: Digest::of(b""),
        rows: None,
    };
    assert!(matches!(sink.stream(&stream), Err(Error::Refused { .. })));
    sink.entry(&entry(bytes.len(), None), &mut &bytes[..]).expect("room");
    let second = sink.entry(&entry(bytes.len(), None), &mut &bytes[..]);
    assert!(matches!(second, Err(Error::Refused { .. })));
    let _notes = sink.commit().expect("one was given");

    let none = Box::new(SqliteSink::new(folder.path().join("none.db"), checker(Check::Quick)).expect("free"));
    assert_eq!(
        none.commit().expect_err("nothing was given").kind(),
        Kind::TargetRefused
    );
    assert_eq!(names(folder.path()), ["hub.db"]);
}

#[test]
fn nothing_stays_of_what_did_not_land() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = database(folder.path(), RICH);
    let target = folder.path().join("hub.db");

    let mut sink = SqliteSink::new(target.clone(), checker(Check::Quick)).expect("free");
    let short = sink
        .entry(&entry(bytes.len(), None), &mut &bytes[..9000])
        .expect_err("short");
    assert!(matches!(short, Error::Content { .. }), "{short}");
    drop(sink);
    let mut sink = SqliteSink::new(target.clone(), checker(Check::Quick)).expect("free");
    let other = sink
        .entry(&entry(5, None), &mut &b"hello"[..])
        .expect_err("no database");
    assert!(other.to_string().contains("not a SQLite database"), "{other}");
    let mut dropped = SqliteSink::new(target.clone(), checker(Check::Quick)).expect("free");
    dropped.entry(&entry(bytes.len(), None), &mut &bytes[..]).expect("room");
    drop(dropped);
    assert_eq!(names(folder.path()), [""; 0]);

    let mut damaged = bytes;
    damaged[20 * 4096..21 * 4096].fill(0xff);
    for level in [Check::Quick, Check::Full] {
        let error = restore(&target, level, &damaged).expect_err("damaged");
        assert_eq!(error.kind(), Kind::AssertionFailed);
        assert!(error.to_string().contains("/hub.db failed its check"), "{error}");
        assert!(!error.to_string().contains(durable::TEMP_PREFIX), "{error}");
        assert_eq!(names(folder.path()), [""; 0]);
    }
    damaged.truncate(21 * 4096 + 100);
    restore(&target, Check::Quick, &damaged).expect_err("cut");
    restore(&target, Check::None, &damaged).expect("not looked at");
}

#[test]
fn levels_of_the_check() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("hub.db");
    let bytes = database(
        folder.path(),
        &format!("{RICH} PRAGMA foreign_keys = OFF; DELETE FROM parent WHERE id < 6;"),
    );
    let mut sink = Box::new(SqliteSink::new(target.clone(), checker(Check::Full)).expect("free"));
    sink.entry(&entry(bytes.len(), None), &mut &bytes[..]).expect("taken");
    let notes = sink.commit().expect("violations are true to the source").join("\n");
    assert!(
        notes.contains("refer to a row that does not exist, as in the backup: 5\n"),
        "{notes}"
    );
    let stopped = Cancel::new();
    stopped.set();
    let error = Checker::new(Check::Full, 2, stopped)
        .check(&target)
        .expect_err("a stop is no check");
    assert!(error.to_string().contains("interrupted"), "{error}");
    assert_eq!(
        checker(Check::Full)
            .check(&target)
            .expect("sound")
            .foreign_key_violations,
        5
    );
    assert_eq!(
        checker(Check::Quick)
            .check(&target)
            .expect("sound")
            .foreign_key_violations,
        0
    );
    // An index that does not fit its table: only the full check compares them.
    let sql = format!(
        "{RICH} PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX child_raw ON child(parent)' WHERE name = 'child_raw'"
    );
    let other = folder.path().join("index.db");
    restore(&other, Check::Quick, &database(folder.path(), &sql)).expect("records are sound");
    let error = checker(Check::Full).check(&other).expect_err("index");
    assert!(error.to_string().contains("integrity_check reports"), "{error}");
    assert!(error.to_string().len() < 1000, "the first lines only: {error}");
    assert_eq!(names(folder.path()), ["hub.db", "index.db"], "nothing beside them");
    checker(Check::Quick)
        .check(&folder.path().join("missing.db"))
        .expect_err("missing");
}

#[test]
fn as_many_threads_as_may_be_find_what_one_finds() {
    const SOUND: &str = "CREATE TABLE \"5\" (a, b); CREATE INDEX five ON \"5\" (a); CREATE TABLE \"it's \"\"x\"\"\" (a PRIMARY KEY, b) WITHOUT ROWID; \
        CREATE INDEX odd ON \"it's \"\"x\"\"\" (b); CREATE VIRTUAL TABLE words USING fts5(a); CREATE TABLE gone (a); \
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO \"5\" SELECT i, hex(i * 7919) FROM n; \
        INSERT INTO \"it's \"\"x\"\"\" SELECT a, b FROM \"5\"; INSERT INTO words SELECT b FROM \"5\"; \
        INSERT INTO gone SELECT b FROM \"5\"; DROP TABLE gone;";
    let rewrite = |index: &str, sql: &str| {
        format!("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '{sql}' WHERE name = '{index}'")
    };
    let damages = [
        (None, String::new()),
        (Some("index five"), rewrite("five", "CREATE INDEX five ON \"5\" (b)")),
        (
            Some("index odd"),
            rewrite("odd", "CREATE INDEX odd ON \"it''s \"\"x\"\"\" (b || 1)"),
        ),
        (Some("words"), "DELETE FROM words_content WHERE id = 77".to_owned()),
        (Some("reelist"), String::new()),
    ];
    for (found, sql) in damages {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hub.db");
        let mut bytes = database(folder.path(), &format!("{SOUND} {sql}"));
        if found == Some("reelist") {
            // How many pages are free: the header of the file, <https://sqlite.org/fileformat2.html#the_database_header>.
            bytes[36..40].copy_from_slice(&[0, 0, 0, 1]);
        }
        restore(&path, Check::None, &bytes).expect("its bytes are as stored");
        for jobs in [1, 2, 9] {
            let looked = Checker::new(Check::Full, jobs, Cancel::new()).check(&path);
            let told = looked.map_err(|error| error.to_string());
            match found {
                None => assert_eq!(told.expect("sound").foreign_key_violations, 0),
                Some(word) => assert!(told.as_ref().is_err_and(|told| told.contains(word)), "{word}: {told:?}"),
            }
        }
    }
}

#[test]
fn foreign_keys_that_make_no_sense_are_told_and_no_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hub.db");
    let sql =
        "CREATE TABLE a (x); CREATE TABLE b (y REFERENCES a (x)); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);";
    restore(&path, Check::Full, &database(folder.path(), sql)).expect("SQLite lets it live");
    let findings = checker(Check::Full).check(&path).expect("sound");
    let note = findings.note(&path).expect("told");
    assert!(
        note.contains("foreign keys make no sense, as in the backup: 1 (foreign key mismatch"),
        "{note}"
    );
}
