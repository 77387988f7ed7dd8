//! A local store under real trouble: killed at every system call that changes it, a full disk, a read-only medium,
//! several processes at once. The writers are this very binary, started again with one of the acts of [`child`].

#[path = "support/run.rs"]
mod run;
#[path = "support/sound.rs"]
mod sound;

use std::error::Error;
use std::fs;
use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use hub_backup::audit;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::catalog;
use hub_backup::store;
use hub_backup::store::ObjectName;
use hub_backup::store::Store as _;
use hub_backup::store::local::LocalStore;

/// Every system call that changes the store, and those around it that can fail. `?`: where the machine has it.
const CALLS: [&str; 15] = [
    "write",
    "?pwrite64",
    "openat",
    "fsync",
    "?fdatasync",
    "?link",
    "linkat",
    "?rename",
    "?renameat",
    "?renameat2",
    "?unlink",
    "unlinkat",
    "?mkdir",
    "mkdirat",
    "flock",
];

const SIGKILL: i32 = 9;

fn name(text: &str) -> ObjectName {
    text.parse().expect(text)
}

/// This binary, to do one act on the store at `root`.
fn child_command(program: &[&str], act: &str, root: &Path) -> Command {
    let this = std::env::current_exe().expect("this binary has a path");
    let (first, rest) = program
        .split_first()
        .map_or((None, &[][..]), |(first, rest)| (Some(*first), rest));
    let mut command = match first {
        Some(first) => {
            let mut command = Command::new(first);
            command.args(rest).arg(&this);
            command
        }
        None => Command::new(&this),
    };
    command
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env("HUB_BACKUP_TEST_ACT", act)
        .env("HUB_BACKUP_TEST_ROOT", root)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn spawn(act: &str, root: &Path) -> Child {
    child_command(&[], act, root).spawn().expect("this binary runs")
}

#[test]
#[ignore = "an act of the other tests, in a process of its own"]
#[expect(
    clippy::disallowed_methods,
    reason = "how the other tests tell this process what to do"
)]
#[expect(clippy::exit, reason = "the exit code is what the other tests look at")]
fn child() {
    let root = PathBuf::from(std::env::var_os("HUB_BACKUP_TEST_ROOT").expect("started by another test"));
    let act = std::env::var("HUB_BACKUP_TEST_ACT").expect("started by another test");
    let done = match act.split_once(' ') {
        None if act == "create" => create_and_back_up(&root),
        None if act == "back-up" => open_and_back_up(&root),
        None if act == "full" => fill(&root),
        None if act == "inodes" => use_up_inodes(&root),
        None if act == "read-only" => read_only(&root),
        None if act == "lease" => take_leases(&root),
        None if act == "hold" => hold(&root),
        None if act == "audit" => write_audit(&root),
        Some(("race", writer)) => race(&root, writer),
        _ => panic!("{act:?} is not an act"),
    };
    std::process::exit(done.err().map_or(0, |error| i32::from(kind(&*error).exit_code())));
}

fn kind(error: &(dyn Error + 'static)) -> Kind {
    let of_store = error.downcast_ref::<store::Error>().map(store::Error::kind);
    let of_catalog = || error.downcast_ref::<catalog::Error>().map(catalog::Error::kind);
    let of_audit = || {
        error
            .downcast_ref::<audit::chain::Error>()
            .map(audit::chain::Error::kind)
    };
    let of_write = || error.is::<std::io::Error>().then_some(Kind::StoreUnavailable);
    of_store
        .or_else(of_catalog)
        .or_else(of_audit)
        .or_else(of_write)
        .unwrap_or(Kind::Internal)
}

fn create_and_back_up(root: &Path) -> Result<(), Box<dyn Error>> {
    run::back_up(&LocalStore::create(root.into())?, &run::bundle_id(2))
}

fn open_and_back_up(root: &Path) -> Result<(), Box<dyn Error>> {
    run::back_up(&LocalStore::open(root.into())?, &run::bundle_id(2))
}

// --- killed, and failing calls ---

/// How the child ended under strace, and whether strace did something to it.
struct Traced {
    code: Option<i32>,
    injected: bool,
    log: String,
}

fn trace(act: &str, root: &Path, options: &[&str]) -> Traced {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let path = log.path().to_str().expect("plain");
    let mut program = vec!["strace", "-f", "-qq", "-y", "-o", path];
    program.extend(options);
    let status = child_command(&program, act, root)
        .status()
        .expect("strace is installed");
    let log = String::from_utf8_lossy(&fs::read(log.path()).expect("written by strace")).into_owned();
    let killed = status.signal() == Some(SIGKILL) || log.contains("killed by SIGKILL");
    Traced {
        code: status.code().filter(|_| !killed),
        injected: killed || log.contains("(INJECTED)"),
        log,
    }
}

/// A folder in memory where there is one: some hundred runs sync thousands of files.
fn quick_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    folder.expect("a folder")
}

