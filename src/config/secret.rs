//! Secrets from files and commands: private files only, commands without a shell, both bounded, both wiped.

use std::io;
use std::io::Read;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::input;
use crate::base::limits;
use crate::base::secret::SecretBytes;
use crate::base::secret::SecretText;
use crate::config::environment::Environment;

/// How often the end of a command that has closed its output is looked for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Where a passphrase comes from.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// The value itself, which only an environment variable can give.
    Given(SecretText),
    /// A file that holds it.
    File(PathBuf),
    /// A program and its arguments; what it prints is the passphrase.
    Command(Vec<String>),
}

/// Why a secret cannot be had. Never holds one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others than the owner may read the file.
    #[error("{} can be read by others than its owner (mode {mode:o})", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be read.
    #[error("cannot read the secret in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
    /// There is no secret of any form there.
    #[error("{from} {what}")]
    Unfit {
        /// The file or the program.
        from: String,
        /// What is wrong with its content.
        what: &'static str,
    },
    /// The command cannot be run.
    #[error("cannot run {program}, which prints a passphrase")]
    Run {
        /// The program.
        program: String,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
    /// The command failed.
    #[error("{program}, which prints a passphrase, failed: {status}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The command did not end.
    #[error("{program}, which prints a passphrase, did not end within {seconds} seconds")]
    TooSlow {
        /// The program.
        program: String,
        /// The bound.
        seconds: u64,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Readable { .. }
            | Self::Read { .. }
            | Self::Unfit { .. }
            | Self::Run { .. }
            | Self::Failed { .. }
            | Self::TooSlow { .. } => Kind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Readable { path, .. } => Some(format!(
                "Make it private: chmod 600 {}. If others could read it, replace the secret.",
                path.display()
            )),
            Self::Run { program, .. } | Self::Failed { program, .. } | Self::TooSlow { program, .. } => {
                Some(format!("Run {program} by hand as this user and see what it says."))
            }
            Self::Read { source, .. } => input::hint(source)
                .or_else(|| input::missing_hint(source))
                .map(str::to_owned),
            Self::Unfit { from, .. } => Some(format!("Look what {from} gives, or name another.")),
        }
    }
}

impl SecretSource {
    /// The passphrase, without the newline at its end.
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub fn read(&self, environment: &Environment) -> Result<SecretText, Error> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let bytes = read_private(path, limits::PASSPHRASE_BYTES_MAX)?;
                passphrase(bytes.expose(), || path.display().to_string())
            }
            Self::Command(words) => {
                let limit = Duration::from_secs(limits::PASSPHRASE_COMMAND_SECONDS_MAX);
                run(words, environment, limit)
            }
        }
    }
}

/// Reads a file that only its owner may read: a passphrase, a secret key, an identity.
///
/// # Errors
/// `Readable` when others may read it; `Read`; `Unfit` when it is no file or larger than `bytes_max`.
pub fn read_private(path: &Path, bytes_max: usize) -> Result<SecretBytes, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let unfit = |what| Error::Unfit {
        from: path.display().to_string(),
        what,
    };
    let file = input::open(path).map_err(|source| {
        if source.kind() == io::ErrorKind::IsADirectory {
            unfit("is a folder, and must be a file")
        } else {
            failed(source)
        }
    })?;
    // The open file is examined, not its name, which could be another file by now.
    check_private(path, &file.metadata().map_err(failed)?)?;
    let bytes = bounded(file, bytes_max).map_err(failed)?;
    bytes.ok_or_else(|| unfit("is too large for a secret"))
}

/// Refuses a file that others than its owner may read, and folders and devices.
///
/// # Errors
/// `Readable` or `Unfit`.
pub fn check_private(path: &Path, metadata: &std::fs::Metadata) -> Result<(), Error> {
    let kind = metadata.file_type();
    let what = if kind.is_dir() {
        Some("is a folder, and must be a file")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("is a device, and must be a file")
    } else {
        None
    };
    if let Some(what) = what {
        let from = path.display().to_string();
        return Err(Error::Unfit { from, what });
    }
    match metadata.mode() & 0o7777 {
        // A socket that is open already has no name under which others could read it; its mode means nothing.
        _ if kind.is_socket() => Ok(()),
        mode if mode & 0o077 != 0 => Err(Error::Readable {
            path: path.to_owned(),
            mode,
        }),
        _ => Ok(()),
    }
}

/// Everything that `input` gives, if it is not more than `bytes_max`.
///
/// # Errors
/// What reading reports.
pub fn bounded(input: impl Read, bytes_max: usize) -> io::Result<Option<SecretBytes>> {
    // Growing would leave unwiped copies behind.
    let mut bytes = Zeroizing::new(vec![0; bytes_max + 1]);
    let mut filled = 0;
    let mut input = input;
    while filled < bytes.len() {
        match input.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((filled <= bytes_max).then(|| SecretBytes::new(bytes[..filled].to_vec())))
}

/// The text of a passphrase, without the one newline at its end.
fn passphrase(bytes: &[u8], from: impl Fn() -> String) -> Result<SecretText, Error> {
    let unfit = |what| Error::Unfit { from: from(), what };
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| unfit("does not hold a passphrase in UTF-8"))?;
    if text.is_empty() {
        return Err(unfit("is empty, and should give a passphrase"));
    }
    Ok(SecretText::new(text.to_owned()))
}

