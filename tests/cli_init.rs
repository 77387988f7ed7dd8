//! `init` through the program: what it makes, for whom, and what it refuses.

#[path = "support/program.rs"]
mod program;

use std::fs;

use program::NEEDLE;
use program::Place;
use program::stderr;
use serde_json::Value;

const OFFLINE: [&str; 8] = [
    "README.txt",
    "recipient-escrow.key",
    "recipient-escrow.rev",
    "recipient-operations.key",
    "recipient-operations.rev",
    "root.key",
    "root.rev",
    "signer.rev",
];

fn locked() -> Place {
    let place = Place::new();
    let pass = place.passphrase();
    place.good(&["init", "made", "--name", "hub", "--passphrase-file", pass]);
    place
}

#[test]
fn everything_is_where_it_belongs_with_the_right_modes() {
    let place = locked();
    assert_eq!(
        place.names("made"),
        ["hub-backup.toml", "keys", "move-offline", "secrets", "store"]
    );
    assert_eq!(place.names("made/move-offline"), OFFLINE);
    assert_eq!(place.names("made/secrets"), ["signer.key"]);
    let public = [
        "recipient-escrow.asc",
        "recipient-operations.asc",
        "root.asc",
        "signer.asc",
    ];
    assert_eq!(place.names("made/keys"), public);
    for (name, mode) in [
        ("made", 0o750),
        ("made/secrets", 0o700),
        ("made/move-offline", 0o700),
        ("made/secrets/signer.key", 0o600),
    ] {
        assert_eq!(place.mode(name), mode, "{name}");
    }
    for name in OFFLINE.iter().filter(|name| **name != "README.txt") {
        assert_eq!(place.mode(&format!("made/move-offline/{name}")), 0o600, "{name}");
    }
    for name in public {
        let text = place.read(&format!("made/keys/{name}"));
        assert!(!String::from_utf8_lossy(&text).contains("PRIVATE"), "{name}");
    }
    assert_eq!(
        place.names("."),
        ["home", "made", "pass.txt"],
        "nothing temporary is left"
    );
}

#[test]
fn the_report_names_every_file_that_was_made() {
    let place = Place::new();
    let report = place.json(&["init", "made", "--no-passphrase"]);
    assert_eq!(report["schema"], "hub-backup/init/1");
    let files = report["files"].as_array().expect("a list");
    let named = |folder: &str| -> Vec<String> {
        let paths = files.iter().map(|file| file["path"].as_str().expect("text"));
        let mut names: Vec<String> = paths
            .filter_map(|path| path.strip_prefix(folder))
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    };
    for folder in ["keys", "secrets", "move-offline"] {
        let on_disk = place.names(&format!("made/{folder}"));
        assert_eq!(named(&format!("{folder}/")), on_disk, "{folder}");
    }
    for file in files {
        let path = file["path"].as_str().expect("text");
        assert_eq!(
            file["secret"],
            [".key", ".rev"].iter().any(|end| path.ends_with(end)),
            "{path}"
        );
        assert_eq!(file["leaves_this_host"], path.starts_with("move-offline/"), "{path}");
        assert_eq!(file["locked"], false, "{path}");
        assert!(
            !file["keeper"].as_str().expect("text").is_empty() && !file["if_lost"].as_str().expect("text").is_empty()
        );
    }
    assert_eq!(report["keys"].as_array().expect("a list").len(), 4);
}

