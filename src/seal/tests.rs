//! Tests of seals, also against gpg and sqv.

use std::process::Command;

use sequoia_openpgp::Packet;
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::packet::signature::subpacket::Subpacket;
use sequoia_openpgp::packet::signature::subpacket::SubpacketValue;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::HashAlgorithm;
use sequoia_openpgp::types::SignatureType;

use super::*;
use crate::base::fault::Fault as _;
use crate::base::fault::Kind;
use crate::base::secret::SecretText;
use crate::bundle::manifest::Role;
use crate::keyring::certify::certify;
use crate::keyring::make::Algorithm;
use crate::keyring::make::make;
use crate::keyring::openpgp::read_certificates;
use crate::keyring::openpgp::read_secret;
use crate::keyring::revoke::Why;
use crate::keyring::revoke::revoke;
use crate::keyring::tests::MADE;
use crate::keyring::tests::gnupg;
use crate::keyring::tests::gnupg::Gpg;
use crate::keyring::tests::made;
use crate::keyring::tests::new_key;
use crate::keyring::tests::time;
use crate::keyring::trust::NotValid;
use crate::keyring::trust::Untrusted;
use crate::keyring::unlock::Work;
use crate::keyring::unlock::unlock;

mod flips;

const SIGNED: &str = "2026-06-01T00:00:00Z";
const MANIFEST: &[u8] = b"{ \"format\": \"hub-backup manifest\" }\n";

fn key(algorithm: Algorithm) -> Cert {
    make(&new_key(Role::Signer, "hub-backup signer", algorithm), time(MADE))
        .expect("a key")
        .cert
}

fn signer(key: &Cert) -> SoftwareSigner {
    SoftwareSigner::new(key.clone(), None, time(SIGNED)).expect("a signer")
}

fn sealed(keys: &[&Cert]) -> Vec<u8> {
    let signers: Vec<SoftwareSigner> = keys.iter().map(|key| signer(key)).collect();
    let signers: Vec<&dyn Signer> = signers.iter().map(|one| one as &dyn Signer).collect();
    seal(MANIFEST, &signers, time(SIGNED)).expect("sealed")
}

fn pinned(keys: &[&Cert]) -> TrustStore {
    TrustStore {
        pinned: keys.iter().map(|key| (*key).clone()).collect(),
        known: Vec::new(),
    }
}

fn pair(key: &Cert) -> KeyPair {
    unlock(key, None, Work::Sign, time(MADE)).expect("a pair")
}

fn builder() -> SignatureBuilder {
    SignatureBuilder::new(SignatureType::Binary)
        .set_hash_algo(HashAlgorithm::SHA512)
        .set_signature_creation_time(time(SIGNED).system_time())
        .expect("a time")
}

/// A block with that one signature, as it is.
fn block_of(signature: Signature) -> Vec<u8> {
    armor::encode(&Packet::from(signature).to_vec().expect("memory"))
}

fn refused(armored: &[u8], trust: &TrustStore) -> Error {
    open(MANIFEST, armored, trust, time(SIGNED)).expect_err("refused")
}

#[test]
fn who_signed_is_told() {
    for (algorithm, words) in [
        (Algorithm::EcdsaP384, "ECDSA P-384"),
        (Algorithm::EcdsaP256, "ECDSA P-256"),
        (Algorithm::Ed25519, "Ed25519"),
        (Algorithm::Rsa3072, "RSA 3072"),
    ] {
        let (root, key) = (made(Role::Root, "root").cert, key(algorithm));
        let certified = certify(&root, None, &key, time(MADE)).expect("certified");
        let trust = TrustStore {
            pinned: vec![root.clone()],
            known: vec![certified],
        };
        let armored = sealed(&[&key]);
        let signed = open(MANIFEST, &armored, &trust, time(SIGNED)).expect("opens");
        let subkey = key.keys().subkeys().next().expect("a subkey").key().fingerprint();
        let expected = SignedBy {
            facts: signer(&key).facts(),
            fingerprint: key.fingerprint().to_hex(),
            signing_key: subkey.to_hex(),
            created: time(SIGNED),
            trusted_by: root.fingerprint().to_hex(),
        };
        assert_eq!(signed, [expected]);
        assert_eq!(signed[0].facts.algorithm, words);
        assert_eq!(canonical(&armored).expect("canonical"), armored);
    }
}

