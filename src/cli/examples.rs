//! Examples in help: shown at the end of each command's help and in `docs/cli.md`, and parsed by a test.

use std::fmt::Write as _;

/// A command line and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// What it does, as a sentence.
    pub says: &'static str,
    /// The command line, as it is typed.
    pub line: &'static str,
}

/// The examples as the end of a help text.
#[must_use]
pub fn text(examples: &[Example]) -> String {
    let mut text = String::from("Examples:\n");
    for Example { says, line } in examples {
        let _ = write!(text, "\n  # {says}\n  {}\n", line.replace('\n', "\n  "));
    }
    text.trim_end().to_owned()
}