#[test]
fn the_passphrase_locks_what_leaves_and_not_the_signer() {
    let place = locked();
    let secret = |file: &str| -> Vec<Value> {
        let shown = place.json(&["keys", "show", file]);
        assert_eq!(shown["secret"], true, "{file}");
        let keys = shown["certificates"][0]["keys"].as_array().expect("a list").clone();
        keys.into_iter().map(|key| key["secret"].clone()).collect()
    };
    for file in ["root", "recipient-operations", "recipient-escrow"] {
        let locks = secret(&format!("made/move-offline/{file}.key"));
        assert!(locks.iter().all(|lock| *lock == "locked"), "{file}: {locks:?}");
    }
    assert_eq!(secret("made/secrets/signer.key"), ["not-locked", "not-locked"]);
    assert!(!String::from_utf8_lossy(&place.read("made/hub-backup.toml")).contains(NEEDLE));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test moves its own files")]
fn the_settings_are_right_once_sources_are_named() {
    let place = locked();
    let settings = ["--config", "made/hub-backup.toml"];
    let told = stderr(&place.run(&[&["config", "check"], &settings[..]].concat()));
    assert!(
        told.starts_with("warning: ") && told.contains("made/move-offline still holds secret keys"),
        "{told}"
    );
    fs::rename(place.path().join("made/move-offline"), place.path().join("elsewhere")).expect("they leave");
    let told = place.run(&[&["config", "check"], &settings[..]].concat());
    assert_eq!(
        stderr(&told),
        "error: the settings have 1 problem\n",
        "only the sources are missing"
    );
    let text = String::from_utf8(place.read("made/hub-backup.toml")).expect("UTF-8");
    place.write("data.txt", b"data");
    let text = text.replace("sources = [", "sources = [\"files:../data.txt\",");
    place.write("made/hub-backup.toml", text.as_bytes());
    place.good(&[&["config", "check"], &settings[..]].concat());

    // The keys that were made carry a backup from its beginning to its proof.
    let backup = place.run(&[&["backup", "hub"], &settings[..]].concat());
    assert_eq!(
        (backup.status.code(), stderr(&backup).contains("move-offline")),
        (Some(0), false)
    );
    fs::rename(place.path().join("elsewhere"), place.path().join("made/move-offline")).expect("they come back");
    let backup = place.run(&[&["backup", "hub"], &settings[..]].concat());
    assert!(
        stderr(&backup).contains("made/move-offline still holds secret keys"),
        "{}",
        stderr(&backup)
    );
    place.good(&[&["verify", "latest"], &settings[..]].concat());
    let audit = place.json(&[&["audit", "check"], &settings[..]].concat());
    assert_eq!(
        (&audit["unsigned"], &audit["problems"]),
        (&0.into(), &Value::Array(Vec::new()))
    );
}

#[test]
fn a_set_with_a_dot_is_one_set() {
    let place = Place::new();
    place.good(&["init", "made", "--no-passphrase", "--name", "hub.eu-1"]);
    let told = place.fails(2, &["config", "check", "--config", "made/hub-backup.toml"]);
    let error = told.lines().find(|line| line.starts_with("error: "));
    assert_eq!(error, Some("error: the settings have 1 problem"), "{told}");
}

#[test]
fn gnupg_imports_every_certificate_and_verifies_the_store() {
    for (algorithm, suite) in [("ecdsa-p384", "auto"), ("ed25519", "gnupg"), ("rsa-3072", "gnupg")] {
        let place = Place::new();
        let arguments = [
            "init",
            "made",
            "--no-passphrase",
            "--algorithm",
            algorithm,
            "--suite",
            suite,
        ];
        let made = place.json(&[&arguments[..], &["--name", "hub"]].concat());
        for name in ["root", "signer", "recipient-operations", "recipient-escrow"] {
            let file = format!("made/keys/{name}.asc");
            let output = place.tool("gpg", &["--batch", "--import", &file]);
            assert!(output.status.success(), "{algorithm} {name}: {}", stderr(&output));
        }
        for (signed, key) in [("repository", "root"), ("audit/0000000001", "signer")] {
            let (bytes, signatures) = (
                format!("made/store/{signed}.json"),
                format!("made/store/{signed}.json.asc"),
            );
            let output = place.tool("gpg", &["--batch", "--status-fd", "2", "--verify", &signatures, &bytes]);
            let keys = made["keys"].as_array().expect("a list");
            let key = keys.iter().find(|made| made["name"] == key).expect(key);
            let status = stderr(&output);
            let valid = status
                .lines()
                .find(|line| line.contains("VALIDSIG"))
                .unwrap_or_else(|| panic!("{status}"));
            assert!(
                valid.ends_with(key["fingerprint"].as_str().expect("text")),
                "{algorithm}: {valid}"
            );
        }
        let signer = place.tool("gpg", &["--batch", "--check-sigs", "--with-colons", "hub signer"]);
        let signatures = program::stdout(&signer);
        assert!(
            signatures
                .lines()
                .any(|line| line.starts_with("sig:!") && line.contains("hub root")),
            "{signatures}"
        );
    }
}

#[test]
fn nothing_is_overwritten() {
    let place = locked();
    let before = place.read("made/secrets/signer.key");
    let told = place.fails(40, &["init", "made", "--no-passphrase"]);
    assert!(told.contains("made exists and is not an empty folder"), "{told}");
    assert_eq!(place.read("made/secrets/signer.key"), before);
    place.write("file", b"");
    place.fails(40, &["init", "file", "--no-passphrase"]);
    place.fails(40, &["init", ".", "--no-passphrase"]);
    assert_eq!(place.names("."), ["file", "home", "made", "pass.txt"]);
}

#[test]
fn an_empty_folder_is_filled_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    fs::create_dir(place.at("empty")).expect("a folder");
    fs::set_permissions(place.at("empty"), fs::Permissions::from_mode(0o710)).expect("own folder");
    place.good(&["init", "empty", "--no-passphrase"]);
    assert_eq!(place.mode("empty"), 0o710);
    assert_eq!(
        place.names("empty"),
        ["hub-backup.toml", "keys", "move-offline", "secrets", "store"]
    );
    place.good(&["init", "new/parents/made", "--no-passphrase"]);
    assert_eq!(place.names("new/parents"), ["made"]);
}

