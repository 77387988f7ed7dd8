//! After a bundle has verified: wrong keys, a slot that holds another key than was committed to, and an object that changes
//! between the check and the use.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::digest::Digest;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::base::progress::Silent;
use hub_backup::base::read_at::ReadAt;
use hub_backup::bundle::manifest::Manifest;
use hub_backup::bundle::manifest::WorkingKey;
use hub_backup::bundle::outer;
use hub_backup::bundle::suite::Suite;
use hub_backup::encrypt::ContentKey;
use hub_backup::encrypt::slots::Slot;
use hub_backup::encrypt::slots::write_slots;
use hub_backup::flow::contents::Opened;
use hub_backup::flow::restore::restore;
use hub_backup::flow::verify::Verified;
use hub_backup::keyring::Recipient;
use hub_backup::keyring::dialog::Dialog;
use hub_backup::policy::selection::Selection;
use hub_backup::seal;

use super::Case;
use super::refuse_all;
use super::report;
use super::slip;
use super::support::BEGIN;
use super::support::Bundle;
use super::support::Order;
use super::support::bundle;
use super::support::judge;
use super::support::memory::Memory;
use super::support::noise;
use super::support::outer::named;
use super::support::outer::places;
use super::support::outer::put_together_with_trailer;
use super::support::outer::rewrite_sums;
use super::support::outer::take_apart;
use super::support::own;
use super::support::stranger;
use super::support::time;

fn verified(object: Arc<dyn ReadAt>) -> Verified {
    judge(object).map_err(|(_, message)| message).expect("verifies")
}

/// Restores everything, or what fits `patterns`.
fn restored(verified: &Verified, patterns: &[String]) -> Result<Memory, (Kind, String)> {
    let identity = [own().identity(verified.manifest().suite, 0)];
    let opened = Opened::open(verified, &identity).map_err(|error| (error.kind(), error.to_string()))?;
    let mut selection = Selection::new(patterns).expect("patterns");
    let mut memory = Memory::default();
    let result = restore(&opened, &mut selection, 1, &mut memory, &Silent, &Cancel::new());
    result
        .map(|_| memory)
        .map_err(|error| (error.kind(), error.to_string()))
}

#[test]
fn both_recipients_open_it_and_nobody_else() {
    for suite in Suite::ALL {
        let whole = verified(Arc::new(bundle(&Order::first(suite)).bytes));
        for number in [0, 1] {
            assert!(
                Opened::open(&whole, &[own().identity(suite, number)]).is_ok(),
                "{suite}: recipient {number}"
            );
        }
        let other_suite = if suite == Suite::Age {
            Suite::Rfc9580
        } else {
            Suite::Age
        };
        let strangers = [
            vec![stranger().identity(suite, 0)],
            vec![stranger().identity(suite, 0), stranger().identity(suite, 1)],
            vec![own().identity(other_suite, 0)],
            vec![],
        ];
        for identities in strangers {
            let error = Opened::open(&whole, &identities).err().expect("none of them fits");
            assert_eq!(
                (error.kind(), error.kind().exit_code()),
                (Kind::NoUsableKey, 12),
                "{suite}: {error}"
            );
        }
    }
}

/// The bundle with other slots, right in every other way and signed by the right signer, whose manifest `edit` has changed.
fn with_slots(whole: &Bundle, slots: Vec<Slot>, edit: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let mut manifest = whole.sealed.manifest.clone();
    edit(&mut manifest);
    let mut members = take_apart(&whole.bytes);
    for slot in slots {
        named(&mut members, &format!("keyslots/{}", slot.name)).content = slot.bytes;
    }
    rewrite_sums(&mut members);
    for stated in manifest.members.keyslots.iter_mut().chain([&mut manifest.members.sums]) {
        let content = &named(&mut members, &stated.name).content;
        (stated.bytes, stated.sha256) = (content.len() as u64, Digest::of(content));
    }
    let bytes = manifest.to_bytes();
    named(&mut members, outer::SIGNATURES).content =
        seal::seal(&bytes, &[&own().signer], manifest.created).expect("signed");
    named(&mut members, outer::MANIFEST).content = bytes;
    put_together_with_trailer(&members)
}

/// Slots of a new key.
fn slots_for(suite: Suite, recipients: &[Recipient]) -> Vec<Slot> {
    let key = ContentKey::generate(suite).expect("random");
    write_slots(&key, recipients, time(BEGIN), &Dialog::default()).expect("slots")
}

#[test]
fn a_slot_with_another_key_than_was_committed_to() {
    for suite in Suite::ALL {
        let whole = bundle(&Order::first(suite));
        let slots = slots_for(suite, &own().recipients(suite));
        let swapped = verified(Arc::new(with_slots(&whole, slots, |_| ())));
        let error = Opened::open(&swapped, &[own().identity(suite, 0)])
            .err()
            .expect("another key");
        assert_eq!(
            (error.kind(), error.kind().exit_code()),
            (Kind::DigestMismatch, 24),
            "{suite}: {error}"
        );
        assert!(error.to_string().contains("commits"), "{suite}: {error}");
    }
}

