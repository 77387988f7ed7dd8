//! `checkpoint`: a signed note of where every chain ends, to be kept elsewhere.

use std::borrow::Cow;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde::Serialize;

use crate::base::digest::Digest;
use crate::catalog::checkpoint::Checkpoint;
use crate::catalog::checkpoint::Deviation;
use crate::cli::args::SignerArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::keys::words;
use crate::cli::output::visible;
use crate::cli::report;
use crate::cli::work;
use crate::config::layer::Layer;
use crate::job::checkpoint;
use crate::job::checkpoint::Made;
use crate::job::named_keys;
use crate::job::setup;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Note the state of the store, on a disk that the store's host cannot reach",
        line: "hub-backup checkpoint create --out /media/vault/2026-01-31.json",
    },
    Example {
        says: "Later: are the ends of all chains still there, as they were?",
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
    /// Compare the id of the store, the newest manifest of every set and the newest audit record with a checkpoint
    #[command(after_help = examples::text(&EXAMPLES[1..]))]
    Check(CheckArgs),
}

/// Arguments of `checkpoint create`.
#[derive(clap::Args, Debug)]
pub struct CreateArgs {
    /// Write to FILE, and the signatures to FILE.asc, which must be new; without it, the checkpoint goes to stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Who signs it.
    #[command(flatten)]
    pub signers: SignerArgs,
}

/// Arguments of `checkpoint check`.
#[derive(clap::Args, Debug)]
pub struct CheckArgs {
    /// The checkpoint; its signatures are in FILE.asc
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Accept a checkpoint without signatures, which was kept where nobody else could change it
    #[arg(long)]
    pub unsigned: bool,
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
    let store = setup::whole_store(&settings)?;
    if let Some(path) = &args.out {
        checkpoint::check_free(path)?;
    }
    let signers = work::signers(&settings, context)?;
    let signers = work::as_signers(&signers);
    let desk = work::desk(context, &signers);
    let made = checkpoint::create(&store, &desk)?;
    if let Some(path) = &args.out {
        checkpoint::write(&made, path)?;
    }
    let report = Created::new(&made, args.out.as_deref());
    match (&args.out, context.printer.json) {
        (None, false) => context.printer.raw(&made.bytes)?,
        _ => context
            .printer
            .done("checkpoint-create", &report, |out| report.write(out))?,
    }
    warn(&made, args, context);
    Ok(())
}

fn warn(made: &Made, args: &CreateArgs, context: &Context) {
    if made.signatures.is_none() {
        let line = "no signing key is named, so the checkpoint is not signed: keep it where nobody else can change it";
        context.printer.warn(line);
    } else if args.out.is_none() && !context.printer.json {
        context
            .printer
            .warn("stdout has the checkpoint without its signatures: --out FILE writes both");
    }
    if let Some(error) = &made.unrecorded {
        let line = format!("the audit log has no record of this: {}", report::chain(error));
        context.printer.warn(&line);
    }
}

/// What `checkpoint create --json` prints.
#[derive(Serialize)]
struct Created<'a> {
    file: Option<&'a Path>,
    sha256: String,
    signed: bool,
    heads: usize,
    /// The bytes that are signed, and the signatures, when no file has them.
    text: Option<Cow<'a, str>>,
    signatures: Option<Cow<'a, str>>,
    checkpoint: &'a Checkpoint,
}

impl<'a> Created<'a> {
    fn new(made: &'a Made, file: Option<&'a Path>) -> Self {
        let signatures = made.signatures.as_deref().filter(|_| file.is_none());
        Self {
            file,
            sha256: Digest::of(&made.bytes).to_string(),
            signed: made.signatures.is_some(),
            heads: made.checkpoint.heads.len(),
            text: file.is_none().then(|| String::from_utf8_lossy(&made.bytes)),
            signatures: signatures.map(String::from_utf8_lossy),
            checkpoint: &made.checkpoint,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write_heads(out, self.checkpoint)?;
        let Some(file) = self.file else { return Ok(()) };
        writeln!(out, "written    {}", words::path(file))?;
        if self.signed {
            writeln!(out, "signatures {}", words::path(&checkpoint::signatures_path(file)))?;
        }
        writeln!(out, "next       keep it where the host of the store cannot change it")
    }
}

fn write_heads(out: &mut dyn Write, checkpoint: &Checkpoint) -> io::Result<()> {
    writeln!(
        out,
        "store      {}, at {}",
        visible(&checkpoint.repository),
        checkpoint.created
    )?;
    for head in &checkpoint.heads {
        writeln!(out, "head       {} of set {}: {}", head.sequence, head.set, head.digest)?;
    }
    match checkpoint.audit {
        Some(place) => writeln!(out, "audit log  {}: {}", place.sequence, place.digest),
        None => writeln!(out, "audit log  empty"),
    }
}

fn check(args: &CheckArgs, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let store = setup::store(&settings)?;
    let trust = if args.unsigned {
        named_keys::trust(&settings)?
    } else {
        named_keys::pinned_trust(&settings)?
    };
    let mut checked = checkpoint::check(&args.file, args.unsigned, &trust, &store)?;
    let report = CheckReport {
        signed_by: checked.signed.iter().map(|signed| signed.fingerprint.clone()).collect(),
        compared: compared(&checked.checkpoint),
        deviations: &checked.deviations,
        checkpoint: &checked.checkpoint,
    };
    let printer = &context.printer;
    if checked.deviations.is_empty() {
        return printer.done("checkpoint-check", &report, |out| report.write(out));
    }
    printer.show("checkpoint-check", &report, |out| report.write(out))?;
    Err(CliError::told(checked.deviations.remove(0)))
}

/// What `checkpoint check --json` prints.
#[derive(Serialize)]
struct CheckReport<'a> {
    signed_by: Vec<String>,
    /// What of the store was held against the checkpoint; nothing else was.
    compared: Vec<String>,
    deviations: &'a [Deviation],
    checkpoint: &'a Checkpoint,
}

impl CheckReport<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write_heads(out, self.checkpoint)?;
        match self.signed_by.as_slice() {
            [] => writeln!(out, "signature  NONE, as was allowed")?,
            signers => writeln!(out, "signature  good, by {}", signers.join(", "))?,
        }
        for deviation in self.deviations {
            writeln!(out, "DEVIATION  {}", visible(&deviation.to_string()))?;
        }
        if self.deviations.is_empty() {
            writeln!(
                out,
                "compared   {}: as the checkpoint saw them",
                self.compared.join("; ")
            )?;
        }
        writeln!(
            out,
            "not looked at: what came before the heads and after them, signatures in the store, and the bundles; \
             `hub-backup verify --all --checkpoint FILE` proves those"
        )
    }
}

/// What a comparison with a checkpoint looks at.
fn compared(checkpoint: &Checkpoint) -> Vec<String> {
    let heads = checkpoint.heads.iter();
    let mut compared = vec!["the id of the store".to_owned()];
    compared.extend(heads.map(|head| format!("the digest of manifest {} of set {}", head.sequence, head.set)));
    let audit = checkpoint.audit;
    compared.extend(audit.map(|place| format!("the digest of audit record {}", place.sequence)));
    compared
}
