//! `keys` through the program: made, shown, certified, revoked, and understood by other OpenPGP programs.

#[path = "support/program.rs"]
mod program;

use program::Place;
use program::stderr;
use program::stdout;
use serde_json::Value;

fn generate(place: &Place, role: &str, more: &[&str]) -> Value {
    let arguments = ["keys", "generate", "--role", role, "--out", "keys", "--no-passphrase"];
    place.json(&[&arguments[..], more].concat())
}

/// A root and a signer that it certified.
fn pair() -> Place {
    let place = Place::new();
    generate(&place, "root", &[]);
    generate(&place, "signer", &["--certify-with", "keys/root.key"]);
    place
}

fn certificate(place: &Place, file: &str) -> Value {
    let shown = place.json(&["keys", "show", file, "--root", "keys/root.asc"]);
    assert_eq!(shown["schema"], "hub-backup/keys-show/1");
    shown["certificates"][0].clone()
}

#[test]
fn a_key_is_three_files_with_private_modes() {
    let place = Place::new();
    let made = generate(&place, "recipient", &["--name", "Escrow, Köln", "--generation", "3"]);
    assert_eq!(made["schema"], "hub-backup/keys-generate/1");
    let stem = "recipient-escrow-k-ln";
    assert_eq!(
        place.names("keys"),
        ["asc", "key", "rev"].map(|end| format!("{stem}.{end}"))
    );
    assert_eq!(place.mode("keys"), 0o700);
    assert_eq!(place.mode(&format!("keys/{stem}.key")), 0o600);
    assert_eq!(place.mode(&format!("keys/{stem}.rev")), 0o600);
    assert_eq!(made["public"], format!("keys/{stem}.asc"));
    assert_eq!((&made["role"], &made["generation"]), (&"recipient".into(), &3.into()));
    let shown = place.json(&["keys", "show", &format!("keys/{stem}.asc")]);
    let shown = &shown["certificates"][0];
    assert_eq!(shown["user_ids"], Value::from(vec!["Escrow, Köln"]));
    assert_eq!((&shown["state"], &shown["generation"]), (&"valid".into(), &3.into()));
    assert_eq!(shown["fingerprint"], made["id"]);
    assert_eq!(shown["suites"], Value::from(vec!["rfc9580", "gnupg"]));
}

#[test]
fn nothing_is_overwritten() {
    let place = pair();
    let before = place.read("keys/signer.key");
    let told = place.fails(
        40,
        &[
            "keys",
            "generate",
            "--role",
            "signer",
            "--out",
            "keys",
            "--no-passphrase",
        ],
    );
    assert!(told.contains("keys/signer.key exists"), "{told}");
    assert_eq!(place.read("keys/signer.key"), before);
    let certify = [
        "keys",
        "certify",
        "keys/signer.asc",
        "--with",
        "keys/root.key",
        "--out",
        "keys/root.asc",
    ];
    place.fails(40, &certify);
    let revoke = [
        "keys",
        "revoke",
        "keys/signer.key",
        "--reason",
        "retired",
        "--out",
        "keys/signer.asc",
    ];
    place.fails(40, &revoke);
    assert_eq!(certificate(&place, "keys/signer.asc")["state"], "valid");
}

#[test]
fn a_root_certifies_a_signer_and_takes_it_back() {
    let place = Place::new();
    let root = generate(&place, "root", &[]);
    generate(&place, "signer", &[]);
    let show = |file: &str| certificate(&place, file);
    assert!(show("keys/signer.asc")["untrusted"].is_string());
    place.good(&[
        "keys",
        "certify",
        "keys/signer.asc",
        "--with",
        "keys/root.key",
        "--out",
        "certified.asc",
    ]);
    let certified = show("certified.asc");
    assert_eq!(certified["trusted_by"], root["id"]);
    let word = &certified["certifications"][0];
    assert_eq!(
        (&word["by"], &word["genuine"], &word["takes_back"]),
        (&root["id"], &true.into(), &false.into())
    );
    // Without the root, the word is there and cannot be checked.
    let alone = place.json(&["keys", "show", "certified.asc"]);
    assert_eq!(alone["certificates"][0]["certifications"][0]["genuine"], false);

    let back = [
        "keys",
        "revoke",
        "certified.asc",
        "--root-key",
        "keys/root.key",
        "--reason",
        "superseded",
    ];
    place.good(&[&back[..], &["--out", "back.asc"]].concat());
    let back = show("back.asc");
    assert!(
        back["untrusted"]
            .as_str()
            .expect("text")
            .contains("revoked its certification"),
        "{back}"
    );
    let words = back["certifications"].as_array().expect("a list");
    assert!(
        words
            .iter()
            .any(|word| word["takes_back"] == true && word["genuine"] == true),
        "{back}"
    );
}

