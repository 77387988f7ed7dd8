//! `backup`: one new bundle of a set.

mod report;

use crate::base::cancel::Cancel;
use crate::base::clock::Timestamp;
use crate::bundle::name::SetName;
use crate::cli::args;
use crate::cli::args::JobsArgs;
use crate::cli::args::PolicyArgs;
use crate::cli::args::RecipientArgs;
use crate::cli::args::SignerArgs;
use crate::cli::context::Context;
use crate::cli::dialog;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::prompt;
use crate::cli::sources::SourceReport;
use crate::cli::work;
use crate::config::SetSettings;
use crate::config::layer::Layer;
use crate::config::origin::Setting;
use crate::config::value;
use crate::config::value::SuiteChoice;
use crate::job::backup;
use crate::job::backup::Backup;
use crate::job::backup::Done;
use crate::job::backup::Stray;
use crate::job::named_keys;
use crate::job::settings;
use crate::job::setup;
use crate::job::sources;
use crate::keyring::Recipient;
use crate::keyring::facts;
use crate::source::Source;
use crate::source::uri::SourceUri;

use report::DryRunReport;
use report::ExpiringReport;
use report::Report;

const EXAMPLES: [Example; 4] = [
    Example {
        says: "Back up the set `hub` of the settings",
        line: "hub-backup backup hub",
    },
    Example {
        says: "Check the sources, the keys and the store, and write nothing",
        line: "hub-backup backup hub --dry-run",
    },
    Example {
        says: "Without a settings file",
        line: "hub-backup backup --set hub --store /srv/backup/store \\\n  \
               --source sqlite:/var/lib/hub/hub.db --source config:/etc/hub/hub.env \\\n  \
               --recipient operations.asc --recipient escrow.asc \\\n  \
               --signer signer.key --certificate signer.asc --root root.asc",
    },
    Example {
        says: "The output of a program, as a set of its own",
        line: "hub-backup backup --set manifests --source 'command:manifests=hub-cli export-manifests --output -'",
    },
];

