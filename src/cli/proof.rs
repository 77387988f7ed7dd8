//! What was proven about a bundle, in the words of every command that proves one.

use std::io;
use std::io::Write;

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::bundle::manifest::Manifest;
use crate::cli::amount;
use crate::cli::output::Printer;
use crate::cli::output::visible;
use crate::flow::verify::Position;
use crate::flow::verify::Verified;

/// What was proven about a bundle, as JSON.
#[derive(Serialize)]
pub struct ProofReport {
    /// The bundle.
    pub bundle: String,
    /// Its set.
    pub set: String,
    /// Its place in the chain.
    pub sequence: u64,
    /// When it was begun.
    pub created: Timestamp,
    /// By how many seconds that is later than it is here, when clocks that are a little apart do not explain it.
    pub ahead_seconds: Option<i64>,
    /// Its suite.
    pub suite: String,
    /// The digest of its manifest.
    pub manifest_sha256: String,
    /// Whether signatures, trust and chain were checked at all.
    pub proven: bool,
    /// Who signed.
    pub signatures: Vec<SignatureReport>,
    /// What is known about its place in the chain.
    pub position: InChain,
    /// The newest place in the chain, or without a store the newest that the checkpoint saw, where there is one.
    pub head: Option<u64>,
    /// Segments checked.
    pub segments: u64,
    /// Bytes checked.
    pub bytes: u64,
    /// The ids of the recipients.
    pub recipients: Vec<String>,
}

/// What is known about the place of a bundle in its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InChain {
    /// It is in its place.
    InChain,
    /// There is no store to compare with.
    NoChain,
    /// Nothing was proven.
    Unchecked,
}

/// One signature, as JSON.
#[derive(Serialize)]
pub struct SignatureReport {
    /// The certificate of the signer.
    pub fingerprint: String,
    /// The key of it that signed, often a subkey.
    pub signing_key: String,
    /// Its algorithm.
    pub algorithm: String,
    /// When it signed.
    pub created: Timestamp,
    /// The pinned certificate on whose word it is trusted.
    pub trusted_by: String,
}

/// By how many seconds `created` is later than `now`, when clocks that are a little apart do not explain it.
#[must_use]
pub fn seconds_ahead(created: Timestamp, now: Timestamp) -> Option<i64> {
    let seconds = created.unix() - now.unix();
    (seconds > limits::CLOCK_SKEW_SECONDS_MAX).then_some(seconds)
}

impl ProofReport {
    /// What is known about a bundle, at a time.
    #[must_use]
    pub fn new(verified: &Verified, now: Timestamp) -> Self {
        let manifest: &Manifest = verified.manifest();
        let proof = verified.proof();
        let (position, head) = match proof.map(|proof| &proof.position) {
            Some(Position::InChain { head }) => (InChain::InChain, Some(*head)),
            Some(Position::NoChain { remembered }) => (InChain::NoChain, *remembered),
            None => (InChain::Unchecked, None),
        };
        let signatures = proof.map(|proof| proof.signatures.as_slice()).unwrap_or_default();
        Self {
            bundle: manifest.bundle.to_string(),
            set: manifest.set.to_string(),
            sequence: manifest.sequence,
            created: manifest.created,
            ahead_seconds: seconds_ahead(manifest.created, now),
            suite: manifest.suite.to_string(),
            manifest_sha256: verified.manifest_digest().to_string(),
            proven: proof.is_some(),
            signatures: signatures
                .iter()
                .map(|signed| SignatureReport {
                    fingerprint: signed.fingerprint.clone(),
                    signing_key: signed.signing_key.clone(),
                    algorithm: signed.facts.algorithm.clone(),
                    created: signed.created,
                    trusted_by: signed.trusted_by.clone(),
                })
                .collect(),
            position,
            head,
            segments: verified.segments(),
            bytes: verified.bytes(),
            recipients: manifest.keys.recipients.iter().map(|key| key.id.clone()).collect(),
        }
    }

    /// Warns of a bundle that is dated in the future: its time is the signer's word, and one of two clocks is wrong.
    pub fn warn(&self, printer: &Printer) {
        if let Some(ahead) = self.ahead_seconds {
            printer.warn(&format!(
                "bundle {} is dated {} in the future: the clock of this host or that of its signer is wrong, and what expires or is too old \
                 cannot be told by it",
                self.bundle,
                amount::time(ahead)
            ));
        }
    }

    /// The same for people: what was proven, one line a proof.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "bundle     {} of set {}, made {}",
            self.bundle, self.set, self.created
        )?;
        if !self.proven {
            writeln!(
                out,
                "UNPROVEN   nobody vouches for this bundle: signature, signer and chain were not checked"
            )?;
        }
        for signature in &self.signatures {
            let SignatureReport {
                fingerprint,
                algorithm,
                trusted_by,
                ..
            } = signature;
            let word = if fingerprint == trusted_by {
                "which is pinned".to_owned()
            } else {
                format!("certified by the pinned {trusted_by}")
            };
            writeln!(out, "signature  good, {} by {fingerprint}, {word}", visible(algorithm))?;
        }
        match (self.position, self.head) {
            (InChain::InChain, Some(head)) => writeln!(out, "chain      in its place: {} of {head}", self.sequence)?,
            (InChain::NoChain, Some(head)) => writeln!(
                out,
                "chain      not checked: number {}, and no store to compare with; the newest that the checkpoint saw is number {head}",
                self.sequence
            )?,
            (InChain::NoChain, None) => writeln!(
                out,
                "chain      not checked: number {}, and no store to compare with",
                self.sequence
            )?,
            (InChain::InChain, None) | (InChain::Unchecked, _) => {}
        }
        if self.proven {
            let recipients = amount::count(self.recipients.len() as u64, "recipients");
            let judged =
                "by what the manifest says all keys are strong and were valid, and no rule of [policy] is broken";
            writeln!(out, "keys       {recipients}; {judged}")?;
        }
        writeln!(
            out,
            "digests    {}, {}, every byte as stated",
            amount::count(self.segments, "segments"),
            amount::size(self.bytes)
        )
    }
}
