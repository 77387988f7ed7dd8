//! `keys list`: the keys that the settings name.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::layer::Layer;

const EXAMPLES: [Example; 1] = [Example {
    says: "Roles, fingerprints, algorithms, expiry, and who certified whom",
    line: "hub-backup keys list",
}];

/// List the keys that the settings name, their roles and whether they are valid
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// When a certificate cannot be read.
pub fn run(_args: &Args, context: &Context) -> Result<(), CliError> {
    let _settings = context.settings(Layer::default())?;
    Err(Error::NotBuilt("keys list").into())
}
