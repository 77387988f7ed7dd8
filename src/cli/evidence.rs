//! What a verification was made with, so that its JSON can be kept as evidence: when, by which program, and against what.

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::job;
use crate::job::verify::Verify;
use crate::policy::crypto::KeyPolicy;

/// When and by what a bundle was verified, and against what, as JSON.
#[derive(Serialize)]
pub struct Evidence {
    at: Timestamp,
    tool: &'static str,
    /// Fingerprints.
    pinned: Vec<String>,
    /// When the checkpoint was made.
    checkpoint: Option<Timestamp>,
    policy: PolicyReport,
}

/// The rules for keys that were in force.
#[derive(Serialize)]
struct PolicyReport {
    recipients_min: usize,
    signers_min: usize,
    rsa_bits_min: u32,
    passphrase_allowed: bool,
    recipients_required: Vec<String>,
}

impl Evidence {
    /// Of a verification at `at`.
    #[must_use]
    pub fn new(job: &Verify<'_>, at: Timestamp) -> Self {
        let pinned = job.trust.pinned.iter();
        Self {
            at,
            tool: job::TOOL,
            pinned: pinned.map(|certificate| certificate.fingerprint().to_hex()).collect(),
            checkpoint: job.checkpoint.map(|checkpoint| checkpoint.created),
            policy: PolicyReport::from(job.keys),
        }
    }
}

impl From<&KeyPolicy> for PolicyReport {
    fn from(policy: &KeyPolicy) -> Self {
        let KeyPolicy {
            recipients_min,
            signers_min,
            rsa_bits_min,
            passphrase_allowed,
            recipients_required,
        } = policy.clone();
        Self {
            recipients_min,
            signers_min,
            rsa_bits_min,
            passphrase_allowed,
            recipients_required,
        }
    }
}
