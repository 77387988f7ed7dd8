//! Bundles of the program, opened without it: by the commands of their own RECOVER.txt, which a person would find
//! there with nothing but `tar`, `sha256sum`, `gpg`, `sqv`, `sq`, `age` and `zstd`; and with OpenPGP.js in place of `sq`.
//!
//! A missing tool fails the test.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;
#[path = "support/recover.rs"]
mod recover;
#[path = "support/rfc9580.rs"]
mod rfc9580;

use std::path::PathBuf;

use hub_backup::bundle::manifest::Role;
use hub_backup::keyring::make::SuiteFeatures;

use crate::cli::Ran;
use crate::cli::SEARCH_PATH;
use crate::cli::World;
use crate::cli::make_key;

const PASSPHRASE: &str = "correct horse battery staple";

const WITH_OPENPGP: &str = "With an OpenPGP secret key";
const WITH_AGE: &str = "With an age identity";
const WITH_PASSPHRASE: &str = "With the passphrase of the bundle";

/// Commands of RECOVER.txt, and what does the same with OpenPGP.js by the Stateless OpenPGP Interface.
const BY_OPENPGP_JS: [(&str, &str); 3] = [
    (
        "sq verify --signer-file \"$SIGNER\" --signature-file manifest.json.asc manifest.json",
        "openpgp-js verify manifest.json.asc \"$SIGNER\" < manifest.json",
    ),
    ("sq decrypt --recipient-file \"$KEY\"", "openpgp-js decrypt \"$KEY\""),
    (
        "sq decrypt --quiet --session-key \"$(cat session-key.txt)\"",
        "openpgp-js decrypt --with-session-key=session-key.txt",
    ),
];

/// A program for RFC 9580: the folder that it is in, and what is written in place of commands of `sq`.
struct Reader {
    folder: PathBuf,
    instead: &'static [(&'static str, &'static str)],
}

impl Reader {
    fn sq() -> Self {
        let folder = rfc9580::sq();
        Self { folder, instead: &[] }
    }

    fn openpgp_js() -> Self {
        Self {
            folder: rfc9580::openpgp_js(),
            instead: &BY_OPENPGP_JS,
        }
    }

    fn search_path(&self) -> String {
        format!("{}:{SEARCH_PATH}", self.folder.display())
    }
}

/// Sources of every kind, and names and contents that a careless tool would spoil.
fn world() -> World {
    let world = World::new();
    world.script(
        "mkdir -p data/folder data/empty
        printf 'one\\n' > data/one.txt
        head -c 3000000 /dev/urandom > 'data/folder/two words'
        printf 'x' > 'data/folder/-n'
        printf 'y' > $'data/folder/line\\nbreak'
        : > data/nothing
        printf 'z' > data/$(printf 'long%.0s' $(seq 1 40))
        ln -s one.txt data/link
        ln data/one.txt data/hard
        truncate -s 5M data/sparse; printf end >> data/sparse
        sqlite3 hub.db \"CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'ä'), (2, randomblob(100000));\"
        seq 1 700000 > numbers",
    );
    world.write("secrets/passphrase", PASSPHRASE.as_bytes());
    for (name, features) in [("gnupg", SuiteFeatures::Gnupg), ("rfc9580", SuiteFeatures::Rfc9580)] {
        let key = make_key(Role::Recipient, features, Some(PASSPHRASE));
        world.write(&format!("keys/locked-{name}.asc"), key.public.as_bytes());
        world.write(&format!("secrets/locked-{name}.key"), key.secret.expose().as_bytes());
    }
    world.settings(
        "[sets.all]\nsources = [\"sqlite:hub.db\", \"files:data\", \"command:numbers=sh -c 'seq 1 700000'\"]",
    );
    world
}

/// Makes a bundle of the suite, and unpacks it into the folder `bundle` with GNU tar.
fn back_up(world: &World, suite: &str, recipients: &[&str]) {
    let mut backup = vec![
        "backup",
        "all",
        "--suite",
        suite,
        "--passphrase-file",
        "secrets/passphrase",
    ];
    for recipient in recipients {
        backup.extend(["--recipient", recipient]);
    }
    let made = world.json(&backup);
    assert_eq!(made["suite"], suite, "{made}");
    world.script(
        "mkdir bundle; tar -xf store/bundles/all/*/*/*.hub.tar -C bundle
        cp keys/signer.asc bundle/signer.asc; test -s bundle/RECOVER.txt",
    );
}