#[test]
fn a_root_takes_back_only_what_it_certified() {
    let place = Place::new();
    generate(&place, "root", &[]);
    generate(&place, "signer", &[]);
    let arguments = [
        "keys",
        "revoke",
        "keys/signer.asc",
        "--root-key",
        "keys/root.key",
        "--reason",
        "retired",
        "--out",
        "x",
    ];
    let told = place.fails(2, &arguments);
    assert!(told.contains("has not certified"), "{told}");
    let told = place.fails(
        2,
        &[
            "keys",
            "certify",
            "keys/root.asc",
            "--with",
            "keys/signer.key",
            "--out",
            "x",
        ],
    );
    assert!(told.contains("the key of a signer"), "{told}");
}

#[test]
fn revoked_keys_show_it() {
    let place = pair();
    for (reason, state) in [
        ("compromised", "revoked"),
        ("superseded", "retired"),
        ("retired", "retired"),
    ] {
        let out = format!("{reason}.asc");
        let said = place.json(&["keys", "revoke", "keys/signer.key", "--reason", reason, "--out", &out]);
        assert_eq!(said["state"], state);
        assert_eq!(certificate(&place, &out)["state"], state, "{reason}");
        assert!(!String::from_utf8_lossy(&place.read(&out)).contains("PRIVATE"));
    }
    let prepared = [
        "keys",
        "revoke",
        "keys/signer.asc",
        "--revocation",
        "keys/signer.rev",
        "--out",
        "by-file.asc",
    ];
    place.good(&prepared);
    assert_eq!(certificate(&place, "by-file.asc")["state"], "revoked");
    let other = [
        "keys",
        "revoke",
        "keys/signer.asc",
        "--revocation",
        "keys/root.rev",
        "--out",
        "x",
    ];
    assert!(place.fails(2, &other).contains("the revocation is of"));
    let none = [
        "keys",
        "revoke",
        "keys/signer.asc",
        "--revocation",
        "keys/signer.asc",
        "--out",
        "x",
    ];
    assert!(place.fails(2, &none).contains("holds no revocation"));
    // Any copy that knows of the revocation counts.
    let listed = place.json(&["keys", "list", "keys", "compromised.asc", "--root", "keys/root.asc"]);
    let rows = listed["keys"].as_array().expect("a list");
    let signer = rows.iter().find(|row| row["role"] == "signer").expect("a signer");
    assert_eq!(
        (&signer["state"], &signer["trusted_by"]),
        (&"revoked".into(), &Value::Null)
    );
}

#[test]
fn a_locked_key_needs_its_passphrase() {
    let place = Place::new();
    let pass = place.passphrase();
    let arguments = [
        "keys",
        "generate",
        "--role",
        "root",
        "--out",
        "keys",
        "--passphrase-file",
        pass,
    ];
    assert_eq!(place.json(&arguments)["locked"], true);
    generate(&place, "signer", &[]);
    let certify = [
        "keys",
        "certify",
        "keys/signer.asc",
        "--with",
        "keys/root.key",
        "--out",
        "certified.asc",
    ];
    let with_file = [&certify[..], &["--root-passphrase-file", pass]].concat();
    place.good(&with_file);
    place.write("wrong.txt", b"wrong\n");
    let chmod = place.tool("chmod", &["600", "wrong.txt"]);
    assert!(chmod.status.success());
    let revoke = [
        "keys",
        "revoke",
        "keys/root.key",
        "--reason",
        "retired",
        "--out",
        "x",
        "--passphrase-file",
        "wrong.txt",
    ];
    let told = place.fails(12, &revoke);
    assert!(told.contains("does not unlock"), "{told}");
    assert!(!place.at("x").exists());
}

