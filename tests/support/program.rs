//! The program itself, run in a folder of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

/// A passphrase that must not show anywhere.
pub(crate) const NEEDLE: &str = "needle-3f9c-passphrase";

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.at(name), content).expect("a file");
    }

    /// A private file with [`NEEDLE`].
    pub(crate) fn passphrase(&self) -> &'static str {
        self.write("pass.txt", format!("{NEEDLE}\n").as_bytes());
        fs::set_permissions(self.at("pass.txt"), fs::Permissions::from_mode(0o600)).expect("own file");
        "pass.txt"
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.at(name)).expect(name).permissions().mode() & 0o7777
    }

    /// Names below the folder, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).expect(folder);
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    /// Runs the program here. What it says never holds a secret.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let output = self.bare(env!("CARGO_BIN_EXE_hub-backup"), arguments, b"");
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        for secret in [NEEDLE, "PRIVATE KEY", "AGE-SECRET-KEY-"] {
            assert!(!said.contains(secret), "{arguments:?} says {secret}");
        }
        output
    }

    /// As [`Self::run`]; it must succeed.
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// As [`Self::good`], with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.good(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Runs it; it must fail with this exit code. Gives what it says on stderr.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}{}",
            stdout(&output),
            stderr(&output)
        );
        stderr(&output)
    }

    /// Runs a tool of the machine here, which must be there.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) -> Output {
        self.bare(name, arguments, b"")
    }

    pub(crate) fn bare(&self, name: &str, arguments: &[&str], input: &[u8]) -> Output {
        let home = self.at("home");
        if !home.is_dir() {
            fs::create_dir(&home).expect("a folder");
            fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("own folder");
        }
        let mut child = Command::new(name)
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", &home)
            .env("GNUPGHOME", &home)
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
}

impl Drop for Place {
    fn drop(&mut self) {
        // An agent that gpg started would outlive the folder.
        if self.at("home").is_dir() {
            drop(self.tool("gpgconf", &["--kill", "all"]));
        }
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
