//! A root's word that a signer is one: its certification over the signer's user ids.

use sequoia_openpgp::Cert;
use sequoia_openpgp::Packet;
use sequoia_openpgp::packet::UserID;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::types::HashAlgorithm;
use sequoia_openpgp::types::SignatureType;

use super::Error;
use super::profile::profile_at;
use super::unlock::Work;
use super::unlock::unlock;
use crate::base::clock::Timestamp;
use crate::base::secret::SecretText;

/// Adds the root's certification over every valid user id of `signer`, and gives the certificate without secret keys.
///
/// # Errors
/// When the root cannot certify at `now`, or the signer has no valid user id.
pub fn certify(
    root_secret: &Cert,
    root_passphrase: Option<&SecretText>,
    signer: &Cert,
    now: Timestamp,
) -> Result<Cert, Error> {
    let mut pair = unlock(root_secret, root_passphrase, Work::Certify, now)?;
    let signer = signer.clone().strip_secret_key_material();
    let mut packets = Vec::new();
    for user in user_ids(&signer, now)? {
        let certification = SignatureBuilder::new(SignatureType::PositiveCertification)
            .set_hash_algo(HashAlgorithm::SHA512)
            .set_signature_creation_time(now.system_time())
            .and_then(|builder| builder.sign_userid_binding(&mut pair, signer.primary_key().key(), &user))
            .map_err(Error::openpgp("certify a signer"))?;
        packets.push(Packet::from(certification));
    }
    let (certified, _) = signer
        .insert_packets(packets)
        .map_err(Error::openpgp("certify a signer"))?;
    Ok(certified)
}

/// The user ids that are valid at `at`.
pub(super) fn user_ids(certificate: &Cert, at: Timestamp) -> Result<Vec<UserID>, Error> {
    let profile = profile_at(at);
    let none = || Error::NoUserId {
        fingerprint: certificate.fingerprint().to_hex(),
        time: at.to_string(),
    };
    let valid = certificate
        .with_policy(&profile, at.system_time())
        .map_err(|_| none())?;
    let users: Vec<UserID> = valid.userids().map(|user| user.userid().clone()).collect();
    if users.is_empty() { Err(none()) } else { Ok(users) }
}
