//! `pg_dump`: the one that fits the server, run with nothing but what it needs.
//!
//! Its password comes from a file in memory that only its standard input names, so that it stands in no argument, no variable and on no disk.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs::File;
use std::fs::Permissions;
use std::io;
use std::io::Read;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::fs::memfd_create;

use crate::base::cancel::Cancel;
use crate::base::cancel::Interrupted;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::server::postgres::Conninfo;
use crate::server::postgres::endpoint::Endpoint;
use crate::server::postgres::session::version_text;
use crate::source::command::child::Bounds;
use crate::source::command::child::Failure;
use crate::source::command::child::Output;

/// What `pg_dump` reads as its password file.
const PASSWORD_FILE: &str = "/proc/self/fd/0";

/// Folders with one folder for each version in them, and what follows the version.
const VERSIONED: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
];

/// Where programs are when the environment has no `PATH`.
const PATH_WITHOUT_ENVIRONMENT: &str = "/usr/local/bin:/usr/bin:/bin";

/// Why the structure could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No program of a fitting version.
    #[error("the server is PostgreSQL {server}, and there is no pg_dump of version {major} or newer; found: {found}")]
    NotFound { server: String, major: u32, found: String },
    /// The program that was named does not fit.
    #[error("{} is not a pg_dump of version {major} or newer: {what}", path.display())]
    Unfit { path: PathBuf, major: u32, what: String },
    /// It could not be started.
    #[error("cannot run {}: {reason}", path.display())]
    Start { path: PathBuf, reason: String },
    /// It failed.
    #[error("{program} failed: {reason}{said}")]
    Failed {
        program: String,
        reason: String,
        said: String,
    },
    /// The work was told to stop.
    #[error(transparent)]
    Interrupted(Interrupted),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } | Self::Unfit { .. } => Kind::SourceUnsupported,
            Self::Start { .. } | Self::Failed { .. } | Self::Interrupted(_) => Kind::Incomplete,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { major, .. } | Self::Unfit { major, .. } => Some(format!(
                "Install postgresql-client-{major} or newer (Debian), postgresql{major} (RPM), or name the program: ?pg_dump=/path/to/pg_dump."
            )),
            Self::Start { path, .. } => Some(format!("Look at it: {} --version", path.display())),
            Self::Failed { said, .. } if said.contains("lock") => {
                Some("Another session changes a table or waits to: run the backup when that is over.".into())
            }
            Self::Failed { .. } => Some("Look into the log of the server, and correct what it complains of.".into()),
            Self::Interrupted(_) => None,
        }
    }
}

/// A `pg_dump` that fits.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    major: u32,
    environment: Vec<(OsString, OsString)>,
    /// `15.18`.
    pub(super) version: String,
}

/// One half of the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    PreData,
    PostData,
}

/// Finds the oldest `pg_dump` that is not older than the server: what it writes, the same server can read again.
pub(super) fn find(named: Option<&str>, environment: &[(OsString, OsString)], server: u32) -> Result<Program, Error> {
    let major = server / 10_000;
    let of = |path: PathBuf, (found, version)| Program {
        path,
        major: found,
        environment: environment.to_vec(),
        version,
    };
    if let Some(named) = named {
        let path = PathBuf::from(named);
        return match version(&path) {
            Ok(known) if known.0 >= major => Ok(of(path, known)),
            Ok((_, version)) => Err(Error::Unfit {
                path,
                major,
                what: format!("it is version {version}"),
            }),
            Err(what) => Err(Error::Unfit { path, major, what }),
        };
    }
    let mut seen = Vec::new();
    let mut best: Option<(PathBuf, (u32, String))> = None;
    for path in candidates(environment) {
        let Ok(known) = version(&path) else { continue };
        seen.push(format!("{} ({})", path.display(), known.1));
        if known.0 >= major && best.as_ref().is_none_or(|(_, best)| known.0 < best.0) {
            best = Some((path, known));
        }
    }
    match best {
        Some((path, known)) => Ok(of(path, known)),
        None => Err(Error::NotFound {
            server: version_text(server),
            major,
            found: if seen.is_empty() {
                "none".into()
            } else {
                seen.join(", ")
            },
        }),
    }
}

/// Every file that could be one: in `PATH`, then where distributions put them.
fn candidates(environment: &[(OsString, OsString)]) -> Vec<PathBuf> {
    let path = environment.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or(OsStr::new(PATH_WITHOUT_ENVIRONMENT), |(_, value)| value);
    let mut folders: Vec<PathBuf> = std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .collect();
    for (root, prefix, rest) in VERSIONED {
        let Ok(entries) = std::fs::read_dir(root) else { continue };
        let named = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(prefix));
        let entries = entries.filter_map(Result::ok).filter(|entry| named(&entry.file_name()));
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path().join(rest)).collect();
        found.sort();
        folders.append(&mut found);
    }
    folders.push("/usr/local/pgsql/bin".into());
    let files = folders.into_iter().map(|folder| folder.join("pg_dump"));
    files.filter(|file| file.is_file() && !is_wrapper(file)).collect()
}

