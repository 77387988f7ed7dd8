//! The one spelling of armored signatures: no headers, 64 characters a line, the checksum, nothing around it (RFC 4880, section 6).
//!
//! RFC 9580 advises against the checksum, but GnuPG 2.2 takes the last line for more data when there is neither it nor padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNATURE-----\n\n";
const END: &[u8] = b"-----END PGP SIGNATURE-----\n";
const LINE: usize = 64;

/// Armors packets.
pub(super) fn encode(packets: &[u8]) -> Vec<u8> {
    let mut armored = BEGIN.to_vec();
    for line in STANDARD.encode(packets).as_bytes().chunks(LINE) {
        armored.extend_from_slice(line);
        armored.push(b'\n');
    }
    armored.push(b'=');
    armored.extend_from_slice(STANDARD.encode(&checksum(packets).to_be_bytes()[1..]).as_bytes());
    armored.push(b'\n');
    armored.extend_from_slice(END);
    armored
}

/// CRC-24 (RFC 4880, section 6.1).
fn checksum(packets: &[u8]) -> u32 {
    const INITIAL: u32 = 0x00B7_04CE;
    const POLYNOMIAL: u32 = 0x0186_4CFB;
    let mut checksum = INITIAL;
    for octet in packets {
        checksum ^= u32::from(*octet) << 16;
        for _ in 0..8 {
            let carry = checksum & 0x0080_0000 != 0;
            checksum = (checksum << 1) ^ if carry { POLYNOMIAL } else { 0 };
        }
    }
    checksum & 0x00FF_FFFF
}

/// The packets in `armored`, if it is spelled exactly as [`encode`] does.
pub(super) fn decode(armored: &[u8]) -> Option<Vec<u8>> {
    // `=`, four characters and a line feed.
    const CHECKSUM_BYTES: usize = 6;
    let body = armored.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let body = body.get(..body.len().checked_sub(CHECKSUM_BYTES)?)?;
    let text: Vec<u8> = body.iter().copied().filter(|byte| *byte != b'\n').collect();
    let packets = STANDARD.decode(text).ok()?;
    (encode(&packets) == armored).then_some(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_other_programs_spell_it() {
        use sequoia_openpgp::armor::Kind;
        use sequoia_openpgp::armor::Writer;
        use std::io::Write as _;
        for length in [1, 2, 3, 47, 48, 49, 200] {
            let packets: Vec<u8> = (0..length).collect();
            let mut writer = Writer::new(Vec::new(), Kind::Signature).expect("memory");
            writer.write_all(&packets).expect("memory");
            assert_eq!(writer.finalize().expect("memory"), encode(&packets));
        }
    }

    #[test]
    fn one_spelling() {
        for length in [0, 1, 2, 3, 47, 48, 49, 200] {
            let packets = vec![7; length];
            let armored = encode(&packets);
            assert_eq!(decode(&armored), Some(packets));
            for at in 0..armored.len() {
                for bit in 0..8 {
                    let mut altered = armored.clone();
                    altered[at] ^= 1 << bit;
                    assert_ne!(decode(&altered), decode(&armored), "byte {at} bit {bit} of {length}");
                }
                assert_eq!(decode(&armored[..at]), None, "cut at {at}");
            }
        }
    }
}
