//! Tests of the rules for keys.

use super::*;
use crate::base::digest::Digest;
use crate::base::fault::Fault as _;
use crate::base::fault::Kind;
use crate::bundle::index::Totals;
use crate::bundle::manifest::ContainerFacts;
use crate::bundle::manifest::Keys;
use crate::bundle::manifest::Member;
use crate::bundle::manifest::Members;
use crate::bundle::manifest::PolicyFacts;
use crate::keyring::facts::age_facts;
use crate::keyring::facts::passphrase_facts;

const CREATED: &str = "2026-06-01T00:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn openpgp(id: &str, role: Role, algorithm: &str) -> KeyFacts {
    KeyFacts {
        kind: KeyKind::OpenPgp,
        id: id.into(),
        keys: vec![working(id, algorithm)],
        algorithm: algorithm.into(),
        created: Some(time("2026-01-01T00:00:00Z")),
        expires: Some(time("2027-01-01T00:00:00Z")),
        role,
        generation: 1,
    }
}

/// A key whose fingerprint begins and ends like its certificate's id.
fn working(id: &str, algorithm: &str) -> WorkingKey {
    WorkingKey {
        fingerprint: id.repeat(20),
        algorithm: algorithm.into(),
    }
}

fn signer() -> KeyFacts {
    openpgp("AA", Role::Signer, "ECDSA P-384")
}

fn recipient(id: &str) -> KeyFacts {
    openpgp(id, Role::Recipient, "ECDH P-384")
}

fn member(name: &str) -> Member {
    Member {
        name: name.into(),
        bytes: 1,
        sha256: Digest::of(b""),
    }
}

fn manifest(suite: Suite, recipients: Vec<KeyFacts>, slots: &[&str]) -> Manifest {
    let container = ContainerFacts {
        segments: 1,
        bytes: 1,
        chain: Digest::of(b""),
    };
    Manifest {
        format: crate::bundle::manifest::MAGIC.into(),
        version: crate::bundle::header::FORMAT_VERSION,
        bundle: "20260601T000000Z-0123456789abcdef".parse().expect("an id"),
        set: "hub".parse().expect("a name"),
        sequence: 1,
        previous: None,
        created: time(CREATED),
        tool: "test".into(),
        suite,
        sources: Vec::new(),
        members: Members {
            recover: member("RECOVER.txt"),
            header: member("header.json"),
            keyslots: slots.iter().map(|slot| member(&format!("keyslots/{slot}"))).collect(),
            data: container.clone(),
            index: container,
            sums: member("SHA256SUMS"),
        },
        totals: Totals::default(),
        key_commitment: Digest::of(b""),
        keys: Keys {
            signers: vec![signer()],
            recipients,
        },
        policy: PolicyFacts::default(),
    }
}

fn good() -> Manifest {
    manifest(Suite::Rfc9580, vec![recipient("BB"), recipient("CC")], &["openpgp.pgp"])
}

fn violations(manifest: &Manifest, policy: &KeyPolicy) -> Vec<Violation> {
    check(manifest, &[signer()], policy, time(CREATED)).map_or_else(|all| all.0, |()| Vec::new())
}

#[test]
fn good_keys() {
    assert_eq!(
        check(&good(), &[signer()], &KeyPolicy::default(), time(CREATED)),
        Ok(())
    );
    let age = || vec![age_facts("age1x"), age_facts("age1yubikey1x")];
    let mixed = [age(), vec![recipient("BB"), passphrase_facts()]].concat();
    let slots = ["openpgp.pgp", "session-key.age", "passphrase.age"];
    assert_eq!(
        violations(&manifest(Suite::Gnupg, mixed, &slots), &KeyPolicy::default()),
        []
    );
    let pure = manifest(Suite::Age, age(), &["age.txt", "age-index.txt"]);
    assert_eq!(violations(&pure, &KeyPolicy::default()), []);
}

