//! `show`: the manifest of a bundle.

use std::io;
use std::io::Write;

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::manifest::Manifest;
use crate::bundle::manifest::SourceFacts;
use crate::cli::amount;
use crate::cli::args::BundleArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::examples;
use crate::cli::examples::Example;
use crate::cli::output::visible;
use crate::cli::report;
use crate::cli::work;
use crate::config::layer::Layer;
use crate::job::listing;
use crate::job::listing::Place;
use crate::job::listing::Seal;
use crate::job::listing::Shown;
use crate::job::named_keys;
use crate::keyring::facts;
use crate::seal::SignedBy;
use crate::store::Store;

const EXAMPLES: [Example; 2] = [
    Example {
        says: "The newest bundle of the set `hub`",
        line: "hub-backup show latest --set hub",
    },
    Example {
        says: "A file",
        line: "hub-backup show hub.hub.tar --json",
    },
];

/// Show the manifest of a bundle: sources, sizes, keys, place in the chain
///
/// Its signatures are checked where a root is pinned; whether the bundle is whole, only `verify` says.
#[derive(clap::Args, Debug)]
#[command(after_help = examples::text(&EXAMPLES))]
pub struct Args {
    /// Which bundle.
    #[command(flatten)]
    pub bundle: BundleArgs,
}

/// Runs the command.
///
/// # Errors
/// When there is no such bundle, it cannot be read, or its signatures are not good.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let settings = context.settings(Layer::default())?;
    let choice = &work::named(&args.bundle.bundle, args.bundle.set.as_ref(), &settings)?;
    let store = work::store_for(choice, &settings)?;
    let store = store.as_ref().map(|store| store as &dyn Store);
    let trust = named_keys::trust(&settings)?;
    let shown = listing::show(choice, store, args.bundle.set.as_ref(), &trust)
        .map_err(|not_shown| CliError::from(*not_shown.error).about(not_shown.name))?;
    let report = Report::new(&shown);
    context.printer.show("show", &report, |out| report.write(out))?;
    match shown.seal {
        Seal::Good(_) | Seal::NotChecked => Ok(()),
        Seal::Bad(error) => Err(CliError::told(error).about(shown.name)),
    }
}

/// What `show --json` prints.
#[derive(Serialize)]
struct Report<'a> {
    /// `chain` or `bundle`: where the manifest was read.
    place: &'static str,
    manifest_sha256: String,
    /// Whether the signatures over the manifest are good and by trusted signers. The bundle itself was not read.
    signatures_verified: bool,
    signatures: Verdict,
    /// What is wrong with them.
    problem: Option<String>,
    signed_by: Vec<SignatureReport>,
    manifest: &'a Manifest,
}

/// What is known about the signatures.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Good,
    Bad,
    NotChecked,
}

#[derive(Serialize)]
struct SignatureReport {
    fingerprint: String,
    created: Timestamp,
    trusted_by: String,
}

impl From<&SignedBy> for SignatureReport {
    fn from(signed: &SignedBy) -> Self {
        Self {
            fingerprint: signed.fingerprint.clone(),
            created: signed.created,
            trusted_by: signed.trusted_by.clone(),
        }
    }
}

impl<'a> Report<'a> {
    fn new(shown: &'a Shown) -> Self {
        let (signatures, problem) = match &shown.seal {
            Seal::Good(_) => (Verdict::Good, None),
            Seal::Bad(error) => (Verdict::Bad, Some(report::chain(error))),
            Seal::NotChecked => (Verdict::NotChecked, None),
        };
        let signed_by = match &shown.seal {
            Seal::Good(signed) => signed.iter().map(SignatureReport::from).collect(),
            Seal::Bad(_) | Seal::NotChecked => Vec::new(),
        };
        Self {
            place: match shown.place {
                Place::Chain => "chain",
                Place::Bundle => "bundle",
            },
            manifest_sha256: shown.digest.to_string(),
            signatures_verified: signatures == Verdict::Good,
            signatures,
            problem,
            signed_by,
            manifest: &shown.manifest,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let manifest = self.manifest;
        let (bundle, set, sequence) = (&manifest.bundle, &manifest.set, manifest.sequence);
        writeln!(out, "bundle     {bundle} of set {set}, number {sequence} of its chain")?;
        writeln!(out, "made       {} by {}", manifest.created, visible(&manifest.tool))?;
        writeln!(out, "manifest   {}", self.manifest_sha256)?;
        match manifest.previous {
            Some(previous) => writeln!(out, "previous   {previous}")?,
            None => writeln!(out, "previous   none: it is the first of its chain")?,
        }
        for source in &manifest.sources {
            write_source(out, source)?;
        }
        let totals = &manifest.totals;
        let exceptions = totals.exceptions;
        writeln!(
            out,
            "contents   {}, {}, {}",
            amount::count(totals.entries, "entries"),
            amount::size(totals.content_bytes),
            amount::count(exceptions, "exceptions")
        )?;
        let redacted = |source: &SourceFacts| source.facts.get("redacted").is_some_and(|count| count != "0");
        if exceptions > 0 || manifest.sources.iter().any(redacted) {
            writeln!(
                out,
                "           `hub-backup ls` names exceptions and redactions, with a key that opens the bundle"
            )?;
        }
        let members = &manifest.members;
        let segments = amount::count(members.data.segments, "segments");
        let bytes = amount::size(members.data.bytes);
        writeln!(out, "encrypted  {}, {segments}, {bytes}", manifest.suite)?;
        for key in manifest.keys.recipients.iter().chain(&manifest.keys.signers) {
            write_key(out, key)?;
        }
        if let Some(class) = &manifest.policy.retention_class {
            writeln!(out, "retention  {}", visible(class))?;
        }
        self.write_seal(out)
    }

    fn write_seal(&self, out: &mut dyn Write) -> io::Result<()> {
        for signature in &self.signed_by {
            let (by, root) = (&signature.fingerprint, &signature.trusted_by);
            writeln!(out, "signature  good, by {by}, trusted on the word of {root}")?;
        }
        match self.signatures {
            Verdict::Good => writeln!(
                out,
                "           the bundle itself was not read: `hub-backup verify` does"
            ),
            Verdict::Bad => writeln!(
                out,
                "signature  NOT GOOD: {}",
                visible(self.problem.as_deref().unwrap_or_default())
            ),
            Verdict::NotChecked => writeln!(out, "signature  NOT VERIFIED: no root is pinned; give --root FILE"),
        }
    }
}

fn write_source(out: &mut dyn Write, source: &SourceFacts) -> io::Result<()> {
    let time = source
        .data_time
        .map_or_else(String::new, |time| format!(", as of {time}"));
    write!(
        out,
        "source     {} ({}){time}",
        source.label,
        visible(source.kind.as_str())
    )?;
    for (name, value) in &source.facts {
        write!(out, ", {} {}", visible(name), visible(value))?;
    }
    writeln!(out)
}

fn write_key(out: &mut dyn Write, key: &KeyFacts) -> io::Result<()> {
    let expires = match key.expires {
        Some(expires) => format!(", expires {expires}"),
        None => String::new(),
    };
    let (role, generation) = (facts::role_name(key.role), key.generation);
    writeln!(
        out,
        "{role:<10} {}, {}{expires}, generation {generation}",
        visible(&key.id),
        visible(&key.algorithm)
    )
}
