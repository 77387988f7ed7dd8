//! `restore`: verify a bundle, open it, and put its content where it is wanted.

use std::io;
use std::io::Write;
use std::slice;

use clap::ValueEnum;
use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::bundle::name::Label;
use crate::cli::args::BundleArgs;
use crate::cli::args::MeasureArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::ls::Row;
use crate::cli::output::visible;
use crate::cli::remarks::RemarksReport;
use crate::cli::work;
use crate::cli::work::ProofReport;
use crate::cli::work::Proving;
use crate::job;
use crate::job::Desk;
use crate::job::bundles;
use crate::job::bundles::Found;
use crate::job::mysql_target::MysqlRestore;
use crate::job::postgres_target::PostgresRestore;
use crate::job::restore;
use crate::job::restore::Done;
use crate::job::restore::Restore;
use crate::job::setup;
use crate::policy::selection::Selection;
use crate::sink::mysql::options::Definer;
use crate::sink::mysql::options::MysqlSinkOptions;
use crate::sink::postgres::options::Landing;
use crate::sink::postgres::options::PostgresSinkOptions;
use crate::sink::row_check::Compared;
use crate::sink::row_check::RowCheck;
use crate::sink::sqlite::Check;
use crate::source::uri::Place;
use crate::source::uri::TargetUri;

const EXAMPLES: [Example; 4] = [
    Example {
        says: "Restore the newest bundle of the set `hub` into a new folder",
        line: "hub-backup restore latest --set hub --verify-sig --to /restore/hub",
    },
    Example {
        says: "See what would be restored, and where, and write nothing",
        line: "hub-backup restore latest --set hub --to /restore/hub --plan",
    },
    Example {
        says: "Restore a bundle that was carried here, with nothing but its file and two keys",
        line: "hub-backup restore hub.hub.tar --root root.asc --certificate signer.asc \\\n  \
               --identity operations.key --to /restore/hub",
    },
    Example {
        says: "Restore one database and one folder of it, each to its own place",
        line: "hub-backup restore latest --only 'hub.db' --only 'uploads/2026/**' \\\n  \
               --to hub.db=sqlite:/restore/hub.db --to uploads=files:/restore/uploads",
    },
];

/// How much of a restored SQLite database is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SqliteCheck {
    /// Nothing beyond the digests
    None,
    /// `PRAGMA quick_check`
    Quick,
    /// `PRAGMA integrity_check` and `PRAGMA foreign_key_check`
    Full,
}

/// What is compared with the source after rows were restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowChecks {
    /// Nothing
    None,
    /// How many rows each table took
    Rows,
    /// Every row, read back
    Fingerprint,
}

/// How PostgreSQL databases are restored.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Options of PostgreSQL targets")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct PostgresArgs {
    /// Load into the empty database itself: a restore that fails leaves there what it had loaded
    #[arg(long, conflicts_with = "into_schema")]
    pub in_place: bool,
    /// Put the tables chosen by --only into the new schema NAME of a database in use, and touch nothing else in it
    #[arg(long, value_name = "NAME", requires = "only")]
    pub into_schema: Option<String>,
    /// Make the roles and tablespaces of the source's server too; roles get no passwords
    #[arg(long)]
    pub globals: bool,
    /// Let everything belong to the connecting role
    #[arg(long)]
    pub no_owner: bool,
    /// Restore no privileges
    #[arg(long)]
    pub no_privileges: bool,
    /// Restore as ROLE
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Compare restored rows of a database server with those of the source; default fingerprint
    #[arg(long, value_name = "HOW", value_enum, help_heading = "Options")]
    pub row_check: Option<RowChecks>,
    /// Gather statistics for the planner before the database has its name
    #[arg(long)]
    pub analyze: bool,
}

/// How MySQL and MariaDB databases are restored.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Options of MySQL and MariaDB targets")]
pub struct MysqlArgs {
    /// Let views, triggers, routines and events have the definer of the source (keep, the default), the restoring account (drop), or USER@HOST
    #[arg(long, value_name = "WHO")]
    pub definer: Option<Definer>,
}

impl RowChecks {
    fn check(self) -> RowCheck {
        match self {
            Self::None => RowCheck::None,
            Self::Rows => RowCheck::Rows,
            Self::Fingerprint => RowCheck::Fingerprint,
        }
    }
}

impl MysqlArgs {
    fn options(&self, protected: &[String], check: RowCheck) -> MysqlSinkOptions {
        MysqlSinkOptions {
            protected: protected.to_vec(),
            definer: self.definer.clone().unwrap_or(Definer::Keep),
            check,
            ..MysqlSinkOptions::default()
        }
    }
}

impl PostgresArgs {
    fn row_check(&self) -> RowCheck {
        self.row_check.unwrap_or(RowChecks::Fingerprint).check()
    }

