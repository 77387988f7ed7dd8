//! Tests of the keyring as a whole, also against GnuPG.

use sequoia_openpgp::KeyHandle;

use super::certify::certify;
use super::facts::facts;
use super::facts::role;
use super::identities::make_age_identity;
use super::identities::read_identity;
use super::make::Algorithm;
use super::make::Made;
use super::make::NewKey;
use super::make::SuiteFeatures;
use super::make::make;
use super::openpgp::public_text;
use super::openpgp::read_certificates;
use super::openpgp::read_secret;
use super::recipients::read_recipients;
use super::unlock::Work;
use super::unlock::unlock;
use super::*;
use crate::base::clock::Timestamp;
use crate::bundle::manifest::Role;

pub(crate) mod gnupg;
mod trust;

use gnupg::Gpg;

/// When keys of the tests are made.
pub(crate) const MADE: &str = "2026-02-01T00:00:00Z";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub(crate) fn new_key(role: Role, name: &str, algorithm: Algorithm) -> NewKey {
    NewKey {
        role,
        name: name.into(),
        algorithm,
        expires: None,
        generation: 1,
        passphrase: None,
        suite_features: SuiteFeatures::Rfc9580,
    }
}

pub(crate) fn made(role: Role, name: &str) -> Made {
    make(&new_key(role, name, Algorithm::Ed25519), time(MADE)).expect("a key")
}

fn passphrase(text: &str) -> SecretText {
    SecretText::new(text.into())
}

#[test]
fn every_algorithm_and_role_tells_its_facts() {
    let cases = [
        (Algorithm::EcdsaP384, "ECDSA P-384", "ECDH P-384"),
        (Algorithm::EcdsaP256, "ECDSA P-256", "ECDH P-256"),
        (Algorithm::Ed25519, "Ed25519", "X25519"),
        (Algorithm::Rsa3072, "RSA 3072", "RSA 3072"),
    ];
    for (algorithm, signs, opens) in cases {
        assert_eq!(algorithm.name().parse::<Algorithm>().expect("own name"), algorithm);
        for as_role in [Role::Root, Role::Signer, Role::Recipient] {
            let mut key = new_key(as_role, "hub-backup test", algorithm);
            key.generation = 7;
            key.expires = Some(time("2028-02-01T00:00:00Z"));
            let made = make(&key, time(MADE)).expect("a key");
            let certificates = read_certificates(made.public.as_bytes()).expect("own certificate");
            assert_eq!(certificates.len(), 1);
            let told = facts(&certificates[0], as_role, time("2026-06-01T00:00:00Z"));
            assert_eq!(told.kind.as_str(), "openpgp");
            assert_eq!(told.id, made.cert.fingerprint().to_hex());
            assert_eq!(told.algorithm, if as_role == Role::Recipient { opens } else { signs });
            assert_eq!(told.created, Some(time(MADE)));
            assert_eq!(told.expires, key.expires);
            assert_eq!((told.role, told.generation), (as_role, 7));
            let [working] = told.keys.as_slice() else {
                panic!("one key does the work: {told:?}");
            };
            assert_eq!(working.algorithm, told.algorithm);
            let handle: KeyHandle = working.fingerprint.parse().expect("a fingerprint");
            assert!(made.cert.keys().key_handle(handle).next().is_some(), "its own key");
            assert_eq!(role(&certificates[0], time(MADE)), Some(as_role));
            // Facts can be told of a key that has expired, too.
            let mut later = facts(&certificates[0], as_role, time("2030-01-01T00:00:00Z"));
            if as_role == Role::Recipient {
                assert_eq!(later.keys, [], "nothing is encrypted to it any more");
                later.keys.clone_from(&told.keys);
            }
            assert_eq!(later, told);
        }
    }
}

