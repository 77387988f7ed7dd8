//! A store that does not answer, a disk that fails, a stop: what was only half seen is never called bad, and never called good.

mod support;

#[path = "support/faulty.rs"]
mod faulty;
#[path = "support/hooked.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod hooked;

use std::fs;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use hub_backup::audit::AuditRecord;
use hub_backup::base::cancel::Cancel;
use hub_backup::base::clock::Clock as _;
use hub_backup::base::clock::SystemClock;
use hub_backup::base::durable;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::base::progress::Silent;
use hub_backup::base::read_at::ReadAt;
use hub_backup::bundle::suite::Suite;
use hub_backup::catalog::chain;
use hub_backup::flow;
use hub_backup::flow::contents::Opened;
use hub_backup::job::error::Error;
use hub_backup::job::verify;
use hub_backup::job::verify::Row;
use hub_backup::job::verify::Verify;
use hub_backup::keyring::openpgp;
use hub_backup::policy::crypto::KeyPolicy;
use hub_backup::policy::selection::Selection;
use hub_backup::seal;
use hub_backup::sink::discard::Discard;
use hub_backup::store::Store;
use hub_backup::store::local::LocalStore;
use hub_backup::store::mem::MemStore;
use hub_backup::store::names;
use serde_json::Value;

use crate::faulty::Faulty;
use crate::faulty::When;
use crate::hooked::Hooked;
use crate::support::Order;

/// The store of a run that died between publishing its second bundle and linking it.
fn store_with_a_fresh_bundle() -> MemStore {
    let whole = support::store_of(2);
    let store = MemStore::new();
    let unwritten = [
        names::manifest(&support::set(), 2),
        names::manifest_signatures(&support::set(), 2),
        names::audit(2),
        names::audit_signatures(2),
    ];
    for listed in whole.list("").expect("listed") {
        if !unwritten.contains(&listed.name) {
            let bytes = whole.get(&listed.name, u64::MAX).expect("listed");
            store.put_new(&listed.name, &bytes).expect("new");
        }
    }
    store
}

#[test]
fn a_bundle_that_could_not_be_looked_at_is_no_stray() {
    let mut failures = 0;
    for when in [When::Before, When::After] {
        for n in 1..1000 {
            let store = store_with_a_fresh_bundle();
            match support::try_back_up(&Faulty::new(&store, when, n), Suite::Rfc9580, 3) {
                // The bundle is there, and says so.
                Err(Error::Unrecorded { .. }) => {}
                Err(error) => assert_eq!(error.kind(), Kind::StoreUnavailable, "call {n}: {error}"),
                Ok(done) => {
                    assert_eq!(done.strays, [], "call {n}");
                    assert_eq!(done.adopted.len(), 1, "call {n}");
                    break;
                }
            }
            failures += 1;
        }
    }
    assert!(failures > 20, "only {failures} calls were made to fail");
}

/// What the records of the log say was adopted.
fn recorded_adoptions(store: &MemStore) -> String {
    let mut adopted = String::new();
    for listed in store.list(names::AUDIT).expect("listed") {
        if names::parse_audit(&listed.name).is_some() {
            let record = AuditRecord::parse(&store.get(&listed.name, u64::MAX).expect("listed")).expect("a record");
            adopted.extend(record.details.get("adopted").map(String::as_str));
        }
    }
    adopted
}

#[test]
fn a_run_that_fails_after_it_adopted_a_bundle_is_on_record() {
    let mut failures = 0;
    for n in 1..1000 {
        let store = store_with_a_fresh_bundle();
        let records = |store: &MemStore| store.list(names::AUDIT).expect("listed").len();
        let before = records(&store);
        let result = support::try_back_up(&Faulty::new(&store, When::Before, n), Suite::Rfc9580, 3);
        let adopted = chain::at(&store, &support::set(), 2).expect("readable").is_some();
        match result {
            Ok(_) => break,
            // What failed is the record itself.
            Err(Error::Unrecorded { .. }) => {}
            // Without the lease nothing was begun.
            Err(_) if n == 1 => assert_eq!(records(&store), before),
            Err(error) => {
                assert!(records(&store) > before, "call {n} is not on record: {error}");
                assert_eq!(recorded_adoptions(&store).is_empty(), !adopted, "call {n}: {error}");
                failures += u32::from(adopted);
            }
        }
    }
    assert!(failures > 5, "only {failures} runs failed after the adoption");
}

