//! Chains, checkpoints and the audit log: each break of them shows, as itself and nothing else.

#[path = "support/hooked.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod hooked;
#[path = "support/run.rs"]
mod run;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use hub_backup::audit;
use hub_backup::audit::AuditRecord;
use hub_backup::base::clock::Timestamp;
use hub_backup::base::digest::Digest;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::base::record;
use hub_backup::bundle::manifest::Manifest;
use hub_backup::bundle::name::BundleId;
use hub_backup::catalog::Error;
use hub_backup::catalog::chain;
use hub_backup::catalog::checkpoint;
use hub_backup::catalog::checkpoint::Checkpoint;
use hub_backup::catalog::checkpoint::Deviation;
use hub_backup::catalog::repository;
use hub_backup::catalog::repository::Repository;
use hub_backup::catalog::walk;
use hub_backup::catalog::walk::Problem;
use hub_backup::store::ObjectName;
use hub_backup::store::Store;
use hub_backup::store::mem::MemStore;
use hub_backup::store::names;
use serde_json::Value;

use crate::hooked::Hooked;

fn now() -> Timestamp {
    "2026-02-01T00:00:00Z".parse().expect("a time")
}

/// A store with an identity and `bundles` runs.
fn store(bundles: u64) -> MemStore {
    let store = MemStore::new();
    let record = Repository::new(now(), "test", Vec::new()).expect("random bytes");
    let bytes = record.to_bytes();
    repository::create(&store, &bytes, Some(&run::signatures_over(&bytes))).expect("empty");
    for number in 1..=bundles {
        run::back_up(&store, &run::bundle_id(number)).expect("nothing fails");
    }
    store
}

/// The store as somebody left it who changed one object: `None` removes it.
fn altered(store: &MemStore, name: &ObjectName, bytes: Option<&[u8]>) -> MemStore {
    let mut objects = run::snapshot(store);
    objects.remove(name);
    objects.extend(bytes.map(|bytes| (name.clone(), bytes.to_vec())));
    let copy = MemStore::new();
    for (name, bytes) in &objects {
        copy.put_new(name, bytes).expect("empty");
    }
    copy
}

fn manifest(sequence: u64) -> ObjectName {
    names::manifest(&run::set(), sequence)
}

fn bytes_of(store: &MemStore, name: &ObjectName) -> Vec<u8> {
    store.get(name, u64::MAX).expect("there")
}

fn walked(store: &MemStore) -> Vec<Problem> {
    walk::walk(store, &run::set()).expect("the store works").problems
}

fn bundle_object(number: u64) -> ObjectName {
    names::bundle(&run::set(), &run::bundle_id(number))
}

/// The bytes of manifest 2 with another tool: what a forger who can write to the store makes of it.
fn forged_second(store: &MemStore) -> Vec<u8> {
    let text = String::from_utf8(bytes_of(store, &manifest(2))).expect("JSON");
    text.replace("\"tool\": \"test\"", "\"tool\": \"evil\"").into_bytes()
}

#[test]
fn links_are_read_from_the_newest() {
    let store = store(3);
    assert_eq!(chain::sets(&store).expect("listed"), [run::set()]);
    assert_eq!(chain::sequences(&store, &run::set()).expect("listed"), [1, 2, 3]);
    let head = chain::head(&store, &run::set()).expect("readable").expect("there");
    assert_eq!((head.sequence, &head.manifest.bundle), (3, &run::bundle_id(3)));
    assert_eq!(head.digest, Digest::of(&bytes_of(&store, &manifest(3))));
    assert_eq!(head.signatures, run::signatures_over(&head.bytes));
    let links = chain::links(&store, &run::set()).expect("listed");
    let sequences: Vec<u64> = links.map(|link| link.expect("readable").sequence).collect();
    assert_eq!(sequences, [3, 2, 1]);
    assert_eq!(chain::at(&store, &run::set(), 4).expect("readable"), None);
    assert_eq!(chain::fresh_bundles(&store, &run::set()).expect("readable"), []);
}

