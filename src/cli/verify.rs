//! `verify`: prove that bundles are whole, genuine and in their place, without any secret.

use std::collections::BTreeMap;
use std::io;
use std::io::Write;

use serde::Serialize;

use crate::base::clock::SECONDS_A_DAY;
use crate::base::clock::Timestamp;
use crate::base::fault;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::cli::amount;
use crate::cli::args::BundleArgs;
use crate::cli::args::MeasureArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::evidence::Evidence;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::output::visible;
use crate::cli::proof;
use crate::cli::proof::ProofReport;
use crate::cli::remarks::RemarksReport;
use crate::cli::report;
use crate::cli::work;
use crate::cli::work::Proving;
use crate::config::value::BadValue;
use crate::flow::verify::Verified;
use crate::job;
use crate::job::Desk;
use crate::job::bundles;
use crate::job::bundles::BundleRef;
use crate::job::bundles::Found;
use crate::job::named_keys;
use crate::job::setup;
use crate::job::verify;
use crate::job::verify::Outcome;
use crate::job::verify::Row;
use crate::job::verify::Verify;
use crate::store::Store;

const EXAMPLES: [Example; 5] = [
    Example {
        says: "Verify the newest bundle of the set `hub`",
        line: "hub-backup verify latest --set hub",
    },
    Example {
        says: "Verify every bundle of the store, and that none was removed since the checkpoint",
        line: "hub-backup verify --all --checkpoint checkpoint.json",
    },
    Example {
        says: "Fail, with exit code 60, when the newest bundle was not made within the last 26 hours",
        line: "hub-backup verify latest --set hub --max-age 26h",
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
    /// Fail when the newest bundle, or with --all that of any set, is older than AGE: 90m, 26h, 8d
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub max_age: Option<i64>,
    /// What they are measured against, and opened with.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// Reads an age in seconds.
fn parse_age(text: &str) -> Result<i64, BadValue> {
    let wrong = || BadValue(format!("{text:?} is not an age such as 90m, 26h or 8d"));
    let unit = match text.chars().next_back() {
        Some('m') => 60,
        Some('h') => 60 * 60,
        Some('d') => SECONDS_A_DAY,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(i64::from(number) * unit)
}

/// The newest bundle of a set is too old: no backup came for too long.
#[derive(Debug, thiserror::Error)]
enum TooOld {
    #[error("the newest bundle of set {set} was made {} ago, and {} are allowed", amount::time(*.seconds), amount::time(*.most))]
    Old { set: SetName, seconds: i64, most: i64 },
    #[error("the newest bundle of set {set} is dated {} in the future: how old it is cannot be told", amount::time(*.seconds))]
    Ahead { set: SetName, seconds: i64 },
}

impl Fault for TooOld {
    fn kind(&self) -> Kind {
        Kind::TooOld
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Old { set, .. } => {
                format!(
                    "Look why no backup of set {set} was made since: its timer, and the mail or journal of its last runs."
                )
            }
            Self::Ahead { set, .. } => {
                format!("Set the clock of this host or of the one that backs up set {set}, and make a new backup.")
            }
        })
    }
}

/// Refuses a newest bundle that is too old.
fn refuse_old(args: &Args, verified: &Verified, now: Timestamp) -> Result<(), TooOld> {
    let Some(most) = args.max_age else { return Ok(()) };
    let (set, created) = (verified.manifest().set.clone(), verified.manifest().created);
    let seconds = now.unix() - created.unix();
    if seconds > most {
        return Err(TooOld::Old { set, seconds, most });
    }
    // One that is ahead would pass for new as long as it is ahead.
    match proof::seconds_ahead(created, now) {
        Some(seconds) => Err(TooOld::Ahead { set, seconds }),
        None => Ok(()),
    }
}

/// Runs the command.
///
/// # Errors
/// When a bundle does not verify.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    refuse_idle(args)?;
    let settings = context.settings(args.measure.layer())?;
    let trust = named_keys::pinned_trust(&settings)?;
    let set = args.bundle.set.as_ref();
    let choice = work::named(&args.bundle.bundle, set, &settings)?;
    if args.max_age.is_some() && choice != BundleRef::Latest {
        let message = "--max-age asks how old the newest bundle is, and another one is named".to_owned();
        let hint = "Leave the bundle out, or write `latest` or --all.".to_owned();
        return Err(Error::Usage { message, hint }.into());
    }
    let store = if args.all {
        Some(setup::store(&settings)?)
    } else {
        work::store_for(&choice, &settings)?
    };
    let found = if args.all {
        None
    } else {
        let store = store.as_ref().map(|store| store as &dyn Store);
        Some(bundles::find(&choice, store, set)?)
    };
    let identities = if args.deep {
        Some(work::identities(&settings, context)?)
    } else {
        None
    };
    let proving = Proving::read(&args.measure, trust, store, &settings, context)?;
    proving.warn_unsigned("the audit log gets no record of this verification", context.printer);
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
    match (found, job.store) {
        (Some(found), _) => one(&job, found, args, &desk, context),
        (None, Some(store)) => all(&job, store, args, &desk, context),
        (None, None) => Err(job::error::Error::NoStore.into()),
    }
}

