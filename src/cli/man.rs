//! `man`: manual pages.

use std::io;
use std::io::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use crate::base::durable;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Read the page of the program",
        line: "hub-backup man | man -l -",
    },
    Example {
        says: "Write the pages of the program and of every command",
        line: "hub-backup man --out ~/.local/share/man/man1",
    },
];

/// Print the manual page, or write all of them
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// Write a page for every command into DIR; files that are there are not overwritten
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// What `man --out DIR --json` prints.
#[derive(Debug, Serialize)]
struct Written {
    pages: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When a page cannot be written.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let mut command = super::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &args.out else {
        context.refuse_json("man", "a page")?;
        return context.printer.raw(&page(&command, "hub-backup"));
    };
    let failed = |path: &std::path::Path| {
        let path = path.to_owned();
        |source| Error::Write { path, source }
    };
    durable::create_folders(folder, 0o755).map_err(failed(folder))?;
    let mut written = Written { pages: Vec::new() };
    for (name, bytes) in pages(&command, "hub-backup") {
        let path = folder.join(format!("{name}.1"));
        durable::write_new(&path, &bytes, 0o644).map_err(failed(&path))?;
        written.pages.push(path);
    }
    context.printer.show("man", &written, |_| Ok(()))
}

/// A page for a command and each of its own, by name.
fn pages(command: &clap::Command, name: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![(name.to_owned(), page(command, name))];
    let below = command.get_subcommands();
    all.extend(below.flat_map(|below| pages(below, &format!("{name}-{}", below.get_name()))));
    all
}

fn page(command: &clap::Command, name: &str) -> Vec<u8> {
    let page = clap_mangen::Man::new(command.clone()).title(name).source("hub-backup");
    let mut bytes = Vec::new();
    render(&page, command, &mut bytes).expect("writing to memory does not fail");
    bytes
}

fn render(page: &clap_mangen::Man, command: &clap::Command, out: &mut Vec<u8>) -> io::Result<()> {
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(out)?;
    }
    // The library would fill the lines of the examples as it fills a paragraph.
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    writeln!(out, ".SH EXAMPLES\n.nf")?;
    for line in examples.lines().skip(2) {
        writeln!(out, "\\&{}", line.trim_start().replace('\\', "\\e").replace('-', "\\-"))?;
    }
    writeln!(out, ".fi")
}
