//! Level 4: what the operator wants, from flags over environment over file over defaults; each value remembers its origin.
//!
//! Every place that settings come from is read into a [`layer::Layer`]; [`resolve`] puts the layers on top of each
//! other. Nothing here talks to people, and nothing below reads settings: stages take plain values.

pub mod check;
pub mod document;
pub mod env;
pub mod environment;
pub mod error;
pub mod file;
pub mod layer;
pub mod locate;
pub mod origin;
pub mod resolve;
pub mod secret;
pub mod show;
pub mod value;

use std::path::PathBuf;

use crate::bundle::name::SetName;
use crate::config::layer::Layer;
use crate::config::origin::Setting;
use crate::config::secret::SecretSource;
use crate::config::value::SuiteChoice;

/// The settings of one run, complete and checked for form. Paths are as the program can open them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The settings file, if one was found.
    pub file: Option<PathBuf>,
    /// The folder of the store, if one is named.
    pub store: Option<Setting<PathBuf>>,
    /// Keys that sign, open, and are trusted.
    pub keys: Keys,
    /// Who opens bundles, unless a set says otherwise.
    pub recipients: Recipients,
    /// What keys a bundle must have.
    pub policy: Policy,
    /// Databases that are never restored to: patterns of names, of hosts, and of `HOST/NAME`.
    pub protected: Setting<Vec<String>>,
    /// The container of the payload.
    pub suite: Setting<SuiteChoice>,
    /// The level of zstd.
    pub level: Setting<i32>,
    /// Worker threads; never 0 in use, see [`Settings::threads`].
    pub jobs: Setting<usize>,
    /// Payload bytes in one block before compression.
    pub block_bytes: Setting<u32>,
    layers: Layers,
}

/// Keys by what they are for.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Certificates that are trusted because they are named here.
    pub roots: Setting<Vec<PathBuf>>,
    /// Files or folders with public certificates, of signers above all.
    pub certificates: Setting<Vec<PathBuf>>,
    /// Files with secret signing keys.
    pub signers: Setting<Vec<PathBuf>>,
    /// What unlocks the signing keys, if they are locked.
    pub signer_passphrase: Option<Setting<SecretSource>>,
    /// Files with secret keys that open bundles.
    pub identities: Setting<Vec<PathBuf>>,
    /// What unlocks the identities, if they are locked.
    pub identity_passphrase: Option<Setting<SecretSource>>,
}

/// What keys a bundle must have, when it is made and when it is verified.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How many recipients at least.
    pub recipients_min: Setting<u32>,
    /// Recipients that must be among them, by their ids as the manifest has them.
    pub recipients_required: Setting<Vec<String>>,
    /// How many signers at least.
    pub signers_min: Setting<u32>,
    /// How many bits of an RSA key at least.
    pub rsa_bits_min: Setting<u32>,
    /// Whether a passphrase may be a recipient.
    pub passphrase_allowed: Setting<bool>,
}

/// Everyone who can open a bundle.
#[derive(Clone, Debug)]
pub struct Recipients {
    /// Files with OpenPGP certificates.
    pub openpgp: Setting<Vec<PathBuf>>,
    /// age recipients, `age1…`.
    pub age: Setting<Vec<String>>,
    /// A passphrase.
    pub passphrase: Option<Setting<SecretSource>>,
}

impl Recipients {
    /// How many they are. A certificate file counts as one, as certificates are not read here.
    #[must_use]
    pub fn count(&self) -> usize {
        self.openpgp.value.len() + self.age.value.len() + usize::from(self.passphrase.is_some())
    }
}

/// One set: what is backed up, and how.
#[derive(Clone, Debug)]
pub struct SetSettings {
    /// Its name.
    pub name: SetName,
    /// What is backed up, as URIs. Relative paths begin at [`origin::Origin::folder`] of the setting.
    pub sources: Setting<Vec<String>>,
    /// What the file names for this set, and flags or the environment replace: it is not backed up.
    pub left_out: Vec<String>,
    /// Patterns of files to leave out.
    pub exclude: Setting<Vec<String>>,
    /// Whether what is mounted below the root of a source of files is left out.
    pub one_file_system: Setting<bool>,
    /// Whether a file that changes while it is read is an exception rather than the end.
    pub allow_changed: Setting<bool>,
    /// Whether secrets in config files are replaced rather than refused.
    pub redact_secrets: Setting<bool>,
    /// Findings in config files that are no secrets, as `FILE:KEY`.
    pub accept_findings: Setting<Vec<String>>,
    /// Whether databases are checked before they are read.
    pub check_sources: Setting<bool>,
    /// A word for the retention rules.
    pub retention_class: Option<Setting<String>>,
    /// Environment variables that commands may see.
    pub command_env: Setting<Vec<String>>,
    /// Most seconds that a command may take; none by default.
    pub command_timeout: Option<Setting<u32>>,
    /// Whether a command that prints nothing is no failure.
    pub allow_empty: Setting<bool>,
    /// The container of the payload.
    pub suite: Setting<SuiteChoice>,
    /// The level of zstd.
    pub level: Setting<i32>,
    /// Who opens the bundles.
    pub recipients: Recipients,
}

/// What was said where, for the questions that come later: which set, and how.
#[derive(Clone, Debug, Default)]
struct Layers {
    flags: Layer,
    environment: Layer,
    file: Layer,
}
