//! One suite over every store: what the trait promises, and what holds when a call fails.

#[path = "support/faulty.rs"]
mod faulty;
#[path = "support/run.rs"]
mod run;
#[path = "support/sound.rs"]
mod sound;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::thread;

use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::store::Error;
use hub_backup::store::ObjectName;
use hub_backup::store::Store;
use hub_backup::store::local::LocalStore;
use hub_backup::store::mem::MemStore;

use faulty::Faulty;
use faulty::When;

fn name(text: &str) -> ObjectName {
    text.parse().expect(text)
}

fn listed(store: &dyn Store, prefix: &str) -> Vec<(String, u64)> {
    let listed = store.list(prefix).expect("listed");
    listed
        .into_iter()
        .map(|listed| (listed.name.to_string(), listed.bytes))
        .collect()
}

/// A local store in a new folder, which goes with the first value.
fn local() -> (tempfile::TempDir, LocalStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().join("new/store")).expect("created");
    (folder, store)
}

/// Every temporary file below the root.
fn leftovers(root: &Path) -> Vec<PathBuf> {
    let Ok(sets) = fs::read_dir(root.join(".tmp")) else {
        return Vec::new();
    };
    let files = |folder: PathBuf| fs::read_dir(folder).expect("a folder");
    let files = sets.flat_map(|set| files(set.expect("an entry").path()));
    files.map(|file| file.expect("an entry").path()).collect()
}

fn each_store(case: impl Fn(&dyn Store)) {
    case(&MemStore::new());
    let (_folder, store) = local();
    case(&store);
    assert_eq!(leftovers(store.root()), [] as [PathBuf; 0]);
}

#[test]
fn an_object_is_whole_or_absent() {
    each_store(|store| {
        let object = name("bundles/hub/2026/01/a.tar");
        let content: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut upload = store.upload(&object).expect("free");
        for piece in content.chunks(70_001) {
            upload.write_all(piece).expect("written");
        }
        upload.flush().expect("flushed");
        assert!(matches!(store.open(&object).err(), Some(Error::NotFound { .. })));
        assert_eq!(listed(store, ""), []);
        upload.publish().expect("published");
        assert_eq!(store.get(&object, u64::MAX).expect("there"), content);
        let reader = store.open(&object).expect("there");
        assert_eq!(reader.len(), 4_000_000);
        let mut middle = [0; 8];
        reader.read_exact_at(&mut middle, 400_000).expect("inside");
        assert_eq!(middle, content[400_000..400_008]);
        reader.read_exact_at(&mut middle, 3_999_993).expect_err("over the end");
    });
}

#[test]
fn odd_write_sizes_join() {
    each_store(|store| {
        for (number, size) in [0_usize, 1, 262_143, 262_144, 262_145, 600_000].into_iter().enumerate() {
            let object = name(&format!("evidence/{number}"));
            let content: Vec<u8> = (0_u8..=250).cycle().take(3 * size + 5).collect();
            let (head, tail) = content.split_at(5);
            let mut upload = store.upload(&object).expect("free");
            upload.write_all(head).expect("written");
            for piece in tail.chunks(size.max(1)) {
                upload.write_all(piece).expect("written");
            }
            upload.publish().expect("published");
            assert_eq!(store.get(&object, u64::MAX).expect("there"), content, "{size}");
        }
    });
}

#[test]
fn a_dropped_upload_leaves_nothing() {
    each_store(|store| {
        let object = name("evidence/drill");
        let mut upload = store.upload(&object).expect("free");
        upload.write_all(&vec![7; 600_000]).expect("written");
        drop(upload);
        assert_eq!(listed(store, ""), []);
        store.put_new(&object, b"whole").expect("still free");
    });
}

#[test]
fn a_name_is_taken_once() {
    each_store(|store| {
        let object = name("audit/0000000001.json");
        let late = store.upload(&object).expect("free");
        store.put_new(&object, b"first").expect("free");
        let again = store.put_new(&object, b"second").expect_err("taken");
        let text = format!(
            "{}: audit/0000000001.json exists, and nothing in a store is overwritten",
            store.describe()
        );
        assert_eq!(again.to_string(), text);
        assert!(matches!(store.upload(&object).err(), Some(Error::Exists { .. })));
        assert!(matches!(late.publish(), Err(Error::Exists { .. })));
        assert_eq!(store.get(&object, 5).expect("there"), b"first");
    });
}

