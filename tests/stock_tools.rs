//! Bundles of the program, opened without it: by the commands of their own RECOVER.txt, which a person would find
//! there with nothing but `tar`, `sha256sum`, `gpg`, `sqv`, `age`, `zstd` and a program for RFC 9580.
//!
//! A missing tool fails the test.

#[path = "support/cli.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod cli;
#[path = "support/recover.rs"]
mod recover;

use crate::cli::Ran;
use crate::cli::SEARCH_PATH;
use crate::cli::World;

const PASSPHRASE: &str = "correct horse battery staple";

const WITH_OPENPGP: &str = "With an OpenPGP secret key";
const WITH_AGE: &str = "With an age identity";
const WITH_PASSPHRASE: &str = "With the passphrase of the bundle";

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
fn follow(world: &World, road: &str, key: &str, tools: Option<&str>) {
    let text = String::from_utf8(world.read("bundle/RECOVER.txt")).expect("text");
    let commands = recover::commands(&text, road, &[("KEY", key)]);
    // Nobody's keyring is at hand. Its path is short: GnuPG puts sockets there.
    let prelude = "set -eu; trap 'echo failed: $BASH_COMMAND' ERR
        export GNUPGHOME=$(mktemp -d /tmp/hbXXXXXX); trap 'gpgconf --kill all; rm -r $GNUPGHOME' EXIT\n";
    world.write("bundle/recover.sh", format!("{prelude}{commands}").as_bytes());
    let mut script = world.command("script");
    let path = tools.map_or_else(|| SEARCH_PATH.to_owned(), |tools| format!("{tools}:{SEARCH_PATH}"));
    let script_in_bundle = script.current_dir(world.path("bundle")).env("PATH", path);
    let _ = script_in_bundle.env("LC_ALL", "C.UTF-8");
    let ran = Ran::new(recover::in_a_terminal(script, "bash recover.sh", PASSPHRASE));
    let shown = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.code, Some(0), "{road}: {shown}");
    assert!(shown.contains("Good signature"), "{shown}");
    assert!(!shown.contains("FAILED"), "{shown}");
    world.script(
        "cd bundle
        test \"$(find restored/numbers -name 'output.part-*' | wc -l)\" -gt 1
        rm restored/numbers/output.part-*
        cmp ../numbers restored/numbers/output
        diff -r --no-dereference ../data restored/data
        test \"$(readlink restored/data/link)\" = one.txt
        test restored/data/one.txt -ef restored/data/hard
        test \"$(sqlite3 restored/hub/hub.db 'PRAGMA integrity_check')\" = ok
        test \"$(sqlite3 restored/hub/hub.db .dump | sha256sum)\" = \"$(sqlite3 ../hub.db .dump | sha256sum)\"
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
}

#[test]
fn gnupg_opens_a_bundle_of_its_suite() {
    let world = world();
    back_up(&world, "gnupg", &["keys/gnupg.asc", &age_recipient(&world)]);
    check_without_secrets(&world);
    follow(&world, WITH_OPENPGP, "../secrets/gnupg.key", None);
    follow(&world, WITH_AGE, "../secrets/age.key", None);
    follow(&world, WITH_PASSPHRASE, "", None);
}

#[test]
fn openpgp_js_opens_a_bundle_of_rfc9580() {
    let world = world();
    let tools = recover::rfc9580_reader();
    let tools = tools.to_str();
    back_up(&world, "rfc9580", &["keys/operations.asc", &age_recipient(&world)]);
    check_without_secrets(&world);
    follow(&world, WITH_OPENPGP, "../secrets/operations.key", tools);
    follow(&world, WITH_AGE, "../secrets/age.key", tools);
    follow(&world, WITH_PASSPHRASE, "", tools);
}

#[test]
fn age_opens_a_bundle_of_its_suite() {
    let world = world();
    back_up(&world, "age", &[&age_recipient(&world)]);
    check_without_secrets(&world);
    follow(&world, WITH_AGE, "../secrets/age.key", None);
    follow(&world, WITH_PASSPHRASE, "", None);
}
