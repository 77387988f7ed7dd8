//! `audit`: what was done with the store, hash-chained and signed.

use std::io;
use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;

use crate::audit::Act;
use crate::audit::AuditRecord;
use crate::audit::check::Problem;
use crate::audit::check::Report;
use crate::base::clock::Timestamp;
use crate::base::fault;
use crate::base::fault::Fault as _;
use crate::bundle::name::SetName;
use crate::cli::amount;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::output::Printer;
use crate::cli::output::visible;
use crate::config::layer::Layer;
use crate::job;
use crate::job::audit_log;
use crate::job::audit_log::Entry;
use crate::job::named_keys;
use crate::job::setup;

const EXAMPLES: [Example; 3] = [
    Example {
        says: "What was done with the store",
        line: "hub-backup audit list",
    },
    Example {
        says: "What was taken out of the bundles of the set `hub` this year",
        line: "hub-backup audit list --set hub --act restore --since 2026-01-01T00:00:00Z",
    },
    Example {
        says: "Is the record whole and genuine?",
        line: "hub-backup audit check --store /mnt/backup/store --root root.asc --certificate signer.asc",
    },
];

/// Read and check the record of what was done with the store
#[derive(Debug, clap::Subcommand)]
#[command(after_help = examples::text(&EXAMPLES))]
pub enum Command {
    /// List what was done: backups, verifications, restores
    #[command(after_help = examples::text(&EXAMPLES[..2]))]
    List(ListArgs),
    /// Check the chain and the signatures of the record, and list every break
    #[command(after_help = examples::text(&EXAMPLES[2..]))]
    Check(CheckArgs),
}

/// Arguments of `audit list`.
#[derive(clap::Args, Debug)]
pub struct ListArgs {
    /// Only what is about this set
    #[arg(long, value_name = "NAME")]
    pub set: Option<SetName>,
    /// Only this act
    #[arg(long, value_name = "ACT", value_enum)]
    pub act: Option<ActChoice>,
    /// Only what was done at this time or later, as 2026-01-31T23:59:59Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
}

/// The acts that are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ActChoice {
    /// Stores that were made
    Init,
    /// Backups
    Backup,
    /// Verifications
    Verify,
    /// Restores, and files written by `cat`
    Restore,
    /// Checkpoints
    Checkpoint,
}

impl From<ActChoice> for Act {
    fn from(choice: ActChoice) -> Self {
        match choice {
            ActChoice::Init => Self::Init,
            ActChoice::Backup => Self::Backup,
            ActChoice::Verify => Self::Verify,
            ActChoice::Restore => Self::Restore,
            ActChoice::Checkpoint => Self::Checkpoint,
        }
    }
}

impl ListArgs {
    fn wants(&self, record: &AuditRecord) -> bool {
        let set = self.set.is_none() || self.set == record.set;
        let act = self.act.is_none_or(|act| Act::from(act) == record.act);
        set && act && self.since.is_none_or(|since| record.at >= since)
    }
}

/// Arguments of `audit check`.
#[derive(clap::Args, Debug)]
pub struct CheckArgs {}

