//! `config`: the settings in effect, and what is wrong with them.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::output;
use crate::config::check;
use crate::config::error::Error;
use crate::config::error::Problem;
use crate::config::origin::Origin;
use crate::config::show;
use crate::config::show::Row;
use crate::config::show::Shown;
use crate::job::settings;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Every problem with the settings, and with the files that they name",
        line: "hub-backup config check",
    },
    Example {
        says: "What is in effect, and where each value comes from",
        line: "hub-backup config show --config /etc/hub-backup/hub-backup.toml",
    },
];

/// Check and show the settings
#[derive(Debug, clap::Subcommand)]
#[command(after_help = examples::text(&EXAMPLES))]
pub enum Command {
    /// List everything that is wrong with the settings, and with the files that they name
    #[command(after_help = examples::text(&EXAMPLES[..1]))]
    Check,
    /// Show the settings in effect and where each comes from, without secrets
    #[command(after_help = examples::text(&EXAMPLES[1..]))]
    Show,
}

/// Runs the command.
///
/// # Errors
/// When the settings cannot be read, or anything is wrong with them.
pub fn run(command: &Command, context: &Context) -> Result<(), CliError> {
    match command {
        Command::Check => check(context),
        Command::Show => show(context),
    }
}

/// What `config check --json` prints.
#[derive(Debug, Serialize)]
struct Checked {
    file: Option<PathBuf>,
    problems: Vec<JsonProblem>,
    warnings: Vec<JsonProblem>,
}

#[derive(Debug, Serialize)]
struct JsonProblem {
    origin: JsonOrigin,
    key: String,
    message: String,
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct JsonOrigin {
    kind: &'static str,
    name: Option<&'static str>,
    path: Option<PathBuf>,
    line: Option<usize>,
    column: Option<usize>,
}

impl From<&Origin> for JsonOrigin {
    fn from(origin: &Origin) -> Self {
        let (name, path, line, column) = match origin {
            Origin::Default => (None, None, None, None),
            Origin::File { path, line, column } => (None, Some(path.clone()), Some(*line), Some(*column)),
            Origin::Environment(name) | Origin::Flag(name) => (Some(*name), None, None, None),
        };
        let kind = origin.kind();
        Self {
            kind,
            name,
            path,
            line,
            column,
        }
    }
}

impl From<&Problem> for JsonProblem {
    fn from(problem: &Problem) -> Self {
        Self {
            origin: (&problem.origin).into(),
            key: problem.key.clone(),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        }
    }
}

fn check(context: &Context) -> Result<(), CliError> {
    let loaded = context.loaded()?;
    let mut problems = loaded.problems;
    problems.extend(check::problems(&loaded.settings));
    let found = settings::check(&loaded.settings, &context.environment, &context.clock);
    problems.extend(found.problems);
    for warning in &found.warnings {
        let hint = warning.hint.as_deref().unwrap_or_default();
        context.printer.warn(&format!("{warning}. {hint}"));
    }
    let checked = Checked {
        file: loaded.settings.file.clone(),
        problems: problems.iter().map(JsonProblem::from).collect(),
        warnings: found.warnings.iter().map(JsonProblem::from).collect(),
    };
    context
        .printer
        .show("config-check", &checked, |out| human_problems(out, &problems))?;
    if problems.is_empty() {
        let file = checked
            .file
            .map_or_else(|| "no settings file".to_owned(), |path| path.display().to_string());
        context.printer.talk(&format!("nothing wrong: {file}"));
        return Ok(());
    }
    Err(CliError::told(Error::Found(problems.len())))
}

fn human_problems(out: &mut dyn Write, problems: &[Problem]) -> io::Result<()> {
    for problem in problems {
        writeln!(out, "{}", output::visible(&problem.to_string()))?;
        if let Some(hint) = &problem.hint {
            writeln!(out, "    {}", output::visible(hint))?;
        }
    }
    Ok(())
}

/// What `config show --json` prints.
#[derive(Debug, Serialize)]
struct InEffect {
    file: Option<PathBuf>,
    settings: Vec<JsonRow>,
}

#[derive(Debug, Serialize)]
struct JsonRow {
    key: String,
    value: Value,
    origin: JsonOrigin,
}

impl From<&Row> for JsonRow {
    fn from(row: &Row) -> Self {
        let value = match &row.value {
            Shown::Nothing => Value::Null,
            Shown::Text(text) => text.as_str().into(),
            Shown::Number(number) => (*number).into(),
            Shown::Flag(flag) => (*flag).into(),
            Shown::List(texts) => texts.as_slice().into(),
        };
        Self {
            key: row.key.clone(),
            value,
            origin: (&row.origin).into(),
        }
    }
}

fn show(context: &Context) -> Result<(), CliError> {
    let settings = context.settings(crate::config::layer::Layer::default())?;
    let rows = show::rows(&settings);
    let in_effect = InEffect {
        file: settings.file.clone(),
        settings: rows.iter().map(JsonRow::from).collect(),
    };
    context
        .printer
        .show("config-show", &in_effect, |out| human_rows(out, &rows))
}

fn human_rows(out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    let width = rows.iter().map(|row| row.key.len()).max().unwrap_or(0);
    for row in rows {
        let lines = match &row.value {
            Shown::Nothing => vec!["not set".to_owned()],
            Shown::Text(text) => vec![output::visible(text)],
            Shown::Number(number) => vec![number.to_string()],
            Shown::Flag(flag) => vec![flag.to_string()],
            Shown::List(texts) if texts.is_empty() => vec!["none".to_owned()],
            Shown::List(texts) => texts.iter().map(|text| output::visible(text)).collect(),
        };
        let origin = output::visible(&row.origin.to_string());
        writeln!(out, "{:width$}  {}  ({origin})", row.key, lines[0])?;
        for line in &lines[1..] {
            writeln!(out, "{:width$}  {line}", "")?;
        }
    }
    Ok(())
}