#[test]
fn signed_slots_for_others_than_the_manifest_names() {
    const POLICY: &[Kind] = &[Kind::KeyPolicy];
    for suite in [Suite::Rfc9580, Suite::Gnupg] {
        let whole = bundle(&Order::first(suite));
        let (ours, theirs) = (own().recipients(suite), stranger().recipients(suite));
        let same = |_: &mut Manifest| ();
        let with = |recipients: &[&Recipient], edit: &dyn Fn(&mut Manifest)| {
            let recipients: Vec<Recipient> = recipients.iter().copied().cloned().collect();
            with_slots(&whole, slots_for(suite, &recipients), edit)
        };
        assert!(
            judge(Arc::new(with(&[&ours[1], &ours[0]], &same))).is_ok(),
            "the order is free"
        );
        let keys_of = |manifest: &mut Manifest, keys: Vec<WorkingKey>| manifest.keys.recipients[1].keys = keys;
        let key = |manifest: &Manifest| manifest.keys.recipients[0].keys[0].clone();
        let short = |manifest: &mut Manifest| {
            let fingerprint = &mut manifest.keys.recipients[1].keys[0].fingerprint;
            // The key id: of version 4 the end of the fingerprint, of version 6 its begin.
            *fingerprint = match fingerprint.len() {
                40 => fingerprint[24..].to_owned(),
                _ => fingerprint[..16].to_owned(),
            };
        };
        let both = [&ours[0], &ours[1]];
        let damaged = Slot {
            name: "openpgp.pgp".into(),
            bytes: b"no packets".to_vec(),
        };
        let case = |what: &str, bytes| Case::new(what, bytes, POLICY);
        let cases = [
            case("one is missing", with(&[&ours[0]], &same)),
            case("one more", with(&[&ours[0], &ours[1], &theirs[0]], &same)),
            case("one twice", with(&[&ours[0], &ours[1], &ours[1]], &same)),
            case("one exchanged", with(&[&ours[0], &theirs[0]], &same)),
            case("all exchanged", with(&[&theirs[0], &theirs[1]], &same)),
            case(
                "no key is named",
                with(&both, &|manifest| keys_of(manifest, Vec::new())),
            ),
            case(
                "the key of another",
                with(&both, &|manifest| keys_of(manifest, vec![key(manifest)])),
            ),
            case("a key id alone is named", with(&both, &short)),
            Case::new(
                "no packets",
                with_slots(&whole, vec![damaged], same),
                &[Kind::DigestMismatch],
            ),
        ];
        refuse_all(
            &format!("{suite}: slots signed for others than the manifest names"),
            &cases,
        );
    }
}

/// Stanzas of age name no recipient, so nobody sees this without a key. It takes a signer who lies.
#[test]
fn slots_of_age_name_nobody() {
    let whole = bundle(&Order::first(Suite::Age));
    let recipients = [own().recipients(Suite::Age), stranger().recipients(Suite::Age)].concat();
    let slots = slots_for(Suite::Age, &recipients);
    assert!(judge(Arc::new(with_slots(&whole, slots, |_| ()))).is_ok());
}

/// An object of which one byte changes after it was verified.
struct Changing {
    base: Vec<u8>,
    /// The byte; past the end for none.
    at: AtomicU64,
}

const NOWHERE: u64 = u64::MAX;

impl ReadAt for Changing {
    fn len(&self) -> u64 {
        self.base.as_slice().len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.base.read_exact_at(buffer, offset)?;
        let index = self
            .at
            .load(Ordering::SeqCst)
            .checked_sub(offset)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(octet) = index.and_then(|index| buffer.get_mut(index)) {
            *octet ^= 0x10;
        }
        Ok(())
    }
}

/// Changes the bytes of all segments of which `step` is the distance, one after the other.
fn change_after_verification(suite: Suite, bytes: usize, step: usize, patterns: &[String]) {
    let base = bundle(&Order {
        bytes,
        ..Order::first(suite)
    })
    .bytes;
    let segments: Vec<_> = places(&base)
        .into_iter()
        .filter(|place| place.name.contains('/') && !place.name.starts_with("keyslots"))
        .collect();
    let object = Arc::new(Changing {
        base,
        at: AtomicU64::new(NOWHERE),
    });
    let whole = verified(Arc::clone(&object) as Arc<dyn ReadAt>);
    let got = restored(&whole, patterns)
        .map_err(|(_, message)| message)
        .expect("nothing has changed yet");
    assert!(
        got.contents["hub/dump"] == noise(1, bytes),
        "{suite}: the content comes back"
    );
    let mut slips = Vec::new();
    let places: Vec<usize> = segments
        .iter()
        .flat_map(|place| (place.content..place.end).step_by(step))
        .collect();
    for at in &places {
        object.at.store(*at as u64, Ordering::SeqCst);
        slips.extend(slip(
            &format!("byte {at}"),
            restored(&whole, patterns).err(),
            &[Kind::DigestMismatch],
        ));
    }
    let what = if patterns.is_empty() {
        "everything"
    } else {
        "a selection"
    };
    report(
        &format!(
            "{suite}: {} segments changed between verification and restore of {what}",
            segments.len()
        ),
        places.len(),
        &slips,
    );
}

#[test]
fn a_segment_that_changes_after_verification() {
    for suite in Suite::ALL {
        change_after_verification(suite, 16, 1, &[]);
        change_after_verification(suite, 16, 1, &["hub/dump".to_owned()]);
        change_after_verification(suite, 150_000, 4999, &[]);
    }
}
