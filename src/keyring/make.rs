//! New keys: v4 certificates that GnuPG 2.2, `sqv` and every program of RFC 9580 take.
//!
//! A root is one key that certifies and signs. A signer and a recipient are a primary key that certifies, and a subkey that does
//! the work.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sequoia_openpgp::Cert;
use sequoia_openpgp::Profile;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::cert::CipherSuite;
use sequoia_openpgp::crypto::Password;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::packet::signature::subpacket::NotationDataFlags;
use sequoia_openpgp::types::Features;
use sequoia_openpgp::types::KeyFlags;
use sequoia_openpgp::types::SignatureType;

use super::Error;
pub use super::certify::certify;
use super::facts;
pub use super::identities::make_age_identity;
use super::openpgp;
use super::revoke;
use super::revoke::Why;
use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::base::secret::SecretText;
use crate::bundle::manifest::Role;

/// The algorithms of new keys. Each names the signatures; recipients encrypt over the same curve or to RSA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA and ECDH over P-384.
    #[default]
    EcdsaP384,
    /// ECDSA and ECDH over P-256.
    EcdsaP256,
    /// Ed25519 and X25519.
    Ed25519,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits.
    Rsa4096,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [
        Self::EcdsaP384,
        Self::EcdsaP256,
        Self::Ed25519,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// The name in settings and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Ed25519 => "ed25519",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    fn cipher_suite(self) -> CipherSuite {
        match self {
            Self::EcdsaP384 => CipherSuite::P384,
            Self::EcdsaP256 => CipherSuite::P256,
            Self::Ed25519 => CipherSuite::Cv25519,
            Self::Rsa3072 => CipherSuite::RSA3k,
            Self::Rsa4096 => CipherSuite::RSA4k,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// No algorithm has this name.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an algorithm of new keys: they are ecdsa-p384, ecdsa-p256, ed25519, rsa-3072 and rsa-4096")]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}

/// Which containers a new certificate says that its owner reads; the suite of a bundle follows from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SuiteFeatures {
    /// SEIPDv1 and SEIPDv2: the suite `rfc9580` can be chosen.
    #[default]
    Rfc9580,
    /// SEIPDv1 alone: for owners whose only tool is GnuPG.
    Gnupg,
}

/// A key that shall be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is for.
    pub role: Role,
    /// Its user id.
    pub name: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// When it expires, if it shall.
    pub expires: Option<Timestamp>,
    /// How often the key of this role was replaced, counted from 1.
    pub generation: u32,
    /// What locks the secret key, if anything shall.
    pub passphrase: Option<SecretText>,
    /// Which containers it advertises.
    pub suite_features: SuiteFeatures,
}

/// A key that was made.
#[derive(Debug)]
pub struct Made {
    /// The secret key, armored.
    pub secret: SecretText,
    /// The public certificate, armored.
    pub public: String,
    /// The public certificate with its own revocation, with the reason *compromised*, armored: for whoever imports it, nothing that the
    /// key ever signed counts.
    pub revocation: String,
    /// The certificate with its secret keys.
    pub cert: Cert,
}

/// What a revocation that was made with its key says.
const REVOCATION_MESSAGE: &str = "made beforehand, for the day when the key is lost or stolen";

/// Makes a key, valid from `now` on.
///
/// # Errors
/// When the name, the generation or the expiry cannot be, or the OpenPGP library fails.
pub fn make(key: &NewKey, now: Timestamp) -> Result<Made, Error> {
    let builder = builder(key, now)?;
    // The revocation that comes with it gives no reason.
    let (cert, _) = builder.generate().map_err(Error::openpgp("make a key"))?;
    let revoked = revoke::revoke(
        &cert,
        key.passphrase.as_ref(),
        Why::Compromised,
        REVOCATION_MESSAGE,
        now,
    )?;
    Ok(Made {
        secret: openpgp::secret_text(&cert)?,
        public: openpgp::public_text(&cert)?,
        revocation: openpgp::public_text(&revoked)?,
        cert,
    })
}

fn builder(key: &NewKey, now: Timestamp) -> Result<CertBuilder<'static>, Error> {
    let certifies = KeyFlags::empty().set_certification();
    let opens = KeyFlags::empty().set_transport_encryption().set_storage_encryption();
    let user = user_id(&key.name)?;
    let binding = user_binding(key)?;
    let password = key.passphrase.as_ref();
    let builder = CertBuilder::new()
        .set_profile(Profile::RFC4880)
        .and_then(|builder| builder.set_features(features(key.suite_features)))
        .and_then(|builder| builder.add_userid_with(user, binding))
        .map_err(Error::openpgp("make a key"))?
        .set_cipher_suite(key.algorithm.cipher_suite())
        .set_creation_time(now.system_time())
        .set_validity_period(validity(key.expires, now)?)
        .set_password(password.map(|passphrase| Password::from(passphrase.expose())));
    Ok(match key.role {
        Role::Root => builder.set_primary_key_flags(certifies.set_signing()),
        Role::Signer => builder.set_primary_key_flags(certifies).add_signing_subkey(),
        Role::Recipient => builder.set_primary_key_flags(certifies).add_subkey(opens, None, None),
    })
}

fn user_id(name: &str) -> Result<String, Error> {
    let fits = (1..=limits::USER_ID_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    if fits {
        Ok(name.to_owned())
    } else {
        Err(Error::BadName {
            bytes_max: limits::USER_ID_BYTES_MAX,
        })
    }
}

/// The self-signature over the user id, with role and generation.
fn user_binding(key: &NewKey) -> Result<SignatureBuilder, Error> {
    if key.generation == 0 {
        return Err(Error::GenerationZero);
    }
    let readable = || NotationDataFlags::empty().set_human_readable();
    let generation = key.generation.to_string();
    let role = facts::role_name(key.role);
    SignatureBuilder::new(SignatureType::PositiveCertification)
        .set_notation(facts::ROLE_NOTATION, role, readable(), false)
        .and_then(|builder| builder.set_notation(facts::GENERATION_NOTATION, generation, readable(), false))
        .map_err(Error::openpgp("describe a key"))
}

fn features(suite: SuiteFeatures) -> Features {
    let features = Features::empty().set_seipdv1();
    match suite {
        SuiteFeatures::Rfc9580 => features.set_seipdv2(),
        SuiteFeatures::Gnupg => features,
    }
}

fn validity(expires: Option<Timestamp>, now: Timestamp) -> Result<Option<Duration>, Error> {
    let Some(expires) = expires else { return Ok(None) };
    match u64::try_from(expires.unix() - now.unix()) {
        Ok(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(Error::ExpiresBefore {
            expires: expires.to_string(),
        }),
    }
}
