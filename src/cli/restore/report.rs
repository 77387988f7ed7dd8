//! What `restore` tells: what was restored, or with `--plan` what would be.

use std::io;
use std::io::Write;

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::bundle::name::Label;
use crate::cli::amount;
use crate::cli::ls::Row;
use crate::cli::output::visible;
use crate::cli::proof::ProofReport;
use crate::cli::remarks::RemarksReport;
use crate::job::restore::Done;
use crate::job::restore::Planned;
use crate::job::targets::Destination;
use crate::sink::row_check::Compared;
use crate::sink::row_check::RowCheck;
use crate::sink::uri::Place;

/// What is still to do for a PostgreSQL database, behind its name.
const NO_STATISTICS: &str =
    "has no statistics for the planner yet: vacuumdb --analyze-in-stages gathers them while it is in use";

/// What decides about the next steps, beside where things went.
#[derive(Clone, Copy)]
pub(super) struct NextSteps {
    /// Whether statistics were gathered.
    pub(super) analyzed: bool,
    /// Whether everything was restored.
    pub(super) whole: bool,
}

impl NextSteps {
    fn of(self, destinations: &[Destination]) -> Vec<String> {
        let unplanned = |to: &&Destination| !self.analyzed && matches!(to.place, Place::Postgres(_));
        let unplanned = destinations.iter().filter(unplanned);
        let statistics = unplanned.map(|to| format!("{} {NO_STATISTICS}", to.shown()));
        let loads = destinations.iter().flat_map(|to| load(to, self.whole));
        statistics.chain(loads).collect()
    }
}

/// How what came as files of a dump becomes a database.
fn load(to: &Destination, whole: bool) -> impl Iterator<Item = String> {
    to.dumps().map(move |(label, kind, folder)| {
        let script = folder.join("restore.sql");
        let by_hand = if whole {
            format!(
                "load {} with the stock client, as its first lines say, or ",
                script.display()
            )
        } else {
            String::new()
        };
        format!("{label} is a dump here, no database yet: {by_hand}restore it with --to {label}={kind}:ADDRESS")
    })
}

/// Where things go.
#[derive(Serialize)]
struct Target {
    to: String,
    /// Labels.
    sources: Vec<String>,
}

impl Target {
    fn new(destination: &Destination) -> Self {
        let labels = destination.sources.iter().map(|(label, _)| label.to_string());
        Self {
            to: destination.shown(),
            sources: labels.collect(),
        }
    }

    /// One line for each target; with the sources, where there are several to tell apart.
    fn write_all(targets: &[Self], head: &str, out: &mut dyn Write) -> io::Result<()> {
        for target in targets {
            let to = visible(&target.to);
            let sources = if target.sources.is_empty() {
                "nothing of what is wanted".to_owned()
            } else {
                target.sources.join(", ")
            };
            match targets.len() {
                1 => writeln!(out, "{head} {to}")?,
                _ => writeln!(out, "{head} {to} ({sources})")?,
            }
        }
        Ok(())
    }
}

/// What was restored.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(rename = "result")]
    pub(super) proof: ProofReport,
    entries: u64,
    bytes: u64,
    databases_checked: u64,
    compared: Vec<ComparedReport>,
    remarks: RemarksReport,
    notes: Vec<String>,
    targets: Vec<Target>,
    next: Vec<String>,
    recorded: bool,
}

/// Rows of a database server that equal those of the source.
#[derive(Serialize)]
struct ComparedReport {
    label: String,
    tables: u64,
    rows: u64,
    how: RowCheck,
}

impl ComparedReport {
    fn new((label, compared): &(Label, Compared)) -> Self {
        Self {
            label: label.to_string(),
            tables: compared.tables,
            rows: compared.rows,
            how: compared.how,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            label, tables, rows, ..
        } = self;
        let how = match self.how {
            RowCheck::Fingerprint => "read back: their number and fingerprint are those of the source",
            RowCheck::Rows => "counted: as many as in the source; their content was not compared",
            RowCheck::None => "not compared",
        };
        writeln!(out, "compared   {label}: tables: {tables}, rows: {rows}, {how}")
    }
}

impl Report {
    pub(super) fn new(done: &Done, steps: NextSteps, now: Timestamp) -> Self {
        Self {
            proof: ProofReport::new(&done.verified, now),
            entries: done.restored.entries,
            bytes: done.restored.bytes,
            databases_checked: done.databases_checked,
            compared: done.compared.iter().map(ComparedReport::new).collect(),
            remarks: RemarksReport::new(&done.restored.remarks),
            notes: [&done.dangers[..], &done.notes[..]].concat(),
            targets: done.destinations.iter().map(Target::new).collect(),
            next: steps.of(&done.destinations),
            recorded: done.recorded,
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.proof.write(out)?;
        writeln!(
            out,
            "contents   {}, {}, each equal to its digest",
            amount::count(self.entries, "entries"),
            amount::size(self.bytes)
        )?;
        if self.databases_checked > 0 {
            writeln!(out, "databases  {} checked by SQLite, sound", self.databases_checked)?;
        }
        for compared in &self.compared {
            compared.write(out)?;
        }
        self.remarks.write(out)?;
        Target::write_all(&self.targets, "restored  ", out)?;
        for next in &self.next {
            writeln!(out, "next       {}", visible(next))?;
        }
        Ok(())
    }
}

/// What would be restored.
#[derive(Serialize)]
pub(super) struct PlanReport {
    #[serde(rename = "result")]
    pub(super) proof: ProofReport,
    entries: Vec<Row>,
    remarks: RemarksReport,
    targets: Vec<Target>,
    next: Vec<String>,
}

impl PlanReport {
    pub(super) fn new(planned: Planned, now: Timestamp) -> Self {
        let Planned {
            verified,
            listing,
            destinations,
        } = planned;
        Self {
            proof: ProofReport::new(&verified, now),
            entries: listing.wanted.into_iter().map(Row::new).collect(),
            remarks: RemarksReport::new(&listing.remarks),
            next: destinations.iter().flat_map(|to| load(to, false)).collect(),
            targets: destinations.iter().map(Target::new).collect(),
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.proof.write(out)?;
        self.entries.iter().try_for_each(|row| row.write(out))?;
        self.remarks.write(out)?;
        Target::write_all(&self.targets, "would go to", out)?;
        for next in &self.next {
            writeln!(out, "next        {}", visible(next))?;
        }
        let entries = amount::count(self.entries.len() as u64, "entries");
        writeln!(out, "nothing was written; {entries} would be")
    }
}