#[test]
fn kinds_of_refusal() {
    let (key, other) = (key(Algorithm::Ed25519), key(Algorithm::Ed25519));
    let (armored, trust) = (sealed(&[&key]), pinned(&[&key]));
    assert_eq!(refused(b"", &trust).kind(), Kind::SignatureMissing);
    assert_eq!(refused(&armor::encode(b""), &trust).kind(), Kind::SignatureMissing);
    assert_eq!(refused(b"garbage", &trust).kind(), Kind::SignatureInvalid);
    let altered = open(b"altered", &armored, &trust, time(SIGNED)).expect_err("altered");
    assert!(
        matches!(altered, Error::Invalid(Invalid::DoesNotFit { .. })),
        "{altered}"
    );
    for stranger in [TrustStore::default(), pinned(&[&other])] {
        let unknown = refused(&armored, &stranger);
        assert_eq!(unknown.kind(), Kind::SignerUntrusted);
        assert!(matches!(unknown, Error::Untrusted(Untrusted::Unknown { .. })));
    }
    let known = TrustStore {
        pinned: vec![other],
        known: vec![key],
    };
    let uncertified = refused(&armored, &known);
    assert_eq!(uncertified.kind(), Kind::SignerUntrusted);
    assert!(matches!(uncertified, Error::Untrusted(Untrusted::NotCertified { .. })));
}

#[test]
fn every_signature_counts() {
    let (one, two) = (key(Algorithm::EcdsaP384), key(Algorithm::Rsa3072));
    let both = sealed(&[&one, &two]);
    assert_eq!(sealed(&[&two, &one]).len(), both.len());
    let signed = open(MANIFEST, &both, &pinned(&[&one, &two]), time(SIGNED)).expect("both");
    assert_eq!(signed.len(), 2);
    // A foreign signature, put there in canonical form, spoils the seal.
    let foreign = refused(&both, &pinned(&[&one]));
    assert!(
        matches!(foreign, Error::Untrusted(Untrusted::Unknown { .. })),
        "{foreign}"
    );

    // So does a second one by the same signer, a copy, another order, and a block behind the block.
    let packets = |armored: &[u8]| armor::decode(armored).expect("canonical");
    let (first, again) = (packets(&sealed(&[&one])), packets(&sealed(&[&one])));
    let twice = canonical(&[first.clone(), again].concat()).expect("two signatures");
    let twice = refused(&twice, &pinned(&[&one]));
    assert!(matches!(twice, Error::Invalid(Invalid::SignerTwice { .. })), "{twice}");
    let copied = armor::encode(&[first.clone(), first.clone()].concat());
    assert!(matches!(
        refused(&copied, &pinned(&[&one])),
        Error::Invalid(Invalid::NotCanonical)
    ));
    let mut split = block::read(&both).expect("two").into_iter().map(block_of);
    let (low, high) = (split.next().expect("one"), split.next().expect("two"));
    let turned = armor::encode(&[packets(&high), packets(&low)].concat());
    assert!(matches!(
        refused(&turned, &pinned(&[&one, &two])),
        Error::Invalid(Invalid::NotCanonical)
    ));
    let behind = [low, high].concat();
    assert!(matches!(
        refused(&behind, &pinned(&[&one, &two])),
        Error::Invalid(Invalid::NotCanonical)
    ));
    assert!(canonical(&behind).is_err(), "a second block would be lost");

    let signers: [&dyn Signer; 2] = [&signer(&one), &signer(&one)];
    assert!(seal(MANIFEST, &signers, time(SIGNED)).is_err(), "one signer twice");
    assert!(matches!(seal(MANIFEST, &[], time(SIGNED)), Err(Error::Missing)));
}

#[test]
fn the_time_of_the_signature() {
    let key = key(Algorithm::Ed25519);
    let (armored, trust) = (sealed(&[&key]), pinned(&[&key]));
    for (expected, good) in [
        ("2026-05-31T00:00:00Z", true),
        ("2026-06-02T00:00:00Z", true),
        ("2026-05-30T23:59:59Z", false),
        ("2026-06-02T00:00:01Z", false),
        ("1970-01-01T00:00:00Z", false),
    ] {
        let opened = open(MANIFEST, &armored, &trust, time(expected));
        match opened {
            Ok(_) => assert!(good, "{expected}"),
            Err(error) => {
                assert!(
                    matches!(error, Error::Invalid(Invalid::AnotherTime { .. })) && !good,
                    "{expected}: {error}"
                );
            }
        }
    }
}

