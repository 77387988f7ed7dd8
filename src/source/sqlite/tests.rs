//! Every form of database that SQLite knows, and every refusal. The databases are made by the `sqlite3` program.

use std::fs;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use super::*;
use crate::base::clock::FixedClock;
use crate::base::digest::Digest;
use crate::base::fault::Fault as _;
use crate::base::fault::Kind;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Extent;
use crate::bundle::entry::NodeWithoutContent;

/// Where the header differs after a copy by SQLite's backup API: change counter, schema cookie, the counter that the
/// version number is valid for, and that version number.
const COUNTED_UP: [std::ops::Range<usize>; 3] = [24..28, 40..44, 92..100];

/// Keeps the one file that it is given, reading in steps that fit no page, and acts once after the first step.
#[derive(Default)]
struct Taken {
    path: String,
    attributes: Attributes,
    content: Vec<u8>,
    after_first_step: Option<Box<dyn FnMut()>>,
    stop_after_first_step: bool,
}

impl Collector for Taken {
    fn file(
        &mut self,
        path: EntryPath,
        attributes: Attributes,
        size: u64,
        extents: Option<Vec<Extent>>,
        content: &mut dyn Read,
    ) -> Result<Digest, CollectError> {
        assert!(self.path.is_empty() && extents.is_none(), "one dense file");
        self.path = path.to_string();
        self.attributes = attributes;
        let mut left = usize::try_from(size).expect("fits a test");
        for step in [1, 511, 700, 100_003].into_iter().chain(std::iter::repeat(65_537)) {
            let mut chunk = vec![0; left.min(step)];
            content.read_exact(&mut chunk).map_err(CollectError::Content)?;
            left -= chunk.len();
            self.content.extend(chunk);
            if let Some(mut act) = self.after_first_step.take() {
                act();
            }
            if self.stop_after_first_step {
                return Err(CollectError::Stopped);
            }
            if left == 0 {
                break;
            }
        }
        assert_eq!(
            content.read(&mut [0; 16]).map_err(CollectError::Content)?,
            0,
            "nothing behind the pages"
        );
        Ok(Digest::of(&self.content))
    }

    fn node(&mut self, _: EntryPath, _: Attributes, _: NodeWithoutContent) -> Result<(), CollectError> {
        panic!("only files are given")
    }

    fn stream(&mut self, _: EntryPath, _: u32, _: &mut dyn Read) -> Result<(u64, Digest), CollectError> {
        panic!("only files are given")
    }

    fn exception(&mut self, _: EntryPath, _: String) -> Result<(), CollectError> {
        panic!("nothing is left out")
    }
}

/// A folder with one database in it.
struct Scene {
    folder: tempfile::TempDir,
    database: PathBuf,
}

impl Scene {
    fn new(sql: &str) -> Self {
        Self::named("hub.db", sql)
    }

    fn named(name: &str, sql: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join(name);
        if !sql.is_empty() {
            run(&database, sql);
        }
        Self { folder, database }
    }

    fn source(&self) -> SqliteSource {
        source(&self.database)
    }

    fn take(&self) -> (Taken, Learnt) {
        take(&mut self.source())
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.database).expect("there")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.database.display()))
    }

    fn overwrite(&self, offset: u64, bytes: &[u8]) {
        use std::os::unix::fs::FileExt as _;
        let file = fs::OpenOptions::new().write(true).open(&self.database).expect("there");
        file.write_all_at(bytes, offset).expect("room");
    }

    /// Both `check` and `collect` refuse, with this kind, and the file is as it was.
    fn refused(&self, kind: Kind, words: &str) {
        let before = self.bytes();
        let error = self.source().check().expect_err(words);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(
            kind == Kind::SourceUnreachable || error.hint().is_some(),
            "no next step: {error}"
        );
        let mut taken = Taken::default();
        let error = self.source().collect(&mut taken, &Cancel::new()).expect_err(words);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(taken.content.is_empty());
        assert!(self.bytes() == before, "the file was written");
    }
}

fn source(path: &Path) -> SqliteSource {
    let options = SqliteOptions {
        check: false,
        busy_timeout: Duration::from_millis(200),
    };
    SqliteSource::new("db".parse().expect("plain"), path.to_owned(), options)
}

fn take(source: &mut SqliteSource) -> (Taken, Learnt) {
    let mut taken = Taken::default();
    source.check().expect("readable");
    let learnt = source.collect(&mut taken, &Cancel::new()).expect("readable");
    (taken, learnt)
}