/// `init` into a folder that is there, in which this choice of renames fails.
fn init_with_failing_renames(place: &Place, which: &str) -> std::process::Output {
    fs::create_dir(place.at("empty")).expect("a folder");
    let inject = format!("inject=renameat2:error=EIO:when={which}");
    let strace = ["-f", "-qq", "-o", "calls", "-e", "trace=renameat2", "-e", &inject];
    let init = [env!("CARGO_BIN_EXE_hub-backup"), "init", "empty", "--no-passphrase"];
    let output = place.tool("strace", &[&strace[..], &init].concat());
    let calls = String::from_utf8(place.read("calls")).expect("text");
    assert!(calls.contains("(INJECTED)"), "{calls}");
    output
}

#[test]
fn a_folder_that_cannot_be_filled_is_empty_again() {
    for failing in 1..=5 {
        let place = Place::new();
        let output = init_with_failing_renames(&place, &failing.to_string());
        let told = stderr(&output);
        assert_ne!(output.status.code(), Some(0), "{failing}");
        assert!(told.contains("Input/output error"), "{failing}: {told}");
        assert_eq!(place.names("empty"), [""; 0], "{failing}: {told}");
        place.good(&["init", "empty", "--no-passphrase"]);
    }
}

#[test]
fn what_init_could_not_take_back_is_named() {
    let place = Place::new();
    let output = init_with_failing_renames(&place, "3+");
    let told = stderr(&output);
    assert!(
        told.contains("error: empty/keys, empty/store stays") && told.contains("hint: Remove it"),
        "{told}"
    );
    assert_eq!(place.names("empty"), ["keys", "store"]);
}

#[test]
fn what_cannot_be_made_leaves_nothing() {
    let place = Place::new();
    let told = place.fails(2, &["init", "made", "--no-passphrase", "--suite", "age"]);
    assert!(told.contains("keys generate --role recipient --age"), "{told}");
    let told = place.fails(2, &["init", "made", "--passphrase-file", "gone"]);
    assert!(told.contains("cannot read the secret in gone"), "{told}");
    place.fails(2, &["init", "made", "--passphrase-file", "x", "--no-passphrase"]);
    assert_eq!(place.names("."), ["home"]);
}

#[test]
fn without_a_passphrase_it_warns() {
    let place = Place::new();
    let output = place.run(&["init", "made", "--no-passphrase", "--quiet"]);
    assert!(
        stderr(&output).contains("warning: the secret keys are not locked"),
        "{}",
        stderr(&output)
    );
}
