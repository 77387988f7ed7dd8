//! Stores: bundles under other names, links removed or replaced, chains cut, and everything rolled back.

use std::sync::Arc;

use hub_backup::base::digest::Digest;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::bundle::name::BundleId;
use hub_backup::bundle::outer;
use hub_backup::bundle::suite::Suite;
use hub_backup::catalog::checkpoint;
use hub_backup::catalog::checkpoint::Checkpoint;
use hub_backup::catalog::repository;
use hub_backup::catalog::repository::Repository;
use hub_backup::catalog::walk::walk;
use hub_backup::flow::verify::Measure;
use hub_backup::flow::verify::Position;
use hub_backup::flow::verify::Verified;
use hub_backup::job::bundles;
use hub_backup::policy::crypto::KeyPolicy;
use hub_backup::store::ObjectName;
use hub_backup::store::Store;
use hub_backup::store::local::LocalStore;
use hub_backup::store::mem::MemStore;
use hub_backup::store::names;

use super::report;
use super::slip;
use super::support::BEGIN;
use super::support::Bundle;
use super::support::Order;
use super::support::back_up;
use super::support::bundle;
use super::support::judge_by;
use super::support::measure;
use super::support::outer::take_apart;
use super::support::set;
use super::support::time;

const BROKEN: &[Kind] = &[Kind::ChainBroken];

fn new_store() -> MemStore {
    let store = MemStore::new();
    make_repository(&store);
    store
}

fn make_repository(store: &dyn Store) {
    let record = Repository::new(time(BEGIN), "hub-backup test", Vec::new()).expect("random");
    repository::create(store, &record.to_bytes(), None).expect("a new store");
}

/// A store with a chain of `count` bundles.
fn chain(suite: Suite, count: u64) -> (MemStore, Vec<BundleId>) {
    let store = new_store();
    let back_up = |number| back_up(&store, suite, number).sealed.manifest.bundle;
    let ids = (1..=count).map(back_up).collect();
    (store, ids)
}

/// A copy of a store, each object as `edit` gives it; without those that it gives nothing for.
fn copy(store: &dyn Store, edit: impl Fn(&ObjectName, Vec<u8>) -> Option<Vec<u8>>) -> MemStore {
    let altered = MemStore::new();
    for listed in store.list("").expect("a list") {
        let bytes = store.get(&listed.name, u64::MAX).expect("an object");
        if let Some(bytes) = edit(&listed.name, bytes) {
            altered.put_new(&listed.name, &bytes).expect("new");
        }
    }
    altered
}

fn without(store: &dyn Store, names: &[ObjectName]) -> MemStore {
    copy(store, |name, bytes| (!names.contains(name)).then_some(bytes))
}

fn with(store: &dyn Store, replaced: &ObjectName, by: &[u8]) -> MemStore {
    copy(store, |name, bytes| {
        Some(if name == replaced { by.to_vec() } else { bytes })
    })
}

fn link(sequence: u64) -> [ObjectName; 2] {
    [
        names::manifest(&set(), sequence),
        names::manifest_signatures(&set(), sequence),
    ]
}

fn object(id: &BundleId) -> ObjectName {
    names::bundle(&set(), id)
}

/// Verifies a bundle of a store as `hub-backup verify` does.
fn judge(store: &dyn Store, id: &BundleId, checkpoint: Option<&Checkpoint>) -> Result<Verified, (Kind, String)> {
    let found = bundles::open(store, set(), id.clone()).map_err(|error| (error.kind(), error.to_string()))?;
    let policy = KeyPolicy::default();
    judge_by(
        found.object,
        &Measure {
            name: found.name,
            chain: Some(store),
            checkpoint,
            ..measure(&policy)
        },
    )
}

/// Collects what is tried on stores of one suite.
#[derive(Default)]
struct Trial {
    tried: usize,
    slips: Vec<String>,
}

impl Trial {
    fn refused(&mut self, what: &str, store: &dyn Store, id: &BundleId, checkpoint: Option<&Checkpoint>) {
        let refusal = judge(store, id, checkpoint).err();
        self.refused_as(BROKEN, what, refusal);
    }

    fn refused_as(&mut self, kinds: &[Kind], what: &str, refusal: Option<(Kind, String)>) {
        self.tried += 1;
        self.slips.extend(slip(what, refusal, kinds));
    }

    fn passes(&mut self, what: &str, store: &dyn Store, id: &BundleId, checkpoint: Option<&Checkpoint>) {
        if let Err((kind, message)) = judge(store, id, checkpoint) {
            self.slips.push(format!("{what} should pass: {kind:?}: {message}"));
        }
    }

    fn walked(&mut self, what: &str, store: &dyn Store) {
        self.tried += 1;
        if walk(store, &set())
            .expect("a store that can be read")
            .problems
            .is_empty()
        {
            self.slips.push(format!("{what}: the walk along the chain saw nothing"));
        }
    }
}