/// Debian's `/usr/bin/pg_dump` chooses a version by the clusters of this machine: not by the server that is meant.
fn is_wrapper(file: &Path) -> bool {
    file.canonicalize().is_ok_and(|real| real.ends_with("pg_wrapper"))
}

/// The major version, and the version in words.
fn version(path: &Path) -> Result<(u32, String), String> {
    let output = Command::new(path)
        .arg("--version")
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text
        .strip_prefix("pg_dump (PostgreSQL) ")
        .ok_or("it does not say its version as pg_dump does")?;
    let version = version.split_whitespace().next().unwrap_or_default();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    let major = digits.parse().map_err(|_| format!("its version is {version:?}"))?;
    Ok((major, version.to_owned()))
}

impl Program {
    /// Starts to read one half of the structure, as the snapshot shows it.
    pub(super) fn start<'a>(
        &self,
        conninfo: &Conninfo,
        endpoint: &Endpoint,
        section: Section,
        snapshot: &str,
        arguments: &[String],
        cancel: &'a Cancel,
    ) -> Result<Dump<'a>, Error> {
        let section = match section {
            Section::PreData => "--section=pre-data",
            Section::PostData => "--section=post-data",
        };
        let mut command = Command::new(&self.path);
        command.args(["--schema-only", "--no-password", "--encoding=UTF8", section]);
        command.arg(format!("--snapshot={snapshot}"));
        command.arg(format!("--lock-wait-timeout={}", limits::DATABASE_LOCK_SECONDS * 1000));
        if self.major >= 18 {
            command.arg("--no-statistics");
        }
        command.args(arguments);
        self.run("pg_dump", command, conninfo, endpoint, cancel)
    }

    /// Starts to read roles and tablespaces.
    pub(super) fn start_globals<'a>(
        &self,
        conninfo: &Conninfo,
        endpoint: &Endpoint,
        cancel: &'a Cancel,
    ) -> Result<Dump<'a>, Error> {
        let mut command = Command::new(self.path.with_file_name("pg_dumpall"));
        command.args([
            "--globals-only",
            "--no-role-passwords",
            "--no-password",
            "--encoding=UTF8",
        ]);
        command.arg(format!("--database={}", conninfo.database));
        command.arg(format!("--lock-wait-timeout={}", limits::DATABASE_LOCK_SECONDS * 1000));
        self.run("pg_dumpall", command, conninfo, endpoint, cancel)
    }

    fn run<'a>(
        &self,
        name: &'static str,
        mut command: Command,
        conninfo: &Conninfo,
        endpoint: &Endpoint,
        cancel: &'a Cancel,
    ) -> Result<Dump<'a>, Error> {
        let start = |error: &dyn std::fmt::Display| Error::Start {
            path: self.path.with_file_name(name),
            reason: error.to_string(),
        };
        let kept = self
            .environment
            .iter()
            .filter(|(name, _)| name == "PATH" || name == "HOME");
        command
            .env_clear()
            .envs(kept.map(|(name, value)| (name, value)))
            .env("LC_ALL", "C");
        command.envs(conninfo.environment(endpoint));
        let input = match conninfo.password_line(endpoint) {
            Some(line) => {
                command.env("PGPASSFILE", PASSWORD_FILE);
                Stdio::from(in_memory(line.as_bytes()).map_err(|error| start(&error))?)
            }
            None => Stdio::null(),
        };
        let bounds = Bounds {
            timeout: None,
            linger: Duration::from_secs(limits::COMMAND_LINGER_SECONDS),
            allow_empty: false,
        };
        let output = Output::start_with(command, input, bounds, cancel).map_err(|error| start(&error))?;
        Ok(Dump { name, output })
    }
}

/// A file that has no name: gone with whoever holds it open.
fn in_memory(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("hub-backup", MemfdFlags::CLOEXEC)?);
    // libpq does not read a password file that others may read.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    Ok(file)
}

/// A running `pg_dump`, as a reader of its output.
pub(super) struct Dump<'a> {
    name: &'static str,
    output: Output<'a>,
}

impl Dump<'_> {
    /// Why reading failed, once it has.
    pub(super) fn failure(&mut self) -> Option<Error> {
        let failure = self.output.failure.take()?;
        if let Failure::Interrupted(interrupted) = failure {
            return Some(Error::Interrupted(interrupted));
        }
        let said = self.said();
        Some(Error::Failed {
            program: self.name.to_owned(),
            reason: failure.to_string(),
            said: if said.is_empty() {
                said
            } else {
                format!("; it said: {said}")
            },
        })
    }

    /// What it wrote to standard error.
    pub(super) fn said(&self) -> String {
        self.output.said.text()
    }
}

impl Read for Dump<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer)
    }
}