fn program(database: &Path) -> Command {
    let mut command = Command::new("sqlite3");
    command.arg("-batch").arg("-bail").arg(database);
    command
}

fn run(database: &Path, sql: &str) -> String {
    let output = program(database).arg(sql).output().expect("sqlite3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A `sqlite3` that has run `sql` and waits, with whatever it holds.
struct Holder(Child);

impl Holder {
    fn start(database: &Path, sql: &str) -> Self {
        let mut child = program(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sqlite3 is installed");
        let input = child.stdin.as_mut().expect("piped");
        writeln!(input, "{sql}\n.print ready").expect("alive");
        let mut lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
        let ready = lines.any(|line| line.expect("text") == "ready");
        assert!(ready, "sqlite3 ended early");
        Self(child)
    }
}

impl Drop for Holder {
    /// Killed, as by a crash.
    fn drop(&mut self) {
        self.0.kill().expect("own child");
        self.0.wait().expect("own child");
    }
}

fn same_but_for_counters(ours: &[u8], copy: &[u8]) {
    assert_eq!(ours.len(), copy.len());
    let differs = |range: std::ops::Range<usize>| ours[range.clone()] != copy[range];
    assert!(!differs(100..ours.len()), "content");
    let counted = |at: &usize| COUNTED_UP.iter().any(|range| range.contains(at));
    let wrong: Vec<usize> = (0..100).filter(|at| !counted(at) && ours[*at] != copy[*at]).collect();
    assert_eq!(wrong, [0_usize; 0], "offsets in the header");
}

/// What `.backup` makes, and the snapshot, are the same file.
fn equals_a_backup(scene: &Scene) -> (Taken, Learnt) {
    let (taken, learnt) = scene.take();
    let copy = scene.folder.path().join("copy.db");
    run(&scene.database, &format!(".backup '{}'", copy.display()));
    same_but_for_counters(&taken.content, &fs::read(&copy).expect("made"));
    fs::remove_file(copy).expect("made");
    (taken, learnt)
}

const RICH: &str = "
    CREATE TABLE plain(id INTEGER PRIMARY KEY, word TEXT, raw BLOB);
    CREATE INDEX plain_word ON plain(word);
    CREATE TABLE keyed(a TEXT, b INTEGER, PRIMARY KEY(a, b)) WITHOUT ROWID;
    CREATE VIRTUAL TABLE docs USING fts5(title, body);
    CREATE VIEW words AS SELECT word FROM plain;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
      INSERT INTO plain SELECT i, 'word ' || i, randomblob(i * 7) FROM n;
    INSERT INTO keyed SELECT word, id FROM plain;
    INSERT INTO docs SELECT word, hex(raw) FROM plain;
    DELETE FROM plain WHERE id % 3 = 0;";

#[test]
fn every_page_size_and_vacuum_mode() {
    for page_size in [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] {
        for vacuum in ["NONE", "FULL", "INCREMENTAL"] {
            let scene = Scene::new(&format!(
                "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {vacuum}; {RICH}"
            ));
            let (taken, learnt) = equals_a_backup(&scene);
            assert!(
                taken.content == scene.bytes(),
                "at rest, the file itself: {page_size} {vacuum}"
            );
            assert_eq!(learnt.public["page_size"], page_size.to_string());
            assert_eq!(learnt.public["journal_mode"], "rollback");
        }
    }
}

#[test]
fn facts_and_attributes() {
    let scene = Scene::new(RICH);
    fs::set_permissions(&scene.database, fs::Permissions::from_mode(0o640)).expect("own file");
    let now: Timestamp = "2026-01-31T23:59:59Z".parse().expect("a time");
    let (taken, learnt) = take(&mut scene.source().timed_by(Arc::new(FixedClock(now))));
    let metadata = fs::metadata(&scene.database).expect("there");
    assert_eq!(taken.path, "db/hub.db");
    assert_eq!(taken.attributes.mode, 0o640);
    assert_eq!(taken.attributes.uid, metadata.uid());
    assert_eq!(taken.attributes.mtime.seconds, metadata.mtime());
    assert_eq!(learnt.data_time, Some(now));
    assert_eq!(
        learnt.public["page_count"],
        run(&scene.database, "PRAGMA page_count").trim()
    );
    assert_eq!(learnt.public["sqlite_version"], rusqlite::version());
    assert_eq!(learnt.public.len(), 5, "nothing else is public");
    assert_eq!(learnt.private["path"], scene.database.display().to_string());
    assert_eq!(
        learnt.private["table_count"], "8",
        "two, and the virtual one with its five"
    );
    assert_eq!(learnt.private["view_count"], "1");
    assert_eq!(scene.source().kind(), "sqlite");
}

#[test]
fn a_wal_at_rest_is_the_file_itself() {
    let scene = Scene::new(&format!("PRAGMA journal_mode = WAL; {RICH}"));
    assert!(!scene.beside("-wal").exists(), "checkpointed at the close");
    let before = (
        scene.bytes(),
        fs::metadata(&scene.database).expect("there").mtime_nsec(),
    );
    let (taken, learnt) = scene.take();
    assert!(taken.content == before.0);
    assert_eq!(learnt.public["journal_mode"], "wal");
    let after = (
        scene.bytes(),
        fs::metadata(&scene.database).expect("there").mtime_nsec(),
    );
    assert!(before == after, "the file was written");
    assert_eq!(
        fs::metadata(scene.beside("-wal"))
            .expect("as every reader leaves it")
            .len(),
        0
    );
    equals_a_backup(&scene);
}

#[test]
fn committed_frames_of_a_live_wal_are_in_and_others_are_not() {
    let scene = Scene::new(&format!("PRAGMA journal_mode = WAL; {RICH}"));
    let _holder = Holder::start(
        &scene.database,
        "PRAGMA wal_autocheckpoint = 0; CREATE TABLE added(x); INSERT INTO added VALUES (zeroblob(100000));
         PRAGMA cache_size = 1; BEGIN; INSERT INTO added SELECT randomblob(5000) FROM plain;",
    );
    let before = (scene.bytes(), fs::read(scene.beside("-wal")).expect("there"));
    assert!(before.1.len() > 700_000, "uncommitted pages are in the -wal");
    let (taken, _) = equals_a_backup(&scene);
    assert!(taken.content.len() > before.0.len(), "pages that only the -wal has");
    let after = (scene.bytes(), fs::read(scene.beside("-wal")).expect("there"));
    assert!(before == after, "nothing was checkpointed");
}

#[test]
fn a_wal_left_by_a_crash_is_read() {
    let scene = Scene::new(&format!("PRAGMA journal_mode = WAL; {RICH}"));
    drop(Holder::start(
        &scene.database,
        "PRAGMA wal_autocheckpoint = 0; CREATE TABLE added(x); INSERT INTO added SELECT randomblob(900) FROM plain;
         PRAGMA cache_size = 1; BEGIN; DELETE FROM plain; INSERT INTO added SELECT randomblob(5000) FROM added;",
    ));
    // Also where the crash took the whole machine, and the -shm with it.
    for with_shm in [true, false] {
        if !with_shm {
            fs::remove_file(scene.beside("-shm")).expect("left");
        }
        let before = (scene.bytes(), fs::read(scene.beside("-wal")).expect("left"));
        let (taken, _) = scene.take();
        let after = (scene.bytes(), fs::read(scene.beside("-wal")).expect("left"));
        assert!(before == after, "database and -wal are as they were");
        let restored = scene.folder.path().join("restored.db");
        crate::base::durable::write_new(&restored, &taken.content, 0o600).expect("new");
        let counts = "SELECT (SELECT count(*) FROM plain), (SELECT count(*) FROM added); PRAGMA integrity_check";
        assert_eq!(run(&restored, counts), "200|200\nok\n");
        for suffix in ["", "-wal", "-shm"] {
            drop(fs::remove_file(format!("{}{suffix}", restored.display())));
        }
    }
    equals_a_backup(&scene);
}

#[test]
fn a_snapshot_is_held_to_its_end_and_no_longer() {
    for (mode, meanwhile, later) in [("WAL", "1|", "0|"), ("DELETE", "database is locked", "")] {
        let scene = Scene::new(&format!("PRAGMA journal_mode = {mode}; {RICH}"));
        let path = scene.database.clone();
        // A checkpoint that wants to restart the -wal meets the reader; a rollback writer cannot commit.
        let poke = move || {
            let output = program(&path)
                .arg("DELETE FROM plain WHERE id < 50; PRAGMA wal_checkpoint(TRUNCATE)")
                .output()
                .expect("sqlite3 is installed");
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        };
        let poke_again = poke.clone();
        let seen = Arc::new(std::sync::Mutex::new(String::new()));
        let told = Arc::clone(&seen);
        let before = scene.take().0.content;
        let mut taken = Taken {
            after_first_step: Some(Box::new(move || *told.lock().expect("one thread") = poke())),
            ..Taken::default()
        };
        scene.source().collect(&mut taken, &Cancel::new()).expect("readable");
        assert!(taken.content == before, "{mode}: the state at the beginning");
        let seen = seen.lock().expect("one thread").clone();
        assert!(seen.contains(meanwhile), "{mode}: {seen}");
        let released = poke_again();
        assert!(
            released.starts_with(later) && !released.contains("locked"),
            "{mode}: {released}"
        );
        assert!(scene.take().0.content != before);
    }
}

#[test]
fn characters_that_mean_something_in_a_uri() {
    for name in [
        "a?mode=memory.db",
        "b#c.db",
        "d%20e.db",
        "f g.db",
        "file:h.db",
        "ü💾.db",
        "-i.db",
        "it's.db",
    ] {
        let scene = Scene::new("");
        let database = scene.folder.path().join(name);
        let made = rusqlite::Connection::open_with_flags(
            &database,
            rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_CREATE,
        )
        .expect("free");
        made.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1)")
            .expect("room");
        let (taken, _) = take(&mut source(&database));
        assert_eq!(taken.path, format!("db/{name}"));
        assert_eq!(taken.content.len(), 8192, "{name}");
        made.close().expect("idle");
        assert!(fs::read(&database).expect("there") == taken.content, "{name}");
    }
}

#[test]
fn a_symbolic_link_leads_to_the_journals_of_its_target() {
    let scene = Scene::new("PRAGMA journal_mode = WAL; CREATE TABLE t(a)");
    let _holder = Holder::start(
        &scene.database,
        "PRAGMA wal_autocheckpoint = 0; INSERT INTO t VALUES (zeroblob(9000));",
    );
    fs::create_dir(scene.folder.path().join("elsewhere")).expect("free");
    let link = scene.folder.path().join("elsewhere/current.db");
    std::os::unix::fs::symlink("../hub.db", &link).expect("free");
    let (taken, learnt) = take(&mut source(&link));
    assert_eq!(taken.path, "db/current.db");
    assert!(taken.content == scene.take().0.content && taken.content.len() > scene.bytes().len());
    assert!(learnt.private["real_path"].ends_with("/hub.db"));
    assert_eq!(
        fs::read_dir(link.parent().expect("a folder"))
            .expect("a folder")
            .count(),
        1,
        "nothing beside the link"
    );
}

#[test]
fn empty_is_empty() {
    let scene = Scene::new("");
    fs::File::create_new(&scene.database).expect("free");
    let (taken, learnt) = scene.take();
    assert!(taken.content.is_empty() && taken.path == "db/hub.db");
    assert_eq!(learnt.public["page_count"], "0");
    crate::base::durable::write_new(&scene.beside("-wal"), b"frames", 0o600).expect("free");
    scene.refused(Kind::Incomplete, "its -wal is not");
    assert!(scene.beside("-wal").exists());
}

#[test]
fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = source(&folder.path().join("missing.db")).check().expect_err("missing");
    assert_eq!(missing.kind(), Kind::SourceUnreachable);
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).expect("free");
    let dangling = source(&folder.path().join("dangling")).check().expect_err("dangling");
    assert_eq!(dangling.kind(), Kind::SourceUnreachable);
    let error = source(folder.path()).check().expect_err("a folder");
    assert_eq!(error.kind(), Kind::SourceUnsupported);
    assert!(error.hint().expect("a next step").contains("Name the database file"));

    let junk: Vec<u8> = (0..2048_u32)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    for content in [&junk[..], b"short", b"SQLite format 3\0 but nothing else", &[0; 4096]] {
        let scene = Scene::new("");
        crate::base::durable::write_new(&scene.database, content, 0o600).expect("free");
        let error = scene.source().check().expect_err("junk");
        assert!(
            matches!(error.kind(), Kind::SourceUnsupported | Kind::Incomplete),
            "{error}"
        );
    }
    let encrypted = Scene::new("");
    crate::base::durable::write_new(&encrypted.database, &junk, 0o600).expect("free");
    encrypted.refused(Kind::SourceUnsupported, "encrypted");
}

