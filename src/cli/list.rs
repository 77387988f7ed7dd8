//! `list`: the bundles of a store.

use crate::bundle::name::SetName;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::layer::Layer;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Every bundle of the store",
        line: "hub-backup list",
    },
    Example {
        says: "The bundles of the set `hub`, for a program",
        line: "hub-backup list --set hub --json",
    },
];

/// List the bundles of the store
///
/// A list is a hint: only `verify` says what is whole and genuine.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// Only this set
    #[arg(long, value_name = "NAME")]
    pub set: Option<SetName>,
}

/// Runs the command.
///
/// # Errors
/// When the store cannot be read.
pub fn run(_args: &Args, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let _store = settings.store_path()?;
    Err(Error::NotBuilt("list").into())
}
