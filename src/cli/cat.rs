//! `cat`: one file of a bundle to stdout.

use crate::bundle::name::SetName;
use crate::cli::args::IdentityArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::work;
use crate::cli::work::AuditSigners;
use crate::cli::work::Proven;
use crate::config::layer::Layer;
use crate::flow;
use crate::job;
use crate::job::bundles::BundleRef;
use crate::job::contents;
use crate::sink;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Read a config file of the newest bundle",
        line: "hub-backup cat latest hub.env/hub.env --set hub --identity operations.key",
    },
    Example {
        says: "Take one file out of a bundle",
        line: "hub-backup cat hub.hub.tar uploads/2026/a.pdf --identity operations.key > a.pdf",
    },
];

/// Write one file of a bundle to stdout; the bundle is verified first
///
/// The audit log of the store gets a record, as of a restore.
///
/// Stdout must be open: where it is closed (`>&-`), the system library puts /dev/null in its place before the program begins, and what is
/// written is lost without an error.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// A file, `latest`, or a bundle of the store by its id or 8 characters and more of its beginning
    #[arg(value_name = "BUNDLE")]
    pub bundle: BundleRef,
    /// The file, as `ls` shows it
    #[arg(value_name = "PATH")]
    pub path: String,
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
/// When the bundle does not verify or cannot be opened, or has no such file.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    context.refuse_json("cat", "the bytes of a file")?;
    let mut layer = Layer::default();
    args.identities.add_to(&mut layer);
    let settings = context.settings(layer)?;
    let opened = Proven::find(&args.bundle, args.set.as_ref(), &settings, context)?;
    let audit = AuditSigners::read(&settings, context);
    let so = "the record of this in the audit log is not signed";
    audit.warn_unsigned(opened.store(), so, context.printer);
    let signers = audit.as_signers();
    let mut out = std::io::stdout();
    let written = contents::cat(
        &opened.verified,
        &opened.identities,
        &args.path,
        &mut out,
        opened.store(),
        &work::desk(context, &signers),
        &context.cancel()?,
    );
    // As with every other command: whoever read stdout has gone away, as `head` does.
    if let Err(job::error::Error::Restore(flow::restore::Error::Sink(sink::Error::Output(source)))) = written {
        return Err(CliError::stdout(source));
    }
    // There is no target that could be as it was.
    if let Err(job::error::Error::Restore(flow::restore::Error::Interrupted)) = written {
        return Err(Error::Partly.into());
    }
    Ok(written?)
}
