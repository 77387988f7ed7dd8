//! Slots of every suite for every kind of recipient, and the refusals. Stock tools open them in `tests/interop_containers.rs`.

use std::time::Duration;
use std::time::SystemTime;

use sequoia_openpgp::Profile;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::cert::CipherSuite;
use sequoia_openpgp::packet::UserID;
use sequoia_openpgp::types::Features;
use sequoia_openpgp::types::KeyFlags;
use sequoia_openpgp::types::ReasonForRevocation;

use super::*;
use crate::base::clock::Clock as _;
use crate::base::clock::SystemClock;
use crate::base::fault::Fault as _;
use crate::base::fault::Kind;

const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn builder() -> CertBuilder<'static> {
    CertBuilder::new()
        .add_userid(UserID::from("test"))
        .set_cipher_suite(CipherSuite::Cv25519)
}

fn finish(builder: CertBuilder<'_>) -> Cert {
    builder.generate().expect("parameters that the library knows").0
}

fn modern() -> Cert {
    let builder = builder().set_profile(Profile::RFC9580).expect("a profile");
    finish(builder.add_storage_encryption_subkey())
}

fn classic() -> Cert {
    let builder = builder()
        .set_features(Features::empty().set_seipdv1())
        .expect("features");
    finish(builder.add_transport_encryption_subkey())
}

fn to(cert: &Cert) -> Recipient {
    Recipient::OpenPgp(Box::new(cert.clone().strip_secret_key_material()))
}

fn with(cert: &Cert, passphrase: Option<&str>) -> Identity {
    Identity::OpenPgp {
        key: Box::new(cert.clone()),
        passphrase: passphrase.map(text),
    }
}