/// Back up a set into a new signed, encrypted bundle
///
/// Nothing is published unless every source was read whole. This host needs public certificates and a signing key, and
/// cannot read its own backups.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// The set to back up; not needed when the settings have only one
    #[arg(value_name = "SET", conflicts_with = "set")]
    pub name: Option<SetName>,
    /// The set, as a flag
    #[arg(long, value_name = "NAME")]
    pub set: Option<SetName>,
    /// Back up this, and not what the settings name: postgres:ADDRESS, mysql:ADDRESS, sqlite:PATH, files:PATH, config:PATH or
    /// command:NAME=COMMAND; LABEL= in front gives its content a name of its own in the bundle, which everybody can read
    #[arg(long, value_name = "SOURCE")]
    pub source: Vec<String>,
    /// Who opens the bundle.
    #[command(flatten)]
    pub recipients: RecipientArgs,
    /// Who signs it.
    #[command(flatten)]
    pub signers: SignerArgs,
    /// Which keys it must have.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Encrypt in this form; auto takes what the recipients can open
    #[arg(long, value_name = "SUITE", value_parser = args::suite())]
    pub suite: Option<SuiteChoice>,
    /// Compress with zstd at level N, 1 to 19
    #[arg(long, value_name = "N", value_parser = args::parse_level)]
    pub level: Option<i32>,
    /// How many threads.
    #[command(flatten)]
    pub jobs: JobsArgs,
    /// Leave out files that match GLOB
    #[arg(long, value_name = "GLOB", value_parser = value::pattern)]
    pub exclude: Vec<String>,
    /// Leave out what is mounted below the folder of a files source
    #[arg(long)]
    pub one_file_system: bool,
    /// Keep files that change while they are read, and note it in the manifest
    #[arg(long)]
    pub allow_changed: bool,
    /// Replace secrets in config files instead of refusing them
    #[arg(long)]
    pub redact_secrets: bool,
    /// Take the value of KEY in a config file for no secret; may be given several times
    #[arg(long, value_name = "FILE:KEY", value_parser = value::finding)]
    pub accept_finding: Vec<String>,
    /// End the command of a command source after so many seconds, and fail
    #[arg(long, value_name = "SECONDS", value_parser = args::parse_timeout)]
    pub command_timeout: Option<u32>,
    /// Let the command of a command source print nothing
    #[arg(long)]
    pub allow_empty: bool,
    /// Refuse damaged SQLite databases, by `quick_check`; this is the default
    #[arg(long, conflicts_with = "no_check_sources")]
    pub check_sources: bool,
    /// Back up SQLite databases as they are, damaged or not
    #[arg(long)]
    pub no_check_sources: bool,
    /// Note this word for the retention rules in the manifest
    #[arg(long, value_name = "WORD", value_parser = value::retention_class)]
    pub retention_class: Option<String>,
    /// Check everything and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Args {
    /// The set that was named.
    #[must_use]
    pub fn set_name(&self) -> Option<&SetName> {
        self.name.as_ref().or(self.set.as_ref())
    }

    /// What the flags say.
    #[must_use]
    pub fn layer(&self) -> Layer {
        let mut layer = Layer::default();
        let set = &mut layer.every_set;
        set.sources = args::many("--source", &self.source);
        set.exclude = args::many("--exclude", &self.exclude);
        set.one_file_system = args::yes("--one-file-system", self.one_file_system);
        set.allow_changed = args::yes("--allow-changed", self.allow_changed);
        set.redact_secrets = args::yes("--redact-secrets", self.redact_secrets);
        set.accept_findings = args::many("--accept-finding", &self.accept_finding);
        let seconds = self.command_timeout;
        set.command_timeout = seconds.map(|seconds| Setting::of_flag("--command-timeout", seconds));
        set.allow_empty = args::yes("--allow-empty", self.allow_empty);
        let unchecked = self
            .no_check_sources
            .then(|| Setting::of_flag("--no-check-sources", false));
        set.check_sources = args::yes("--check-sources", self.check_sources).or(unchecked);
        set.suite = self.suite.map(|suite| Setting::of_flag("--suite", suite));
        set.level = self.level.map(|level| Setting::of_flag("--level", level));
        let class = self.retention_class.clone();
        set.retention_class = class.map(|word| Setting::of_flag("--retention-class", word));
        self.recipients.add_to(&mut layer);
        self.signers.add_to(&mut layer);
        self.policy.add_to(&mut layer);
        self.jobs.add_to(&mut layer);
        layer
    }
}

/// Runs the command.
///
/// # Errors
/// When nothing was published.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(args.layer())?;
    let set = settings.set(args.set_name())?;
    let store = setup::whole_store(&settings)?;
    let now = context.clock.now();
    let signers = work::signers(&settings, context)?;
    let signers = work::as_signers(&signers);
    let recipients = recipients(&set, context)?;
    let suite = setup::suite(&set, &recipients, now)?;
    let keys = setup::key_policy(&settings);
    let mut sources = sources::make(
        &set,
        settings.store.as_ref().map(|store| store.value.as_path()),
        &context.environment,
        &context.clock,
        settings.threads(),
    )?;
    let desk = work::desk(context, &signers);
    let job = Backup {
        store: &store,
        set: set.name.clone(),
        signers: &signers,
        trust: &named_keys::trust_of_signers(&settings, &signers, now)?,
        keys: &keys,
        suite,
        level: set.level.value,
        jobs: settings.threads(),
        block_bytes: settings.block_bytes.value,
        retention_class: set.retention_class.as_ref().map(|class| class.value.clone()),
        dialog: dialog::at_terminal(context)?,
        recipients,
    };
    backup::check_keys(&job, now)?;
    warn_of_new_set(&job, &settings.set_names(), context)?;
    if let Some(folder) = settings::keys_to_move(&settings) {
        let (still_here, hint) = (settings::STILL_HERE, settings::MOVE);
        context
            .printer
            .warn(&format!("{} {still_here}. {hint}", folder.display()));
    }
    let left_out = warn_of_left_out(&set, context);
    let expiring = warn_of_expiring(&job, now, context);
    if args.dry_run {
        return dry_run(&job, &mut sources, left_out, expiring, context);
    }
    let done = backup::run(
        &job,
        &mut sources,
        &desk,
        context.progress().as_ref(),
        &context.cancel()?,
    )?;
    warn(&done, context);
    let report = Report::new(&job, &done, left_out, expiring);
    report.remarks.warn(&context.printer);
    context.printer.done("backup", &report, |out| report.write(out))
}

