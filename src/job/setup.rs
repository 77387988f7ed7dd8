//! Settings to values: the store is opened, keys are read, sources are made.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use sequoia_openpgp::Cert;

use crate::audit::Actor;
use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::secret::SecretText;
use crate::bundle::name::Label;
use crate::bundle::suite::Suite;
use crate::catalog::repository;
use crate::config::Recipients;
use crate::config::SetSettings;
use crate::config::Settings;
use crate::config::environment::Environment;
use crate::config::origin::Setting;
use crate::config::secret;
use crate::config::secret::SecretSource;
use crate::encrypt::slots;
use crate::keyring;
use crate::keyring::Identity;
use crate::keyring::Recipient;
use crate::keyring::identities;
use crate::keyring::identities::read_identity;
use crate::keyring::openpgp;
use crate::keyring::recipients::read_recipients;
use crate::keyring::trust::TrustStore;
use crate::keyring::unlock::is_locked;
use crate::policy::crypto::KeyPolicy;
use crate::seal::Signer;
use crate::seal::SoftwareSigner;
use crate::server::mysql;
use crate::server::postgres;
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
use crate::store::Store;
use crate::store::local::LocalStore;

use super::error::Error;
use super::reading;
use super::reading::read_public;
use super::reading::read_secret;

/// How files with public certificates end.
const PUBLIC_EXTENSIONS: [&str; 3] = ["asc", "pgp", "gpg"];

/// Asks somebody for the passphrase of a locked key file.
pub type Ask<'a> = &'a dyn Fn(&Path) -> Result<SecretText, Box<dyn Fault + Send + Sync>>;

/// Opens the store of the settings.
///
/// # Errors
/// When none is named or it is not there.
pub fn store(settings: &Settings) -> Result<LocalStore, Error> {
    let path = settings.store.as_ref().ok_or(Error::NoStore)?;
    Ok(LocalStore::open(path.value.clone())?)
}

/// As [`store`], for work that writes to it or makes statements about it as a whole. A folder that does not say that it is a store may be
/// the place where its disk is not mounted: a backup there would be lost, and begin a chain of its own.
///
/// # Errors
/// As [`store`], and `NotAStore`.
pub fn whole_store(settings: &Settings) -> Result<LocalStore, Error> {
    let store = store(settings)?;
    check_store(&store)?;
    Ok(store)
}

/// Refuses a folder that does not say that it is a store; for work that has found nothing in it.
///
/// # Errors
/// `NotAStore`, and what the store reports.
pub fn check_store(store: &dyn Store) -> Result<(), Error> {
    match repository::read(store)? {
        Some(_) => Ok(()),
        None => Err(Error::NotAStore {
            store: store.describe(),
        }),
    }
}

/// The certificates that are trusted, and those that may have signed.
///
/// # Errors
/// When a named file is not there or holds no certificate.
pub fn trust(settings: &Settings) -> Result<TrustStore, Error> {
    let mut pinned = Vec::new();
    for path in &settings.keys.roots.value {
        pinned.extend(certificates(path)?);
    }
    let mut known = Vec::new();
    for path in &settings.keys.certificates.value {
        for file in key_files(path)? {
            known.extend(certificates(&file)?);
        }
    }
    Ok(TrustStore { pinned, known })
}

/// As [`trust`], for work that is of no use without a pinned certificate.
///
/// # Errors
/// As [`trust`], and when no certificate is pinned.
pub fn pinned_trust(settings: &Settings) -> Result<TrustStore, Error> {
    let trust = trust(settings)?;
    if trust.pinned.is_empty() {
        return Err(Error::Missing {
            what: "no root certificate is pinned, so no signature can be trusted".into(),
            hint: "Give --root FILE, or write [keys] roots in hub-backup.toml.".into(),
        });
    }
    Ok(trust)
}

/// As [`trust`], with the signers themselves pinned: what they made before may be taken up again after a crash. Where a root is pinned, each
/// must be trusted by its word: a bundle that nobody can verify, and that no other signer can follow, is not made.
///
/// # Errors
/// As [`trust`], and `Signer`.
pub fn trust_of_signers(settings: &Settings, signers: &[&dyn Signer], now: Timestamp) -> Result<TrustStore, Error> {
    let mut trust = trust(settings)?;
    if !trust.pinned.is_empty() {
        for signer in signers {
            let _word = trust.judge(signer.certificate(), now).map_err(|source| Error::Signer {
                fingerprint: signer.certificate().fingerprint().to_hex(),
                source,
            })?;
        }
    }
    trust
        .pinned
        .extend(signers.iter().map(|signer| signer.certificate().clone()));
    Ok(trust)
}

