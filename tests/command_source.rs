//! The command source against real programs: what is a backup, what is none, and what is left behind.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::bundle::name::Label;
use hub_backup::source::Error;
use hub_backup::source::Learnt;
use hub_backup::source::Source as _;
use hub_backup::source::command::CommandOptions;
use hub_backup::source::command::CommandSource;
use hub_backup::source::command::keep;

use crate::collected::Collected;

#[path = "support/collected.rs"]
mod collected;

fn label() -> Label {
    "dump".parse().expect("a label")
}

fn options() -> CommandOptions {
    CommandOptions {
        environment: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        ..CommandOptions::default()
    }
}

fn run(command: &str, options: CommandOptions) -> (Collected, Result<Learnt, Error>) {
    let mut collected = Collected::default();
    let mut source = CommandSource::new(label(), command.into(), options).expect(command);
    let learnt = source
        .check(&Cancel::new())
        .and_then(|()| source.collect(&mut collected, &Cancel::new()));
    (collected, learnt)
}

/// The whole text that a person sees.
fn refused(command: &str, options: CommandOptions) -> (Kind, String) {
    let (collected, learnt) = run(command, options);
    let error = learnt.expect_err(command);
    assert!(collected.streams.is_empty(), "{command}: nothing may be stored whole");
    (
        error.kind(),
        format!("{error}\nhint: {}", error.hint().unwrap_or_default()),
    )
}

#[test]
fn output_is_stored_and_facts_are_learnt() {
    let (collected, learnt) = run("printf 'a\\n%s' 'x y'", options());
    let learnt = learnt.expect("it succeeds");
    assert_eq!(collected.streams["dump/output"], (0o600, b"a\nx y".to_vec()));
    assert_eq!(
        learnt.public.into_iter().collect::<Vec<_>>(),
        [("exit_code".into(), "0".into())]
    );
    assert_eq!(learnt.private["bytes"], "5");
    assert_eq!(learnt.private["command"], "printf 'a\\n%s' 'x y'");
}

#[test]
fn much_output_with_much_talk_comes_whole() {
    let script =
        "sh -c 'i=0; while [ $i -lt 300 ]; do head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2; i=$((i+1)); done'";
    let (collected, learnt) = run(script, options());
    assert_eq!(learnt.expect("it succeeds").private["bytes"], (300 * 65536).to_string());
    assert!(collected.streams["dump/output"].1.iter().all(|byte| *byte == 0));
}

#[test]
fn failure_after_output_is_failure_and_says_what_the_program_said() {
    let (kind, text) = refused(
        "sh -c 'echo half a dump; echo \"no such table: ü\" >&2; exit 7'",
        options(),
    );
    assert_eq!(kind, Kind::Incomplete);
    assert_eq!(
        text,
        "source dump: the output of sh is not whole: it ended with exit code 7; it said: no such table: ü\n\
         hint: Run the command by hand as the same user, and correct what it complains of."
    );
}

#[test]
fn only_the_end_of_much_talk_is_shown() {
    let (_, text) = refused("sh -c 'echo x; seq 1 100000 >&2; exit 1'", options());
    assert!(
        text.contains("it said: [earlier text left out]…") && text.contains("99999 | 100000\n"),
        "{text}"
    );
    assert!(text.len() < 8_000, "{}", text.len());
}

#[test]
fn a_killed_program_is_failure() {
    let (kind, text) = refused("sh -c 'echo half; kill -9 $$'", options());
    assert!(kind == Kind::Incomplete && text.contains("signal 9 (SIGKILL"), "{text}");
}

#[test]
fn a_shell_named_outright_shows_the_failure_inside_its_pipe() {
    let (_, text) = refused("bash -o pipefail -c 'false | cat; '", options());
    assert!(text.contains("exit code 1"), "{text}");
}

#[test]
fn no_output_is_failure_unless_allowed() {
    let (kind, text) = refused("true", options());
    assert!(kind == Kind::Incomplete && text.contains("it wrote nothing"), "{text}");
    let allowed = CommandOptions {
        allow_empty: true,
        ..options()
    };
    let (collected, learnt) = run("true", allowed);
    learnt.expect("allowed");
    assert_eq!(collected.streams["dump/output"].1, b"");
}

#[test]
fn a_missing_program_is_unreachable() {
    for command in ["no-such-program-here -x", "/no/such/program"] {
        let (kind, text) = refused(command, options());
        assert!(
            kind == Kind::SourceUnreachable && text.contains("cannot reach the program"),
            "{text}"
        );
    }
}

#[test]
fn a_file_that_is_no_program_is_not_permitted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plain");
    write(&file, "#!/bin/sh\necho x\n", 0o644);
    let (kind, text) = refused(file.to_str().expect("text"), options());
    assert!(kind == Kind::SourceUnsupported && text.contains("may run"), "{text}");
    let environment = vec![(OsString::from("PATH"), folder.path().into())];
    let (kind, _) = refused(
        "plain",
        CommandOptions {
            environment,
            ..options()
        },
    );
    assert_eq!(kind, Kind::SourceUnsupported);
}

