//! Who is trusted when.

use super::super::certify::certify;
use super::super::revoke::Why;
use super::super::revoke::revoke;
use super::super::revoke::revoke_certification;
use super::super::trust::NotValid;
use super::super::trust::TrustStore;
use super::super::trust::Untrusted;
use super::*;
use crate::keyring::make::Made;

const CERTIFIED: &str = "2026-03-01T00:00:00Z";
const SIGNED: &str = "2026-06-01T00:00:00Z";
const LATER: &str = "2026-09-01T00:00:00Z";

struct World {
    root: Made,
    signer: Made,
    certified: Cert,
}

fn world() -> World {
    let (root, signer) = (made(Role::Root, "root"), made(Role::Signer, "signer"));
    let certified = certify(&root.cert, None, &signer.cert, time(CERTIFIED)).expect("certified");
    World {
        root,
        signer,
        certified,
    }
}

fn store(pinned: &[&Cert], known: &[&Cert]) -> TrustStore {
    let owned = |certificates: &[&Cert]| certificates.iter().map(|one| (*one).clone()).collect();
    TrustStore {
        pinned: owned(pinned),
        known: owned(known),
    }
}

impl World {
    fn judge(&self, store: &TrustStore, at: &str) -> Result<String, Untrusted> {
        store.judge(&self.signer.cert, time(at)).map(|by| by.root)
    }

    fn id(&self) -> String {
        self.signer.cert.fingerprint().to_hex()
    }

    fn root_id(&self) -> String {
        self.root.cert.fingerprint().to_hex()
    }
}

#[test]
fn pinned_or_certified() {
    let world = world();
    let pinned = store(&[&world.signer.cert], &[]);
    assert_eq!(world.judge(&pinned, SIGNED), Ok(world.id()));
    let certified = store(&[&world.root.cert], &[&world.certified]);
    assert_eq!(world.judge(&certified, SIGNED), Ok(world.root_id()));
    // Neither before the certification, nor without it, nor by a root that is known and not pinned.
    let not_certified = |at| {
        Err(Untrusted::NotCertified {
            fingerprint: world.id(),
            time: time(at),
        })
    };
    assert_eq!(
        world.judge(&certified, "2026-02-28T23:59:59Z"),
        not_certified("2026-02-28T23:59:59Z")
    );
    assert_eq!(
        world.judge(&store(&[&world.root.cert], &[&world.signer.cert]), SIGNED),
        not_certified(SIGNED)
    );
    assert_eq!(
        world.judge(&store(&[], &[&world.root.cert, &world.certified]), SIGNED),
        not_certified(SIGNED)
    );
    let stranger = made(Role::Root, "root");
    assert_eq!(
        world.judge(&store(&[&stranger.cert], &[&world.certified]), SIGNED),
        not_certified(SIGNED)
    );
}

#[test]
fn a_pinned_signer_names_nobody() {
    let (one, two) = (made(Role::Signer, "one"), made(Role::Signer, "two"));
    let named = certify(&one.cert, None, &two.cert, time(CERTIFIED)).expect("it can, technically");
    let refused = store(&[&one.cert], &[&named]).judge(&two.cert, time(SIGNED));
    assert!(matches!(refused, Err(Untrusted::NotCertified { .. })), "{refused:?}");
}

