//! Plugins of age at the terminal: what they say is shown, what they ask is answered there, where there is one.

use std::io;
use std::io::Write as _;

use crate::base::cancel::Cancel;
use crate::base::secret::SecretText;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output::Printer;
use crate::cli::output::visible;
use crate::cli::terminal;
use crate::keyring::dialog::Dialog;
use crate::keyring::dialog::Person;
use crate::keyring::dialog::Silence;

/// How often a choice that is none is asked for again.
const TRIES: usize = 3;

/// Whoever sits at the terminal. Signals are for the caller to heed from now on.
///
/// # Errors
/// When the system refuses handlers.
pub fn at_terminal(context: &Context) -> Result<Dialog, CliError> {
    Ok(Dialog::with(Terminal {
        printer: context.printer,
        cancel: context.cancel()?,
    }))
}

struct Terminal {
    printer: Printer,
    cancel: Cancel,
}

impl Terminal {
    /// Shows `prompt` and reads a line.
    fn line(&self, prompt: &str) -> Result<String, Silence> {
        let mut terminal = terminal::open().ok_or(Silence::Nobody)?;
        let typed = terminal
            .write_all(prompt.as_bytes())
            .and_then(|()| terminal::line(&terminal, &self.cancel))
            .map_err(|_| self.silence())?;
        if typed.expose().is_empty() {
            return Err(self.silence());
        }
        Ok(typed.expose().to_owned())
    }

    /// Why nothing was typed.
    fn silence(&self) -> Silence {
        if self.cancel.is_set() {
            Silence::Interrupted
        } else {
            Silence::NoAnswer
        }
    }
}

impl Person for Terminal {
    fn tell(&self, plugin: &str, message: &str) {
        let line = format!("{plugin}: {}", visible(message));
        // It may ask for a touch, so it goes where people look, also when stderr is a file.
        let shown = terminal::open().is_some_and(|mut terminal| writeln!(terminal, "{line}").is_ok());
        if !shown {
            self.printer.talk(&line);
        }
    }

    fn ask(&self, plugin: &str, question: &str) -> Result<String, Silence> {
        self.line(&format!("{plugin}: {} ", visible(question)))
    }

    fn ask_secret(&self, plugin: &str, question: &str) -> Result<SecretText, Silence> {
        let question = format!("{plugin}: {}", visible(question));
        if terminal::open().is_none() {
            return Err(Silence::Nobody);
        }
        terminal::hidden(&question, &self.cancel).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                Silence::Interrupted
            } else {
                self.silence()
            }
        })
    }

    fn choose(&self, plugin: &str, question: &str, yes: &str, no: Option<&str>) -> Result<bool, Silence> {
        let (question, yes, no) = (visible(question), visible(yes), visible(no.unwrap_or("cancel")));
        let prompt = format!("{plugin}: {question}\n  1 {yes}\n  2 {no}\n1 or 2? ");
        for _ in 0..TRIES {
            match self.line(&prompt)?.trim() {
                "1" => return Ok(true),
                "2" => return Ok(false),
                _ => {}
            }
        }
        Err(Silence::NoAnswer)
    }
}
