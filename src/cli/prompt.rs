//! Asking for a passphrase, when no file, variable or command gives it. Never from argv.

use std::io;

use crate::base::limits;
use crate::base::secret::SecretText;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::terminal;
use crate::config::origin::Setting;
use crate::config::secret::SecretSource;
use crate::policy::passphrase;
use crate::policy::passphrase::Length;

/// A passphrase that is asked for: what it is for, and what would have given it.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What it is for, as `the passphrase of the signing key a.key`.
    pub purpose: String,
    /// Where the settings say that it comes from.
    pub source: Option<&'a Setting<SecretSource>>,
    /// The options and variables that give it: one of the constants of this module.
    pub options: &'static str,
}

/// What gives the passphrase of a signing key.
pub const SIGNER: &str =
    "--signer-passphrase-file, HUB_BACKUP_SIGNER_PASSPHRASE_FILE or HUB_BACKUP_SIGNER_PASSPHRASE_COMMAND";
/// What gives the passphrase of an identity.
pub const IDENTITY: &str =
    "--identity-passphrase-file, HUB_BACKUP_IDENTITY_PASSPHRASE_FILE or HUB_BACKUP_IDENTITY_PASSPHRASE_COMMAND";
/// What gives a passphrase that opens bundles.
pub const PASSPHRASE: &str = "--passphrase-file, HUB_BACKUP_PASSPHRASE_FILE or HUB_BACKUP_PASSPHRASE_COMMAND";
/// What gives the passphrase of a new key.
pub const NEW_KEY: &str = "--passphrase-file, or go without one with --no-passphrase";

/// The passphrase, from where the settings say, or else from whoever sits at the terminal.
///
/// # Errors
/// When the settings name a place that gives none; when there is no terminal, or nothing is typed.
pub fn passphrase(context: &Context, wanted: &Wanted<'_>) -> Result<SecretText, CliError> {
    match wanted.source {
        Some(source) => Ok(source.value.read(&context.environment)?),
        None => ask(context, &wanted.purpose, &wanted.purpose, wanted.options),
    }
}

/// A passphrase for something new, asked for twice.
///
/// # Errors
/// As [`passphrase()`]; and when the two differ.
pub fn new_passphrase(context: &Context, wanted: &Wanted<'_>) -> Result<SecretText, CliError> {
    if wanted.source.is_some() {
        return passphrase(context, wanted);
    }
    let first = ask(context, &wanted.purpose, &wanted.purpose, wanted.options)?;
    let again = ask(context, &wanted.purpose, "The same again", wanted.options)?;
    if first == again {
        return Ok(first);
    }
    let purpose = wanted.purpose.clone();
    let reason = "the two that were typed differ";
    Err(Error::Passphrase { purpose, reason }.into())
}

/// Refuses a passphrase for something new that is too short, and warns of one that is short. `of` says what it is for.
///
/// # Errors
/// `TooShort`.
pub fn check_new(context: &Context, of: &str, passphrase: &SecretText) -> Result<(), CliError> {
    match passphrase::judge(of, passphrase.expose())? {
        Length::Good => {}
        Length::Short(found) => context.printer.warn(&format!(
            "{of} has {found} characters: whoever gets what it locks can try as many as he likes; take {} or more",
            limits::PASSPHRASE_CHARS_GOOD
        )),
    }
    Ok(())
}

/// What can be wrong with what was typed.
const UNFIT: [(io::ErrorKind, &str); 3] = [
    (io::ErrorKind::UnexpectedEof, "nothing was typed"),
    (
        io::ErrorKind::FileTooLarge,
        "what was typed is longer than a terminal gives at once: put it into a file",
    ),
    (
        io::ErrorKind::InvalidData,
        "what was typed is no text in UTF-8, or has a control character",
    ),
];

fn ask(context: &Context, purpose: &str, prompt: &str, options: &'static str) -> Result<SecretText, CliError> {
    let purpose = purpose.to_owned();
    if terminal::open().is_none() {
        return Err(Error::NoTerminal { purpose, options }.into());
    }
    // An interrupt while the terminal is silent must set the flag rather than end the program before it speaks again.
    let cancel = context.cancel()?;
    let typed = terminal::hidden(&capitalized(prompt), &cancel);
    typed.map_err(
        |source| match UNFIT.into_iter().find(|(kind, _)| *kind == source.kind()) {
            Some((_, reason)) => Error::Passphrase { purpose, reason }.into(),
            None => Error::Prompt { purpose, source }.into(),
        },
    )
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
