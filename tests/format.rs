//! The page about the format is enough: a second reader in Python, written from it alone, agrees with what is stored,
//! octet for octet.

#![expect(
    clippy::disallowed_methods,
    reason = "the tools take their place from the environment of this process"
)]

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

/// Keys by gpg and age, a database, and a tree with everything that a header has to say.
const PREPARE: &str = r#"
mkdir -m 700 gpg; mkdir store tree
for name in signer recipient; do
    gpg --quiet --batch --pinentry-mode loopback --passphrase '' --quick-gen-key $name ed25519 sign 1y
    gpg --quiet --armor --export $name > $name.asc
done
print=$(gpg --list-keys --with-colons recipient | sed -n 's/^fpr:*\([0-9A-F]*\):.*/\1/p' | head -n 1)
gpg --quiet --batch --pinentry-mode loopback --passphrase '' --quick-add-key $print cv25519 encr 1y
gpg --quiet --armor --export recipient > recipient.asc
(umask 077; gpg --quiet --batch --pinentry-mode loopback --passphrase '' --armor --export-secret-keys signer > signer.key
 age-keygen -o identity.txt 2> age.log)
age-keygen -y identity.txt > age-recipient.txt
sqlite3 hub.db < "$DUMP"
echo one > tree/one; ln tree/one tree/same; ln -s one tree/link; : > tree/empty
ln -s "$(printf 'x%.0s' $(seq 150))" tree/far
touch -d 1960-01-01T00:00:00.5Z tree/one; touch -d 2300-01-01T00:00:00Z tree/empty
truncate -s 3M tree/holes; printf x | dd of=tree/holes bs=1 seek=1000000 conv=notrunc status=none
deep=tree/$(printf 'd%.0s' $(seq 60))/$(printf 'e%.0s' $(seq 60)); mkdir -p "$deep"; echo long > "$deep/f"
printf bytes > "$(printf 'tree/\377\\name')"
setfattr -n user.comment -v 'a value' tree/one
"#;

struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().expect("a folder"));
        room.expect("sh", &["-euc", PREPARE]);
        room.expect(env!("CARGO_BIN_EXE_hub-backup"), &["init", "made", "--no-passphrase"]);
        room.expect("cp", &["made/store/repository.json", "store"]);
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, program: &str, words: &[&str]) -> Output {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(program);
        let command = command.args(words).current_dir(self.0.path()).env_clear();
        let command = command.env("PATH", std::env::var_os("PATH").expect("a PATH"));
        let command = command.env("GNUPGHOME", self.path("gpg"));
        let command = command.env("DUMP", project.join("testdata/hub/hub.sql"));
        command.output().unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    fn expect(&self, program: &str, words: &[&str]) -> Vec<u8> {
        let output = self.run(program, words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {words:?}: {said}");
        output.stdout
    }

    /// Makes a bundle and gives its file.
    fn bundle(&self, words: &[&str]) -> String {
        let first = ["backup", "--set", "hub", "--store", "store", "--json", "--quiet"];
        let keys = ["--signer", "signer.key", "--root", "signer.asc"];
        let words = [&first[..], &keys, words].concat();
        let done: Value = serde_json::from_slice(&self.expect(env!("CARGO_BIN_EXE_hub-backup"), &words)).expect("JSON");
        done["object"].as_str().expect("a file").to_owned()
    }

    fn read(&self, words: &[&str]) -> Output {
        let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/read_bundle.py");
        self.run("python3", &[&[reader], words].concat())
    }

    /// What the second reader has compared.
    fn compared(&self, words: &[&str]) -> Value {
        let output = self.read(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ended = self.run("gpgconf", &["--kill", "all"]);
    }
}

#[test]
fn a_second_reader_agrees() {
    let room = Room::new();
    let everything = [
        "--source",
        "sqlite:hub.db",
        "--source",
        "files:tree",
        "--source",
        "command:out=seq 1 400000",
    ];
    let gnupg = room.bundle(&[&["--recipient", "recipient.asc"], &everything[..]].concat());
    let found = room.compared(&[&gnupg]);
    // Eleven entries of the tree and one database; the output of the command takes several parts.
    assert_eq!(
        (&found["source"], &found["entry"], &found["stream"]),
        (&json!(3), &json!(12), &json!(1))
    );
    assert!(found["part"].as_u64() > Some(1), "{found}");
    room.expect("gpg", &["--quiet", "--import", "signer.asc"]);

    let recipient = std::fs::read_to_string(room.path("age-recipient.txt")).expect("age made it");
    let age = room.bundle(&[&["--recipient", recipient.trim()], &everything[..]].concat());
    let found = room.compared(&[&age, "identity.txt"]);
    assert_eq!((&found["entry"], &found["stream"]), (&json!(12), &json!(1)));
}

#[test]
fn the_second_reader_looks() {
    let room = Room::new();
    let bundle = room.bundle(&["--recipient", "recipient.asc", "--source", "files:tree"]);
    let whole = std::fs::read(&bundle).expect("own bundle");
    let every = whole.len() / 31;
    let begin = b"{\n  \"format\": \"hub-backup manifest\"";
    let manifest = whole.windows(begin.len()).position(|window| window == begin);
    let manifest = manifest.expect("it has one");
    for at in (0..whole.len()).step_by(every) {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        std::fs::write(room.path("bad.hub.tar"), bad).expect("own folder");
        let output = room.read(&["bad.hub.tar"]);
        // The manifest and its signatures are for gpg to verify; their lengths and digests are what this reader sees.
        let signed = (manifest..manifest + 6000).contains(&at);
        assert!(signed || !output.status.success(), "octet {at}");
    }
}