/// Does `act` with the first, second, … of each call disturbed until the disturbance comes too late, and checks after each
/// that the store is sound. Gives how each disturbed child ended.
fn disturb(act: &str, what: &str) -> Vec<Option<i32>> {
    let mut ends = Vec::new();
    for call in CALLS {
        for n in 1.. {
            let folder = quick_folder();
            let root = folder.path().join("store");
            let mut before = run::Snapshot::new();
            let mut bundles = vec![run::bundle_id(3)];
            if act == "back-up" {
                let store = LocalStore::create(root.clone()).expect("created");
                run::back_up(&store, &run::bundle_id(1)).expect("nothing fails");
                before = run::snapshot(&store);
                bundles.push(run::bundle_id(1));
            }
            let inject = format!("inject={call}:{what}:when={n}");
            let traced = trace(act, &root, &["-e", &format!("trace={call}"), "-e", &inject]);
            bundles.extend((traced.code == Some(0)).then(|| run::bundle_id(2)));
            assert_recovers(&root, &before, &bundles, &format!("{act}: {inject}"));
            if !traced.injected {
                assert_eq!(traced.code, Some(0), "{act}: {inject}: {}", traced.log);
                break;
            }
            ends.push(traced.code);
        }
    }
    ends
}

fn assert_recovers(root: &Path, before: &run::Snapshot, bundles: &[hub_backup::bundle::name::BundleId], context: &str) {
    let store = LocalStore::create(root.into()).expect(context);
    sound::assert_whole(&store, before, context);
    let after = run::snapshot(&store);
    run::back_up(&store, &run::bundle_id(3)).expect(context);
    sound::assert_whole(&store, &after, context);
    sound::assert_sound(&store, bundles, context);
    for set in fs::read_dir(root.join(".tmp")).expect(context) {
        let left = fs::read_dir(set.expect(context).path()).expect(context).count();
        assert_eq!(left, 0, "{context}: a temporary file is left");
    }
}

#[test]
fn killed_at_any_call_the_next_run_finds_a_sound_store() {
    for act in ["create", "back-up"] {
        let ends = disturb(act, "signal=SIGKILL");
        assert!(ends.iter().all(Option::is_none), "{act}: {ends:?}");
        assert!(ends.len() > 50, "{act}: only {} calls", ends.len());
    }
}

#[test]
fn with_no_room_at_any_call_the_run_says_so_and_the_next_succeeds() {
    let ends = disturb("back-up", "error=ENOSPC");
    let unavailable = Some(i32::from(Kind::StoreUnavailable.exit_code()));
    let told = ends.iter().filter(|end| **end == unavailable).count();
    assert!(told > 40, "{ends:?}");
    // The test harness of the child writes and opens files too, before the act.
    assert!(
        ends.iter()
            .all(|end| *end == unavailable || matches!(end, Some(0 | 101 | 127))),
        "{ends:?}"
    );
}

#[test]
fn a_refusal_is_told_as_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().into()).expect("created");
    let traced = trace(
        "back-up",
        store.root(),
        &["-e", "trace=linkat", "-e", "inject=linkat:error=EACCES:when=1"],
    );
    assert!(traced.injected, "{}", traced.log);
    assert_eq!(traced.code, Some(i32::from(Kind::StoreDenied.exit_code())));
}

#[test]
fn bytes_last_before_the_name_and_the_name_before_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("store");
    let traced = trace("create", &root, &["-e", "trace=write,fsync,linkat,?mkdir,mkdirat"]);
    assert_eq!(traced.code, Some(0), "{}", traced.log);
    let outer = folder.path().to_str().expect("plain");
    let lines: Vec<&str> = traced.log.lines().filter(|line| line.contains(outer)).collect();
    let (mut named, mut folders) = (0, 0);
    for (number, line) in lines.iter().enumerate() {
        let quoted: Vec<&str> = line.split('"').collect();
        let (before, after) = (&lines[..number], &lines[number + 1..]);
        if line.contains("linkat(") {
            named += 1;
            let (temporary, target) = (quoted[1], quoted[3]);
            let last = before
                .iter()
                .rev()
                .find(|line| line.contains(temporary))
                .expect("written");
            assert!(last.contains("fsync("), "{target}: {last}");
            assert_synced(after, target);
        } else if line.contains("mkdir") {
            folders += 1;
            assert_synced(after, quoted[1]);
        }
    }
    assert_eq!(named, 5, "bundle, manifest, record, two signatures");
    assert!(folders >= 8, "{folders} folders");
}

