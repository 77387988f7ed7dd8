//! `keys certify`: the root says that it trusts a signer.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::keys::words;
use crate::job::keyfiles;
use crate::job::keyfiles::PUBLIC_MODE;
use crate::job::keys;
use crate::keyring::openpgp;

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
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    keyfiles::check_free([args.out.as_path()])?;
    let signer = keyfiles::read_certificate(&args.file)?;
    let root = words::root_key(&args.with, args.root_passphrase_file.as_deref(), context)?;
    let certified = keys::certified(&root, &signer, context.clock.now())?;
    let text = openpgp::public_text(&certified)?;
    keyfiles::write(&args.out, text.as_bytes(), PUBLIC_MODE)?;
    let report = Report {
        fingerprint: certified.fingerprint().to_hex(),
        certified_by: root.key.fingerprint().to_hex(),
        file: args.out.clone(),
    };
    context.printer.done("keys-certify", &report, |out| report.write(out))
}

/// What was done.
#[derive(Serialize)]
struct Report {
    fingerprint: String,
    certified_by: String,
    file: PathBuf,
}

impl Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "certified  {}", self.fingerprint)?;
        writeln!(out, "by         {}", self.certified_by)?;
        writeln!(out, "written    {}", words::path(&self.file))
    }
}
