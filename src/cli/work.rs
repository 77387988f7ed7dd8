//! What the commands that work on bundles share: keys asked for, the desk for the audit log, a bundle found and proven.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::audit;
use crate::base::fault::Fault;
use crate::base::secret::SecretText;
use crate::bundle::name::SetName;
use crate::catalog::checkpoint::Checkpoint;
use crate::cli::args::MeasureArgs;
use crate::cli::context::Context;
use crate::cli::dialog;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::output::Printer;
use crate::cli::prompt;
use crate::cli::prompt::Wanted;
use crate::cli::report;
use crate::cli::terminal;
use crate::config::Settings;
use crate::flow::verify;
use crate::flow::verify::Measure;
use crate::flow::verify::Verified;
use crate::job;
use crate::job::Desk;
use crate::job::bundles;
use crate::job::bundles::BundleRef;
use crate::job::named_keys;
use crate::job::setup;
use crate::keyring::Identity;
use crate::keyring::trust::TrustStore;
use crate::policy::crypto::KeyPolicy;
use crate::seal::Signer;
use crate::seal::SoftwareSigner;
use crate::store::Store;
use crate::store::local::LocalStore;

/// The store that a bundle is looked for in, and whose chain it must be in. A bundle given as a file needs none: it is held against a
/// chain only when `--store` names one.
///
/// # Errors
/// When it cannot be opened, or none is named where one is needed.
pub fn store_for(choice: &BundleRef, settings: &Settings) -> Result<Option<LocalStore>, CliError> {
    let named_here = settings
        .store
        .as_ref()
        .is_some_and(|store| store.origin.kind() == "flag");
    match choice {
        BundleRef::File(_) if !named_here => Ok(None),
        BundleRef::File(_) | BundleRef::Latest | BundleRef::Id(_) => Ok(Some(setup::store(settings)?)),
    }
}

/// What a command line names: a word that is no file may be the beginning of an id in the store.
///
/// # Errors
/// When it is neither a file nor the beginning of one id.
pub fn named(choice: &BundleRef, set: Option<&SetName>, settings: &Settings) -> Result<BundleRef, CliError> {
    let BundleRef::File(path) = choice else {
        return Ok(choice.clone());
    };
    let word = path.to_str().filter(|word| !word.contains('/'));
    let Some(word) = word.filter(|_| fs::symlink_metadata(path).is_err()) else {
        return Ok(choice.clone());
    };
    let store = match setup::store(settings) {
        // That the store is away says more than that it does not have this.
        Err(error) if bundles::begins_like_id(word) => return Err(error.into()),
        store => store.ok(),
    };
    let store = store.as_ref().map(|store| store as &dyn Store);
    Ok(bundles::by_prefix(word, store, set).map(BundleRef::Id)?)
}