/// Refuses keys that would open nothing: whoever gives one expects that the contents are looked at.
fn refuse_idle(args: &Args) -> Result<(), Error> {
    let keys = &args.measure.identities;
    let idle = [
        ("--identity", !keys.identity.is_empty()),
        ("--identity-passphrase-file", keys.identity_passphrase_file.is_some()),
        ("--passphrase-file", keys.passphrase_file.is_some()),
    ];
    match idle.into_iter().find(|(_, given)| *given && !args.deep) {
        None => Ok(()),
        Some((option, _)) => Err(Error::Usage {
            message: format!("{option} opens bundles, and without --deep none is opened"),
            hint: format!("Add --deep, or leave {option} out."),
        }),
    }
}

fn one(job: &Verify<'_>, found: Found, args: &Args, desk: &Desk<'_>, context: &Context) -> Result<(), CliError> {
    let name = found.name.clone();
    let outcome = verify::one(job, found, desk, context.progress().as_ref(), &context.cancel()?)
        .map_err(|error| CliError::from(error).about(name))?;
    let now = context.clock.now();
    let report = OneReport {
        told: Report::new(&outcome, now),
        evidence: Evidence::new(job, now),
    };
    report.told.proof.warn(&context.printer);
    context.printer.done("verify", &report, |out| report.told.write(out))?;
    refuse_old(args, &outcome.verified, context.clock.now()).map_err(CliError::told)
}

/// What was found out about one bundle, and how.
#[derive(Serialize)]
struct OneReport {
    #[serde(flatten)]
    told: Report,
    evidence: Evidence,
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
    exceptions: u64,
    remarks: RemarksReport,
}