#[test]
fn programs_and_folders_are_taken_from_the_options() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("mine"), "#!/bin/sh\npwd -P\n", 0o755);
    let workdir = folder.path().canonicalize().expect("there");
    let options = CommandOptions {
        workdir: Some(workdir.clone()),
        ..options()
    };
    let (collected, learnt) = run("./mine", options);
    learnt.expect("found in the folder");
    assert_eq!(
        collected.streams["dump/output"].1,
        format!("{}\n", workdir.display()).as_bytes()
    );
    let missing = CommandOptions {
        workdir: Some("/no/such/folder".into()),
        ..CommandOptions::default()
    };
    assert_eq!(refused("true", missing).0, Kind::SourceUnreachable);
}

#[test]
fn nothing_but_the_given_environment_is_seen() {
    let environment = vec![
        ("PATH".into(), "/usr/bin:/bin".into()),
        ("HUB_TEST".into(), "kept".into()),
    ];
    let (collected, learnt) = run(
        "env",
        CommandOptions {
            environment,
            ..options()
        },
    );
    learnt.expect("it succeeds");
    let mut lines: Vec<_> = std::str::from_utf8(&collected.streams["dump/output"].1)
        .expect("text")
        .lines()
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, ["HUB_TEST=kept", "PATH=/usr/bin:/bin"]);
}

#[test]
fn the_rule_for_variables() {
    let extra = ["PGHOST".to_owned()];
    for name in [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "PGHOST",
    ] {
        assert!(keep(OsStr::new(name), &extra), "{name}");
    }
    for name in [
        "PGPASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "LD_PRELOAD",
        "HUB_BACKUP_PASSPHRASE",
        "path",
        "PGHOST2",
    ] {
        assert!(!keep(OsStr::new(name), &extra), "{name}");
    }
}

#[test]
fn values_of_variables_are_not_shown() {
    let environment = vec![("TOKEN".into(), "needle".into())];
    let shown = format!(
        "{:?}",
        CommandOptions {
            environment,
            ..options()
        }
    );
    assert!(shown.contains("TOKEN") && !shown.contains("needle"), "{shown}");
}

#[test]
fn time_is_bounded() {
    let begun = Instant::now();
    let timeout = Some(Duration::from_millis(200));
    let (kind, text) = refused("sh -c 'echo x; sleep 60'", CommandOptions { timeout, ..options() });
    assert!(
        kind == Kind::Incomplete && text.contains("did not end within 0.2 seconds"),
        "{text}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// A script that writes its process ids to `FOLDER/pids`, goes on for ever in two processes, and ignores SIGTERM if told so.
fn endless(folder: &Path, trap: &str) -> String {
    let pids = folder.join("pids");
    let pids = pids.display();
    format!(
        "sh -c '{trap} echo $$ >>{pids}; (echo $(exec sh -c \"echo \\$PPID\") >>{pids}; while :; do sleep 0.05; done) & while :; do echo x; sleep 0.01; done'"
    )
}

fn pids(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join("pids")).unwrap_or_default();
    text.lines()
        .map(|line| line.trim().parse().expect("a process id"))
        .collect()
}

fn is_alive(pid: i32) -> bool {
    // A zombie would be listed, too.
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Orphans are reaped by the init process, which may take a moment.
fn assert_gone(folder: &Path) {
    let pids = pids(folder);
    assert_eq!(pids.len(), 2, "both processes had begun");
    let begun = Instant::now();
    while pids.iter().any(|pid| is_alive(*pid) && !is_zombie(*pid)) {
        assert!(begun.elapsed() < Duration::from_secs(5), "{pids:?} are left");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!is_alive(pids[0]), "the program itself is reaped");
}

fn is_zombie(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[test]
fn cancelling_ends_the_whole_process_group() {
    for trap in ["", "trap \"\" TERM;"] {
        let folder = tempfile::tempdir().expect("a folder");
        let cancel = Cancel::new();
        let mut source = CommandSource::new(label(), endless(folder.path(), trap), options()).expect("a command");
        let error = thread::scope(|scope| {
            let flag = cancel.clone();
            let place = folder.path();
            scope.spawn(move || {
                while pids(place).len() < 2 {
                    thread::sleep(Duration::from_millis(10));
                }
                flag.set();
            });
            source
                .collect(&mut Collected::default(), &cancel)
                .expect_err("interrupted")
        });
        assert!(
            matches!(error, Error::Collect { .. }) && error.kind() == Kind::Incomplete,
            "{error:?}"
        );
        assert_gone(folder.path());
    }
}

#[test]
fn a_pipeline_that_stops_ends_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut collected = Collected {
        stop_after: Some(64),
        ..Collected::default()
    };
    let mut source = CommandSource::new(label(), endless(folder.path(), ""), options()).expect("a command");
    let error = source.collect(&mut collected, &Cancel::new()).expect_err("stopped");
    assert!(error.to_string().contains("cannot store"), "{error}");
    assert_gone(folder.path());
}

fn write(path: &Path, text: &str, mode: u32) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .expect("writable");
    file.write_all(text.as_bytes()).expect("writable");
}