/// Runs the command.
///
/// # Errors
/// When the record cannot be read, or is broken.
pub fn run(command: &Command, context: &Context) -> Result<(), CliError> {
    match command {
        Command::List(args) => list(args, context),
        Command::Check(args) => check(args, context),
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let store = setup::store(&settings)?;
    let mut entries = audit_log::entries(&store)?.peekable();
    if entries.peek().is_none() {
        setup::check_store(&store)?;
    }
    let printer = context.printer;
    let unreadable = if printer.json {
        let mut records = Vec::new();
        let unreadable = each_wanted(entries, args, |record| {
            records.push(record);
            Ok(())
        })?;
        let report = Listed {
            verified: false,
            records,
            unreadable,
        };
        printer.show("audit-list", &report, |_| Ok(()))?;
        report.unreadable
    } else {
        let mut out = Printer::stdout();
        let unreadable = each_wanted(entries, args, |record| record.write(&mut out).map_err(CliError::stdout))?;
        let end = write_end(&mut out, &unreadable);
        end.and_then(|()| out.flush()).map_err(CliError::stdout)?;
        unreadable
    };
    match unreadable.into_iter().next() {
        None => Ok(()),
        Some(Unreadable { sequence, reason }) => Err(CliError::told(Problem::Unreadable { sequence, reason })),
    }
}

/// Hands over the records that are wanted, one by one: a log is as long as its store is old. Gives those that cannot be read.
fn each_wanted(
    entries: impl Iterator<Item = Result<Entry, job::error::Error>>,
    args: &ListArgs,
    mut each: impl FnMut(JsonRecord) -> Result<(), CliError>,
) -> Result<Vec<Unreadable>, CliError> {
    let mut unreadable = Vec::new();
    for entry in entries {
        let Entry {
            sequence,
            record,
            signed,
        } = entry?;
        match record {
            Ok(record) if args.wants(&record) => each(JsonRecord { signed, record })?,
            Ok(_) => {}
            Err(reason) => unreadable.push(Unreadable { sequence, reason }),
        }
    }
    Ok(unreadable)
}

fn write_end(out: &mut dyn Write, unreadable: &[Unreadable]) -> io::Result<()> {
    for Unreadable { sequence, reason } in unreadable {
        writeln!(out, "{sequence:>6}  CANNOT BE READ: {}", visible(reason))?;
    }
    writeln!(
        out,
        "not verified: `hub-backup audit check` checks chain and signatures"
    )
}

/// What `audit list --json` prints.
#[derive(Serialize)]
struct Listed {
    /// Always false: neither chain nor signatures were checked.
    verified: bool,
    records: Vec<JsonRecord>,
    unreadable: Vec<Unreadable>,
}

#[derive(Serialize)]
struct JsonRecord {
    /// Whether signatures lie beside the record.
    signed: bool,
    record: AuditRecord,
}

#[derive(Serialize)]
struct Unreadable {
    sequence: u64,
    reason: String,
}

impl JsonRecord {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let AuditRecord {
            sequence,
            at,
            actor,
            act,
            outcome,
            set,
            bundle,
            details,
            ..
        } = &self.record;
        write!(
            out,
            "{sequence:>6}  {at}  {:<10}  {:<18}",
            act.name(),
            visible(&outcome.kind)
        )?;
        if let Some(set) = set {
            write!(out, "  {set}")?;
        }
        if let Some(bundle) = bundle {
            write!(out, "  {bundle}")?;
        }
        write!(out, "  by {}@{}", visible(&actor.user), visible(&actor.host))?;
        if !self.signed {
            write!(out, "  (not signed)")?;
        }
        writeln!(out)?;
        for (name, text) in details {
            for line in text.lines() {
                writeln!(out, "        {}: {}", visible(name), visible(line))?;
            }
        }
        Ok(())
    }
}

fn check(_args: &CheckArgs, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let store = setup::store(&settings)?;
    let trust = named_keys::pinned_trust(&settings)?;
    let report = audit_log::check(&store, &trust)?;
    if report.records == 0 && report.problems.is_empty() {
        setup::check_store(&store)?;
    }
    let printer = &context.printer;
    if report.problems.is_empty() {
        return printer.done("audit-check", &report, |out| write_check(out, &report));
    }
    printer.show("audit-check", &report, |out| write_check(out, &report))?;
    let gravest = fault::gravest(report.problems, |problem| Some(problem.kind()));
    gravest.map_or(Ok(()), |problem| Err(CliError::told(problem)))
}

fn write_check(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    for problem in &report.problems {
        writeln!(out, "PROBLEM    {}", visible(&problem.to_string()))?;
    }
    let Report {
        records,
        unsigned,
        problems,
    } = report;
    writeln!(
        out,
        "{}, {unsigned} of them not signed, {}",
        amount::count(*records, "records"),
        amount::count(problems.len() as u64, "problems")
    )?;
    if *unsigned > 0 {
        writeln!(out, "for a record without a signature, only the records after it vouch")?;
    }
    writeln!(
        out,
        "a log that was cut at its end shows only against a checkpoint that was kept elsewhere"
    )
}
