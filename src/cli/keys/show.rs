//! `keys show`: what is in a key file.

use std::fs;
use std::io;
use std::io::Write;
use std::path::PathBuf;

use sequoia_openpgp::Cert;
use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::Role;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::keys::words;
use crate::cli::keys::words::RevocationReport;
use crate::cli::output::visible;
use crate::config::layer::Layer;
use crate::config::secret;
use crate::job::keyfiles;
use crate::job::keyfiles::Content;
use crate::job::named_keys;
use crate::keyring::Recipient;
use crate::keyring::describe;
use crate::keyring::describe::Description;
use crate::keyring::describe::KeyLine;
use crate::keyring::describe::State;
use crate::keyring::describe::Word;
use crate::keyring::facts;
use crate::keyring::trust::TrustStore;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "What is this certificate, and can it be used here?",
        line: "hub-backup keys show operations.asc",
    },
    Example {
        says: "Did this root certify this signer?",
        line: "hub-backup keys show signer.asc --root root.asc",
    },
];

/// Show a certificate: fingerprint, algorithms, expiry, certifications, and what it can be used for
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// A certificate or a secret key; secret parts are not shown
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be read.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let (trust, now) = (named_keys::trust(&settings)?, context.clock.now());
    let mut report = Report {
        file: args.file.clone(),
        secret: false,
        certificates: Vec::new(),
        recipients: Vec::new(),
    };
    match keyfiles::read(&args.file)? {
        Content::Secret(key) => {
            report.secret = true;
            report.certificates.push(JsonCertificate::new(&key, &trust, now));
            warn_of_readers(args, context);
        }
        Content::AgeIdentity(recipients) => {
            report.secret = true;
            report
                .recipients
                .extend(recipients.iter().map(|recipient| facts::age_facts(recipient)));
            warn_of_readers(args, context);
        }
        Content::Public(keys) => {
            for key in &keys {
                match key {
                    Recipient::OpenPgp(key) => report.certificates.push(JsonCertificate::new(key, &trust, now)),
                    Recipient::Age(_) | Recipient::Passphrase(_) => {
                        report.recipients.push(facts::recipient_facts(key, now));
                    }
                }
            }
        }
    }
    context.printer.show("keys-show", &report, |out| report.write(out))
}

/// A secret key that others can read is no secret.
fn warn_of_readers(args: &Args, context: &Context) {
    let private = fs::metadata(&args.file).map(|metadata| secret::check_private(&args.file, &metadata));
    if let Ok(Err(error)) = private {
        context.printer.warn(&error.to_string());
    }
}

/// What `keys show --json` prints.
#[derive(Serialize)]
struct Report {
    file: PathBuf,
    /// Whether the file holds a secret key.
    secret: bool,
    certificates: Vec<JsonCertificate>,
    /// age recipients.
    recipients: Vec<KeyFacts>,
}

#[derive(Serialize)]
struct JsonCertificate {
    fingerprint: String,
    user_ids: Vec<String>,
    role: Option<Role>,
    generation: u32,
    state: State,
    /// Why it is revoked or retired.
    revocation: Option<RevocationReport>,
    /// The pinned certificate on whose word it is trusted as a signer.
    trusted_by: Option<String>,
    /// Why it is not.
    untrusted: Option<String>,
    /// Suites that its owner can read, when it is a recipient.
    suites: Vec<&'static str>,
    keys: Vec<JsonKey>,
    certifications: Vec<JsonWord>,
}

#[derive(Serialize)]
struct JsonKey {
    fingerprint: String,
    algorithm: String,
    uses: Vec<&'static str>,
    created: Timestamp,
    expires: Option<Timestamp>,
    secret: Option<Lock>,
}

/// Whether a secret key needs a passphrase.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Lock {
    Locked,
    NotLocked,
}

#[derive(Serialize)]
struct JsonWord {
    by: String,
    at: Option<Timestamp>,
    takes_back: bool,
    /// Whether the other certificate is known and the signature good.
    genuine: bool,
}

