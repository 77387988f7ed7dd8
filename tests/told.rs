//! What operators are told: what is not in a bundle and what was taken out of it, what the audit log says of an act, what is wrong
//! with the keys that they give.

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use serde_json::Value;

use crate::cli::Ran;
use crate::cli::World;

/// Restores, lists and verifies with this key.
const KEY: [&str; 2] = ["--identity", "secrets/operations.key"];

/// A world whose set `all` leaves out a socket and takes a password out of its settings.
fn world_with_remarks() -> World {
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    drop(UnixListener::bind(world.path("data/ear")).expect("a socket"));
    world.write(
        "conf/app.env",
        b"# settings\nNAME=hub\nDB_PASSWORD=correct-horse-battery\n",
    );
    world.settings(
        "[sets.all]\nsources = [\"files:data\", \"config:conf\"]\nexclude = [\"*.tmp\"]\nredact_secrets = true",
    );
    world
}

const SOCKET: &str = "data/ear: a socket, not stored";
const REDACTED: &str = "conf: redacted: app.env:3: DB_PASSWORD";

#[track_caller]
fn assert_tells(told: &str, what: &[&str]) {
    for words in what {
        assert!(told.contains(words), "{words:?} is not told:\n{told}");
    }
}

fn text(ran: &Ran) -> String {
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// The remarks of a report, as one exception and one note.
#[track_caller]
fn assert_remarks(remarks: &Value) {
    assert_eq!(remarks["exceptions"].as_array().map(Vec::len), Some(1), "{remarks}");
    assert_eq!(remarks["exceptions"][0]["path"], "data/ear", "{remarks}");
    assert_eq!(remarks["exceptions"][0]["reason"], "a socket, not stored", "{remarks}");
    assert_eq!(remarks["notes"][0]["source"], "conf", "{remarks}");
    assert_eq!(remarks["notes"][0]["fact"], "redacted", "{remarks}");
    let place = remarks["notes"][0]["text"].as_str().expect("text");
    assert!(place.starts_with("app.env:3: DB_PASSWORD ("), "{place}");
    assert_eq!(remarks["more"], 0, "{remarks}");
}

#[test]
fn what_is_not_in_a_bundle_is_named_by_every_command() {
    let world = world_with_remarks();
    let made = world.good(&["backup", "all"]);
    assert_tells(&made.stderr, &[&format!("warning: {SOCKET}"), REDACTED]);
    assert_tells(&text(&made), &["EXCEPTIONS missing or perhaps inconsistent: 1 entry"]);
    assert!(!made.stderr.contains("correct-horse"), "{}", made.stderr);
    let made = world.json(&["backup", "all"]);
    assert_eq!(made["exceptions"], 1, "{made}");
    assert_remarks(&made["remarks"]);

    let told = [&format!("exception  {SOCKET}")[..], &format!("note       {REDACTED}")];
    let deep = [&["verify", "latest", "--deep"], &KEY[..]].concat();
    assert_tells(&text(&world.good(&deep)), &told);
    assert_remarks(&world.json(&deep)["contents"]["remarks"]);
    let deep_all = [&["verify", "--all", "--deep"], &KEY[..]].concat();
    assert_tells(&text(&world.good(&deep_all)), &told);

    let plan = [&["restore", "latest", "--plan", "--to", "back"], &KEY[..]].concat();
    assert_tells(&text(&world.good(&plan)), &told);
    assert_remarks(&world.json(&plan)["remarks"]);
    let restore = [&["restore", "latest", "--to", "back"], &KEY[..]].concat();
    assert_tells(&text(&world.good(&restore)), &told);
    assert!(!world.path("back/data/ear").exists());

    let listed = world.good(&[&["ls", "latest"], &KEY[..]].concat());
    assert_tells(&listed.stderr, &[&format!("warning: {SOCKET}"), REDACTED]);
    assert_tells(
        &text(&world.good(&["show", "latest"])),
        &["1 exception\n", "redacted 1", "`hub-backup ls` names"],
    );
}

#[test]
fn what_a_part_is_without_is_told_of_that_part() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let only = [
        &["restore", "latest", "--only", "conf/app.env", "--to", "conf"],
        &KEY[..],
    ]
    .concat();
    fs::remove_dir_all(world.path("conf")).expect("there");
    let part = world.good(&only);
    assert_tells(&text(&part), &[REDACTED]);
    assert!(!text(&part).contains(SOCKET), "{}", text(&part));
    let only = [
        &["restore", "latest", "--only", "data/one.txt", "--to", "one"],
        &KEY[..],
    ]
    .concat();
    let part = text(&world.good(&only));
    assert!(!part.contains(SOCKET) && !part.contains("redacted"), "{part}");
}

