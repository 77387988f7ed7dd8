//! What one place says: the flags, the environment or the file. What it does not say is `None`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::bundle::name::SetName;
use crate::config::origin::Origin;
use crate::config::origin::Setting;
use crate::config::secret::SecretSource;
use crate::config::value::RecipientWord;
use crate::config::value::SuiteChoice;

/// Everything that can be set.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// The folder of the store.
    pub store: Option<Setting<PathBuf>>,
    /// Trusted certificates.
    pub roots: Option<Setting<Vec<PathBuf>>>,
    /// Files or folders with public certificates.
    pub certificates: Option<Setting<Vec<PathBuf>>>,
    /// Files with secret signing keys.
    pub signers: Option<Setting<Vec<PathBuf>>>,
    /// What unlocks them.
    pub signer_passphrase: Option<Setting<SecretSource>>,
    /// Files with secret keys that open bundles.
    pub identities: Option<Setting<Vec<PathBuf>>>,
    /// What unlocks them.
    pub identity_passphrase: Option<Setting<SecretSource>>,
    /// What keys a bundle must have.
    pub policy: PolicyLayer,
    /// Databases that are never restored to.
    pub protected: Option<Setting<Vec<String>>>,
    /// Worker threads.
    pub jobs: Option<Setting<usize>>,
    /// Payload bytes in one block.
    pub block_bytes: Option<Setting<u32>>,
    /// What holds for every set that does not say otherwise.
    pub every_set: SetLayer,
    /// What holds for one set; only the file has these.
    pub sets: BTreeMap<SetName, SetLayer>,
}

/// What keys a bundle must have, as one place says it.
#[derive(Clone, Debug, Default)]
pub struct PolicyLayer {
    /// How many recipients there must be at least.
    pub recipients_min: Option<Setting<u32>>,
    /// Ids of recipients that must be among them.
    pub recipients_required: Option<Setting<Vec<String>>>,
    /// How many signers there must be at least.
    pub signers_min: Option<Setting<u32>>,
    /// How many bits an RSA key must have at least.
    pub rsa_bits_min: Option<Setting<u32>>,
    /// Whether a passphrase may be a recipient.
    pub passphrase_allowed: Option<Setting<bool>>,
}

/// Everything that can be set for a set.
#[derive(Clone, Debug, Default)]
pub struct SetLayer {
    /// Where the file begins to speak of this set; none for what is not about one set.
    pub origin: Option<Origin>,
    /// What is backed up.
    pub sources: Option<Setting<Vec<String>>>,
    /// Patterns of files to leave out.
    pub exclude: Option<Setting<Vec<String>>>,
    /// Whether to stay in the file system in which a source of files begins.
    pub one_file_system: Option<Setting<bool>>,
    /// Whether files may change while they are read.
    pub allow_changed: Option<Setting<bool>>,
    /// Whether secrets in config files are replaced.
    pub redact_secrets: Option<Setting<bool>>,
    /// Findings in config files that are no secrets.
    pub accept_findings: Option<Setting<Vec<String>>>,
    /// Whether databases are checked before they are read.
    pub check_sources: Option<Setting<bool>>,
    /// A word for the retention rules.
    pub retention_class: Option<Setting<String>>,
    /// Environment variables that commands may see.
    pub command_env: Option<Setting<Vec<String>>>,
    /// Most seconds that a command may take.
    pub command_timeout: Option<Setting<u32>>,
    /// Whether a command may print nothing.
    pub allow_empty: Option<Setting<bool>>,
    /// The container of the payload.
    pub suite: Option<Setting<SuiteChoice>>,
    /// The level of zstd.
    pub level: Option<Setting<i32>>,
    /// Who opens the bundles.
    pub recipients: RecipientLayer,
}

/// Recipients as one place names them.
#[derive(Clone, Debug, Default)]
pub struct RecipientLayer {
    /// Files with OpenPGP certificates.
    pub openpgp: Option<Setting<Vec<PathBuf>>>,
    /// age recipients.
    pub age: Option<Setting<Vec<String>>>,
    /// A passphrase.
    pub passphrase: Option<Setting<SecretSource>>,
}

impl RecipientLayer {
    /// Adds recipients that one place names together.
    pub fn add(&mut self, words: Vec<RecipientWord>, origin: &Origin) {
        let (mut age, mut openpgp) = (Vec::new(), Vec::new());
        for word in words {
            match word {
                RecipientWord::Age(recipient) => age.push(recipient),
                RecipientWord::Certificate(path) => openpgp.push(path),
            }
        }
        self.age = Some(Setting::new(age, origin.clone()));
        self.openpgp = Some(Setting::new(openpgp, origin.clone()));
    }

    /// Whether this place names any.
    #[must_use]
    pub fn names_any(&self) -> bool {
        self.names_keys() || self.passphrase.is_some()
    }

    /// Whether this place names a certificate or an age recipient.
    #[must_use]
    pub fn names_keys(&self) -> bool {
        self.openpgp.is_some() || self.age.is_some()
    }
}