#[test]
fn expiry_and_revocation_of_the_signer() {
    let mut template = new_key(Role::Signer, "signer", Algorithm::Ed25519);
    template.expires = Some(time("2026-07-01T00:00:00Z"));
    let key = make(&template, time(MADE)).expect("a key").cert;
    let armored = sealed(&[&key]);
    // Expired since: fine, for there is no "now" in it at all.
    assert!(open(MANIFEST, &armored, &pinned(&[&key]), time(SIGNED)).is_ok());
    assert!(
        is_no_signer(&SoftwareSigner::new(key.clone(), None, time("2026-07-01T00:00:00Z"))),
        "expired"
    );
    // Expired before: the key still can sign, technically.
    let late = builder().set_signature_creation_time(time("2026-08-01T00:00:00Z").system_time());
    let late = late
        .and_then(|late| late.sign_message(&mut pair(&key), MANIFEST))
        .expect("signed");
    let late = open(
        MANIFEST,
        &block_of(late),
        &pinned(&[&key]),
        time("2026-08-01T00:00:00Z"),
    )
    .expect_err("expired");
    assert!(
        matches!(
            &late,
            Error::Untrusted(Untrusted::NotValidAt {
                why: NotValid::Expired,
                ..
            })
        ),
        "{late}"
    );

    let after = time("2026-06-15T00:00:00Z");
    let before = time("2026-05-15T00:00:00Z");
    let judge = |why, at| {
        let revoked = revoke(&key, None, why, "", at).expect("revoked");
        open(MANIFEST, &armored, &pinned(&[&revoked]), time(SIGNED))
    };
    assert!(judge(Why::Retired, after).is_ok());
    assert!(matches!(
        judge(Why::Retired, before),
        Err(Error::Untrusted(Untrusted::NotValidAt { .. }))
    ));
    for at in [before, after] {
        assert!(matches!(
            judge(Why::Compromised, at),
            Err(Error::Untrusted(Untrusted::RevokedHard { .. }))
        ));
    }
}

#[test]
fn malformed_signatures() {
    let key = key(Algorithm::Ed25519);
    let trust = pinned(&[&key]);
    let sign = |builder: SignatureBuilder| builder.sign_message(&mut pair(&key), MANIFEST).expect("signed");
    let good = sign(builder());
    assert!(open(MANIFEST, &block_of(good.clone()), &trust, time(SIGNED)).is_ok());

    let refusal = |signature: Signature| {
        let error = refused(&block_of(signature), &trust);
        let Error::Invalid(invalid) = error else {
            panic!("{error}")
        };
        invalid
    };
    let text = builder().set_type(SignatureType::Text);
    assert!(matches!(refusal(sign(text)), Invalid::NotASignature { .. }));
    let sha1 = builder().set_hash_algo(HashAlgorithm::SHA1);
    assert!(matches!(refusal(sign(sha1)), Invalid::Digest { .. }));
    let expires = builder().set_signature_validity_period(std::time::Duration::from_secs(86_400 * 365));
    assert!(matches!(
        refusal(sign(expires.expect("a period"))),
        Invalid::Malformed { .. }
    ));
    let critical = builder().set_notation("demand@example.org", b"x", None, true);
    assert!(matches!(
        refusal(sign(critical.expect("a notation"))),
        Invalid::Malformed { .. }
    ));

    // What is not signed cannot be added to: not even what is true.
    let with_unsigned = |value: SubpacketValue, critical| {
        let mut altered = good.clone();
        let subpacket = Subpacket::new(value, critical).expect("a subpacket");
        altered.unhashed_area_mut().add(subpacket).expect("room");
        altered
    };
    let own = pair(&key).public().fingerprint();
    let other = made(Role::Signer, "other").cert.fingerprint();
    let reason = SubpacketValue::SignersUserID(b"somebody else".to_vec());
    assert!(matches!(refusal(with_unsigned(reason, false)), Invalid::NotCanonical));
    let again = SubpacketValue::IssuerFingerprint(own.clone());
    assert!(matches!(refusal(with_unsigned(again, true)), Invalid::NotCanonical));
    let foreign = SubpacketValue::IssuerFingerprint(other);
    assert!(matches!(
        refusal(with_unsigned(foreign, false)),
        Invalid::DoesNotFit { .. }
    ));

    // Something other than a signature.
    let literal = armor::encode(&public_packet(&key));
    assert!(matches!(
        refused(&literal, &trust),
        Error::Invalid(Invalid::NotCanonical)
    ));
    assert!(matches!(
        canonical(&public_packet(&key)),
        Err(Error::Invalid(Invalid::NotASignature { .. }))
    ));
}