#[test]
fn a_chain_as_it_was_written_passes() {
    for suite in Suite::ALL {
        let (store, ids) = chain(suite, 3);
        let checkpoint = checkpoint::make(&store, time(BEGIN)).expect("a checkpoint");
        let _next = back_up(&store, suite, 4);
        for id in &ids {
            let verified = judge(&store, id, Some(&checkpoint))
                .map_err(|(_, message)| message)
                .expect("in its place");
            assert_eq!(
                verified.proof().expect("proven").position,
                Position::InChain { head: 4 }
            );
        }
        assert_eq!(walk(&store, &set()).expect("readable").problems, []);
    }
}

#[test]
fn one_bundle_under_the_name_of_another() {
    for suite in Suite::ALL {
        let (store, ids) = chain(suite, 4);
        let mut trial = Trial::default();
        for (name, replayed) in ids
            .iter()
            .flat_map(|name| ids.iter().map(move |replayed| (name, replayed)))
        {
            if name == replayed {
                continue;
            }
            let bytes = store.get(&object(replayed), u64::MAX).expect("a bundle");
            let altered = with(&store, &object(name), &bytes);
            trial.refused(&format!("{replayed} as {name}"), &altered, name, None);
            // Its link is put in the other's place as well.
            let place = |id| ids.iter().position(|other| other == id).expect("one of them") as u64 + 1;
            let (from, to) = (link(place(replayed)), link(place(name)));
            let mut linked = altered;
            for (from, to) in from.iter().zip(&to) {
                linked = with(&linked, to, &store.get(from, u64::MAX).expect("a link"));
            }
            trial.refused(&format!("{replayed} as {name}, with its link"), &linked, name, None);
        }
        report(&format!("{suite}: replayed bundles"), trial.tried, &trial.slips);
    }
}

#[test]
fn links_removed() {
    for suite in Suite::ALL {
        let (store, ids) = chain(suite, 4);
        let mut trial = Trial::default();
        for sequence in 1..=4_usize {
            let [manifest, signatures] = link(sequence as u64);
            for names in [
                vec![manifest.clone()],
                vec![signatures.clone()],
                vec![manifest, signatures],
            ] {
                let altered = without(&store, &names);
                let what = format!(
                    "without {}",
                    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                );
                trial.refused(&what, &altered, &ids[sequence - 1], None);
                trial.walked(&what, &altered);
                if sequence < 4 {
                    trial.refused(&format!("{what}: the next"), &altered, &ids[sequence], None);
                }
            }
        }
        // The chain cut short at its begin: only what is left behind.
        for kept in 2..=4_usize {
            let gone: Vec<ObjectName> = (1..kept as u64)
                .flat_map(link)
                .chain(ids[..kept - 1].iter().map(object))
                .collect();
            let altered = without(&store, &gone);
            let what = format!("a chain that begins at {kept}");
            trial.refused(&what, &altered, &ids[kept - 1], None);
            trial.walked(&what, &altered);
        }
        report(&format!("{suite}: links removed"), trial.tried, &trial.slips);
    }
}

#[test]
fn the_end_of_a_chain_removed() {
    for suite in Suite::ALL {
        let (store, ids) = chain(suite, 2);
        let older = copy(&store, |_, bytes| Some(bytes));
        let old_checkpoint = checkpoint::make(&store, time(BEGIN)).expect("a checkpoint");
        let third = back_up(&store, suite, 3).sealed.manifest.bundle;
        let checkpoint = checkpoint::make(&store, time(BEGIN)).expect("a checkpoint");
        let mut trial = Trial::default();

        let [manifest, signatures] = link(3);
        let cut = without(&store, &[manifest, signatures, object(&third)]);
        let no_log = copy(&store, |name, bytes| {
            (names::parse_audit(name) != Some(3)).then_some(bytes)
        });
        let other = copy(&store, |name, bytes| (*name != names::repository()).then_some(bytes));
        make_repository(&other);
        let unnamed = without(&store, &[names::repository()]);
        for id in &ids {
            trial.refused("without the last link and its bundle", &cut, id, Some(&checkpoint));
            trial.refused("the whole store rolled back", &older, id, Some(&checkpoint));
            trial.refused("the log rolled back", &no_log, id, Some(&checkpoint));
            trial.refused(
                "the same chain in a store of another identity",
                &other,
                id,
                Some(&checkpoint),
            );
            trial.refused(
                "the same chain in a store without an identity",
                &unnamed,
                id,
                Some(&checkpoint),
            );
            // This is why there are checkpoints: nothing else can tell.
            trial.passes("rolled back, and no checkpoint", &older, id, None);
            trial.passes(
                "rolled back, and a checkpoint as old",
                &older,
                id,
                Some(&old_checkpoint),
            );
            trial.passes(
                "an old checkpoint of a store that went on",
                &store,
                id,
                Some(&old_checkpoint),
            );
        }
        report(
            &format!("{suite}: ends of chains and whole stores rolled back"),
            trial.tried,
            &trial.slips,
        );
    }
}

