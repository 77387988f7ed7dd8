//! The whole program under real trouble: killed at every system call that lasts, killed and told to stop at any
//! moment, without room at any call and on a disk that is full. After each, what was there is there unchanged, what
//! is visible is whole, and the next run succeeds and finds everything in order.

#![expect(clippy::print_stdout, reason = "how many cases there were is worth knowing")]

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;

use std::fs;
use std::path::Path;
use std::process::Child;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use hub_backup::audit;
use hub_backup::audit::AuditRecord;
use hub_backup::base::cancel::Cancel;
use hub_backup::base::durable;
use hub_backup::base::progress::Silent;
use hub_backup::bundle::name::SetName;
use hub_backup::catalog::chain;
use hub_backup::catalog::walk;
use hub_backup::flow::verify::Measure;
use hub_backup::flow::verify::verify;
use hub_backup::job::bundles;
use hub_backup::keyring::openpgp;
use hub_backup::keyring::trust::TrustStore;
use hub_backup::policy::crypto::KeyPolicy;
use hub_backup::seal;
use hub_backup::store::Store;
use hub_backup::store::local::LocalStore;

use crate::cli::PROGRAM;
use crate::cli::Ran;
use crate::cli::World;

const SIGKILL: i32 = 9;

/// Every system call that makes, names or removes something, or makes it last. `?`: where the machine has it.
const LASTING: [&str; 11] = [
    "fsync",
    "?fdatasync",
    "?link",
    "linkat",
    "?rename",
    "?renameat2",
    "?unlink",
    "unlinkat",
    "?mkdir",
    "mkdirat",
    "write",
];

/// A store with one good bundle, and what it is measured by.
struct Room {
    world: World,
    trust: TrustStore,
    set: SetName,
    /// Every object of the store.
    before: Vec<(String, Vec<u8>)>,
}

impl Room {
    fn new() -> Self {
        let world = World::new();
        world.write("data/one.txt", b"one\n");
        world.write("data/folder/two.txt", b"two\n");
        world.write("large/noise", &noise(2_500_000));
        for number in 0..150 {
            world.write(&format!("large/small/{number}"), format!("{number}\n").as_bytes());
        }
        world.script("sqlite3 hub.db 'CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(500000));'");
        world.settings(
            "[sets.hub]\nsources = [\"files:data\"]\n\
             [sets.large]\nsources = [\"files:large\", \"sqlite:hub.db\"]",
        );
        world.good(&["backup", "hub"]);
        let certificates = |name| openpgp::read_certificates(&world.read(name)).expect("a certificate");
        let trust = TrustStore {
            pinned: certificates("keys/root.asc"),
            known: certificates("keys/signer.asc"),
        };
        let before = objects(&world.path("store"));
        Self {
            trust,
            before,
            world,
            set: "hub".parse().expect("plain"),
        }
    }

    /// A copy of the store, for one case.
    fn case(&self) -> Case<'_> {
        let folder = tempfile::Builder::new().prefix("case-").tempdir_in(self.world.path(""));
        let folder = folder.expect("a folder");
        self.world
            .script(&format!("cp -a store/. '{}'", folder.path().display()));
        Case { room: self, folder }
    }

    /// A store without bundles, for one case.
    fn empty_case(&self) -> Case<'_> {
        let folder = tempfile::Builder::new().prefix("case-").tempdir_in(self.world.path(""));
        let folder = folder.expect("a folder");
        self.world
            .script(&format!("cp store/repository.json '{}'", folder.path().display()));
        Case { room: self, folder }
    }
}

/// A store in which something goes wrong.
struct Case<'r> {
    room: &'r Room,
    folder: tempfile::TempDir,
}