fn text(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

/// A new age identity and its recipient.
fn age_pair() -> (Identity, Recipient) {
    use age::secrecy::ExposeSecret as _;
    let identity = age::x25519::Identity::generate();
    let recipient = Recipient::Age(identity.to_public().to_string());
    let file = format!("# made for a test\n\n{}\n", identity.to_string().expose_secret());
    (Identity::age(text(&file)), recipient)
}

fn key(suite: Suite) -> ContentKey {
    ContentKey::generate(suite).expect("random")
}

/// Certificates are made at the time of the system, so they are used then.
fn now() -> Timestamp {
    SystemClock.now()
}

fn names(slots: &[Slot]) -> Vec<&str> {
    slots.iter().map(|slot| slot.name.as_str()).collect()
}

#[track_caller]
fn assert_opens(key: &ContentKey, slots: &[Slot], identity: Identity) {
    let opened = open_slots(key.suite(), slots, &[identity]).expect("it fits");
    assert_eq!(opened.secret(), key.secret());
}

#[test]
fn certificates_of_every_kind_open_their_slots() {
    let rsa = finish(
        builder()
            .set_cipher_suite(CipherSuite::RSA2k)
            .add_storage_encryption_subkey(),
    );
    let p384 = finish(
        builder()
            .set_cipher_suite(CipherSuite::P384)
            .add_transport_encryption_subkey(),
    );
    let several = finish(
        builder()
            .add_storage_encryption_subkey()
            .add_transport_encryption_subkey(),
    );
    let post_quantum = builder().set_profile(Profile::RFC9580).expect("a profile");
    let post_quantum = finish(
        post_quantum
            .set_cipher_suite(CipherSuite::MLDSA65_Ed25519)
            .add_storage_encryption_subkey(),
    );
    let certs = [modern(), classic(), rsa, p384, several, post_quantum];
    let recipients: Vec<Recipient> = certs.iter().map(to).collect();
    for suite in [Suite::Rfc9580, Suite::Gnupg] {
        let key = key(suite);
        let slots = write_slots(&key, &recipients, now(), &Dialog::default()).expect("valid certificates");
        assert_eq!(names(&slots), ["openpgp.pgp"]);
        for cert in &certs {
            assert_opens(&key, &slots, with(cert, None));
        }
        let packets = openpgp_slots::parse(suite, &slots[0].bytes).expect("own form");
        assert_eq!(packets.len(), 7, "one for each encryption key");
        let other = if suite == Suite::Gnupg {
            Suite::Rfc9580
        } else {
            Suite::Gnupg
        };
        assert!(
            open_slots(other, &slots, &[with(&certs[0], None)]).is_err(),
            "versions are not mixed"
        );
    }
}

#[test]
fn the_suite_follows_from_the_recipients() {
    let (_, age) = age_pair();
    let passphrase = Recipient::Passphrase(text("correct horse"));
    let choose = |recipients: &[&Recipient]| {
        let recipients: Vec<Recipient> = recipients.iter().copied().cloned().collect();
        choose(&recipients, now()).expect("recipients")
    };
    let (modern, classic) = (to(&modern()), to(&classic()));
    assert_eq!(choose(&[&modern, &age]), Suite::Rfc9580);
    assert_eq!(choose(&[&modern, &classic]), Suite::Gnupg);
    assert_eq!(choose(&[&age, &passphrase]), Suite::Age);
    assert_eq!(choose(&[&passphrase]), Suite::Age);
}

#[test]
fn useless_certificates_are_named() {
    let day = Duration::from_secs(86_400);
    let long_ago = SystemTime::UNIX_EPOCH + 18_000 * day;
    let expired = finish(
        builder()
            .set_creation_time(long_ago)
            .set_validity_period(30 * day)
            .add_storage_encryption_subkey(),
    );
    let subkey_expired = finish(builder().set_creation_time(long_ago).add_subkey(
        KeyFlags::empty().set_storage_encryption(),
        30 * day,
        None,
    ));
    let signing = finish(builder().add_signing_subkey());
    let (cert, revocation) = builder()
        .add_storage_encryption_subkey()
        .generate()
        .expect("known parameters");
    let revoked = cert.insert_packets(revocation).expect("its own revocation").0;
    for (cert, reason) in [
        (&expired, "Expired on"),
        (&subkey_expired, "its keys for encryption have expired"),
        (&signing, "it has no key for encryption"),
        (&revoked, "it was revoked"),
    ] {
        let error = write_slots(&key(Suite::Rfc9580), &[to(cert)], now(), &Dialog::default()).expect_err(reason);
        assert_eq!(error.kind(), Kind::KeyPolicy);
        let message = error.to_string();
        assert!(message.contains(&cert.fingerprint().to_hex()), "{message}");
        assert!(message.contains(reason), "{message}");
    }
    // At the time when it was valid, the certificate serves; and what it was given then, it opens for ever.
    let key = key(Suite::Rfc9580);
    let slot = openpgp_slots::write(&key, &[&expired], (long_ago + day).into()).expect("valid then");
    let slots = [Slot {
        name: "openpgp.pgp".into(),
        bytes: slot,
    }];
    assert_opens(&key, &slots, with(&expired, None));
}

#[test]
fn a_revoked_subkey_is_passed_over() {
    let cert = finish(
        builder()
            .add_storage_encryption_subkey()
            .add_transport_encryption_subkey(),
    );
    let mut signer = cert
        .primary_key()
        .key()
        .clone()
        .parts_into_secret()
        .and_then(sequoia_openpgp::packet::Key::into_keypair)
        .expect("an open secret key");
    let subkey = cert.keys().subkeys().next().expect("two of them");
    let revocation = sequoia_openpgp::cert::SubkeyRevocationBuilder::new()
        .set_reason_for_revocation(ReasonForRevocation::KeyRetired, b"")
        .and_then(|builder| builder.build(&mut signer, &cert, subkey.key(), None))
        .expect("its own subkey");
    let gone = subkey.key().key_handle();
    let cert = cert.clone().insert_packets(revocation).expect("its own revocation").0;
    let key = key(Suite::Rfc9580);
    let slots = write_slots(&key, &[to(&cert)], now(), &Dialog::default()).expect("one subkey is left");
    let packets = openpgp_slots::parse(Suite::Rfc9580, &slots[0].bytes).expect("own form");
    assert_eq!(packets.len(), 1);
    assert_ne!(packets[0].recipient(), Some(gone));
    assert_opens(&key, &slots, with(&cert, None));
}

#[test]
fn locked_keys_ask_for_their_passphrase() {
    let locked = finish(
        builder()
            .set_password(Some("open sesame".into()))
            .add_storage_encryption_subkey(),
    );
    let key = key(Suite::Gnupg);
    let slots = write_slots(&key, &[to(&locked)], now(), &Dialog::default()).expect("a valid certificate");
    assert_opens(&key, &slots, with(&locked, Some("open sesame")));
    let open = |passphrase| open_slots(Suite::Gnupg, &slots, &[with(&locked, passphrase)]).expect_err("locked");
    assert!(matches!(open(None), Error::KeyLocked { .. }));
    assert!(matches!(open(Some("open barley")), Error::WrongKeyPassphrase { .. }));
    for error in [open(None), open(Some("open barley"))] {
        assert_eq!(error.kind(), Kind::NoUsableKey);
        assert!(error.hint().is_some());
        assert!(!format!("{error} {error:?}").contains("barley"));
    }
    // A key that opens the bundle counts, wherever it stands in the list.
    let (identity, recipient) = age_pair();
    let slots = write_slots(&key, &[to(&locked), recipient], now(), &Dialog::default()).expect("valid recipients");
    let opened = open_slots(Suite::Gnupg, &slots, &[with(&locked, None), identity]).expect("the second fits");
    assert_eq!(opened.secret(), key.secret());
}

#[test]
fn age_and_passphrases_open_every_suite() {
    let (identity, recipient) = age_pair();
    let passphrase = "correct horse";
    let recipients = [recipient, Recipient::Passphrase(text(passphrase))];
    for (suite, expected) in [
        (Suite::Rfc9580, &["session-key.age", "passphrase.age"][..]),
        (Suite::Gnupg, &["session-key.age", "passphrase.age"]),
        (Suite::Age, &["age.txt", "age-index.txt", "passphrase.age"]),
    ] {
        let key = key(suite);
        let slots = write_slots(&key, &recipients, now(), &Dialog::default()).expect("valid recipients");
        assert_eq!(names(&slots), expected);
        assert_opens(&key, &slots, identity.clone());
        assert_opens(&key, &slots, Identity::Passphrase(text(passphrase)));
        let wrong = open_slots(suite, &slots, &[Identity::Passphrase(text("battery staple"))]).expect_err("wrong");
        assert!(matches!(wrong, Error::WrongPassphrase), "{wrong:?}");
        let needle = hex::encode_upper(key.secret());
        assert!(
            slots
                .iter()
                .all(|slot| !slot.bytes.windows(needle.len()).any(|bytes| bytes == needle.as_bytes()))
        );
    }
}

#[test]
fn whoever_has_no_key_is_told_which_are_wanted() {
    let cert = classic();
    let (_, recipient) = age_pair();
    let slots =
        write_slots(&key(Suite::Gnupg), &[to(&cert), recipient], now(), &Dialog::default()).expect("valid recipients");
    let (stranger, _) = age_pair();
    let error = open_slots(Suite::Gnupg, &slots, &[stranger, with(&classic(), None)]).expect_err("strangers");
    let subkey = cert.keys().subkeys().next().expect("one").key().keyid();
    assert_eq!(
        error.to_string(),
        format!(
            "none of the given keys opens the bundle, which wants the OpenPGP key {subkey:X}, an age identity of the kind X25519"
        )
    );
    assert_eq!(error.kind(), Kind::NoUsableKey);
    assert!(error.hint().is_some());
}

#[test]
fn what_cannot_be_a_recipient_is_refused() {
    let refused = |suite, recipients: &[Recipient]| {
        write_slots(&key(suite), recipients, now(), &Dialog::default()).expect_err("no recipients")
    };
    let age = |text: &str| Recipient::Age(text.to_owned());
    assert!(matches!(refused(Suite::Gnupg, &[]), Error::NoRecipient));
    assert!(matches!(choose(&[], now()), Err(Error::NoRecipient)));
    assert!(matches!(
        refused(Suite::Age, &[to(&modern())]),
        Error::OpenPgpInAge { .. }
    ));
    let passphrases = ["one", "two"].map(|passphrase| Recipient::Passphrase(text(passphrase)));
    assert!(matches!(refused(Suite::Age, &passphrases), Error::SeveralPassphrases));
    for wrong in [
        "",
        "age1",
        "alice",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
        "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafq",
    ] {
        let error = refused(Suite::Age, &[age(wrong)]);
        assert!(matches!(error, Error::AgeRecipient { .. }), "{wrong}: {error:?}");
        assert_eq!(error.kind(), Kind::Usage);
    }
    let plugin = refused(Suite::Age, &[age("age1nosuchplugin1qqqqqqqq0cyqru")]);
    assert_eq!(
        plugin.to_string(),
        "there is no program age-plugin-nosuchplugin in the PATH"
    );
    let identity = refused(Suite::Age, &[age(IDENTITY)]);
    assert!(!format!("{identity} {identity:?}").contains("PYYSJZ"), "{identity:?}");
}

#[test]
fn identity_files_are_read_strictly() {
    let (_, recipient) = age_pair();
    let slots = write_slots(&key(Suite::Age), &[recipient], now(), &Dialog::default()).expect("a valid recipient");
    let error = open_slots(Suite::Age, &slots, &[Identity::age(text("# one\n\nneedle\n"))]).expect_err("no identity");
    assert_eq!(error.to_string(), "line 3 of the age identity file is not an identity");
    assert!(!format!("{error:?}").contains("needle"));
}

#[test]
fn slots_that_do_not_belong_are_refused() {
    let cert = classic();
    let (identity, recipient) = age_pair();
    let identities = [with(&cert, None), identity];
    let key_gnupg = key(Suite::Gnupg);
    let good =
        write_slots(&key_gnupg, &[to(&cert), recipient.clone()], now(), &Dialog::default()).expect("valid recipients");
    let refused = |suite, slots: &[Slot]| match open_slots(suite, slots, &identities) {
        Err(Error::Slot { name, reason }) => format!("{name}: {reason}"),
        other => panic!("{other:?}"),
    };
    let slot = |name: &str, bytes: &[u8]| Slot {
        name: name.to_owned(),
        bytes: bytes.to_vec(),
    };
    assert_eq!(
        refused(Suite::Gnupg, &[good[0].clone(), slot("kms.json", b"{}")]),
        "kms.json: the suite has no slot of this name"
    );
    assert_eq!(
        refused(Suite::Gnupg, &[good[0].clone(), good[0].clone()]),
        "openpgp.pgp: it comes twice"
    );
    assert_eq!(
        refused(Suite::Gnupg, &[slot("openpgp.pgp", &vec![0; (1 << 20) + 1])]),
        "openpgp.pgp: it is too long"
    );
    assert_eq!(
        refused(Suite::Gnupg, &[slot("openpgp.pgp", b"")]),
        "openpgp.pgp: it is empty"
    );
    let age = write_slots(
        &key(Suite::Age),
        std::slice::from_ref(&recipient),
        now(),
        &Dialog::default(),
    )
    .expect("a valid recipient");
    assert_eq!(
        refused(Suite::Age, &age[..1]),
        "age.txt: it or the header of the index is missing"
    );
    // The header of another bundle's index, whose recipient is the same.
    let other = write_slots(&key(Suite::Age), &[recipient], now(), &Dialog::default()).expect("a valid recipient");
    assert_eq!(
        refused(Suite::Age, &[age[0].clone(), other[1].clone()]),
        "age-index.txt: it does not belong to the key of the payload"
    );
    let trailing = slot("age.txt", &[&age[0].bytes[..], b"x"].concat());
    assert_eq!(
        refused(Suite::Age, &[trailing, age[1].clone()]),
        "age.txt: something follows its age header"
    );
}

#[test]
fn packets_of_other_kinds_and_forms_are_refused() {
    let cert = classic();
    let slots = write_slots(&key(Suite::Gnupg), &[to(&cert)], now(), &Dialog::default()).expect("a valid certificate");
    let good = &slots[0].bytes;
    let reason = |bytes: &[u8]| openpgp_slots::parse(Suite::Gnupg, bytes).expect_err("refused");
    let marker = [&[0xca, 3][..], b"PGP", good].concat();
    assert_eq!(reason(&marker), "it holds another packet than PKESK packets");
    let partial = [&[0xc1, 0xe9][..], &good[2..]].concat();
    assert_eq!(reason(&partial), "the length of a packet is not definite");
    let indeterminate = [&[0x87][..], &good[2..]].concat();
    assert_eq!(reason(&indeterminate), "the length of a packet is not definite");
    let mut hidden = good.clone();
    hidden[3..11].fill(0);
    assert_eq!(reason(&hidden), "a PKESK packet hides its recipient");
    let mut version = good.clone();
    version[2] = 6;
    assert_eq!(reason(&version), "the version of a PKESK packet does not fit the suite");
    assert_eq!(
        reason(&[&good[..], b"text"].concat()),
        "it is not a sequence of packets"
    );
    for end in 1..good.len() {
        assert!(
            openpgp_slots::parse(Suite::Gnupg, &good[..end]).is_err(),
            "cut to {end}"
        );
    }
    // The old form of headers, as GnuPG writes them, in each of its definite lengths.
    let body = &good[2..];
    let length = u8::try_from(body.len()).expect("a short packet");
    for header in [
        &[0x84, length][..],
        &[0x85, 0, length],
        &[0x86, 0, 0, 0, length],
        &[0xc1, 0xff, 0, 0, 0, length],
    ] {
        let packets = openpgp_slots::parse(Suite::Gnupg, &[header, body].concat()).expect("a definite length");
        assert_eq!(packets.len(), 1);
    }
}

#[test]
fn no_damaged_slot_gives_a_key() {
    let cert = classic();
    let (identity, recipient) = age_pair();
    let passphrase_free: [(Suite, &[Recipient]); 2] = [(Suite::Gnupg, &[to(&cert)]), (Suite::Age, &[recipient])];
    for (suite, recipients) in passphrase_free {
        let key = key(suite);
        let slots = write_slots(&key, recipients, now(), &Dialog::default()).expect("valid recipients");
        for (number, slot) in slots.iter().enumerate() {
            for at in 0..slot.bytes.len() {
                let mut damaged = slots.clone();
                damaged[number].bytes[at] ^= 0x20;
                let opened = open_slots(suite, &damaged, &[with(&cert, None), identity.clone()]);
                let same = opened.as_ref().is_ok_and(|opened| opened.secret() == key.secret());
                // Packets carry the session key alone: what is not it must fail. Headers of age are authenticated.
                assert!(
                    opened.is_err() || same && suite == Suite::Gnupg,
                    "{} octet {at}",
                    slot.name
                );
            }
        }
    }
}

#[test]
fn more_recipients_than_a_reader_takes_are_refused() {
    let (_, recipient) = age_pair();
    let error =
        write_slots(&key(Suite::Gnupg), &vec![recipient; 11_000], now(), &Dialog::default()).expect_err("above a MiB");
    let said = "the key slot session-key.age would be one that no reader takes: it is too long";
    assert_eq!(error.to_string(), said);
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.hint().expect("a next step").contains("fewer recipients"));
}

proptest::proptest! {
    #[test]
    fn any_octets_are_a_slot_or_an_error(octets: Vec<u8>, which in 0_usize..6, tail: Vec<u8>) {
        let begin: [&[u8]; 6] = [
            b"",
            b"\xc1\x5e\x03",
            b"\xc1\x5e\x06",
            b"age-encryption.org/v1\n",
            b"age-encryption.org/v1\n-> X25519 a\n",
            b"-----BEGIN AGE ENCRYPTED FILE-----\n",
        ];
        let bytes = [begin[which], &octets, b"\n--- ", &tail].concat();
        for suite in Suite::ALL {
            for name in ["openpgp.pgp", "session-key.age", "passphrase.age", "age.txt", "age-index.txt"] {
                let slots = [Slot { name: name.to_owned(), bytes: bytes.clone() }];
                proptest::prop_assert!(open_slots(suite, &slots, &[]).is_err());
            }
        }
    }
}
