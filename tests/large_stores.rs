//! Stores that hold much: what lists them holds no more than it prints, and what verifies them does not look at all of it for each bundle.

mod support;

#[path = "support/hooked.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod hooked;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use hub_backup::audit;
use hub_backup::audit::Act;
use hub_backup::audit::Actor;
use hub_backup::audit::Draft;
use hub_backup::audit::Outcome;
use hub_backup::base::cancel::Cancel;
use hub_backup::base::digest::Digest;
use hub_backup::base::limits;
use hub_backup::base::progress::Silent;
use hub_backup::bundle::suite::Suite;
use hub_backup::catalog::chain;
use hub_backup::job::verify;
use hub_backup::job::verify::Row;
use hub_backup::job::verify::Verify;
use hub_backup::policy::crypto::KeyPolicy;
use hub_backup::store::Store;
use hub_backup::store::local::LocalStore;

use crate::hooked::Hooked;
use crate::support::Order;

/// What the program may take of memory, in KiB: far less than the store holds.
const MEMORY_KIB: u64 = 64 << 10;
/// Links and records: some hundred megabytes in all.
const COUNT: u64 = 160;

/// A chain whose manifests and signatures are as large as readers accept.
fn large_chain(store: &dyn Store) {
    let lease = store.lease(&support::set()).expect("free");
    let mut manifest = support::bundle(&Order::first(Suite::Rfc9580)).sealed.manifest;
    let fact = "x".repeat(900_000);
    manifest.sources[0].facts.insert("note".into(), fact);
    let bundle = support::header(Suite::Rfc9580, 1).bundle;
    let signatures = vec![b's'; usize::try_from(limits::SIGNATURES_BYTES_MAX).expect("small")];
    for sequence in 1..=COUNT {
        manifest.sequence = sequence;
        let time = bundle.as_str().split('-').next().expect("a time");
        manifest.bundle = format!("{time}-{sequence:016x}").parse().expect("an id");
        let bytes = manifest.to_bytes();
        chain::append(store, lease.as_ref(), &bytes, &signatures).expect("it follows");
        manifest.previous = Some(Digest::of(&bytes));
    }
}

/// A log whose records are nearly as large as readers accept.
fn large_log(store: &dyn Store) {
    let mut draft = Draft {
        at: support::time(support::BEGIN),
        actor: Actor {
            user: "tester".into(),
            host: "bench".into(),
            tool: "hub-backup test".into(),
        },
        act: Act::Init,
        outcome: Outcome::ok(),
        set: None,
        bundle: None,
        details: std::iter::once(("note".to_owned(), "x".repeat(900_000))).collect(),
    };
    for _ in 0..COUNT {
        audit::chain::append(store, &draft, None).expect("written");
        draft.act = Act::Restore;
    }
}

/// Runs the program with little memory; gives how much it printed.
fn run_with_little_memory(store: &Path, arguments: &[&str]) -> usize {
    let script = format!("ulimit -d {MEMORY_KIB}; exec \"$0\" \"$@\"");
    let output = Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_hub-backup")])
        .args(arguments)
        .arg("--store")
        .arg(store)
        .env_clear()
        .output()
        .expect("bash is installed");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    output.stdout.len()
}

#[test]
fn lists_hold_what_they_print() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().join("store")).expect("created");
    large_chain(&store);
    for arguments in [&["list"][..], &["list", "--json"], &["list", "--set", "hub"]] {
        assert!(
            run_with_little_memory(store.root(), arguments) < 200_000,
            "{arguments:?}"
        );
    }
}

#[test]
fn the_log_is_read_record_by_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().join("store")).expect("created");
    large_log(&store);
    let all = run_with_little_memory(store.root(), &["audit", "list"]);
    assert!(all as u64 > COUNT * 900_000, "{all}");
    for arguments in [
        &["audit", "list", "--act", "init", "--json"][..],
        &["audit", "list", "--act", "init"],
        &["audit", "list", "--since", "2030-01-01T00:00:00Z", "--json"],
        &["audit", "list", "--set", "hub", "--json"],
    ] {
        assert!(
            run_with_little_memory(store.root(), arguments) < 1_000_000,
            "{arguments:?}"
        );
    }
}

/// How often a store of so many bundles is listed while all are verified.
fn lists_of_verification(bundles: u64) -> u64 {
    let inner = support::store_of(bundles);
    let lists = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&lists);
    let store = Hooked::lists(&inner, move |listed| {
        counted.fetch_add(1, Ordering::Relaxed);
        listed
    });
    let (keys, policy) = (support::own(), KeyPolicy::default());
    let job = Verify {
        store: Some(&store),
        trust: &keys.trust,
        keys: &policy,
        checkpoint: None,
        jobs: 1,
        deep: None,
    };
    let mut good = 0;
    let mut each = |row: Row| good += u64::from(row.result.is_ok());
    let desk = support::desk();
    let whole = verify::all(&job, &store, None, &desk, &Silent, &Cancel::new(), &mut each).expect("a store");
    assert!(whole.findings.is_empty() && whole.unfinished.is_none());
    assert_eq!(good, bundles);
    lists.load(Ordering::Relaxed)
}

#[test]
fn a_chain_is_not_listed_for_each_of_its_bundles() {
    assert_eq!(lists_of_verification(1), lists_of_verification(7));
}