/// The signing keys; a locked one is asked for.
///
/// # Errors
/// When one cannot be read or unlocked.
pub fn signers(settings: &Settings, context: &Context) -> Result<Vec<SoftwareSigner>, CliError> {
    let ask = |path: &Path| ask(context, "signing key", path, prompt::SIGNER);
    Ok(named_keys::signers(
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
    let ask = |path: &Path| match terminal::open() {
        Some(_) => ask(context, "key", path, prompt::IDENTITY).map(Some),
        None => Ok(None),
    };
    let mut identities = named_keys::identities(settings, &context.environment, &ask)?;
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
    .map_err(CliError::into_fault)
}

/// Signing keys for the audit log alone: whoever verifies or restores need not have one, and is not asked for a passphrase.
pub struct AuditSigners {
    signers: Vec<SoftwareSigner>,
    unusable: Option<job::error::Error>,
}

impl AuditSigners {
    /// Reads the signing keys that are named.
    #[must_use]
    pub fn read(settings: &Settings, context: &Context) -> Self {
        let nobody = |path: &Path| -> Result<SecretText, Box<dyn Fault + Send + Sync>> {
            let purpose = format!("the passphrase of {}", path.display());
            Err(Box::new(Error::NoTerminal {
                purpose,
                options: prompt::SIGNER,
            }))
        };
        match named_keys::signers(settings, &context.environment, context.clock.now(), &nobody) {
            Ok(signers) => Self {
                signers,
                unusable: None,
            },
            Err(error) => Self {
                signers: Vec::new(),
                unusable: Some(error),
            },
        }
    }

    /// Warns when a signing key is named that cannot be used and there is a store with an audit log: `so` is what becomes of the record.
    /// Whoever names none writes no signed record on purpose.
    pub fn warn_unsigned(&self, store: Option<&dyn Store>, so: &str, printer: Printer) {
        if let (Some(error), Some(_)) = (&self.unusable, store) {
            let why = report::chain(error);
            printer.warn(&format!("the signing key cannot be used, so {so}: {why}"));
        }
    }

    /// The keys as the stages take them.
    #[must_use]
    pub fn as_signers(&self) -> Vec<&dyn Signer> {
        as_signers(&self.signers)
    }
}

/// Where the audit log is written, with these signatures.
#[must_use]
pub fn desk<'a>(context: &'a Context, signers: &'a [&'a dyn Signer]) -> Desk<'a> {
    Desk {
        clock: context.clock.as_ref(),
        actor: setup::actor(),
        signers,
        unrecorded: unrecorded(context),
        warn: Box::new(|danger| context.printer.warn(danger)),
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
    audit: AuditSigners,
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
        let checkpoint = checkpoint(args.checkpoint.as_ref(), &trust)?;
        Ok(Self {
            keys: setup::key_policy(settings),
            checkpoint,
            audit: AuditSigners::read(settings, context),
            trust,
            store,
        })
    }

    /// As [`AuditSigners::warn_unsigned`].
    pub fn warn_unsigned(&self, so: &str, printer: Printer) {
        self.audit.warn_unsigned(self.store(), so, printer);
    }

    /// The store whose chains count, if there is one.
    #[must_use]
    pub fn store(&self) -> Option<&dyn Store> {
        self.store.as_ref().map(|store| store as &dyn Store)
    }

    /// Who signs the record, as the stages take them.
    #[must_use]
    pub fn signers(&self) -> Vec<&dyn Signer> {
        self.audit.as_signers()
    }
}

/// A bundle that was proven, and the keys to read it with.
pub struct Proven {
    /// The bundle.
    pub verified: Verified,
    /// Secret keys that may open it.
    pub identities: Vec<Identity>,
    store: Option<LocalStore>,
}

impl Proven {
    /// Finds a bundle, proves it, and reads the keys.
    ///
    /// # Errors
    /// When it is not there, not proven, or no key was given.
    pub fn find(
        choice: &BundleRef,
        set: Option<&SetName>,
        settings: &Settings,
        context: &Context,
    ) -> Result<Self, CliError> {
        let trust = named_keys::pinned_trust(settings)?;
        let keys = setup::key_policy(settings);
        let choice = &named(choice, set, settings)?;
        let store = store_for(choice, settings)?;
        let chain = store.as_ref().map(|store| store as &dyn Store);
        // Before a passphrase is asked for: whether there is such a bundle.
        let found = bundles::find(choice, chain, set)?;
        let name = found.name.clone();
        let identities = identities(settings, context)?;
        let measure = Measure {
            trust: &trust,
            keys: &keys,
            name: found.name,
            chain,
            checkpoint: None,
            jobs: settings.threads(),
        };
        let verified = verify::verify(found.object, &measure, context.progress().as_ref(), &context.cancel()?)
            .map_err(|error| CliError::from(error).about(name))?;
        Ok(Self {
            verified,
            identities,
            store,
        })
    }

    /// The store that it came from, if it did.
    #[must_use]
    pub fn store(&self) -> Option<&dyn Store> {
        self.store.as_ref().map(|store| store as &dyn Store)
    }
}