impl Report {
    fn new(outcome: &Outcome, now: Timestamp) -> Self {
        let contents = outcome.contents.as_ref().map(|read| ContentsReport {
            entries: read.entries,
            bytes: read.bytes,
            exceptions: outcome.verified.manifest().totals.exceptions,
            remarks: RemarksReport::new(&read.remarks),
        });
        Self {
            proof: ProofReport::new(&outcome.verified, now),
            contents,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.proof.write(out)?;
        match &self.contents {
            Some(read) => {
                writeln!(
                    out,
                    "contents   decrypted and compared: {}, {}, {}",
                    amount::count(read.entries, "entries"),
                    amount::size(read.bytes),
                    amount::count(read.exceptions, "exceptions")
                )?;
                read.remarks.write(out)
            }
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
    evidence: Evidence,
}

#[derive(Serialize)]
struct RowReport {
    set: String,
    bundle: String,
    kind: &'static str,
    exit_code: u8,
    message: Option<String>,
    result: Option<ProofReport>,
    contents: Option<ContentsReport>,
}

impl RowReport {
    fn new(row: &Row, now: Timestamp) -> Self {
        let failure = row.result.as_ref().err();
        let kind = failure.map(Fault::kind);
        let report = row.result.as_ref().ok().map(|outcome| Report::new(outcome, now));
        let (result, contents) = report.map_or((None, None), |report| (Some(report.proof), report.contents));
        Self {
            set: row.set.to_string(),
            bundle: row.bundle.to_string(),
            kind: kind.map_or("ok", Kind::name),
            exit_code: kind.map_or(0, Kind::exit_code),
            message: failure.map(|error| report::chain(error)),
            result,
            contents,
        }
    }
}

fn all(job: &Verify<'_>, store: &dyn Store, args: &Args, desk: &Desk<'_>, context: &Context) -> Result<(), CliError> {
    let mut rows = Vec::new();
    let mut failure: Option<Failure> = None;
    let mut old: BTreeMap<SetName, Option<TooOld>> = BTreeMap::new();
    let now = context.clock.now();
    let mut each = |row: Row| {
        let told = RowReport::new(&row, now);
        if let Some(proof) = &told.result {
            proof.warn(&context.printer);
        }
        rows.push(told);
        match row.result {
            // The newest of a set comes first.
            Ok(outcome) => drop(
                old.entry(row.set)
                    .or_insert_with(|| refuse_old(args, &outcome.verified, now).err()),
            ),
            Err(error) => Failure::keep_graver(&mut failure, row.set, row.bundle, error),
        }
    };
    let set = args.bundle.set.as_ref();
    let whole = verify::all(
        job,
        store,
        set,
        desk,
        context.progress().as_ref(),
        &context.cancel()?,
        &mut each,
    )?;
    let report = AllReport {
        bundles: rows,
        problems: whole.findings.iter().map(ToString::to_string).collect(),
        complete: whole.unfinished.is_none(),
        evidence: Evidence::new(job, now),
    };
    let printer = &context.printer;
    if failure.is_none() && report.complete && report.problems.is_empty() {
        printer.done("verify-all", &report, |out| report.write(out))?;
    } else {
        printer.show("verify-all", &report, |out| report.write(out))?;
    }
    // The gravest gives the exit code; of equals the one that stands first here.
    let chain = report.problems.first().map(|problem| Error::Chain {
        problem: problem.clone(),
    });
    let old = old.into_values().flatten().next();
    let failures = [
        whole.unfinished.map(CliError::told),
        failure.map(Failure::told),
        chain.map(CliError::told),
        old.map(CliError::told),
    ];
    fault::gravest(failures.into_iter().flatten(), CliError::kind).map_or(Ok(()), Err)
}

/// What is wrong with one bundle of many.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct OneOfMany(job::error::Error);

/// The gravest of what is wrong with bundles, and with which.
struct Failure {
    name: (SetName, BundleId),
    error: OneOfMany,
}

impl Failure {
    fn keep_graver(known: &mut Option<Self>, set: SetName, bundle: BundleId, error: job::error::Error) {
        let (name, error) = ((set, bundle), OneOfMany(error));
        let failures = known.take().into_iter().chain([Self { name, error }]);
        *known = fault::gravest(failures, |failure| Some(failure.error.kind()));
    }

    fn told(self) -> CliError {
        CliError::told(self.error).about(Some(self.name))
    }
}

impl Fault for OneOfMany {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// Whoever has just verified all of them is not told to do so.
    fn hint(&self) -> Option<String> {
        let hint = self.0.hint()?;
        Some(if hint == fault::ANOTHER_COPY {
            "Take the bundles that are not `ok` from another copy of the store, and verify again.".into()
        } else {
            hint
        })
    }
}

impl AllReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.bundles {
            match &row.message {
                Some(message) => {
                    writeln!(out, "{:<18} {}/{}: {}", row.kind, row.set, row.bundle, visible(message))?;
                }
                None => writeln!(out, "{:<18} {}/{}", row.kind, row.set, row.bundle)?,
            }
            if let Some(read) = &row.contents {
                read.remarks.write(out)?;
            }
        }
        for problem in &self.problems {
            writeln!(out, "{:<18} {}", Kind::ChainBroken.name(), visible(problem))?;
        }
        let bad = self.bundles.iter().filter(|row| row.exit_code != 0).count();
        writeln!(
            out,
            "{}, {bad} not proven, {} in the store{}",
            amount::count(self.bundles.len() as u64, "bundles"),
            amount::count(self.problems.len() as u64, "problems"),
            if self.complete {
                ""
            } else {
                "; the others were not looked at"
            }
        )
    }
}