/// The records of the audit log, the oldest first.
fn records(world: &World) -> Vec<Value> {
    let list = world.json(&["audit", "list"]);
    let rows = list["records"].as_array().expect("a list");
    rows.iter().map(|row| row["record"].clone()).collect()
}

#[test]
fn the_audit_log_says_what_was_done() {
    let world = world_with_remarks();
    let made = world.json(&["backup", "all"]);
    let restore = [
        &[
            "restore", "latest", "--only", "data/**", "--only", "conf", "--to", "back",
        ],
        &KEY[..],
    ]
    .concat();
    let _restored = world.good(&restore);
    let _verified = world.good(&[&["verify", "latest", "--deep"], &KEY[..]].concat());
    let records = records(&world);
    assert_eq!(records.len(), 3, "{records:?}");
    assert_eq!(records[0]["details"]["manifest_sha256"], made["manifest_sha256"]);
    assert_eq!(records[0]["details"]["exceptions"], "1");
    let details = &records[1]["details"];
    let back = fs::canonicalize(world.path("back")).expect("restored");
    assert_eq!(details["targets"], back.to_str().expect("UTF-8"));
    let operations = world.json(&["keys", "show", "keys/operations.asc"]);
    assert_eq!(
        details["recipient"], operations["certificates"][0]["fingerprint"],
        "{operations}"
    );
    let number = |name: &str| details[name].as_str().and_then(|text| text.parse::<u64>().ok());
    assert!(number("entries") > Some(1) && number("bytes") > Some(1), "{details}");
    // Names in a bundle are for those who can open it: the log says how much was wanted, and of which sources.
    assert_eq!(records[1]["details"]["only"], "2 patterns, of conf, data");
    assert_eq!(records[1]["details"].get("verification"), None);
    assert!(records[2]["details"]["deep"].is_string(), "{records:?}");
    let people = text(&world.good(&["audit", "list"]));
    assert_tells(
        &people,
        &[
            &format!("\n        targets: {}\n", back.display()),
            "\n        only: 2 patterns, of conf, data\n",
        ],
    );
    // Who did it is what the system says, whatever a variable says.
    let lied = world
        .command(cli::PROGRAM)
        .args(["verify"])
        .env("USER", "nobody-else")
        .env("LOGNAME", "liar")
        .output();
    assert_eq!(lied.expect("built").status.code(), Some(0));
    let user = String::from_utf8(world.script("id --user --name --real")).expect("text");
    let last = self::records(&world).pop().expect("a record");
    assert_eq!(last["actor"]["user"], user.trim());
}