impl Case<'_> {
    fn path(&self) -> &str {
        self.folder.path().to_str().expect("plain")
    }

    fn store(&self) -> LocalStore {
        LocalStore::open(self.folder.path().to_owned()).expect("there")
    }

    /// A backup to this store: of the set `hub`, or of its chain with the sources of another set.
    fn backup<'a>(&'a self, sources: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["backup", "hub", "--store", self.path()];
        for source in sources {
            arguments.extend(["--source", source]);
        }
        arguments
    }

    fn traced(&self, strace: &[&str], arguments: &[&str]) -> Traced {
        traced(&self.room.world, strace, arguments)
    }

    /// What must hold at every moment: what was there is there unchanged, and what is visible is whole. Gives the
    /// number of bundles.
    fn assert_whole(&self, was_there: bool, context: &str) -> usize {
        let now = objects(self.folder.path());
        for known in self.room.before.iter().filter(|_| was_there) {
            assert!(now.contains(known), "{context}: {} changed", known.0);
        }
        self.assert_verifies(false, context)
    }

    fn assert_verifies(&self, linked: bool, context: &str) -> usize {
        let (store, set, keys) = (self.store(), &self.room.set, KeyPolicy::default());
        let visible = chain::bundles(&store, set).expect(context);
        for id in &visible {
            let found = bundles::open(&store, set.clone(), id.clone()).expect(context);
            let measure = Measure {
                trust: &self.room.trust,
                keys: &keys,
                name: found.name,
                chain: linked.then_some(&store as &dyn Store),
                checkpoint: None,
                jobs: 1,
            };
            if let Err(error) = verify(found.object, &measure, &Silent, &Cancel::new()) {
                panic!("{context}: {id} is visible and not whole: {error:?}");
            }
        }
        visible.len()
    }

    /// The next run succeeds, takes up what is whole, and removes the rest.
    fn assert_recovers(&self, context: &str) {
        let world = &self.room.world;
        let visible = chain::bundles(&self.store(), &self.room.set).expect(context).len();
        let ran = world.run(&self.backup(&[])).expect_code(0, context);
        assert_eq!(ran.stderr, "", "{context}");
        let (store, set) = (self.store(), &self.room.set);
        assert_eq!(walk::walk(&store, set).expect(context).problems, [], "{context}");
        assert_eq!(self.assert_verifies(true, context), visible + 1, "{context}");
        assert_eq!(
            chain::links(&store, set).expect(context).count(),
            visible + 1,
            "{context}"
        );
        let check = |bytes: &[u8], signatures: &[u8]| {
            let bad = audit::check::BadSignatures::invalid;
            let record = AuditRecord::parse(bytes).map_err(|error| bad(error.to_string()))?;
            let opened = seal::open(bytes, signatures, &self.room.trust, record.at);
            opened.map(drop).map_err(|error| bad(error.to_string()))
        };
        let report = audit::check::check(&store, Some(&check)).expect(context);
        assert_eq!(report.problems, [], "{context}");
        assert_eq!(leftovers(self.folder.path()), [""; 0], "{context}");
    }
}

/// The objects of a store: what is not hidden.
fn objects(store: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = cli::files(store);
    found.retain(|(name, _)| !name.starts_with('.'));
    found
}

/// The names of temporary files and folders below a folder.
fn leftovers(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let entry = entry.expect("readable");
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(durable::TEMP_PREFIX) {
                found.push(name);
            } else if entry.file_type().expect("readable").is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found
}

/// A run under strace, and whether strace did something to it.
struct Traced {
    ran: Ran,
    injected: bool,
}

impl Traced {
    /// The exit code; none when it was killed.
    fn code(&self) -> Option<i32> {
        self.ran.code.filter(|_| self.ran.signal != Some(SIGKILL))
    }
}

fn traced(world: &World, strace: &[&str], arguments: &[&str]) -> Traced {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let output = world
        .command("strace")
        .args(["-f", "-qq", "-o"])
        .arg(log.path())
        .args(strace)
        .arg(PROGRAM)
        .args(arguments)
        .output();
    let ran = Ran::new(output.expect("strace is installed"));
    let log = fs::read(log.path()).expect("written by strace");
    let log = String::from_utf8_lossy(&log);
    let injected = ran.signal == Some(SIGKILL) || log.contains("(INJECTED)") || log.contains("killed by SIGKILL");
    Traced { ran, injected }
}