    fn options(&self, protected: &[String]) -> PostgresSinkOptions {
        let landing = match &self.into_schema {
            Some(schema) => Landing::Schema(schema.clone()),
            None if self.in_place => Landing::InPlace,
            None => Landing::Staged,
        };
        PostgresSinkOptions {
            landing,
            protected: protected.to_vec(),
            globals: self.globals,
            owners: !self.no_owner,
            privileges: !self.no_privileges,
            role: self.role.clone(),
            check: self.row_check(),
            analyze: self.analyze,
            ..PostgresSinkOptions::default()
        }
    }
}

/// Verify a bundle, open it, and restore its content
///
/// Nothing is decrypted before the signature, the trust in its signer, every digest and the place in the chain were
/// checked, and nothing has its final name before everything was restored.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Which bundle.
    #[command(flatten)]
    pub bundle: BundleArgs,
    /// Restore to DIR, files:PATH, sqlite:PATH, postgres:ADDRESS or mysql:ADDRESS; LABEL= in front says which source; nothing may be there yet
    #[arg(long, value_name = "TARGET", required_unless_present = "plan")]
    pub to: Vec<String>,
    /// What it is measured against, and opened with.
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// Verify signatures before anything is decrypted; this is the default
    #[arg(long, conflicts_with = "unsafe_skip_verification")]
    pub verify_sig: bool,
    /// Restore without knowing who made the bundle; digests are still checked, and the audit log keeps a record
    #[arg(long)]
    pub unsafe_skip_verification: bool,
    /// Restore only what matches PATTERN
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,
    /// Show what would be restored, check the targets of --to, and write nothing
    #[arg(long)]
    pub plan: bool,
    /// How PostgreSQL databases are restored.
    #[command(flatten)]
    pub postgres: PostgresArgs,
    /// How MySQL and MariaDB databases are restored.
    #[command(flatten)]
    pub mysql: MysqlArgs,
    /// Check restored SQLite databases; default full
    #[arg(long, value_name = "HOW", value_enum)]
    pub sqlite_check: Option<SqliteCheck>,
    /// Leave restored files to this user, also when root could give them to their owners
    #[arg(long)]
    pub no_same_owner: bool,
    /// Do without extended attributes that the target does not take, and say so
    #[arg(long)]
    pub allow_missing_xattrs: bool,
}

/// Runs the command.
///
/// # Errors
/// When nothing was restored.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(args.measure.layer())?;
    let trust = if args.unsafe_skip_verification {
        setup::trust(&settings)?
    } else {
        setup::pinned_trust(&settings)?
    };
    let store = work::store_for(&args.bundle.bundle, &settings)?;
    let proving = Proving::read(&args.measure, trust, store, &settings, context)?;
    let targets = args
        .to
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<TargetUri>, _>>()
        .map_err(job::error::Error::Uri)?;
    refuse_idle(args, &targets)?;
    let identities = work::identities(&settings, context)?;
    let signers = proving.signers();
    let desk = work::desk(context, &signers);
    let job = Restore {
        store: proving.store(),
        trust: &proving.trust,
        keys: &proving.keys,
        checkpoint: proving.checkpoint.as_ref(),
        unsafe_skip_verification: args.unsafe_skip_verification,
        identities: &identities,
        targets: &targets,
        protected: settings
            .store
            .as_ref()
            .map_or_else(Default::default, |store| slice::from_ref(&store.value)),
        sqlite_check: args.sqlite_check.unwrap_or(SqliteCheck::Full).into(),
        postgres: PostgresRestore {
            surroundings: setup::surroundings(&context.environment),
            options: args.postgres.options(&settings.protected.value),
        },
        mysql: MysqlRestore {
            surroundings: setup::mysql_surroundings(&context.environment),
            options: args.mysql.options(&settings.protected.value, args.postgres.row_check()),
        },
        same_owner: !args.no_same_owner && rustix::process::geteuid().is_root(),
        allow_missing_xattrs: args.allow_missing_xattrs,
        jobs: settings.threads(),
    };
    warn_of_skipping(args, context);
    let found = bundles::find(&(&args.bundle.bundle).into(), job.store, args.bundle.set.as_ref())?;
    let mut selection = Selection::new(&args.only).map_err(job::error::Error::Selection)?;
    if args.plan {
        plan(&job, found, &mut selection, context)
    } else {
        act(&job, found, &mut selection, &desk, context)
    }
}

