//! Level 3: detached signatures over the manifest: made at the end of a backup, and the first thing that is judged afterwards.
//!
//! ```text
//! seal(manifest, signers) → manifest.json.asc        open(manifest, manifest.json.asc, trust) → who signed
//! ```
//!
//! The law of [`open`]: there is at least one signature, and every one is good, by a trusted signer, made when the manifest was.
//! So a signature more, a foreign one or a damaged one spoils the seal. That one is missing shows against the signers that the
//! manifest names (`policy::crypto`). The seal has one spelling (see [`canonical`]), in which no bit is free. `gpg --verify` and
//! `sqv` read the same file.

mod armor;
mod block;
mod check;
mod error;
mod software;
#[cfg(test)]
mod tests;

use sequoia_openpgp::Cert;

pub use block::canonical;
pub use error::Error;
pub use error::Invalid;
pub use software::SoftwareSigner;

use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::bundle::manifest::KeyFacts;
use crate::keyring::trust::TrustStore;

/// A key that signs, wherever its secret part is.
pub trait Signer: Send + Sync {
    /// What the manifest tells about the key.
    fn facts(&self) -> KeyFacts;

    /// The public certificate that the key belongs to.
    fn certificate(&self) -> &Cert;

    /// Makes a detached signature over `bytes` (binary, SHA-256 or longer) with the creation time `at`.
    /// Armored or not: [`seal`] puts it into its one spelling, and checks it before anything is given out.
    ///
    /// # Errors
    /// See [`Error`].
    fn sign(&self, bytes: &[u8], at: Timestamp) -> Result<Vec<u8>, Error>;
}

/// A good signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// Facts about the key that signed, at the time of the signature.
    pub facts: KeyFacts,
    /// The fingerprint of its certificate, in upper-case hexadecimal.
    pub fingerprint: String,
    /// The fingerprint of the key itself, which may be a subkey.
    pub signing_key: String,
    /// When the signature was made, as the signer says.
    pub created: Timestamp,
    /// The fingerprint of the pinned certificate on whose word the signer is trusted.
    pub trusted_by: String,
}

/// Signs `bytes` by every signer, and opens the seal with the public certificates before it is given out.
///
/// # Errors
/// When there is no signer or too many, one fails, or the seal does not open.
pub fn seal(bytes: &[u8], signers: &[&dyn Signer], at: Timestamp) -> Result<Vec<u8>, Error> {
    check_count(signers)?;
    made(bytes, signers, at).map_err(Error::of_maker)
}

/// Refuses more signers than a reader takes signatures, before there is anything to sign.
///
/// # Errors
/// [`Error::TooManySigners`].
pub fn check_count(signers: &[&dyn Signer]) -> Result<(), Error> {
    let signers = signers.len();
    if signers > limits::SIGNATURES_MAX {
        return Err(Error::TooManySigners { signers });
    }
    Ok(())
}

fn made(bytes: &[u8], signers: &[&dyn Signer], at: Timestamp) -> Result<Vec<u8>, Error> {
    // One signature a signer.
    let mut signatures = Vec::new();
    for signer in signers {
        signatures.extend(block::read_any(&signer.sign(bytes, at)?)?);
    }
    let armored = block::write(signatures)?;

    // Opened as a reader will, trusting nobody but the signers themselves.
    let trust = TrustStore {
        pinned: signers.iter().map(|signer| signer.certificate().clone()).collect(),
        known: Vec::new(),
    };
    let signed = open(bytes, &armored, &trust, at)?;
    if signed.len() == signers.len() {
        Ok(armored)
    } else {
        Err(Error::NotOneEach {
            signers: signers.len(),
            signatures: signed.len(),
        })
    }
}

/// Judges the seal `armored` over `bytes`, which tell that they were made at `expected_time`. Gives who signed, in the order of the block.
///
/// # Errors
/// [`Error::Missing`] when there is no signature, [`Error::Invalid`] when one does not fit, [`Error::Untrusted`] when a signer
/// is not trusted. The first that is found.
pub fn open(
    bytes: &[u8],
    armored: &[u8],
    trust: &TrustStore,
    expected_time: Timestamp,
) -> Result<Vec<SignedBy>, Error> {
    let mut signed: Vec<SignedBy> = Vec::new();
    for signature in block::read(armored)? {
        let by = check::signature(&signature, bytes, trust, expected_time)?;
        if signed.iter().any(|other| other.fingerprint == by.fingerprint) {
            return Err(Invalid::SignerTwice {
                fingerprint: by.fingerprint,
            }
            .into());
        }
        signed.push(by);
    }
    Ok(signed)
}
