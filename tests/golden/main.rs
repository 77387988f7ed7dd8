//! Every golden bundle of every released format version verifies and restores, for ever.
//!
//! Folders are walked, not listed: a bundle that is put into `testdata/bundles/` is tested. They are never made anew;
//! `make.rs` says how the first ones were made.

#[path = "../support/mod.rs"]
mod support;

mod contents;
mod make;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::digest::Digest;
use hub_backup::base::progress::Silent;
use hub_backup::base::secret::SecretText;
use hub_backup::bundle::entry::Node;
use hub_backup::bundle::suite::Suite;
use hub_backup::flow::contents::Opened;
use hub_backup::flow::restore::restore;
use hub_backup::flow::verify::Measure;
use hub_backup::flow::verify::Verified;
use hub_backup::keyring::Identity;
use hub_backup::keyring::identities::read_identity;
use hub_backup::keyring::openpgp;
use hub_backup::keyring::trust::TrustStore;
use hub_backup::policy::crypto::KeyPolicy;
use hub_backup::policy::selection::Selection;

use support::memory::Memory;

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// The golden bundles of all versions.
fn bundles() -> Vec<PathBuf> {
    let versions = files(&testdata("bundles"));
    let all = versions
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|version| files(version));
    let bundles: Vec<PathBuf> = all
        .filter(|path| path.extension().is_some_and(|extension| extension == "tar"))
        .collect();
    assert!(
        bundles.len() >= Suite::ALL.len(),
        "one of each suite at least: {bundles:?}"
    );
    bundles
}

fn verified(bundle: &Path) -> Verified {
    let certificates =
        |name: &str| openpgp::read_certificates(&read(&testdata("keys").join(name))).expect("certificates");
    let trust = TrustStore {
        pinned: certificates("root.asc"),
        known: certificates("signer.asc"),
    };
    let policy = KeyPolicy {
        recipients_min: 2,
        ..KeyPolicy::default()
    };
    let measure = Measure {
        trust: &trust,
        ..support::measure(&policy)
    };
    support::judge_by(Arc::new(read(bundle)), &measure)
        .unwrap_or_else(|(kind, message)| panic!("{}: {kind:?}: {message}", bundle.display()))
}

/// Every secret that opens a bundle of the suite, each alone.
fn identities(suite: Suite) -> Vec<(&'static str, Identity)> {
    let names: &[&str] = match suite {
        Suite::Rfc9580 => &[
            "operations-secret.asc",
            "escrow-secret.asc",
            "age-operations.txt",
            "passphrase.txt",
        ],
        Suite::Gnupg => &["gnupg-operations-secret.asc", "gnupg-escrow-secret.asc"],
        Suite::Age => &["age-operations.txt", "age-escrow.txt", "passphrase.txt"],
    };
    let identity = |name: &'static str| {
        let bytes = read(&testdata("keys").join(name));
        if name == make::PASSPHRASE_FILE {
            let text = String::from_utf8(bytes).expect("text");
            return (name, Identity::Passphrase(SecretText::new(text.trim_end().to_owned())));
        }
        (name, read_identity(&bytes, None).expect("an identity"))
    };
    names.iter().copied().map(identity).collect()
}

/// What a bundle holds, as `expected/listing.txt` says it.
fn restored(bundle: &Path, verified: &Verified, name: &str, identity: Identity) -> (Memory, String) {
    let opened =
        Opened::open(verified, &[identity]).unwrap_or_else(|error| panic!("{}: {name}: {error}", bundle.display()));
    let mut memory = Memory::default();
    let restored = restore(&opened, &mut Selection::all(), 2, &mut memory, &Silent, &Cancel::new());
    let restored = restored.unwrap_or_else(|error| panic!("{}: {name}: {error}", bundle.display()));
    let exceptions = restored
        .remarks
        .exceptions
        .iter()
        .map(|exception| format!("exception {} {}\n", exception.path, exception.reason));
    let listing = memory.listing() + &exceptions.collect::<String>();
    (memory, listing)
}

#[test]
fn every_golden_bundle_verifies_and_restores() {
    for bundle in bundles() {
        let verified = verified(&bundle);
        let proof = verified.proof().expect("verified with a trust root");
        assert_eq!(proof.signatures.len(), 1);
        let expected = bundle.with_file_name("expected");
        let listing = String::from_utf8(read(&expected.join("listing.txt"))).expect("text");
        let suite = verified.manifest().suite;
        assert_eq!(
            bundle.file_name().expect("a file").to_string_lossy(),
            format!("{suite}.hub.tar")
        );
        for (name, identity) in identities(suite) {
            let (memory, got) = restored(&bundle, &verified, name, identity);
            assert_eq!(got, listing, "{}: {name}", bundle.display());
            compare(&memory, &expected);
        }
    }
}

/// The contents of files without holes are as the listing says, and those kept beside it are the same bytes.
fn compare(memory: &Memory, expected: &Path) {
    for entry in &memory.entries {
        if let Node::File {
            extents: None, sha256, ..
        } = &entry.node
        {
            assert_eq!(
                Digest::of(&memory.contents[&entry.path.to_string()]),
                *sha256,
                "{}",
                entry.path
            );
        }
    }
    for stream in &memory.streams {
        assert_eq!(
            Digest::of(&memory.contents[&stream.path.to_string()]),
            stream.sha256,
            "{}",
            stream.path
        );
    }
    for kept in files(&expected.join("hub")) {
        let path = format!("hub/{}", kept.file_name().expect("a file").to_string_lossy());
        assert!(memory.contents[&path] == read(&kept), "{path}");
    }
}

#[test]
fn golden_bundles_are_never_made_anew() {
    for bundle in bundles() {
        let sums = String::from_utf8(read(&bundle.with_file_name("SHA256SUMS"))).expect("text");
        let name = bundle.file_name().expect("a file").to_string_lossy().into_owned();
        let line = format!("{}  {name}", Digest::of(&read(&bundle)));
        assert!(
            sums.lines().any(|known| known == line),
            "{}: it is no longer the one that was released",
            bundle.display()
        );
    }
}
