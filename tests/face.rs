//! The program as people and scripts meet it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hub-backup");

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn file(&self, name: &str, content: &str) {
        fs::write(self.path().join(name), content).expect("a file");
    }

    /// The program in this folder, with an environment that has nothing but what finds programs.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let _ = command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Stdout as the one JSON object that it must be.
fn json(output: &Output) -> Value {
    let text = stdout(output);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Runs a tool of the machine, which must be there.
fn tool(name: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} is needed by this test: {error}"));
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input).expect("it reads");
    drop(pipe);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_wrong_command_line_is_code_2_and_says_what_is_meant() {
    let output = Place::new().run(&["backup", "--levl", "3"]);
    assert_eq!(code(&output), Some(2));
    assert!(stdout(&output).is_empty());
    assert!(stderr(&output).contains("--level"), "{}", stderr(&output));
}

#[test]
fn a_wrong_command_line_is_json_where_json_is_asked_for() {
    let place = Place::new();
    for arguments in [
        &["backup", "--json", "--levl", "3"][..],
        &["backup", "--json", "--level", "99"],
        &["--json", "restore", "latest"],
        &["--json"],
        &["--json", "frobnicate"],
    ] {
        let output = place.run(arguments);
        assert_eq!(code(&output), Some(2), "{arguments:?}");
        let object = json(&output);
        assert_eq!(object["schema"], "hub-backup/error/1");
        assert_eq!(
            (object["kind"].as_str(), object["exit_code"].as_u64()),
            (Some("usage"), Some(2))
        );
        assert!(
            !object["message"].as_str().expect("text").contains("error:"),
            "{object}"
        );
        assert!(object["hint"].is_string(), "{object}");
    }
    let output = place.run(&["cat", "--", "--json", "a", "b"]);
    assert!(stdout(&output).is_empty(), "after -- it is no option");
}

#[test]
fn no_arguments_are_answered_with_help() {
    let output = Place::new().run(&[]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("Usage: hub-backup"));
    let output = Place::new().run(&["help", "backup"]);
    assert_eq!(code(&output), Some(0));
    assert!(stdout(&output).contains("--recipient"));
}

#[test]
fn wrong_settings_are_code_2_with_place_and_hint() {
    let place = Place::new();
    place.file("hub-backup.toml", "[store]\npth = \"x\"\n");
    let output = place.run(&["list"]);
    assert_eq!(code(&output), Some(2));
    assert_eq!(
        stderr(&output),
        "error: hub-backup.toml:2:1: store.pth: is not a setting\nhint: Is path meant?\n"
    );
    let object = json(&place.run(&["list", "--json"]));
    assert_eq!(object["hint"], "Is path meant?");
}

#[test]
fn checking_settings_lists_everything_once() {
    let place = Place::new();
    place.file(
        "hub-backup.toml",
        "[stroe]\n[defaults]\nlevel = 0\n[keys]\nroots = [\"gone.asc\"]\n",
    );
    let output = place.run(&["config", "check"]);
    assert_eq!(code(&output), Some(2));
    assert_eq!(
        stdout(&output)
            .lines()
            .filter(|line| line.starts_with("hub-backup.toml:"))
            .count(),
        3
    );
    assert_eq!(stderr(&output), "error: the settings have 3 problems\n");
    let output = place.run(&["config", "check", "--json"]);
    let object = json(&output);
    assert_eq!(
        (code(&output), &object["schema"]),
        (Some(2), &Value::from("hub-backup/config-check/1"))
    );
    assert_eq!(object["problems"].as_array().expect("a list").len(), 3);
    assert_eq!(object["problems"][1]["origin"]["line"], 3);
    place.file("hub-backup.toml", "");
    assert_eq!(code(&place.run(&["config", "check"])), Some(0));
}

#[test]
fn settings_are_shown_with_their_origin_and_without_secrets() {
    let place = Place::new();
    place.file("hub-backup.toml", "[store]\npath = \"kept\"\n");
    let show = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command
            .env("HUB_BACKUP_LEVEL", "9")
            .env("HUB_BACKUP_PASSPHRASE", "needle")
            .output()
            .expect("it runs")
    };
    let output = show(&["config", "show", "--json", "--root", "root.asc"]);
    assert!(!stdout(&output).contains("needle"));
    let object = json(&output);
    let row = |key: &str| {
        let rows = object["settings"].as_array().expect("a list");
        rows.iter()
            .find(|row| row["key"] == key)
            .unwrap_or_else(|| panic!("{key}"))
            .clone()
    };
    assert_eq!(
        (
            &row("store.path")["origin"]["kind"],
            &row("store.path")["origin"]["line"]
        ),
        (&"file".into(), &2.into())
    );
    assert_eq!(row("defaults.level")["origin"]["name"], "HUB_BACKUP_LEVEL");
    assert_eq!(row("keys.roots")["origin"]["name"], "--root");
    assert_eq!(row("defaults.jobs")["origin"]["kind"], "default");
    assert_eq!(row("recipients.passphrase")["value"], "[redacted]");
    let people = stdout(&show(&["config", "show"]));
    assert!(
        people.contains("defaults.level") && people.contains("(HUB_BACKUP_LEVEL)"),
        "{people}"
    );
    assert!(!people.contains("needle"));
}

#[test]
fn a_hostile_name_does_not_steer_the_terminal() {
    let place = Place::new();
    place.file(
        "hub-backup.toml",
        "[keys]\nroots = [\"\\u001b]0;owned\\u0007\\u009b\\u202e.asc\"]\n",
    );
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["config", "check"],
    ] {
        let shown = stdout(&place.run(arguments));
        assert!(shown.contains("owned"), "{shown}");
        let obeyed = |sign: char| (sign.is_control() && sign != '\n') || sign == '\u{202e}';
        assert!(!shown.chars().any(obeyed), "{shown:?}");
    }
}

