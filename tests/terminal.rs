//! What needs a terminal or signals: prompts, the progress bar, interruptions, panics.
//!
//! Each test runs one of the ignored tests below as a process of its own.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "these tests need a part of it")]
mod world;

use std::env;
use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::panic;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use hub_backup::bundle::manifest::Role;
use hub_backup::cli::args::GlobalArgs;
use hub_backup::cli::context::Context;
use hub_backup::cli::error::CliError;
use hub_backup::cli::output::Printer;
use hub_backup::cli::prompt;
use hub_backup::cli::prompt::Wanted;
use hub_backup::cli::report;
use hub_backup::config::environment::Environment;
use hub_backup::keyring::make::SuiteFeatures;

use crate::world::PROGRAM;
use crate::world::Ran;
use crate::world::SEARCH_PATH;
use crate::world::World;
use crate::world::make_key;

const PATIENCE: Duration = Duration::from_secs(20);

fn context() -> Context {
    Context::new(GlobalArgs::default(), Environment::of_process())
}

/// Speaks to the test that started this process.
#[expect(clippy::print_stdout, reason = "the test at the other end reads it")]
fn say(line: &str) {
    println!("\n{line}");
}

#[test]
#[ignore = "run by other tests"]
fn child_asks() {
    let wanted = Wanted {
        purpose: "the passphrase of the key".into(),
        source: None,
        options: prompt::SIGNER,
    };
    say(&format!("PID {}", std::process::id()));
    match prompt::new_passphrase(&context(), &wanted) {
        Ok(secret) => say(&format!("GOT {} bytes", secret.expose().len())),
        Err(error) => say(&format!("CODE {}", report::report(&error, Printer::default()))),
    }
}

#[test]
#[ignore = "run by other tests"]
fn child_waits() {
    let cancel = context().cancel().expect("handlers are allowed");
    say("READY");
    let begin = Instant::now();
    while !cancel.is_set() && begin.elapsed() < Duration::from_secs(2) {
        thread::sleep(Duration::from_millis(10));
    }
    say(if cancel.is_set() { "STOPPING" } else { "UNDISTURBED" });
    if cancel.is_set() {
        thread::sleep(PATIENCE);
    }
}

#[test]
#[ignore = "run by other tests"]
fn child_works() {
    let progress = context().progress();
    progress.begin("reading", Some(2048));
    progress.advance(1024);
    thread::sleep(Duration::from_millis(600));
    progress.end();
    say("DONE");
}

#[test]
#[ignore = "run by other tests"]
fn child_panics() {
    report::hide_panics();
    let caught = panic::catch_unwind(|| panic!("needle"));
    assert!(caught.is_err());
    say(&format!("CODE {}", report::panicked(Printer::default())));
}

