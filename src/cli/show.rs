//! `show`: the manifest of a bundle.

use crate::cli::args::BundleArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::layer::Layer;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "The newest bundle of the set `hub`",
        line: "hub-backup show latest --set hub",
    },
    Example {
        says: "A file",
        line: "hub-backup show hub.hub.tar --json",
    },
];

/// Show the manifest of a bundle: sources, sizes, keys, place in the chain
///
/// What it says is not verified; `verify` does that.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// Which bundle.
    #[command(flatten)]
    pub bundle: BundleArgs,
}

/// Runs the command.
///
/// # Errors
/// When there is no such bundle or it cannot be read.
pub fn run(_args: &Args, context: &Context) -> Result<(), CliError> {
    let _settings = context.settings(Layer::default())?;
    Err(Error::NotBuilt("show").into())
}