/// Runs a command directly, without a shell and without our own variables, and takes what it prints. After `limit` it is killed.
fn run(words: &[String], environment: &Environment, limit: Duration) -> Result<SecretText, Error> {
    let until = Instant::now() + limit;
    let program = words.first().cloned().unwrap_or_default();
    let failed = |source| Error::Run {
        program: program.clone(),
        source,
    };
    let mut command = Command::new(&program);
    let _ = command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
    for name in environment.own_names() {
        let _ = command.env_remove(name);
    }
    let too_slow = || Error::TooSlow {
        program: program.clone(),
        seconds: limit.as_secs(),
    };
    let mut running = Running(command.spawn().map_err(failed)?);
    let output = running.output(until).ok_or_else(too_slow)?.map_err(failed)?;
    let output = output.ok_or_else(|| Error::Unfit {
        from: program.clone(),
        what: "prints more than a passphrase",
    })?;
    let status = running.status(until).map_err(failed)?.ok_or_else(too_slow)?;
    if !status.success() {
        return Err(Error::Failed { program, status });
    }
    passphrase(output.expose(), || format!("the output of {program}"))
}

/// A command that is killed, if it still runs, when nobody waits for it any more.
struct Running(Child);

impl Running {
    /// All that it prints; none when that takes too long.
    fn output(&mut self, until: Instant) -> Option<io::Result<Option<SecretBytes>>> {
        let output = self.0.stdout.take().expect("it was made with a pipe");
        let (give, take) = mpsc::sync_channel(1);
        let _reader = thread::spawn(move || {
            // Nobody waits any more when the time is up.
            drop(give.send(bounded(output, limits::PASSPHRASE_BYTES_MAX)));
        });
        take.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
    }

    /// How it ends; none when that takes too long. It may have closed its output long before.
    fn status(&mut self, until: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            let status = self.0.try_wait()?;
            if status.is_some() || Instant::now() >= until {
                return Ok(status);
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended and was waited for is not signalled.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn command(words: &[&str]) -> SecretSource {
        SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn read(source: &SecretSource) -> Result<SecretText, Error> {
        source.read(&Environment::default())
    }

    fn secret_file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        crate::base::durable::write_new(&path, content, 0o600).expect("a new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("own file");
        (folder, path)
    }

    #[test]
    fn one_newline_is_not_part_of_it() {
        for (content, secret) in [("a b\n", "a b"), ("ab\r\n", "ab"), ("ab", "ab"), ("ab\n\n", "ab\n")] {
            let (_folder, path) = secret_file(content.as_bytes(), 0o600);
            assert_eq!(read(&SecretSource::File(path)).expect("private").expose(), secret);
        }
    }

    #[test]
    fn files_that_others_read_are_refused() {
        for mode in [0o640, 0o604, 0o620, 0o601] {
            let (_folder, path) = secret_file(b"needle\n", mode);
            let error = read(&SecretSource::File(path)).expect_err("not private");
            assert!(matches!(error, Error::Readable { .. }), "{error}");
            assert!(error.hint().expect("a hint").contains("chmod 600"));
        }
    }

    #[test]
    fn what_is_no_passphrase_is_refused() {
        let long = vec![b'a'; limits::PASSPHRASE_BYTES_MAX + 1];
        for content in [&b""[..], b"\n", b"\xff\n", &long] {
            let (_folder, path) = secret_file(content, 0o600);
            let error = read(&SecretSource::File(path)).expect_err("no passphrase");
            assert!(matches!(error, Error::Unfit { .. }), "{error}");
        }
        let error = read(&SecretSource::File("/".into())).expect_err("a folder");
        assert!(matches!(error, Error::Unfit { .. }), "{error}");
    }

    #[test]
    fn commands_run_without_a_shell_and_without_our_variables() {
        let secret = read(&command(&["printf", "%s\\n", "$HOME"])).expect("printf is there");
        assert_eq!(secret.expose(), "$HOME");
        let environment = Environment::from([("HUB_BACKUP_PASSPHRASE", "needle")]);
        let printed = command(&["sh", "-c", "echo ${HUB_BACKUP_PASSPHRASE-none}"]).read(&environment);
        assert_eq!(printed.expect("sh is there").expose(), "none");
    }

    #[test]
    fn commands_that_do_not_end_are_killed() {
        for script in ["exec sleep 60", "echo needle; exec >&-; exec sleep 60"] {
            let words = ["sh", "-c", script].map(str::to_owned);
            let begun = Instant::now();
            let error = run(&words, &Environment::default(), Duration::from_secs(1)).expect_err(script);
            assert!(matches!(error, Error::TooSlow { seconds: 1, .. }), "{script}: {error}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{script}");
        }
    }

    #[test]
    fn commands_that_fail_give_nothing() {
        let error = read(&command(&["sh", "-c", "echo needle; exit 3"])).expect_err("it failed");
        assert!(matches!(error, Error::Failed { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("needle"));
        let error = read(&command(&["/nonexistent/program"])).expect_err("not there");
        assert!(matches!(error, Error::Run { .. }), "{error}");
        let error = read(&command(&["yes"])).expect_err("without end");
        assert!(matches!(error, Error::Unfit { .. }), "{error}");
    }
}
