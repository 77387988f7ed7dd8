//! What the commands that work on bundles share: keys asked for, the desk for the audit log, the words for a proof.

use std::cell::Cell;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde::Serialize;

use crate::audit;
use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::limits;
use crate::base::secret::SecretText;
use crate::bundle::manifest::Manifest;
use crate::bundle::name::SetName;
use crate::catalog::checkpoint::Checkpoint;
use crate::cli::args::BundleChoice;
use crate::cli::args::MeasureArgs;
use crate::cli::context::Context;
use crate::cli::dialog;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::output::Printer;
use crate::cli::output::visible;
use crate::cli::prompt;
use crate::cli::prompt::Wanted;
use crate::cli::report;
use crate::config::Settings;
use crate::flow::verify;
use crate::flow::verify::Measure;
use crate::flow::verify::Position;
use crate::flow::verify::Verified;
use crate::job;
use crate::job::Desk;
use crate::job::bundles;
use crate::job::bundles::BundleRef;
use crate::job::setup;
use crate::keyring::Identity;
use crate::keyring::trust::TrustStore;
use crate::policy::crypto::KeyPolicy;
use crate::seal::Signer;
use crate::seal::SoftwareSigner;
use crate::store::Store;
use crate::store::local::LocalStore;

impl From<&BundleChoice> for BundleRef {
    fn from(choice: &BundleChoice) -> Self {
        match choice {
            BundleChoice::Latest => Self::Latest,
            BundleChoice::Id(id) => Self::Id(id.clone()),
            BundleChoice::File(path) => Self::File(path.clone()),
        }
    }
}

/// The store that a bundle is looked for in, and whose chain it must be in. A bundle given as a file needs none: it is held against a
/// chain only when `--store` names one.
///
/// # Errors
/// When it cannot be opened, or none is named where one is needed.
pub fn store_for(choice: &BundleChoice, settings: &Settings) -> Result<Option<LocalStore>, CliError> {
    let named_here = settings
        .store
        .as_ref()
        .is_some_and(|store| store.origin.kind() == "flag");
    match choice {
        BundleChoice::File(_) if !named_here => Ok(None),
        BundleChoice::File(_) | BundleChoice::Latest | BundleChoice::Id(_) => Ok(Some(setup::store(settings)?)),
    }
}

/// The signing keys; a locked one is asked for.
///
/// # Errors
/// When one cannot be read or unlocked.
pub fn signers(settings: &Settings, context: &Context) -> Result<Vec<SoftwareSigner>, CliError> {
    let ask = |path: &Path| ask(context, "signing key", path, prompt::SIGNER);
    Ok(setup::signers(
        settings,
        &context.environment,
        context.clock.now(),
        &ask,
    )?)
}

/// The secret keys that open bundles; a locked one is asked for.
///
/// # Errors
/// When one cannot be read or unlocked, or there is none.
pub fn identities(settings: &Settings, context: &Context) -> Result<Vec<Identity>, CliError> {
    let ask = |path: &Path| ask(context, "key", path, prompt::IDENTITY);
    let mut identities = setup::identities(settings, &context.environment, &ask)?;
    // Only now: until the files are read, which may be pipes of slow writers, a signal ends the program.
    let whom = dialog::at_terminal(context)?;
    for identity in &mut identities {
        if let Identity::Age { dialog, .. } = identity {
            dialog.clone_from(&whom);
        }
    }
    Ok(identities)
}

fn ask(
    context: &Context,
    what: &str,
    path: &Path,
    options: &'static str,
) -> Result<SecretText, Box<dyn Fault + Send + Sync>> {
    let purpose = format!("the passphrase of the {what} {}", path.display());
    prompt::passphrase(
        context,
        &Wanted {
            purpose,
            source: None,
            options,
        },
    )
    .map_err(|error| match error {
        CliError::Fault(fault) | CliError::Told(fault) => fault,
        CliError::StdoutClosed => Box::new(Error::Stdout(io::ErrorKind::BrokenPipe.into())),
    })
}

