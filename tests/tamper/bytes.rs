//! Single bytes: every flip, every truncation, and what is appended.

use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use hub_backup::base::fault::Kind;
use hub_backup::base::read_at::ReadAt;
use hub_backup::bundle::outer;
use hub_backup::bundle::suite::Suite;
use hub_backup::keyring::trust::TrustStore;
use hub_backup::policy::crypto::KeyPolicy;
use hub_backup::seal::Signer as _;

use super::Case;
use super::refuse_all;
use super::report;
use super::slip;
use super::support::Altered;
use super::support::Cut;
use super::support::Order;
use super::support::bundle;
use super::support::judge_by;
use super::support::measure;
use super::support::outer::places;
use super::support::own;

const THREADS: usize = 2;

/// One byte of a bundle: the bits to turn there, one case each, and the failures that are right.
struct Flip {
    at: u64,
    masks: Vec<u8>,
    kinds: &'static [Kind],
}

const EVERY_BIT: Range<u32> = 0..8;

fn flips(range: Range<usize>, every_bit: bool, kinds: &'static [Kind]) -> impl Iterator<Item = Flip> {
    range.map(move |at| {
        let one = 1_u8 << (at % 8);
        let masks = if every_bit {
            EVERY_BIT.map(|bit| 1 << bit).collect()
        } else {
            vec![one]
        };
        Flip {
            at: at as u64,
            masks,
            kinds,
        }
    })
}

/// All bits where the structure is: tar headers, manifest, signatures, trailer. One bit a byte, all eight in turn, elsewhere.
fn all_flips(bytes: &[u8]) -> Vec<Flip> {
    let mut all = Vec::new();
    let mut end = 0;
    for place in places(bytes) {
        // A trailer that points elsewhere finds something that is no signature.
        let (every_bit, kinds): (bool, &'static [Kind]) = match place.name.as_str() {
            outer::MANIFEST => (true, &[Kind::SignatureInvalid]),
            outer::SIGNATURES => (true, &[Kind::SignatureInvalid, Kind::SignerUntrusted]),
            // A digit of the version makes a bundle that a later program may have written.
            outer::TRAILER => (true, &[Kind::DigestMismatch, Kind::SignatureInvalid, Kind::Failed]),
            _ => (false, &[Kind::DigestMismatch]),
        };
        all.extend(flips(place.begin..place.content, true, &[Kind::DigestMismatch]));
        all.extend(flips(place.content..place.end, every_bit, kinds));
        all.extend(flips(place.end..place.next, false, &[Kind::DigestMismatch]));
        end = place.next;
    }
    all.extend(flips(end..bytes.len(), false, &[Kind::DigestMismatch]));
    all
}

/// The signer itself is pinned, as this walks one certification less each time; who is trusted is not what flips are about.
fn pinned_signer() -> TrustStore {
    TrustStore {
        pinned: vec![own().signer.certificate().clone()],
        known: Vec::new(),
    }
}

/// Verifies every object on a few threads; gives what slipped through.
fn refuse_each<T: Sync>(
    items: &[T],
    cases: impl Fn(&T) -> Vec<(String, Arc<dyn ReadAt>, &'static [Kind])> + Sync,
) -> Vec<String> {
    let (trust, policy) = (pinned_signer(), KeyPolicy::default());
    let slips = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for first in 0..THREADS {
            let (trust, policy, slips, cases) = (&trust, &policy, &slips, &cases);
            scope.spawn(move || {
                let mut measure = measure(policy);
                measure.trust = trust;
                for item in items.iter().skip(first).step_by(THREADS) {
                    for (what, object, kinds) in cases(item) {
                        let slipped = slip(&what, judge_by(object, &measure).err(), kinds);
                        slips.lock().expect("no thread panics").extend(slipped);
                    }
                }
            });
        }
    });
    slips.into_inner().expect("no thread panics")
}