#[test]
fn a_signing_key_that_cannot_be_used_is_told_where_records_miss_it() {
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    world.settings("[sets.data]\nsources = [\"files:data\"]");
    world.good(&["backup", "data"]);
    let before = records(&world).len();
    let mode = |mode| fs::set_permissions(world.path("secrets/signer.key"), fs::Permissions::from_mode(mode));
    mode(0o644).expect("it is ours");
    for (arguments, so) in [
        (&["verify"][..], "the audit log gets no record of this verification"),
        (
            &["verify", "--all"],
            "the audit log gets no record of this verification",
        ),
        (
            &["restore", "--to", "back"],
            "the record of this restore in the audit log is not signed",
        ),
    ] {
        let ran = world.good(arguments);
        let warned = format!("warning: the signing key cannot be used, so {so}: ");
        assert!(ran.stderr.contains(&warned), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("secrets/signer.key can be read by others"),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(records(&world).len(), before + 1, "the restore alone");
    // A plan is not recorded, and a host without a signing key is none by mistake.
    let planned = world.good(&["restore", "--to", "again", "--plan"]);
    assert_eq!(planned.stderr, "");
    let settings = String::from_utf8(world.read("hub-backup.toml")).expect("text");
    world.write("hub-backup.toml", settings.replace("signers", "# signers").as_bytes());
    assert_eq!(world.good(&["verify"]).stderr, "");
}

#[test]
fn what_went_to_stdout_is_on_record_as_a_restore_and_a_look_is_not() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let _listed = world.good(&[&["ls", "latest"], &KEY[..]].concat());
    let _planned = world.good(&[&["restore", "latest", "--plan"], &KEY[..]].concat());
    assert_eq!(records(&world).len(), 1, "names alone leave no record");
    let bytes = world
        .good(&[&["cat", "latest", "data/one.txt"], &KEY[..]].concat())
        .stdout
        .len();
    let of_cat = records(&world).pop().expect("a record");
    assert_eq!(of_cat["act"], "restore");
    assert_eq!(of_cat["details"]["targets"], "stdout");
    assert_eq!(of_cat["details"]["only"], "1 path");
    assert_eq!(of_cat["details"]["bytes"], bytes.to_string());
    assert!(of_cat["details"]["recipient"].is_string(), "{of_cat}");
    let rows = |more: &[&str]| {
        let list = world.json(&[&["audit", "list"], more].concat());
        list["records"].as_array().map(Vec::len)
    };
    assert_eq!(rows(&["--act", "restore", "--set", "all"]), Some(1));
    assert_eq!(rows(&["--act", "checkpoint"]), Some(0));
    assert_eq!(rows(&["--set", "other"]), Some(0));
    assert_eq!(rows(&["--since", "2020-01-01T00:00:00Z"]), Some(2));
    assert_eq!(rows(&["--since", "2999-01-01T00:00:00Z"]), Some(0));
    let missing = world.run(&[&["cat", "latest", "data/needle"], &KEY[..]].concat());
    assert_eq!(missing.code, Some(10), "{}", missing.stderr);
    let last = records(&world).pop().expect("a record");
    assert_eq!(last["outcome"]["kind"], "not-found", "an attempt is on record too");
    assert!(!last.to_string().contains("needle"), "{last}");
    let skipping = [&["restore", "latest", "--plan", "--unsafe-skip-verification"], &KEY[..]].concat();
    let before = records(&world).len();
    let _planned = world.good(&skipping);
    assert_eq!(
        records(&world).len(),
        before + 1,
        "its index was decrypted without proof"
    );
}

#[test]
fn a_password_of_a_target_is_not_on_record() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let target = "postgres://admin:correct-horse@127.0.0.1:1/back";
    let ran = world.run(&[&["restore", "latest", "--to", target], &KEY[..]].concat());
    assert_eq!(ran.code, Some(2), "the bundle has no such source: {}", ran.stderr);
    assert_tells(&ran.stderr, &["a password stands in an address on the command line"]);
    assert!(!ran.stderr.contains("correct-horse"), "{}", ran.stderr);
    let last = records(&world).pop().expect("a record");
    let targets = last["details"]["targets"].as_str().expect("text");
    assert!(
        targets.contains("127.0.0.1") && !targets.contains("correct-horse"),
        "{targets}"
    );
}

/// Nobody can add to the audit log any more.
fn fill_the_log(world: &World) {
    world.write("store/audit/18446744073709551615.json", b"{}");
}

#[test]
fn a_restore_without_proof_is_on_record_before_it_begins() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let danger = [
        &["restore", "latest", "--unsafe-skip-verification", "--to", "back"],
        &KEY[..],
    ]
    .concat();
    let _restored = world.good(&danger);
    let phases: Vec<Value> = records(&world)
        .iter()
        .map(|record| record["details"]["phase"].clone())
        .collect();
    assert_eq!(phases, [Value::Null, "begin".into(), "end".into()]);
    // One that fails is on record twice too.
    let _refused = world.run(&danger).expect_code(40, "the target is there");
    let last = records(&world).pop().expect("a record");
    assert_eq!(
        (&last["outcome"]["exit_code"], &last["details"]["phase"]),
        (&40.into(), &"end".into())
    );
    fill_the_log(&world);
    let elsewhere = [&danger[..3], &["--to", "other"], &KEY[..]].concat();
    let refused = world.run(&elsewhere).expect_code(50, "not on record");
    assert_tells(&refused.stderr, &["must be on record", "nothing was decrypted"]);
    assert!(!world.path("other").exists());
}

