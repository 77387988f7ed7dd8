//! `keys show`: what is in a key file.

use std::path::PathBuf;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;

const EXAMPLES: [Example; 1] = [Example {
    says: "What is this certificate, and can it be used here?",
    line: "hub-backup keys show operations.asc",
}];

/// Show a certificate: fingerprint, algorithms, expiry, certifications, and what it can be used for
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// A certificate or a secret key; secret parts are not shown
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be read.
pub fn run(_args: &Args, _context: &Context) -> Result<(), CliError> {
    Err(Error::NotBuilt("keys show").into())
}