/// Signing keys for the audit log alone: whoever verifies or restores need not have one, and is not asked for a passphrase.
#[must_use]
pub fn audit_signers(settings: &Settings, context: &Context) -> Vec<SoftwareSigner> {
    let nobody = |path: &Path| -> Result<SecretText, Box<dyn Fault + Send + Sync>> {
        let purpose = format!("the passphrase of {}", path.display());
        Err(Box::new(Error::NoTerminal {
            purpose,
            options: prompt::SIGNER,
        }))
    };
    setup::signers(settings, &context.environment, context.clock.now(), &nobody).unwrap_or_default()
}

/// Where the audit log is written, with these signatures.
#[must_use]
pub fn desk<'a>(context: &'a Context, signers: &'a [&'a dyn Signer]) -> Desk<'a> {
    Desk {
        clock: context.clock.as_ref(),
        actor: setup::actor(),
        signers,
        unrecorded: unrecorded(context),
    }
}

/// Says once that the audit log cannot be written.
fn unrecorded(context: &Context) -> Box<dyn Fn(&audit::chain::Error)> {
    let (printer, told) = (context.printer, Cell::new(false));
    Box::new(move |error| {
        if !told.replace(true) {
            let why = report::chain(error);
            printer.warn(&format!(
                "this is not on record, for the audit log of the store cannot be written: {why}"
            ));
        }
    })
}

/// Signers as the stages take them.
#[must_use]
pub fn as_signers(signers: &[SoftwareSigner]) -> Vec<&dyn Signer> {
    signers.iter().map(|signer| signer as &dyn Signer).collect()
}

/// Reads a checkpoint and its signature `FILE.asc`.
///
/// # Errors
/// When it is not there, not a checkpoint, or not signed by a trusted signer.
pub fn checkpoint(path: Option<&PathBuf>, trust: &TrustStore) -> Result<Option<Checkpoint>, CliError> {
    let Some(path) = path else { return Ok(None) };
    let (checkpoint, _signed) = job::checkpoint::read(path, false, trust)?;
    Ok(Some(checkpoint))
}

/// What bundles are measured against, and who signs the record of it.
pub struct Proving {
    /// Whose signatures count.
    pub trust: TrustStore,
    /// Which keys are acceptable.
    pub keys: KeyPolicy,
    /// What the heads of the chains once were.
    pub checkpoint: Option<Checkpoint>,
    store: Option<LocalStore>,
    signers: Vec<SoftwareSigner>,
}

impl Proving {
    /// Reads what the options and settings name.
    ///
    /// # Errors
    /// When the checkpoint is not there, or not signed by a trusted signer.
    pub fn read(
        args: &MeasureArgs,
        trust: TrustStore,
        store: Option<LocalStore>,
        settings: &Settings,
        context: &Context,
    ) -> Result<Self, CliError> {
        Ok(Self {
            keys: setup::key_policy(settings),
            checkpoint: checkpoint(args.checkpoint.as_ref(), &trust)?,
            signers: audit_signers(settings, context),
            trust,
            store,
        })
    }

    /// The store whose chains count, if there is one.
    #[must_use]
    pub fn store(&self) -> Option<&dyn Store> {
        self.store.as_ref().map(|store| store as &dyn Store)
    }

    /// Who signs the record, as the stages take them.
    #[must_use]
    pub fn signers(&self) -> Vec<&dyn Signer> {
        as_signers(&self.signers)
    }
}

/// A bundle that was proven, and the keys to read it with.
pub struct Proven {
    /// The bundle.
    pub verified: Verified,
    /// Secret keys that may open it.
    pub identities: Vec<Identity>,
}