#[test]
fn what_fails_and_is_not_on_record_says_both() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    fill_the_log(&world);
    let bundles = world.files("store/bundles");
    let (name, bytes) = &bundles[0];
    let mut bytes = bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    world.write(&format!("store/bundles/{name}"), &bytes);
    let told = ["warning: this is not on record", "error: "];
    let verify = world.run(&["verify", "latest"]);
    assert_tells(&verify.stderr, &told);
    let restore = world.run(&[&["restore", "latest", "--to", "back"], &KEY[..]].concat());
    assert_tells(&restore.stderr, &told);
    let backup = world.run(&["backup", "all", "--source", "files:nowhere"]);
    assert_tells(&backup.stderr, &told);
    for ran in [verify, restore, backup] {
        assert!(
            ran.code != Some(0) && ran.stderr.matches("not on record").count() == 1,
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_short_passphrase_is_told_by_its_length() {
    let world = World::new();
    world.write("data/one.txt", b"one\n");
    let backup = [
        "backup",
        "--set",
        "all",
        "--source",
        "files:data",
        "--passphrase-file",
        "pass",
    ];
    let generate = [
        "keys",
        "generate",
        "--role",
        "signer",
        "--out",
        "made",
        "--passphrase-file",
        "pass",
    ];
    world.write("pass", b"seven 7\n");
    for arguments in [&backup[..], &generate] {
        let refused = world.run(arguments).expect_code(25, "too short");
        assert_tells(
            &refused.stderr,
            &[
                "has 7 characters, and at least 8 are needed",
                "hint: Take several words",
            ],
        );
    }
    assert!(!world.path("made").exists() && world.files("store").iter().all(|(name, _)| !name.contains("bundles")));
    world.write("pass", b"eight  8\n");
    for arguments in [&backup[..], &generate] {
        let warned = world.good(arguments);
        assert_tells(
            &warned.stderr,
            &["warning: the passphrase", "has 8 characters", "15 or more"],
        );
        assert!(!warned.stderr.contains("eight"), "{}", warned.stderr);
    }
    world.write("pass", b"fifteen chars !\n");
    assert_eq!(world.good(&backup).stderr, "");
    // What was locked with less before opens all the same.
    world.write("pass", b"eight  8\n");
    let made = world.json(&["list"])["bundles"][1]["bundle"].clone();
    let _opened = world.good(&[
        "verify",
        made.as_str().expect("text"),
        "--deep",
        "--passphrase-file",
        "pass",
    ]);
}

#[test]
fn a_public_key_in_the_place_of_a_secret_one_is_said_to_be_public() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    world.script("chmod 644 keys/operations.asc keys/age.txt keys/signer.asc; cp keys/age.txt private.txt; chmod 600 private.txt");
    for file in ["keys/operations.asc", "keys/age.txt", "private.txt"] {
        let ran = world.run(&["ls", "latest", "--identity", file]).expect_code(12, file);
        let what = format!("error: {file} holds the public ");
        assert_tells(
            &ran.stderr,
            &[&what, "opening bundles needs the secret key", "ROLE-NAME.key"],
        );
    }
    let ran = world
        .run(&["backup", "all", "--signer", "keys/signer.asc"])
        .expect_code(12, "no secret key");
    assert_tells(
        &ran.stderr,
        &[
            "keys/signer.asc holds the public certificate",
            "signing needs the secret key",
        ],
    );
    let revoke = [
        "keys",
        "revoke",
        "keys/signer.asc",
        "--reason",
        "compromised",
        "--out",
        "x.asc",
    ];
    let ran = world.run(&revoke).expect_code(12, "no secret key");
    assert_tells(&ran.stderr, &["keys/signer.asc holds the public certificate"]);
    // A secret key that others can read is another matter.
    world.script("chmod 644 secrets/operations.key");
    let ran = world
        .run(&["ls", "latest", "--identity", "secrets/operations.key"])
        .expect_code(2, "not private");
    assert_tells(&ran.stderr, &["can be read by others", "chmod 600"]);
}

#[test]
fn a_key_file_that_cannot_be_used_is_named() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    world.write(
        "broken",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
    );
    for arguments in [
        &["backup", "all", "--recipient", "broken"][..],
        &["backup", "all", "--signer", "broken"],
        &["verify", "--root", "broken"],
        &["verify", "--certificate", "broken"],
        &["verify", "--deep", "--identity", "broken"],
    ] {
        let ran = world.run(arguments);
        assert!(ran.code != Some(0), "{arguments:?}");
        assert_tells(&ran.stderr, &["error: cannot use broken\n"]);
    }
}

