//! Taking a key, or a root's word for it, back.

use sequoia_openpgp::Cert;
use sequoia_openpgp::Packet;
use sequoia_openpgp::cert::CertRevocationBuilder;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::types::HashAlgorithm;
use sequoia_openpgp::types::ReasonForRevocation;
use sequoia_openpgp::types::SignatureType;

use super::Error;
use super::certify::user_ids;
use super::unlock::Work;
use super::unlock::unlock;
use super::unlock::unlock_key;
use crate::base::clock::Timestamp;
use crate::base::secret::SecretText;

/// Why a key is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody else may have the secret key. Hard: nothing that the key ever signed counts, since a thief chooses the time
    /// in his signatures.
    Compromised,
    /// A newer key took its place. Soft: what it signed before counts.
    Superseded,
    /// It is no longer in use. Soft: what it signed before counts.
    Retired,
}

impl Why {
    fn reason(self) -> ReasonForRevocation {
        match self {
            Self::Compromised => ReasonForRevocation::KeyCompromised,
            Self::Superseded => ReasonForRevocation::KeySuperseded,
            Self::Retired => ReasonForRevocation::KeyRetired,
        }
    }
}

/// The public certificate with its own revocation added. Works for expired keys too.
///
/// # Errors
/// When the primary secret key is missing or does not unlock.
pub fn revoke(
    secret: &Cert,
    passphrase: Option<&SecretText>,
    why: Why,
    message: &str,
    now: Timestamp,
) -> Result<Cert, Error> {
    let fingerprint = secret.fingerprint().to_hex();
    let key = secret.primary_key().key().clone().role_into_unspecified();
    let key = key.parts_into_secret().map_err(|_| Error::NotSecret {
        fingerprint: fingerprint.clone(),
    })?;
    let mut pair = unlock_key(key, passphrase, &fingerprint)?;
    let revocation = CertRevocationBuilder::new()
        .set_signature_creation_time(now.system_time())
        .and_then(|builder| builder.set_reason_for_revocation(why.reason(), message.as_bytes()))
        .and_then(|builder| builder.build(&mut pair, secret, HashAlgorithm::SHA512))
        .map_err(Error::openpgp("revoke a key"))?;
    add(secret, vec![revocation.into()])
}

/// The signer's certificate with the root's revocation of its certifications added.
///
/// # Errors
/// When the root cannot certify at `now`, or the signer has no valid user id.
pub fn revoke_certification(
    root_secret: &Cert,
    root_passphrase: Option<&SecretText>,
    signer: &Cert,
    why: Why,
    now: Timestamp,
) -> Result<Cert, Error> {
    let mut pair = unlock(root_secret, root_passphrase, Work::Certify, now)?;
    let mut packets = Vec::new();
    for user in user_ids(signer, now)? {
        let revocation = SignatureBuilder::new(SignatureType::CertificationRevocation)
            .set_hash_algo(HashAlgorithm::SHA512)
            .set_signature_creation_time(now.system_time())
            .and_then(|builder| builder.set_reason_for_revocation(why.reason(), b""))
            .and_then(|builder| builder.sign_userid_binding(&mut pair, signer.primary_key().key(), &user))
            .map_err(Error::openpgp("revoke a certification"))?;
        packets.push(Packet::from(revocation));
    }
    add(signer, packets)
}

fn add(certificate: &Cert, packets: Vec<Packet>) -> Result<Cert, Error> {
    let (certificate, _) = certificate
        .clone()
        .strip_secret_key_material()
        .insert_packets(packets)
        .map_err(Error::openpgp("add a revocation"))?;
    Ok(certificate)
}