/// A file, or the files with public certificates of a folder, in order.
///
/// # Errors
/// When there is no such file or folder.
pub fn key_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::OpenFile {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| PUBLIC_EXTENSIONS.contains(&extension)) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The certificates in a file.
pub(super) fn certificates(path: &Path) -> Result<Vec<Cert>, Error> {
    openpgp::read_certificates(&read_public(path)?).map_err(|source| bad_key(path, source))
}

fn bad_key(path: &Path, source: keyring::Error) -> Error {
    let path = path.to_owned();
    Error::KeyFile { path, source }
}

/// Reads a file with a secret key, to do `work`. One that is public is said to be, before anybody asks who may read it.
pub(super) fn read_secret_key(path: &Path, work: &'static str) -> Result<crate::base::secret::SecretBytes, Error> {
    let read = read_secret(path);
    let public = match &read {
        Ok(bytes) => reading::public_content(bytes.expose()),
        Err(Error::Secret(secret::Error::Readable { .. })) => reading::read_wiped(path)
            .ok()
            .and_then(|bytes| reading::public_content(bytes.expose())),
        Err(_) => None,
    };
    match public {
        None => read,
        Some(what) => Err(Error::Public {
            path: path.to_owned(),
            what,
            work,
        }),
    }
}

/// Unlocks the signing keys. `ask` is called with the name of a locked key when the settings hold no passphrase.
///
/// # Errors
/// When one cannot be read, unlocked or used.
pub fn signers(
    settings: &Settings,
    environment: &Environment,
    now: Timestamp,
    ask: Ask<'_>,
) -> Result<Vec<SoftwareSigner>, Error> {
    let given = read_passphrase(settings.keys.signer_passphrase.as_ref(), environment)?;
    let mut signers = Vec::new();
    for path in &settings.keys.signers.value {
        let bytes = read_secret_key(path, "signing")?;
        let key = openpgp::read_secret(bytes.expose()).map_err(|source| bad_key(path, source))?;
        let passphrase = if given.is_none() && is_locked(&key) {
            Some(ask(path).map_err(Error::Ask)?)
        } else {
            given.clone()
        };
        signers.push(SoftwareSigner::new(key, passphrase, now)?);
    }
    Ok(signers)
}

fn read_passphrase(
    source: Option<&Setting<SecretSource>>,
    environment: &Environment,
) -> Result<Option<SecretText>, Error> {
    Ok(source.map(|setting| setting.value.read(environment)).transpose()?)
}

/// Everyone who shall be able to open a bundle.
///
/// # Errors
/// When one cannot be read, or there is none.
pub fn recipients(named: &Recipients, environment: &Environment) -> Result<Vec<Recipient>, Error> {
    let mut recipients = Vec::new();
    for path in &named.openpgp.value {
        let bytes = read_public(path)?;
        if identities::holds_secret(&bytes) {
            return Err(Error::Unfit {
                what: format!(
                    "{} holds a secret key: who makes backups needs only certificates",
                    path.display()
                ),
                hint:
                    "Name the public certificate, or the recipient age1…, and take the secret key away from this host."
                        .into(),
            });
        }
        recipients.extend(read_recipients(&bytes).map_err(|source| bad_key(path, source))?);
    }
    recipients.extend(named.age.value.iter().cloned().map(Recipient::Age));
    recipients.extend(read_passphrase(named.passphrase.as_ref(), environment)?.map(Recipient::Passphrase));
    if recipients.is_empty() {
        return Err(Error::Missing {
            what: "nobody is named who could open the bundle".into(),
            hint: "Give --recipient FILE or age1…, or write [recipients] in hub-backup.toml.".into(),
        });
    }
    Ok(recipients)
}