/// Numbers that look random and are the same at every run.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A moment before `end`.
    fn moment(&mut self, end: Duration) -> Duration {
        let micros = u64::try_from(end.as_micros()).expect("short");
        Duration::from_micros(self.roll() % micros.max(1))
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

// --- backup ---

/// Sources that take a while.
const LARGE: [&str; 2] = ["files:large", "sqlite:hub.db"];

fn spawn(world: &World, arguments: &[&str]) -> Child {
    let mut command = world.command(PROGRAM);
    let command = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program was built")
}

/// How long a run takes that is let alone: the shortest of three.
fn duration(mut run: impl FnMut()) -> Duration {
    let times = (0..3).map(|_| {
        let begin = Instant::now();
        run();
        begin.elapsed()
    });
    times.min().expect("three")
}

fn killed_at(call: &str, step: usize, first: bool) -> usize {
    let room = Room::new();
    let mut cases = 0;
    for n in (1..).step_by(step) {
        let case = if first { room.empty_case() } else { room.case() };
        let (trace, inject) = (
            format!("trace={call}"),
            format!("inject={call}:signal=SIGKILL:when={n}"),
        );
        let traced = case.traced(&["-e", &trace, "-e", &inject], &case.backup(&[]));
        let visible = case.assert_whole(!first, &inject);
        if traced.code() == Some(0) {
            assert_eq!(visible, usize::from(!first) + 1, "{inject}");
        }
        case.assert_recovers(&inject);
        if !traced.injected {
            traced.ran.expect_code(0, &inject);
            break;
        }
        assert_eq!(traced.code(), None, "{inject}");
        cases += 1;
    }
    cases
}

#[test]
fn killed_at_every_call_that_lasts_the_next_run_finds_a_sound_store() {
    let cases: Vec<_> = LASTING.iter().map(|call| (*call, killed_at(call, 1, false))).collect();
    println!("killed at {cases:?}");
    assert!(cases.iter().map(|(_, cases)| cases).sum::<usize>() > 35, "{cases:?}");
}

#[test]
fn killed_at_every_opened_file_the_next_run_finds_a_sound_store() {
    let cases = killed_at("openat", 1, false);
    println!("killed at openat {cases}");
    assert!(cases > 40, "{cases}");
}

#[test]
fn the_first_run_killed_anywhere_leaves_a_store_that_can_be_used() {
    let calls = ["?mkdir", "mkdirat", "linkat", "fsync"];
    let cases: Vec<_> = calls.iter().map(|call| (*call, killed_at(call, 1, true))).collect();
    println!("killed at {cases:?}");
    assert!(cases.iter().map(|(_, cases)| cases).sum::<usize>() > 25, "{cases:?}");
}

fn killed_at_any_moment(seed: u64, times: u32) {
    let room = Room::new();
    let mut dice = Dice::new(seed);
    let long = duration(|| {
        let case = room.case();
        room.world.good(&case.backup(&LARGE));
    });
    let (mut early, mut published, mut done) = (0, 0, 0);
    for number in 0..times {
        let case = room.case();
        let moment = dice.moment(long + long / 10);
        let context = format!("seed {seed}, number {number}, after {moment:?} of {long:?}");
        let mut child = spawn(&room.world, &case.backup(&LARGE));
        thread::sleep(moment);
        child.kill().expect("own child");
        let code = child.wait().expect("own child").code();
        match (case.assert_whole(true, &context), code) {
            (2, Some(0)) => done += 1,
            (2, None) => published += 1,
            (1, None) => early += 1,
            other => panic!("{context}: {other:?}"),
        }
        case.assert_recovers(&context);
    }
    println!("killed {early} times before, {published} times after it was published; {done} came too late");
    assert!(early > times / 4, "{early} of {times}");
}

#[test]
fn killed_at_any_moment_the_next_run_finds_a_sound_store() {
    killed_at_any_moment(1, 100);
}

#[test]
fn killed_at_another_hundred_moments_the_next_run_finds_a_sound_store() {
    killed_at_any_moment(2, 100);
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-s", name, &id]).status();
    assert!(sent.expect("kill is installed").success());
}

#[test]
fn told_to_stop_at_any_moment_nothing_is_published_and_nothing_is_left() {
    let room = Room::new();
    let mut dice = Dice::new(3);
    let long = duration(|| {
        let case = room.case();
        room.world.good(&case.backup(&LARGE));
    });
    let (mut before, mut stopped, mut done) = (0, 0, 0);
    for number in 0..400 {
        // On a busy machine most are stopped before they have begun: go on until enough were at work.
        if number >= 40 && stopped >= 10 {
            break;
        }
        let case = room.case();
        let name = ["TERM", "INT"][number % 2];
        let moment = dice.moment(long);
        let context = format!("{name}, number {number}, after {moment:?} of {long:?}");
        let child = spawn(&room.world, &case.backup(&LARGE));
        thread::sleep(moment);
        signal(&child, name);
        let ran = Ran::new(child.wait_with_output().expect("own child"));
        assert_eq!(leftovers(case.folder.path()), [""; 0], "{context}");
        let visible = case.assert_whole(true, &context);
        match (ran.code, ran.signal) {
            (Some(0), _) => {
                assert_eq!(visible, 2, "{context}");
                done += 1;
            }
            (Some(3), _) => {
                assert_eq!(visible, 1, "{context}");
                assert!(
                    ran.stderr.contains("nothing was published"),
                    "{context}: {}",
                    ran.stderr
                );
                stopped += 1;
            }
            // Before it listens to signals it has not begun.
            (None, Some(2 | 15)) => {
                assert_eq!(objects(case.folder.path()), room.before, "{context}");
                before += 1;
            }
            other => panic!("{context}: {other:?}: {}", ran.stderr),
        }
        case.assert_recovers(&context);
    }
    println!("told to stop {before} times before it began, {stopped} times while it worked; {done} came too late");
    assert!(stopped >= 10, "{stopped}");
}

#[test]
fn told_to_stop_while_a_command_stalls_it_stops_the_command_too() {
    let room = Room::new();
    for name in ["TERM", "INT", "HUP"] {
        let case = room.case();
        let source = "command:slow=sh -c 'echo begun; echo $$ > slow.pid; exec sleep 300'";
        let begin = Instant::now();
        let child = spawn(&room.world, &case.backup(&[source]));
        let pid = room.world.path("slow.pid");
        while fs::read(&pid).map_or(0, |text| text.len()) == 0 {
            assert!(begin.elapsed() < Duration::from_secs(20), "it begins");
            thread::sleep(Duration::from_millis(5));
        }
        signal(&child, name);
        let ran = Ran::new(child.wait_with_output().expect("own child")).expect_code(3, name);
        assert!(ran.stderr.contains("nothing was published"), "{}", ran.stderr);
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "{name}: {:?}",
            begin.elapsed()
        );
        let pid = String::from_utf8(room.world.read("slow.pid")).expect("digits");
        assert!(
            !Path::new(&format!("/proc/{}", pid.trim())).exists(),
            "{name}: it runs on"
        );
        fs::remove_file(room.world.path("slow.pid")).expect("there");
        assert_eq!(leftovers(case.folder.path()), [""; 0], "{name}");
        assert_eq!(case.assert_whole(true, name), 1);
        case.assert_recovers(name);
    }
}