/// Refuses options for a kind of target that is not among the targets: whoever gives one expects that it holds.
fn refuse_idle(args: &Args, targets: &[TargetUri]) -> Result<(), Error> {
    let has = |fits: fn(&Place) -> bool| targets.is_empty() || targets.iter().any(|target| fits(&target.place));
    let postgres = has(|place| matches!(place, Place::Postgres(_)));
    let mysql = has(|place| matches!(place, Place::Mysql(_)));
    let folder = has(|place| matches!(place, Place::Folder(_) | Place::Files(_)));
    let sqlite = folder || has(|place| matches!(place, Place::Sqlite(_)));
    let options = &args.postgres;
    let for_postgres = "a PostgreSQL target";
    let idle = [
        ("--in-place", options.in_place, postgres, for_postgres),
        ("--into-schema", options.into_schema.is_some(), postgres, for_postgres),
        ("--globals", options.globals, postgres, for_postgres),
        ("--no-owner", options.no_owner, postgres, for_postgres),
        ("--no-privileges", options.no_privileges, postgres, for_postgres),
        ("--role", options.role.is_some(), postgres, for_postgres),
        ("--analyze", options.analyze, postgres, for_postgres),
        (
            "--row-check",
            options.row_check.is_some(),
            postgres || mysql,
            "a database server",
        ),
        (
            "--definer",
            args.mysql.definer.is_some(),
            mysql,
            "a MySQL or MariaDB target",
        ),
        (
            "--sqlite-check",
            args.sqlite_check.is_some(),
            sqlite,
            "a folder or a SQLite database",
        ),
        (
            "--no-same-owner",
            args.no_same_owner,
            sqlite,
            "a folder or a SQLite database",
        ),
        ("--allow-missing-xattrs", args.allow_missing_xattrs, folder, "a folder"),
    ];
    match idle.into_iter().find(|(_, given, fits, _)| *given && !fits) {
        None => Ok(()),
        Some((option, _, _, wanted)) => Err(Error::Usage {
            message: format!("{option} is for {wanted}, and no target is one"),
            hint: format!("Leave {option} out, or restore to {wanted}."),
        }),
    }
}

fn warn_of_skipping(args: &Args, context: &Context) {
    if args.unsafe_skip_verification {
        context
            .printer
            .warn("verification is switched off: whoever could write to this bundle decides what is restored");
    }
}

fn act(
    job: &Restore<'_>,
    found: Found,
    selection: &mut Selection,
    desk: &Desk<'_>,
    context: &Context,
) -> Result<(), CliError> {
    let done = restore::run(
        job,
        found,
        selection,
        desk,
        context.progress().as_ref(),
        &context.cancel()?,
    )?;
    for note in &done.notes {
        context.printer.warn(note);
    }
    let report = Report::new(&done, job.postgres.options.analyze, context.clock.now());
    report.proof.warn(&context.printer);
    context.printer.done("restore", &report, |out| report.write(out))
}

/// What is still to do for a PostgreSQL database, behind its name.
const NO_STATISTICS: &str =
    "has no statistics for the planner yet: vacuumdb --analyze-in-stages gathers them while it is in use";

/// What was restored.
#[derive(Serialize)]
struct Report {
    #[serde(rename = "result")]
    proof: ProofReport,
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
    fn new(done: &Done, analyzed: bool, now: Timestamp) -> Self {
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
            notes: done.notes.clone(),
            targets,
            recorded: done.recorded,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.proof.write(out)?;
        writeln!(
            out,
            "contents   {}, {}, each equal to its digest",
            work::count(self.entries, "entries"),
            work::size(self.bytes)
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
struct PlanReport {
    #[serde(rename = "result")]
    proof: ProofReport,
    entries: Vec<Row>,
    remarks: RemarksReport,
    targets: Vec<String>,
}

fn plan(job: &Restore<'_>, found: Found, selection: &mut Selection, context: &Context) -> Result<(), CliError> {
    let (verified, listing) = restore::plan(job, found, selection, context.progress().as_ref(), &context.cancel()?)?;
    let targets = job.targets.iter().map(ToString::to_string).collect();
    let report = PlanReport {
        proof: ProofReport::new(&verified, context.clock.now()),
        entries: listing.wanted.into_iter().map(Row::new).collect(),
        remarks: RemarksReport::new(&listing.remarks),
        targets,
    };
    report.proof.warn(&context.printer);
    context.printer.show("restore-plan", &report, |out| {
        report.proof.write(out)?;
        report.entries.iter().try_for_each(|row| row.write(out))?;
        report.remarks.write(out)?;
        for target in &report.targets {
            writeln!(out, "would go to {}", visible(target))?;
        }
        let entries = work::count(report.entries.len() as u64, "entries");
        writeln!(out, "nothing was written; {entries} would be")
    })
}

impl From<SqliteCheck> for Check {
    fn from(check: SqliteCheck) -> Self {
        match check {
            SqliteCheck::None => Self::None,
            SqliteCheck::Quick => Self::Quick,
            SqliteCheck::Full => Self::Full,
        }
    }
}
