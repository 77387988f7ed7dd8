//! `keys revoke`: a key is not to be trusted any more.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;

const EXAMPLES: [Example; 1] = [Example {
    says: "A signing key was stolen: trust nothing that it signed",
    line: "hub-backup keys revoke signer.key --reason compromised --out signer-revoked.asc",
}];

/// Why a key is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reason {
    /// Somebody else may have the key: nothing that it signed is trusted, whenever
    Compromised,
    /// Another key takes its place: what it signed before stays valid
    Superseded,
    /// It is not used any more: what it signed before stays valid
    Retired,
}

/// Revoke a key, with its own secret key
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// The secret key to revoke
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Unlock it with the passphrase in FILE
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Why
    #[arg(long, value_name = "REASON", value_enum)]
    pub reason: Reason,
    /// Say more about it, to whoever reads the certificate
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub message: String,
    /// Write the revoked certificate to FILE, which must be new
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the key cannot be read, or the certificate cannot be written.
pub fn run(_args: &Args, _context: &Context) -> Result<(), CliError> {
    Err(Error::NotBuilt("keys revoke").into())
}
