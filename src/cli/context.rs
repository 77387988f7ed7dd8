//! What every command gets besides its arguments: how to speak, the settings, the flag that stops it, the clock.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::base::cancel::Cancel;
use crate::base::clock::Clock;
use crate::base::clock::SystemClock;
use crate::base::progress::Progress;
use crate::base::progress::Silent;
use crate::cli::args::ColorWhen;
use crate::cli::args::GlobalArgs;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::output::Printer;
use crate::cli::progress::Bar;
use crate::cli::signals;
use crate::config::Settings;
use crate::config::environment::Environment;
use crate::config::layer::Layer;
use crate::config::resolve;
use crate::config::resolve::Loaded;

/// One run of the program.
pub struct Context {
    /// How to speak.
    pub printer: Printer,
    /// The environment as it was at the start.
    pub environment: Environment,
    /// The time.
    pub clock: Arc<dyn Clock>,
    global: GlobalArgs,
    cancel: Mutex<Option<Cancel>>,
}

impl Context {
    /// A run with these options and this environment.
    #[must_use]
    pub fn new(global: GlobalArgs, environment: Environment) -> Self {
        Self {
            printer: Printer {
                json: global.json,
                quiet: global.quiet,
                color: wants_color(global.color, &environment),
            },
            environment,
            clock: Arc::new(SystemClock),
            global,
            cancel: Mutex::default(),
        }
    }

    /// The settings, with what the command line says on top.
    ///
    /// # Errors
    /// When a file that should be read cannot be, or anything in it is wrong.
    pub fn settings(&self, flags: Layer) -> Result<Settings, CliError> {
        let flags = self.global.layer(flags);
        Ok(resolve::settings(
            self.global.config.as_deref(),
            flags,
            &self.environment,
        )?)
    }

    /// As [`Self::settings`], with wrong values listed rather than fatal.
    ///
    /// # Errors
    /// When a file that should be read cannot be.
    pub fn loaded(&self) -> Result<Loaded, CliError> {
        let flags = self.global.layer(Layer::default());
        Ok(resolve::load(self.global.config.as_deref(), flags, &self.environment)?)
    }

    /// The flag that SIGINT, SIGTERM and SIGHUP set. Whoever asks for it must heed it: until then, signals end the
    /// program as usual.
    ///
    /// # Errors
    /// When the system refuses handlers.
    pub fn cancel(&self) -> Result<Cancel, CliError> {
        let mut slot = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cancel) = &*slot {
            return Ok(cancel.clone());
        }
        let cancel = signals::cancel().map_err(|source| Error::Usage {
            message: format!("cannot handle signals: {source}"),
            hint: "A sandbox may forbid it; allow sigaction.".into(),
        })?;
        *slot = Some(cancel.clone());
        Ok(cancel)
    }

    /// Who shows how far the work is: a bar when a person is at the terminal, nobody otherwise.
    #[must_use]
    pub fn progress(&self) -> Box<dyn Progress> {
        let watched = std::io::stderr().is_terminal() && !is_dumb(&self.environment);
        if watched && !self.global.quiet && !self.global.no_progress {
            Box::new(Bar::new())
        } else {
            Box::new(Silent)
        }
    }

    /// Refuses the options that name settings, a store and certificates for a command that reads none of them: whoever gives one expects
    /// that it holds.
    ///
    /// # Errors
    /// When one of them was given.
    pub fn refuse_settings(&self, command: &str) -> Result<(), CliError> {
        let GlobalArgs {
            config,
            store,
            root,
            certificate,
            ..
        } = &self.global;
        let given = [
            config.is_some(),
            store.is_some(),
            !root.is_empty(),
            !certificate.is_empty(),
        ];
        let Some((option, _)) = GlobalArgs::SETTINGS.into_iter().zip(given).find(|(_, given)| *given) else {
            return Ok(());
        };
        let message = format!("{command} has no use for --{option}");
        let hint = format!("Leave --{option} out; `hub-backup {command} --help` shows what it takes.");
        Err(Error::Usage { message, hint }.into())
    }

    /// Refuses `--json` for a command whose output is bytes of another form.
    ///
    /// # Errors
    /// When `--json` was given.
    pub fn refuse_json(&self, command: &str, output: &str) -> Result<(), CliError> {
        if !self.global.json {
            return Ok(());
        }
        let message = format!("{command} prints {output}, which --json cannot change");
        let hint = "Leave --json out.".into();
        Err(Error::Usage { message, hint }.into())
    }
}

fn is_dumb(environment: &Environment) -> bool {
    environment.get("TERM").is_some_and(|term| term == "dumb")
}

/// Whether stderr gets colours: as asked, or on a terminal that has them, unless `NO_COLOR` (no-color.org) is set.
#[must_use]
pub fn wants_color(when: ColorWhen, environment: &Environment) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            std::io::stderr().is_terminal() && environment.get("NO_COLOR").is_none() && !is_dumb(environment)
        }
    }
}