/// Calls that need room.
const NEED_ROOM: [&str; 7] = [
    "write",
    "?pwrite64",
    "fsync",
    "linkat",
    "?copy_file_range",
    "?mkdir",
    "mkdirat",
];

#[test]
fn without_room_at_any_call_the_run_says_so_and_the_next_succeeds() {
    let room = Room::new();
    let (mut told, mut cases) = (0, 0);
    for call in NEED_ROOM {
        for (n, from) in (1..).flat_map(|n| [(n, ""), (n, "+")]) {
            let case = room.case();
            let inject = format!("inject={call}:error=ENOSPC:when={n}{from}");
            let traced = case.traced(&["-e", &format!("trace={call}"), "-e", &inject], &case.backup(&[]));
            let visible = case.assert_whole(true, &inject);
            let ran = &traced.ran;
            assert_eq!(leftovers(case.folder.path()), [""; 0], "{inject}");
            if ran.stderr.contains("nothing was published") {
                assert_eq!(visible, 1, "{inject}: {}", ran.stderr);
            }
            match ran.code {
                Some(0) => assert_eq!(visible, 2, "{inject}"),
                Some(50) => {
                    // Without room for any write, there is none for the words either.
                    let is_mute = call == "write" && from == "+";
                    assert!(
                        is_mute || ran.stderr.contains("No space left"),
                        "{inject}: {}",
                        ran.stderr
                    );
                    told += 1;
                }
                // All is done, and stdout has no room for the words.
                Some(1) => {
                    assert!(ran.stderr.contains("stdout") || ran.stderr.is_empty(), "{}", ran.stderr);
                    assert_eq!(visible, 2, "{inject}");
                }
                other => panic!("{inject}: {other:?}: {}", ran.stderr),
            }
            case.assert_recovers(&inject);
            if !traced.injected {
                break;
            }
            cases += 1;
        }
    }
    println!("without room at {cases} calls, told {told} times");
    assert!(told > 40, "{told}");
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let room = Room::new();
    let script = r#"
        mkdir full; mount -t tmpfs -o size=2m none full; cp -a store full/store
        store="$PWD/full/store"
        code=0; "$PROGRAM" backup hub --store "$store" --source files:large 2> said || code=$?
        test $code = 50; grep -q 'No space left' said; grep -q 'nothing was published' said
        test -z "$(find full -name '.hub-tmp-*')"
        "$PROGRAM" verify --all --store "$store" > /dev/null
        dd if=/dev/zero of=full/filler bs=1k 2> filler || true
        code=0; "$PROGRAM" backup hub --store "$store" 2> said || code=$?
        test $code = 50
        "$PROGRAM" verify --all --store "$store" > /dev/null
        rm full/filler
        "$PROGRAM" backup hub --store "$store" > /dev/null
        "$PROGRAM" verify --all --store "$store" > verified
        grep -q '^2 bundles, 0 not proven' verified
        test -z "$(find full -name '.hub-tmp-*')"
    "#;
    let output = room
        .world
        .command("unshare")
        .args(["-rm", "bash", "-euxc", script])
        .env("PROGRAM", PROGRAM)
        .output();
    Ran::new(output.expect("unshare is installed")).expect_code(0, "full disk");
}

