//! What `backup` tells: what was made, or with `--dry-run` what was checked.

use std::io;
use std::io::Write;

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::base::digest::Digest;
use crate::bundle::manifest::KeyFacts;
use crate::cli::amount;
use crate::cli::output::visible;
use crate::cli::remarks::RemarksReport;
use crate::cli::sources::SourceReport;
use crate::job::backup::Backup;
use crate::job::backup::Done;
use crate::job::expiring::Expiring;
use crate::keyring::facts;

/// What was made.
#[derive(Serialize)]
pub(super) struct Report {
    bundle: String,
    set: String,
    sequence: u64,
    object: String,
    suite: String,
    manifest_sha256: String,
    entries: u64,
    content_bytes: u64,
    stored_bytes: u64,
    exceptions: u64,
    pub(super) remarks: RemarksReport,
    sources: Vec<SourceReport>,
    left_out: Vec<String>,
    recipients: Vec<String>,
    signers: Vec<String>,
    expiring: Vec<ExpiringReport>,
    adopted: Vec<String>,
    strays: Vec<String>,
    gone: Option<String>,
    audit_holes: Vec<String>,
    swept: u64,
}

/// A key that runs out soon.
#[derive(Serialize)]
pub(super) struct ExpiringReport {
    role: &'static str,
    id: String,
    expires: Timestamp,
    days_left: i64,
}

impl From<&Expiring> for ExpiringReport {
    fn from(key: &Expiring) -> Self {
        Self {
            role: facts::role_name(key.role),
            id: key.id.clone(),
            expires: key.expires,
            days_left: key.days_left,
        }
    }
}

impl Report {
    pub(super) fn new(job: &Backup<'_>, done: &Done, left_out: Vec<String>, expiring: Vec<ExpiringReport>) -> Self {
        let manifest = &done.sealed.manifest;
        let ids = |keys: &[KeyFacts]| keys.iter().map(|key| key.id.clone()).collect();
        Self {
            bundle: manifest.bundle.to_string(),
            set: manifest.set.to_string(),
            sequence: manifest.sequence,
            object: format!("{}/{}", job.store.describe(), done.object),
            suite: manifest.suite.to_string(),
            manifest_sha256: Digest::of(&done.sealed.bytes).to_string(),
            entries: manifest.totals.entries,
            content_bytes: manifest.totals.content_bytes,
            stored_bytes: done.stored_bytes,
            exceptions: manifest.totals.exceptions,
            remarks: RemarksReport::new(&done.sealed.remarks),
            sources: manifest
                .sources
                .iter()
                .map(|source| SourceReport {
                    label: source.label.to_string(),
                    kind: source.kind.to_string(),
                })
                .collect(),
            left_out,
            recipients: ids(&manifest.keys.recipients),
            signers: ids(&manifest.keys.signers),
            expiring,
            adopted: done.adopted.iter().map(ToString::to_string).collect(),
            strays: done.strays.iter().map(|stray| stray.bundle.to_string()).collect(),
            gone: done.gone.as_ref().map(ToString::to_string),
            audit_holes: done.audit_holes.iter().map(ToString::to_string).collect(),
            swept: done.swept,
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for id in &self.adopted {
            writeln!(out, "adopted    {id}, whole, left by a run that ended before its time")?;
        }
        if self.swept > 0 {
            writeln!(
                out,
                "swept      {} of runs that ended before their time",
                amount::count(self.swept, "leftovers")
            )?;
        }
        writeln!(
            out,
            "bundle     {} of set {}, number {} of its chain",
            self.bundle, self.set, self.sequence
        )?;
        writeln!(out, "sources    {}", SourceReport::list(&self.sources))?;
        writeln!(
            out,
            "contents   {}, {}",
            amount::count(self.entries, "entries"),
            amount::size(self.content_bytes)
        )?;
        if self.exceptions > 0 {
            writeln!(
                out,
                "EXCEPTIONS missing or perhaps inconsistent: {}: see the warnings, or `hub-backup verify --deep`",
                amount::count(self.exceptions, "entries")
            )?;
        }
        writeln!(
            out,
            "encrypted  {} for {}",
            self.suite,
            amount::count(self.recipients.len() as u64, "recipients")
        )?;
        writeln!(out, "signed     by {}", self.signers.join(", "))?;
        writeln!(
            out,
            "stored     {}, {}",
            visible(&self.object),
            amount::size(self.stored_bytes)
        )
    }
}

/// What was checked without writing anything.
#[derive(Serialize)]
pub(super) struct DryRunReport {
    pub(super) set: String,
    pub(super) sequence: u64,
    pub(super) store: String,
    pub(super) suite: String,
    pub(super) sources: Vec<SourceReport>,
    pub(super) left_out: Vec<String>,
    pub(super) recipients: Vec<String>,
    pub(super) expiring: Vec<ExpiringReport>,
}

impl DryRunReport {
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "set        {}, number {} of its chain", self.set, self.sequence)?;
        writeln!(
            out,
            "sources    {}: there and readable",
            SourceReport::list(&self.sources)
        )?;
        writeln!(out, "store      {}", visible(&self.store))?;
        writeln!(
            out,
            "keys       {}, suite {}",
            amount::count(self.recipients.len() as u64, "recipients"),
            self.suite
        )?;
        writeln!(out, "nothing was written")
    }
}