#[test]
fn damage_is_refused() {
    let scene = Scene::new(RICH);
    scene.overwrite(0, &[]);
    let length = scene.bytes().len() as u64;
    let file = fs::OpenOptions::new().write(true).open(&scene.database).expect("there");
    file.set_len(length - 4096).expect("shorter");
    scene.refused(Kind::Incomplete, "damaged");

    let scene = Scene::new(&format!(
        "{RICH} PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE nonsense' WHERE name = 'keyed'"
    ));
    scene.refused(Kind::Incomplete, "malformed database schema");
}

#[test]
fn a_file_that_was_cut_under_its_wal_is_refused() {
    let scene = Scene::new(&format!("PRAGMA journal_mode = WAL; {RICH}"));
    let _holder = Holder::start(
        &scene.database,
        "PRAGMA wal_autocheckpoint = 0; CREATE TABLE added(x); INSERT INTO added VALUES (zeroblob(50000));",
    );
    let whole = scene.take().0.content;
    let length = scene.bytes().len() as u64;
    assert!(whole.len() as u64 > length);
    let file = fs::OpenOptions::new().write(true).open(&scene.database).expect("there");
    file.set_len(length - 5 * 4096).expect("shorter");
    scene.refused(Kind::Incomplete, "bytes");
}

#[test]
fn the_check_finds_what_streaming_does_not() {
    let scene = Scene::new(RICH);
    // A leaf in the middle of the file.
    scene.overwrite(20 * 4096, &[0xff; 4096]);
    assert!(scene.take().0.content == scene.bytes());
    let mut checked = scene.source();
    checked.options.check = true;
    let mut taken = Taken::default();
    let error = checked.collect(&mut taken, &Cancel::new()).expect_err("damaged");
    assert_eq!(error.kind(), Kind::Incomplete, "{error}");
    assert!(taken.path.is_empty(), "nothing was given");

    let sound = Scene::new(RICH);
    let mut checked = sound.source();
    checked.options.check = true;
    assert!(take(&mut checked).0.content == sound.bytes());
}