fn public_packet(key: &Cert) -> Vec<u8> {
    let primary = key.primary_key().key().clone();
    Packet::from(primary).to_vec().expect("memory")
}

#[test]
fn a_claimed_key_spoils_nothing() {
    // Somebody who can write to the folder of known certificates claims the signer's subkey for his own certificate.
    let (key, thief) = (
        key(Algorithm::Ed25519),
        made(Role::Signer, "thief").cert.strip_secret_key_material(),
    );
    let subkey = key
        .keys()
        .subkeys()
        .next()
        .expect("a subkey")
        .key()
        .clone()
        .parts_into_public();
    let (claimed, _) = thief.insert_packets([Packet::from(subkey)]).expect("inserted");
    let armored = sealed(&[&key]);
    let root = made(Role::Root, "root").cert;
    let trust = TrustStore {
        known: vec![
            claimed.clone(),
            certify(&root, None, &key, time(MADE)).expect("certified"),
        ],
        pinned: vec![root],
    };
    let signed = open(MANIFEST, &armored, &trust, time(SIGNED)).expect("opens");
    assert_eq!(signed[0].fingerprint, key.fingerprint().to_hex());
    // And if he were trusted for himself, the key would still not be his: he has no signature by it.
    let refusal = refused(&armored, &pinned(&[&claimed]));
    assert!(
        matches!(
            refusal,
            Error::Untrusted(Untrusted::NotValidAt {
                why: NotValid::NotForThis,
                ..
            })
        ),
        "{refusal}"
    );
}

/// It has no key that may sign then.
fn is_no_signer(signer: &Result<SoftwareSigner, Error>) -> bool {
    matches!(signer, Err(Error::Key(crate::keyring::Error::NoKeyFor { .. })))
}

#[test]
fn signers_that_cannot_sign() {
    let recipient = made(Role::Recipient, "recipient");
    assert!(is_no_signer(&SoftwareSigner::new(recipient.cert, None, time(SIGNED))));
    let signer = made(Role::Signer, "signer");
    let public = read_certificates(signer.public.as_bytes())
        .expect("a certificate")
        .remove(0);
    assert!(is_no_signer(&SoftwareSigner::new(public, None, time(SIGNED))));
    assert!(
        is_no_signer(&SoftwareSigner::new(signer.cert, None, time("2026-01-01T00:00:00Z"))),
        "not yet made"
    );
    let mut locked = new_key(Role::Signer, "signer", Algorithm::Ed25519);
    locked.passphrase = Some(SecretText::new("open sesame".into()));
    let locked = make(&locked, time(MADE)).expect("a key").cert;
    let error = SoftwareSigner::new(locked.clone(), None, time(SIGNED)).expect_err("locked");
    assert_eq!(error.kind(), Kind::Usage);
    let signer = SoftwareSigner::new(locked, Some(SecretText::new("open sesame".into())), time(SIGNED));
    assert!(!format!("{signer:?}").contains("sesame"));
    assert!(signer.is_ok());
}

/// A signer that answers with whatever it is told to.
struct Broken(Cert, Vec<u8>);

impl Signer for Broken {
    fn facts(&self) -> KeyFacts {
        crate::keyring::facts::facts(&self.0, Role::Signer, time(SIGNED))
    }

    fn certificate(&self) -> &Cert {
        &self.0
    }

    fn sign(&self, _: &[u8], _: Timestamp) -> Result<Vec<u8>, Error> {
        Ok(self.1.clone())
    }
}