impl JsonCertificate {
    fn new(certificate: &Cert, trust: &TrustStore, now: Timestamp) -> Self {
        let Description {
            fingerprint,
            user_ids,
            role,
            generation,
            state,
            revocation,
            keys,
            words,
            seipdv2,
        } = describe::describe(certificate, trust, now);
        let (trusted_by, untrusted) = match trust.judge(certificate, now) {
            Ok(trusted) => (Some(trusted.root), None),
            Err(untrusted) => (None, Some(words::untrusted(&untrusted, trust))),
        };
        let encrypts = keys.iter().any(|key| key.uses.contains(&"encrypt"));
        let suites = [(seipdv2, "rfc9580"), (true, "gnupg")];
        let suites = suites.into_iter().filter(|(reads, _)| encrypts && *reads);
        Self {
            fingerprint,
            user_ids,
            role,
            generation,
            state,
            revocation: revocation.map(RevocationReport::from),
            trusted_by,
            untrusted,
            suites: suites.map(|(_, name)| name).collect(),
            keys: keys.into_iter().map(JsonKey::from).collect(),
            certifications: words.into_iter().map(JsonWord::from).collect(),
        }
    }
}

impl From<KeyLine> for JsonKey {
    fn from(key: KeyLine) -> Self {
        Self {
            fingerprint: key.fingerprint,
            algorithm: key.algorithm,
            uses: key.uses,
            created: key.created,
            expires: key.expires,
            secret: key
                .secret_locked
                .map(|locked| if locked { Lock::Locked } else { Lock::NotLocked }),
        }
    }
}

impl From<Word> for JsonWord {
    fn from(word: Word) -> Self {
        Self {
            by: word.by,
            at: word.at,
            takes_back: word.revokes,
            genuine: word.genuine,
        }
    }
}

impl Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for certificate in &self.certificates {
            certificate.write(out)?;
        }
        for recipient in &self.recipients {
            writeln!(out, "recipient  {}, {}", visible(&recipient.id), recipient.algorithm)?;
        }
        match (self.secret && self.certificates.is_empty(), self.recipients.is_empty()) {
            (true, false) => writeln!(
                out,
                "           an age identity file: it holds the SECRET keys of these, NOT locked"
            ),
            (true, true) => writeln!(
                out,
                "an age identity file, whose recipients only its passphrase or its plugin tells"
            ),
            (false, _) => Ok(()),
        }
    }
}

impl JsonCertificate {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "certificate {}", self.fingerprint)?;
        for user in &self.user_ids {
            writeln!(out, "user id    {}", visible(user))?;
        }
        let role = self.role.map_or("not stated", facts::role_name);
        writeln!(out, "role       {role}, generation {}", self.generation)?;
        writeln!(out, "state      {}", self.state)?;
        if let Some(revocation) = &self.revocation {
            writeln!(out, "revoked    {}", revocation.words())?;
        }
        for key in &self.keys {
            key.write(out)?;
        }
        if !self.suites.is_empty() {
            writeln!(out, "reads      {}", self.suites.join(", "))?;
        }
        for word in &self.certifications {
            word.write(out)?;
        }
        match (&self.trusted_by, &self.untrusted) {
            (Some(root), _) if *root == self.fingerprint => writeln!(out, "trust      it is pinned here"),
            (Some(root), _) => writeln!(out, "trust      on the word of the pinned {root}"),
            // Bundles are trusted for who signed them, so nobody has to vouch for a recipient.
            (None, _) if self.role == Some(Role::Recipient) => {
                writeln!(out, "trust      as a signer: none, and a recipient needs none")
            }
            (None, _) if self.role == Some(Role::Root) && self.state == State::Valid => {
                writeln!(out, "trust      it is not pinned here")
            }
            (None, why) => writeln!(
                out,
                "trust      as a signer: none: {}",
                visible(why.as_deref().unwrap_or_default())
            ),
        }
    }
}

impl JsonKey {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let uses = if self.uses.is_empty() {
            "nothing".into()
        } else {
            self.uses.join(", ")
        };
        let expires = words::expiry(self.expires);
        let secret = match self.secret {
            Some(Lock::Locked) => "; SECRET part, locked",
            Some(Lock::NotLocked) => "; SECRET part, NOT locked",
            None => "",
        };
        let Self {
            fingerprint,
            algorithm,
            created,
            ..
        } = self;
        writeln!(
            out,
            "  for {uses}: {}, made {created}, {expires}{secret}; key {fingerprint}",
            visible(algorithm)
        )
    }
}

impl JsonWord {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let act = if self.takes_back { "taken back" } else { "certified" };
        let at = self.at.map_or_else(String::new, |at| format!(" at {at}"));
        let doubt = if self.genuine {
            ""
        } else {
            " (not checked: that certificate is not known here)"
        };
        writeln!(out, "{act:<10} by {}{at}{doubt}", self.by)
    }
}
