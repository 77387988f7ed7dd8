//! What is backed up: every form of database, live, crashed and at rest.

use super::*;

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
    assert_eq!(scene.source().kind(), crate::bundle::kind::SourceKind::Sqlite);
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
