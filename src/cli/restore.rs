//! `restore`: verify a bundle, open it, and put its content where it is wanted.

mod report;
pub mod servers;

use std::slice;

use clap::ValueEnum;

use crate::cli::args::BundleArgs;
use crate::cli::args::MeasureArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::work;
use crate::cli::work::Proving;
use crate::job;
use crate::job::Desk;
use crate::job::bundles;
use crate::job::bundles::Found;
use crate::job::mysql_target::MysqlRestore;
use crate::job::named_keys;
use crate::job::postgres_target::PostgresRestore;
use crate::job::restore;
use crate::job::restore::Restore;
use crate::job::surroundings;
use crate::policy::selection::Selection;
use crate::sink::sqlite::check::Check;
use crate::sink::uri::Place;
use crate::sink::uri::TargetUri;

use report::NextSteps;
use report::PlanReport;
use report::Report;
use servers::MysqlArgs;
use servers::PostgresArgs;
use servers::ServerArgs;

const EXAMPLES: [Example; 4] = [
    Example {
        says: "Restore the newest bundle of the set `hub` into a new folder",
        line: "hub-backup restore latest --set hub --identity operations.key --verify-sig --to /restore/hub",
    },
    Example {
        says: "See what would be restored, and where, and write nothing",
        line: "hub-backup restore latest --set hub --identity operations.key --to /restore/hub --plan",
    },
    Example {
        says: "Restore a bundle that was carried here, with nothing but its file and two keys",
        line: "hub-backup restore hub.hub.tar --root root.asc --certificate signer.asc \\\n  \
               --identity operations.key --to /restore/hub",
    },
    Example {
        says: "Restore one database and one folder of it, each to its own place",
        line: "hub-backup restore latest --identity operations.key --only 'hub.db' --only 'uploads/2026/**' \\\n  \
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

/// Verify a bundle, open it, and restore its content
///
/// Nothing is decrypted before the signature, the trust in its signer, every digest and the place in the chain were
/// checked, and nothing has its final name before everything was restored.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
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
    /// How databases of any server are restored.
    #[command(flatten)]
    pub servers: ServerArgs,
    /// How files and SQLite databases are restored.
    #[command(flatten)]
    pub files: FileArgs,
}

/// How files and SQLite databases are restored.
#[derive(clap::Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Options of folders and SQLite databases")]
pub struct FileArgs {
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
        named_keys::trust(&settings)?
    } else {
        named_keys::pinned_trust(&settings)?
    };
    let choice = work::named(&args.bundle.bundle, args.bundle.set.as_ref(), &settings)?;
    let store = work::store_for(&choice, &settings)?;
    let proving = Proving::read(&args.measure, trust, store, &settings, context)?;
    let targets = targets(args)?;
    refuse_idle(args, &targets)?;
    let found = bundles::find(&choice, proving.store(), args.bundle.set.as_ref())?;
    let identities = work::identities(&settings, context)?;
    if !args.plan {
        proving.warn_unsigned(
            "the record of this restore in the audit log is not signed",
            context.printer,
        );
    }
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
        sqlite_check: args.files.sqlite_check.unwrap_or(SqliteCheck::Full).into(),
        postgres: PostgresRestore {
            surroundings: surroundings::postgres(&context.environment),
            options: args
                .postgres
                .options(&settings.protected.value, args.servers.row_check()),
        },
        mysql: MysqlRestore {
            surroundings: surroundings::mysql(&context.environment),
            options: args.mysql.options(&settings.protected.value, args.servers.row_check()),
        },
        same_owner: !args.files.no_same_owner && rustix::process::geteuid().is_root(),
        allow_missing_xattrs: args.files.allow_missing_xattrs,
        jobs: settings.threads(),
    };
    warn_of_skipping(args, context);
    let mut selection = Selection::new(&args.only).map_err(job::error::Error::Selection)?;
    let name = found.name.clone();
    let done = if args.plan {
        plan(&job, found, &mut selection, &desk, context)
    } else {
        act(&job, found, &mut selection, &desk, context)
    };
    done.map_err(|error| error.about(name))
}

fn targets(args: &Args) -> Result<Vec<TargetUri>, job::error::Error> {
    let targets = args.to.iter().map(|text| text.parse());
    targets.collect::<Result<_, _>>().map_err(job::error::Error::TargetUri)
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
            args.servers.row_check.is_some(),
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
            args.files.sqlite_check.is_some(),
            sqlite,
            "a folder or a SQLite database",
        ),
        (
            "--no-same-owner",
            args.files.no_same_owner,
            sqlite,
            "a folder or a SQLite database",
        ),
        (
            "--allow-missing-xattrs",
            args.files.allow_missing_xattrs,
            folder,
            "a folder",
        ),
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
    let steps = NextSteps {
        analyzed: job.postgres.options.analyze,
        whole: selection.is_all(),
    };
    let report = Report::new(&done, steps, context.clock.now());
    report.proof.warn(&context.printer);
    context.printer.done("restore", &report, |out| report.write(out))
}

fn plan(
    job: &Restore<'_>,
    found: Found,
    selection: &mut Selection,
    desk: &Desk<'_>,
    context: &Context,
) -> Result<(), CliError> {
    let planned = restore::plan(
        job,
        found,
        selection,
        desk,
        context.progress().as_ref(),
        &context.cancel()?,
    )?;
    let report = PlanReport::new(planned, context.clock.now());
    report.proof.warn(&context.printer);
    context.printer.show("restore-plan", &report, |out| report.write(out))
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
