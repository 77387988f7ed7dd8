//! Arguments that several commands share.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;

use crate::bundle::name::SetName;
use crate::config::layer::Layer;
use crate::config::origin::Origin;
use crate::config::origin::Setting;
use crate::config::secret::SecretSource;
use crate::config::value;
use crate::config::value::BadValue;
use crate::config::value::RecipientWord;
use crate::config::value::SuiteChoice;
use crate::job::bundles::BundleRef;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// Read the settings from FILE
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Use the store in DIR
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Trust the certificate in FILE, and the signers that it certifies
    #[arg(long, global = true, value_name = "FILE")]
    pub root: Vec<PathBuf>,
    /// Find signers' certificates in a file or folder
    #[arg(long, global = true, value_name = "PATH")]
    pub certificate: Vec<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no talk and no reports of work that went well; warnings, errors and what was asked for are printed
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Show no progress bar
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Use colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto, hide_possible_values = true)]
    pub color: ColorWhen,
}

impl GlobalArgs {
    /// Those of them that name settings, a store and certificates, which not every command reads.
    pub const SETTINGS: [&str; 4] = ["config", "store", "root", "certificate"];

    /// `layer`, with what these options say.
    #[must_use]
    pub fn layer(&self, layer: Layer) -> Layer {
        Layer {
            store: self.store.clone().map(|path| Setting::of_flag("--store", path)),
            roots: many("--root", &self.root),
            certificates: many("--certificate", &self.certificate),
            ..layer
        }
    }
}

