//! `keys certify`: the root says that it trusts a signer.

use std::path::PathBuf;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;

const EXAMPLES: [Example; 1] = [Example {
    says: "On the offline machine: trust a signer that was made on a backup host",
    line: "hub-backup keys certify signer.asc --with root.key --out signer-certified.asc",
}];

/// Certify a signer's certificate with the root key
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// The certificate to certify
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Certify with the secret root key in FILE
    #[arg(long, value_name = "FILE")]
    pub with: PathBuf,
    /// Unlock the root key with the passphrase in FILE
    #[arg(long, value_name = "FILE")]
    pub root_passphrase_file: Option<PathBuf>,
    /// Write the certified certificate to FILE, which must be new
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When a key cannot be read, or the certificate cannot be written.
pub fn run(_args: &Args, _context: &Context) -> Result<(), CliError> {
    Err(Error::NotBuilt("keys certify").into())
}