#[test]
fn a_hot_journal_is_refused() {
    let scene = Scene::new(RICH);
    drop(Holder::start(
        &scene.database,
        "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; UPDATE plain SET raw = randomblob(3000); UPDATE keyed SET b = b + 1;",
    ));
    let journal = fs::read(scene.beside("-journal")).expect("left by the crash");
    scene.refused(Kind::SourceUnsupported, "hot rollback journal");
    assert!(fs::read(scene.beside("-journal")).expect("still there") == journal);
    // The hint is true.
    run(&scene.database, "PRAGMA schema_version");
    assert!(scene.take().0.content == scene.bytes());
}

#[test]
fn an_exclusive_lock_is_waited_for_and_named() {
    for mode in ["DELETE", "WAL"] {
        let scene = Scene::new(&format!("PRAGMA journal_mode = {mode}; {RICH}"));
        let holder = Holder::start(
            &scene.database,
            "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM plain WHERE id = 1;",
        );
        scene.refused(Kind::SourceUnreachable, "exclusively");
        drop(holder);
    }
}

#[test]
fn several_hard_links_are_refused() {
    let scene = Scene::new(RICH);
    fs::hard_link(&scene.database, scene.folder.path().join("other.db")).expect("free");
    scene.refused(Kind::SourceUnsupported, "2 names");
}

