//! The real program in a folder of its own, with keys, sources and a store: what the tests of the whole program share.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::OnceLock;

use hub_backup::base::clock::Clock as _;
use hub_backup::base::clock::SystemClock;
use hub_backup::base::clock::Timestamp;
use hub_backup::base::secret::SecretText;
use hub_backup::bundle::manifest::Role;
use hub_backup::catalog::repository::Repository;
use hub_backup::keyring::make;
use hub_backup::keyring::make::Algorithm;
use hub_backup::keyring::make::Made;
use hub_backup::keyring::make::NewKey;
use hub_backup::keyring::make::SuiteFeatures;
use hub_backup::keyring::openpgp;
use serde_json::Value;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_hub-backup");

/// Where the program finds others. Nothing else of the environment of the tests reaches it.
pub(crate) const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Settings that name the keys and the store of a [`World`], without sets.
pub(crate) const SETTINGS: &str = r#"
[store]
path = "store"

[keys]
roots = ["keys/root.asc"]
certificates = ["keys/signer.asc"]
signers = ["secrets/signer.key"]
identities = ["secrets/operations.key"]

[recipients]
openpgp = ["keys/operations.asc"]

[defaults]
jobs = 2
"#;

/// A folder in which the program is run.
///
/// ```text
/// hub-backup.toml   SETTINGS, and what `settings` adds
/// keys/             root.asc, signer.asc (certified by it), operations.asc, gnupg.asc, age.txt
/// secrets/          signer.key, operations.key, gnupg.key, age.key, stranger.key; mode 0600
/// store/            without bundles
/// ```
pub(crate) struct World {
    folder: tempfile::TempDir,
}

/// How a run ended.
pub(crate) struct Ran {
    /// The exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl World {
    /// In memory where the machine has it: some hundred runs sync thousands of files.
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        Self::in_folder(folder.expect("a folder"))
    }

    pub(crate) fn in_folder(folder: tempfile::TempDir) -> Self {
        let world = Self { folder };
        world.store("store");
        for (name, bytes) in keys() {
            world.write(name, bytes.as_bytes());
        }
        world.settings("");
        world
    }

    /// Makes a store of this name without bundles.
    pub(crate) fn store(&self, name: &str) {
        let repository = Repository::new(SystemClock.now(), "hub-backup 0.1.0", Vec::new()).expect("random bytes");
        self.write(&format!("{name}/repository.json"), &repository.to_bytes());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only its owner can read, and the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(path).expect("a file");
        file.write_all(bytes).expect("room");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes the settings anew: [`SETTINGS`] and `more`.
    pub(crate) fn settings(&self, more: &str) {
        self.write("hub-backup.toml", format!("{SETTINGS}\n{more}\n").as_bytes());
    }

    /// `program` in this folder, with a bare environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let _ = command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("HOME", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs `hub-backup` with these arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(PROGRAM).args(arguments).output();
        Ran::new(output.expect("the program was built"))
    }

    /// As [`run`](Self::run), of a run that must succeed.
    #[track_caller]
    pub(crate) fn good(&self, arguments: &[&str]) -> Ran {
        self.run(arguments).expect_code(0, &arguments.join(" "))
    }

    /// As [`good`](Self::good) with `--json`: the object on stdout.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        self.good(&arguments).object()
    }

    /// Every file below `name`, with its bytes, by its path from there.
    pub(crate) fn files(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        files(&self.path(name))
    }

    /// Runs a script of bash, which must succeed, and gives its standard output.
    #[track_caller]
    pub(crate) fn script(&self, script: &str) -> Vec<u8> {
        let script = format!("set -euo pipefail\n{script}");
        let output = self.command("bash").arg("-c").arg(&script).output();
        Ran::new(output.expect("bash is installed"))
            .expect_code(0, &script)
            .stdout
    }
}

impl Ran {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32, context: &str) -> Self {
        let stdout = String::from_utf8_lossy(&self.stdout);
        assert_eq!(
            self.code,
            Some(code),
            "{context}: signal {:?}\n{stdout}\n{}",
            self.signal,
            self.stderr
        );
        self
    }

    /// The one line of JSON on stdout.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        let text = String::from_utf8(self.stdout.clone()).expect("text");
        assert_eq!(text.lines().count(), 1, "one object on one line: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// Every file below a folder, with its bytes, by its path from there, in order.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let entry = entry.expect("readable");
            if entry.file_type().expect("readable").is_dir() {
                folders.push(entry.path());
                continue;
            }
            let path = entry.path();
            let name = path.strip_prefix(folder).expect("below it").to_string_lossy();
            found.push((name.into_owned(), fs::read(&path).expect("readable")));
        }
    }
    found.sort();
    found
}

pub(crate) fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

/// A key that was made two minutes ago, so that a certification over it is not of the same second.
pub(crate) fn make_key(role: Role, suite_features: SuiteFeatures, passphrase: Option<&str>) -> Made {
    let key = NewKey {
        role,
        name: "test key".to_owned(),
        algorithm: Algorithm::EcdsaP384,
        expires: None,
        generation: 1,
        passphrase: passphrase.map(secret),
        suite_features,
    };
    make::make(&key, a_while_ago(120)).expect("a key")
}

pub(crate) fn a_while_ago(seconds: i64) -> Timestamp {
    Timestamp::from_unix(SystemClock.now().unix() - seconds).expect("a time")
}

/// Keys of all kinds, by the names of their files, made once.
fn keys() -> &'static [(&'static str, String)] {
    static KEYS: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let root = make_key(Role::Root, SuiteFeatures::Rfc9580, None);
        let signer = make_key(Role::Signer, SuiteFeatures::Rfc9580, None);
        let certified = make::certify(&root.cert, None, &signer.cert, a_while_ago(60)).expect("certified");
        let operations = make_key(Role::Recipient, SuiteFeatures::Rfc9580, None);
        let gnupg = make_key(Role::Recipient, SuiteFeatures::Gnupg, None);
        let stranger = make_key(Role::Signer, SuiteFeatures::Rfc9580, None);
        let (age, identity) = make::make_age_identity();
        let text = |secret: &SecretText| secret.expose().to_owned();
        vec![
            ("keys/root.asc", root.public),
            ("keys/signer.asc", openpgp::public_text(&certified).expect("armored")),
            ("keys/operations.asc", operations.public),
            ("keys/gnupg.asc", gnupg.public),
            ("keys/age.txt", age),
            ("secrets/signer.key", text(&signer.secret)),
            ("secrets/operations.key", text(&operations.secret)),
            ("secrets/gnupg.key", text(&gnupg.secret)),
            ("secrets/age.key", text(&identity)),
            ("secrets/stranger.key", text(&stranger.secret)),
            ("stranger/stranger.asc", stranger.public),
        ]
    })
}