/// Warns of a set that nobody knows beside others: a name that was mistyped begins a chain of its own, and the right one gets no bundle.
fn warn_of_new_set(job: &Backup<'_>, known: &[SetName], context: &Context) -> Result<(), CliError> {
    let others = backup::others_of_new_set(job, known)?;
    if !others.is_empty() {
        let others: Vec<&str> = others.iter().map(SetName::as_str).collect();
        context.printer.warn(&format!(
            "set {} is new: neither the settings nor the store have it, so it begins a chain of its own; there are {}",
            job.set,
            others.join(", ")
        ));
    }
    Ok(())
}

/// Warns of what is wrong with the store although the bundle is good.
fn warn(done: &Done, context: &Context) {
    for stray in &done.strays {
        let Stray { bundle, reason } = stray;
        context.printer.warn(&format!(
            "bundle {bundle} lies in the store and is not in the chain: {reason}"
        ));
    }
    if let Some(gone) = &done.gone {
        context.printer.warn(&format!(
            "bundle {gone}, the newest of the chain until now, is no longer in the store: `hub-backup verify --all` tells what else is gone"
        ));
    }
    if let [first, more @ ..] = done.audit_holes.as_slice() {
        let more = match more.len() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        context.printer.warn(&format!(
            "{first}{more}: somebody or something removed what was on record; `hub-backup audit check` says more"
        ));
    }
}

/// Warns of keys that run out soon, and gives them.
fn warn_of_expiring(job: &Backup<'_>, now: Timestamp, context: &Context) -> Vec<ExpiringReport> {
    let expiring = backup::expiring(job, now);
    for key in &expiring {
        let (role, words, hint) = (facts::role_name(key.role), key.words(), key.hint());
        context.printer.warn(&format!("the {role} {} {words}. {hint}", key.id));
    }
    expiring.iter().map(ExpiringReport::from).collect()
}

fn recipients(set: &SetSettings, context: &Context) -> Result<Vec<Recipient>, CliError> {
    let recipients = named_keys::recipients(&set.recipients, &context.environment)?;
    for recipient in &recipients {
        if let Recipient::Passphrase(passphrase) = recipient {
            prompt::check_new(context, "the passphrase that opens the bundle", passphrase)?;
        }
    }
    Ok(recipients)
}

/// Warns of the sources of the settings that flags or the environment replace, and gives them without their passwords.
fn warn_of_left_out(set: &SetSettings, context: &Context) -> Vec<String> {
    let shown = |text: &String| match text.parse::<SourceUri>() {
        Ok(uri) => uri.without_arguments(),
        Err(_) => "a source that cannot be read".to_owned(),
    };
    let left_out: Vec<String> = set.left_out.iter().map(shown).collect();
    if !left_out.is_empty() {
        context.printer.warn(&format!(
            "--source replaces the sources that the settings name for set {}: this bundle is without {}",
            set.name,
            left_out.join(", ")
        ));
    }
    left_out
}

fn dry_run(
    job: &Backup<'_>,
    sources: &mut [Box<dyn Source>],
    left_out: Vec<String>,
    expiring: Vec<ExpiringReport>,
    context: &Context,
) -> Result<(), CliError> {
    let mut names = Vec::new();
    for source in sources {
        // Nothing needs tidying up: a signal ends the program as usual.
        source.check(&Cancel::new())?;
        names.push(SourceReport {
            label: source.label().to_string(),
            kind: source.kind().to_string(),
        });
    }
    let (store, suite) = (job.store.describe(), job.suite.to_string());
    let now = context.clock.now();
    let ids = job
        .recipients
        .iter()
        .map(|recipient| facts::recipient_facts(recipient, now).id);
    let recipients = ids.collect();
    let report = DryRunReport {
        set: job.set.to_string(),
        sequence: backup::next_number(job)?,
        store,
        suite,
        sources: names,
        left_out,
        recipients,
        expiring,
    };
    context.printer.done("backup-dry-run", &report, |out| report.write(out))
}