#[test]
fn keys_that_cannot_be_are_refused() {
    let right = new_key(Role::Signer, "signer", Algorithm::Ed25519);
    for name in ["", "line\nfeed", "bell\u{7}", &"x".repeat(256)] {
        let key = NewKey {
            name: name.into(),
            ..right.clone()
        };
        assert!(matches!(make(&key, time(MADE)), Err(Error::BadName { .. })), "{name:?}");
    }
    let key = NewKey {
        generation: 0,
        ..right.clone()
    };
    assert!(matches!(make(&key, time(MADE)), Err(Error::GenerationZero)));
    let key = NewKey {
        expires: Some(time(MADE)),
        ..right
    };
    assert!(matches!(make(&key, time(MADE)), Err(Error::ExpiresBefore { .. })));
    assert!("rsa-2048".parse::<Algorithm>().is_err());
}

#[test]
fn passphrases_lock_and_unlock() {
    let mut key = new_key(Role::Signer, "signer", Algorithm::EcdsaP256);
    key.passphrase = Some(passphrase("open sesame"));
    let made = make(&key, time(MADE)).expect("a key");
    let secret = read_secret(made.secret.expose().as_bytes()).expect("own secret key");
    let try_with = |given: Option<&SecretText>| unlock(&secret, given, Work::Sign, time(MADE));
    assert!(try_with(Some(&passphrase("open sesame"))).is_ok());
    assert!(matches!(
        try_with(Some(&passphrase("open"))),
        Err(Error::WrongPassphrase { .. })
    ));
    assert!(matches!(try_with(None), Err(Error::Locked { .. })));

    let bytes = made.secret.expose().as_bytes();
    assert!(matches!(read_identity(bytes, None), Err(Error::Locked { .. })));
    assert!(matches!(
        read_identity(bytes, Some(passphrase("no"))),
        Err(Error::WrongPassphrase { .. })
    ));
    let identity = read_identity(bytes, Some(passphrase("open sesame"))).expect("unlocks");
    assert!(matches!(identity, Identity::OpenPgp { .. }));
    assert!(!format!("{identity:?}").contains("sesame"));
}

#[test]
fn public_files_are_no_secret_keys_and_secrets_are_dropped() {
    let made = made(Role::Signer, "signer");
    assert!(matches!(
        read_secret(made.public.as_bytes()),
        Err(Error::NotSecret { .. })
    ));
    assert!(matches!(
        read_identity(made.public.as_bytes(), None),
        Err(Error::NotSecret { .. })
    ));
    let stripped = read_certificates(made.secret.expose().as_bytes()).expect("a certificate");
    assert!(made.cert.is_tsk() && !stripped[0].is_tsk());
    assert!(!made.public.contains("PRIVATE") && !made.revocation.contains("PRIVATE"));
}

#[test]
fn several_blocks_are_read_and_nothing_is_passed_over() {
    let (one, two) = (made(Role::Signer, "one"), made(Role::Signer, "two"));
    let both = format!("Our keys:\n\n{}\n{}", one.public, two.public);
    let fingerprints: Vec<_> = read_certificates(both.as_bytes())
        .expect("two certificates")
        .iter()
        .map(Cert::fingerprint)
        .collect();
    assert_eq!(fingerprints, [one.cert.fingerprint(), two.cert.fingerprint()]);
    let crlf = both.replace('\n', "\r\n");
    assert_eq!(read_certificates(crlf.as_bytes()).expect("two certificates").len(), 2);

    // Damage in the second one spoils the file.
    let damaged = both.replacen(&two.public[200..210], "!!!!!!!!!!", 1);
    assert!(matches!(
        read_certificates(damaged.as_bytes()),
        Err(Error::BadCertificate { number: 2, .. })
    ));
    let secrets = format!("{}{}", one.secret.expose(), two.secret.expose());
    assert!(matches!(
        read_secret(secrets.as_bytes()),
        Err(Error::NotOneKey { found: 2 })
    ));
    for nothing in [
        &b""[..],
        b"\n",
        b"hello",
        b"-----BEGIN PGP MESSAGE-----\n\n-----END PGP MESSAGE-----\n",
    ] {
        assert!(read_certificates(nothing).is_err(), "{nothing:?}");
    }
    let large = vec![0x99; 5 << 20];
    assert!(matches!(read_certificates(&large), Err(Error::TooLarge { .. })));
}

