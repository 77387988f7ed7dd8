//! `keys list`: the keys that the settings name, or those in files.

use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use sequoia_openpgp::Cert;
use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::Role;
use crate::cli::amount;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::keys::words;
use crate::cli::keys::words::RevocationReport;
use crate::cli::output::visible;
use crate::config::Settings;
use crate::config::layer::Layer;
use crate::job::expiring;
use crate::job::keyfiles;
use crate::job::keyfiles::Content;
use crate::job::named_keys;
use crate::keyring::Recipient;
use crate::keyring::describe;
use crate::keyring::describe::State;
use crate::keyring::facts;
use crate::keyring::trust::TrustStore;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "Roles, fingerprints, algorithms, expiry, and who certified whom",
        line: "hub-backup keys list",
    },
    Example {
        says: "The keys in a folder",
        line: "hub-backup keys list /srv/backup/keys --root root.asc",
    },
];

/// List the keys that the settings name, their roles and whether they are valid
///
/// Of a folder, the files with public certificates are read: those that end in .asc, .pgp or .gpg.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// List the keys in these files and folders instead
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When a certificate cannot be read.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let mut found = Found::default();
    if args.paths.is_empty() {
        found.add_settings(&settings)?;
    } else {
        found.add("given", &args.paths)?;
    }
    let (trust, now) = (named_keys::trust(&settings)?, context.clock.now());
    let report = Report {
        keys: found.keys.iter().map(|key| Row::new(key, &trust, now)).collect(),
    };
    context.printer.show("keys-list", &report, |out| report.write(out))
}

/// A key, and every place that names it.
struct Known {
    key: Recipient,
    used_as: Vec<&'static str>,
    files: Vec<PathBuf>,
}

#[derive(Default)]
struct Found {
    keys: Vec<Known>,
}

impl Found {
    fn add_settings(&mut self, settings: &Settings) -> Result<(), CliError> {
        self.add("root", &settings.keys.roots.value)?;
        self.add("certificate", &settings.keys.certificates.value)?;
        let sets = settings.sets();
        let named = sets.iter().map(|set| &set.recipients);
        for recipients in std::iter::once(&settings.recipients).chain(named) {
            self.add("recipient", &recipients.openpgp.value)?;
            for recipient in &recipients.age.value {
                self.note("recipient", None, Recipient::Age(recipient.clone()));
            }
            if recipients.passphrase.is_some() && !self.keys.iter().any(|known| is_passphrase(&known.key)) {
                let unknown = crate::base::secret::SecretText::new(String::new());
                self.note("recipient", None, Recipient::Passphrase(unknown));
            }
        }
        Ok(())
    }