#[test]
fn a_secret_key_that_others_read_is_refused_and_shown_with_a_warning() {
    let place = pair();
    let chmod = place.tool("chmod", &["644", "keys/root.key"]);
    assert!(chmod.status.success());
    let told = place.fails(
        2,
        &[
            "keys",
            "certify",
            "keys/signer.asc",
            "--with",
            "keys/root.key",
            "--out",
            "x",
        ],
    );
    assert!(told.contains("can be read by others"), "{told}");
    let output = place.run(&["keys", "show", "keys/root.key"]);
    assert!(
        stderr(&output).contains("warning: keys/root.key can be read by others"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("SECRET part, NOT locked"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn an_age_identity_opens_what_its_recipient_gets() {
    let place = Place::new();
    let arguments = [
        "keys",
        "generate",
        "--role",
        "recipient",
        "--out",
        "keys",
        "--name",
        "vault",
        "--age",
    ];
    let made = place.json(&arguments);
    let recipient = made["id"].as_str().expect("text");
    assert!(recipient.starts_with("age1"), "{made}");
    assert_eq!(place.names("keys"), ["recipient-vault.key"]);
    assert_eq!(place.mode("keys/recipient-vault.key"), 0o600);
    let sealed = place.bare(
        "age",
        &["--encrypt", "--recipient", recipient, "--output", "sealed"],
        b"content",
    );
    assert!(sealed.status.success(), "{}", stderr(&sealed));
    let opened = place.tool(
        "age",
        &["--decrypt", "--identity", "keys/recipient-vault.key", "sealed"],
    );
    assert_eq!(opened.stdout, b"content");
    place.fails(40, &arguments);
    place.fails(2, &["keys", "generate", "--role", "signer", "--out", "keys", "--age"]);
    place.fails(2, &[&arguments[..], &["--algorithm", "ed25519"]].concat());
    place.write("list.txt", format!("# ours\n{recipient}\n").as_bytes());
    assert_eq!(
        place.json(&["keys", "show", "list.txt"])["recipients"][0]["id"],
        recipient
    );
}

#[test]
fn the_keys_of_the_settings_are_listed_once() {
    let place = Place::new();
    place.good(&["init", "made", "--no-passphrase", "--name", "hub"]);
    let listed = place.json(&["keys", "list", "--config", "made/hub-backup.toml"]);
    assert_eq!(listed["schema"], "hub-backup/keys-list/1");
    let rows = listed["keys"].as_array().expect("a list");
    let of = |user: &str| {
        let row = rows.iter().find(|row| row["user_ids"][0] == user);
        row.unwrap_or_else(|| panic!("{user}: {listed}"))
    };
    assert_eq!(rows.len(), 4);
    assert_eq!(of("hub root")["used_as"], Value::from(vec!["root", "certificate"]));
    assert_eq!(
        of("hub recipient escrow")["used_as"],
        Value::from(vec!["certificate", "recipient"])
    );
    assert_eq!(of("hub signer")["trusted_by"], of("hub root")["id"]);
    for row in rows {
        assert_eq!(
            (&row["state"], &row["generation"]),
            (&"valid".into(), &1.into()),
            "{row}"
        );
    }
    let people = place.good(&["keys", "list", "--config", "made/hub-backup.toml"]);
    assert!(people.contains("trusted: certified by the pinned"), "{people}");
}

#[test]
fn other_programs_read_the_keys() {
    for algorithm in ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072"] {
        let place = Place::new();
        let suite = ["--algorithm", algorithm, "--suite", "gnupg"];
        generate(&place, "root", &suite);
        generate(
            &place,
            "signer",
            &[&suite[..], &["--certify-with", "keys/root.key"]].concat(),
        );
        generate(&place, "recipient", &suite);
        for file in ["root.asc", "signer.asc", "recipient.asc", "recipient.key"] {
            let output = place.tool("gpg", &["--batch", "--import", &format!("keys/{file}")]);
            assert!(output.status.success(), "{algorithm} {file}: {}", stderr(&output));
        }
        let to = [
            "--batch",
            "--trust-model",
            "always",
            "--recipient",
            "recipient",
            "--output",
            "sealed",
            "--encrypt",
        ];
        let sealed = place.bare("gpg", &to, b"content");
        assert!(sealed.status.success(), "{algorithm}: {}", stderr(&sealed));
        let opened = place.tool("gpg", &["--batch", "--decrypt", "sealed"]);
        assert_eq!(opened.stdout, b"content", "{algorithm}: {}", stderr(&opened));
        let revoked = place.tool("gpg", &["--batch", "--import", "keys/signer.rev"]);
        assert!(revoked.status.success(), "{algorithm}: {}", stderr(&revoked));
        let listed = stdout(&place.tool("gpg", &["--batch", "--list-keys", "--with-colons", "signer"]));
        assert!(
            listed.lines().any(|line| line.starts_with("pub:r:")),
            "{algorithm}: {listed}"
        );
    }
}

#[test]
fn keys_of_gnupg_can_be_shown_and_certified() {
    let place = Place::new();
    generate(&place, "root", &[]);
    let generate = [
        "--batch",
        "--passphrase",
        "",
        "--quick-gen-key",
        "Theirs <a@example.org>",
        "rsa3072",
        "sign,cert",
        "1y",
    ];
    let made = place.tool("gpg", &generate);
    assert!(made.status.success(), "{}", stderr(&made));
    let exported = place.tool("gpg", &["--batch", "--armor", "--export", "Theirs"]);
    place.write("theirs.asc", &exported.stdout);
    place.good(&[
        "keys",
        "certify",
        "theirs.asc",
        "--with",
        "keys/root.key",
        "--out",
        "certified.asc",
    ]);
    let shown = certificate(&place, "certified.asc");
    assert_eq!((&shown["role"], &shown["state"]), (&Value::Null, &"valid".into()));
    assert!(shown["trusted_by"].is_string(), "{shown}");
    place.tool("gpg", &["--batch", "--import", "keys/root.asc", "certified.asc"]);
    let signatures = stdout(&place.tool("gpg", &["--batch", "--check-sigs", "--with-colons", "Theirs"]));
    assert!(
        signatures
            .lines()
            .any(|line| line.starts_with("sig:!") && line.contains(":root:")),
        "{signatures}"
    );
}

#[test]
fn what_is_no_key_is_named() {
    let place = Place::new();
    place.write("no-key.asc", b"hello\n");
    let told = place.fails(2, &["keys", "show", "no-key.asc"]);
    assert!(told.contains("cannot use no-key.asc"), "{told}");
    place.fails(10, &["keys", "list", "gone.asc"]);
    let told = place.fails(
        2,
        &[
            "keys",
            "generate",
            "--role",
            "recipient",
            "--out",
            "k",
            "--no-passphrase",
            "--suite",
            "age",
        ],
    );
    assert!(told.contains("--age"), "{told}");
    assert!(!place.at("k").exists());
}
