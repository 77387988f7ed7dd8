//! Level 6: words, flags, colours, exit codes.
//!
//! What holds for every command:
//! - Data goes to stdout, talk to stderr; a progress bar is shown on a terminal only. `--json` prints one object, whose
//!   `schema` names its form; a changed form gets a new number.
//! - A flag replaces what the environment and the settings file say; it never adds to it.
//! - Parsing touches nothing: no file is opened before the whole command line is understood.
//! - Nothing is overwritten. What is dangerous says so in its name (`--unsafe-…`).
//! - No secret is an argument: passphrases come from files, variables, commands or the terminal.
//! - Errors end with the next thing to do, and with an exit code of [`crate::base::fault::Kind`].
//! - One file a command: its arguments, its help, its examples, and a short `run`.

pub mod amount;
pub mod args;
pub mod audit;
pub mod backup;
pub mod cat;
pub mod checkpoint;
pub mod completions;
pub mod config;
pub mod context;
pub mod dialog;
pub mod error;
pub mod evidence;
pub mod examples;
pub mod harden;
pub mod init;
pub mod keys;
pub mod list;
pub mod ls;
pub mod man;
pub mod output;
pub mod progress;
pub mod prompt;
pub mod proof;
pub mod reference;
pub mod remarks;
pub mod report;
pub mod restore;
pub mod show;
pub mod signals;
pub mod sources;
mod terminal;
pub mod verify;
pub mod work;

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::FromArgMatches as _;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum as _;

use crate::cli::args::ColorWhen;
use crate::cli::args::GlobalArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples::Example;
use crate::cli::output::Printer;
use crate::config::environment::Environment;

const EXAMPLES: [Example; 4] = [
    Example {
        says: "Make a store, its keys and its settings",
        line: "hub-backup init /srv/backup",
    },
    Example {
        says: "Back up the set `hub` of the settings",
        line: "hub-backup backup hub",
    },
    Example {
        says: "Prove that its newest bundle is whole and genuine; this needs no secret",
        line: "hub-backup verify latest --set hub",
    },
    Example {
        says: "Restore it into a new folder",
        line: "hub-backup restore latest --set hub --identity operations.key --verify-sig --to /restore/hub",
    },
];

/// Back up databases, files and settings into signed, chained, encrypted bundles that stock tools can open
#[derive(Debug, Parser)]
#[command(
    name = "hub-backup",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = examples::text(&EXAMPLES),
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each names its arguments, which are documented")]
pub enum Command {
    Init(init::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Verify(verify::Args),
    List(list::Args),
    Show(show::Args),
    Ls(ls::Args),
    Cat(cat::Args),
    #[command(subcommand)]
    Keys(keys::Command),
    #[command(subcommand)]
    Checkpoint(checkpoint::Command),
    #[command(subcommand)]
    Audit(audit::Command),
    #[command(subcommand)]
    Config(config::Command),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the program with these arguments, the name of the program first, and gives its exit code.
#[must_use]
pub fn main(arguments: &[OsString], environment: Environment) -> u8 {
    let early = early(arguments, &environment);
    let color = if early.color {
        clap::ColorChoice::Always
    } else {
        clap::ColorChoice::Never
    };
    let parsed = without_idle_options(Cli::command().color(color))
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error, early),
    };
    let context = Context::new(cli.global, environment);
    if arguments.iter().filter_map(|word| word.to_str()).any(shows_password) {
        context.printer.warn(
            "a password stands in an address on the command line, where every user of this host can read it: keep it in ~/.pgpass, ~/.my.cnf \
             or a file that the address names",
        );
    }
    match run(&cli.command, &context) {
        Ok(()) => 0,
        Err(error) => report::report(&error, context.printer),
    }
}

