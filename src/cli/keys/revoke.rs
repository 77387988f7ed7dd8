//! `keys revoke`: a key is not to be trusted any more.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use sequoia_openpgp::Cert;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::keys::words;
use crate::job::keyfiles;
use crate::job::keyfiles::PUBLIC_MODE;
use crate::job::keys;
use crate::job::keys::Revocation;
use crate::keyring::describe;
use crate::keyring::describe::State;
use crate::keyring::openpgp;
use crate::keyring::revoke::Why;

const EXAMPLES: [Example; 3] = [
    Example {
        says: "A signing key was stolen: trust nothing that it signed",
        line: "hub-backup keys revoke signer.key --reason compromised --out signer-revoked.asc",
    },
    Example {
        says: "The same when the key is lost, with the revocation that was made with it",
        line: "hub-backup keys revoke signer.asc --revocation signer.rev --out signer-revoked.asc",
    },
    Example {
        says: "The root certified a signer that another one replaced",
        line: "hub-backup keys revoke signer.asc --root-key root.key --reason superseded --out signer-revoked.asc",
    },
];

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

impl From<Reason> for Why {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Compromised => Self::Compromised,
            Reason::Superseded => Self::Superseded,
            Reason::Retired => Self::Retired,
        }
    }
}

/// Revoke a key: with its own secret key, with a revocation made before, or by the root that certified it
///
/// Nobody learns of it by itself: put the revoked certificate among the certificates of every machine that verifies.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// The secret key to revoke; with --revocation or --root-key, its certificate
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Unlock it with the passphrase in FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["revocation", "root_key"])]
    pub passphrase_file: Option<PathBuf>,
    /// Add the revocation in FILE, which was made beforehand; needs no secret key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["root_key", "reason", "message"])]
    pub revocation: Option<PathBuf>,
    /// Let the secret root key in FILE take its certification back
    #[arg(long, value_name = "FILE", conflicts_with = "message")]
    pub root_key: Option<PathBuf>,
    /// Unlock the root key with the passphrase in FILE
    #[arg(long, value_name = "FILE", requires = "root_key")]
    pub root_passphrase_file: Option<PathBuf>,
    /// Why
    #[arg(long, value_name = "REASON", value_enum, required_unless_present = "revocation")]
    pub reason: Option<Reason>,
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
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    keyfiles::check_free([args.out.as_path()])?;
    let revoked = revoked(args, context)?;
    let text = openpgp::public_text(&revoked)?;
    keyfiles::write(&args.out, text.as_bytes(), PUBLIC_MODE)?;
    let by = match (&args.root_key, &args.revocation) {
        (Some(_), _) => By::Root,
        (None, Some(_)) => By::Revocation,
        (None, None) => By::OwnKey,
    };
    let report = Report {
        fingerprint: revoked.fingerprint().to_hex(),
        by,
        state: describe::state(&revoked, context.clock.now()),
        file: args.out.clone(),
    };
    context.printer.done("keys-revoke", &report, |out| report.write(out))
}

fn revoked(args: &Args, context: &Context) -> Result<Cert, CliError> {
    let now = context.clock.now();
    // The arguments ask for a reason whenever one is used.
    let why = args.reason.unwrap_or(Reason::Compromised).into();
    if let Some(path) = &args.revocation {
        let certificate = &keyfiles::read_certificate(&args.file)?;
        let revoked = &keyfiles::read_certificate(path)?;
        return Ok(keys::revoked(&Revocation::Prepared { certificate, revoked }, now)?);
    }
    if let Some(path) = &args.root_key {
        let certificate = &keyfiles::read_certificate(&args.file)?;
        let root = &words::root_key(path, args.root_passphrase_file.as_deref(), context)?;
        return Ok(keys::revoked(&Revocation::Root { certificate, root, why }, now)?);
    }
    let key = &words::own_key(&args.file, args.passphrase_file.as_deref(), context)?;
    let message = &args.message;
    Ok(keys::revoked(&Revocation::OwnKey { key, why, message }, now)?)
}

/// By whose word a key is revoked.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    Root,
    Revocation,
    OwnKey,
}

/// What was done.
#[derive(Serialize)]
struct Report {
    fingerprint: String,
    by: By,
    state: State,
    file: PathBuf,
}

impl Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let what = match (self.by, self.state) {
            (By::Root, _) => "the root takes its certification back",
            (By::Revocation | By::OwnKey, State::Retired) => "what it signed before stays good",
            (By::Revocation | By::OwnKey, _) => "nothing that it signed is trusted",
        };
        writeln!(out, "revoked    {}: {what}", self.fingerprint)?;
        writeln!(out, "written    {}", words::path(&self.file))?;
        writeln!(
            out,
            "next       put it among the certificates of every machine that verifies"
        )
    }
}