/// Follows RECOVER.txt by one of its roads and compares what comes out with the sources.
fn follow(world: &World, road: &str, key: &str, reader: &Reader) {
    let text = String::from_utf8(world.read("bundle/RECOVER.txt")).expect("text");
    let commands = recover::commands(&text, road, &[("KEY", key)]);
    let commands = reader
        .instead
        .iter()
        .fold(commands, |commands, (sq, other)| commands.replace(sq, other));
    assert_eq!(commands.contains("sq verify"), reader.instead.is_empty(), "{commands}");
    // Nobody's keyring is at hand. Its path is short: GnuPG puts sockets there.
    let prelude = "set -eu; trap 'echo failed: $BASH_COMMAND' ERR
        export GNUPGHOME=$(mktemp -d /tmp/hbXXXXXX); trap 'gpgconf --kill all; rm -rf $GNUPGHOME' EXIT\n";
    world.write("bundle/recover.sh", format!("{prelude}{commands}").as_bytes());
    let mut script = world.command("script");
    let script_in_bundle = script
        .current_dir(world.path("bundle"))
        .env("PATH", reader.search_path());
    let _ = script_in_bundle.env("LC_ALL", "C.UTF-8");
    let ran = Ran::new(recover::in_a_terminal(script, "bash recover.sh", PASSPHRASE));
    let shown = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.code, Some(0), "{road}: {shown}");
    assert!(shown.contains("Good signature"), "{shown}");
    assert!(!shown.contains("FAILED"), "{shown}");
    for name in ["data/folder/two words", "data/hard", "hub.db/hub.db", "numbers/output"] {
        assert!(
            shown.contains(&format!("{name}: OK")),
            "{name} was not compared: {shown}"
        );
    }
    assert!(
        !shown.to_lowercase().contains("session key"),
        "a secret is shown: {shown}"
    );
    world.script(
        "cd bundle
        test \"$(find restored/numbers -name 'output.part-*' | wc -l)\" -gt 1
        rm restored/numbers/output.part-*
        cmp ../numbers restored/numbers/output
        diff -r --no-dereference ../data restored/data
        test \"$(readlink restored/data/link)\" = one.txt
        test restored/data/one.txt -ef restored/data/hard
        test \"$(sqlite3 restored/hub.db/hub.db 'PRAGMA integrity_check')\" = ok
        test \"$(sqlite3 restored/hub.db/hub.db .dump | sha256sum)\" = \"$(sqlite3 ../hub.db .dump | sha256sum)\"
        grep -q $(sha256sum < ../numbers | cut -c 1-64) index.jsonl
        grep -q $(sha256sum < '../data/folder/two words' | cut -c 1-64) index.jsonl
        test ! -e session-key.txt; test ! -e bundle-identity.txt
        rm -r restored index.jsonl",
    );
}

fn age_recipient(world: &World) -> String {
    let text = String::from_utf8(world.read("keys/age.txt")).expect("text");
    text.trim().to_owned()
}

/// What anybody checks who has the certificate of the signer and no secret key.
fn check_without_secrets(world: &World) {
    world.script(
        "cd bundle
        tar -tf ../store/bundles/all/*/*/*.hub.tar > members
        test \"$(head -n 1 members)\" = RECOVER.txt; test \"$(tail -n 1 members)\" = trailer
        sha256sum --quiet -c SHA256SUMS
        grep -q \"$(sha256sum < SHA256SUMS | cut -d ' ' -f 1)\" manifest.json
        test \"$(sqv --keyring signer.asc manifest.json.asc manifest.json)\" != ''
        if sqv --keyring ../keys/operations.asc manifest.json.asc manifest.json; then exit 1; fi
        sed 's/\"sequence\": 1/\"sequence\": 2/' manifest.json > forged.json
        if sqv --keyring signer.asc manifest.json.asc forged.json; then exit 1; fi
        cmp manifest.json ../store/manifests/all/0000000001.json
        cmp manifest.json.asc ../store/manifests/all/0000000001.json.asc",
    );
    let readers = [
        (
            Reader::sq(),
            "sq verify --signature-file manifest.json.asc --signer-file $1 $2",
        ),
        (Reader::openpgp_js(), "openpgp-js verify manifest.json.asc $1 < $2"),
    ];
    for (reader, command) in readers {
        world.script(&format!(
            "cd bundle; PATH={}; verify() {{ {command}; }}
            verify signer.asc manifest.json
            if verify ../keys/operations.asc manifest.json; then exit 1; fi
            if verify signer.asc forged.json; then exit 1; fi",
            reader.search_path()
        ));
    }
}

#[test]
fn gnupg_opens_a_bundle_of_its_suite() {
    let world = world();
    let sq = Reader::sq();
    back_up(
        &world,
        "gnupg",
        &["keys/gnupg.asc", "keys/locked-gnupg.asc", &age_recipient(&world)],
    );
    check_without_secrets(&world);
    follow(&world, WITH_OPENPGP, "../secrets/gnupg.key", &sq);
    follow(&world, WITH_OPENPGP, "../secrets/locked-gnupg.key", &sq);
    follow(&world, WITH_AGE, "../secrets/age.key", &sq);
    follow(&world, WITH_PASSPHRASE, "", &sq);
}

#[test]
fn gnupg_opens_a_bundle_without_a_certificate() {
    let world = world();
    back_up(&world, "gnupg", &[&age_recipient(&world)]);
    follow(&world, WITH_AGE, "../secrets/age.key", &Reader::sq());
}

fn opens_a_bundle_of_rfc9580(reader: &Reader) -> World {
    let world = world();
    back_up(
        &world,
        "rfc9580",
        &["keys/operations.asc", "keys/locked-rfc9580.asc", &age_recipient(&world)],
    );
    check_without_secrets(&world);
    follow(&world, WITH_OPENPGP, "../secrets/operations.key", reader);
    follow(&world, WITH_AGE, "../secrets/age.key", reader);
    follow(&world, WITH_PASSPHRASE, "", reader);
    world
}

#[test]
fn sq_opens_a_bundle_of_rfc9580() {
    let sq = Reader::sq();
    let world = opens_a_bundle_of_rfc9580(&sq);
    follow(&world, WITH_OPENPGP, "../secrets/locked-rfc9580.key", &sq);
}

#[test]
fn openpgp_js_opens_a_bundle_of_rfc9580() {
    let _world = opens_a_bundle_of_rfc9580(&Reader::openpgp_js());
}

#[test]
fn age_opens_a_bundle_of_its_suite() {
    let world = world();
    let sq = Reader::sq();
    back_up(&world, "age", &[&age_recipient(&world)]);
    check_without_secrets(&world);
    follow(&world, WITH_AGE, "../secrets/age.key", &sq);
    follow(&world, WITH_PASSPHRASE, "", &sq);
}
