//! The program `hub-backup`: harden, parse, run, report, exit.

use std::ffi::OsString;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use hub_backup::cli;
use hub_backup::config::environment::Environment;

fn main() -> ExitCode {
    cli::harden::process();
    cli::report::hide_panics();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let environment = Environment::of_process();
    let printer = cli::early(&arguments, &environment);
    // Unwinding to here removes temporary files on the way.
    let code = panic::catch_unwind(AssertUnwindSafe(|| cli::main(&arguments, environment)));
    ExitCode::from(code.unwrap_or_else(|_| cli::report::panicked(printer)))
}
