//! Signatures: missing, foreign, of another bundle, in another spelling, and good ones by people who are not trusted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_backup::base::fault::Kind;
use hub_backup::bundle::manifest::Role;
use hub_backup::bundle::outer;
use hub_backup::bundle::suite::Suite;
use hub_backup::keyring::make::SuiteFeatures;
use hub_backup::keyring::trust::TrustStore;
use hub_backup::policy::crypto::KeyPolicy;
use hub_backup::seal;
use hub_backup::seal::Signer;
use hub_backup::seal::SoftwareSigner;

use super::Case;
use super::refuse_all;
use super::refuse_all_by;
use super::support::BEGIN;
use super::support::Bundle;
use super::support::Order;
use super::support::bundle;
use super::support::measure;
use super::support::new_key;
use super::support::outer::named;
use super::support::outer::put_together_with_trailer;
use super::support::outer::take_apart;
use super::support::own;
use super::support::stranger;
use super::support::time;

/// The bundle with other signatures, and a trailer that fits.
fn signed_by(bundle: &Bundle, signatures: &[u8]) -> Vec<u8> {
    let mut members = take_apart(&bundle.bytes);
    named(&mut members, outer::SIGNATURES).content = signatures.to_vec();
    put_together_with_trailer(&members)
}

fn sign(bundle: &Bundle, signers: &[&dyn Signer]) -> Vec<u8> {
    seal::seal(&bundle.sealed.bytes, signers, bundle.sealed.manifest.created).expect("signed")
}

/// The packets inside armor, which ends in a checksum line that begins with `=`.
fn packets(armored: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(armored).expect("ASCII");
    let body: String = text.lines().filter(|line| !line.starts_with(['-', '='])).collect();
    STANDARD.decode(body).expect("base64")
}

const MISSING: &[Kind] = &[Kind::SignatureMissing];
const INVALID: &[Kind] = &[Kind::SignatureInvalid];
const UNTRUSTED: &[Kind] = &[Kind::SignerUntrusted];
const POLICY: &[Kind] = &[Kind::KeyPolicy];

#[test]
fn the_surgery_itself_does_no_harm() {
    for suite in Suite::ALL {
        let whole = bundle(&Order::first(suite));
        assert!(signed_by(&whole, &whole.sealed.signatures) == whole.bytes);
    }
}

#[test]
fn signatures_missing_or_respelled() {
    for suite in Suite::ALL {
        let whole = bundle(&Order::first(suite));
        let good = whole.sealed.signatures.clone();
        let text = String::from_utf8(good.clone()).expect("ASCII");
        let empty = "-----BEGIN PGP SIGNATURE-----\n\n=twTO\n-----END PGP SIGNATURE-----\n";
        let comment = text.replacen("\n\n", "\nComment: harmless\n\n", 1);
        let case = |what: &str, signatures: &[u8], kinds| Case::new(what, signed_by(&whole, signatures), kinds);
        let cases = [
            case("no signature", b"", MISSING),
            case("armor around nothing", empty.as_bytes(), MISSING),
            case("no armor", &packets(&good), INVALID),
            case("something else", b"signed, honestly\n", INVALID),
            case("twice", &[&good[..], &good].concat(), INVALID),
            case("with a comment", comment.as_bytes(), INVALID),
            case("carriage returns", text.replace('\n', "\r\n").as_bytes(), INVALID),
            case("one more line feed", format!("{text}\n").as_bytes(), INVALID),
            case("as a message", text.replace("SIGNATURE", "MESSAGE").as_bytes(), INVALID),
        ];
        refuse_all(&format!("{suite}: signatures missing or in another spelling"), &cases);
    }
}

#[test]
fn signatures_by_others_or_of_others() {
    let root = SoftwareSigner::new(own().root.cert.clone(), None, time(BEGIN)).expect("roots sign too");
    let nobody = new_key(Role::Signer, "Nobody", SuiteFeatures::Rfc9580);
    let nobody = SoftwareSigner::new(nobody.cert, None, time(BEGIN)).expect("a signer");
    let (signer, theirs) = (&own().signer, &stranger().signer);
    for suite in Suite::ALL {
        let whole = bundle(&Order::first(suite));
        let other = bundle(&Order {
            bytes: 17,
            ..Order::first(suite)
        });
        let of_other = &other.sealed.signatures;
        let both = [packets(&whole.sealed.signatures), packets(of_other)].concat();
        let both = seal::canonical(&both).expect("two signatures");
        let case = |what: &str, signatures: &[u8], kinds| Case::new(what, signed_by(&whole, signatures), kinds);
        let by = |what: &str, signers: &[&dyn Signer], kinds| case(what, &sign(&whole, signers), kinds);
        let cases = [
            case("of another bundle", of_other, INVALID),
            case("of another bundle, beside the right one", &both, INVALID),
            by("no root", &[&nobody], UNTRUSTED),
            by("no root, beside the right one", &[signer, &nobody], UNTRUSTED),
            by("another root", &[theirs], UNTRUSTED),
            by("another root, beside the right one", &[signer, theirs], UNTRUSTED),
            by("a trusted key that the manifest does not name", &[&root], POLICY),
            by("one more trusted key than it names", &[signer, &root], POLICY),
        ];
        refuse_all(&format!("{suite}: signatures by others, and of other bundles"), &cases);
    }
}

#[test]
fn trust_comes_from_pinned_roots_alone() {
    for suite in Suite::ALL {
        // Well made from end to end, by somebody else.
        let theirs = bundle(&Order {
            keys: stranger(),
            ..Order::first(suite)
        });
        let known = [
            &own().trust.known[..],
            &stranger().trust.known,
            &stranger().trust.pinned,
        ]
        .concat();
        let strangers_known = TrustStore {
            pinned: own().trust.pinned.clone(),
            known,
        };
        let policy = KeyPolicy::default();
        let cases = [Case::new("of a stranger", theirs.bytes, &[Kind::SignerUntrusted])];
        refuse_all(&format!("{suite}: strangers"), &cases);
        refuse_all_by(
            &format!("{suite}: strangers whose certificates are known"),
            &cases,
            &hub_backup::flow::verify::Measure {
                trust: &strangers_known,
                ..measure(&policy)
            },
        );
        let ours = [Case::new(
            "without any trust",
            bundle(&Order::first(suite)).bytes,
            &[Kind::SignerUntrusted],
        )];
        let nobody = TrustStore::default();
        refuse_all_by(
            &format!("{suite}: nobody is trusted"),
            &ours,
            &hub_backup::flow::verify::Measure {
                trust: &nobody,
                ..measure(&policy)
            },
        );
    }
}

#[test]
fn a_manifest_signed_by_a_stranger() {
    for suite in Suite::ALL {
        // All that an attacker can rewrite: slots for himself, sums, manifest, and his own good signature.
        let whole = bundle(&Order::first(suite));
        let mut manifest = whole.sealed.manifest.clone();
        manifest.keys.signers = vec![stranger().signer.facts()];
        let bytes = manifest.to_bytes();
        let signatures = seal::seal(&bytes, &[&stranger().signer], manifest.created).expect("signed");
        let mut members = take_apart(&whole.bytes);
        named(&mut members, outer::MANIFEST).content = bytes;
        named(&mut members, outer::SIGNATURES).content = signatures;
        let cases = [Case::new(
            "re-signed",
            put_together_with_trailer(&members),
            &[Kind::SignerUntrusted],
        )];
        refuse_all(
            &format!("{suite}: re-signed by a certified signer of another root"),
            &cases,
        );
    }
}