// --- restore ---

/// A bundle with a folder and a database, and where they are restored.
struct Restore {
    room: Room,
}

const TARGETS: [&str; 2] = ["place", "place.db"];

impl Restore {
    fn new() -> Self {
        let room = Room::new();
        room.world.good(&["backup", "large"]);
        Self { room }
    }

    /// A folder for one case.
    fn case(&self) -> tempfile::TempDir {
        let folder = tempfile::Builder::new()
            .prefix("case-")
            .tempdir_in(self.room.world.path(""));
        folder.expect("a folder")
    }

    fn arguments(case: &Path) -> Vec<String> {
        let [folder, database] = TARGETS.map(|name| case.join(name).display().to_string());
        let to = [
            "--to".to_owned(),
            format!("large=files:{folder}"),
            "--to".to_owned(),
            format!("hub.db=sqlite:{database}"),
        ];
        let words = ["restore", "latest", "--set", "large"].map(str::to_owned);
        words.into_iter().chain(to).collect()
    }

    /// What has its name is whole. Gives how many of the targets have.
    fn assert_whole(&self, case: &Path, context: &str) -> usize {
        let [folder, database] = TARGETS.map(|name| case.join(name));
        let mut there = 0;
        if folder.exists() {
            let restored = cli::files(&folder);
            assert!(
                restored == self.room.world.files("large"),
                "{context}: the folder differs"
            );
            there += 1;
        }
        if database.exists() {
            let restored = fs::read(&database).expect("readable");
            assert!(
                restored == self.room.world.read("hub.db"),
                "{context}: the database differs"
            );
            there += 1;
        }
        for entry in fs::read_dir(case).expect("readable") {
            let name = entry.expect("readable").file_name();
            let name = name.to_str().expect("plain");
            let known = TARGETS.contains(&name) || name.starts_with(durable::TEMP_PREFIX);
            assert!(known, "{context}: {name} is no known name");
        }
        there
    }

    /// Once more: what was left is swept, and the restore succeeds.
    fn assert_recovers(&self, case: &Path, context: &str) {
        for name in TARGETS.map(|name| case.join(name)) {
            let removed = if name.is_dir() {
                fs::remove_dir_all(name)
            } else {
                fs::remove_file(name)
            };
            drop(removed);
        }
        let were_left = !leftovers(case).is_empty();
        let ran = self.run(case).expect_code(0, context);
        assert_eq!(self.assert_whole(case, context), 2, "{context}");
        assert_eq!(leftovers(case), [""; 0], "{context}");
        let said = ran.stderr.contains("leftovers of killed restores removed beside");
        assert_eq!(said, were_left, "{context}: {}", ran.stderr);
    }

