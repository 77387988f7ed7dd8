//! The output of a program as a source: `hub-cli export-manifests`, a dump program, anything that writes to standard output.
//!
//! The program is run directly, without a shell, in a process group of its own and with nothing but the environment that
//! it is given. Its output is a backup only if it ends with exit code 0 after having written something.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::fs::Access;
use rustix::fs::access;

use self::child::Bounds;
use self::child::Failure;
use self::child::Output;
pub use self::words::BadCommand;
pub use self::words::split;
use super::Error;
use super::Learnt;
use super::Source;
use crate::base::cancel::Cancel;
use crate::base::limits;
use crate::bundle::entry::CollectError;
use crate::bundle::entry::Collector;
use crate::bundle::kind::SourceKind;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;

pub(in crate::source) mod child;
mod tail;
mod words;

/// The name of the one stream of the source, below its label.
pub const OUTPUT: &str = "output";

/// Where programs are looked for when the environment has no `PATH`.
const PATH_WITHOUT_ENVIRONMENT: &str = "/usr/local/bin:/usr/bin:/bin";

/// Permission bits of the restored output: a dump is for its owner alone.
const MODE: u32 = 0o600;

/// Variables that a program gets without being asked for: where things are, who runs it, and its language.
const KEPT: [&str; 7] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"];
const KEPT_PREFIXES: [&str; 2] = ["LC_", "XDG_"];

/// Whether a command gets the variable `name`: one of the few that every program needs, or one of `extra`.
#[must_use]
pub fn keep(name: &OsStr, extra: &[String]) -> bool {
    KEPT.iter().any(|kept| name == *kept)
        || KEPT_PREFIXES
            .iter()
            .any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()))
        || extra.iter().any(|kept| name == kept.as_str())
}

/// How a command is run.
#[derive(Clone, Default)]
pub struct CommandOptions {
    /// The whole environment of the program, chosen by the rule of [`keep`].
    pub environment: Vec<(OsString, OsString)>,
    /// Most time from start to end; none by default.
    pub timeout: Option<Duration>,
    /// The folder in which it is started; that of this program by default.
    pub workdir: Option<PathBuf>,
    /// Whether no output at all is success.
    pub allow_empty: bool,
}

impl fmt::Debug for CommandOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of variables may be secrets.
        let names: Vec<&OsString> = self.environment.iter().map(|(name, _)| name).collect();
        out.debug_struct("CommandOptions")
            .field("environment", &names)
            .field("timeout", &self.timeout)
            .field("workdir", &self.workdir)
            .field("allow_empty", &self.allow_empty)
            .finish()
    }
}

/// A program whose standard output is backed up.
#[derive(Debug)]
pub struct CommandSource {
    label: Label,
    command: String,
    words: Vec<String>,
    options: CommandOptions,
}

impl CommandSource {
    /// A source that runs `command`, which is split into words as a shell does. Nothing is run yet.
    ///
    /// # Errors
    /// See [`BadCommand`].
    pub fn new(label: Label, command: String, options: CommandOptions) -> Result<Self, BadCommand> {
        Ok(Self {
            words: split(&command)?,
            label,
            command,
            options,
        })
    }

    fn program(&self) -> &str {
        self.words.first().expect("split gives at least one word")
    }

    /// The file of the program, found as `execvp` does but never in a folder relative to the present one.
    fn find(&self) -> Result<PathBuf, Error> {
        let program = Path::new(self.program());
        if self.program().contains('/') {
            let base = self.options.workdir.as_deref().unwrap_or(Path::new(""));
            // Absolute, for the program is started after the change of folder.
            let file = std::path::absolute(base.join(program)).map_err(|error| self.unreachable(&error.to_string()))?;
            return self.check_executable(&file).map(|()| file);
        }
        let path = self.options.environment.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or(OsStr::new(PATH_WITHOUT_ENVIRONMENT), |(_, value)| value);
        let mut refusal = None;
        for folder in std::env::split_paths(path).filter(|folder| folder.is_absolute()) {
            let file = folder.join(program);
            match self.check_executable(&file) {
                Ok(()) => return Ok(file),
                Err(error @ Error::Unsupported { .. }) => refusal = refusal.or(Some(error)),
                Err(_) => {}
            }
        }
        Err(refusal.unwrap_or_else(|| self.unreachable("it is in no folder of PATH")))
    }