/// The command line that runs one of the tests above.
fn child(name: &str) -> Vec<String> {
    let program = env::current_exe().expect("this test").display().to_string();
    [
        &program,
        "--exact",
        name,
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn spawn(words: &[String]) -> Child {
    Command::new(&words[0])
        .args(&words[1..])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} is needed by this test: {error}", words[0]))
}

fn with(tool: &[&str], name: &str) -> Vec<String> {
    tool.iter().map(|word| (*word).to_owned()).chain(child(name)).collect()
}

/// On a terminal of its own, by `script` of util-linux.
fn on_terminal(name: &str) -> Child {
    let command = child(name).join(" ");
    spawn(&["script", "-qec", &command, "/dev/null"].map(str::to_owned))
}

/// Reads stdout until it has `text`, and gives what was read.
fn read_until(child: &mut Child, text: &str) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    let out = child.stdout.as_mut().expect("a pipe");
    while !String::from_utf8_lossy(&read).contains(text) {
        let count = out.read(&mut byte).expect("it can be read");
        assert!(count == 1, "no {text:?} in {:?}", String::from_utf8_lossy(&read));
        read.push(byte[0]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Types a line, a moment later, as the terminal becomes silent just after the prompt.
fn type_line(child: &mut Child, line: &str) {
    thread::sleep(Duration::from_millis(200));
    child
        .stdin
        .as_mut()
        .expect("a pipe")
        .write_all(line.as_bytes())
        .expect("it listens");
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(status.expect("kill is there").success());
}

fn output(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_new_passphrase_is_asked_for_twice_and_not_echoed() {
    let mut child = on_terminal("child_asks");
    let mut shown = read_until(&mut child, "The passphrase of the key: ");
    type_line(&mut child, "sesame\n");
    shown += &read_until(&mut child, "The same again: ");
    type_line(&mut child, "sesame\n");
    shown += &read_until(&mut child, "GOT 6 bytes");
    assert!(!shown.contains("sesame"), "{shown}");
    drop(output(child));
}

#[test]
fn a_passphrase_can_be_corrected_while_it_is_typed() {
    let mut child = on_terminal("child_asks");
    drop(read_until(&mut child, "The passphrase of the key: "));
    type_line(&mut child, "other\x15sessa\x7f\x7fame\n");
    drop(read_until(&mut child, "The same again: "));
    type_line(&mut child, "sesame\n");
    drop(read_until(&mut child, "GOT 6 bytes"));
    drop(output(child));
}

#[test]
fn a_passphrase_that_the_terminal_cuts_is_refused() {
    let mut child = on_terminal("child_asks");
    drop(read_until(&mut child, "The passphrase of the key: "));
    type_line(&mut child, &"x".repeat(5000));
    type_line(&mut child, "\n");
    let shown = read_until(&mut child, "CODE 2");
    assert!(shown.contains("longer than a terminal gives"), "{shown}");
    drop(output(child));
}

#[test]
fn two_passphrases_that_differ_are_refused() {
    let mut child = on_terminal("child_asks");
    drop(read_until(&mut child, "The passphrase of the key: "));
    type_line(&mut child, "sesame\n");
    drop(read_until(&mut child, "The same again: "));
    type_line(&mut child, "sesam\n");
    let shown = read_until(&mut child, "CODE 2");
    assert!(shown.contains("differ"), "{shown}");
    drop(output(child));
}

#[test]
fn an_interrupt_at_the_prompt_gives_the_terminal_back() {
    let mut child = on_terminal("child_asks");
    drop(read_until(&mut child, "The passphrase of the key: "));
    type_line(&mut child, "ses\x03");
    let shown = read_until(&mut child, "CODE 3");
    assert!(shown.contains("cannot ask for the passphrase of the key"), "{shown}");
    drop(output(child));
}

#[test]
fn a_signal_at_the_prompt_is_an_interruption() {
    let mut child = on_terminal("child_asks");
    let shown = read_until(&mut child, "The passphrase of the key: ");
    let pid = shown
        .split("PID ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let pid = pid.expect("it says so").to_owned();
    let status = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(status.expect("kill is there").success());
    let shown = read_until(&mut child, "CODE ") + &read_until(&mut child, "\n");
    assert!(shown.contains("CODE 3"), "{shown}");
    drop(output(child));
}

#[test]
fn without_a_terminal_the_options_are_named() {
    let (_, out, err) = output(spawn(&with(&["setsid", "-w"], "child_asks")));
    assert!(out.contains("CODE 2"), "{out}");
    assert!(err.contains("there is no terminal to ask for it"), "{err}");
    assert!(
        err.contains("hint: Give it with --signer-passphrase-file, HUB_BACKUP_SIGNER_PASSPHRASE_FILE"),
        "{err}"
    );
}

/// A world whose recipient is a plugin of age that asks, and the search path with that plugin.
fn world_of_a_plugin() -> (World, String) {
    let world = World::new();
    world.write("data/note", b"the only copy\n");
    world.write("secrets/pin.key", b"AGE-PLUGIN-HUBPIN-1MSUZA0\n");
    world.settings("[sets.data]\nsources = [\"files:data\"]\n");
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/plugin");
    (world, format!("{}:{SEARCH_PATH}", plugins.display()))
}

const SEAL: &str = "backup data --recipient age1hubpin1pzry9x8ghp9tgy --suite gnupg --recipient keys/gnupg.asc";
const OPEN: &str = "restore latest --identity secrets/pin.key --to back";

/// The program in `world`, on a terminal of its own.
fn program_on_terminal(world: &World, path: &str, arguments: &str) -> Child {
    // The shell goes on after an interrupt, to tell how the program ended.
    line_on_terminal(
        world,
        path,
        &format!("trap : INT; {PROGRAM} {arguments}; echo ENDED $?"),
    )
}

fn line_on_terminal(world: &World, path: &str, line: &str) -> Child {
    let mut script = world.command("script");
    let script = script
        .args(["-qec", line, "/dev/null"])
        .env("PATH", path)
        .env("TERM", "xterm");
    let piped = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    piped.spawn().expect("script of util-linux is needed by this test")
}

#[test]
fn a_plugin_of_age_asks_at_the_terminal() {
    let (world, path) = world_of_a_plugin();
    let mut child = program_on_terminal(&world, &path, SEAL);
    let shown = read_until(&mut child, "1 or 2? ");
    assert!(
        shown.contains("age-plugin-hubpin: Seal for card 7?\r\n  1 Seal\r\n  2 Leave it\r\n"),
        "{shown:?}"
    );
    type_line(&mut child, "yes\n");
    drop(read_until(&mut child, "1 or 2? "));
    type_line(&mut child, "1\n");
    drop(read_until(&mut child, "ENDED 0"));
    drop(output(child));

    let mut child = program_on_terminal(&world, &path, OPEN);
    let mut shown = read_until(&mut child, "age-plugin-hubpin: Name on card 7: ");
    assert!(
        shown.contains("age-plugin-hubpin: insert card 7\\x1b[2J"),
        "escaped: {shown:?}"
    );
    type_line(&mut child, "hub\n");
    shown += &read_until(&mut child, "age-plugin-hubpin: PIN of card 7: ");
    type_line(&mut child, "1234\n");
    shown += &read_until(&mut child, "ENDED 0");
    assert!(!shown.contains("1234"), "{shown:?}");
    drop(output(child));
    assert_eq!(world.read("back/data/note"), b"the only copy\n");

    // What is wrong, left out or interrupted is said, and nothing is restored.
    for (name, pin, code, said) in [
        ("hub\n", "4321\n", 1, "the PIN is wrong"),
        ("hub\n", "\n", 2, "and got no answer"),
        ("\x03", "", 3, "interrupted while age-plugin-hubpin asked"),
        ("hub\n", "12\x03", 3, "interrupted while age-plugin-hubpin asked"),
    ] {
        let mut child = program_on_terminal(&world, &path, &OPEN.replace("back", "again"));
        drop(read_until(&mut child, "Name on card 7: "));
        type_line(&mut child, name);
        if !pin.is_empty() {
            drop(read_until(&mut child, "PIN of card 7: "));
            type_line(&mut child, pin);
        }
        let shown = read_until(&mut child, "ENDED ");
        assert!(shown.contains(said), "{shown:?}");
        assert!(read_until(&mut child, "\r").starts_with(&code.to_string()), "{shown:?}");
        drop(output(child));
        assert!(!world.path("again").exists());
    }
}

/// Runs the program on a terminal, answers each question there, and gives the exit code and what was shown. A question more would wait
/// for an answer until the run is ended with 124.
fn answered(world: &World, path: &str, arguments: &str, answers: &[(&str, &str)]) -> (i32, String) {
    let line = format!("timeout --foreground 60 {PROGRAM} {arguments}; echo ENDED $?.");
    let mut child = line_on_terminal(world, path, &line);
    let mut shown = String::new();
    for (question, answer) in answers {
        shown += &read_until(&mut child, question);
        type_line(&mut child, &format!("{answer}\n"));
    }
    shown += &read_until(&mut child, "ENDED ");
    let code = read_until(&mut child, ".");
    drop(output(child));
    let code = code.trim_end_matches('.').parse().expect("an exit code");
    (code, shown)
}

#[test]
fn a_plugin_of_age_asks_once_for_a_command() {
    let (world, path) = world_of_a_plugin();
    let (code, shown) = answered(&world, &path, SEAL, &[("1 or 2? ", "1")]);
    assert_eq!(code, 0, "{shown:?}");
    for arguments in [
        "cat latest data/note",
        "ls latest",
        "restore latest --plan --to back",
        "verify latest --deep",
    ] {
        let arguments = format!("{arguments} --identity secrets/pin.key");
        let answers = [("Name on card 7: ", "hub"), ("PIN of card 7: ", "1234")];
        let (code, shown) = answered(&world, &path, &arguments, &answers);
        assert_eq!(code, 0, "{arguments}: {shown:?}");
        assert!(!shown.contains("1234"), "{shown:?}");
    }
}

const PASSPHRASE: &str = "seven sesame seeds";

/// What reads a bundle, and what each shows of it.
const READERS: [(&str, &str); 5] = [
    ("ls latest", "data/note"),
    ("cat latest data/note", "the only copy"),
    ("restore latest --plan --to back", "data/note"),
    ("verify latest --deep", "decrypted and compared"),
    ("restore latest --verify-sig --to back", "restored"),
];

/// Reads a bundle with a locked key in each way, the passphrase typed; then with a wrong one, with none, and with nobody to ask.
fn read_with_locked_key(world: &World, options: &str, key: &str) {
    let question = format!("The passphrase of the key {key}: ");
    for (arguments, says) in READERS {
        let arguments = format!("{arguments} {options} --identity {key}");
        let (code, shown) = answered(world, SEARCH_PATH, &arguments, &[(&question, PASSPHRASE)]);
        assert_eq!(code, 0, "{arguments}: {shown:?}");
        assert!(shown.contains(says), "{arguments}: {shown:?}");
        assert!(!shown.contains(PASSPHRASE), "{arguments}: {shown:?}");
    }
    assert_eq!(world.read("back/data/note"), b"the only copy\n");
    fs::remove_dir_all(world.path("back")).expect("it was restored");

    let arguments = format!("restore latest --to again {options} --identity {key}");
    for (answer, code, says) in [("sesame", 12, "the passphrase does not"), ("", 2, "nothing was typed")] {
        let (ended, shown) = answered(world, SEARCH_PATH, &arguments, &[(&question, answer)]);
        assert_eq!(ended, code, "{shown:?}");
        assert!(shown.contains(says), "{shown:?}");
    }
    let mut command = world.command("setsid");
    let command = command.args(["-w", PROGRAM]).args(arguments.split(' '));
    let ran = Ran::new(command.output().expect("setsid is needed by this test"));
    let ran = ran.expect_code(12, &arguments);
    assert!(
        ran.stderr.contains("is locked with a passphrase, and none is given"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("give it with --identity-passphrase-file"),
        "{}",
        ran.stderr
    );
    assert!(!world.path("again").exists());
}

#[test]
fn what_init_made_is_used_with_typed_passphrases() {
    let world = World::new();
    world.write("data/note", b"the only copy\n");
    let answers = [
        ("The passphrase of the keys that leave this host: ", PASSPHRASE),
        ("The same again: ", PASSPHRASE),
    ];
    let (code, shown) = answered(&world, SEARCH_PATH, "init box --name hub", &answers);
    assert_eq!(code, 0, "{shown:?}");
    assert!(!shown.contains(PASSPHRASE), "{shown:?}");
    let options = "--config box/hub-backup.toml";
    // The signing key of `init` is not locked: nobody is asked, as a timer needs it.
    for arguments in ["backup hub --source files:data", "verify latest --set hub"] {
        let (code, shown) = answered(&world, SEARCH_PATH, &format!("{arguments} {options}"), &[]);
        assert_eq!(code, 0, "{arguments}: {shown:?}");
    }
    read_with_locked_key(&world, options, "box/move-offline/recipient-operations.key");
}

#[test]
fn a_locked_signing_key_is_asked_for() {
    let world = World::new();
    world.write("data/note", b"the only copy\n");
    let signer = make_key(Role::Signer, SuiteFeatures::Rfc9580, Some(PASSPHRASE));
    world.write("secrets/locked.key", signer.secret.expose().as_bytes());
    world.write("keys/locked.asc", signer.public.as_bytes());
    let options = "--root keys/locked.asc --signer secrets/locked.key";
    let arguments = format!("backup --set data --source files:data {options}");
    let question = "The passphrase of the signing key secrets/locked.key: ";
    let (code, shown) = answered(&world, SEARCH_PATH, &arguments, &[(question, PASSPHRASE)]);
    assert_eq!(code, 0, "{shown:?}");
    assert!(!shown.contains(PASSPHRASE), "{shown:?}");
    // What verifies needs no key, and does not ask.
    let (code, shown) = answered(&world, SEARCH_PATH, "verify latest --root keys/locked.asc", &[]);
    assert_eq!(code, 0, "{shown:?}");
}

#[test]
fn a_locked_age_identity_is_asked_for() {
    let world = World::new();
    world.write("data/note", b"the only copy\n");
    let mut lock = age::scrypt::Recipient::new(PASSPHRASE.to_owned().into());
    lock.set_work_factor(10);
    let locked = age::encrypt(&lock, &world.read("secrets/age.key")).expect("it is encrypted");
    world.write("secrets/locked.age", &locked);
    let recipient = String::from_utf8(world.read("keys/age.txt")).expect("text");
    world.good(&[
        "backup",
        "--set",
        "data",
        "--source",
        "files:data",
        "--recipient",
        recipient.trim(),
    ]);
    read_with_locked_key(&world, "--set data", "secrets/locked.age");
}

#[test]
fn a_plugin_of_age_without_a_terminal_says_what_it_asks() {
    let (world, path) = world_of_a_plugin();
    let run = |arguments: &str| {
        let words = arguments.split(' ');
        let mut command = world.command("setsid");
        let command = command.args(["-w", PROGRAM]).args(words).env("PATH", &path);
        Ran::new(command.output().expect("setsid is needed by this test"))
    };
    let ran = run(SEAL).expect_code(2, SEAL);
    let said = "age-plugin-hubpin asks \"Seal for card 7?\", and there is no terminal to ask at";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: Run this at a terminal"), "{}", ran.stderr);

    let mut child = program_on_terminal(&world, &path, SEAL);
    drop(read_until(&mut child, "1 or 2? "));
    type_line(&mut child, "1\n");
    drop(read_until(&mut child, "ENDED 0"));
    drop(output(child));
    let ran = run(OPEN).expect_code(2, OPEN);
    let said = "age-plugin-hubpin asks \"Name on card 7:\", and there is no terminal to ask at";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let failure = run(&format!("{OPEN} --json")).expect_code(2, OPEN).object();
    assert_eq!(failure["kind"], "usage", "{failure}");
    assert!(!world.path("back").exists());
    // Another key opens the bundle, also when it comes after.
    let ran = run(&format!("{OPEN} --identity secrets/gnupg.key"));
    drop(ran.expect_code(0, "another key"));
}

#[test]
fn the_first_signal_asks_and_the_second_ends() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut child = spawn(&child("child_waits"));
        drop(read_until(&mut child, "READY"));
        signal(&child, name);
        drop(read_until(&mut child, "STOPPING"));
        // Two at once are one.
        std::thread::sleep(std::time::Duration::from_millis(700));
        signal(&child, name);
        assert_eq!(output(child).0, Some(code), "{name}");
    }
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let mut child = spawn(&with(&["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"], "child_waits"));
    drop(read_until(&mut child, "READY"));
    signal(&child, "HUP");
    drop(read_until(&mut child, "UNDISTURBED"));
    assert_eq!(output(child).0, Some(0));
}

#[test]
fn progress_is_for_terminals() {
    let mut child = on_terminal("child_works");
    let shown = read_until(&mut child, "DONE");
    assert!(
        shown.contains("reading [") && shown.contains("1.00 KiB/2.00 KiB"),
        "{shown:?}"
    );
    drop(output(child));
    let (_, out, err) = output(spawn(&self::child("child_works")));
    assert!(!out.contains("reading") && !err.contains("reading"), "{out}{err}");
}

#[test]
fn a_panic_shows_its_place_and_no_data() {
    let (_, out, err) = output(spawn(&child("child_panics")));
    assert!(out.contains("CODE 70"), "{out}");
    assert!(err.contains("internal error at tests/terminal.rs:"), "{err}");
    assert!(err.contains("hint: Please report it"), "{err}");
    assert!(!err.contains("needle") && !out.contains("needle"), "{out}{err}");
}

#[test]
fn cli_errors_come_from_any_fault() {
    let error: CliError = hub_backup::cli::error::Error::Panicked.into();
    assert_eq!(report::report(&error, Printer::default()), 70);
}