#[test]
fn damaged_key_files_never_panic() {
    let made = made(Role::Recipient, "recipient");
    let mut binary = Vec::new();
    sequoia_openpgp::serialize::Serialize::serialize(&made.cert.as_tsk(), &mut binary).expect("memory");
    for length in (0..binary.len()).step_by(3) {
        let _cut = read_certificates(&binary[..length]);
        let _cut = read_identity(&binary[..length], None);
    }
    for at in 0..binary.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut altered = binary.clone();
            altered[at] ^= flip;
            let _altered = read_recipients(&altered);
            if let Ok(certificates) = read_certificates(&altered) {
                let _told = facts(&certificates[0], Role::Recipient, time(MADE));
            }
        }
    }
}

#[test]
fn recipients_of_every_kind() {
    let (age, _) = make_age_identity();
    let list = format!("# operations\n{age}\n\n  {age}  \n");
    assert_eq!(read_recipients(list.as_bytes()).expect("two lines").len(), 2);
    let one = |bytes: &[u8]| read_recipients(bytes).expect("one").remove(0);
    assert!(matches!(one(age.as_bytes()), Recipient::Age(text) if text == age));
    let certificate = made(Role::Recipient, "recipient");
    assert!(matches!(one(certificate.public.as_bytes()), Recipient::OpenPgp(_)));

    let upper = age.to_uppercase();
    let other = if age.ends_with('q') { 'p' } else { 'q' };
    let wrong = format!("{}{other}", &age[..age.len() - 1]);
    for (text, at) in [(upper.as_str(), 1), (wrong.as_str(), 1), ("# c\nssh-ed25519 AAAA", 2)] {
        let refused = read_recipients(text.as_bytes());
        assert!(
            matches!(refused, Err(Error::NotARecipient { line }) if line == at),
            "{text}"
        );
    }
    assert!(matches!(read_recipients(b"# nobody\n"), Err(Error::NoRecipient)));

    let told = recipient_facts_of(&age);
    assert_eq!(
        (told.kind.as_str(), told.algorithm.as_str(), told.id),
        ("age", "X25519", age)
    );
    let plugin = "age1yubikey1q0xf4lgjlfakeq0xf4";
    assert_eq!(recipient_facts_of(plugin).algorithm, "plugin yubikey");
    assert_eq!(super::facts::passphrase_facts().id, "passphrase");
}

fn recipient_facts_of(age: &str) -> crate::bundle::manifest::KeyFacts {
    super::facts::recipient_facts(&Recipient::Age(age.into()), time(MADE))
}

#[test]
fn identities_of_age() {
    let (recipient, file) = make_age_identity();
    assert!(file.expose().contains(&recipient));
    assert!(matches!(
        read_identity(file.expose().as_bytes(), None),
        Ok(Identity::Age { .. })
    ));
    for wrong in ["", "# comment alone\n", "AGE-SECRET-KEY-1QQQQ", "hello"] {
        assert!(
            matches!(read_identity(wrong.as_bytes(), None), Err(Error::NotAnIdentity)),
            "{wrong}"
        );
    }

    // Stock age reads the file and agrees on the recipient.
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("identity.txt");
    gnupg::put(&path, file.expose().as_bytes());
    let told = gnupg::run(std::process::Command::new("age-keygen").arg("-y").arg(&path), b"");
    assert_eq!(String::from_utf8_lossy(&told).trim(), recipient);
}

#[test]
fn locked_identities_of_age() {
    use std::io::Write as _;
    let (_, file) = make_age_identity();
    let mut recipient = age::scrypt::Recipient::new("open sesame".to_owned().into());
    recipient.set_work_factor(8);
    let encryptor =
        age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient)).expect("one recipient");
    let mut locked = Vec::new();
    let mut writer = encryptor.wrap_output(&mut locked).expect("memory");
    writer.write_all(file.expose().as_bytes()).expect("memory");
    let _locked = writer.finish().expect("memory");

    assert!(matches!(read_identity(&locked, None), Err(Error::AgeLocked)));
    assert!(matches!(
        read_identity(&locked, Some(passphrase("no"))),
        Err(Error::AgeWrongPassphrase)
    ));
    let identity = read_identity(&locked, Some(passphrase("open sesame"))).expect("opens");
    assert!(matches!(identity, Identity::Age { text, .. } if text == file));
}

