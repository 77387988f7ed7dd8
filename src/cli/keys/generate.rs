//! `keys generate`: a new key of a role.

use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use serde::Serialize;

use crate::base::clock::SECONDS_A_DAY;
use crate::base::clock::Timestamp;
use crate::bundle::manifest::Role;
use crate::bundle::suite::Suite;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::error::Error;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::keys::words;
use crate::cli::keys::words::NewPassphrase;
use crate::cli::output::visible;
use crate::config::value::BadValue;
use crate::config::value::SuiteChoice;
use crate::job::init::new_keys::suite_features;
use crate::job::keys;
use crate::job::keys::Generated;
use crate::keyring::facts;
use crate::keyring::make::NewKey;

const EXAMPLES: [Example; 4] = [
    Example {
        says: "A root, on an offline machine",
        line: "hub-backup keys generate --role root --out keys --expires 10y",
    },
    Example {
        says: "A signing key for a backup host, certified by the root, for two years",
        line: "hub-backup keys generate --role signer --out keys --certify-with keys/root.key --expires 2y",
    },
    Example {
        says: "A recipient of another algorithm",
        line: "hub-backup keys generate --role recipient --out keys --name escrow --algorithm rsa-4096",
    },
    Example {
        says: "An age identity; the settings name the recipient that is printed",
        line: "hub-backup keys generate --role recipient --out keys --name vault --age",
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

impl Validity {
    /// The moment of expiry of a key that is made at `now`, if there is one.
    #[must_use]
    pub fn end(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Unlimited => None,
            Self::Days(days) => Timestamp::from_unix(now.unix() + i64::from(days) * SECONDS_A_DAY).ok(),
            Self::Until(moment) => Some(moment),
        }
    }
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
/// DIR gets the secret key `ROLE-NAME.key`, readable by its owner alone, the public certificate `ROLE-NAME.asc`, to be
/// copied wherever it is wanted, and `ROLE-NAME.rev`, which revokes the key when it is lost: keep that one apart from it.
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
    /// The user id of the key, also in the names of its files; by default the role
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Let the key expire: 90d, 12w, 2y, a date, or never
    #[arg(long, value_name = "WHEN", default_value = "2y")]
    pub expires: Validity,
    /// Let the key say that its owner reads only this suite: gnupg for GnuPG, auto for everybody else
    #[arg(long, value_name = "SUITE", value_parser = args::key_suite(), default_value = "auto")]
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
    /// Make an age identity instead of an OpenPGP key; it is not locked
    #[arg(long, conflicts_with_all = [
        "passphrase_file", "no_passphrase", "certify_with", "algorithm", "expires", "suite", "generation",
    ])]
    pub age: bool,
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
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let made = if args.age { age(args)? } else { openpgp(args, context)? };
    let report = Report::new(&made);
    context
        .printer
        .done("keys-generate", &report, |out| report.write(out))?;
    if !made.locked {
        context
            .printer
            .warn("the secret key is not locked: whoever reads its file has it");
    }
    Ok(())
}

impl Args {
    fn key_name(&self) -> &str {
        self.name.as_deref().unwrap_or(facts::role_name(self.role.into()))
    }
}

fn age(args: &Args) -> Result<Generated, CliError> {
    if args.role != RoleName::Recipient {
        return Err(usage(
            "an age identity opens bundles and cannot sign",
            "Give --role recipient with --age.",
        ));
    }
    Ok(keys::generate_age(args.key_name(), &args.out)?)
}

fn openpgp(args: &Args, context: &Context) -> Result<Generated, CliError> {
    if args.suite.fixed() == Some(Suite::Age) {
        return Err(usage(
            "no OpenPGP key is for the suite age",
            "Give --age to make an age identity.",
        ));
    }
    if args.certify_with.is_some() && args.role != RoleName::Signer {
        return Err(usage(
            "a root certifies signers alone",
            "Give --certify-with with --role signer.",
        ));
    }
    keys::check_free(args.role.into(), args.key_name(), &args.out)?;
    let root_passphrase = args.root_passphrase_file.as_deref();
    let root = args.certify_with.as_deref();
    let root = root
        .map(|path| words::root_key(path, root_passphrase, context))
        .transpose()?;
    let passphrase = NewPassphrase {
        of: "the passphrase of the new key".into(),
        file: args.passphrase_file.as_deref(),
        none: args.no_passphrase,
    };
    let passphrase = passphrase.get(context)?;
    let now = context.clock.now();
    let key = NewKey {
        role: args.role.into(),
        name: args.key_name().to_owned(),
        algorithm: words::algorithm(&args.algorithm)?,
        expires: args.expires.end(now),
        generation: args.generation,
        passphrase,
        suite_features: suite_features(args.suite),
    };
    Ok(keys::generate(&key, root.as_ref(), &args.out, now)?)
}

fn usage(message: &str, hint: &str) -> CliError {
    let (message, hint) = (message.to_owned(), hint.to_owned());
    Error::Usage { message, hint }.into()
}

/// What was made.
#[derive(Serialize)]
struct Report {
    role: &'static str,
    kind: String,
    /// The fingerprint, or the age recipient.
    id: String,
    algorithm: String,
    created: Option<Timestamp>,
    expires: Option<Timestamp>,
    generation: u32,
    certified_by: Option<String>,
    secret: PathBuf,
    locked: bool,
    public: Option<PathBuf>,
    revocation: Option<PathBuf>,
}

impl Report {
    fn new(made: &Generated) -> Self {
        let facts = made.facts.clone();
        Self {
            role: facts::role_name(facts.role),
            kind: facts.kind.to_string(),
            id: facts.id,
            algorithm: facts.algorithm,
            created: facts.created,
            expires: facts.expires,
            generation: facts.generation,
            certified_by: made.certified_by.clone(),
            secret: made.secret.clone(),
            locked: made.locked,
            public: made.public.clone(),
            revocation: made.revocation.clone(),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let expires = words::expiry(self.expires);
        writeln!(
            out,
            "{:<10} {}, {}, {expires}",
            self.role,
            visible(&self.id),
            self.algorithm
        )?;
        if let Some(root) = &self.certified_by {
            writeln!(out, "certified  by {root}")?;
        }
        let lock = if self.locked { "locked" } else { "not locked" };
        writeln!(out, "secret     {} ({lock})", words::path(&self.secret))?;
        if let Some(public) = &self.public {
            writeln!(out, "public     {}", words::path(public))?;
        }
        if let Some(revocation) = &self.revocation {
            writeln!(
                out,
                "revocation {} (keep it apart from the key)",
                words::path(revocation)
            )?;
        }
        Ok(())
    }
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
