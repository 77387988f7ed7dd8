//! `audit`: what was done with the store, hash-chained and signed.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::layer::Layer;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "What was done with the store",
        line: "hub-backup audit list",
    },
    Example {
        says: "Is the record whole and genuine?",
        line: "hub-backup audit check --root root.asc",
    },
];

/// Read and check the record of what was done with the store
#[derive(Debug, clap::Subcommand)]
#[command(after_help = examples::text(&EXAMPLES))]
pub enum Command {
    /// List what was done: backups, verifications, restores
    #[command(after_help = examples::text(&EXAMPLES[..1]))]
    List(ListArgs),
    /// Check the chain and the signatures of the record, and list every break
    #[command(after_help = examples::text(&EXAMPLES[1..]))]
    Check(CheckArgs),
}

/// Arguments of `audit list`.
#[derive(clap::Args, Debug)]
pub struct ListArgs {}

/// Arguments of `audit check`.
#[derive(clap::Args, Debug)]
pub struct CheckArgs {}

/// Runs the command.
///
/// # Errors
/// When the record cannot be read, or is broken.
pub fn run(command: &Command, context: &Context) -> Result<(), CliError> {
    match command {
        Command::List(args) => list(args, context),
        Command::Check(args) => check(args, context),
    }
}

fn list(_args: &ListArgs, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let _store = settings.store_path()?;
    Err(Error::NotBuilt("audit list").into())
}

fn check(_args: &CheckArgs, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let _store = settings.store_path()?;
    Err(Error::NotBuilt("audit check").into())
}