#[test]
fn a_key_through_a_pipe_is_read() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let program = cli::PROGRAM;
    world.script(&format!(
        "mkfifo -m 600 pipe
        cat secrets/operations.key > pipe & {program} ls latest --identity pipe > listed
        grep -q data/one.txt listed
        cat secrets/age.key > pipe & {program} keys show pipe | grep -q 'SECRET keys of these'
        cat keys/root.asc > pipe & {program} verify --root pipe"
    ));
    // What a shell gives for <(…) works too, and not for root alone.
    world.script(&format!(
        "{program} ls latest --identity <(cat secrets/operations.key) | grep -q data/one.txt
        {program} verify --deep --identity <(cat secrets/operations.key) --root <(cat keys/root.asc)
        chmod 755 .; cp {program} program; chmod 755 program; cp secrets/age.key for-all; chmod 644 for-all; here=$PWD; cd /
        /usr/sbin/runuser -u nobody -- bash -c \"$here/program keys show <(cat $here/for-all)\" | grep -q 'SECRET keys'"
    ));
}

#[test]
fn keys_say_what_they_are_and_why_they_are_revoked() {
    let world = World::new();
    let revoke = [
        "keys",
        "revoke",
        "secrets/signer.key",
        "--reason",
        "superseded",
        "--out",
        "old.asc",
    ];
    let _revoked = world.good(&revoke);
    let shown = world.json(&["keys", "show", "old.asc"]);
    let certificate = &shown["certificates"][0];
    assert_eq!(certificate["state"], "retired", "{shown}");
    let reason = certificate["revocation"]["reason"].as_str().expect("text");
    assert!(reason.contains("superseded"), "{reason}");
    let people = text(&world.good(&["keys", "show", "old.asc"]));
    assert_tells(&people, &["\nrevoked    ", "superseded"]);
    assert_tells(
        &text(&world.good(&["keys", "list", "old.asc"])),
        &["revoked: ", "superseded"],
    );
    // Every key of the certificate is named, and which is the certificate.
    let keys = certificate["keys"].as_array().expect("keys");
    assert_eq!(keys[0]["fingerprint"], certificate["fingerprint"]);
    for key in keys {
        assert_tells(
            &people,
            &[&format!("; key {}", key["fingerprint"].as_str().expect("text"))],
        );
    }
    // A copy that knows of the revocation counts here too.
    let known = world.json(&["keys", "show", "keys/signer.asc", "--certificate", "old.asc"]);
    assert_eq!(known["certificates"][0]["state"], "retired", "{known}");

    let age = world.json(&["keys", "show", "secrets/age.key"]);
    let recipient = String::from_utf8(world.read("keys/age.txt")).expect("text");
    assert_eq!(
        (&age["secret"], &age["recipients"][0]["id"]),
        (&true.into(), &recipient.trim().into())
    );
    assert_tells(
        &text(&world.good(&["keys", "list", "secrets/age.key"])),
        &[recipient.trim()],
    );
    assert_tells(
        &text(&world.good(&["keys", "show", "keys/operations.asc"])),
        &["a recipient needs none"],
    );
    world.write("bare.toml", b"");
    let alone = text(&world.good(&["keys", "show", "keys/signer.asc", "--config", "bare.toml"]));
    assert_tells(&alone, &["no root is pinned here"]);
    let root = text(&world.good(&["keys", "show", "keys/root.asc", "--config", "bare.toml"]));
    assert_tells(&root, &["trust      it is not pinned here"]);
}

#[test]
fn who_is_missing_is_named_by_certificate() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    let ran = world
        .run(&["ls", "latest", "--identity", "secrets/gnupg.key"])
        .expect_code(12, "another key");
    let shown = world.json(&["keys", "show", "keys/operations.asc"]);
    let certificate = shown["certificates"][0]["fingerprint"].as_str().expect("text");
    assert_tells(&ran.stderr, &[&format!("of the certificate {certificate}")]);
    let verified = world.json(&["verify"]);
    let signature = &verified["result"]["signatures"][0];
    assert_ne!(signature["fingerprint"], signature["signing_key"]);
    let keys = &world.json(&["keys", "show", "keys/signer.asc"])["certificates"][0]["keys"];
    assert!(
        keys.as_array()
            .expect("keys")
            .iter()
            .any(|key| key["fingerprint"] == signature["signing_key"])
    );
    let people = text(&world.good(&["verify"]));
    assert!(
        people.contains("no rule of [policy] is broken") && !people.contains("as the policy asks"),
        "{people}"
    );
}

