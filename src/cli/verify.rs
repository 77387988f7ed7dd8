//! `verify`: prove that bundles are whole, genuine and in their place, without any secret.

use std::io;
use std::io::Write;

use serde::Serialize;

use crate::base::fault::Fault as _;
use crate::base::fault::Kind;
use crate::cli::args::BundleArgs;
use crate::cli::args::BundleChoice;
use crate::cli::args::MeasureArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::output::visible;
use crate::cli::report;
use crate::cli::work;
use crate::cli::work::ProofReport;
use crate::cli::work::Proving;
use crate::job;
use crate::job::Desk;
use crate::job::bundles;
use crate::job::setup;
use crate::job::verify;
use crate::job::verify::Outcome;
use crate::job::verify::Row;
use crate::job::verify::Verify;
use crate::store::Store;

const EXAMPLES: [Example; 4] = [
    Example {
        says: "Verify the newest bundle of the set `hub`",
        line: "hub-backup verify latest --set hub",
    },
    Example {
        says: "Verify every bundle of the store, and that none was removed since the checkpoint",
        line: "hub-backup verify --all --checkpoint checkpoint.json",
    },
    Example {
        says: "Verify a file with nothing but the trusted root and the signer's certificate",
        line: "hub-backup verify hub.hub.tar --root root.asc --certificate signer.asc",
    },
    Example {
        says: "Also decrypt and unpack everything, and write nothing",
        line: "hub-backup verify latest --deep --identity operations.key",
    },
];

/// Prove that a bundle is whole, genuine and in its place in the chain; needs no secret key
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// Which bundle.
    #[command(flatten)]
    pub bundle: BundleArgs,
    /// Verify every bundle, of the set or of the store
    #[arg(long, conflicts_with = "bundle")]
    pub all: bool,
    /// Also decrypt and unpack everything, with your keys, and write nothing
    #[arg(long)]
    pub deep: bool,
    /// What they are measured against, and opened with.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// Runs the command.
///
/// # Errors
/// When a bundle does not verify.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(args.measure.layer())?;
    let trust = setup::pinned_trust(&settings)?;
    let identities = if args.deep {
        Some(work::identities(&settings, context)?)
    } else {
        None
    };
    let choice = args.bundle.bundle.clone();
    let store = if args.all {
        Some(setup::store(&settings)?)
    } else {
        work::store_for(&choice, &settings)?
    };
    let proving = Proving::read(&args.measure, trust, store, &settings, context)?;
    let signers = proving.signers();
    let desk = work::desk(context, &signers);
    let job = Verify {
        store: proving.store(),
        trust: &proving.trust,
        keys: &proving.keys,
        checkpoint: proving.checkpoint.as_ref(),
        jobs: settings.threads(),
        deep: identities.as_deref(),
    };
    match job.store {
        Some(store) if args.all => all(&job, store, args, &desk, context),
        _ => one(&job, &choice, args, &desk, context),
    }
}

fn one(
    job: &Verify<'_>,
    choice: &BundleChoice,
    args: &Args,
    desk: &Desk<'_>,
    context: &Context,
) -> Result<(), CliError> {
    let found = bundles::find(&choice.into(), job.store, args.bundle.set.as_ref())?;
    let outcome = verify::one(job, found, desk, context.progress().as_ref(), &context.cancel()?)?;
    let report = Report::new(&outcome);
    context.printer.show("verify", &report, |out| report.write(out))
}

/// What was proven, and what was read.
#[derive(Serialize)]
struct Report {
    #[serde(rename = "result")]
    proof: ProofReport,
    contents: Option<ContentsReport>,
}

#[derive(Serialize)]
struct ContentsReport {
    entries: u64,
    bytes: u64,
    exceptions: usize,
}

impl Report {
    fn new(outcome: &Outcome) -> Self {
        let contents = outcome.contents.as_ref().map(|read| ContentsReport {
            entries: read.entries,
            bytes: read.bytes,
            exceptions: read.exceptions.len(),
        });
        Self {
            proof: ProofReport::new(&outcome.verified),
            contents,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.proof.write(out)?;
        match &self.contents {
            Some(read) => writeln!(
                out,
                "contents   decrypted and compared: {} entries, {}, {} exceptions",
                read.entries,
                work::size(read.bytes),
                read.exceptions
            ),
            None => writeln!(out, "contents   not decrypted (--deep does)"),
        }
    }
}

/// Every bundle of a store: all problems, not only the first.
#[derive(Serialize)]
struct AllReport {
    bundles: Vec<RowReport>,
    problems: Vec<String>,
    /// Whether every bundle was looked at.
    complete: bool,
}

#[derive(Serialize)]
struct RowReport {
    set: String,
    bundle: String,
    kind: &'static str,
    exit_code: u8,
    message: Option<String>,
    result: Option<Report>,
}

fn all(job: &Verify<'_>, store: &dyn Store, args: &Args, desk: &Desk<'_>, context: &Context) -> Result<(), CliError> {
    let mut rows = Vec::new();
    let mut failure: Option<job::error::Error> = None;
    let mut each = |row: Row| {
        let (kind, message) = match &row.result {
            Ok(_) => (None, None),
            Err(error) => (Some(error.kind()), Some(report::chain(error))),
        };
        rows.push(RowReport {
            set: row.set.to_string(),
            bundle: row.bundle.to_string(),
            kind: kind.map_or("ok", Kind::name),
            exit_code: kind.map_or(0, Kind::exit_code),
            message,
            result: row.result.as_ref().ok().map(Report::new),
        });
        failure = failure.take().or(row.result.err());
    };
    let set = args.bundle.set.as_ref();
    let findings = verify::all(
        job,
        store,
        set,
        desk,
        context.progress().as_ref(),
        &context.cancel()?,
        &mut each,
    );
    let (problems, unfinished) = match findings {
        Ok(findings) => (findings.iter().map(ToString::to_string).collect(), None),
        Err(error) if rows.is_empty() => return Err(error.into()),
        // What was found so far may have taken hours.
        Err(error) => (Vec::new(), Some(error)),
    };
    let report = AllReport {
        bundles: rows,
        problems,
        complete: unfinished.is_none(),
    };
    context.printer.show("verify-all", &report, |out| report.write(out))?;
    if let Some(error) = unfinished {
        return Err(CliError::told(error));
    }
    match (failure, report.problems.first()) {
        (Some(error), _) => Err(CliError::told(error)),
        (None, Some(problem)) => Err(CliError::told(Error::Chain {
            problem: problem.clone(),
        })),
        (None, None) => Ok(()),
    }
}

impl AllReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.bundles {
            match (&row.message, &row.result) {
                (Some(message), _) => {
                    writeln!(out, "{:<18} {}/{}: {}", row.kind, row.set, row.bundle, visible(message))?;
                }
                (None, _) => writeln!(out, "{:<18} {}/{}", row.kind, row.set, row.bundle)?,
            }
        }
        for problem in &self.problems {
            writeln!(out, "{:<18} {}", Kind::ChainBroken.name(), visible(problem))?;
        }
        let bad = self.bundles.iter().filter(|row| row.exit_code != 0).count();
        writeln!(
            out,
            "{} bundles, {bad} not proven, {} problems in the store{}",
            self.bundles.len(),
            self.problems.len(),
            if self.complete {
                ""
            } else {
                "; the others were not looked at"
            }
        )
    }
}