/// An object that gives other bytes for the first so many reads of it.
struct TwoFacedObject {
    face: Arc<Vec<u8>>,
    behind: Box<dyn ReadAt>,
    reads: Arc<AtomicU64>,
}

impl ReadAt for TwoFacedObject {
    fn len(&self) -> u64 {
        match self.reads.load(Ordering::Relaxed) {
            0 => self.behind.len(),
            _ => self.face.as_slice().len() as u64,
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let left = self
            .reads
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.face.read_exact_at(buffer, offset),
            Err(_) => self.behind.read_exact_at(buffer, offset),
        }
    }
}

#[test]
fn what_is_adopted_is_what_was_verified() {
    let mut adopted = 0;
    for reads in 0..8 {
        let inner = store_with_a_fresh_bundle();
        let first = chain::at(&inner, &support::set(), 1)
            .expect("readable")
            .expect("a link");
        let fresh = chain::fresh_bundles(&inner, &support::set()).expect("listed");
        let fresh = fresh.first().expect("a bundle that is not linked");
        // For the same place, by somebody who is not trusted.
        let forged = support::bundle(&Order {
            sequence: 2,
            previous: Some(first.digest),
            keys: support::stranger(),
            ..Order::first(Suite::Rfc9580)
        });
        let (name, face) = (names::bundle(&support::set(), fresh), Arc::new(forged.bytes));
        let reads_left = Arc::new(AtomicU64::new(reads));
        let store = Hooked::opens(&inner, move |opened, behind| {
            if *opened != name {
                return behind;
            }
            let (face, reads) = (Arc::clone(&face), Arc::clone(&reads_left));
            Box::new(TwoFacedObject { face, behind, reads })
        });
        let done = support::try_back_up(&store, Suite::Rfc9580, 3);
        adopted += done.as_ref().map_or(0, |done| done.adopted.len());
        for link in chain::links(&inner, &support::set()).expect("listed") {
            let link = link.expect("readable");
            let trust = &support::own().trust;
            let signed = seal::open(&link.bytes, &link.signatures, trust, link.manifest.created);
            assert!(signed.is_ok(), "{reads} reads: link {}: {signed:?}", link.sequence);
        }
    }
    assert!(adopted > 0, "the genuine one is adopted");
}

#[test]
fn a_stop_keeps_what_was_seen_and_calls_nothing_wrong() {
    let store = support::store_of(3);
    let keys = support::own();
    let policy = KeyPolicy::default();
    let identities = [keys.identity(Suite::Rfc9580, 0)];
    for deep in [None, Some(&identities[..])] {
        let job = Verify {
            store: Some(&store),
            trust: &keys.trust,
            keys: &policy,
            checkpoint: None,
            jobs: 1,
            deep,
        };
        let cancel = Cancel::new();
        let mut rows = Vec::new();
        let mut each = |row: Row| {
            rows.push(row.result.map(drop).map_err(|error| error.to_string()));
            cancel.set();
        };
        let desk = support::desk();
        let stopped = verify::all(&job, &store, None, &desk, &Silent, &cancel, &mut each);
        let whole = stopped.expect("one was looked at");
        assert!(whole.findings.is_empty());
        let error = whole.unfinished.expect("two bundles were not looked at");
        assert_eq!(error.kind(), Kind::Incomplete, "{error}");
        assert_eq!(rows, [Ok(())]);
    }
}

/// A disk with a sector that cannot be read.
struct BadSector {
    bytes: Vec<u8>,
    at: u64,
}

impl ReadAt for BadSector {
    fn len(&self) -> u64 {
        self.bytes.as_slice().len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        if (offset..end).contains(&self.at) {
            return Err(rustix::io::Errno::IO.into());
        }
        self.bytes.read_exact_at(buffer, offset)
    }
}

#[test]
fn a_disk_that_fails_is_no_damaged_bundle() {
    let bundle = support::bundle(&Order::first(Suite::Rfc9580));
    let length = bundle.bytes.len() as u64;
    for at in (0..length).step_by(97).chain([length - 1]) {
        let object = BadSector {
            bytes: bundle.bytes.clone(),
            at,
        };
        let (kind, message) = support::judge(Arc::new(object)).err().expect("a sector is bad");
        assert_eq!(kind, Kind::StoreUnavailable, "{at}: {message}");
    }
}