/// The next call on the folder of `path` that is no mkdir syncs it.
fn assert_synced(after: &[&str], path: &str) {
    let parent = Path::new(path).parent().expect("below the root");
    let sync = format!("<{}>)", parent.display());
    let next = after
        .iter()
        .position(|line| line.contains("fsync(") && line.contains(&sync));
    let next_link = after
        .iter()
        .position(|line| line.contains("linkat("))
        .unwrap_or(usize::MAX);
    assert!(next.is_some_and(|next| next < next_link), "{path} is not made to last");
}

#[test]
fn what_a_dead_writer_left_visible_lasts_before_anything_is_built_on_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().join("store")).expect("created");
    run::back_up(&store, &run::bundle_id(1)).expect("nothing fails");
    let traced = trace("back-up", store.root(), &["-e", "trace=fsync,linkat"]);
    assert_eq!(traced.code, Some(0), "{}", traced.log);
    let (before, _) = traced.log.split_once("linkat(").expect("objects were made");
    // The folders of its objects, by the sweep; the names of these folders themselves, when they are first used.
    for part in [
        "bundles/hub/2026/01",
        "manifests/hub",
        "bundles/hub/2026",
        "bundles/hub",
        "bundles",
        "",
    ] {
        let synced = format!("<{}>)", store.root().join(part).display()).replace("/>", ">");
        assert!(before.contains(&synced), "{synced} is not synced:\n{before}");
    }
}

// --- file systems ---

/// Runs an act with `mount` done to the folder of its store, out of sight of everybody else.
fn in_mount(act: &str, root: &Path, mount: &str) {
    let script = format!("{mount} && root=$1 && shift && exec \"$@\"");
    let root_text = root.to_str().expect("plain");
    let program = ["unshare", "-rm", "sh", "-euc", &script, "sh", root_text];
    let output = child_command(&program, act, root)
        .stderr(Stdio::piped())
        .output()
        .expect("unshare is installed");
    assert!(
        output.status.success(),
        "{act}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    in_mount("full", folder.path(), "mount -t tmpfs -o size=2m none \"$1\"");
}

fn fill(root: &Path) -> Result<(), Box<dyn Error>> {
    let store = LocalStore::create(root.join("store"))?;
    run::back_up(&store, &run::bundle_id(1))?;
    let before = run::snapshot(&store);
    let mut upload = store.upload(&name("bundles/hub/2026/01/large.hub.tar"))?;
    let piece = vec![7; 100_000];
    let error = (0..100)
        .find_map(|_| upload.write_all(&piece).err())
        .expect("2 MiB are full");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert!(
        upload.write_all(b"more").is_err() && upload.flush().is_err(),
        "a hole must not be hidden"
    );
    assert_eq!(upload.publish().expect_err("not whole").kind(), Kind::StoreUnavailable);
    let small = store
        .put_new(&name("evidence/large"), &vec![7; 4_000_000])
        .expect_err("2 MiB are full");
    let hint = small.hint().expect("says what to do");
    assert_eq!(hint, "Make room in the store and run again; what is there is whole.");
    assert_eq!(run::snapshot(&store), before);
    run::back_up(&store, &run::bundle_id(2))?;
    sound::assert_sound(
        &store,
        &[run::bundle_id(1), run::bundle_id(2)],
        "after the room came back",
    );
    Ok(())
}

#[test]
fn a_disk_without_inodes_is_full_too() {
    let folder = tempfile::tempdir().expect("a folder");
    in_mount(
        "inodes",
        folder.path(),
        "mount -t tmpfs -o size=2m,nr_inodes=30 none \"$1\"",
    );
}

fn use_up_inodes(root: &Path) -> Result<(), Box<dyn Error>> {
    let store = LocalStore::create(root.join("store"))?;
    let put = |number: u32| store.put_new(&name(&format!("evidence/{number}")), b"proof");
    let (number, error) = (0..100)
        .find_map(|number| Some((number, put(number).err()?)))
        .expect("30 inodes are used up");
    assert_eq!(error.kind(), Kind::StoreUnavailable);
    assert_eq!(store.list("")?.len(), usize::try_from(number)?);
    Ok(())
}