/// A bundle that could have been in the place of the one of `sequence`: by the right signer, after the right predecessor.
fn fork(store: &dyn Store, suite: Suite, sequence: u64) -> Bundle {
    let [before, _] = link(sequence - 1);
    let previous = Some(Digest::of(&store.get(&before, u64::MAX).expect("a link")));
    bundle(&Order {
        sequence,
        previous,
        bytes: 99,
        ..Order::first(suite)
    })
}

#[test]
fn another_bundle_in_its_place() {
    for suite in Suite::ALL {
        let (store, ids) = chain(suite, 4);
        let checkpoint = checkpoint::make(&store, time(BEGIN)).expect("a checkpoint");
        let mut trial = Trial::default();
        let forked = fork(&store, suite, 3);
        let id = forked.sealed.manifest.bundle.clone();
        store.put_new(&object(&id), &forked.bytes).expect("a name of its own");
        trial.refused("beside the one in the chain", &store, &id, None);
        trial.walked("beside the one in the chain", &store);

        let [manifest, signatures] = link(3);
        let linked = with(
            &with(&store, &manifest, &forked.sealed.bytes),
            &signatures,
            &forked.sealed.signatures,
        );
        trial.refused("the one whose link was replaced", &linked, &ids[2], None);
        trial.refused("the one after the link that was replaced", &linked, &ids[3], None);
        trial.walked("a link replaced", &linked);

        let forked = fork(&store, suite, 4);
        let id = forked.sealed.manifest.bundle.clone();
        let [manifest, signatures] = link(4);
        let linked = with(
            &with(&store, &manifest, &forked.sealed.bytes),
            &signatures,
            &forked.sealed.signatures,
        );
        linked.put_new(&object(&id), &forked.bytes).expect("a name of its own");
        trial.refused(
            "the last link replaced, against a checkpoint",
            &linked,
            &id,
            Some(&checkpoint),
        );
        trial.refused(
            "the last link replaced, against a checkpoint: an older one",
            &linked,
            &ids[0],
            Some(&checkpoint),
        );
        // Without its store, a checkpoint still knows the head.
        let policy = KeyPolicy::default();
        let alone = judge_by(
            Arc::new(forked.bytes),
            &Measure {
                checkpoint: Some(&checkpoint),
                ..measure(&policy)
            },
        );
        trial.tried += 1;
        trial.slips.extend(slip(
            "a file that is not the head of the checkpoint",
            alone.err(),
            BROKEN,
        ));
        report(
            &format!("{suite}: bundles and links replaced by others of the right signer"),
            trial.tried,
            &trial.slips,
        );
    }
}

#[test]
fn every_byte_of_a_link() {
    let (store, ids) = chain(Suite::Rfc9580, 3);
    let mut trial = Trial::default();
    for (sequence, id) in [(2, &ids[1]), (1, &ids[1])] {
        let [manifest, _] = link(sequence);
        let bytes = store.get(&manifest, u64::MAX).expect("a link");
        let version = br#""version": "#;
        let digit = bytes.windows(version.len()).position(|window| window == version);
        let digit = digit.expect("a version") + version.len();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << (at % 8);
            // With another digit it is a link that a later program may have written.
            let kinds = if at == digit { &[Kind::Failed] } else { BROKEN };
            let refusal = judge(&with(&store, &manifest, &altered), id, None).err();
            trial.refused_as(kinds, &format!("{manifest} byte {at}"), refusal);
        }
    }
    report(
        "rfc9580: flips in the link of a bundle and in the one before",
        trial.tried,
        &trial.slips,
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "this is the tampering")]
fn a_folder_with_an_older_bundle_copied_over_a_newer() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::create(folder.path().join("store")).expect("a store");
    make_repository(&store);
    let ids: Vec<BundleId> = (1..=2)
        .map(|number| back_up(&store, Suite::Rfc9580, number).sealed.manifest.bundle)
        .collect();
    let file = |id: &BundleId| store.root().join(object(id).as_str());
    let older = std::fs::read(file(&ids[0])).expect("a bundle");
    assert_eq!(take_apart(&older)[0].name, outer::RECOVER);
    std::fs::remove_file(file(&ids[1])).expect("removed");
    std::fs::write(file(&ids[1]), older).expect("written");
    let mut trial = Trial::default();
    trial.passes("the older one", &store, &ids[0], None);
    trial.refused("the newer one", &store, &ids[1], None);
    report("rfc9580: a folder with a replayed bundle", trial.tried, &trial.slips);
}
