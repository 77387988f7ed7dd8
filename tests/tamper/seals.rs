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

fn packets(armored: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(armored).expect("ASCII");
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).expect("base64")
}

#[test]
fn signatures_missing_foreign_or_respelled() {
    for suite in Suite::ALL {
        let whole = bundle(&Order::first(suite));
        let other = bundle(&Order {
            bytes: 17,
            ..Order::first(suite)
        });
        let good = whole.sealed.signatures.clone();
        assert!(
            signed_by(&whole, &good) == whole.bytes,
            "the surgery itself does no harm"
        );
        let text = String::from_utf8(good.clone()).expect("ASCII");
        let both =
            seal::canonical(&[packets(&good), packets(&other.sealed.signatures)].concat()).expect("two signatures");
        let root = SoftwareSigner::new(own().root.cert.clone(), None, time(BEGIN)).expect("roots sign too");
        let nobody = SoftwareSigner::new(
            new_key(Role::Signer, "Nobody", SuiteFeatures::Rfc9580).cert,
            None,
            time(BEGIN),
        )
        .expect("a signer");
        let case = |what: &str, signatures: &[u8], kinds| Case::new(what, signed_by(&whole, signatures), kinds);
        let (invalid, untrusted): (&'static [Kind], &'static [Kind]) =
            (&[Kind::SignatureInvalid], &[Kind::SignerUntrusted]);
        let cases = [
            case("no signature", b"", &[Kind::SignatureMissing]),
            case(
                "armor around nothing",
                b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
                &[Kind::SignatureMissing],
            ),
            case("no armor", &packets(&good), invalid),
            case("something else", b"signed, honestly\n", invalid),
            case("the signature of another bundle", &other.sealed.signatures, invalid),
            case("that of another bundle beside the right one", &both, invalid),
            case("by a signer without a root", &sign(&whole, &[&nobody]), untrusted),
            case(
                "by a signer without a root beside the right one",
                &sign(&whole, &[&own().signer, &nobody]),
                untrusted,
            ),
            case(
                "by a certified signer of another root",
                &sign(&whole, &[&stranger().signer]),
                untrusted,
            ),
            case(
                "by a certified signer of another root beside the right one",
                &sign(&whole, &[&own().signer, &stranger().signer]),
                untrusted,
            ),
            case(
                "by a trusted key that the manifest does not name",
                &sign(&whole, &[&root]),
                &[Kind::KeyPolicy],
            ),
            case(
                "by one more trusted key than the manifest names",
                &sign(&whole, &[&own().signer, &root]),
                &[Kind::KeyPolicy],
            ),
            case("twice", &[&good[..], &good].concat(), invalid),
            case(
                "with a comment",
                text.replacen("\n\n", "\nComment: harmless\n\n", 1).as_bytes(),
                invalid,
            ),
            case("with carriage returns", text.replace('\n', "\r\n").as_bytes(), invalid),
            case(
                "with one more line feed",
                [&good[..], b"\n"].concat().as_slice(),
                invalid,
            ),
            case("as a message", text.replace("SIGNATURE", "MESSAGE").as_bytes(), invalid),
        ];
        refuse_all(&format!("{suite}: signatures"), &cases);
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
