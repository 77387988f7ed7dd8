//! The sources of a set, made from what the settings say.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::fault;
use crate::base::fault::Fault;
use crate::bundle::name::Label;
use crate::config::SetSettings;
use crate::config::environment::Environment;
use crate::server::mysql;
use crate::source::Source;
use crate::source::command;
use crate::source::command::CommandOptions;
use crate::source::command::CommandSource;
use crate::source::config::ConfigOptions;
use crate::source::config::ConfigSource;
use crate::source::config::SecretRule;
use crate::source::files::FilesOptions;
use crate::source::files::FilesSource;
use crate::source::mysql::MysqlOptions;
use crate::source::mysql::MysqlSource;
use crate::source::mysql::Selection;
use crate::source::postgres::PostgresOptions;
use crate::source::postgres::PostgresSource;
use crate::source::sqlite::SqliteOptions;
use crate::source::sqlite::SqliteSource;
use crate::source::uri;
use crate::source::uri::SourceUri;
use crate::source::uri::What;

use super::error::Error;
use super::surroundings;

/// Makes the sources of a set, for a backup to the folder `store`. Databases are read on as many connections as there are `jobs`.
///
/// # Errors
/// When a URI, a pattern or a command is wrong, or two sources have one label.
pub fn make(
    set: &SetSettings,
    store: Option<&Path>,
    environment: &Environment,
    clock: &Arc<dyn Clock>,
    jobs: usize,
) -> Result<Vec<Box<dyn Source>>, Error> {
    let uris = set
        .sources
        .value
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<SourceUri>, _>>()?;
    let labels = uri::assign_labels(&uris)?;
    let resolve = |path: &Path| set.sources.origin.resolve(path);
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for (uri, label) in uris.into_iter().zip(labels) {
        sources.push(match uri.what {
            What::Sqlite(path) => {
                let options = SqliteOptions {
                    check: set.check_sources.value,
                    ..SqliteOptions::default()
                };
                Box::new(SqliteSource::new(label, resolve(&path), options).timed_by(Arc::clone(clock)))
            }
            What::Mysql(written) => Box::new(mysql_source(label, &written, jobs, environment)?),
            What::Files(path) => {
                let options = FilesOptions {
                    store: store.map(Path::to_owned),
                    exclude: set.exclude.value.clone(),
                    allow_changed: set.allow_changed.value,
                    one_file_system: set.one_file_system.value,
                };
                Box::new(FilesSource::new(label, resolve(&path), options).map_err(|error| bad(&error))?)
            }
            What::Config(path) => {
                let secrets = if set.redact_secrets.value {
                    SecretRule::Redact
                } else {
                    SecretRule::Refuse
                };
                let options = ConfigOptions {
                    secrets,
                    exclude: set.exclude.value.clone(),
                    accept: set.accept_findings.value.clone(),
                };
                Box::new(ConfigSource::new(label, resolve(&path), options).map_err(|error| bad(&error))?)
            }
            What::Postgres(parameters) => {
                let options = PostgresOptions {
                    connections: jobs,
                    surroundings: surroundings::postgres(environment),
                    environment: kept(environment, &[]),
                };
                Box::new(PostgresSource::new(label, parameters, options))
            }
            What::Command { command, .. } => {
                let options = command_options(set, environment);
                Box::new(CommandSource::new(label, command, options).map_err(|error| bad(&error))?)
            }
        });
    }
    Ok(sources)
}

fn command_options(set: &SetSettings, environment: &Environment) -> CommandOptions {
    let timeout = set.command_timeout.as_ref();
    CommandOptions {
        environment: kept(environment, &set.command_env.value),
        timeout: timeout.map(|most| Duration::from_secs(most.value.into())),
        workdir: set.sources.origin.folder().map(Path::to_owned),
        allow_empty: set.allow_empty.value,
    }
}

/// The groups of option files that a dump reads, beside those of every client.
const DUMP_GROUPS: [&str; 2] = ["mysqldump", "mariadb-dump"];

fn mysql_source(
    label: Label,
    written: &mysql::parameters::Parameters,
    jobs: usize,
    environment: &Environment,
) -> Result<MysqlSource, Error> {
    let mut server = mysql::options::Options::resolve(written, &surroundings::mysql(environment), &DUMP_GROUPS)
        .map_err(|error| bad(&error))?;
    let options = MysqlOptions {
        selection: Selection::of(written, server.database.as_deref()),
        jobs,
        lock_tables: written.is_on("lock-tables"),
        ..MysqlOptions::default()
    };
    // What is dumped is asked for by name; a session that begins nowhere in particular says better what is missing.
    server.database = None;
    Ok(MysqlSource::new(label, server, options))
}

fn bad(error: &dyn Fault) -> Error {
    Error::Unfit {
        what: fault::chain(error),
        hint: error.hint().unwrap_or_else(|| "See `hub-backup backup --help`.".into()),
    }
}

/// The variables that commands may see.
fn kept(environment: &Environment, extra: &[String]) -> Vec<(OsString, OsString)> {
    environment
        .all()
        .filter(|(name, _)| command::keep(name, extra))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
