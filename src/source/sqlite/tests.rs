//! Every form of database that SQLite knows, and every refusal. The databases are made by the `sqlite3` program.

mod forms;
mod refusals;

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
use crate::base::cancel::Cancel;
use crate::base::clock::FixedClock;
use crate::base::digest::Digest;
use crate::base::fault::Fault as _;
use crate::base::fault::Kind;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Extent;
use crate::bundle::entry::NodeWithoutContent;
use crate::bundle::entry::OpenStream;
use crate::bundle::entry::Rows;

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

    fn part(&mut self, _: &mut OpenStream, _: &[u8]) -> Result<(), CollectError> {
        panic!("only files are given")
    }

    fn end(&mut self, _: OpenStream, _: Option<Rows>) -> Result<(u64, Digest), CollectError> {
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
        let error = self.source().check(&Cancel::new()).expect_err(words);
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
    source.check(&Cancel::new()).expect("readable");
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
