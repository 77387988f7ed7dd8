//! `completions`: what a shell needs to complete command lines.

use clap::ValueEnum;
use clap_complete::Shell;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "For this session of bash",
        line: "source <(hub-backup completions bash)",
    },
    Example {
        says: "For every session of fish",
        line: "hub-backup completions fish > ~/.config/fish/completions/hub-backup.fish",
    },
];

/// The shells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "names of programs")]
pub enum ShellName {
    Bash,
    Zsh,
    Fish,
}

/// Print the completions for a shell
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: ShellName,
}

/// Runs the command.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    context.refuse_json("completions", "a script")?;
    let shell = match args.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::command(), "hub-backup", &mut script);
    if args.shell == ShellName::Bash {
        script = repaired(&script);
    }
    context.printer.raw(&script)
}

/// `clap_complete` 4.6 spells a hyphen in the name of the program in two ways (clap-rs/clap#6421), so that its script for
/// bash never finds the options of a command. A script that spells it one way is left as it is.
fn repaired(script: &[u8]) -> Vec<u8> {
    let script = String::from_utf8_lossy(script);
    script.replace("hub__subcmd__backup", "hub__backup").into_bytes()
}
