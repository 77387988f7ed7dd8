//! From an error to what people and programs see of it, and to the exit code.
//!
//! People read `error: …`, the causes, and `hint: …` on stderr, always. With `--json`, programs also get one object on
//! stdout, `{"schema":"hub-backup/error/1","kind":…,"exit_code":…,"message":…,"causes":[…],"hint":…,"set":…,"bundle":…}`: whoever parses
//! stdout finds there either the result or the reason that there is none.

use std::io::Write as _;
use std::panic;

use serde::Serialize;

use crate::base::fault;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::output;
use crate::cli::output::Printer;
use crate::cli::output::Tint;

/// The exit code when the reader of stdout has gone away: as if SIGPIPE had ended the program.
pub const STDOUT_CLOSED: u8 = 141;

/// What `--json` prints of an error.
#[derive(Debug, Serialize)]
struct Failure {
    kind: &'static str,
    exit_code: u8,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    set: Option<String>,
    bundle: Option<String>,
}

impl Failure {
    fn of(fault: &dyn Fault) -> Self {
        let causes = fault::causes(fault).map(|cause| output::without_secrets(&cause.to_string()));
        let (set, bundle) = fault.subject().unzip();
        Self {
            set,
            bundle,
            kind: fault.kind().name(),
            exit_code: fault.kind().exit_code(),
            message: output::without_secrets(&fault.to_string()),
            causes: causes.collect(),
            hint: fault.hint().map(|hint| output::without_secrets(&hint)),
        }
    }

    fn print(&self, printer: Printer, json: bool) -> u8 {
        let error = printer.label("error:", Tint::Red);
        let mut line = format!("{error} {}", output::visible(&self.message));
        for cause in &self.causes {
            line.push_str("\n  caused by: ");
            line.push_str(&output::visible(cause));
        }
        if let Some(hint) = &self.hint {
            line.push('\n');
            line.push_str(&printer.label("hint:", Tint::Cyan));
            line.push(' ');
            line.push_str(&output::visible(hint));
        }
        output::to_stderr(&line);
        if json {
            let mut out = Printer::stdout();
            // When stdout cannot be written either, stderr and the exit code have said it.
            drop(
                out.write_all(output::json_line("error", self).as_bytes())
                    .and_then(|()| out.flush()),
            );
        }
        self.exit_code
    }
}

/// An error and its causes on one line, for a row of a table.
#[must_use]
pub fn chain(fault: &dyn Fault) -> String {
    output::without_secrets(&fault::chain(fault))
}

/// Tells of an error and gives the exit code.
#[must_use]
pub fn report(error: &CliError, printer: Printer) -> u8 {
    match error {
        CliError::Fault(fault) => Failure::of(fault.as_ref()).print(printer, printer.json),
        CliError::Told(fault) => Failure::of(fault.as_ref()).print(printer, false),
        CliError::StdoutClosed => STDOUT_CLOSED,
    }
}

/// Tells what clap has to say: help and versions on stdout, usage errors on stderr and, with `--json`, on stdout.
#[must_use]
pub fn usage(error: &clap::Error, printer: Printer) -> u8 {
    let is_answer = !error.use_stderr();
    if printer.json && !is_answer {
        let text = output::without_secrets(&error.to_string());
        let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message = message
            .trim_start_matches("error: ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let tip = rest.lines().find_map(|line| line.trim().strip_prefix("tip: "));
        let failure = Failure {
            kind: Kind::Usage.name(),
            exit_code: Kind::Usage.exit_code(),
            message,
            causes: Vec::new(),
            set: None,
            bundle: None,
            hint: tip
                .map(str::to_owned)
                .or(Some("`hub-backup COMMAND --help` shows the options.".into())),
        };
        return failure.print(printer, true);
    }
    // What was typed stands in the message; colours are not worth a secret.
    let text = error.to_string();
    if output::without_secrets(&text) != text {
        output::to_stderr(output::without_secrets(&text).trim_end());
        return Kind::Usage.exit_code();
    }
    match (error.print(), is_answer) {
        (Err(_), true) => STDOUT_CLOSED,
        (Ok(()), true) => 0,
        (_, false) => Kind::Usage.exit_code(),
    }
}

/// A defect shows the place in the program and nothing else: what a panic says may hold data.
pub fn hide_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        output::to_stderr(&format!(
            "internal error at {place} of hub-backup {}",
            env!("CARGO_PKG_VERSION")
        ));
    }));
}

/// Tells of a panic that reached the top.
#[must_use]
pub fn panicked(printer: Printer) -> u8 {
    report(&Error::Panicked.into(), printer)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_chain_of_causes_is_told() {
        let error = Error::Stdout(io::Error::other("the disk is full"));
        let failure = Failure::of(&error);
        assert_eq!(failure.message, "cannot write to stdout");
        assert_eq!(failure.causes, ["the disk is full"]);
        assert_eq!(failure.exit_code, 1);
    }

    #[test]
    fn a_reader_that_goes_away_is_no_fault() {
        let error = CliError::stdout(io::ErrorKind::BrokenPipe.into());
        assert_eq!(report(&error, Printer::default()), STDOUT_CLOSED);
    }
}