#[test]
fn what_does_not_open_is_not_given_out() {
    let (key, other) = (key(Algorithm::Ed25519), key(Algorithm::Ed25519));
    let stale = signer(&key).sign(b"something else", time(SIGNED)).expect("signed");
    let foreign = sealed(&[&other]);
    for (answer, kind) in [
        (stale, Kind::Failed),
        (foreign, Kind::SignerUntrusted),
        (Vec::new(), Kind::SignatureMissing),
        (b"garbage".to_vec(), Kind::Failed),
        (vec![b' '; 300 << 10], Kind::Failed),
    ] {
        let error = seal(MANIFEST, &[&Broken(key.clone(), answer)], time(SIGNED)).expect_err("unfit");
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn more_signers_than_a_reader_takes_are_refused() {
    let signer = Broken(key(Algorithm::Ed25519), Vec::new());
    let signers: Vec<&dyn Signer> = vec![&signer; limits::SIGNATURES_MAX + 1];
    assert!(check_count(&signers[1..]).is_ok());
    let error = seal(MANIFEST, &signers, time(SIGNED)).expect_err("one too many");
    assert!(matches!(error, Error::TooManySigners { signers: 17 }), "{error}");
    assert_eq!((error.kind(), error.hint().is_some()), (Kind::Usage, true));
}

/// `gpg --verify` and `sqv` on the seal, with the certificates of its signers.
fn stock_tools_verify(armored: &[u8], certificates: &[&Cert]) {
    let gpg = Gpg::new();
    let (signatures, manifest) = (gpg.path("manifest.json.asc"), gpg.path("manifest.json"));
    gnupg::put(&signatures, armored);
    gnupg::put(&manifest, MANIFEST);
    let mut sqv = Command::new("sqv");
    let _count = sqv.args(["-n", &certificates.len().to_string()]);
    for (number, certificate) in certificates.iter().enumerate() {
        let text = crate::keyring::openpgp::public_text(certificate).expect("text");
        gpg.import(text.as_bytes());
        let ring = gpg.path(&format!("{number}.asc"));
        gnupg::put(&ring, text.as_bytes());
        let _ring = sqv.arg("--keyring").arg(ring);
    }
    let told = gnupg::run(sqv.arg(&signatures).arg(&manifest), b"");
    assert_eq!(String::from_utf8_lossy(&told).lines().count(), certificates.len());
    let mut verify = gpg.command();
    let status = gnupg::run(
        verify
            .args(["--status-fd", "1", "--verify"])
            .arg(&signatures)
            .arg(&manifest),
        b"",
    );
    let status = String::from_utf8_lossy(&status).into_owned();
    assert_eq!(
        status.matches("[GNUPG:] VALIDSIG").count(),
        certificates.len(),
        "{status}"
    );

    gnupg::put(&manifest, b"altered");
    let mut verify = gpg.command();
    let (good, ..) = gnupg::try_run(verify.arg("--verify").arg(&signatures).arg(&manifest), b"");
    assert!(!good);
}

#[test]
fn gpg_and_sqv_verify_what_we_seal() {
    for algorithm in [
        Algorithm::EcdsaP384,
        Algorithm::EcdsaP256,
        Algorithm::Ed25519,
        Algorithm::Rsa3072,
    ] {
        let key = key(algorithm);
        stock_tools_verify(&sealed(&[&key]), &[&key]);
    }
    let root = made(Role::Root, "root").cert;
    stock_tools_verify(&sealed(&[&root]), &[&root]);
    let (one, two) = (key(Algorithm::EcdsaP384), key(Algorithm::Ed25519));
    stock_tools_verify(&sealed(&[&one, &two]), &[&one, &two]);
}

#[test]
fn keys_of_gnupg_sign_and_signatures_of_gpg_open() {
    for algorithm in ["rsa3072", "ed25519", "nistp256", "nistp384"] {
        let gpg = Gpg::new();
        let fingerprint = gpg.generate("Host <host@example.org>", algorithm);
        let secret = read_secret(&gpg.export_secret(&fingerprint)).expect("a secret key");
        let trust = pinned(&[&secret]);
        let now = gnupg::now();
        let signer = SoftwareSigner::new(secret, None, now).expect("a signer");
        let armored = seal(MANIFEST, &[&signer], now).expect("sealed");
        let opened = open(MANIFEST, &armored, &trust, now).expect("opens");
        assert_eq!((opened[0].facts.generation, &opened[0].fingerprint), (1, &fingerprint));

        let manifest = gpg.path("manifest.json");
        gnupg::put(&manifest, MANIFEST);
        for form in ["--armor", "--no-armor"] {
            let mut sign = gpg.command();
            let _options = sign.args(["--passphrase", "", form, "--output", "-", "--detach-sign"]);
            let by_gpg = gnupg::run(sign.arg(&manifest), b"");
            let raw = open(MANIFEST, &by_gpg, &trust, gnupg::now());
            assert!(matches!(raw, Err(Error::Invalid(Invalid::NotCanonical))), "{raw:?}");
            let ours = canonical(&by_gpg).expect("canonical");
            let opened = open(MANIFEST, &ours, &trust, gnupg::now()).expect("opens");
            assert_eq!(opened[0].fingerprint, fingerprint);
            // Still what stock tools read.
            let path = gpg.path("manifest.json.asc");
            gnupg::put(&path, &ours);
            let mut verify = gpg.command();
            let _verified = gnupg::run(verify.arg("--verify").arg(&path).arg(&manifest), b"");
        }
    }
}