#[test]
fn cancel_stops_before_and_within() {
    let scene = Scene::new(RICH);
    let cancel = Cancel::new();
    let flag = cancel.clone();
    let mut taken = Taken {
        after_first_step: Some(Box::new(move || flag.set())),
        ..Taken::default()
    };
    for _ in ["within", "before"] {
        let error = scene.source().collect(&mut taken, &cancel).expect_err("cancelled");
        let interrupted = matches!(
            error,
            Error::Collect {
                source: CollectError::Interrupted(_),
                ..
            }
        );
        assert!(interrupted, "{error:?}");
        assert!(taken.content.len() < 8192);
        taken = Taken::default();
    }
}

#[test]
fn a_collector_that_fails_is_not_the_source_s_fault() {
    let scene = Scene::new(RICH);
    let mut taken = Taken {
        stop_after_first_step: true,
        ..Taken::default()
    };
    let error = scene.source().collect(&mut taken, &Cancel::new()).expect_err("stopped");
    assert!(
        matches!(
            error,
            Error::Collect {
                source: CollectError::Stopped,
                ..
            }
        ),
        "{error:?}"
    );
}

/// Runs one ignored test of this program under `wrapper`, in the folder of `scene`, which everybody may enter.
fn run_inner(scene: &Scene, test: &str, wrapper: &[&str]) {
    let folder = scene.folder.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("own folder");
    let program = folder.join("tests");
    fs::copy(std::env::current_exe().expect("running"), &program).expect("room");
    let output = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg(&program)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .current_dir(folder)
        .output()
        .expect("the wrapper is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

const REMOUNT: &str = "mount --bind media media && mount -o remount,ro,bind media && exec \"$@\"";

#[test]
fn read_only_media() {
    let scene = Scene::new("");
    let media = scene.folder.path().join("media");
    fs::create_dir(&media).expect("free");
    run(&media.join("rollback.db"), RICH);
    run(&media.join("wal #1?.db"), &format!("PRAGMA journal_mode = WAL; {RICH}"));
    run(&media.join("left.db"), &format!("PRAGMA journal_mode = WAL; {RICH}"));
    drop(Holder::start(
        &media.join("left.db"),
        "PRAGMA wal_autocheckpoint = 0; DELETE FROM plain;",
    ));
    for suffix in ["", "-wal"] {
        fs::copy(
            media.join(format!("left.db{suffix}")),
            media.join(format!("lost.db{suffix}")),
        )
        .expect("room");
    }
    let unshare = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-ec",
        REMOUNT,
        "sh",
    ];
    run_inner(&scene, "source::sqlite::tests::inside_read_only_media", &unshare);
}

#[test]
#[ignore = "run by read_only_media in a mount namespace"]
fn inside_read_only_media() {
    let error = fs::File::create_new("media/probe").expect_err("read-only");
    assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
    for name in ["rollback.db", "wal #1?.db"] {
        let path = Path::new("media").join(name);
        let (taken, _) = take(&mut source(&path));
        assert!(taken.content == fs::read(&path).expect("there"), "{name}");
    }
    // With its -wal and -shm, the committed state can be had without writing.
    let (taken, _) = take(&mut source(Path::new("media/left.db")));
    assert!(taken.content != fs::read("media/left.db").expect("there"));
    // Without the -shm it cannot, and the -wal must not be forgotten.
    let error = source(Path::new("media/lost.db")).check().expect_err("needs a -shm");
    assert_eq!(error.kind(), Kind::SourceUnsupported, "{error}");
    assert!(
        error
            .hint()
            .expect("a next step")
            .contains("copy the database and its -wal")
    );
}

#[test]
fn without_permission() {
    let scene = Scene::new("");
    let closed = scene.folder.path().join("closed.db");
    let wal = scene.folder.path().join("wal.db");
    run(&closed, RICH);
    run(&wal, &format!("PRAGMA journal_mode = WAL; {RICH}"));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("own file");
    fs::set_permissions(&wal, fs::Permissions::from_mode(0o644)).expect("own file");
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let wrapper = if rustix::process::geteuid().is_root() {
        &nobody[..]
    } else {
        &["env"][..]
    };
    run_inner(&scene, "source::sqlite::tests::inside_without_permission", wrapper);
    assert!(!scene.folder.path().join("wal.db-shm").exists() || wrapper.len() == 1);
}

#[test]
#[ignore = "run by without_permission as a user without rights"]
fn inside_without_permission() {
    let error = source(Path::new("closed.db")).check().expect_err("closed");
    assert_eq!(error.kind(), Kind::SourceUnsupported);
    assert!(error.to_string().contains("no permission"), "{error}");
    assert!(error.hint().is_some());
    if fs::metadata("wal.db").expect("there").uid() != rustix::process::geteuid().as_raw() {
        let error = source(Path::new("wal.db"))
            .check()
            .expect_err("would lock out the owner");
        assert!(error.to_string().contains("keep its owner"), "{error}");
    }
}

#[test]
fn the_missing_table_is_named_with_its_flag() {
    let connection = rusqlite::Connection::open_in_memory().expect("memory");
    let scene = Scene::new("");
    assert!(snapshot::require_table(&scene.source().subject, &connection, "sqlite_dbpage").is_ok());
    let error =
        snapshot::require_table(&scene.source().subject, &connection, "sqlite_nothing").expect_err("no such table");
    assert_eq!(error.kind(), Kind::SourceUnsupported);
    assert!(
        error
            .hint()
            .expect("a next step")
            .contains("LIBSQLITE3_FLAGS=-DSQLITE_ENABLE_DBPAGE_VTAB")
    );
}
