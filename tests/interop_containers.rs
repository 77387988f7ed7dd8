//! Stock tools open what we encrypt, and we open what they make: gpg and age, sq and OpenPGP.js for RFC 9580.
//!
//! A missing tool fails the test. Keys are made here and die with the test.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make plain files for other programs to read"
)]

#[path = "support/rfc9580.rs"]
mod rfc9580;

use std::ffi::OsStr;
use std::fs;
use std::io::Cursor;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;

use hub_backup::base::clock::Clock as _;
use hub_backup::base::clock::SystemClock;
use hub_backup::base::clock::Timestamp;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::base::secret::SecretText;
use hub_backup::bundle::outer::Container;
use hub_backup::bundle::suite::Suite;
use hub_backup::encrypt::ContentKey;
use hub_backup::encrypt::Error;
use hub_backup::encrypt::decryptor;
use hub_backup::encrypt::encryptor;
use hub_backup::encrypt::slots::Slot;
use hub_backup::encrypt::slots::open_slots;
use hub_backup::encrypt::slots::write_slots;
use hub_backup::keyring::Identity;
use hub_backup::keyring::Recipient;
use hub_backup::keyring::dialog::Dialog;
use hub_backup::keyring::dialog::Person;
use hub_backup::keyring::dialog::Silence;
use hub_backup::keyring::identities::make_age_identity;
use sequoia_openpgp::Cert;
use sequoia_openpgp::parse::Parse as _;

const PIECE: usize = 1 << 16;
const CHUNK: usize = 1 << 18;

/// Certificates are made at the time of the system, so they are used then.
fn now() -> Timestamp {
    SystemClock.now()
}

