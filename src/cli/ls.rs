//! `ls`: the names in a bundle.

use crate::bundle::name::SetName;
use crate::cli::args::BundleChoice;
use crate::cli::args::IdentityArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::layer::Layer;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Everything in the newest bundle of the set `hub`",
        line: "hub-backup ls latest --set hub --identity operations.key",
    },
    Example {
        says: "What matches a pattern, in a file",
        line: "hub-backup ls hub.hub.tar 'uploads/**/*.pdf' --identity operations.key",
    },
];

/// List the content of a bundle; the bundle is verified first
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// A file, the id of a bundle in the store, or `latest`
    #[arg(value_name = "BUNDLE")]
    pub bundle: BundleChoice,
    /// Only what matches
    #[arg(value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// Look in this set; not needed when the store has only one
    #[arg(long, value_name = "NAME")]
    pub set: Option<SetName>,
    /// Which keys open it.
    #[command(flatten)]
    pub identities: IdentityArgs,
}

/// Runs the command.
///
/// # Errors
/// When the bundle does not verify or cannot be opened.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let mut layer = Layer::default();
    args.identities.add_to(&mut layer);
    let _settings = context.settings(layer)?;
    Err(Error::NotBuilt("ls").into())
}
