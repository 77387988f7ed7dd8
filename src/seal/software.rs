//! A signer whose secret key is in memory.

use std::fmt;

use sequoia_openpgp::Cert;
use sequoia_openpgp::Packet;
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::HashAlgorithm;
use sequoia_openpgp::types::SignatureType;

use super::Error;
use super::Signer;
use super::block;
use crate::base::clock::Timestamp;
use crate::base::secret::SecretText;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::Role;
use crate::keyring::facts::facts_of_key;
use crate::keyring::unlock::Work;
use crate::keyring::unlock::unlock;

/// Signs with an unlocked key. The key is kept encrypted in memory between signatures, as the OpenPGP library does.
pub struct SoftwareSigner {
    certificate: Cert,
    pair: KeyPair,
    facts: KeyFacts,
}

impl fmt::Debug for SoftwareSigner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SoftwareSigner({})", self.facts.id)
    }
}

impl SoftwareSigner {
    /// Unlocks the newest key of `key` that may sign at `at`.
    ///
    /// # Errors
    /// When none may, when it is weak, or when the passphrase does not unlock it.
    #[expect(clippy::needless_pass_by_value, reason = "the passphrase shall end here")]
    pub fn new(key: Cert, passphrase: Option<SecretText>, at: Timestamp) -> Result<Self, Error> {
        let pair = unlock(&key, passphrase.as_ref(), Work::Sign, at)?;
        let facts = facts_of_key(&key, &pair.public().fingerprint(), Role::Signer, at);
        Ok(Self {
            certificate: key.strip_secret_key_material(),
            pair,
            facts,
        })
    }
}

impl Signer for SoftwareSigner {
    fn facts(&self) -> KeyFacts {
        self.facts.clone()
    }

    fn certificate(&self) -> &Cert {
        &self.certificate
    }

    fn sign(&self, bytes: &[u8], at: Timestamp) -> Result<Vec<u8>, Error> {
        let packet = SignatureBuilder::new(SignatureType::Binary)
            .set_hash_algo(HashAlgorithm::SHA512)
            .set_signature_creation_time(at.system_time())
            .and_then(|builder| builder.sign_message(&mut self.pair.clone(), bytes))
            .and_then(|signature| Packet::from(signature).to_vec())
            .map_err(|source| Error::Sign {
                fingerprint: self.facts.id.clone(),
                source: source.into(),
            })?;
        block::canonical(&packet)
    }
}
