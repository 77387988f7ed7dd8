//! `list`: the bundles of a store.

use std::io;
use std::io::Write;
use std::mem;

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::base::fault;
use crate::bundle::name::SetName;
use crate::cli::amount;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::output::visible;
use crate::cli::report;
use crate::cli::sources::SourceReport;
use crate::config::layer::Layer;
use crate::job::listing;
use crate::job::listing::Listing;
use crate::job::listing::Row;
use crate::job::setup;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Every bundle of the store",
        line: "hub-backup list",
    },
    Example {
        says: "The bundles of the set `hub`, for a program",
        line: "hub-backup list --set hub --json",
    },
];

/// List the bundles of the store
///
/// It reads the chains of signed manifests, the newest bundle first, and checks no signature: only `verify` says what is
/// whole and genuine.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// Only this set
    #[arg(long, value_name = "NAME")]
    pub set: Option<SetName>,
}

/// Runs the command.
///
/// # Errors
/// When the store cannot be read.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let store = setup::store(&settings)?;
    let mut listing = listing::list(&store, args.set.as_ref())?;
    let report = Report::new(mem::take(&mut listing.rows), &listing);
    context.printer.show("list", &report, |out| report.write(out))?;
    for (set, bundle) in &listing.unlinked {
        let next = if listing.gaps.iter().any(|(gapped, _, _)| gapped == set) {
            "its link was lost, or nobody of yours made it"
        } else {
            "the next backup takes it up, if it is whole and genuine"
        };
        context
            .printer
            .warn(&format!("set {set}: bundle {bundle} is in no chain: {next}"));
    }
    for problem in &report.problems {
        context.printer.warn(problem);
    }
    let gap = report.gaps.first().map(|gap| Error::Chain { problem: gap.says() });
    let problems = listing.problems.into_iter().map(CliError::told);
    fault::gravest(problems.chain(gap.map(CliError::told)), CliError::kind).map_or(Ok(()), Err)
}

/// What `list --json` prints.
#[derive(Serialize)]
struct Report {
    /// Always false: nothing here was proven.
    verified: bool,
    bundles: Vec<JsonRow>,
    gaps: Vec<JsonGap>,
    unlinked: Vec<JsonUnlinked>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct JsonRow {
    bundle: String,
    set: String,
    sequence: u64,
    created: Timestamp,
    suite: &'static str,
    sources: Vec<SourceReport>,
    entries: u64,
    content_bytes: u64,
    exceptions: u64,
    retention_class: Option<String>,
    manifest_sha256: String,
    present: bool,
    stored_bytes: Option<u64>,
}

/// Places in a row at which a chain has nothing, though it goes on behind them.
#[derive(Serialize)]
struct JsonGap {
    set: String,
    first: u64,
    last: u64,
}

impl JsonGap {
    fn says(&self) -> String {
        let Self { set, first, last } = self;
        if first == last {
            format!("set {set}: number {first} of its chain is missing")
        } else {
            format!("set {set}: numbers {first} to {last} of its chain are missing")
        }
    }
}

#[derive(Serialize)]
struct JsonUnlinked {
    set: String,
    bundle: String,
}

impl From<Row> for JsonRow {
    fn from(row: Row) -> Self {
        let sources = row.sources.into_iter().map(|(label, kind)| SourceReport {
            label: label.to_string(),
            kind: kind.to_string(),
        });
        Self {
            bundle: row.bundle.to_string(),
            set: row.set.to_string(),
            sequence: row.sequence,
            created: row.created,
            suite: row.suite.name(),
            sources: sources.collect(),
            entries: row.totals.entries,
            content_bytes: row.totals.content_bytes,
            exceptions: row.totals.exceptions,
            retention_class: row.retention_class,
            manifest_sha256: row.digest.to_string(),
            present: row.stored_bytes.is_some(),
            stored_bytes: row.stored_bytes,
        }
    }
}

impl Report {
    fn new(rows: Vec<Row>, listing: &Listing) -> Self {
        let unlinked = listing.unlinked.iter().map(|(set, bundle)| JsonUnlinked {
            set: set.to_string(),
            bundle: bundle.to_string(),
        });
        let gaps = listing.gaps.iter().map(|(set, first, last)| JsonGap {
            set: set.to_string(),
            first: *first,
            last: *last,
        });
        Self {
            verified: false,
            bundles: rows.into_iter().map(JsonRow::from).collect(),
            gaps: gaps.collect(),
            unlinked: unlinked.collect(),
            problems: listing.problems.iter().map(|problem| report::chain(problem)).collect(),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.bundles.is_empty() && self.gaps.is_empty() {
            return writeln!(out, "no bundles");
        }
        let widest = self.bundles.iter().map(|row| row.set.len()).max().unwrap_or(0).max(3);
        writeln!(
            out,
            "{:<33}  {:<widest$}  {:>6}  {:<20}  {:>10}  {:>10}  {:>10}  {:<7}  SOURCES",
            "BUNDLE", "SET", "NUMBER", "MADE", "CONTENT", "STORED", "EXCEPTIONS", "SUITE"
        )?;
        for row in &self.bundles {
            row.write(out, widest)?;
        }
        for gap in &self.gaps {
            writeln!(out, "MISSING    {}", visible(&gap.says()))?;
        }
        writeln!(
            out,
            "not verified: `hub-backup verify --all` proves what is whole and genuine"
        )
    }
}

impl JsonRow {
    fn write(&self, out: &mut dyn Write, widest: usize) -> io::Result<()> {
        let stored = self.stored_bytes.map_or_else(|| "gone".into(), amount::size);
        let mut kinds: Vec<&str> = Vec::new();
        for source in &self.sources {
            if !kinds.contains(&source.kind.as_str()) {
                kinds.push(&source.kind);
            }
        }
        let exceptions = match self.exceptions {
            0 => "-".to_owned(),
            count => count.to_string(),
        };
        writeln!(
            out,
            "{:<33}  {:<widest$}  {:>6}  {}  {:>10}  {:>10}  {exceptions:>10}  {:<7}  {}",
            self.bundle,
            self.set,
            self.sequence,
            self.created,
            amount::size(self.content_bytes),
            stored,
            self.suite,
            visible(&kinds.join(", ")),
        )
    }
}