#[test]
fn colours_are_used_when_asked_for_and_not_when_refused() {
    let place = Place::new();
    let coloured = |arguments: &[&str]| stderr(&place.run(arguments)).contains('\x1b');
    assert!(
        !coloured(&["list"]) && !coloured(&["list", "--levl"]),
        "stderr is no terminal"
    );
    assert!(coloured(&["--color=always", "list"]));
    assert!(coloured(&["--color", "always", "list", "--levl"]));
    assert!(!coloured(&["--color=never", "list", "--levl"]));
}

/// Runs a shell command on a terminal of its own, and gives what the terminal got.
fn on_terminal(place: &Place, shell: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new("script");
    let output = command
        .args(["-qec", shell, "/dev/null"])
        .current_dir(place.path())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", place.path())
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("script (util-linux) is needed by this test");
    stdout(&output)
}

#[test]
fn no_color_is_honoured_on_a_terminal() {
    let place = Place::new();
    let command = format!("{PROGRAM} list");
    assert!(on_terminal(&place, &command, &[]).contains("\x1b[1;31merror:"));
    assert!(!on_terminal(&place, &command, &[("NO_COLOR", "1")]).contains('\x1b'));
    assert!(!on_terminal(&place, &command, &[("TERM", "dumb")]).contains('\x1b'));
    let command = format!("{PROGRAM} list --levl");
    assert!(on_terminal(&place, &command, &[]).contains('\x1b'));
    assert!(!on_terminal(&place, &command, &[("NO_COLOR", "1")]).contains('\x1b'));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let place = Place::new();
    let mut child = place
        .command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((code(&output), stderr(&output).as_str()), (Some(141), ""));
}

#[test]
fn a_full_disk_is_an_error() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let output = Place::new()
        .command(&["completions", "bash"])
        .stdout(full)
        .output()
        .expect("it runs");
    assert_eq!(code(&output), Some(1));
    assert!(
        stderr(&output).contains("cannot write to stdout\n  caused by: "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn json_is_refused_where_there_is_none() {
    let output = Place::new().run(&["completions", "bash", "--json"]);
    assert_eq!(code(&output), Some(2));
    assert_eq!(json(&output)["kind"], "usage");
}

#[test]
fn bash_completes_with_the_script() {
    let script = Place::new().run(&["completions", "bash"]).stdout;
    let ask = r#"
        complete=$(complete -p hub-backup | sed 's/.*-F \([^ ]*\) .*/\1/')
        COMP_WORDS=(hub-backup rest); COMP_CWORD=1; $complete hub-backup rest hub-backup; echo "${COMPREPLY[@]}"
        COMP_WORDS=(hub-backup restore --verify); COMP_CWORD=2; $complete hub-backup --verify restore; echo "${COMPREPLY[@]}"
    "#;
    let output = tool("bash", &["--norc", "-s"], &[&script, ask.as_bytes()].concat());
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output), "restore\n--verify-sig\n");
}

#[test]
fn zsh_and_fish_have_scripts_too() {
    for shell in ["zsh", "fish"] {
        let script = stdout(&Place::new().run(&["completions", shell]));
        assert!(script.contains("verify-sig"), "{shell}");
    }
}

#[test]
fn the_manual_page_is_one() {
    let page = Place::new().run(&["man"]).stdout;
    let output = tool("groff", &["-man", "-Tascii", "-P-cbou", "-ww"], &page);
    assert_eq!(stderr(&output), "", "groff warns of nothing");
    let text = stdout(&output);
    assert!(text.contains("hub-backup") && text.contains("\nEXAMPLES\n"), "{text}");
    assert!(text.contains("hub-backup verify latest --set hub\n"), "{text}");
}

#[test]
fn every_command_has_its_page_and_none_is_overwritten() {
    let place = Place::new();
    let output = place.run(&["man", "--out", "pages", "--json"]);
    let pages = json(&output)["pages"].as_array().expect("a list").len();
    assert!(pages > 20, "{pages}");
    let restore = fs::read(place.path().join("pages/hub-backup-restore.1")).expect("a page");
    let output = tool("groff", &["-man", "-Tascii", "-P-cbou", "-ww"], &restore);
    assert_eq!(stderr(&output), "");
    assert!(stdout(&output).contains("unsafe-skip-verification"));
    let again = place.run(&["man", "--out", "pages"]);
    assert_eq!(code(&again), Some(1));
    assert!(
        stderr(&again).contains("hint: Nothing is overwritten"),
        "{}",
        stderr(&again)
    );
}

#[test]
fn settings_that_everybody_can_write_are_not_read() {
    let place = Place::new();
    place.file("hub-backup.toml", "");
    let path = place.path().join("hub-backup.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("own file");
    let output = place.run(&["config", "show"]);
    assert_eq!(code(&output), Some(2));
    assert!(
        stderr(&output).contains("everybody can write it"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_mistyped_variable_is_refused() {
    let output = Place::new()
        .command(&["config", "show"])
        .env("HUB_BACKUP_STROE", "x")
        .output()
        .expect("it runs");
    assert_eq!(code(&output), Some(2));
    assert!(
        stderr(&output).contains("hint: Is HUB_BACKUP_STORE meant?"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn no_core_dump_is_left() {
    let mut child = Place::new()
        .command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // The script is larger than a pipe: the program waits for its reader, and can be looked at.
    let limits = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).ok()?;
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))?
            .to_owned();
        core.split_whitespace()
            .filter(|word| *word == "0")
            .count()
            .eq(&2)
            .then_some(core)
    });
    drop(child.stdout.take());
    let _ = child.wait().expect("it ends");
    assert!(limits.is_some(), "the limit of core dumps is not 0");
}
