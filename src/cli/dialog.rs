//! Plugins of age at the terminal: what they say is shown, what they ask is answered there, where there is one.

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::io::Write as _;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;

use crate::base::cancel::Cancel;
use crate::base::secret::SecretText;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output::Printer;
use crate::cli::output::visible;
use crate::cli::prompt;
use crate::keyring::dialog::Dialog;
use crate::keyring::dialog::Person;
use crate::keyring::dialog::Silence;

/// How long a wait for an answer is deaf to a signal.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// Longest answer that is taken.
const ANSWER_BYTES_MAX: usize = 4096;
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
        let mut terminal = prompt::terminal().ok_or(Silence::Nobody)?;
        let typed = terminal
            .write_all(prompt.as_bytes())
            .and_then(|()| self.read_line(&mut terminal))
            .map_err(|_| self.silence())?;
        if typed.is_empty() {
            return Err(self.silence());
        }
        Ok(typed)
    }

    /// Why nothing was typed.
    fn silence(&self) -> Silence {
        if self.cancel.is_set() {
            Silence::Interrupted
        } else {
            Silence::NoAnswer
        }
    }

    /// A line of text; empty when a signal says that nobody will type one.
    fn read_line(&self, terminal: &mut File) -> io::Result<String> {
        let (mut typed, mut octet) = (Vec::new(), [0]);
        while typed.len() < ANSWER_BYTES_MAX {
            let mut ready = [PollFd::new(&*terminal, PollFlags::IN)];
            // A signal may end the wait early; the flag says whether it counts.
            let count = poll(&mut ready, Some(&TICK)).unwrap_or(0);
            if self.cancel.is_set() {
                return Ok(String::new());
            }
            if count == 0 {
                continue;
            }
            if terminal.read(&mut octet)? == 0 || octet == *b"\n" {
                break;
            }
            typed.extend(octet);
        }
        String::from_utf8(typed).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

impl Person for Terminal {
    fn tell(&self, plugin: &str, message: &str) {
        let line = format!("{plugin}: {}", visible(message));
        // It may ask for a touch, so it goes where people look, also when stderr is a file.
        let shown = prompt::terminal().is_some_and(|mut terminal| writeln!(terminal, "{line}").is_ok());
        if !shown {
            self.printer.talk(&line);
        }
    }

    fn ask(&self, plugin: &str, question: &str) -> Result<String, Silence> {
        self.line(&format!("{plugin}: {} ", visible(question)))
    }

    fn ask_secret(&self, plugin: &str, question: &str) -> Result<SecretText, Silence> {
        let question = format!("{plugin}: {}", visible(question));
        if prompt::terminal().is_none() {
            return Err(Silence::Nobody);
        }
        prompt::hidden(&question, &self.cancel).map_err(|error| {
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
