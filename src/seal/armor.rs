//! The one spelling of armored signatures: no headers, no checksum, 64 characters a line, nothing around it (RFC 9580, section 6).

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
    armored.extend_from_slice(END);
    armored
}

/// The packets in `armored`, if it is spelled exactly as [`encode`] does.
pub(super) fn decode(armored: &[u8]) -> Option<Vec<u8>> {
    let body = armored.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let text: Vec<u8> = body.iter().copied().filter(|byte| *byte != b'\n').collect();
    let packets = STANDARD.decode(text).ok()?;
    (encode(&packets) == armored).then_some(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

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
