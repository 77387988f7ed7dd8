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
use crate::flow::verify::Verified;
use crate::job::contents::Listing;
use crate::job::restore::Done;
use crate::sink::row_check::Compared;

/// What is still to do for a PostgreSQL database, behind its name.
const NO_STATISTICS: &str =
    "has no statistics for the planner yet: vacuumdb --analyze-in-stages gathers them while it is in use";

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
    targets: Vec<String>,
    next: Vec<String>,
    recorded: bool,
}

/// Rows of a database server that equal those of the source.
#[derive(Serialize)]
struct ComparedReport {
    label: String,
    tables: u64,
    rows: u64,
    /// `rows` or `fingerprint`.
    how: String,
}

impl ComparedReport {
    fn new((label, compared): &(Label, Compared)) -> Self {
        Self {
            label: label.to_string(),
            tables: compared.tables,
            rows: compared.rows,
            how: compared.how.to_string(),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            label, tables, rows, ..
        } = self;
        let how = match self.how.as_str() {
            "fingerprint" => "read back: their number and fingerprint are those of the source",
            _ => "counted: as many as in the source; their content was not compared",
        };
        writeln!(out, "compared   {label}: tables: {tables}, rows: {rows}, {how}")
    }
}

impl Report {
    pub(super) fn new(done: &Done, analyzed: bool, now: Timestamp) -> Self {
        let targets: Vec<String> = done.targets.iter().map(|target| target.display().to_string()).collect();
        let unplanned = targets
            .iter()
            .filter(|target| !analyzed && target.starts_with("postgres:"));
        Self {
            next: unplanned.map(|target| format!("{target} {NO_STATISTICS}")).collect(),
            proof: ProofReport::new(&done.verified, now),
            entries: done.restored.entries,
            bytes: done.restored.bytes,
            databases_checked: done.databases_checked,
            compared: done.compared.iter().map(ComparedReport::new).collect(),
            remarks: RemarksReport::new(&done.restored.remarks),
            notes: [&done.dangers[..], &done.notes[..]].concat(),
            targets,
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
        for target in &self.targets {
            writeln!(out, "restored   {}", visible(target))?;
        }
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
    targets: Vec<String>,
}

impl PlanReport {
    pub(super) fn new(verified: &Verified, listing: Listing, targets: Vec<String>, now: Timestamp) -> Self {
        Self {
            proof: ProofReport::new(verified, now),
            entries: listing.wanted.into_iter().map(Row::new).collect(),
            remarks: RemarksReport::new(&listing.remarks),
            targets,
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.proof.write(out)?;
        self.entries.iter().try_for_each(|row| row.write(out))?;
        self.remarks.write(out)?;
        for target in &self.targets {
            writeln!(out, "would go to {}", visible(target))?;
        }
        let entries = amount::count(self.entries.len() as u64, "entries");
        writeln!(out, "nothing was written; {entries} would be")
    }
}