/// A folder with a GnuPG home, which goes away with its agent. Its path is short: GnuPG puts sockets there.
struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("hb")
            .tempdir_in("/tmp")
            .expect("/tmp is writable");
        let room = Self { folder };
        room.run("mkdir -m 700 gnupg");
        room
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file in the room")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let _ = command
            .current_dir(self.path())
            .env("GNUPGHOME", self.path().join("gnupg"))
            .env("HOME", self.path())
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs a script of bash, which must succeed, and gives its standard output.
    #[track_caller]
    fn run(&self, script: &str) -> Vec<u8> {
        expect_success(script, self.try_run(script, None))
    }

    fn try_run(&self, script: &str, path: Option<&Path>) -> std::process::Output {
        let mut command = self.command("bash");
        if let Some(first) = path {
            let rest = std::env::var("PATH").expect("a PATH");
            let _ = command.env("PATH", format!("{}:{rest}", first.display()));
        }
        let script = format!("set -euo pipefail\n{script}");
        command.arg("-c").arg(script).output().expect("bash is installed")
    }

    /// Makes a key with GnuPG and gives its certificate and its secret key.
    fn gpg_key(&self, name: &str, algorithms: [&str; 2], passphrase: &str) -> (Cert, Cert) {
        let [primary, subkey] = algorithms;
        let gpg = format!("gpg --quiet --batch --pinentry-mode loopback --passphrase '{passphrase}'");
        self.run(&format!(
            "{gpg} --quick-generate-key {name} {primary} cert,sign 2y
            fingerprint=$(gpg --batch --with-colons --list-keys {name} | awk -F: '/^fpr/ {{ print $10; exit }}')
            {gpg} --quick-add-key $fingerprint {subkey} encr 2y
            gpg --armor --export {name} > {name}.asc
            {gpg} --armor --export-secret-keys {name} > {name}-secret.asc"
        ));
        (
            self.cert(&format!("{name}.asc")),
            self.cert(&format!("{name}-secret.asc")),
        )
    }

    fn cert(&self, file: &str) -> Cert {
        Cert::from_bytes(&self.read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// As [`run`](Self::run), with the programs of a folder.
    #[track_caller]
    fn run_with(&self, folder: &Path, script: &str) -> Vec<u8> {
        expect_success(script, self.try_run(script, Some(folder)))
    }

    /// Makes a key of version 6 with sq, in `alice-secret.asc`, and gives its certificate.
    fn sq_key(&self) -> Cert {
        self.run_with(
            &rfc9580::sq(),
            "sq --batch --quiet key generate --profile rfc9580 --without-password --own-key --name alice \
                --output alice-secret.asc --rev-cert revocation.asc",
        );
        self.cert("alice-secret.asc").strip_secret_key_material()
    }

    /// Makes an age identity file and gives its recipient.
    fn age_key(&self, file: &str) -> Recipient {
        self.run(&format!("age-keygen -o {file} 2>/dev/null"));
        let recipient = String::from_utf8(self.run(&format!("age-keygen -y {file}"))).expect("text");
        Recipient::Age(recipient.trim().to_owned())
    }

    fn age_identity(&self, file: &str) -> Identity {
        Identity::age(secret(std::str::from_utf8(&self.read(file)).expect("text")))
    }

    fn write_slots(&self, slots: &[Slot]) {
        for slot in slots {
            self.write(&format!("keyslots/{}", slot.name), &slot.bytes);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ended = self.command("gpgconf").args(["--kill", "all"]).output();
    }
}

#[track_caller]
fn expect_success(what: &str, output: std::process::Output) -> Vec<u8> {
    assert!(
        output.status.success(),
        "{what}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn to(cert: &Cert) -> Recipient {
    Recipient::OpenPgp(Box::new(cert.clone()))
}

fn with(key: &Cert, passphrase: Option<&str>) -> Identity {
    Identity::OpenPgp {
        key: Box::new(key.clone()),
        passphrase: passphrase.map(secret),
    }
}

fn key(suite: Suite) -> ContentKey {
    ContentKey::generate(suite).expect("random")
}

/// Text that does not compress and of which no two places are alike.
fn text(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

fn encrypt(key: &ContentKey, container: Container, plain: &[u8]) -> Vec<u8> {
    let mut writer = encryptor(key, container, Vec::new()).expect("memory");
    writer.write_all(plain).expect("memory");
    writer.finish().expect("memory")
}

fn decrypt(key: &ContentKey, container: Container, cipher: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut reader = decryptor(key, container, Cursor::new(cipher), cipher.len() as u64, 0).expect("whole");
    let _ = reader.read_to_end(&mut plain).expect("whole");
    plain
}

const SIZES: [usize; 15] = [
    0,
    1,
    185,
    186,
    8376,
    8377,
    PIECE - 7,
    PIECE - 6,
    PIECE - 5,
    PIECE,
    PIECE + 1,
    CHUNK - 16,
    CHUNK,
    2 * CHUNK - 20,
    5 * CHUNK + 4711,
];

#[test]
fn gpg_and_sq_read_every_size() {
    let room = Room::new();
    let sq = rfc9580::sq();
    let (cert, _) = room.gpg_key("alice", ["ed25519", "cv25519"], "");
    let key = key(Suite::Gnupg);
    room.write_slots(&write_slots(&key, &[to(&cert)], now(), &Dialog::default()).expect("a valid certificate"));
    for size in SIZES {
        let plain = text(size);
        room.write("container", &encrypt(&key, Container::Payload, &plain));
        let read = room.run("cat keyslots/openpgp.pgp container | gpg --quiet --batch --decrypt");
        assert!(read == plain, "gpg: {size}");
        let read = room.run_with(&sq, SQ_DECRYPT);
        assert!(read == plain, "sq: {size}");
    }
}

const SQ_DECRYPT: &str = "cat keyslots/openpgp.pgp container | sq decrypt --recipient-file alice-secret.asc";

#[test]
fn sq_reads_every_size_of_rfc9580() {
    let room = Room::new();
    let sq = rfc9580::sq();
    let cert = room.sq_key();
    assert_eq!(cert.primary_key().key().version(), 6);
    let key = key(Suite::Rfc9580);
    room.write_slots(&write_slots(&key, &[to(&cert)], now(), &Dialog::default()).expect("a valid certificate"));
    for size in SIZES {
        let plain = text(size);
        room.write("container", &encrypt(&key, Container::Payload, &plain));
        let read = room.run_with(&sq, SQ_DECRYPT);
        assert!(read == plain, "{size}");
    }
    let good = encrypt(&key, Container::Payload, &text(CHUNK));
    let mut flipped = good.clone();
    flipped[CHUNK / 2] ^= 1;
    for bad in [&flipped[..], &good[..good.len() - 1]] {
        room.write("container", bad);
        assert!(!room.try_run(SQ_DECRYPT, Some(&sq)).status.success());
    }
}

#[test]
fn gpg_notices_a_flipped_bit_and_a_cut() {
    let room = Room::new();
    let (cert, _) = room.gpg_key("alice", ["ed25519", "cv25519"], "");
    let key = key(Suite::Gnupg);
    room.write_slots(&write_slots(&key, &[to(&cert)], now(), &Dialog::default()).expect("a valid certificate"));
    let good = encrypt(&key, Container::Payload, &text(2 * PIECE + 99));
    let mut flipped = good.clone();
    flipped[PIECE + 500] ^= 1;
    for bad in [&flipped[..], &good[..good.len() - 1], &good[..PIECE + 2]] {
        room.write("container", bad);
        let output = room.try_run(
            "cat keyslots/openpgp.pgp container | gpg --quiet --batch --decrypt",
            None,
        );
        assert!(!output.status.success());
    }
}

#[test]
fn openpgp_js_reads_every_size() {
    let room = Room::new();
    let bin = rfc9580::openpgp_js();
    let js = |script: &str| room.run_with(&bin, script);
    js("openpgp-js make-key secret.asc cert.asc");
    let cert = room.cert("cert.asc");
    assert_eq!(cert.primary_key().key().version(), 6);
    let key = key(Suite::Rfc9580);
    room.write_slots(&write_slots(&key, &[to(&cert)], now(), &Dialog::default()).expect("a valid certificate"));
    for size in SIZES {
        let plain = text(size);
        room.write("container", &encrypt(&key, Container::Payload, &plain));
        let read = js("cat keyslots/openpgp.pgp container | openpgp-js decrypt secret.asc");
        assert!(read == plain, "{size}");
    }
    let mut cut = encrypt(&key, Container::Payload, &text(CHUNK));
    let _ = cut.pop();
    room.write("container", &cut);
    let output = room.try_run(
        "cat keyslots/openpgp.pgp container | openpgp-js decrypt secret.asc",
        Some(&bin),
    );
    assert!(!output.status.success());
}

#[test]
fn age_reads_every_size() {
    let room = Room::new();
    let recipient = room.age_key("identity.txt");
    let key = key(Suite::Age);
    room.write_slots(&write_slots(&key, &[recipient], now(), &Dialog::default()).expect("a valid recipient"));
    for (container, slot) in [(Container::Payload, "age.txt"), (Container::Index, "age-index.txt")] {
        for size in SIZES {
            let plain = text(size);
            room.write("container", &encrypt(&key, container, &plain));
            let read = room.run(&format!("cat keyslots/{slot} container | age -d -i identity.txt"));
            assert!(read == plain, "{slot}: {size}");
        }
    }
}

/// The packets before the container in a message that GnuPG made.
fn leading_packets(room: &Room, message: &str) -> Vec<u8> {
    let list = String::from_utf8(room.run(&format!("gpg --batch --list-packets --list-only {message} 2>/dev/null")));
    let list = list.expect("text");
    let container = list.lines().find(|line| line.contains("tag=18")).expect("a container");
    let offset = container.split("off=").nth(1).and_then(|rest| rest.split(' ').next());
    let offset: usize = offset.and_then(|digits| digits.parse().ok()).expect("an offset");
    room.read(message)[..offset].to_vec()
}

#[test]
fn slots_made_by_gpg_open() {
    let room = Room::new();
    let kinds = [
        ("elliptic", ["ed25519", "cv25519"], ""),
        ("nist", ["nistp384", "nistp384"], ""),
        ("rsa", ["rsa3072", "rsa3072"], ""),
        ("locked", ["ed25519", "cv25519"], "open sesame"),
    ];
    for (name, algorithms, passphrase) in kinds {
        let (_, secret) = room.gpg_key(name, algorithms, passphrase);
        room.write("plain", b"plain");
        room.run(&format!(
            "gpg --quiet --batch --trust-model always -r {name} -o {name}.gpg -e plain"
        ));
        let packets = leading_packets(&room, &format!("{name}.gpg"));
        let slots = [Slot {
            name: "openpgp.pgp".into(),
            bytes: packets.clone(),
        }];
        let identity = with(&secret, (!passphrase.is_empty()).then_some(passphrase));
        let key = open_slots(Suite::Gnupg, &slots, &[identity]).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The same key: a container of ours behind the packets of GnuPG is a message that GnuPG reads.
        room.write("packets", &packets);
        room.write("container", &encrypt(&key, Container::Payload, b"ours"));
        let read = room.run(&format!(
            "cat packets container | gpg --quiet --batch --pinentry-mode loopback --passphrase '{passphrase}' --decrypt"
        ));
        assert_eq!(read, b"ours", "{name}");
    }
}

#[test]
fn slots_made_by_openpgp_js_open() {
    let room = Room::new();
    let bin = rfc9580::openpgp_js();
    let js = |script: &str| room.run_with(&bin, script);
    js("openpgp-js make-key secret.asc cert.asc");
    let packets = js("openpgp-js make-slot cert.asc");
    let slots = [Slot {
        name: "openpgp.pgp".into(),
        bytes: packets.clone(),
    }];
    let identity = with(&room.cert("secret.asc"), None);
    let key = open_slots(Suite::Rfc9580, &slots, &[identity]).expect("its own key");
    room.write("packets", &packets);
    room.write("container", &encrypt(&key, Container::Payload, b"ours"));
    assert_eq!(js("cat packets container | openpgp-js decrypt secret.asc"), b"ours");
}

#[test]
fn slots_made_by_age_open() {
    let room = Room::new();
    let recipient = room.age_key("identity.txt");
    let Recipient::Age(text) = &recipient else {
        panic!("{recipient:?}")
    };
    // What a person would do to give one more recipient access, with the program age alone.
    let digits = "0123456789ABCDEF".repeat(4);
    room.write("session-key.txt", format!("9:{digits}\n").as_bytes());
    let bytes = room.run(&format!("age -a -r {text} session-key.txt"));
    let slots = [Slot {
        name: "session-key.age".into(),
        bytes,
    }];
    let key = open_slots(Suite::Gnupg, &slots, &[room.age_identity("identity.txt")]).expect("its own key");
    room.write("container", &encrypt(&key, Container::Index, b"ours"));
    let read = room.run("gpg --quiet --batch --override-session-key-fd 3 --decrypt container 3< session-key.txt");
    assert_eq!(read, b"ours");
    let read = room.run_with(
        &rfc9580::sq(),
        "sq decrypt --quiet --session-key $(cat session-key.txt) container",
    );
    assert_eq!(read, b"ours");
}

/// Whether this is the run with the plugins of the tests. They are found by way of PATH, so `test` runs itself once more with another one.
fn has_plugins(test: &str) -> bool {
    if std::env::var_os("HUB_BACKUP_TEST_PLUGIN").is_some() {
        return true;
    }
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/plugin");
    let path = format!("{}:{}", interop.display(), std::env::var("PATH").expect("a PATH"));
    let mut again = Command::new(std::env::current_exe().expect("this program"));
    let again = again
        .args(["--exact", test, "--nocapture"])
        .env("HUB_BACKUP_TEST_PLUGIN", "1")
        .env("PATH", path);
    expect_success("with a plugin", again.output().expect("this program"));
    false
}

#[test]
fn age_plugins_are_run() {
    if !has_plugins("age_plugins_are_run") {
        return;
    }
    let recipient = Recipient::Age("age1hubtest1pzry9x8gdcflk0".into());
    let identity = || Identity::age(secret("AGE-PLUGIN-HUBTEST-1YAD5EN\n"));
    for suite in Suite::ALL {
        let key = key(suite);
        let slots = write_slots(&key, std::slice::from_ref(&recipient), now(), &Dialog::default())
            .expect("the plugin is there");
        assert!(slots.iter().all(|slot| slot.name != "passphrase.age"));
        let opened = open_slots(suite, &slots, &[identity()]).expect("the plugin is there");
        let cipher = encrypt(&key, Container::Payload, b"ours");
        assert_eq!(decrypt(&opened, Container::Payload, &cipher), b"ours");
    }
}

/// Somebody who agrees, knows this PIN, and writes down what was said.
#[derive(Clone, Default)]
struct Holder {
    pin: Option<&'static str>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Holder {
    fn hear(&self, words: &[&str]) {
        self.heard.lock().expect("own").push(words.join(" | "));
    }
}

impl Person for Holder {
    fn tell(&self, plugin: &str, message: &str) {
        self.hear(&[plugin, "says", message]);
    }

    fn ask(&self, plugin: &str, question: &str) -> Result<String, Silence> {
        self.hear(&[plugin, "asks", question]);
        Ok("hub".into())
    }

    fn ask_secret(&self, plugin: &str, question: &str) -> Result<SecretText, Silence> {
        self.hear(&[plugin, "asks in secret", question]);
        self.pin.map(secret).ok_or(Silence::NoAnswer)
    }

    fn choose(&self, plugin: &str, question: &str, yes: &str, no: Option<&str>) -> Result<bool, Silence> {
        self.hear(&[plugin, question, yes, no.unwrap_or_default()]);
        Ok(true)
    }
}

#[test]
fn age_plugins_ask_a_person() {
    if !has_plugins("age_plugins_ask_a_person") {
        return;
    }
    let recipient = [Recipient::Age("age1hubpin1pzry9x8ghp9tgy".into())];
    let identity = |dialog: &Dialog| Identity::Age {
        text: secret("AGE-PLUGIN-HUBPIN-1MSUZA0\n"),
        dialog: dialog.clone(),
    };
    let holder = |pin| Holder {
        pin,
        ..Holder::default()
    };
    for suite in Suite::ALL {
        let key = key(suite);
        let nobody = Dialog::default();
        let error = write_slots(&key, &recipient, now(), &nobody).expect_err("it asks");
        assert!(
            matches!(&error, Error::PluginAsksNobody { question, .. } if question == "Seal for card 7?"),
            "{error}"
        );
        let right = holder(Some("1234"));
        let dialog = Dialog::with(right.clone());
        let slots = write_slots(&key, &recipient, now(), &dialog).expect("somebody agrees");
        let opened = open_slots(suite, &slots, &[identity(&dialog)]).expect("the right PIN");
        let cipher = encrypt(&key, Container::Payload, b"ours");
        assert_eq!(decrypt(&opened, Container::Payload, &cipher), b"ours");
        let mut heard = right.heard.lock().expect("own").clone();
        heard.dedup();
        assert_eq!(
            heard,
            [
                "age-plugin-hubpin | Seal for card 7? | Seal | Leave it",
                "age-plugin-hubpin | says | insert card 7\u{1b}[2J",
                "age-plugin-hubpin | asks | Name on card 7:",
                "age-plugin-hubpin | asks in secret | PIN of card 7",
            ]
        );

        let opened = |dialog: &Dialog| open_slots(suite, &slots, &[identity(dialog)]).expect_err("no PIN");
        let error = opened(&nobody);
        assert_eq!(error.kind(), Kind::Usage);
        assert_eq!(
            error.to_string(),
            "age-plugin-hubpin asks \"Name on card 7:\", and there is no terminal to ask at"
        );
        let error = opened(&Dialog::with(holder(None)));
        assert_eq!(
            error.to_string(),
            "age-plugin-hubpin asks \"PIN of card 7\", and got no answer"
        );
        let error = opened(&Dialog::with(holder(Some("4321"))));
        assert!(
            matches!(&error, Error::Plugin { reason } if reason.contains("the PIN is wrong")),
            "{error}"
        );
        // A key that asks nothing counts, also after one that asks.
        let (text, age) = make_age_identity();
        let both = [recipient[0].clone(), Recipient::Age(text)];
        let slots = write_slots(&key, &both, now(), &dialog).expect("somebody agrees");
        assert!(open_slots(suite, &slots, &[identity(&nobody), Identity::age(age)]).is_ok());
    }
}