#[test]
fn what_a_newer_version_wrote_is_said_to_be_newer_everywhere() {
    const HINT: &str = "hint: A newer version of hub-backup wrote this";
    let world = world_with_remarks();
    let made = world.json(&["backup", "all"]);
    let (name, bytes) = world.files("store/bundles").remove(0);
    // The trailer, which is read first.
    let trailer = br#"{"version":1,"#;
    let at = bytes
        .windows(trailer.len())
        .rposition(|window| window == trailer)
        .expect("a trailer");
    let mut newer = bytes.clone();
    newer[at + trailer.len() - 2] = b'2';
    world.write("newer.hub.tar", &newer);
    for arguments in [&["verify", "newer.hub.tar"][..], &["show", "newer.hub.tar"]] {
        let ran = world.run(arguments).expect_code(1, "a newer trailer");
        assert_tells(&ran.stderr, &["format version 2 is unknown", HINT]);
    }
    assert!(made["object"].as_str().expect("text").ends_with(&name), "{made}");
    // The link of the chain, and the records of the store.
    for object in [
        "store/manifests/all/0000000001.json",
        "store/repository.json",
        "store/audit/0000000001.json",
    ] {
        let old = String::from_utf8(world.read(object)).expect("text");
        world.write(object, old.replacen("\"version\": 1", "\"version\": 2", 1).as_bytes());
        let ran = match object.split('/').nth(1) {
            Some("manifests") => world.run(&["show", "latest"]).expect_code(1, object),
            Some("repository.json") => world.run(&["backup", "all"]).expect_code(1, object),
            _ => {
                let ran = world.run(&["audit", "list"]);
                assert_tells(&text(&ran), &["version 2 of the hub-backup audit record is unknown"]);
                world.write(object, old.as_bytes());
                continue;
            }
        };
        assert_tells(&ran.stderr, &["version 2", HINT]);
        world.write(object, old.as_bytes());
    }
}

#[test]
fn a_command_in_the_settings_shows_no_secret() {
    let world = World::new();
    world.settings("[sets.all]\nsources = [\"command:dump=export --password needle-4c1f --output -\"]");
    for arguments in [&["config", "show"][..], &["config", "show", "--json"]] {
        let shown = text(&world.good(arguments));
        assert!(
            shown.contains("command:dump=export [redacted]") && !shown.contains("needle"),
            "{shown}"
        );
    }
}

#[test]
fn what_is_no_file_is_told_and_not_waited_for() {
    let world = world_with_remarks();
    let _made = world.good(&["backup", "all"]);
    world.script("mkfifo -m 600 pipe");
    for named in [
        &["verify", "--root"][..],
        &["verify", "--certificate"],
        &["verify", "--checkpoint"],
        &["checkpoint", "check"],
        &["verify", "--deep", "--identity"],
        &["verify", "--deep", "--passphrase-file"],
        &["verify", "--deep", "--identity-passphrase-file"],
        &["backup", "all", "--signer"],
        &["backup", "all", "--recipient"],
        &["keys", "show"],
        &["keys", "certify", "--with", "secrets/root.key", "--out", "new.asc"],
        &["list", "--config"],
    ] {
        for (name, what) in [
            ("pipe", "FIFO that nobody writes to"),
            ("keys", "folder"),
            ("/dev/zero", "device"),
        ] {
            if named.ends_with(&["--certificate"]) && name == "keys" {
                continue;
            }
            let arguments = [&["-k", "20", "20", cli::PROGRAM][..], named, &[name, "--json"]].concat();
            let output = world
                .command("timeout")
                .args(&arguments)
                .output()
                .expect("timeout is installed");
            let ran = cli::Ran::new(output).expect_code(2, &arguments.join(" "));
            assert_tells(&ran.stderr, &[what, name, "hint: "]);
            // The mode of a device is nobody's to change.
            assert!(!ran.stderr.contains("chmod"), "{}", ran.stderr);
        }
    }
    // Stdin as `ssh` makes it.
    let program = cli::PROGRAM;
    world.script(&format!(
        "python3 - <<'END' | grep -q data/one.txt
import socket, subprocess
ours, theirs = socket.socketpair()
ours.sendall(open('secrets/operations.key', 'rb').read())
ours.shutdown(socket.SHUT_WR)
subprocess.check_call(['{program}', 'ls', 'latest', '--identity', '/dev/stdin'], stdin=theirs)
END"
    ));
    // No settings at all, as for other programs.
    let ran = world.run(&["list", "--config", "/dev/null"]).expect_code(2, "no store");
    assert_tells(&ran.stderr, &["no store was named"]);
}