impl Proven {
    /// Finds a bundle, proves it, and reads the keys.
    ///
    /// # Errors
    /// When it is not there, not proven, or no key was given.
    pub fn find(
        choice: &BundleChoice,
        set: Option<&SetName>,
        settings: &Settings,
        context: &Context,
    ) -> Result<Self, CliError> {
        let trust = setup::pinned_trust(settings)?;
        let keys = setup::key_policy(settings);
        let identities = identities(settings, context)?;
        let store = store_for(choice, settings)?;
        let chain = store.as_ref().map(|store| store as &dyn Store);
        let found = bundles::find(&choice.into(), chain, set)?;
        let measure = Measure {
            trust: &trust,
            keys: &keys,
            name: found.name,
            chain,
            checkpoint: None,
            jobs: settings.threads(),
        };
        let verified = verify::verify(found.object, &measure, context.progress().as_ref(), &context.cancel()?)?;
        Ok(Self { verified, identities })
    }
}

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
    pub ahead_seconds: Option<u64>,
    /// Its suite.
    pub suite: String,
    /// The digest of its manifest.
    pub manifest_sha256: String,
    /// Whether signatures, trust and chain were checked at all.
    pub proven: bool,
    /// Who signed.
    pub signatures: Vec<SignatureReport>,
    /// `in-chain` or `no-chain`; `unchecked` without proof.
    pub position: &'static str,
    /// The newest place in the chain, or without a store the newest that the checkpoint saw, where there is one.
    pub head: Option<u64>,
    /// Segments checked.
    pub segments: u64,
    /// Bytes checked.
    pub bytes: u64,
    /// The ids of the recipients.
    pub recipients: Vec<String>,
}

/// A source, as JSON.
#[derive(Serialize)]
pub struct SourceReport {
    /// Its label.
    pub label: String,
    /// Its kind.
    pub kind: String,
}

impl SourceReport {
    /// Sources for people.
    #[must_use]
    pub fn list(sources: &[Self]) -> String {
        let shown = sources
            .iter()
            .map(|source| format!("{} ({})", source.label, source.kind));
        shown.collect::<Vec<_>>().join(", ")
    }
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

impl ProofReport {
    /// What is known about a bundle, at a time.
    #[must_use]
    pub fn new(verified: &Verified, now: Timestamp) -> Self {
        let manifest: &Manifest = verified.manifest();
        let proof = verified.proof();
        let (position, head) = match proof.map(|proof| &proof.position) {
            Some(Position::InChain { head }) => ("in-chain", Some(*head)),
            Some(Position::NoChain { remembered }) => ("no-chain", *remembered),
            None => ("unchecked", None),
        };
        let signatures = proof.map(|proof| proof.signatures.as_slice()).unwrap_or_default();
        Self {
            bundle: manifest.bundle.to_string(),
            set: manifest.set.to_string(),
            sequence: manifest.sequence,
            created: manifest.created,
            ahead_seconds: u64::try_from(manifest.created.unix() - now.unix())
                .ok()
                .filter(|ahead| *ahead > limits::CLOCK_SKEW_SECONDS_MAX),
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
                age(i64::try_from(ahead).unwrap_or(i64::MAX))
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
            ("in-chain", Some(head)) => writeln!(out, "chain      in its place: {} of {head}", self.sequence)?,
            ("no-chain", Some(head)) => writeln!(
                out,
                "chain      not checked: number {}, and no store to compare with; the newest that the checkpoint saw is number {head}",
                self.sequence
            )?,
            ("no-chain", None) => writeln!(
                out,
                "chain      not checked: number {}, and no store to compare with",
                self.sequence
            )?,
            _ => {}
        }
        if self.proven {
            let recipients = count(self.recipients.len() as u64, "recipients");
            let judged =
                "by what the manifest says all keys are strong and were valid, and no rule of [policy] is broken";
            writeln!(out, "keys       {recipients}; {judged}")?;
        }
        writeln!(
            out,
            "digests    {}, {}, every byte as stated",
            count(self.segments, "segments"),
            size(self.bytes)
        )
    }
}

/// Seconds for people.
#[must_use]
pub fn age(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, hours) => format!("{hours} h {minutes} min"),
        (days, hours) => format!("{days} d {hours} h"),
    }
}

/// A number and what is counted: `1 bundle`, `2 bundles`. The word is given for many.
#[must_use]
pub fn count(number: u64, many: &str) -> String {
    let one = match many.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => many.strip_suffix('s').unwrap_or(many).to_owned(),
    };
    format!("{number} {}", if number == 1 { &one } else { many })
}

/// A number of bytes for people.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}