fn run(command: &Command, context: &Context) -> Result<(), CliError> {
    if let Some(name) = without_settings(command) {
        context.refuse_settings(name)?;
    }
    match command {
        Command::Init(args) => init::run(args, context),
        Command::Backup(args) => backup::run(args, context),
        Command::Restore(args) => restore::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Ls(args) => ls::run(args, context),
        Command::Cat(args) => cat::run(args, context),
        Command::Keys(command) => keys::run(command, context),
        Command::Checkpoint(command) => checkpoint::run(command, context),
        Command::Audit(command) => audit::run(command, context),
        Command::Config(command) => config::run(command, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Man(args) => man::run(args, context),
    }
}

/// Commands that read no settings, by their names.
const WITHOUT_SETTINGS: [&str; 3] = ["init", "completions", "man"];

/// The name of a command that reads no settings; none for the others.
fn without_settings(command: &Command) -> Option<&'static str> {
    match command {
        Command::Init(_) => Some("init"),
        Command::Completions(_) => Some("completions"),
        Command::Man(_) => Some("man"),
        Command::Backup(_)
        | Command::Restore(_)
        | Command::Verify(_)
        | Command::List(_)
        | Command::Show(_)
        | Command::Ls(_)
        | Command::Cat(_)
        | Command::Keys(_)
        | Command::Checkpoint(_)
        | Command::Audit(_)
        | Command::Config(_) => None,
    }
}

/// The command line whose help does not offer, under commands that read no settings, the options that name some.
fn without_idle_options(root: clap::Command) -> clap::Command {
    // A command that has an option of every command already is not given another one of its name.
    let idle = root
        .get_arguments()
        .filter(|arg| GlobalArgs::SETTINGS.contains(&arg.get_id().as_str()));
    let hidden: Vec<clap::Arg> = idle.map(|arg| arg.clone().hide(true)).collect();
    // All are gone through, which keeps their order.
    root.mut_subcommands(|command| {
        if WITHOUT_SETTINGS.contains(&command.get_name()) {
            command.args(&hidden)
        } else {
            command
        }
    })
}

/// Whether a word is the address of a database server with a password in it.
fn shows_password(word: &str) -> bool {
    let schemes = ["postgres:", "postgresql:", "mysql:", "mariadb:"];
    let address = schemes
        .iter()
        .find_map(|scheme| word.split_once(scheme))
        // Nothing, or a label, stands before it.
        .filter(|(before, _)| before.is_empty() || before.ends_with('='));
    let Some((_, address)) = address else { return false };
    let authority = address
        .trim_start_matches('/')
        .split(['/', '?'])
        .next()
        .unwrap_or_default();
    let in_authority = authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty());
    in_authority || address.contains("password=")
}

/// How to speak before the command line is understood, and about the command line that cannot be understood.
#[must_use]
pub fn early(arguments: &[OsString], environment: &Environment) -> Printer {
    let mut words = arguments
        .iter()
        .filter_map(|word| word.to_str())
        .take_while(|word| *word != "--");
    let (mut json, mut when) = (false, ColorWhen::Auto);
    while let Some(word) = words.next() {
        let named = if word == "--color" {
            words.next()
        } else {
            word.strip_prefix("--color=")
        };
        json |= word == "--json";
        when = named
            .and_then(|name| ColorWhen::from_str(name, false).ok())
            .unwrap_or(when);
    }
    let color = context::wants_color(when, environment);
    Printer {
        json,
        quiet: false,
        color,
    }
}

/// The command line as clap knows it, for help, completions, pages and their tests.
#[must_use]
pub fn command() -> clap::Command {
    without_idle_options(Cli::command())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[test]
    fn commands_without_settings_are_one_list() {
        let read = |words: &[&str]| super::Cli::try_parse_from(words).expect("a command line").command;
        let named = [
            read(&["hub-backup", "init", "backup"]),
            read(&["hub-backup", "completions", "bash"]),
            read(&["hub-backup", "man"]),
        ];
        let named: Vec<&str> = named.iter().filter_map(super::without_settings).collect();
        assert_eq!(named, super::WITHOUT_SETTINGS);
    }

    #[test]
    fn passwords_in_addresses_are_seen() {
        for word in [
            "postgres://u:pw@db/hub",
            "hub=mysql://u:pw@db",
            "--source=postgresql://u:p@h:5432/x?sslmode=require",
            "postgres:host=db password=pw",
            "mysql://u@db/x?password=pw",
        ] {
            assert!(super::shows_password(word), "{word}");
        }
        for word in [
            "postgres://u@db:5432/hub",
            "postgres://u:@db/hub",
            "mysql://u@db/x?password-file=/run/pw",
            "files:/srv/a:b@c",
            "sqlite:/x",
        ] {
            assert!(!super::shows_password(word), "{word}");
        }
    }
}
