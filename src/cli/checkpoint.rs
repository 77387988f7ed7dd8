//! `checkpoint`: a signed note of where every chain ends, to be kept elsewhere.

use std::path::PathBuf;

use crate::cli::args::SignerArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::layer::Layer;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Note the state of the store, on a disk that the store's host cannot reach",
        line: "hub-backup checkpoint create --out /media/vault/2026-01-31.json",
    },
    Example {
        says: "Later: does the store still have everything?",
        line: "hub-backup checkpoint check /media/vault/2026-01-31.json",
    },
];

/// Sign where every chain ends, and check it later
///
/// Kept away from the store, a checkpoint shows when the whole store was set back to an older state.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = examples::text(&EXAMPLES))]
pub enum Command {
    /// Write a signed checkpoint
    #[command(after_help = examples::text(&EXAMPLES[..1]))]
    Create(CreateArgs),
    /// Check the store against a checkpoint
    #[command(after_help = examples::text(&EXAMPLES[1..]))]
    Check(CheckArgs),
}

/// Arguments of `checkpoint create`.
#[derive(clap::Args, Debug)]
pub struct CreateArgs {
    /// Write to FILE, which must be new; without it, to stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Who signs it.
    #[command(flatten)]
    pub signers: SignerArgs,
}

/// Arguments of `checkpoint check`.
#[derive(clap::Args, Debug)]
pub struct CheckArgs {
    /// The checkpoint
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When no checkpoint could be made, or the store does not have what the checkpoint says.
pub fn run(command: &Command, context: &Context) -> Result<(), CliError> {
    match command {
        Command::Create(args) => create(args, context),
        Command::Check(args) => check(args, context),
    }
}

fn create(args: &CreateArgs, context: &Context) -> Result<(), CliError> {
    let mut layer = Layer::default();
    args.signers.add_to(&mut layer);
    let settings = context.settings(layer)?;
    let _store = settings.store_path()?;
    Err(Error::NotBuilt("checkpoint create").into())
}

fn check(_args: &CheckArgs, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let _store = settings.store_path()?;
    Err(Error::NotBuilt("checkpoint check").into())
}