#[test]
fn every_problem_is_reported() {
    let mut wrong = good();
    wrong.keys.recipients[0].algorithm = "RSA 2048".into();
    wrong.keys.recipients[1].expires = Some(time(CREATED));
    wrong.keys.signers[0].created = Some(time("2026-06-01T00:00:01Z"));
    let policy = KeyPolicy {
        recipients_min: 3,
        signers_min: 2,
        recipients_required: vec!["DD".into()],
        ..KeyPolicy::default()
    };
    let expected = [
        Violation::TooFewRecipients { found: 2, least: 3 },
        Violation::TooFewSigners { found: 1, least: 2 },
        Violation::RecipientMissing { id: "DD".into() },
        Violation::NotYet {
            id: "AA".into(),
            created: time("2026-06-01T00:00:01Z"),
        },
        Violation::Algorithm {
            id: "BB".into(),
            algorithm: "RSA 2048".into(),
        },
        Violation::Expired {
            id: "CC".into(),
            expired: time(CREATED),
        },
    ];
    let found = check(&wrong, &[signer()], &policy, time(CREATED)).expect_err("six problems");
    assert_eq!(found.0, expected);
    assert_eq!(found.kind(), Kind::KeyPolicy);
    assert!(
        found
            .to_string()
            .contains("recipients is 2, and the policy demands 3; the number of signers is 1,"),
        "{found}"
    );
}

#[test]
fn signers_named_are_the_signers_found() {
    let other = || openpgp("BB", Role::Signer, "Ed25519");
    let named = |signed: &[KeyFacts]| check(&good(), signed, &KeyPolicy::default(), time(CREATED)).map_err(|all| all.0);
    let not_signed = Violation::NotSigned { id: "AA".into() };
    let not_named = Violation::NotNamed { id: "BB".into() };
    assert_eq!(named(&[]), Err(vec![not_signed.clone()]));
    assert_eq!(named(&[signer(), other()]), Err(vec![not_named.clone()]));
    assert_eq!(named(&[other()]), Err(vec![not_signed, not_named]));

    let lie = named(&[openpgp("AA", Role::Signer, "Ed25519")]).expect_err("a lie");
    assert!(matches!(lie.as_slice(), [Violation::OtherAlgorithm { .. }]));
    let mut subkey = signer();
    subkey.keys = vec![working("DD", "ECDSA P-384")];
    let lie = named(&[subkey]).expect_err("another key of the same certificate");
    assert!(matches!(lie.as_slice(), [Violation::OtherKey { .. }]));
}

#[test]
fn algorithms_and_lengths() {
    let with = |algorithm: &str, rsa_bits_min| {
        let mut manifest = good();
        manifest.keys.recipients[0].algorithm = algorithm.into();
        let policy = KeyPolicy {
            rsa_bits_min,
            ..KeyPolicy::default()
        };
        violations(&manifest, &policy).is_empty()
    };
    assert!(with("RSA 3072", 3072) && with("RSA 4096", 4096) && with("X25519", 4096));
    assert!(!with("RSA 3072", 4096), "stricter than the program");
    assert!(!with("RSA 2048", 1024), "never laxer than the program");
    assert!(!with("ElGamal 4096", 3072) && !with("ECDH brainpoolP256r1", 3072) && !with("", 3072));
}

#[test]
fn every_key_that_a_bundle_is_encrypted_to_is_judged() {
    let mut weak = good();
    weak.keys.recipients[0].keys.push(working("DD", "RSA 2048"));
    let algorithm = "RSA 2048".to_owned();
    let id = "BB".to_owned();
    assert_eq!(
        violations(&weak, &KeyPolicy::default()),
        [Violation::Algorithm { id, algorithm }]
    );
    for (number, keys) in [(0, 0), (1, 2)] {
        let mut wrong = good();
        let who = [&mut wrong.keys.recipients[0], &mut wrong.keys.signers[0]];
        for (place, facts) in who.into_iter().enumerate() {
            if place == number {
                facts.keys = vec![working("EE", "ECDH P-384"); keys];
            }
        }
        let found = violations(&wrong, &KeyPolicy::default());
        let is_right =
            |violation: &Violation| matches!(violation, Violation::NumberOfKeys { found, .. } if *found == keys);
        assert!(found.iter().any(is_right), "{found:?}");
    }
    let mut age = manifest(Suite::Age, vec![age_facts("age1x")], &["age.txt", "age-index.txt"]);
    age.keys.recipients[0].keys = vec![working("EE", "X25519")];
    assert!(matches!(
        violations(&age, &KeyPolicy::default()).as_slice(),
        [Violation::NumberOfKeys { found: 1, .. }]
    ));
}