/// Which keys open a bundle.
#[derive(Args, Clone, Debug, Default)]
pub struct IdentityArgs {
    /// Open the bundle with the secret key in FILE: OpenPGP or age
    #[arg(long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Unlock the secret keys with the passphrase in FILE
    #[arg(long, value_name = "FILE")]
    pub identity_passphrase_file: Option<PathBuf>,
    /// Open the bundle with the passphrase in FILE
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl IdentityArgs {
    /// Adds what these options say.
    pub fn add_to(&self, layer: &mut Layer) {
        layer.identities = many("--identity", &self.identity);
        layer.identity_passphrase = secret("--identity-passphrase-file", self.identity_passphrase_file.as_deref());
        layer.every_set.recipients.passphrase = secret("--passphrase-file", self.passphrase_file.as_deref());
    }
}

/// Which keys sign.
#[derive(Args, Clone, Debug, Default)]
pub struct SignerArgs {
    /// Sign with the secret key in FILE; may be given several times
    #[arg(long, value_name = "FILE")]
    pub signer: Vec<PathBuf>,
    /// Unlock the signing keys with the passphrase in FILE
    #[arg(long, value_name = "FILE")]
    pub signer_passphrase_file: Option<PathBuf>,
}

impl SignerArgs {
    /// Adds what these options say.
    pub fn add_to(&self, layer: &mut Layer) {
        layer.signers = many("--signer", &self.signer);
        layer.signer_passphrase = secret("--signer-passphrase-file", self.signer_passphrase_file.as_deref());
    }
}

/// Who can open a bundle.
#[derive(Args, Clone, Debug, Default)]
pub struct RecipientArgs {
    /// Encrypt to a file with an OpenPGP certificate, or to an age recipient; replaces those of the settings
    #[arg(long, value_name = "RECIPIENT")]
    pub recipient: Vec<RecipientWord>,
    /// Let the passphrase in FILE open the bundle
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl RecipientArgs {
    /// Adds what these options say.
    pub fn add_to(&self, layer: &mut Layer) {
        let recipients = &mut layer.every_set.recipients;
        if !self.recipient.is_empty() {
            recipients.add(self.recipient.clone(), &Origin::Flag("--recipient"));
        }
        recipients.passphrase = secret("--passphrase-file", self.passphrase_file.as_deref());
    }
}

/// Which keys a bundle must have.
#[derive(Args, Clone, Debug, Default)]
pub struct PolicyArgs {
    /// Refuse a bundle with fewer than N recipients
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub recipients_min: Option<u32>,
    /// Refuse a bundle without the recipient ID: a fingerprint, an age recipient, or `passphrase`
    #[arg(long, value_name = "ID", value_parser = value::recipient_id)]
    pub require_recipient: Vec<String>,
}

impl PolicyArgs {
    /// Adds what these options say.
    pub fn add_to(&self, layer: &mut Layer) {
        let least = self.recipients_min;
        layer.policy.recipients_min = least.map(|least| Setting::of_flag("--recipients-min", least));
        layer.policy.recipients_required = many("--require-recipient", &self.require_recipient);
    }
}

/// How many threads work.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct JobsArgs {
    /// Work with N threads; 0 is one a core
    #[arg(long, short, value_name = "N", value_parser = parse_jobs)]
    pub jobs: Option<usize>,
}

impl JobsArgs {
    /// Adds what this option says.
    pub fn add_to(self, layer: &mut Layer) {
        layer.jobs = self.jobs.map(|jobs| Setting::of_flag("--jobs", jobs));
    }
}

/// What bundles are measured against, and opened with.
#[derive(Args, Clone, Debug, Default)]
pub struct MeasureArgs {
    /// Which keys open it.
    #[command(flatten)]
    pub identities: IdentityArgs,
    /// Which keys it must have.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Refuse a store that is older than the signed checkpoint in FILE
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// How many threads.
    #[command(flatten)]
    pub jobs: JobsArgs,
}

impl MeasureArgs {
    /// What these options say.
    #[must_use]
    pub fn layer(&self) -> Layer {
        let mut layer = Layer::default();
        self.identities.add_to(&mut layer);
        self.policy.add_to(&mut layer);
        self.jobs.add_to(&mut layer);
        layer
    }
}

/// Which bundle.
#[derive(Args, Clone, Debug)]
pub struct BundleArgs {
    /// A file, `latest`, or a bundle of the store by its id or 8 characters and more of its beginning
    #[arg(value_name = "BUNDLE", default_value = "latest")]
    pub bundle: BundleRef,
    /// Look in this set; not needed when the store has only one
    #[arg(long, value_name = "NAME")]
    pub set: Option<SetName>,
}

/// A setting of the flag `flag` that may be given several times; none when it was not.
#[must_use]
pub fn many<T: Clone>(flag: &'static str, values: &[T]) -> Option<Setting<Vec<T>>> {
    (!values.is_empty()).then(|| Setting::of_flag(flag, values.to_vec()))
}

/// A setting of a flag without a value; none when it was not given.
#[must_use]
pub fn yes(flag: &'static str, given: bool) -> Option<Setting<bool>> {
    given.then(|| Setting::of_flag(flag, true))
}

/// A secret in a file that the flag `flag` names.
#[must_use]
pub fn secret(flag: &'static str, path: Option<&Path>) -> Option<Setting<SecretSource>> {
    path.map(|path| Setting::of_flag(flag, SecretSource::File(path.to_owned())))
}

/// Reads the name of a suite, and shows the names in help.
#[must_use]
pub fn suite() -> impl TypedValueParser<Value = SuiteChoice> {
    PossibleValuesParser::new(SuiteChoice::WORDS).try_map(|word| word.parse::<SuiteChoice>())
}

/// As [`suite`], for OpenPGP keys: `age` is understood, to be refused with a word on what to do, and not offered.
#[must_use]
pub fn key_suite() -> impl TypedValueParser<Value = SuiteChoice> {
    let words = SuiteChoice::WORDS.map(|word| PossibleValue::new(word).hide(word == "age"));
    PossibleValuesParser::new(words).try_map(|word| word.parse::<SuiteChoice>())
}

/// Reads the name of an algorithm of keys, and shows the names in help.
#[must_use]
pub fn algorithm() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(ALGORITHMS)
}

/// The algorithms that keys are made with.
pub const ALGORITHMS: [&str; 5] = ["ecdsa-p384", "ecdsa-p256", "ed25519", "rsa-3072", "rsa-4096"];

fn parse_count(text: &str) -> Result<u32, BadValue> {
    value::count(value::number(text)?)
}

/// Reads a number of seconds that a command may take.
///
/// # Errors
/// When it is none.
pub fn parse_timeout(text: &str) -> Result<u32, BadValue> {
    value::timeout(value::number(text)?)
}

fn parse_jobs(text: &str) -> Result<usize, BadValue> {
    value::jobs(value::number(text)?)
}

/// Reads a level of zstd.
///
/// # Errors
/// When it is none.
pub fn parse_level(text: &str) -> Result<i32, BadValue> {
    value::level(value::number(text)?)
}