    fn run(&self, case: &Path) -> Ran {
        let arguments = Self::arguments(case);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.room.world.run(&arguments)
    }

    fn spawn(&self, case: &Path) -> Child {
        let arguments = Self::arguments(case);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        spawn(&self.room.world, &arguments)
    }
}

#[test]
fn a_restore_killed_at_any_moment_leaves_no_half_target() {
    let restore = Restore::new();
    let mut dice = Dice::new(4);
    let long = duration(|| {
        let case = restore.case();
        restore.run(case.path()).expect_code(0, "let alone");
    });
    let mut targets = [0; 3];
    let mut left = 0;
    for number in 0..50 {
        let case = restore.case();
        let moment = dice.moment(long + long / 10);
        let context = format!("number {number}, after {moment:?} of {long:?}");
        let mut child = restore.spawn(case.path());
        thread::sleep(moment);
        child.kill().expect("own child");
        let _killed = child.wait().expect("own child");
        targets[restore.assert_whole(case.path(), &context)] += 1;
        left += leftovers(case.path()).len();
        restore.assert_recovers(case.path(), &context);
    }
    println!("killed with 0, 1, 2 targets in place: {targets:?}; {left} leftovers");
    assert!(targets[0] > 10 && left > 0, "{targets:?}, {left}");
}

#[test]
fn a_restore_killed_at_any_call_is_swept_by_the_next() {
    let restore = Restore::new();
    let (mut cases, mut left) = (0, 0);
    let calls = [
        "flock",
        "write",
        "?pwrite64",
        "?mkdir",
        "mkdirat",
        "?unlink",
        "unlinkat",
        "?renameat2",
        "linkat",
        "fsync",
        "?fdatasync",
        "syncfs",
        "?fchmod",
        "?utimensat",
    ];
    for call in calls {
        for n in stepped(call) {
            let case = restore.case();
            let inject = format!("inject={call}:signal=SIGKILL:when={n}");
            let arguments = Restore::arguments(case.path());
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let trace = format!("trace={call}");
            let traced = traced(&restore.room.world, &["-e", &trace, "-e", &inject], &arguments);
            let _there = restore.assert_whole(case.path(), &inject);
            left += usize::from(!leftovers(case.path()).is_empty());
            if !traced.injected {
                break;
            }
            restore.assert_recovers(case.path(), &inject);
            cases += 1;
        }
    }
    println!("killed at {cases} calls, with leftovers after {left}");
    assert!(left > 30, "{left}");
}