#[test]
fn every_packet_has_its_recipient_and_every_recipient_its_packet() {
    let fingerprint = |id: &str| id.repeat(20).parse::<KeyHandle>().expect("a fingerprint");
    let key_id = |id: &str| id.repeat(8).parse::<KeyHandle>().expect("a key id");
    let check = |manifest: &Manifest, packets: &[KeyHandle]| {
        check_packets(manifest, packets).map_or_else(|all| all.0, |()| Vec::new())
    };
    let missing = |id: &str| Violation::PacketMissing {
        id: id.into(),
        key: id.repeat(20),
    };
    let not_named = |key: String| Violation::PacketNotNamed { key };

    assert_eq!(check(&good(), &[fingerprint("CC"), fingerprint("BB")]), []);
    assert_eq!(check(&good(), &[key_id("BB"), key_id("CC")]), []);
    assert_eq!(check(&good(), &[fingerprint("BB")]), [missing("CC")]);
    let stranger = [fingerprint("BB"), fingerprint("CC"), fingerprint("DD")];
    assert_eq!(check(&good(), &stranger), [not_named("DD".repeat(20))]);
    let exchanged = [fingerprint("BB"), key_id("DD")];
    assert_eq!(check(&good(), &exchanged), [missing("CC"), not_named("DD".repeat(8))]);
    let twice = [fingerprint("BB"), fingerprint("BB"), fingerprint("CC")];
    assert_eq!(check(&good(), &twice), [not_named("BB".repeat(20))]);
    assert_eq!(check(&good(), &[]), [missing("BB"), missing("CC")]);

    // A key id in the manifest would fit more than one key.
    let mut short = good();
    short.keys.recipients[0].keys[0].fingerprint = "BB".repeat(8);
    let found = check(&short, &[key_id("BB"), key_id("CC")]);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn kinds_fit_the_suite() {
    let default = KeyPolicy::default();
    let age = manifest(Suite::Age, vec![recipient("BB")], &["age.txt", "age-index.txt"]);
    assert!(matches!(
        violations(&age, &default).as_slice(),
        [Violation::WrongKind { .. }]
    ));
    let mut signed = good();
    signed.keys.signers[0].kind = KeyKind::Age;
    assert!(matches!(
        violations(&signed, &default).as_slice(),
        [Violation::WrongKind { .. }, Violation::NumberOfKeys { .. }]
    ));
    let mut role = good();
    role.keys.recipients[0].role = Role::Signer;
    assert!(matches!(
        violations(&role, &default).as_slice(),
        [Violation::WrongRole { .. }]
    ));
    let twice = manifest(Suite::Rfc9580, vec![recipient("BB"), recipient("BB")], &["openpgp.pgp"]);
    let strict = KeyPolicy {
        recipients_min: 2,
        passphrase_allowed: false,
        ..KeyPolicy::default()
    };
    assert!(matches!(
        violations(&twice, &strict).as_slice(),
        [Violation::TooFewRecipients { found: 1, .. }, Violation::Twice { .. }]
    ));
    let guessable = manifest(
        Suite::Gnupg,
        vec![recipient("BB"), passphrase_facts()],
        &["openpgp.pgp", "passphrase.age"],
    );
    assert_eq!(violations(&guessable, &strict), [Violation::Passphrase]);
}

#[test]
fn slots_are_explained_by_recipients() {
    for slots in [
        &[][..],
        &["openpgp.pgp", "passphrase.age"],
        &["session-key.age"],
        &["openpgp.pgp", "openpgp.pgp"],
        &["openpgp.pgp", "other"],
    ] {
        let found = violations(
            &manifest(Suite::Rfc9580, vec![recipient("BB")], slots),
            &KeyPolicy::default(),
        );
        assert!(
            matches!(found.as_slice(), [Violation::Slots { .. }]),
            "{slots:?}: {found:?}"
        );
    }
}