#[test]
fn gnupg_takes_our_keys_and_keeps_what_they_say() {
    for algorithm in [Algorithm::EcdsaP384, Algorithm::Ed25519, Algorithm::Rsa3072] {
        let gpg = Gpg::new();
        for as_role in [Role::Root, Role::Signer, Role::Recipient] {
            let mut key = new_key(as_role, "hub-backup test", algorithm);
            key.generation = 3;
            key.expires = Some(time("2100-01-01T00:00:00Z"));
            key.passphrase = Some(passphrase("open sesame"));
            let made = make(&key, time(MADE)).expect("a key");
            let fingerprint = made.cert.fingerprint().to_hex();
            gpg.import(made.secret.expose().as_bytes());
            // A new self-signature by GnuPG keeps role and generation.
            let _changed = gpg.run_with_passphrase("open sesame", &["--quick-set-expire", &fingerprint, "2090-01-01"]);
            let exported = read_certificates(&gpg.export(&fingerprint)).expect("what GnuPG exports");
            let told = facts(&exported[0], as_role, gnupg::now());
            assert_eq!((told.generation, told.role), (3, as_role), "{algorithm}");
            assert!(told.expires < Some(time("2090-01-02T00:00:00Z")), "{:?}", told.expires);
            assert_eq!(role(&exported[0], gnupg::now()), Some(as_role));
            // And its export of the secret key is ours to use.
            let secret = gpg.run_with_passphrase("open sesame", &["--export-secret-keys", &fingerprint]);
            assert!(read_identity(&secret, Some(passphrase("open sesame"))).is_ok());
        }
    }
}

#[test]
fn keys_of_gnupg_are_of_generation_one() {
    for (algorithm, signs, opens) in [
        ("rsa3072", "RSA 3072", "RSA 3072"),
        ("ed25519", "Ed25519", "X25519"),
        ("nistp384", "ECDSA P-384", "ECDH P-384"),
    ] {
        let gpg = Gpg::new();
        let fingerprint = gpg.generate("Ops <ops@example.org>", algorithm);
        let certificate = read_certificates(&gpg.export(&fingerprint))
            .expect("a certificate")
            .remove(0);
        let now = gnupg::now();
        assert_eq!(facts(&certificate, Role::Signer, now).algorithm, signs);
        let told = facts(&certificate, Role::Recipient, now);
        assert_eq!(
            (told.algorithm.as_str(), told.generation, told.id),
            (opens, 1, fingerprint.clone())
        );
        assert_eq!(role(&certificate, now), None);
        assert!(read_identity(&gpg.export_secret(&fingerprint), None).is_ok());
    }
}

#[test]
fn gnupg_sees_the_certification_and_the_revocation() {
    let gpg = Gpg::new();
    let (root, signer) = (made(Role::Root, "root"), made(Role::Signer, "signer"));
    let certified = certify(&root.cert, None, &signer.cert, time(MADE)).expect("certified");
    gpg.import(root.public.as_bytes());
    gpg.import(public_text(&certified).expect("text").as_bytes());
    let signatures = gpg.run(&[
        "--with-colons",
        "--check-signatures",
        &signer.cert.fingerprint().to_hex(),
    ]);
    let listed = String::from_utf8_lossy(&signatures).into_owned();
    let good = format!("sig:!::22:{}", root.cert.keyid().to_hex());
    assert!(listed.contains(&good), "{listed}");

    let revoked = read_certificates(signer.revocation.as_bytes()).expect("a certificate");
    let reason = revoked[0]
        .primary_key()
        .self_revocations()
        .next()
        .and_then(|signature| {
            let (reason, _) = signature.reason_for_revocation()?;
            Some(reason)
        });
    assert_eq!(
        reason,
        Some(sequoia_openpgp::types::ReasonForRevocation::KeyCompromised)
    );

    // The revocation comes with the certificate, so it works on an empty keyring too.
    let gpg = Gpg::new();
    gpg.import(signer.revocation.as_bytes());
    let listed = gpg.run(&["--with-colons", "--list-keys", &signer.cert.fingerprint().to_hex()]);
    assert!(String::from_utf8_lossy(&listed).contains("pub:r:"), "revoked");
}
