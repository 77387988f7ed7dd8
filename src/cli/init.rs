//! `init`: a new store, with keys and settings to begin with.

use std::path::PathBuf;

use crate::bundle::name::SetName;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::value::SuiteChoice;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "A store with new keys; the passphrase of the secret keys is asked for",
        line: "hub-backup init /srv/backup --name hub",
    },
    Example {
        says: "Keys that GnuPG 2.2 and 2.4 can use",
        line: "hub-backup init /srv/backup --suite gnupg --algorithm rsa-4096 --passphrase-file pass.txt",
    },
];

/// Make a store, a root key, a signing key, recipients' keys and a settings file
///
/// DIR gets `store/`, `keys/` with the public certificates, `secrets/` with the secret keys, and `hub-backup.toml`.
/// Afterwards, move the secret keys of the root and of the recipients away from this host: making backups needs only
/// the signing key.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// The folder to make; it must be new or empty
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The name of the first set, also in the user ids of the keys
    #[arg(long, value_name = "NAME", default_value = "hub")]
    pub name: SetName,
    /// Make keys of this algorithm
    #[arg(long, value_name = "ALGORITHM", value_parser = args::algorithm(), default_value = "ecdsa-p384")]
    pub algorithm: String,
    /// Make keys for this suite, and set it
    #[arg(long, value_name = "SUITE", value_parser = args::suite(), default_value = "auto")]
    pub suite: SuiteChoice,
    /// Lock the secret keys with the passphrase in FILE
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    pub passphrase_file: Option<PathBuf>,
    /// Leave the secret keys unlocked: whoever reads their files has them
    #[arg(long)]
    pub no_passphrase: bool,
}

/// Runs the command.
///
/// # Errors
/// When the store, its keys or its settings cannot be made.
pub fn run(_args: &Args, _context: &Context) -> Result<(), CliError> {
    Err(Error::NotBuilt("init").into())
}
