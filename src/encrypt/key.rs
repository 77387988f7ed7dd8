//! The content key: the one secret that opens both containers of a bundle.

use ring::hkdf;
use ring::hmac;
use zeroize::Zeroizing;

use super::error::Error;
use crate::base::digest::Digest;
use crate::base::random;
use crate::base::secret::SecretBytes;
use crate::bundle::name::BundleId;
use crate::bundle::outer::Container;
use crate::bundle::suite::Suite;

/// Bytes of an AES-256 session key.
pub(crate) const SESSION_KEY_BYTES: usize = 32;
/// Bytes of an age file key.
pub(crate) const FILE_KEY_BYTES: usize = 16;

const COMMITMENT_LABEL: &[u8] = b"hub-backup key commitment v1\0";
const INDEX_LABEL: &[u8] = b"hub-backup index file key v1";

/// The secret of one bundle, and the suite that it belongs to. Never used for a second bundle.
#[derive(Clone, Debug)]
pub struct ContentKey {
    suite: Suite,
    secret: SecretBytes,
}

impl ContentKey {
    /// A new key: 32 octets for the OpenPGP suites (an AES-256 session key), 16 for age (a file key).
    pub fn generate(suite: Suite) -> Result<Self, Error> {
        let octets = Zeroizing::new(random::octets::<SESSION_KEY_BYTES>()?);
        let length = match suite {
            Suite::Rfc9580 | Suite::Gnupg => SESSION_KEY_BYTES,
            Suite::Age => FILE_KEY_BYTES,
        };
        Ok(Self::from_secret(suite, &octets[..length]))
    }

    /// The key of an OpenPGP suite that a slot held; `None` when it is not 32 octets long.
    pub(crate) fn session(suite: Suite, secret: &[u8]) -> Option<Self> {
        let fits = suite != Suite::Age && secret.len() == SESSION_KEY_BYTES;
        fits.then(|| Self::from_secret(suite, secret))
    }

    /// The key of the suite age that a header held.
    pub(crate) fn file(secret: &[u8; FILE_KEY_BYTES]) -> Self {
        Self::from_secret(Suite::Age, secret)
    }

    fn from_secret(suite: Suite, secret: &[u8]) -> Self {
        Self {
            suite,
            secret: SecretBytes::new(secret.to_vec()),
        }
    }

    /// The suite that the key belongs to.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// A public value that binds the key to the bundle: a slot that holds another key shows before anything is decrypted.
    #[must_use]
    pub fn commitment(&self, bundle: &BundleId) -> Digest {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose());
        let mut context = hmac::Context::with_key(&key);
        context.update(COMMITMENT_LABEL);
        context.update(bundle.as_str().as_bytes());
        let tag = context.sign();
        Digest::from_octets(tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 octets"))
    }

    /// The secret itself.
    pub(crate) fn secret(&self) -> &[u8] {
        self.secret.expose()
    }

    /// The file key of one container of the suite age. A file key must not serve two files, so the index has its own,
    /// derived one.
    pub(crate) fn file_key(&self, container: Container) -> Zeroizing<[u8; FILE_KEY_BYTES]> {
        Zeroizing::new(match container {
            Container::Payload => self.secret().try_into().expect("a file key has 16 octets"),
            Container::Index => derive(&[], self.secret(), INDEX_LABEL),
        })
    }
}

/// HKDF-SHA-256 (RFC 5869).
pub(crate) fn derive<const N: usize>(salt: &[u8], secret: &[u8], label: &[u8]) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut octets = [0; N];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[label], Length(N))
        .and_then(|okm| okm.fill(&mut octets))
        .expect("N is far below 255 digests");
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(text: &str) -> BundleId {
        text.parse().expect("a bundle id")
    }

    #[test]
    fn debug_shows_no_key() {
        for suite in Suite::ALL {
            let key = ContentKey::generate(suite).expect("random");
            let shown = format!("{key:?}");
            assert!(shown.contains("[redacted]"), "{shown}");
            assert!(!shown.contains(&hex::encode(key.secret())), "{shown}");
        }
    }

    #[test]
    fn commitments_bind_key_and_bundle() {
        let one = bundle("20260131T235959Z-0123456789abcdef");
        let two = bundle("20260131T235959Z-0123456789abcdee");
        let key = ContentKey::session(Suite::Rfc9580, &[7; 32]).expect("32 octets");
        let other = ContentKey::session(Suite::Rfc9580, &[8; 32]).expect("32 octets");
        // Made by: printf 'hub-backup key commitment v1\0%s' ID | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…
        assert_eq!(
            key.commitment(&one).to_string(),
            "3f764220debdd30be08c901a2a961931cc71870cdf3f7c3699de3e43a8653465"
        );
        assert_ne!(key.commitment(&one), key.commitment(&two));
        assert_ne!(key.commitment(&one), other.commitment(&one));
    }

    #[test]
    fn keys_have_one_length() {
        assert!(ContentKey::session(Suite::Gnupg, &[0; 16]).is_none());
        assert!(ContentKey::session(Suite::Age, &[0; 32]).is_none());
        let key = ContentKey::generate(Suite::Age).expect("random");
        assert_eq!(key.secret().len(), 16);
        assert_ne!(key.file_key(Container::Payload), key.file_key(Container::Index));
    }
}