    fn check_executable(&self, file: &Path) -> Result<(), Error> {
        let metadata = file.metadata().map_err(|error| self.unreachable(&error.to_string()))?;
        if metadata.is_file() && access(file, Access::EXEC_OK).is_ok() {
            return Ok(());
        }
        Err(Error::Unsupported {
            label: self.label.clone(),
            reason: format!("{} is not a program that this user may run", file.display()),
            hint: Some(format!("Look at it: ls -l {}", file.display())),
        })
    }

    fn check_workdir(&self) -> Result<(), Error> {
        match &self.options.workdir {
            Some(folder) if !folder.is_dir() => Err(Error::Unreachable {
                label: self.label.clone(),
                what: format!("the folder {}", folder.display()),
                reason: "there is no such folder".into(),
                hint: "The program is run in the folder of the settings: see that it is there.".into(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn unreachable(&self, reason: &str) -> Error {
        Error::Unreachable {
            label: self.label.clone(),
            what: format!("the program {}", self.program()),
            reason: reason.to_owned(),
            hint: "Install it, or write its whole path; a relative one begins at the folder of the settings.".into(),
        }
    }

    fn start<'a>(&self, cancel: &'a Cancel) -> Result<Output<'a>, Error> {
        let mut command = Command::new(self.find()?);
        command.args(&self.words[1..]).env_clear();
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.options.workdir {
            command.current_dir(folder);
        }
        let bounds = Bounds {
            timeout: self.options.timeout,
            linger: Duration::from_secs(limits::COMMAND_LINGER_SECONDS),
            allow_empty: self.options.allow_empty,
        };
        Output::start(command, bounds, cancel).map_err(|error| self.unreachable(&error.to_string()))
    }

    fn failed(&self, failure: Failure, said: &str) -> Error {
        if let Failure::Interrupted(interrupted) = failure {
            return self.collect_error(CollectError::Interrupted(interrupted));
        }
        let hint = match &failure {
            Failure::Empty => "If no output is right, allow it: --allow-empty, or allow_empty = true for the set.",
            Failure::Timeout(_) => "Give the command more time (--command-timeout), or find out what it waits for.",
            Failure::LeftWriter => "Let the command wait for what it starts: in a shell, end it with 'wait'.",
            Failure::Code(_)
            | Failure::Signal(_)
            | Failure::Lingers(_)
            | Failure::Pipe(_)
            | Failure::Interrupted(_) => "Run the command by hand as the same user, and correct what it complains of.",
        };
        let program = self.program();
        let said = if said.is_empty() {
            String::new()
        } else {
            // One line: whoever shows it escapes line breaks.
            format!("; it said: {}", said.trim_end().replace('\n', " | "))
        };
        Error::Incomplete {
            label: self.label.clone(),
            reason: format!("the output of {program} is not whole: {failure}{said}"),
            hint: Some(hint.to_owned()),
        }
    }

    fn collect_error(&self, source: CollectError) -> Error {
        let label = self.label.clone();
        Error::Collect { label, source }
    }
}

impl Source for CommandSource {
    fn label(&self) -> &Label {
        &self.label
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Command
    }

    fn check(&mut self, _cancel: &Cancel) -> Result<(), Error> {
        self.check_workdir()?;
        self.find().map(drop)
    }

    fn collect(&mut self, collector: &mut dyn Collector, cancel: &Cancel) -> Result<Learnt, Error> {
        let path = EntryPath::of_label(&self.label)
            .join(Path::new(OUTPUT))
            .expect("a plain name");
        let mut output = self.start(cancel)?;
        let stored = collector.stream(path, MODE, &mut output);
        if let Some(failure) = output.failure.take() {
            return Err(self.failed(failure, &output.said.text()));
        }
        let (bytes, _) = stored.map_err(|error| self.collect_error(error))?;
        if !output.is_whole() {
            // The collector broke its contract; without the end of the output nothing says that the program succeeded.
            let early = io::Error::other("the output was not read to its end");
            return Err(self.collect_error(CollectError::Content(early)));
        }
        Ok(Learnt {
            data_time: None,
            public: BTreeMap::from([("exit_code".into(), "0".into())]),
            private: BTreeMap::from([
                ("command".into(), self.command.clone()),
                ("bytes".into(), bytes.to_string()),
            ]),
        })
    }
}
