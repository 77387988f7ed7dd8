//! `backup`: one new bundle of a set.

use crate::bundle::name::SetName;
use crate::cli::args;
use crate::cli::args::JobsArgs;
use crate::cli::args::RecipientArgs;
use crate::cli::args::SignerArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::layer::Layer;
use crate::config::origin::Setting;
use crate::config::value;
use crate::config::value::SuiteChoice;

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
               --signer signer.key --root root.asc",
    },
    Example {
        says: "With the output of a program",
        line: "hub-backup backup hub --source 'command:manifests=hub-cli export-manifests --output -'",
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
    /// Back up this: sqlite:PATH, files:PATH, config:PATH or command:NAME=COMMAND
    #[arg(long, value_name = "URI")]
    pub source: Vec<String>,
    /// Who opens the bundle.
    #[command(flatten)]
    pub recipients: RecipientArgs,
    /// Who signs it.
    #[command(flatten)]
    pub signers: SignerArgs,
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
    /// Keep files that change while they are read, and note it in the manifest
    #[arg(long)]
    pub allow_changed: bool,
    /// Replace secrets in config files instead of refusing them
    #[arg(long)]
    pub redact_secrets: bool,
    /// Check databases for damage before they are read
    #[arg(long)]
    pub check_sources: bool,
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
        set.allow_changed = args::yes("--allow-changed", self.allow_changed);
        set.redact_secrets = args::yes("--redact-secrets", self.redact_secrets);
        set.check_sources = args::yes("--check-sources", self.check_sources);
        set.suite = self.suite.map(|suite| Setting::of_flag("--suite", suite));
        set.level = self.level.map(|level| Setting::of_flag("--level", level));
        let class = self.retention_class.clone();
        set.retention_class = class.map(|word| Setting::of_flag("--retention-class", word));
        self.recipients.add_to(&mut layer);
        self.signers.add_to(&mut layer);
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
    let _set = settings.set(args.set_name())?;
    let _store = settings.store_path()?;
    Err(Error::NotBuilt("backup").into())
}
