//! No bit of a seal is free.

use super::*;

/// Whether anything of `altered` opens.
fn opens(altered: &[u8], trust: &TrustStore) -> bool {
    open(MANIFEST, altered, trust, time(SIGNED)).is_ok()
}

/// Every bit of the file, every bit of the packets under fresh armor, every cut, and every octet added.
fn check_every_flip(armored: &[u8], trust: &TrustStore) {
    assert!(opens(armored, trust), "unaltered");
    let packets = armor::decode(armored).expect("canonical");
    let flips = |length: usize| (0..length).flat_map(|at| (0..8).map(move |bit| (at, 1_u8 << bit)));
    for (at, flip) in flips(armored.len()) {
        let mut altered = armored.to_vec();
        altered[at] ^= flip;
        assert!(!opens(&altered, trust), "octet {at} of the file, {flip:#x}");
    }
    for (at, flip) in flips(packets.len()) {
        let mut altered = packets.clone();
        altered[at] ^= flip;
        assert!(
            !opens(&armor::encode(&altered), trust),
            "octet {at} of the packets, {flip:#x}"
        );
        // Nor does the tolerant way make an altered signature good, unless it only undoes the alteration.
        if let Ok(mended) = canonical(&altered) {
            assert!(
                mended == armored || !opens(&mended, trust),
                "octet {at}, {flip:#x}, mended"
            );
        }
    }
    for at in 0..armored.len() {
        assert!(!opens(&armored[..at], trust), "cut at {at}");
        for added in [b'\n', b' ', b'A', 0] {
            let mut altered = armored.to_vec();
            altered.insert(at, added);
            assert!(!opens(&altered, trust), "{added:#x} added at {at}");
        }
    }
    // Whole signatures can be taken away; the manifest names its signers, so that shows there.
    let all = block::read(armored).expect("canonical").len();
    let cuts = 0..packets.len();
    let left = cuts.filter(|at| opens(&armor::encode(&packets[..*at]), trust)).count();
    assert_eq!(left, all - 1, "cut at the border of two signatures alone");
}

#[test]
fn p384() {
    let key = key(Algorithm::EcdsaP384);
    check_every_flip(&sealed(&[&key]), &pinned(&[&key]));
}

#[test]
fn ed25519() {
    let key = key(Algorithm::Ed25519);
    check_every_flip(&sealed(&[&key]), &pinned(&[&key]));
}

#[test]
fn rsa_3072() {
    let key = key(Algorithm::Rsa3072);
    check_every_flip(&sealed(&[&key]), &pinned(&[&key]));
}

#[test]
fn two_signers() {
    let (one, two) = (key(Algorithm::EcdsaP256), key(Algorithm::Ed25519));
    check_every_flip(&sealed(&[&one, &two]), &pinned(&[&one, &two]));
}

#[test]
fn a_signature_of_gpg() {
    let gpg = Gpg::new();
    let fingerprint = gpg.generate("Host <host@example.org>", "ed25519");
    let certificate = read_certificates(&gpg.export(&fingerprint))
        .expect("a certificate")
        .remove(0);
    let mut sign = gpg.command();
    let _options = sign.args([
        "--passphrase",
        "",
        "--faked-system-time",
        "20991231T000000!",
        "--output",
        "-",
        "--detach-sign",
    ]);
    // GnuPG signs at its own time; the seal of a manifest of that time.
    let armored = canonical(&gnupg::run(&mut sign, MANIFEST)).expect("canonical");
    let trust = pinned(&[&certificate]);
    let at = time("2099-12-31T00:00:00Z");
    let opens = |altered: &[u8]| open(MANIFEST, altered, &trust, at).is_ok();
    assert!(opens(&armored));
    let packets = armor::decode(&armored).expect("canonical");
    for at in 0..packets.len() {
        for bit in 0..8 {
            let mut altered = packets.clone();
            altered[at] ^= 1 << bit;
            assert!(!opens(&armor::encode(&altered)), "octet {at} bit {bit}");
        }
    }
}

#[test]
fn noise_never_panics() {
    let key = key(Algorithm::Ed25519);
    let trust = pinned(&[&key]);
    let packets = armor::decode(&sealed(&[&key])).expect("canonical");
    for tag in 0..=255_u8 {
        for length in [0, 1, 5, 191, 192, 193, 223, 224, 254, 255] {
            let mut noise = vec![tag, length];
            noise.extend_from_slice(&packets);
            assert!(!opens(&armor::encode(&noise), &trust));
            let _tolerant = canonical(&noise);
        }
    }
    let many = armor::encode(&[0xC2, 0].repeat(1000));
    assert!(!opens(&many, &trust));
    let large = vec![b'A'; 300 << 10];
    assert!(matches!(
        refused(&large, &trust),
        Error::Invalid(Invalid::TooLarge { .. })
    ));
}
