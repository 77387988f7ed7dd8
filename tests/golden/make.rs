//! Makes throwaway keys and the golden bundles of version 1. Run once, by hand; nothing that exists is overwritten.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::digest::Digest;
use hub_backup::base::limits;
use hub_backup::base::progress::Silent;
use hub_backup::base::secret::SecretText;
use hub_backup::bundle::manifest::PolicyFacts;
use hub_backup::bundle::manifest::Role;
use hub_backup::bundle::outer;
use hub_backup::bundle::suite::Suite;
use hub_backup::flow::backup;
use hub_backup::flow::backup::Plan;
use hub_backup::keyring::Recipient;
use hub_backup::keyring::dialog::Dialog;
use hub_backup::keyring::identities::make_age_identity;
use hub_backup::keyring::make;
use hub_backup::keyring::make::Algorithm;
use hub_backup::keyring::make::Made;
use hub_backup::keyring::make::NewKey;
use hub_backup::keyring::make::SuiteFeatures;
use hub_backup::keyring::openpgp;
use hub_backup::keyring::recipients::read_recipients;
use hub_backup::seal::Signer;
use hub_backup::seal::SoftwareSigner;
use hub_backup::source::Source;

use super::contents::Everything;
use super::read;
use super::support::BEGIN;
use super::support::KEYS_MADE;
use super::support::header;
use super::support::time;
use super::testdata;

pub(crate) const PASSPHRASE_FILE: &str = "passphrase.txt";

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn new_key(role: Role, name: &str, algorithm: Algorithm, suite_features: SuiteFeatures) -> Made {
    let name = format!("{name} (throwaway test key)");
    let key = NewKey {
        role,
        name,
        algorithm,
        expires: None,
        generation: 1,
        passphrase: None,
        suite_features,
    };
    make::make(&key, time(KEYS_MADE)).expect("a key")
}

#[test]
#[ignore = "makes testdata/keys, which exists: the golden bundles are opened with these keys"]
fn make_keys() {
    let keys = testdata("keys");
    let put = |name: &str, text: &str| put(&keys.join(name), text.as_bytes());
    let (default, rfc9580, gnupg) = (Algorithm::EcdsaP384, SuiteFeatures::Rfc9580, SuiteFeatures::Gnupg);
    let root = new_key(Role::Root, "Root", default, rfc9580);
    let signer = new_key(Role::Signer, "Signer", default, rfc9580);
    let certified = make::certify(&root.cert, None, &signer.cert, time(KEYS_MADE)).expect("certified");
    put("root.asc", &root.public);
    put("root-secret.asc", root.secret.expose());
    put("signer.asc", &openpgp::public_text(&certified).expect("armored"));
    put("signer-secret.asc", signer.secret.expose());
    for (name, title, algorithm, features) in [
        ("operations", "Operations", default, rfc9580),
        ("escrow", "Escrow", Algorithm::Ed25519, rfc9580),
        ("gnupg-operations", "Operations", Algorithm::Rsa3072, gnupg),
        ("gnupg-escrow", "Escrow", Algorithm::EcdsaP256, gnupg),
    ] {
        let made = new_key(Role::Recipient, title, algorithm, features);
        put(&format!("{name}.asc"), &made.public);
        put(&format!("{name}-secret.asc"), made.secret.expose());
    }
    for name in ["age-operations", "age-escrow"] {
        let (recipient, identity) = make_age_identity();
        put(&format!("{name}.txt"), identity.expose());
        put(&format!("{name}-recipient.txt"), &format!("{recipient}\n"));
    }
    put(PASSPHRASE_FILE, "none of these keys protects anything\n");
}

fn recipients(suite: Suite) -> Vec<Recipient> {
    let names: &[&str] = match suite {
        Suite::Rfc9580 => &["operations.asc", "escrow.asc", "age-operations-recipient.txt"],
        Suite::Gnupg => &["gnupg-operations.asc", "gnupg-escrow.asc"],
        Suite::Age => &["age-operations-recipient.txt", "age-escrow-recipient.txt"],
    };
    let keys = testdata("keys");
    let mut all: Vec<Recipient> = names
        .iter()
        .flat_map(|name| read_recipients(&read(&keys.join(name))).expect("recipients"))
        .collect();
    if suite != Suite::Gnupg {
        let text = String::from_utf8(read(&keys.join(PASSPHRASE_FILE))).expect("text");
        all.push(Recipient::Passphrase(SecretText::new(text.trim_end().to_owned())));
    }
    all
}

#[test]
#[ignore = "makes testdata/bundles/v1, which exists and is never made anew"]
fn make_bundles() {
    let folder = testdata("bundles/v1");
    let secret = openpgp::read_secret(&read(&testdata("keys/signer-secret.asc"))).expect("a key");
    let signer = SoftwareSigner::new(secret, None, time(BEGIN)).expect("a signer");
    let signers: [&dyn Signer; 1] = [&signer];
    let mut sums = String::new();
    for (number, suite) in Suite::ALL.into_iter().enumerate() {
        let recipients = recipients(suite);
        let header = header(suite, number as u64 + 1);
        let policy = PolicyFacts {
            retention_class: Some("golden".into()),
            lock_until: None,
        };
        let (level, jobs) = (limits::LEVEL, 1);
        let plan = Plan {
            header,
            sequence: 1,
            previous: None,
            recipients: &recipients,
            signers: &signers,
            policy,
            level,
            jobs,
            dialog: Dialog::default(),
        };
        let mut sources: Vec<Box<dyn Source>> = vec![Box::new(Everything::new())];
        let mut bytes = Vec::new();
        let _sealed = backup::backup(&plan, &mut sources, &mut bytes, &Silent, &Cancel::new()).expect("a bundle");
        let name = format!("{suite}.hub.tar");
        sums.push_str(&outer::sums_line(&name, &Digest::of(&bytes)));
        put(&folder.join(name), &bytes);
    }
    put(&folder.join("SHA256SUMS"), sums.as_bytes());
}

#[test]
#[ignore = "makes testdata/bundles/v1/expected, which exists; read what it makes before it is kept"]
fn make_expected() {
    let bundle = testdata("bundles/v1/rfc9580.hub.tar");
    let verified = super::verified(&bundle);
    let (name, identity) = super::identities(Suite::Rfc9580).swap_remove(0);
    let (memory, listing) = super::restored(&bundle, &verified, name, identity);
    let expected = testdata("bundles/v1/expected");
    put(&expected.join("listing.txt"), listing.as_bytes());
    for kept in [
        "hub/note.txt",
        "hub/empty",
        "hub/noise.bin",
        "hub/table.txt",
        "hub/nothing",
    ] {
        put(&expected.join(kept), &memory.contents[kept]);
    }
}