    fn add(&mut self, used_as: &'static str, paths: &[PathBuf]) -> Result<(), CliError> {
        for path in paths {
            for file in named_keys::key_files(path)? {
                match keyfiles::read(&file)? {
                    Content::Secret(key) => {
                        let public = Box::new(key.strip_secret_key_material());
                        self.note(used_as, Some(&file), Recipient::OpenPgp(public));
                    }
                    Content::AgeIdentity(recipients) => {
                        for recipient in recipients {
                            self.note(used_as, Some(&file), Recipient::Age(recipient));
                        }
                    }
                    Content::Public(keys) => {
                        for key in keys {
                            self.note(used_as, Some(&file), key);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds a key, or what one more copy of it knows.
    fn note(&mut self, used_as: &'static str, file: Option<&Path>, key: Recipient) {
        let place = self.keys.iter().position(|known| same(&known.key, &key));
        let place = place.unwrap_or_else(|| {
            let (used_as, files) = (Vec::new(), Vec::new());
            self.keys.push(Known {
                key: key.clone(),
                used_as,
                files,
            });
            self.keys.len() - 1
        });
        let known = &mut self.keys[place];
        if let (Recipient::OpenPgp(known), Recipient::OpenPgp(copy)) = (&mut known.key, key) {
            let merged = known.as_ref().clone().merge_public(*copy);
            **known = merged.expect("merging fails for other fingerprints alone");
        }
        if !known.used_as.contains(&used_as) {
            known.used_as.push(used_as);
        }
        let is_new = |file: &&Path| !known.files.iter().any(|other| other == file);
        let file = file.filter(is_new).map(Path::to_owned);
        known.files.extend(file);
    }
}

fn is_passphrase(key: &Recipient) -> bool {
    matches!(key, Recipient::Passphrase(_))
}

fn same(one: &Recipient, other: &Recipient) -> bool {
    match (one, other) {
        (Recipient::OpenPgp(one), Recipient::OpenPgp(other)) => one.fingerprint() == other.fingerprint(),
        (Recipient::Age(one), Recipient::Age(other)) => one == other,
        (Recipient::OpenPgp(_) | Recipient::Age(_) | Recipient::Passphrase(_), _) => false,
    }
}

/// What `keys list --json` prints.
#[derive(Serialize)]
struct Report {
    keys: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    facts: KeyFacts,
    /// Whole days until it expires, if it does; negative afterwards.
    days_left: Option<i64>,
    user_ids: Vec<String>,
    used_as: Vec<&'static str>,
    files: Vec<PathBuf>,
    /// None for what has no validity of its own.
    state: Option<State>,
    /// Why it is revoked or retired.
    revocation: Option<RevocationReport>,
    /// For signers: the pinned certificate on whose word it is trusted.
    trusted_by: Option<String>,
    /// For signers: why it is not trusted.
    untrusted: Option<String>,
    /// Until when it was a trusted signer, where its time is over: bundles from before stay good.
    #[serde(skip)]
    good_until: Option<Timestamp>,
}

/// When the time of a signer ended that was trusted until then.
fn end_of_trust(
    state: State,
    revoked: Option<Timestamp>,
    expires: Option<Timestamp>,
    judge: impl Fn(Timestamp) -> bool,
) -> Option<Timestamp> {
    let end = match state {
        State::Retired => revoked,
        State::Expired => expires,
        State::Valid | State::Revoked | State::NotYet | State::Weak | State::Unusable => None,
    }?;
    let before = Timestamp::from_unix(end.unix() - 1).ok()?;
    judge(before).then_some(end)
}

impl Row {
    fn new(known: &Known, trust: &TrustStore, now: Timestamp) -> Self {
        let Known { key, used_as, files } = known;
        let row = Self {
            facts: facts::recipient_facts(key, now),
            days_left: None,
            user_ids: Vec::new(),
            used_as: used_as.clone(),
            files: files.clone(),
            state: None,
            revocation: None,
            trusted_by: None,
            untrusted: None,
            good_until: None,
        };
        match key {
            Recipient::OpenPgp(certificate) => row.of_certificate(certificate, trust, now),
            Recipient::Age(_) | Recipient::Passphrase(_) => row,
        }
    }

    fn of_certificate(self, certificate: &Cert, trust: &TrustStore, now: Timestamp) -> Self {
        let stated = facts::role(certificate, now);
        let role = stated.unwrap_or_else(|| guess(&self.used_as));
        let description = describe::describe(certificate, trust, now);
        let verdict = (role == Role::Signer).then(|| trust.judge(certificate, now));
        let (trusted_by, untrusted) = match verdict {
            None => (None, None),
            Some(Ok(trusted)) => (Some(trusted.root), None),
            Some(Err(untrusted)) => (None, Some(words::untrusted(&untrusted, trust))),
        };
        let facts = facts::facts(certificate, role, now);
        let revoked = description.revocation.as_ref().and_then(|revocation| revocation.at);
        let judge = |at| role == Role::Signer && trust.judge(certificate, at).is_ok();
        Self {
            days_left: facts.expires.map(|expires| expiring::days_left(expires, now)),
            good_until: end_of_trust(description.state, revoked, facts.expires, judge),
            facts,
            user_ids: description.user_ids,
            state: Some(description.state),
            revocation: description.revocation.map(RevocationReport::from),
            trusted_by,
            untrusted,
            ..self
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let KeyFacts {
            id,
            algorithm,
            expires,
            role,
            generation,
            ..
        } = &self.facts;
        let state = self.state.map_or_else(String::new, |state| {
            let shown = if state == State::Valid {
                state.to_string()
            } else {
                state.name().to_uppercase()
            };
            format!(", {shown}, {}, generation {generation}", words::expiry(*expires))
        });
        writeln!(
            out,
            "{:<10} {} {}{state}",
            facts::role_name(*role),
            visible(id),
            visible(algorithm)
        )?;
        if let (Some(days @ 0..limits::KEY_DAYS_WARNED), true) = (self.days_left, self.state == Some(State::Valid)) {
            let days = amount::count(days.unsigned_abs(), "days");
            writeln!(out, "           EXPIRES SOON: {days} left")?;
        }
        for user in &self.user_ids {
            writeln!(out, "           {}", visible(user))?;
        }
        for file in &self.files {
            writeln!(out, "           {}", words::path(file))?;
        }
        if let Some(revocation) = &self.revocation {
            writeln!(out, "           revoked: {}", revocation.words())?;
        }
        match (&self.trusted_by, &self.untrusted) {
            (Some(root), _) if *root == *id => writeln!(out, "           trusted: it is pinned"),
            (Some(root), _) => writeln!(out, "           trusted: certified by the pinned {root}"),
            (None, Some(why)) => match self.good_until {
                Some(end) => writeln!(
                    out,
                    "           not for new bundles; what it signed before {end} stays good"
                ),
                None => writeln!(out, "           NOT TRUSTED: {}", visible(why)),
            },
            (None, None) => Ok(()),
        }
    }
}

/// What a key is for that does not say it itself.
fn guess(used_as: &[&'static str]) -> Role {
    if used_as.contains(&"recipient") {
        Role::Recipient
    } else if used_as.contains(&"root") {
        Role::Root
    } else {
        Role::Signer
    }
}

impl Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.keys.is_empty() {
            return writeln!(out, "the settings name no keys");
        }
        self.keys.iter().try_for_each(|row| row.write(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_whose_time_is_over_was_good_until_then_if_it_was_trusted() {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (retired, expires) = (time("2026-03-01T00:00:00Z"), time("2027-01-01T00:00:00Z"));
        let end = |state, trusted| end_of_trust(state, Some(retired), Some(expires), |at| trusted && at < retired);
        assert_eq!(end(State::Retired, true), Some(retired));
        assert_eq!(end(State::Retired, false), None);
        assert_eq!(end(State::Expired, true), None, "it was retired before it expired");
        assert_eq!(end(State::Revoked, true), None);
        assert_eq!(
            end_of_trust(State::Expired, None, Some(expires), |at| at < expires),
            Some(expires)
        );
    }
}
