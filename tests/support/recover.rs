//! RECOVER.txt as a person follows it: its commands, taken out of the text and run in a terminal.

use std::io::Read as _;
use std::io::Write as _;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// After which a program that shows a prompt is taken to wait.
const SILENCE: Duration = Duration::from_millis(500);

/// The commands of the text by the titles of their sections; what comes before the first title has none.
pub(crate) fn sections(text: &str) -> Vec<(String, Vec<String>)> {
    let mut sections = vec![(String::new(), Vec::new())];
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("    ") {
            sections.last_mut().expect("the first").1.push(command.to_owned());
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            sections.push((line.to_owned(), Vec::new()));
        }
    }
    sections
}

/// All commands on the way through the text by the one of its roads whose title ends so; with these values for variables.
pub(crate) fn commands(text: &str, road: &str, variables: &[(&str, &str)]) -> String {
    let sections = sections(text);
    let is_road = |title: &str| title.starts_with('2') && !title.starts_with("2. ");
    assert!(
        sections
            .iter()
            .any(|(title, _)| is_road(title) && title.ends_with(road)),
        "there is no road {road:?}"
    );
    let taken = sections
        .iter()
        .filter(|(title, _)| !is_road(title) || title.ends_with(road));
    let set = |line: &String| {
        let variable = variables.iter().find(|(name, _)| line.starts_with(&format!("{name}=")));
        variable.map_or_else(|| line.clone(), |(name, value)| format!("{name}={value}"))
    };
    let lines: Vec<String> = taken.flat_map(|(_, lines)| lines.iter().map(set)).collect();
    lines.join("\n") + "\n"
}

/// Runs a command in a terminal of its own, in which `typed` is typed whenever a passphrase is asked for.
pub(crate) fn in_a_terminal(mut script: Command, command: &str, typed: &str) -> Output {
    let script = script
        .args(["--quiet", "--return", "--flush", "--command", command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = script.spawn().expect("script is installed");
    // Kept open until the end: its end would close the terminal.
    let mut input = child.stdin.take().expect("a pipe");
    let mut shown = child.stdout.take().expect("a pipe");
    let (give, take) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut part = [0; 4096];
        while let Some(count) = shown.read(&mut part).ok().filter(|count| *count > 0) {
            give.send(part[..count].to_vec()).expect("it is taken");
        }
    });
    let mut stdout = Vec::new();
    loop {
        match take.recv_timeout(SILENCE) {
            Ok(part) => stdout.extend(part),
            // The terminal becomes silent just after the prompt, and forgets what was typed before that: then it is typed again.
            Err(mpsc::RecvTimeoutError::Timeout) if asks(&stdout) => {
                input.write_all(format!("{typed}\n").as_bytes()).expect("it listens");
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    reader.join().expect("no panic");
    let output = child.wait_with_output().expect("it ends");
    drop(input);
    Output { stdout, ..output }
}

/// Whether the last thing that is shown is the prompt of a program that waits for a passphrase.
fn asks(shown: &[u8]) -> bool {
    let last = shown.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let last = String::from_utf8_lossy(last).to_lowercase();
    let last = last.trim_end();
    last.ends_with(':') && ["passphrase", "password"].iter().any(|word| last.contains(word))
}
