//! `restore`: verify a bundle, open it, and put its content where it is wanted.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::args::BundleArgs;
use crate::cli::args::IdentityArgs;
use crate::cli::args::JobsArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::layer::Layer;

const EXAMPLES: [Example; 4] = [
    Example {
        says: "Restore the newest bundle of the set `hub` into a new folder",
        line: "hub-backup restore latest --set hub --verify-sig --to /restore/hub",
    },
    Example {
        says: "See what would be restored, and where, and write nothing",
        line: "hub-backup restore latest --set hub --plan",
    },
    Example {
        says: "Restore a bundle that was carried here, with nothing but its file and two keys",
        line: "hub-backup restore hub.hub.tar --root root.asc --certificate signer.asc \\\n  \
               --identity operations.key --to /restore/hub",
    },
    Example {
        says: "Restore one database and one folder of it, each to its own place",
        line: "hub-backup restore latest --only 'hub.db' --only 'uploads/2026/**' \\\n  \
               --to hub.db=sqlite:/restore/hub.db --to uploads=files:/restore/uploads",
    },
];

/// How much of a restored SQLite database is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SqliteCheck {
    /// Nothing beyond the digests
    None,
    /// `PRAGMA quick_check`
    Quick,
    /// `PRAGMA integrity_check` and `PRAGMA foreign_key_check`
    Full,
}

/// Verify a bundle, open it, and restore its content
///
/// Nothing is decrypted before the signature, the trust in its signer, every digest and the place in the chain were
/// checked, and nothing has its final name before everything was restored.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Which bundle.
    #[command(flatten)]
    pub bundle: BundleArgs,
    /// Restore to DIR, files:PATH or sqlite:PATH; LABEL= in front says which source; nothing may be there yet
    #[arg(long, value_name = "TARGET", required_unless_present = "plan")]
    pub to: Vec<String>,
    /// Which keys open it.
    #[command(flatten)]
    pub identities: IdentityArgs,
    /// Verify signatures before anything is decrypted; this is the default
    #[arg(long, conflicts_with = "unsafe_skip_verification")]
    pub verify_sig: bool,
    /// Restore without knowing who made the bundle; digests are still checked, and the audit log keeps a record
    #[arg(long)]
    pub unsafe_skip_verification: bool,
    /// Restore only what matches PATTERN
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,
    /// Show what would be restored, and write nothing
    #[arg(long)]
    pub plan: bool,
    /// Refuse a store that is older than the signed checkpoint in FILE
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Check restored SQLite databases
    #[arg(long, value_name = "HOW", value_enum, default_value_t = SqliteCheck::Quick)]
    pub sqlite_check: SqliteCheck,
    /// How many threads.
    #[command(flatten)]
    pub jobs: JobsArgs,
    /// Leave restored files to this user, also when root could give them to their owners
    #[arg(long)]
    pub no_same_owner: bool,
}

impl Args {
    /// What the flags say.
    #[must_use]
    pub fn layer(&self) -> Layer {
        let mut layer = Layer::default();
        self.identities.add_to(&mut layer);
        self.jobs.add_to(&mut layer);
        layer
    }
}

/// Runs the command.
///
/// # Errors
/// When nothing was restored.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let _settings = context.settings(args.layer())?;
    Err(Error::NotBuilt("restore").into())
}