/// Secret keys that may open bundles. `ask` as for [`signers`]; whom plugins of age can ask is for the caller to add.
///
/// # Errors
/// When one cannot be read.
pub fn identities(settings: &Settings, environment: &Environment, ask: Ask<'_>) -> Result<Vec<Identity>, Error> {
    let given = read_passphrase(settings.keys.identity_passphrase.as_ref(), environment)?;
    let mut identities = Vec::new();
    for path in &settings.keys.identities.value {
        let bytes = read_secret_key(path, "opening bundles")?;
        let mut identity = read_identity(bytes.expose(), given.clone()).map_err(|source| bad_key(path, source))?;
        if let Identity::OpenPgp {
            key,
            passphrase: passphrase @ None,
        } = &mut identity
            && is_locked(key)
        {
            *passphrase = Some(ask(path).map_err(Error::Ask)?);
        }
        identities.push(identity);
    }
    identities.extend(read_passphrase(settings.recipients.passphrase.as_ref(), environment)?.map(Identity::Passphrase));
    if identities.is_empty() {
        return Err(Error::Missing {
            what: "no secret key was given that could open the bundle".into(),
            hint: "Give --identity FILE or --passphrase-file FILE.".into(),
        });
    }
    Ok(identities)
}

/// The suite to write with at `at`.
///
/// # Errors
/// When `auto` finds none that all recipients can open.
pub fn suite(set: &SetSettings, recipients: &[Recipient], at: Timestamp) -> Result<Suite, Error> {
    match set.suite.value.fixed() {
        Some(suite) => Ok(suite),
        None => Ok(slots::choose(recipients, at)?),
    }
}

/// The rules for keys.
#[must_use]
pub fn key_policy(settings: &Settings) -> KeyPolicy {
    let policy = &settings.policy;
    let count = |least: u32| usize::try_from(least).unwrap_or(usize::MAX);
    KeyPolicy {
        recipients_min: count(policy.recipients_min.value),
        signers_min: count(policy.signers_min.value),
        rsa_bits_min: policy.rsa_bits_min.value,
        passphrase_allowed: policy.passphrase_allowed.value,
        recipients_required: policy.recipients_required.value.clone(),
    }
}

/// Makes the sources of a set, for a backup to the folder `store`. Databases are read on as many connections as there are `jobs`.
///
/// # Errors
/// When a URI, a pattern or a command is wrong, or two sources have one label.
pub fn sources(
    set: &SetSettings,
    store: Option<&Path>,
    environment: &Environment,
    clock: &std::sync::Arc<dyn Clock>,
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
                Box::new(SqliteSource::new(label, resolve(&path), options).timed_by(std::sync::Arc::clone(clock)))
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
                    surroundings: surroundings(environment),
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
    let mut server = mysql::options::Options::resolve(written, &mysql_surroundings(environment), &DUMP_GROUPS)
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

/// What the environment says of MySQL and MariaDB servers.
#[must_use]
pub fn mysql_surroundings(environment: &Environment) -> mysql::options::Surroundings {
    let text = |name: &str| environment.get(name).map(|value| value.to_string_lossy().into_owned());
    mysql::options::Surroundings {
        host: text("MYSQL_HOST"),
        port: text("MYSQL_TCP_PORT"),
        socket: text("MYSQL_UNIX_PORT"),
        password: text("MYSQL_PWD").map(SecretText::new),
        user: text("USER").or_else(|| text("LOGNAME")),
        home: environment.get("HOME").map(PathBuf::from),
    }
}

fn bad(error: &dyn Fault) -> Error {
    let (mut what, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        what = format!("{what}: {error}");
        cause = error.source();
    }
    Error::Unfit {
        what,
        hint: error.hint().unwrap_or_else(|| "See `hub-backup backup --help`.".into()),
    }
}

/// What connections to PostgreSQL depend on beside their text.
#[must_use]
pub fn surroundings(environment: &Environment) -> postgres::Surroundings {
    let uid = rustix::process::geteuid().as_raw();
    let fallback = environment.get("USER").and_then(OsStr::to_str);
    postgres::Surroundings::new(environment.all(), &postgres::user_name(uid, fallback))
}

/// The variables that commands may see.
fn kept(environment: &Environment, extra: &[String]) -> Vec<(OsString, OsString)> {
    environment
        .all()
        .filter(|(name, _)| command::keep(name, extra))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Who works here, for the audit log: as the system knows it, for a variable says whatever its writer likes.
#[must_use]
pub fn actor() -> Actor {
    let uid = rustix::process::getuid().as_raw();
    let user = postgres::user_name(uid, Some(&format!("uid {uid}")));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Actor {
        user,
        host,
        tool: concat!("hub-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}
