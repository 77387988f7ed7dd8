//! What is refused, with its kind and its next step; and what read-only media allow.

use super::*;

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
    let missing = source(&folder.path().join("missing.db"))
        .check(&Cancel::new())
        .expect_err("missing");
    assert_eq!(missing.kind(), Kind::SourceUnreachable);
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).expect("free");
    let dangling = source(&folder.path().join("dangling"))
        .check(&Cancel::new())
        .expect_err("dangling");
    assert_eq!(dangling.kind(), Kind::SourceUnreachable);
    let error = source(folder.path()).check(&Cancel::new()).expect_err("a folder");
    assert_eq!(error.kind(), Kind::SourceUnsupported);
    assert!(error.hint().expect("a next step").contains("Name the database file"));

    let junk: Vec<u8> = (0..2048_u32)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    for content in [&junk[..], b"short", b"SQLite format 3\0 but nothing else", &[0; 4096]] {
        let scene = Scene::new("");
        crate::base::durable::write_new(&scene.database, content, 0o600).expect("free");
        let error = scene.source().check(&Cancel::new()).expect_err("junk");
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

    let sound = Scene::new(RICH);
    let mut checked = sound.source();
    checked.options.check = true;
    assert!(take(&mut checked).0.content == sound.bytes());
}

#[test]
fn rows_that_the_schema_forbids_are_no_damage() {
    let scene = Scene::new(
        "CREATE TABLE t(a INTEGER CHECK (a > 0), b TEXT, c TEXT CHECK (c REGEXP 'x'));
         PRAGMA ignore_check_constraints = 1; INSERT INTO t VALUES (-1, NULL, 'y');
         PRAGMA writable_schema = 1;
         UPDATE sqlite_schema SET sql = replace(sql, 'b TEXT', 'b TEXT NOT NULL') WHERE name = 't'",
    );
    let mut checked = scene.source();
    checked.options.check = true;
    assert!(take(&mut checked).0.content == scene.bytes());
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
    run_inner(
        &scene,
        "source::sqlite::tests::refusals::inside_read_only_media",
        &unshare,
    );
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
    let error = source(Path::new("media/lost.db"))
        .check(&Cancel::new())
        .expect_err("needs a -shm");
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
    run_inner(
        &scene,
        "source::sqlite::tests::refusals::inside_without_permission",
        as_nobody(),
    );
    assert!(!scene.folder.path().join("wal.db-shm").exists() || as_nobody().len() == 1);
}

/// The wrapper that gives up the rights of root, where there are any.
fn as_nobody() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    } else {
        &["env"]
    }
}

#[test]
#[ignore = "run by without_permission as a user without rights"]
fn inside_without_permission() {
    let error = source(Path::new("closed.db"))
        .check(&Cancel::new())
        .expect_err("closed");
    assert_eq!(error.kind(), Kind::SourceUnsupported);
    assert!(error.to_string().contains("no permission"), "{error}");
    assert!(error.hint().is_some());
    if fs::metadata("wal.db").expect("there").uid() != rustix::process::geteuid().as_raw() {
        let error = source(Path::new("wal.db"))
            .check(&Cancel::new())
            .expect_err("would lock out the owner");
        assert!(error.to_string().contains("keep its owner"), "{error}");
    }
}

/// POSIX gives up the locks of a process on a file when it closes any descriptor of that file.
#[test]
fn the_check_does_not_give_up_the_lock() {
    let scene = Scene::named("held.db", RICH);
    fs::set_permissions(&scene.database, fs::Permissions::from_mode(0o644)).expect("own file");
    let (streaming, tried) = (scene.folder.path().join("streaming"), scene.folder.path().join("tried"));
    let write = || {
        wait_for(&streaming);
        // The check runs meanwhile, and ends.
        std::thread::sleep(Duration::from_millis(500));
        let output = program(&scene.database).arg("DELETE FROM plain WHERE id < 50").output();
        fs::File::create_new(&tried).expect("free");
        String::from_utf8_lossy(&output.expect("sqlite3 is installed").stderr).into_owned()
    };
    let said = std::thread::scope(|scope| {
        let writer = scope.spawn(write);
        run_inner(
            &scene,
            "source::sqlite::tests::refusals::inside_the_check_does_not_give_up_the_lock",
            as_nobody(),
        );
        writer.join().expect("no panic")
    });
    assert!(said.contains("database is locked"), "a writer got in: {said}");
}

#[test]
#[ignore = "run by the_check_does_not_give_up_the_lock as a user that does not own the database"]
fn inside_the_check_does_not_give_up_the_lock() {
    let mut checked = source(Path::new("held.db"));
    checked.options.check = true;
    let mut taken = Taken {
        after_first_step: Some(Box::new(|| {
            fs::File::create_new("streaming").expect("free");
            wait_for(Path::new("tried"));
        })),
        ..Taken::default()
    };
    checked.collect(&mut taken, &Cancel::new()).expect("sound");
    let now = fs::read("held.db").expect("there");
    assert!(taken.content == now, "a writer got in while the pages were read");
}

fn wait_for(path: &Path) {
    let begun = std::time::Instant::now();
    while !path.exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{} did not come",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(10));
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
