//! What the commands that make and show keys share: passphrases of new keys, and words for people.

use std::path::Path;

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::base::fault::Fault;
use crate::base::secret::SecretText;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::output::visible;
use crate::cli::prompt;
use crate::cli::prompt::Wanted;
use crate::job::keyfiles::SecretKey;
use crate::keyring::make::Algorithm;
use crate::keyring::trust::Revocation;
use crate::keyring::trust::TrustStore;
use crate::keyring::trust::Untrusted;

/// The passphrase of a new key, as the command line says it.
pub struct NewPassphrase<'a> {
    /// What it is for.
    pub of: String,
    /// The file that holds it.
    pub file: Option<&'a Path>,
    /// Whether there shall be none.
    pub none: bool,
}

impl NewPassphrase<'_> {
    /// The passphrase; asked for twice when no file gives it.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn get(self, context: &Context) -> Result<Option<SecretText>, CliError> {
        if self.none {
            return Ok(None);
        }
        let source = args::secret("--passphrase-file", self.file);
        let wanted = Wanted {
            purpose: self.of,
            source: source.as_ref(),
            options: prompt::NEW_KEY,
        };
        let passphrase = prompt::new_passphrase(context, &wanted)?;
        prompt::check_new(context, &wanted.purpose, &passphrase)?;
        Ok(Some(passphrase))
    }
}

/// The secret key of a root, unlocked by a file or at the terminal.
///
/// # Errors
/// When it cannot be read or unlocked.
pub fn root_key(path: &Path, passphrase_file: Option<&Path>, context: &Context) -> Result<SecretKey, CliError> {
    secret_key(path, passphrase_file, "--root-passphrase-file", "root key", context)
}

/// Any other secret key, unlocked by a file or at the terminal.
///
/// # Errors
/// When it cannot be read or unlocked.
pub fn own_key(path: &Path, passphrase_file: Option<&Path>, context: &Context) -> Result<SecretKey, CliError> {
    secret_key(path, passphrase_file, "--passphrase-file", "key", context)
}

fn secret_key(
    path: &Path,
    passphrase_file: Option<&Path>,
    flag: &'static str,
    what: &str,
    context: &Context,
) -> Result<SecretKey, CliError> {
    let given = args::secret(flag, passphrase_file)
        .map(|source| source.value.read(&context.environment))
        .transpose()?;
    let ask = |path: &Path| -> Result<SecretText, Box<dyn Fault + Send + Sync>> {
        let purpose = format!("the passphrase of the {what} {}", path.display());
        let wanted = Wanted {
            purpose,
            source: None,
            options: flag,
        };
        prompt::passphrase(context, &wanted).map_err(CliError::into_fault)
    };
    Ok(SecretKey::read(path, given, &ask)?)
}

/// The algorithm of that name.
///
/// # Errors
/// When there is none.
pub fn algorithm(name: &str) -> Result<Algorithm, CliError> {
    let algorithm = name.parse();
    Ok(
        algorithm.map_err(|error: crate::keyring::make::UnknownAlgorithm| Error::Usage {
            message: error.to_string(),
            hint: "`--help` lists them.".into(),
        })?,
    )
}

/// Why a key is revoked, as JSON.
#[derive(Serialize)]
pub struct RevocationReport {
    reason: String,
    at: Option<Timestamp>,
}

impl From<Revocation> for RevocationReport {
    fn from(Revocation { reason, at }: Revocation) -> Self {
        Self { reason, at }
    }
}

impl RevocationReport {
    /// The same for people.
    #[must_use]
    pub fn words(&self) -> String {
        let at = self.at.map_or_else(String::new, |at| format!(", at {at}"));
        format!("{}{at}", visible(&self.reason))
    }
}

/// Why a signer is not trusted, for people. Where nothing is pinned that says it all.
#[must_use]
pub fn untrusted(why: &Untrusted, trust: &TrustStore) -> String {
    if trust.pinned.is_empty() && matches!(why, Untrusted::NotCertified { .. }) {
        return "no root is pinned here, so nobody is trusted: give --root FILE".into();
    }
    why.to_string()
}

/// When a key expires, for people.
#[must_use]
pub fn expiry(expires: Option<Timestamp>) -> String {
    expires.map_or_else(|| "does not expire".into(), |expires| format!("expires {expires}"))
}

/// A path for people.
#[must_use]
pub fn path(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

/// A path as a shell takes it.
#[must_use]
pub fn shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| text.clone().into_owned(), std::borrow::Cow::into_owned)
}