#[test]
fn a_read_only_store_can_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().into()).expect("created");
    run::back_up(&store, &run::bundle_id(1)).expect("nothing fails");
    in_mount(
        "read-only",
        folder.path(),
        "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"",
    );
}

fn read_only(root: &Path) -> Result<(), Box<dyn Error>> {
    let store = LocalStore::open(root.into())?;
    sound::assert_whole(&store, &run::Snapshot::new(), "read-only");
    sound::assert_sound(&store, &[run::bundle_id(1)], "read-only");
    let put = store.put_new(&name("evidence/new"), b"new").expect_err("read-only");
    let lease = store.lease(&run::set()).err().expect("read-only");
    assert_eq!((put.kind(), lease.kind()), (Kind::StoreDenied, Kind::StoreDenied));
    Ok(())
}

// --- several processes ---

fn all_succeed(children: Vec<Child>) {
    for mut child in children {
        assert_eq!(child.wait().expect("ended").code(), Some(0));
    }
}

const RACED: usize = 100;

#[test]
fn of_two_processes_one_gets_a_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().into()).expect("created");
    all_succeed(
        ["one", "two"]
            .map(|writer| spawn(&format!("race {writer}"), store.root()))
            .into(),
    );
    let mut total = 0;
    for writer in ["one", "two"] {
        let wins = store.get(&name(&format!("evidence/{writer}")), 10_000).expect("stored");
        for won in String::from_utf8(wins).expect("text").lines() {
            assert_eq!(store.get(&name(won), 10).expect("won"), writer.as_bytes());
            total += 1;
        }
    }
    assert_eq!(total, RACED);
}

fn race(root: &Path, writer: &str) -> Result<(), Box<dyn Error>> {
    let store = LocalStore::open(root.into())?;
    let mut wins = String::new();
    for number in 0..RACED {
        let object = format!("evidence/race/{number}");
        match store.put_new(&name(&object), writer.as_bytes()) {
            Ok(()) => wins.extend([object.as_str(), "\n"]),
            Err(store::Error::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(store.put_new(&name(&format!("evidence/{writer}")), wins.as_bytes())?)
}

#[test]
fn one_process_at_a_time_holds_a_lease() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().into()).expect("created");
    all_succeed((0..3).map(|_| spawn("lease", store.root())).collect());
}

fn take_leases(root: &Path) -> Result<(), Box<dyn Error>> {
    let store = LocalStore::open(root.into())?;
    let inside = root.join("inside");
    let mut taken = 0;
    while taken < 100 {
        match store.lease(&run::set()) {
            Ok(_lease) => {
                OpenOptions::new().write(true).create_new(true).open(&inside)?;
                thread::yield_now();
                fs::remove_file(&inside)?;
                taken += 1;
            }
            Err(store::Error::Locked { .. }) => thread::yield_now(),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[test]
fn a_lease_dies_with_its_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().into()).expect("created");
    let mut holder = spawn("hold", store.root());
    let held = name("evidence/held");
    for _ in 0..1000 {
        if store.open(&held).is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        store.lease(&run::set()).err().map(|error| error.kind()),
        Some(Kind::Locked)
    );
    holder.kill().expect("it sleeps");
    holder.wait().expect("killed");
    let lease = store.lease(&run::set()).expect("free");
    assert_eq!(store.sweep(&*lease).expect("swept"), 1);
}

/// Holds the lease with half an object written, until it is killed.
fn hold(root: &Path) -> Result<(), Box<dyn Error>> {
    let store = LocalStore::open(root.into())?;
    let _lease = store.lease(&run::set())?;
    let mut upload = store.upload(&name("bundles/hub/half"))?;
    upload.write_all(b"half")?;
    store.put_new(&name("evidence/held"), b"held")?;
    thread::sleep(Duration::from_secs(60));
    Ok(())
}

#[test]
fn records_of_many_processes_make_one_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().into()).expect("created");
    all_succeed((0..4).map(|_| spawn("audit", store.root())).collect());
    let report = audit::check::check(&store, None).expect("checked");
    assert_eq!((report.records, report.unsigned, report.problems), (100, 0, Vec::new()));
}

fn write_audit(root: &Path) -> Result<(), Box<dyn Error>> {
    let store = LocalStore::open(root.into())?;
    for _ in 0..25 {
        audit::chain::append(&store, &run::draft(), Some(&|bytes| Ok(run::signatures_over(bytes))))?;
    }
    Ok(())
}