#[test]
fn time_of_the_signer() {
    let mut key = new_key(Role::Signer, "signer", Algorithm::Ed25519);
    key.expires = Some(time("2027-01-01T00:00:00Z"));
    let signer = make(&key, time(MADE)).expect("a key").cert;
    let trust = store(&[&signer], &[]);
    let why = |at: &str| match trust.judge(&signer, time(at)) {
        Ok(_) => None,
        Err(Untrusted::NotValidAt { why, .. }) => Some(why),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(why("2026-01-31T23:59:59Z"), Some(NotValid::NotYet));
    assert_eq!(why(MADE), None);
    assert_eq!(why("2026-12-31T23:59:59Z"), None);
    assert_eq!(why("2027-01-01T00:00:00Z"), Some(NotValid::Expired));
}

#[test]
fn revoked_signers() {
    let world = world();
    for why in [Why::Retired, Why::Superseded] {
        let revoked = revoke(&world.signer.cert, None, why, "", time(LATER)).expect("revoked");
        let trust = store(&[&world.root.cert], &[&world.certified, &revoked]);
        assert!(
            world.judge(&trust, SIGNED).is_ok(),
            "soft revocation after the signature is fine"
        );
        let refused = world.judge(&trust, LATER);
        assert!(
            matches!(
                refused,
                Err(Untrusted::NotValidAt {
                    why: NotValid::Retired,
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    let revoked = revoke(
        &world.signer.cert,
        None,
        Why::Compromised,
        "stolen\u{1b}[2J",
        time(LATER),
    )
    .expect("revoked");
    // Wherever the copy with the revocation is.
    for trust in [
        store(&[&world.root.cert], &[&world.certified, &revoked]),
        store(&[&world.root.cert, &world.signer.cert], &[&revoked]),
        store(&[&revoked], &[]),
    ] {
        let refused = world.judge(&trust, SIGNED).expect_err("hard revocation never is");
        assert!(matches!(&refused, Untrusted::RevokedHard { fingerprint, .. } if *fingerprint == world.id()));
        assert!(
            refused.to_string().contains("stolen") && !refused.to_string().contains('\u{1b}'),
            "{refused}"
        );
    }
    // The revocation that comes with every key is hard.
    let handed = read_certificates(world.signer.revocation.as_bytes())
        .expect("a certificate")
        .remove(0);
    let trust = store(&[&world.root.cert], &[&world.certified, &handed]);
    assert!(matches!(
        world.judge(&trust, SIGNED),
        Err(Untrusted::RevokedHard { .. })
    ));
}

#[test]
fn revoked_and_expired_roots() {
    let world = world();
    let hard = revoke(&world.root.cert, None, Why::Compromised, "", time(LATER)).expect("revoked");
    let refused = world.judge(&store(&[&world.root.cert], &[&world.certified, &hard]), SIGNED);
    assert!(matches!(refused, Err(Untrusted::RevokedHard { fingerprint, .. }) if fingerprint == world.root_id()));
    let soft = revoke(&world.root.cert, None, Why::Superseded, "", time(LATER)).expect("revoked");
    let trust = store(&[&soft], &[&world.certified]);
    assert!(world.judge(&trust, SIGNED).is_ok());
    assert!(matches!(world.judge(&trust, LATER), Err(Untrusted::NotValidAt { .. })));

    // What a retired root certifies does not count.
    let late = certify(&world.root.cert, None, &world.signer.cert, time("2026-10-01T00:00:00Z")).expect("certified");
    let refused = store(&[&soft], &[&late]).judge(&late, time("2026-11-01T00:00:00Z"));
    assert!(refused.is_err(), "{refused:?}");

    let mut key = new_key(Role::Root, "root", Algorithm::Ed25519);
    key.expires = Some(time("2026-05-01T00:00:00Z"));
    let root = make(&key, time(MADE)).expect("a key").cert;
    let certified = certify(&root, None, &world.signer.cert, time(CERTIFIED)).expect("certified");
    let trust = store(&[&root], &[&certified]);
    assert!(world.judge(&trust, "2026-04-01T00:00:00Z").is_ok());
    let refused = world.judge(&trust, SIGNED);
    assert!(
        matches!(
            refused,
            Err(Untrusted::NotValidAt {
                why: NotValid::Expired,
                ..
            })
        ),
        "{refused:?}"
    );
    assert!(
        matches!(
            certify(&root, None, &world.signer.cert, time(SIGNED)),
            Err(Error::NoKeyFor { .. })
        ),
        "an expired root certifies nobody"
    );
}

#[test]
fn certifications_are_taken_back() {
    let world = world();
    let without =
        |why| revoke_certification(&world.root.cert, None, &world.certified, why, time(LATER)).expect("revoked");
    let soft = store(&[&world.root.cert], &[&without(Why::Retired)]);
    assert!(world.judge(&soft, SIGNED).is_ok());
    let is_taken_back = |verdict| matches!(verdict, Err(Untrusted::CertificationRevoked { .. }));
    assert!(is_taken_back(world.judge(&soft, LATER)));
    let hard = store(&[&world.root.cert], &[&without(Why::Compromised), &world.certified]);
    assert!(is_taken_back(world.judge(&hard, SIGNED)));

    // A stranger's revocation of the root's certification is nothing.
    let stranger = made(Role::Root, "root");
    let forged = revoke_certification(&stranger.cert, None, &world.certified, Why::Compromised, time(LATER));
    let trust = store(&[&world.root.cert], &[&forged.expect("signed")]);
    assert!(world.judge(&trust, SIGNED).is_ok());

    // Softly taken back, then given again.
    let again = certify(
        &world.root.cert,
        None,
        &without(Why::Retired),
        time("2026-10-01T00:00:00Z"),
    )
    .expect("certified");
    let trust = store(&[&world.root.cert], &[&again]);
    assert!(is_taken_back(world.judge(&trust, LATER)));
    assert!(world.judge(&trust, "2026-11-01T00:00:00Z").is_ok());
}

#[test]
fn only_signing_keys_sign() {
    let recipient = made(Role::Recipient, "recipient").cert;
    let trust = store(&[&recipient], &[]);
    for key in recipient.keys() {
        let refused = trust.judge_signer(&recipient, &key.key().fingerprint(), time(SIGNED));
        assert!(
            matches!(
                refused,
                Err(Untrusted::NotValidAt {
                    why: NotValid::NotForThis,
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    let world = world();
    let subkey = world
        .signer
        .cert
        .keys()
        .subkeys()
        .next()
        .expect("a subkey")
        .key()
        .fingerprint();
    let trust = store(&[&world.signer.cert], &[]);
    assert!(trust.judge_signer(&world.signer.cert, &subkey, time(SIGNED)).is_ok());
    assert!(
        trust
            .judge_signer(&world.signer.cert, &world.root.cert.fingerprint(), time(SIGNED))
            .is_err()
    );
}

#[test]
fn weak_keys_are_refused() {
    let (weak, _) = sequoia_openpgp::cert::CertBuilder::new()
        .set_cipher_suite(sequoia_openpgp::cert::CipherSuite::RSA2k)
        .set_creation_time(time(MADE).system_time())
        .add_userid("weak")
        .add_signing_subkey()
        .generate()
        .expect("a key");
    let refused = store(&[&weak], &[]).judge(&weak, time(SIGNED));
    assert!(matches!(refused, Err(Untrusted::WeakAlgorithm { algorithm, .. }) if algorithm == "RSA 2048"));
    assert!(matches!(
        unlock(&weak, None, Work::Sign, time(SIGNED)),
        Err(Error::Weak { .. })
    ));
    // Nor does a weak root count.
    let world = world();
    let by_weak = certify(&weak, None, &world.signer.cert, time(SIGNED));
    assert!(matches!(by_weak, Err(Error::Weak { .. })));
}

#[test]
fn roots_and_signers_of_gnupg() {
    let gpg = Gpg::new();
    let root = gpg.generate("Root <root@example.org>", "rsa3072");
    let signer = gpg.generate("Host <host@example.org>", "ed25519");
    let before = read_certificates(&gpg.export(&signer))
        .expect("a certificate")
        .remove(0);
    let _signed = gpg.run_with_passphrase("", &["--yes", "--local-user", &root, "--quick-sign-key", &signer]);
    let root = read_certificates(&gpg.export(&root)).expect("a certificate").remove(0);
    let signer = read_certificates(&gpg.export(&signer))
        .expect("a certificate")
        .remove(0);
    let verdict = store(&[&root], &[&signer]).judge(&signer, gnupg::now());
    assert_eq!(verdict.map(|by| by.root), Ok(root.fingerprint().to_hex()));
    let verdict = store(&[&root], &[&before]).judge(&before, gnupg::now());
    assert!(matches!(verdict, Err(Untrusted::NotCertified { .. })), "{verdict:?}");
}