/// The record without one of its fields, for each field at any depth; what is a map by design keeps its entries.
fn without_each_field(record: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    match record {
        Value::Object(fields) => {
            for (name, value) in fields {
                let mut less = record.clone();
                let _value = less.as_object_mut().map(|less| less.remove(name));
                found.push((name.clone(), less));
                for (path, deeper) in without_each_field(value)
                    .into_iter()
                    .filter(|_| !["facts", "details"].contains(&name.as_str()))
                {
                    let mut less = record.clone();
                    less[name] = deeper;
                    found.push((format!("{name}.{path}"), less));
                }
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                for (path, deeper) in without_each_field(item) {
                    let mut less = record.clone();
                    less[place] = deeper;
                    found.push((format!("{place}.{path}"), less));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

/// Whether the text of a record is read.
type Reads = fn(&[u8]) -> bool;

#[test]
fn a_field_that_may_be_null_may_not_be_missing() {
    let store = store(2);
    let checkpoint = checkpoint::make(&store, now()).expect("readable");
    let records: [(&str, Vec<u8>, Reads); 4] = [
        ("manifest", bytes_of(&store, &manifest(1)), |bytes| {
            Manifest::parse(bytes).is_ok()
        }),
        ("audit record", bytes_of(&store, &names::audit(1)), |bytes| {
            AuditRecord::parse(bytes).is_ok()
        }),
        ("checkpoint", checkpoint.to_bytes(), |bytes| {
            Checkpoint::parse(bytes).is_ok()
        }),
        ("repository", bytes_of(&store, &names::repository()), |bytes| {
            record::parse::<Repository>(bytes).is_ok()
        }),
    ];
    for (what, bytes, is_read) in records {
        let whole: Value = serde_json::from_slice(&bytes).expect("JSON");
        let respelled = serde_json::to_vec(&whole).expect("JSON");
        assert!(is_read(&respelled), "{what}");
        let altered = without_each_field(&whole);
        assert!(altered.len() >= 5, "{what} has fields: {altered:?}");
        for (field, less) in altered {
            let bytes = serde_json::to_vec(&less).expect("JSON");
            assert!(!is_read(&bytes), "{what} without {field} is read");
        }
    }
}

#[test]
fn every_break_of_a_chain_shows() {
    let whole = store(3);
    assert_eq!(walked(&whole), []);
    let [first, second, third] = [1, 2, 3].map(|sequence| bytes_of(&whole, &manifest(sequence)));
    let forged = forged_second(&whole);
    assert_ne!(second, forged);
    let signatures = names::manifest_signatures(&run::set(), 2);
    let expect = |name: ObjectName, bytes: Option<&[u8]>, expected: &[Problem]| {
        assert_eq!(walked(&altered(&whole, &name, bytes)), expected, "{name}");
    };
    expect(bundle_object(2), None, &[bundle_missing(2)]);
    expect(
        manifest(2),
        None,
        &[Problem::SignaturesAlone { sequence: 2 }, unlinked(2)],
    );
    expect(signatures, None, &[Problem::Unsigned { sequence: 2 }, unlinked(2)]);
    expect(manifest(2), Some(&forged), &[follows_another(3, &second, &forged)]);
    let problems = [unreadable(2), follows_another(3, &second, b"{}"), unlinked(2)];
    expect(manifest(2), Some(b"{}"), &problems);
    let problems = [
        Problem::Misplaced {
            sequence: 2,
            set: run::set(),
            says: 3,
        },
        follows_another(2, &second, &first),
        follows_another(3, &second, &third),
        Problem::BundleTwice {
            sequence: 3,
            first: 2,
            bundle: run::bundle_id(3),
        },
        unlinked(2),
    ];
    expect(manifest(2), Some(&third), &problems);
    expect(bundle_object(9), Some(b"planted"), &[unlinked(9)]);
    let latest: ObjectName = "manifests/hub/latest.json".parse().expect("a name");
    let foreign = Problem::Foreign {
        name: latest.to_string(),
    };
    expect(latest, Some(b"{}"), &[foreign]);
}

fn bundle_missing(sequence: u64) -> Problem {
    let bundle = run::bundle_id(sequence);
    Problem::BundleMissing { sequence, bundle }
}

fn unlinked(number: u64) -> Problem {
    let bundle = run::bundle_id(number);
    Problem::BundleUnlinked { bundle }
}

fn unreadable(sequence: u64) -> Problem {
    let reason = "not the manifest of a hub-backup bundle".into();
    Problem::Unreadable { sequence, reason }
}

fn follows_another(sequence: u64, names: &[u8], found: &[u8]) -> Problem {
    let (names, found) = (Some(Digest::of(names)), Digest::of(found));
    Problem::Previous { sequence, names, found }
}

#[test]
fn a_gap_shows_as_its_ends() {
    let whole = store(3);
    let mut store = altered(&whole, &manifest(2), None);
    store = altered(&store, &names::manifest_signatures(&run::set(), 2), None);
    store = altered(&store, &manifest(u64::MAX), Some(b"{}"));
    let problems = walked(&store);
    assert_eq!(problems[0], Problem::Missing { first: 2, last: 2 });
    assert_eq!(
        problems[1],
        Problem::Missing {
            first: 4,
            last: u64::MAX - 1
        }
    );
    assert!(problems.iter().all(|problem| problem.kind() == Kind::ChainBroken));
}

#[test]
fn only_what_follows_the_head_is_added() {
    let store = store(2);
    let lease = store.lease(&run::set()).expect("free");
    let head = chain::head(&store, &run::set()).expect("readable");
    let next = run::manifest_after(head.as_ref(), run::set(), run::bundle_id(3));
    let append = |bytes: &[u8]| chain::append(&store, &*lease, bytes, &run::signatures_over(bytes));

    let mut wrong = next.clone();
    wrong.previous = Some(Digest::of(b"another"));
    assert!(matches!(
        append(&wrong.to_bytes()),
        Err(Error::Order {
            sequence: 3,
            head: 2,
            ..
        })
    ));
    wrong = next.clone();
    wrong.sequence = 4;
    assert!(matches!(
        append(&wrong.to_bytes()),
        Err(Error::Order {
            sequence: 4,
            head: 2,
            ..
        })
    ));
    wrong = next.clone();
    wrong.set = "other".parse().expect("plain");
    assert!(matches!(append(&wrong.to_bytes()), Err(Error::OtherSet { .. })));
    assert!(matches!(append(b"{}"), Err(Error::NotAManifest(_))));
    let unsigned = chain::append(&store, &*lease, &next.to_bytes(), b"");
    assert!(matches!(unsigned, Err(Error::Signatures { bytes: 0 })));
    assert_eq!(
        chain::sequences(&store, &run::set()).expect("listed"),
        [1, 2],
        "nothing was added"
    );

    append(&next.to_bytes()).expect("follows");
    append(&next.to_bytes()).expect("is there already");
    assert_eq!(chain::sequences(&store, &run::set()).expect("listed"), [1, 2, 3]);
}

#[test]
fn a_claimed_place_is_completed_by_its_own_manifest_alone() {
    let store = store(0);
    // Newer than what follows: the clock was set back.
    run::back_up(&store, &run::bundle_id(9)).expect("nothing fails");
    let lease = store.lease(&run::set()).expect("free");
    let head = chain::head(&store, &run::set()).expect("readable");
    let claimed = run::manifest_after(head.as_ref(), run::set(), run::bundle_id(2)).to_bytes();
    store.put_new(&manifest(2), &claimed).expect("free");
    store.put_new(&bundle_object(2), b"its bundle").expect("free");
    assert_eq!(
        chain::head(&store, &run::set()).expect("readable"),
        head,
        "a claim is no link"
    );
    assert_eq!(
        chain::fresh_bundles(&store, &run::set()).expect("readable"),
        [run::bundle_id(2)]
    );

    let other = run::manifest_after(head.as_ref(), run::set(), run::bundle_id(3)).to_bytes();
    let error = chain::append(&store, &*lease, &other, b"signed").expect_err("taken");
    assert_eq!(error.to_string(), "manifests/hub/0000000002.json exists and differs");
    assert_eq!(error.kind(), Kind::ChainBroken);
    chain::append(&store, &*lease, &claimed, b"signed").expect("its own");
    assert_eq!(
        chain::fresh_bundles(&store, &run::set()).expect("readable"),
        [] as [BundleId; 0]
    );
}

#[test]
fn a_bundle_hidden_by_a_clock_set_back_is_found_by_the_long_way() {
    let store = store(0);
    run::back_up(&store, &run::bundle_id(5)).expect("nothing fails");
    store
        .put_new(&bundle_object(4), b"begun before the clock was set")
        .expect("free");
    assert_eq!(
        chain::fresh_bundles(&store, &run::set()).expect("readable"),
        [] as [BundleId; 0]
    );
    let bundle = run::bundle_id(4);
    assert_eq!(walked(&store), [Problem::BundleUnlinked { bundle }]);
}

#[test]
fn a_misplaced_manifest_is_no_head() {
    let store = store(2);
    let second = bytes_of(&store, &manifest(2));
    let forged = altered(&store, &manifest(3), Some(&second));
    let forged = altered(&forged, &names::manifest_signatures(&run::set(), 3), Some(b"signed"));
    let error = chain::head(&forged, &run::set()).expect_err("misplaced");
    assert_eq!(
        error.to_string(),
        "manifests/hub/0000000003.json holds the manifest of set hub, number 2"
    );
}

#[test]
fn a_checkpoint_sees_a_store_go_back() {
    let whole = store(3);
    let checkpoint = checkpoint::make(&whole, now()).expect("readable");
    assert_eq!(
        Checkpoint::parse(&checkpoint.to_bytes()).expect("own bytes"),
        checkpoint
    );
    let deviations = |store: &MemStore| checkpoint::compare(&checkpoint, store).expect("the store works");
    assert_eq!(deviations(&whole), []);
    let digest = |name: &ObjectName| Digest::of(&bytes_of(&whole, name));

    let back = altered(&whole, &manifest(3), None);
    let (sequence, head) = (3, 2);
    let rolled_back = Deviation::RolledBack {
        set: run::set(),
        sequence,
        head,
    };
    assert_eq!(deviations(&back), [rolled_back]);

    let second = bytes_of(&whole, &manifest(2));
    let replaced = Deviation::Replaced {
        set: run::set(),
        sequence,
        expected: digest(&manifest(3)),
        found: Some(Digest::of(&second)),
    };
    assert_eq!(deviations(&altered(&whole, &manifest(3), Some(&second))), [replaced]);

    let cut = altered(&whole, &names::audit(3), None);
    let cut_log = Deviation::AuditLog {
        sequence,
        expected: digest(&names::audit(3)),
        found: None,
    };
    assert_eq!(deviations(&cut), [cut_log]);

    let another = deviations(&store(0));
    assert!(
        matches!(another[0], Deviation::OtherRepository { found: Some(_), .. }),
        "{another:?}"
    );
    assert!(
        matches!(another[1], Deviation::SetMissing { sequence: 3, .. }),
        "{another:?}"
    );
    assert!(another.iter().all(|deviation| deviation.kind() == Kind::ChainBroken));

    run::back_up(&whole, &run::bundle_id(4)).expect("nothing fails");
    assert_eq!(deviations(&whole), [], "a store may grow");
}

#[test]
fn a_checkpoint_is_read_strictly() {
    let text = String::from_utf8(checkpoint::make(&store(1), now()).expect("readable").to_bytes()).expect("JSON");
    for (from, to) in [
        ("hub-backup checkpoint", "hub-backup manifest"),
        ("\"version\": 1", "\"version\": 2"),
        ("\"audit\"", "\"more\""),
        ("\"created\": \"2026-02-01T00:00:00Z\"", "\"created\": \"2026-02-01\""),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Checkpoint::parse(text.replace(from, to).as_bytes()).is_err(), "{to}");
    }
    let mut twice = checkpoint::make(&store(1), now()).expect("readable");
    twice.heads.push(twice.heads[0].clone());
    assert!(Checkpoint::parse(&twice.to_bytes()).is_err(), "a set has one head");
}

#[test]
fn every_break_of_the_audit_log_shows() {
    use audit::check::Problem;

    let whole = store(3);
    let verify = |bytes: &[u8], signatures: &[u8]| {
        let is_good = run::signatures_over(bytes) == signatures;
        let bad = || audit::check::BadSignatures::invalid("does not fit".to_owned());
        is_good.then_some(()).ok_or_else(bad)
    };
    let check = |store: &MemStore| audit::check::check(store, Some(&verify)).expect("the store works");
    let report = check(&whole);
    assert_eq!((report.records, report.unsigned, report.problems), (3, 0, Vec::new()));

    let second = bytes_of(&whole, &names::audit(2));
    let record = AuditRecord::parse(&second).expect("own bytes");
    assert_eq!(record.previous, Some(Digest::of(&bytes_of(&whole, &names::audit(1)))));
    let text = String::from_utf8(second.clone()).expect("JSON");
    let changed = text.replace("db1", "db2").into_bytes();
    let follows = |found: &[u8]| Problem::Previous {
        sequence: 3,
        names: Some(Digest::of(&second)),
        found: Digest::of(found),
    };
    let unfit = Problem::Signatures {
        sequence: 2,
        reason: "does not fit".into(),
        kind: Kind::SignatureInvalid,
        hint: None,
    };
    let altered = |bytes: Option<&[u8]>| check(&altered(&whole, &names::audit(2), bytes)).problems;
    assert_eq!(altered(Some(&changed)), [unfit.clone(), follows(&changed)]);
    let unreadable = Problem::Unreadable {
        sequence: 2,
        reason: "not a hub-backup audit record".into(),
    };
    assert_eq!(altered(Some(b"")), [unreadable, unfit, follows(b"")]);
    let missing = Problem::Missing { first: 2, last: 2 };
    assert_eq!(altered(None), [missing, Problem::SignaturesAlone { sequence: 2 }]);
}

#[test]
fn unsigned_records_are_counted_and_the_log_goes_on_after_damage() {
    let store = store(1);
    let unsigned = audit::chain::append(&store, &run::draft(), None).expect("written");
    assert_eq!(unsigned.sequence, 2);
    store.put_new(&names::audit(3), b"damaged").expect("free");
    let next = audit::chain::append(&store, &run::draft(), None).expect("written");
    assert_eq!((next.sequence, next.previous), (4, Some(Digest::of(b"damaged"))));
    let report = audit::check::check(&store, None).expect("the store works");
    assert_eq!((report.records, report.unsigned), (3, 3));
    let unreadable = audit::check::Problem::Unreadable {
        sequence: 3,
        reason: "not a hub-backup audit record".into(),
    };
    assert_eq!(report.problems, [unreadable]);
}

#[test]
fn a_hole_at_the_end_of_the_log_stays_a_hole() {
    use audit::check::Problem;

    let cut = altered(&store(3), &names::audit(3), None);
    let holes = |store: &MemStore| audit::check::holes(store).expect("the store works");
    assert_eq!(holes(&cut), [Problem::SignaturesAlone { sequence: 3 }]);
    let sign = |_: &[u8]| Ok(b"signatures".to_vec());
    let next = audit::chain::append(&cut, &run::draft(), Some(&sign)).expect("written");
    assert_eq!(
        next.sequence, 4,
        "the signatures of the record that is gone have its number"
    );
    let missing = Problem::Missing { first: 3, last: 3 };
    assert_eq!(holes(&cut), std::slice::from_ref(&missing));
    let report = audit::check::check(&cut, None).expect("the store works");
    assert_eq!(report.problems, [missing, Problem::SignaturesAlone { sequence: 3 }]);
    assert_eq!(holes(&store(3)), []);
}

/// A store whose first listing misses one object, as that of a folder in which it was made meanwhile.
fn missed(inner: &MemStore, name: ObjectName) -> Hooked {
    let is_listed = AtomicBool::new(false);
    Hooked::lists(inner, move |mut listed| {
        if !is_listed.swap(true, Ordering::Relaxed) {
            listed.retain(|listed| listed.name != name);
        }
        listed
    })
}

#[test]
fn a_record_that_a_listing_misses_is_not_taken_for_removed() {
    for newest in [1, 3] {
        let store = store(newest);
        for hidden in [1, newest] {
            let name = names::audit(hidden);
            let holes = audit::check::holes(&missed(&store, name.clone()));
            assert_eq!(holes.expect("the store works"), []);
            let report = audit::check::check(&missed(&store, name), None).expect("the store works");
            assert_eq!((report.records, report.problems), (newest, Vec::new()));
        }
        let missed = missed(&store, names::audit(newest));
        let next = audit::chain::append(&missed, &run::draft(), None).expect("written");
        let before = Digest::of(&bytes_of(&store, &names::audit(newest)));
        assert_eq!((next.sequence, next.previous), (newest + 1, Some(before)));
        let report = audit::check::check(&store, None).expect("the store works");
        assert_eq!(report.problems, []);
    }
}

#[test]
fn where_every_record_is_gone_the_log_goes_on_after_their_signatures() {
    use audit::check::Problem;

    let first = altered(&store(2), &names::audit(1), None);
    let gone = altered(&first, &names::audit(2), None);
    let alone = [1, 2].map(|sequence| Problem::SignaturesAlone { sequence });
    assert_eq!(audit::check::holes(&gone).expect("the store works"), alone);
    let sign = |bytes: &[u8]| Ok(run::signatures_over(bytes));
    let next = audit::chain::append(&gone, &run::draft(), Some(&sign)).expect("written");
    assert_eq!((next.sequence, next.previous), (3, None));
    let after = audit::chain::append(&gone, &run::draft(), Some(&sign)).expect("written");
    assert_eq!(
        (after.sequence, after.previous),
        (4, Some(Digest::of(&next.to_bytes())))
    );

    let missing = Problem::Missing { first: 1, last: 2 };
    let holes = audit::check::holes(&gone).expect("the store works");
    assert_eq!(holes, std::slice::from_ref(&missing));
    let report = audit::check::check(&gone, None).expect("the store works");
    let [first, second] = alone;
    assert_eq!((report.records, report.problems), (2, vec![missing, first, second]));
}

#[test]
fn a_record_without_a_previous_one_follows_none() {
    let store = store(1);
    let gone = altered(&store, &names::audit(1), None);
    let next = audit::chain::append(&gone, &run::draft(), None).expect("written");
    store.put_new(&names::audit(2), &next.to_bytes()).expect("free");
    let report = audit::check::check(&store, None).expect("the store works");
    let follows = audit::check::Problem::Previous {
        sequence: 2,
        names: None,
        found: Digest::of(&bytes_of(&store, &names::audit(1))),
    };
    assert_eq!(report.problems, [follows]);
}

#[test]
fn a_signer_that_fails_leaves_no_record() {
    let store = store(0);
    let fail = |_: &[u8]| Err(audit::chain::SignError::new(Error::Signatures { bytes: 0 }));
    let error = audit::chain::append(&store, &run::draft(), Some(&fail)).expect_err("not signed");
    assert_eq!(error.to_string(), "the audit record cannot be signed");
    assert_eq!(error.kind(), Kind::Internal, "the kind of the signer's own error");
    assert_eq!(store.list(names::AUDIT).expect("listed"), []);
}

#[test]
fn the_last_number_is_the_last() {
    let store = store(0);
    store.put_new(&names::audit(u64::MAX), b"planted").expect("free");
    let error = audit::chain::append(&store, &run::draft(), None).expect_err("no number is left");
    assert!(matches!(error, audit::chain::Error::Crowded { .. }));
}
