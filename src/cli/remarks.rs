//! What a bundle says is not in it, in the words of every command that tells of it.

use std::io;
use std::io::Write;

use serde::Serialize;

use crate::cli::output::Printer;
use crate::cli::output::visible;
use crate::flow::remarks::Remarks;

/// Lines that a terminal is given; `--json` has more.
const LINES_SHOWN: usize = 40;

/// What is not in a bundle, or not as it was.
#[derive(Serialize)]
pub struct RemarksReport {
    /// What is missing or may be inconsistent.
    exceptions: Vec<ExceptionReport>,
    /// What was taken out or left out by order: facts of the sources, a line each.
    notes: Vec<NoteReport>,
    /// How many more there are.
    more: u64,
}

#[derive(Serialize)]
struct ExceptionReport {
    path: String,
    reason: String,
}

#[derive(Serialize)]
struct NoteReport {
    source: String,
    fact: String,
    text: String,
}

impl RemarksReport {
    /// What a bundle says.
    #[must_use]
    pub fn new(remarks: &Remarks) -> Self {
        let exceptions = remarks.exceptions.iter().map(|exception| ExceptionReport {
            path: exception.path.to_string(),
            reason: exception.reason.clone(),
        });
        let notes = remarks.notes.iter().map(|note| NoteReport {
            source: note.label.to_string(),
            fact: note.fact.clone(),
            text: note.text.clone(),
        });
        Self {
            exceptions: exceptions.collect(),
            notes: notes.collect(),
            more: remarks.more,
        }
    }

    /// Names every exception on stderr, and says what else there is to know.
    pub fn warn(&self, printer: &Printer) {
        let lines = self.exceptions.iter().map(ExceptionReport::line);
        lines.take(LINES_SHOWN).for_each(|line| printer.warn(&line));
        for note in self.notes.iter().take(LINES_SHOWN) {
            printer.talk(&format!("note: {}", note.line()));
        }
        let hidden = self.hidden(LINES_SHOWN);
        if hidden > 0 {
            printer.warn(&format!("and {hidden} more remarks like these, which --json has"));
        }
    }

    /// How many are not shown when each kind shows at most `most`.
    fn hidden(&self, most: usize) -> u64 {
        let past = |count: usize| count.saturating_sub(most) as u64;
        past(self.exceptions.len()) + past(self.notes.len()) + self.more
    }

    /// One line each, for people.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for exception in self.exceptions.iter().take(LINES_SHOWN) {
            writeln!(out, "exception  {}", visible(&exception.line()))?;
        }
        for note in self.notes.iter().take(LINES_SHOWN) {
            writeln!(out, "note       {}", visible(&note.line()))?;
        }
        match self.hidden(LINES_SHOWN) {
            0 => Ok(()),
            hidden => writeln!(out, "           and {hidden} more, which --json has"),
        }
    }
}

impl ExceptionReport {
    fn line(&self) -> String {
        format!("{}: {}", self.path, self.reason)
    }
}

impl NoteReport {
    fn line(&self) -> String {
        format!("{}: {}: {}", self.source, self.fact.replace('_', " "), self.text)
    }
}