/// A disk that goes bad after some reads.
struct Dying {
    bytes: Vec<u8>,
    left: std::sync::atomic::AtomicU64,
}

impl ReadAt for Dying {
    fn len(&self) -> u64 {
        self.bytes.as_slice().len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let left = self.left.fetch_update(relaxed, relaxed, |left| left.checked_sub(1));
        left.map_err(|_| rustix::io::Errno::IO)?;
        self.bytes.read_exact_at(buffer, offset)
    }
}

#[test]
fn a_disk_that_dies_during_a_restore_is_no_damaged_bundle() {
    let bundle = support::bundle(&Order::first(Suite::Rfc9580));
    let mut failures = 0;
    for reads in 1.. {
        let object = Dying {
            bytes: bundle.bytes.clone(),
            left: reads.into(),
        };
        let outcome = restore(Arc::new(object));
        match outcome {
            Ok(()) => break,
            Err((kind, message)) => assert_eq!(kind, Kind::StoreUnavailable, "{reads}: {message}"),
        }
        failures += 1;
    }
    assert!(failures > 10, "only {failures} reads were made to fail");
}

fn restore(object: Arc<dyn ReadAt>) -> Result<(), (Kind, String)> {
    let verified = support::judge(object)?;
    let identities = [support::own().identity(Suite::Rfc9580, 0)];
    let opened = Opened::open(&verified, &identities).map_err(|error| (error.kind(), error.to_string()))?;
    let mut all = Selection::all();
    let restored = flow::restore::restore(&opened, &mut all, 1, &mut Discard, &Silent, &Cancel::new());
    restored.map(drop).map_err(|error| (error.kind(), error.to_string()))
}

#[test]
fn a_bundle_dated_in_the_future_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        durable::write_new(&path, text.as_bytes(), 0o600).expect("room");
        path
    };
    let root = file("root.asc", &support::own().root.public);
    let signer = support::own().trust.known.first().expect("a signer");
    let signer = file("signer.asc", &openpgp::public_text(signer).expect("armored"));
    let verify = |minutes: i64, all: &[&str]| {
        let place = folder.path().join(format!("store{minutes}{}", all.len()));
        fs::create_dir(&place).expect("new");
        let store = LocalStore::open(place.clone()).expect("a folder");
        support::found(&store);
        let begin = support::time(support::BEGIN).unix();
        let number = (SystemClock.now().unix() - begin) / 60 + minutes;
        let _done = support::back_up(&store, Suite::Rfc9580, u64::try_from(number).expect("after the begin"));
        let output = Command::new(env!("CARGO_BIN_EXE_hub-backup"))
            .args(["verify", "--json", "--quiet"])
            .args(all)
            .arg("--store")
            .arg(&place)
            .arg("--root")
            .arg(&root)
            .arg("--certificate")
            .arg(&signer)
            .env_clear()
            .current_dir(folder.path())
            .output()
            .expect("the program was built");
        let told = String::from_utf8(output.stderr).expect("text");
        // One that is ahead would pass for new as long as it is ahead.
        let code = if all.contains(&"--max-age") { 60 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{told}");
        let lines = String::from_utf8(output.stdout).expect("text");
        let first = lines.lines().next().expect("a line");
        (serde_json::from_str::<Value>(first).expect("JSON"), told)
    };
    let (_, told) = verify(60 * 26, &["--max-age", "2d"]);
    assert!(told.contains("how old it is cannot be told"), "{told}");
    let (result, told) = verify(60 * 26, &[]);
    let ahead = result["result"]["ahead_seconds"].as_u64().expect("a number");
    assert!((26 * 3600 - 60..=26 * 3600).contains(&ahead), "{ahead}");
    assert!(
        told.contains("is dated 1 d ") && told.contains("in the future"),
        "{told}"
    );
    let (result, told) = verify(60 * 26, &["--all"]);
    assert!(
        result["bundles"][0]["result"]["ahead_seconds"].is_u64() && told.contains("in the future"),
        "{told}"
    );
    for minutes in [-10, 3] {
        let (result, told) = verify(minutes, &[]);
        assert_eq!((&result["result"]["ahead_seconds"], told.as_str()), (&Value::Null, ""));
    }
}