#[test]
fn of_many_writers_one_wins() {
    each_store(|store| {
        let object = name("audit/0000000001.json");
        let wins: usize = thread::scope(|scope| {
            let put = |writer: u8| store.put_new(&object, &[writer; 1000]).is_ok();
            let writers: Vec<_> = (0..8).map(|writer| scope.spawn(move || put(writer))).collect();
            writers
                .into_iter()
                .map(|writer| usize::from(writer.join().expect("no panic")))
                .sum()
        });
        assert_eq!(wins, 1);
        let content = store.get(&object, 1000).expect("there");
        assert_eq!(content, [content[0]; 1000]);
    });
}

#[test]
fn get_is_bounded() {
    each_store(|store| {
        let object = name("repository.json");
        store.put_new(&object, b"12345").expect("free");
        assert_eq!(store.get(&object, 5).expect("fits"), b"12345");
        assert!(matches!(
            store.get(&object, 4),
            Err(Error::TooLarge { bytes_max: 4, .. })
        ));
        let absent = store.get(&name("repository.json.asc"), 4).expect_err("absent");
        assert_eq!(absent.kind(), Kind::NotFound);
        assert!(matches!(
            store.get(&name("repository.json/a"), 4),
            Err(Error::NotFound { .. })
        ));
    });
}

#[test]
fn lists_are_sorted_and_cut_at_components() {
    each_store(|store| {
        for object in ["b/hub/2", "b/hub/1", "b/hub-x/1", "b/hub.y", "a", "b/hubs/1"] {
            store.put_new(&name(object), object.as_bytes()).expect("free");
        }
        let all: Vec<_> = ["a", "b/hub-x/1", "b/hub.y", "b/hub/1", "b/hub/2", "b/hubs/1"]
            .map(|object| (object.to_owned(), object.len() as u64))
            .into();
        assert_eq!(listed(store, ""), all);
        assert_eq!(listed(store, "b"), all[1..]);
        assert_eq!(listed(store, "b/hub"), all[3..5]);
        assert_eq!(listed(store, "a"), all[..1]);
        for nothing in ["c", "b/hu", "a/b", "b/", "/", "..", "../..", ".tmp", "b/../a"] {
            assert_eq!(listed(store, nothing), [], "{nothing:?}");
        }
    });
}

#[test]
fn a_set_has_one_writer() {
    each_store(|store| {
        let (hub, other) = (run::set(), "other".parse().expect("plain"));
        let lease = store.lease(&hub).expect("free");
        assert_eq!(lease.set(), &hub);
        let second = store.lease(&hub).err().expect("held");
        assert_eq!(second.kind(), Kind::Locked);
        let third = store.lease(&other).expect("another set");
        drop(lease);
        drop((store.lease(&hub).expect("free again"), third));
    });
}

#[test]
fn a_run_is_sound_or_can_be_repeated_whichever_call_fails() {
    for when in [When::Before, When::After] {
        let memory = failures(when, || (MemStore::new(), ()));
        let local = failures(when, || {
            let (folder, store) = local();
            (store, folder)
        });
        // Both stores are called alike: the count proves that every call of the run was made to fail.
        assert_eq!(memory, local, "{when:?}");
        assert!(memory > 20, "{when:?}: {memory} calls");
    }
}

/// Makes the first, second, … call fail until none does; gives the number of calls.
fn failures<S: Store, K>(when: When, make: impl Fn() -> (S, K)) -> u64 {
    for n in 1.. {
        let (store, _keep) = make();
        let context = format!("{when:?} call {n}");
        run::back_up(&store, &run::bundle_id(1)).expect("nothing fails");
        let before = run::snapshot(&store);
        let result = run::back_up(&Faulty::new(&store, when, n), &run::bundle_id(2));
        sound::assert_whole(&store, &before, &context);
        let after = run::snapshot(&store);
        run::back_up(&store, &run::bundle_id(3)).expect(&context);
        sound::assert_whole(&store, &after, &context);
        let mut bundles = vec![run::bundle_id(1), run::bundle_id(3)];
        bundles.extend(result.is_ok().then(|| run::bundle_id(2)));
        sound::assert_sound(&store, &bundles, &context);
        if result.is_ok() {
            return n - 1;
        }
    }
    unreachable!("the range has no end")
}

#[test]
fn modes_keep_others_out() {
    let (_folder, store) = local();
    run::back_up(&store, &run::bundle_id(1)).expect("nothing fails");
    let mode = |path: &Path| fs::symlink_metadata(path).expect("there").permissions().mode() & 0o7777;
    let mut seen = BTreeSet::new();
    let mut folders = vec![store.root().to_owned()];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o750, "{}", folder.display());
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                folders.push(entry.path());
            } else {
                let is_lock = entry.path().extension().is_some_and(|extension| extension == "lock");
                seen.insert((is_lock, mode(&entry.path())));
            }
        }
    }
    assert_eq!(seen, BTreeSet::from([(false, 0o440), (true, 0o640)]));
}

