//! Help is linted, its examples are parsed, and the reference pages are what the program says of itself.

use std::fs;
use std::path::Path;

use clap::Command;
use clap::CommandFactory as _;
use clap::Parser as _;
use hub_backup::cli::Cli;
use hub_backup::cli::reference;

const COLUMNS: usize = 100;

/// Every command with its path, `hub-backup` first.
fn commands() -> Vec<(String, Command)> {
    fn walk(path: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        found.push((path.to_owned(), command.clone()));
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            walk(&format!("{path} {}", below.get_name()), below, found);
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    walk("hub-backup", &root, &mut found);
    assert!(found.len() > 20, "the walk finds nested commands");
    found
}

/// The command lines among the examples of a command, with continued lines joined.
fn examples(command: &Command) -> Vec<String> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| line.contains("hub-backup ") && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn clap_finds_nothing_wrong() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_says_what_it_is_for() {
    for (path, command) in commands() {
        let about = command
            .get_about()
            .unwrap_or_else(|| panic!("{path} has no about"))
            .to_string();
        assert!(about.starts_with(|first: char| first.is_uppercase()), "{path}: {about}");
        assert!(!about.ends_with('.') && about.len() <= 110, "{path}: {about}");
    }
}

#[test]
fn every_argument_says_what_it_does() {
    for (path, command) in commands() {
        for arg in command.get_arguments() {
            let help = arg
                .get_help()
                .unwrap_or_else(|| panic!("{path} {} has no help", arg.get_id()))
                .to_string();
            assert!(
                help.starts_with(|first: char| first.is_uppercase()),
                "{path} {}: {help}",
                arg.get_id()
            );
            assert!(!help.ends_with('.'), "{path} {}: {help}", arg.get_id());
            if arg.get_action().takes_values() {
                assert!(
                    arg.get_value_names().is_some(),
                    "{path} {} has no value name",
                    arg.get_id()
                );
            }
        }
    }
}

#[test]
fn help_fits_the_width() {
    for (path, command) in commands() {
        for help in [command.clone().render_help(), command.clone().render_long_help()] {
            for line in help.to_string().lines() {
                assert!(line.len() <= COLUMNS, "{path}: {line}");
                assert!(line.is_ascii(), "{path}: not every terminal has this: {line}");
            }
        }
    }
}

#[test]
fn every_command_has_examples_of_itself_and_they_parse() {
    for (path, command) in commands() {
        let examples = examples(&command);
        assert!(!examples.is_empty(), "{path} has no example");
        for example in examples {
            // What the shell does with the output is not for clap.
            let own = example.trim_start_matches("source <(").trim_end_matches(')');
            let own = own.split(['|', '>']).next().expect("one part at least");
            assert!(own.starts_with(&path), "{path}: {example}");
            let words = shlex::split(own).unwrap_or_else(|| panic!("{path}: {example}"));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{path}: {example}\n{error}");
            }
        }
    }
}

#[test]
fn no_option_takes_a_secret() {
    let secret = |name: &str| {
        ["passphrase", "password", "secret", "token"]
            .iter()
            .any(|word| name.contains(word))
    };
    for (path, command) in commands() {
        for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let name = arg.get_id().as_str();
            assert!(!secret(name) || name.ends_with("_file"), "{path} --{name}");
        }
    }
}

fn assert_page(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever changed the help asks for the page to be written anew"
    )]
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, made).expect("docs/ can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/{name} is not what the program says: run UPDATE=1 cargo test --test help"
    );
}

#[test]
fn the_reference_of_the_command_line_is_current() {
    assert_page("cli.md", &reference::cli());
}

#[test]
fn the_table_of_exit_codes_is_current() {
    assert_page("exit-codes.md", &reference::exit_codes());
}
