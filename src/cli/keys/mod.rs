//! `keys`: making, showing and certifying OpenPGP keys.

pub mod certify;
pub mod generate;
pub mod list;
pub mod revoke;
pub mod show;
pub mod words;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "A new signing key, certified by the root",
        line: "hub-backup keys generate --role signer --out keys --certify-with root.key",
    },
    Example {
        says: "Which keys do the settings name, and are they valid?",
        line: "hub-backup keys list",
    },
];

/// Make, list, show, certify and revoke keys
///
/// A root certifies signers and is kept offline; a signer signs bundles on a backup host; recipients open bundles and
/// are kept away from it. Any OpenPGP program can read these keys, and its keys can be used here.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = examples::text(&EXAMPLES))]
#[expect(missing_docs, reason = "each names its arguments, which are documented")]
pub enum Command {
    Generate(generate::Args),
    List(list::Args),
    Show(show::Args),
    Certify(certify::Args),
    Revoke(revoke::Args),
}

/// Runs the command.
///
/// # Errors
/// When a key cannot be read or made.
pub fn run(command: &Command, context: &Context) -> Result<(), CliError> {
    match command {
        Command::Generate(args) => generate::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Certify(args) => certify::run(args, context),
        Command::Revoke(args) => revoke::run(args, context),
    }
}