#[test]
fn a_restore_that_is_at_work_is_not_swept() {
    let restore = Restore::new();
    let case = restore.case();
    let arguments = Restore::arguments(case.path());
    let mut slow = restore.room.world.command("strace");
    let slow = slow
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-e"])
        .arg("inject=renameat2:delay_enter=4000000")
        .arg(PROGRAM)
        .args(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let slow = slow.spawn().expect("strace is installed");
    let begin = Instant::now();
    // Both targets are staged, each with its claim.
    while leftovers(case.path()).len() < 4 {
        assert!(begin.elapsed() < Duration::from_secs(20), "it begins");
        thread::sleep(Duration::from_millis(5));
    }
    let staged = leftovers(case.path());
    restore.run(case.path()).expect_code(0, "another one, faster");
    assert_eq!(restore.assert_whole(case.path(), "the faster one"), 2);
    for name in staged {
        assert!(case.path().join(&name).exists(), "{name} was swept");
    }
    let slow = Ran::new(slow.wait_with_output().expect("own child")).expect_code(40, "the slower one");
    assert!(slow.stderr.contains("will not restore to"), "{}", slow.stderr);
    assert_eq!(leftovers(case.path()), [""; 0]);
}

#[test]
fn an_init_killed_at_any_call_is_swept_by_the_next() {
    let world = World::new();
    let (mut cases, mut left) = (0, 0);
    for exists in [false, true] {
        for call in ["flock", "fsync", "?mkdir", "mkdirat", "?renameat2", "?unlink", "linkat"] {
            for n in (1..).step_by(3) {
                world.script(if exists { "mkdir -p new/hub" } else { "mkdir new" });
                let inject = format!("inject={call}:signal=SIGKILL:when={n}");
                let trace = format!("trace={call}");
                let arguments = ["init", "new/hub", "--no-passphrase", "--algorithm", "ed25519"];
                let traced = traced(&world, &["-e", &trace, "-e", &inject], &arguments);
                left += usize::from(!leftovers(&world.path("new")).is_empty());
                // A folder that was there before is filled piece by piece: what has a name by then stays.
                let begun = fs::read_dir(world.path("new/hub")).is_ok_and(|mut all| {
                    all.any(|entry| !entry.expect("readable").file_name().to_string_lossy().starts_with('.'))
                });
                let again = world.run(&arguments);
                if begun {
                    drop(again.expect_code(40, &inject));
                } else {
                    drop(again.expect_code(0, &inject));
                    assert_eq!(leftovers(&world.path("new")), [""; 0], "{inject}");
                }
                world.script("rm -r new");
                if !traced.injected {
                    break;
                }
                cases += 1;
            }
        }
    }
    println!("killed at {cases} calls, with leftovers after {left}");
    assert!(left > 20, "{left}");
}

#[test]
fn a_restore_told_to_stop_leaves_nothing() {
    let restore = Restore::new();
    let mut dice = Dice::new(5);
    let long = duration(|| {
        let case = restore.case();
        restore.run(case.path()).expect_code(0, "let alone");
    });
    let (mut before, mut stopped, mut done) = (0, 0, 0);
    for number in 0..400 {
        // On a busy machine most are stopped before they have begun: go on until enough were at work.
        if number >= 50 && stopped >= 10 {
            break;
        }
        let case = restore.case();
        let name = ["TERM", "INT"][number % 2];
        let moment = dice.moment(long);
        let context = format!("{name}, number {number}, after {moment:?} of {long:?}");
        let child = restore.spawn(case.path());
        thread::sleep(moment);
        signal(&child, name);
        let ran = Ran::new(child.wait_with_output().expect("own child"));
        assert_eq!(leftovers(case.path()), [""; 0], "{context}");
        let there = restore.assert_whole(case.path(), &context);
        match (ran.code, ran.signal, there) {
            (Some(0), _, 2) => done += 1,
            (Some(3 | 41), _, 0) => {
                assert!(ran.stderr.contains("interrupted"), "{context}: {}", ran.stderr);
                stopped += 1;
            }
            (None, Some(2 | 15), 0) => before += 1,
            other => panic!("{context}: {other:?}: {}", ran.stderr),
        }
        restore.assert_recovers(case.path(), &context);
    }
    println!("told to stop {before} times before it began, {stopped} times while it worked; {done} came too late");
    assert!(stopped >= 10, "{stopped}");
}

#[test]
fn a_restore_without_room_at_any_call_leaves_nothing() {
    let restore = Restore::new();
    let (mut cases, mut failed) = (0, 0);
    let calls = [
        "write",
        "?pwrite64",
        "fsync",
        "linkat",
        "?renameat2",
        "syncfs",
        "?fallocate",
        "?ftruncate",
    ];
    for call in calls {
        for n in stepped(call) {
            let case = restore.case();
            let inject = format!("inject={call}:error=ENOSPC:when={n}");
            let arguments = Restore::arguments(case.path());
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let trace = format!("trace={call}");
            let traced = traced(&restore.room.world, &["-e", &trace, "-e", &inject], &arguments);
            assert_eq!(leftovers(case.path()), [""; 0], "{inject}");
            let there = restore.assert_whole(case.path(), &inject);
            match (traced.ran.code, there) {
                // Where the audit log has no room, the restore is done all the same.
                (Some(0), 2) => {}
                // Of two targets, the first has its name when the second gets none.
                (Some(41), 0 | 1) => failed += 1,
                (Some(1), 2) => assert!(traced.ran.stderr.contains("stdout"), "{}", traced.ran.stderr),
                other => panic!("{inject}: {other:?}: {}", traced.ran.stderr),
            }
            if !traced.injected {
                break;
            }
            cases += 1;
        }
    }
    println!("without room at {cases} calls, {failed} of them of the targets");
    assert!(failed > 15, "{failed}");
}

/// Which of many calls to disturb: all of the first, then fewer and fewer.
fn stepped(_call: &str) -> impl Iterator<Item = usize> {
    (1..20).chain((20..).step_by(17))
}