#[test]
fn links_and_pipes_are_refused() {
    let (folder, store) = local();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).expect("created");
    store.put_new(&name("evidence/real"), b"real").expect("free");
    fs::hard_link(store.root().join("evidence/real"), outside.join("secret")).expect("linked");
    symlink(&outside, store.root().join("bundles")).expect("linked");
    symlink(outside.join("secret"), store.root().join("evidence/linked")).expect("linked");
    let pipe = store.root().join("evidence/pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(pipe)
            .status()
            .expect("mkfifo")
            .success()
    );

    for object in ["bundles/secret", "evidence/linked", "evidence/pipe"] {
        let error = store.get(&name(object), 100).expect_err(object);
        assert_eq!(error.kind(), Kind::StoreDenied, "{error}");
    }
    let write = store.put_new(&name("bundles/hub/new"), b"new").expect_err("leads out");
    assert_eq!(write.kind(), Kind::StoreDenied);
    assert!(matches!(
        store.put_new(&name("evidence/linked"), b"new"),
        Err(Error::Exists { .. })
    ));
    assert_eq!(
        fs::read_dir(&outside).expect("a folder").count(),
        1,
        "nothing was written outside"
    );
    assert_eq!(listed(&store, ""), [("evidence/real".into(), 4)]);
    for prefix in ["bundles", "bundles/hub"] {
        let error = store.list(prefix).expect_err("leads out");
        assert_eq!(error.kind(), Kind::StoreDenied);
    }
}

#[test]
fn the_root_may_be_a_link() {
    let (folder, store) = local();
    store.put_new(&name("a"), b"a").expect("free");
    symlink(store.root(), folder.path().join("link")).expect("linked");
    let linked = LocalStore::open(folder.path().join("link")).expect("leads to a store");
    assert_eq!(listed(&linked, ""), [("a".into(), 1)]);
    linked.put_new(&name("b/c"), b"b").expect("free");
    assert_eq!(listed(&store, "b"), [("b/c".into(), 1)]);
}

#[test]
fn foreign_and_hidden_files_are_no_objects() {
    let (_folder, store) = local();
    for file in [".hidden", "with space", "lost+found"] {
        fs::create_dir(store.root().join(file)).expect("created");
    }
    store.put_new(&name("a"), b"a").expect("free");
    fs::hard_link(store.root().join("a"), store.root().join("lost+found/a")).expect("linked");
    fs::hard_link(store.root().join("a"), store.root().join(".hidden/a")).expect("linked");
    assert_eq!(listed(&store, ""), [("a".into(), 1)]);
}

#[test]
fn a_sweep_removes_what_the_dead_left_and_nothing_else() {
    let (_folder, store) = local();
    let (hub, other) = (run::set(), "other".parse().expect("plain"));
    let (lease, other_lease) = (store.lease(&hub).expect("free"), store.lease(&other).expect("free"));
    // Who is killed drops nothing.
    let abandon = |object: &str| {
        let mut upload = store.upload(&name(object)).expect("free");
        upload.write_all(b"half").expect("written");
        upload
    };
    std::mem::forget(abandon("bundles/hub/dead"));
    let alive = (abandon("bundles/other/alive"), abandon("evidence/alive"));
    assert_eq!(leftovers(store.root()).len(), 3);
    assert_eq!(store.sweep(&*lease).expect("swept"), 1);
    assert_eq!(store.sweep(&*lease).expect("swept"), 0);
    alive.0.publish().expect("not swept");
    alive.1.publish().expect("not swept");
    assert_eq!(leftovers(store.root()), [] as [PathBuf; 0]);
    assert_eq!(store.sweep(&*other_lease).expect("swept"), 0);
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = LocalStore::open(folder.path().join("none")).expect_err("no such folder");
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    let store = LocalStore::create(folder.path().join("store")).expect("created");
    fs::remove_dir(store.root()).expect("empty");
    let error = store.put_new(&name("a"), b"a").expect_err("unmounted");
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    assert!(!store.root().exists());
    for error in [store.get(&name("a"), 1).map(drop), store.list("").map(drop)] {
        assert_eq!(error.expect_err("unmounted").kind(), Kind::StoreUnavailable);
    }
}
