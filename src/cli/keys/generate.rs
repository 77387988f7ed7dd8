//! `keys generate`: a new key of a role.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

use crate::base::clock::Timestamp;
use crate::bundle::manifest::Role;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::config::value::BadValue;
use crate::config::value::SuiteChoice;

const EXAMPLES: [Example; 3] = [
    Example {
        says: "A root, on an offline machine",
        line: "hub-backup keys generate --role root --out keys --name 'Hub root'",
    },
    Example {
        says: "A signing key for a backup host, certified by the root, for two years",
        line: "hub-backup keys generate --role signer --out keys --certify-with keys/root.key --expires 2y",
    },
    Example {
        says: "A recipient of another algorithm",
        line: "hub-backup keys generate --role recipient --out keys --name escrow --algorithm rsa-4096",
    },
];

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Certifies signers; kept offline
    Root,
    /// Signs bundles on a backup host
    Signer,
    /// Opens bundles; kept away from the backup host
    Recipient,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Root => Self::Root,
            RoleName::Signer => Self::Signer,
            RoleName::Recipient => Self::Recipient,
        }
    }
}

/// How long a key is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// For ever.
    Unlimited,
    /// So many days from now.
    Days(u32),
    /// Until this moment.
    Until(Timestamp),
}

impl FromStr for Validity {
    type Err = BadValue;

    /// Reads `never`, `90d`, `12w`, `2y` (years of 365 days), `2028-01-31` or `2028-01-31T00:00:00Z`.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        const DAYS_MAX: u32 = 100 * 365;
        let wrong = || BadValue(format!("{text:?} is not 90d, 12w, 2y, 2028-01-31 or never"));
        if text == "never" {
            return Ok(Self::Unlimited);
        }
        let moment = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
        if let Ok(moment) = moment {
            return Ok(Self::Until(moment));
        }
        let factor = match text.chars().next_back() {
            Some('d') => 1,
            Some('w') => 7,
            Some('y') => 365,
            _ => return Err(wrong()),
        };
        let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        let days = number.checked_mul(factor).filter(|days| (1..=DAYS_MAX).contains(days));
        days.map(Self::Days).ok_or_else(wrong)
    }
}

/// Make a new key
///
/// DIR gets the public certificate, to be copied wherever it is wanted, and the secret key, readable by its owner alone.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// What the key is for
    #[arg(long, value_name = "ROLE", value_enum)]
    pub role: RoleName,
    /// Write the key to this folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Make a key of this algorithm
    #[arg(long, value_name = "ALGORITHM", value_parser = args::algorithm(), default_value = "ecdsa-p384")]
    pub algorithm: String,
    /// The user id of the key, also the begin of its file names; by default the role
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Let the key expire: 90d, 12w, 2y, a date, or never
    #[arg(long, value_name = "WHEN", default_value = "2y")]
    pub expires: Validity,
    /// Let the key say that its owner reads only this suite: gnupg for GnuPG, auto for everybody else
    #[arg(long, value_name = "SUITE", value_parser = args::suite(), default_value = "auto")]
    pub suite: SuiteChoice,
    /// How often the key of this role was replaced, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), default_value = "1")]
    pub generation: u32,
    /// Lock the secret key with the passphrase in FILE
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    pub passphrase_file: Option<PathBuf>,
    /// Leave the secret key unlocked: whoever reads its file has it
    #[arg(long)]
    pub no_passphrase: bool,
    /// Certify the new key with the secret root key in FILE
    #[arg(long, value_name = "FILE")]
    pub certify_with: Option<PathBuf>,
    /// Unlock the root key with the passphrase in FILE
    #[arg(long, value_name = "FILE", requires = "certify_with")]
    pub root_passphrase_file: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the key cannot be made or written.
pub fn run(_args: &Args, _context: &Context) -> Result<(), CliError> {
    Err(Error::NotBuilt("keys generate").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_is_days_or_a_date() {
        assert_eq!("2y".parse(), Ok(Validity::Days(730)));
        assert_eq!("12w".parse(), Ok(Validity::Days(84)));
        assert_eq!("never".parse(), Ok(Validity::Unlimited));
        let day = "2028-02-29T00:00:00Z".parse().expect("a leap day");
        assert_eq!("2028-02-29".parse(), Ok(Validity::Until(day)));
        for wrong in [
            "",
            "d",
            "0d",
            "-1d",
            "2",
            "2m",
            "2027-02-29",
            "99999y",
            "4294967295y",
            "1é",
        ] {
            assert!(wrong.parse::<Validity>().is_err(), "{wrong:?}");
        }
    }
}
