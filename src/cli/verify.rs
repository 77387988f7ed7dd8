//! `verify`: prove that bundles are whole, genuine and in their place, without any secret.

use std::path::PathBuf;

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
        says: "Verify the newest bundle of the set `hub`",
        line: "hub-backup verify latest --set hub",
    },
    Example {
        says: "Verify every bundle of the store, and that none was removed since the checkpoint",
        line: "hub-backup verify --all --checkpoint checkpoint.json",
    },
    Example {
        says: "Verify a file with nothing but the trusted root and the signer's certificate",
        line: "hub-backup verify hub.hub.tar --root root.asc --certificate signer.asc",
    },
    Example {
        says: "Also decrypt and unpack everything, and write nothing",
        line: "hub-backup verify latest --deep --identity operations.key",
    },
];

/// Prove that a bundle is whole, genuine and in its place in the chain; needs no secret key
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// Which bundle.
    #[command(flatten)]
    pub bundle: BundleArgs,
    /// Verify every bundle, of the set or of the store
    #[arg(long, conflicts_with = "bundle")]
    pub all: bool,
    /// Refuse a store that is older than the signed checkpoint in FILE
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Also decrypt and unpack everything, with your keys, and write nothing
    #[arg(long)]
    pub deep: bool,
    /// Which keys open it.
    #[command(flatten)]
    pub identities: IdentityArgs,
    /// How many threads.
    #[command(flatten)]
    pub jobs: JobsArgs,
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
/// When a bundle does not verify.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let _settings = context.settings(args.layer())?;
    Err(Error::NotBuilt("verify").into())
}