fn every_flip_and_cut(suite: Suite) {
    let base = Arc::new(bundle(&Order::first(suite)).bytes);
    assert!(
        base.as_slice().len() <= 25 << 10,
        "the bundle is small, or this takes long"
    );

    let flips = all_flips(&base);
    assert_eq!(flips.len(), base.as_slice().len(), "every byte, once");
    let slips = refuse_each(&flips, |flip| {
        let object = |mask: u8| {
            Arc::new(Altered {
                base: Arc::clone(&base),
                at: flip.at,
                mask,
            })
        };
        let case = |mask: &u8| {
            (
                format!("byte {} ^ {mask:#04x}", flip.at),
                object(*mask) as Arc<dyn ReadAt>,
                flip.kinds,
            )
        };
        flip.masks.iter().map(case).collect()
    });
    let tried = flips.iter().map(|flip| flip.masks.len()).sum();
    report(&format!("{suite}: flips of all {} bytes", flips.len()), tried, &slips);

    let lengths: Vec<u64> = (0..base.as_slice().len() as u64).collect();
    let slips = refuse_each(&lengths, |length| {
        let cut = Cut {
            base: Arc::clone(&base),
            length: *length,
        };
        vec![(
            format!("cut at {length}"),
            Arc::new(cut) as Arc<dyn ReadAt>,
            &[Kind::DigestMismatch],
        )]
    });
    report(&format!("{suite}: truncations"), lengths.len(), &slips);
}

#[test]
fn every_flip_and_cut_rfc9580() {
    every_flip_and_cut(Suite::Rfc9580);
}

#[test]
fn every_flip_and_cut_gnupg() {
    every_flip_and_cut(Suite::Gnupg);
}

#[test]
fn every_flip_and_cut_age() {
    every_flip_and_cut(Suite::Age);
}

#[test]
fn nothing_may_follow_or_precede() {
    for suite in Suite::ALL {
        let whole = bundle(&Order::first(suite)).bytes;
        let mut cases = Vec::new();
        for octet in 0..=255_u8 {
            cases.push(Case::new(
                format!("octet {octet} after"),
                [&whole[..], &[octet]].concat(),
                &[Kind::DigestMismatch],
            ));
        }
        for count in [2, 511, 512, 1024, 1536, 10_240] {
            let zeros = vec![0; count];
            cases.push(Case::new(
                format!("{count} zeros after"),
                [&whole[..], &zeros].concat(),
                &[Kind::DigestMismatch],
            ));
            // What the trailer points to has moved as well.
            let moved = &[Kind::DigestMismatch, Kind::SignatureInvalid];
            cases.push(Case::new(
                format!("{count} zeros before"),
                [&zeros, &whole[..]].concat(),
                moved,
            ));
        }
        let other = bundle(&Order {
            sequence: 2,
            previous: Some(hub_backup::base::digest::Digest::of(b"")),
            ..Order::first(suite)
        })
        .bytes;
        cases.push(Case::new(
            "the bundle twice",
            [&whole[..], &whole].concat(),
            &[Kind::DigestMismatch, Kind::SignatureInvalid],
        ));
        cases.push(Case::new(
            "another bundle before",
            [&other[..], &whole].concat(),
            &[Kind::DigestMismatch, Kind::SignatureInvalid],
        ));
        cases.push(Case::new(
            "another bundle after",
            [&whole[..], &other].concat(),
            &[Kind::DigestMismatch, Kind::SignatureInvalid],
        ));
        refuse_all(&format!("{suite}: bytes after and before"), &cases);
    }
}

#[test]
fn the_unaltered_bundle_passes() {
    for suite in Suite::ALL {
        let base = Arc::new(bundle(&Order::first(suite)).bytes);
        let nothing = Altered {
            base: Arc::clone(&base),
            at: 0,
            mask: 0,
        };
        let whole = Cut {
            length: base.as_slice().len() as u64,
            base,
        };
        for object in [Arc::new(nothing) as Arc<dyn ReadAt>, Arc::new(whole)] {
            let policy = KeyPolicy::default();
            let verified = judge_by(object, &measure(&policy))
                .map_err(|(_, message)| message)
                .expect("as it was written");
            assert!(verified.proof().is_some());
        }
    }
}
