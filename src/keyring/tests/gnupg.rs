//! The machine's own OpenPGP tools, for tests. A missing tool fails the test.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use crate::base::clock::Clock as _;
use crate::base::clock::SystemClock;
use crate::base::clock::Timestamp;

/// The time for keys that GnuPG makes: a moment later, so that they are there.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(SystemClock.now().unix() + 1).expect("this century")
}

/// Runs a program to its end and gives its output; it must succeed.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let (good, output, talk) = try_run(command, input);
    assert!(good, "{command:?}: {talk}");
    output
}

/// Runs a program to its end: whether it succeeded, its output, its talk.
pub(crate) fn try_run(command: &mut Command, input: &[u8]) -> (bool, Vec<u8>, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("it ends");
    feeding.join().expect("fed");
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), output.stdout, talk)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file for another program, in a folder of the test"
)]
pub(crate) fn put(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a folder of the test");
}

/// GnuPG with a home of its own.
pub(crate) struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    pub(crate) fn new() -> Self {
        // Short: the agent's socket has to fit into 108 octets.
        let home = tempfile::Builder::new()
            .prefix("g")
            .tempdir_in("/tmp")
            .expect("a folder");
        Self { home }
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        let _options = command.arg("--homedir").arg(self.home.path()).args([
            "--batch",
            "--no-tty",
            "--pinentry-mode",
            "loopback",
            "--trust-model",
            "always",
        ]);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Vec<u8> {
        run(self.command().args(arguments), b"")
    }

    pub(crate) fn run_with_passphrase(&self, passphrase: &str, arguments: &[&str]) -> Vec<u8> {
        let mut command = self.command();
        run(
            command.args(["--passphrase-fd", "0"]).args(arguments),
            passphrase.as_bytes(),
        )
    }

    pub(crate) fn import(&self, bytes: &[u8]) {
        let _listed = run(self.command().args(["--allow-secret-key-import", "--import"]), bytes);
    }

    /// Makes a key as an operator would, and gives its fingerprint.
    pub(crate) fn generate(&self, user: &str, algorithm: &str) -> String {
        let (signs, opens) = match algorithm {
            "ed25519" => ("ed25519", "cv25519"),
            other => (other, other),
        };
        let _made = self.run_with_passphrase("", &["--quick-generate-key", user, signs, "cert,sign", "never"]);
        let listed = self.run(&["--with-colons", "--list-keys", user]);
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let line = listed
            .lines()
            .find(|line| line.starts_with("fpr:"))
            .expect("a fingerprint");
        let fingerprint = line.trim_start_matches("fpr:").trim_matches(':').to_owned();
        let _made = self.run_with_passphrase("", &["--quick-add-key", &fingerprint, opens, "encr", "never"]);
        fingerprint
    }

    pub(crate) fn export(&self, fingerprint: &str) -> Vec<u8> {
        self.run(&["--armor", "--export", fingerprint])
    }

    pub(crate) fn export_secret(&self, fingerprint: &str) -> Vec<u8> {
        self.run(&["--armor", "--export-secret-keys", fingerprint])
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut command = Command::new("gpgconf");
        let _ended = try_run(
            command.arg("--homedir").arg(self.home.path()).args(["--kill", "all"]),
            b"",
        );
    }
}
