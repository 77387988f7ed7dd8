//! The reference pages `docs/cli.md` and `docs/exit-codes.md`, made from what the program knows of itself.

use std::fmt::Write as _;

use clap::Arg;
use clap::Command;

use crate::base::fault::Kind;
use crate::cli::report;
use crate::config::env::VARIABLES;

/// `docs/cli.md`.
#[must_use]
pub fn cli() -> String {
    let mut root = super::command();
    root.build();
    let mut page = String::from(INTRODUCTION);
    global_options(&mut page, &root);
    variables(&mut page);
    commands(&mut page, &root, "hub-backup");
    page
}

const INTRODUCTION: &str = "\
# The command line

<!-- Made by the program itself; `UPDATE=1 cargo test --test help` writes it anew. -->

`hub-backup COMMAND [OPTIONS]`. Data goes to stdout, talk to stderr, a progress bar to a terminal only.

A flag goes before an environment variable, a variable before the settings file, the file before the default. A flag
that names a list replaces the list. `--recipient` and `--passphrase-file` of `backup` replace everything under
`[recipients]`: what the command line names is all that opens the bundle. `hub-backup config show` prints every value
and where it comes from.

With `--json`, stdout gets one JSON object on one line. Its first field `schema` is `hub-backup/COMMAND/1`; another
form gets another number. When a command fails, the object is
`{\"schema\":\"hub-backup/error/1\",\"kind\":…,\"exit_code\":…,\"message\":…,\"causes\":[…],\"hint\":…,\"set\":…,\"bundle\":…}`,
and people read the same on stderr. Where the result itself says what is wrong, as for `config check`, that object is the only one.
Exit codes are in [exit-codes.md](exit-codes.md).

Passphrases are never arguments. They come from a file that only its owner can read (`chmod 600`), from an environment
variable, from a command that prints it (run directly, without a shell), or from the terminal.

";

fn global_options(page: &mut String, root: &Command) {
    page.push_str("## Options of every command\n\n");
    for arg in root.get_arguments().filter(|arg| arg.is_global_set()) {
        argument(page, arg);
    }
    page.push('\n');
}

fn variables(page: &mut String) {
    page.push_str(
        "## Environment variables\n\nLists are separated by `:`. An empty variable counts as not set; an unknown one \
         that begins with `HUB_BACKUP_` is an error.\n`NO_COLOR` turns colours off.\n\n| variable | sets |\n|---|---|\n",
    );
    for (name, meaning) in VARIABLES {
        let _ = writeln!(page, "| `{name}` | {meaning} |");
    }
    page.push('\n');
}

fn commands(page: &mut String, above: &Command, path: &str) {
    for command in above.get_subcommands().filter(|command| command.get_name() != "help") {
        let path = format!("{path} {}", command.get_name());
        section(page, command, &path);
        commands(page, command, &path);
    }
}

fn section(page: &mut String, command: &Command, path: &str) {
    let _ = writeln!(page, "## {path}\n");
    let about = command.get_long_about().or(command.get_about());
    let _ = writeln!(page, "{}\n", about.map(ToString::to_string).unwrap_or_default().trim());
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(page, "`{}`\n", usage.trim_start_matches("Usage: ").trim());
    let own = command
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && arg.get_id() != "help");
    let before = page.len();
    own.for_each(|arg| argument(page, arg));
    if page.len() > before {
        page.push('\n');
    }
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string();
        let lines = examples
            .lines()
            .skip(2)
            .map(|line| line.strip_prefix("  ").unwrap_or(line));
        let _ = writeln!(page, "```sh\n{}\n```\n", lines.collect::<Vec<_>>().join("\n"));
    }
}

fn argument(page: &mut String, arg: &Arg) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "- `{}`: {help}", name(arg));
    let takes_value = arg.get_action().takes_values();
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if takes_value && !values.is_empty() {
        let _ = write!(page, "; one of {}", values.join(", "));
    }
    let defaults = arg.get_default_values();
    if takes_value && defaults.first().is_some_and(|default| !default.is_empty()) {
        let _ = write!(page, "; default `{}`", defaults[0].to_string_lossy());
    }
    page.push('\n');
}

fn name(arg: &Arg) -> String {
    let value = arg
        .get_value_names()
        .and_then(<[_]>::first)
        .map(ToString::to_string)
        .unwrap_or_default();
    let Some(long) = arg.get_long() else { return value };
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    if arg.get_action().takes_values() {
        format!("{short}--{long} {value}")
    } else {
        format!("{short}--{long}")
    }
}

/// `docs/exit-codes.md`.
#[must_use]
pub fn exit_codes() -> String {
    let mut page = String::from(
        "# Exit codes\n\n<!-- Made by the program itself; `UPDATE=1 cargo test --test help` writes it anew. -->\n\n\
         They are a contract: a code keeps its meaning. `kind` is the word in `--json` output and in the audit log.\n\n\
         | code | kind | meaning |\n|---|---|---|\n| 0 | | done, whole and published |\n",
    );
    for kind in Kind::ALL {
        let _ = writeln!(
            page,
            "| {} | `{}` | {} |",
            kind.exit_code(),
            kind.name(),
            kind.meaning()
        );
    }
    let _ = write!(
        page,
        "| 128 + n | | a signal n that came half a second or more after the first ended the program at once; the first one asks it to stop and clean up |\n\
         | {} | | the reader of stdout went away before everything was written |\n",
        report::STDOUT_CLOSED
    );
    page
}
