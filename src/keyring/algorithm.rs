//! Names of public-key algorithms, as they stand in manifests, and which of them are strong enough.

use sequoia_openpgp::crypto::mpi::PublicKey;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::key::KeyParts;
use sequoia_openpgp::packet::key::KeyRole;
use sequoia_openpgp::types::Curve;

use crate::base::limits;

/// The name of an age recipient's or an X25519 subkey's algorithm.
pub const X25519: &str = "X25519";
/// The name of the algorithm of a passphrase slot.
pub const SCRYPT: &str = "scrypt";

/// Algorithms that are accepted; RSA is judged by its length.
const STRONG: [&str; 18] = [
    "ECDSA P-256",
    "ECDSA P-384",
    "ECDSA P-521",
    "ECDH P-256",
    "ECDH P-384",
    "ECDH P-521",
    "Ed25519",
    "Ed448",
    X25519,
    "X448",
    "ML-DSA-65+Ed25519",
    "ML-DSA-87+Ed448",
    "ML-KEM-768+X25519",
    "ML-KEM-1024+X448",
    "ML-KEM-768+P-256",
    "SLH-DSA-128s",
    "SLH-DSA-128f",
    "SLH-DSA-256s",
];

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library may learn algorithms, and unknown is refused"
)]
/// The algorithm of a key: `ECDSA P-384`, `RSA 4096`, `Ed25519`.
#[must_use]
pub fn name<P: KeyParts, R: KeyRole>(key: &Key<P, R>) -> String {
    let bits = key.mpis().bits().unwrap_or(0);
    match key.mpis() {
        PublicKey::RSA { .. } => format!("RSA {bits}"),
        PublicKey::DSA { .. } => format!("DSA {bits}"),
        PublicKey::ElGamal { .. } => format!("ElGamal {bits}"),
        PublicKey::EdDSA {
            curve: Curve::Ed25519, ..
        }
        | PublicKey::Ed25519 { .. } => "Ed25519".into(),
        PublicKey::EdDSA { curve, .. } => format!("EdDSA {}", curve_name(curve)),
        PublicKey::ECDSA { curve, .. } => format!("ECDSA {}", curve_name(curve)),
        PublicKey::ECDH {
            curve: Curve::Cv25519, ..
        }
        | PublicKey::X25519 { .. } => X25519.into(),
        PublicKey::ECDH { curve, .. } => format!("ECDH {}", curve_name(curve)),
        PublicKey::X448 { .. } => "X448".into(),
        PublicKey::Ed448 { .. } => "Ed448".into(),
        PublicKey::MLDSA65_Ed25519 { .. } => "ML-DSA-65+Ed25519".into(),
        PublicKey::MLDSA87_Ed448 { .. } => "ML-DSA-87+Ed448".into(),
        PublicKey::MLKEM768_X25519 { .. } => "ML-KEM-768+X25519".into(),
        PublicKey::MLKEM1024_X448 { .. } => "ML-KEM-1024+X448".into(),
        PublicKey::SLHDSA128s { .. } => "SLH-DSA-128s".into(),
        PublicKey::SLHDSA128f { .. } => "SLH-DSA-128f".into(),
        PublicKey::SLHDSA256s { .. } => "SLH-DSA-256s".into(),
        _ => format!("algorithm {}", u8::from(key.pk_algo())),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library may learn curves, and unknown is refused"
)]
fn curve_name(curve: &Curve) -> String {
    match curve {
        Curve::NistP256 => "P-256".into(),
        Curve::NistP384 => "P-384".into(),
        Curve::NistP521 => "P-521".into(),
        other => other.to_string(),
    }
}

/// Whether the algorithm of that name is accepted: RSA of at least [`limits::RSA_BITS_MIN`] bits, the curves of NIST (P-256,
/// P-384, P-521), Curve25519, Curve448, and the hybrid post-quantum algorithms with them.
#[must_use]
pub fn is_strong(name: &str) -> bool {
    match rsa_bits(name) {
        Some(bits) => bits >= limits::RSA_BITS_MIN,
        None => STRONG.contains(&name),
    }
}

/// The length of an RSA key, from its name.
#[must_use]
pub fn rsa_bits(name: &str) -> Option<u32> {
    name.strip_prefix("RSA ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::is_strong;

    #[test]
    fn what_is_strong() {
        for strong in ["RSA 3072", "RSA 4096", "ECDSA P-384", "Ed25519", "X25519", "ECDH P-256"] {
            assert!(is_strong(strong), "{strong}");
        }
        for weak in [
            "RSA 2048",
            "RSA 3071",
            "RSA",
            "RSA x",
            "DSA 3072",
            "ECDSA brainpoolP256r1",
            "algorithm 99",
            "",
        ] {
            assert!(!is_strong(weak), "{weak}");
        }
    }
}
