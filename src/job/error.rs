//! Why a piece of work was not done.

use std::io;
use std::path::PathBuf;

use crate::audit;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::input;
use crate::base::random::NoRandom;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::catalog;
use crate::config;
use crate::encrypt;
use crate::flow;
use crate::keyring;
use crate::keyring::trust::Untrusted;
use crate::policy;
use crate::policy::selection;
use crate::seal;
use crate::server;
use crate::sink;
use crate::source;
use crate::store;

/// Any failure of a job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The chain or the records of the store.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The audit log.
    #[error("cannot write the audit log")]
    Audit(#[from] audit::chain::Error),
    /// A key.
    #[error(transparent)]
    Keyring(#[from] keyring::Error),
    /// Signing.
    #[error(transparent)]
    Seal(#[from] seal::Error),
    /// Key slots.
    #[error(transparent)]
    Encrypt(#[from] encrypt::Error),
    /// A source.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A secret file or a command that gives a passphrase.
    #[error(transparent)]
    Secret(#[from] config::secret::Error),
    /// A passphrase was not given.
    #[error("{0}")]
    Ask(Box<dyn Fault + Send + Sync>),
    /// A source URI.
    #[error(transparent)]
    SourceUri(#[from] source::uri::Error),
    /// A target URI.
    #[error(transparent)]
    TargetUri(#[from] sink::uri::Error),
    /// A connection to a PostgreSQL server.
    #[error(transparent)]
    Postgres(#[from] server::postgres::Error),
    /// A target.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// The road out.
    #[error(transparent)]
    Backup(#[from] flow::backup::Error),
    /// Proof.
    #[error(transparent)]
    Verify(#[from] flow::verify::Error),
    /// Opening.
    #[error(transparent)]
    Contents(#[from] flow::contents::Error),
    /// The road back.
    #[error(transparent)]
    Restore(#[from] flow::restore::Error),
    /// What was asked for.
    #[error(transparent)]
    Selection(#[from] selection::Error),
    /// The keys that were named do not satisfy the policy.
    #[error(transparent)]
    Keys(#[from] policy::crypto::Violations),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// A key file is not what it should be.
    #[error("cannot use {}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: keyring::Error,
    },
    /// A secret key that opens bundles is locked, and there is nobody to ask.
    #[error("cannot use {}", path.display())]
    LockedIdentity {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: keyring::Error,
    },
    /// A public certificate or recipient, where a secret key is needed.
    #[error("{} holds {what}, and {work} needs the secret key that belongs to it", path.display())]
    Public {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: String,
        /// `opening bundles`, `signing`.
        work: &'static str,
    },
    /// A file that was named cannot be read.
    #[error("cannot read {}", path.display())]
    OpenFile {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
    /// The folder is there, and is no store: what was to be the store is not mounted, for instance.
    #[error("{store} is not a store: it has no repository.json")]
    NotAStore {
        /// The folder.
        store: String,
    },
    /// The chain names a bundle that the store does not have.
    #[error("{store} no longer has bundle {id}, which the chain of set {set} names")]
    BundleGone {
        /// The set.
        set: SetName,
        /// The bundle.
        id: BundleId,
        /// The store.
        store: String,
    },
    /// Nobody who is trusted vouches for what a new bundle would continue.
    #[error("the chain of set {set} ends in manifest {sequence}, for which no trusted signer vouches")]
    Head {
        /// The set.
        set: SetName,
        /// The place of the manifest.
        sequence: u64,
        /// What is wrong with its signatures.
        #[source]
        source: seal::Error,
    },
    /// Nobody would trust what this key signs.
    #[error("the signing key {fingerprint} is not trusted, so its bundles would not verify")]
    Signer {
        /// Its certificate.
        fingerprint: String,
        /// Why not.
        #[source]
        source: Untrusted,
    },
    /// A bundle is published, and the audit log does not say so.
    #[error("bundle {bundle} is published and in its chain, but the audit log cannot be written")]
    Unrecorded {
        /// The bundle.
        bundle: BundleId,
        /// Why not.
        #[source]
        source: audit::chain::Error,
    },
    /// A store is needed, and none was named.
    #[error("no store was named")]
    NoStore,
    /// A restore without proof would not be on record.
    #[error("the audit log cannot be written, and what is restored without verification must be on record")]
    DangerUnrecorded {
        /// Why not.
        #[source]
        source: audit::chain::Error,
    },
    /// The store holds nothing.
    #[error("{store} holds no bundle")]
    EmptyStore {
        /// The store.
        store: String,
    },
    /// The set holds nothing.
    #[error("set {set} holds no bundle")]
    EmptySet {
        /// The set.
        set: SetName,
    },
    /// The store has several sets, and none was named.
    #[error("the store has several sets: {}", sets.iter().map(SetName::as_str).collect::<Vec<_>>().join(", "))]
    AmbiguousSet {
        /// The sets.
        sets: Vec<SetName>,
    },
    /// What was named is no bundle.
    #[error("{text} is neither a file nor the id of a bundle")]
    NotABundle {
        /// What was named.
        text: String,
        /// The set of the store that has this name.
        set: Option<SetName>,
    },
    /// Several ids begin so.
    #[error("several bundles have an id that begins with {text}: {}", ids.iter().map(BundleId::as_str).collect::<Vec<_>>().join(", "))]
    AmbiguousId {
        /// What was named.
        text: String,
        /// The ids.
        ids: Vec<BundleId>,
    },
    /// There is no such bundle.
    #[error("{store} has no bundle {id}")]
    NoSuchBundle {
        /// What was asked for.
        id: BundleId,
        /// The store.
        store: String,
    },
    /// Something that the job needs was not given.
    #[error("{what}")]
    Missing {
        /// What is missing.
        what: String,
        /// How to give it.
        hint: String,
    },
    /// What was given does not fit.
    #[error("{what}")]
    Unfit {
        /// What does not fit.
        what: String,
        /// What to do instead.
        hint: String,
    },
    /// A bundle lies in the store that is not in the chain, and cannot be taken into it.
    #[error("set {set}: bundle {bundle} is not in the chain and does not continue it")]
    Stray {
        /// The set.
        set: SetName,
        /// The bundle.
        bundle: BundleId,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Catalog(error) => error.kind(),
            Self::Audit(error) => error.kind(),
            Self::Keyring(error) => error.kind(),
            Self::Seal(error) => error.kind(),
            Self::Encrypt(error) => error.kind(),
            Self::Source(error) => error.kind(),
            Self::Secret(error) => error.kind(),
            Self::Ask(error) => error.kind(),
            Self::SourceUri(error) => error.kind(),
            Self::TargetUri(error) => error.kind(),
            Self::Postgres(error) => error.kind(),
            Self::Sink(error) => error.kind(),
            Self::Backup(error) => error.kind(),
            Self::Verify(error) => error.kind(),
            Self::Contents(error) => error.kind(),
            Self::Restore(error) => error.kind(),
            Self::Selection(error) => error.kind(),
            Self::Keys(error) => error.kind(),
            Self::KeyFile { source, .. } | Self::LockedIdentity { source, .. } => source.kind(),
            Self::Public { .. } => Kind::NoUsableKey,
            Self::Random(_) | Self::WriteFile { .. } => Kind::Failed,
            Self::OpenFile { .. }
            | Self::EmptyStore { .. }
            | Self::EmptySet { .. }
            | Self::NoSuchBundle { .. }
            | Self::NotABundle { .. } => Kind::NotFound,
            Self::NotAStore { .. } => Kind::StoreUnavailable,
            Self::Head { source, .. } => source.kind(),
            Self::Signer { source, .. } => source.kind(),
            Self::Unrecorded { source, .. } | Self::DangerUnrecorded { source } => source.kind(),
            Self::NoStore
            | Self::AmbiguousSet { .. }
            | Self::AmbiguousId { .. }
            | Self::Missing { .. }
            | Self::Unfit { .. } => Kind::Usage,
            Self::BundleGone { .. } | Self::Stray { .. } => Kind::ChainBroken,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Catalog(error) => error.hint(),
            Self::Audit(error) => error.hint(),
            Self::Keyring(error) => error.hint(),
            Self::Seal(error) => error.hint(),
            Self::Encrypt(error) => error.hint(),
            Self::Source(error) => error.hint(),
            Self::Secret(error) => error.hint(),
            Self::Ask(error) => error.hint(),
            Self::SourceUri(error) => error.hint(),
            Self::TargetUri(error) => error.hint(),
            Self::Postgres(error) => error.hint(),
            Self::Sink(error) => error.hint(),
            Self::Backup(error) => error.hint(),
            Self::Verify(error) => error.hint(),
            Self::Contents(error) => error.hint(),
            Self::Restore(error) => error.hint(),
            Self::Selection(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::KeyFile { source, .. } => source.hint(),
            Self::LockedIdentity { .. } => Some(UNLOCK_IDENTITY.into()),
            Self::Public { .. } => Some(
                "Name the file with the secret key: `ROLE-NAME.key` of `keys generate` and `init`, what `gpg --export-secret-keys` writes, or an \
                 age identity file."
                    .into(),
            ),
            Self::OpenFile { source, .. } => input::missing_hint(source).map(str::to_owned),
            Self::Random(_) | Self::WriteFile { .. } => None,
            Self::NotAStore { .. } => Some(
                "Mount the disk that the store lies on, or name its folder with --store; `hub-backup init` makes a store.".into(),
            ),
            Self::BundleGone { .. } => Some(
                "Take the bundle from another copy of the store. If nobody removed it on purpose, treat the store as tampered with.".into(),
            ),
            Self::Head { set, .. } => Some(format!(
                "`hub-backup verify --all --set {set}` says more. If the signer is yours, give its certificate with --certificate; if its key was \
                 compromised, go on under the name of a new set and keep this one as it is."
            )),
            Self::Signer { source, .. } => Some(signer_hint(source)),
            Self::Unrecorded { .. } => Some(
                "Do not run the backup again for it. `hub-backup audit check` shows what is wrong with the log.".into(),
            ),
            Self::DangerUnrecorded { .. } => {
                Some("Make the store writable for this user, or verify the bundle; nothing was decrypted or restored.".into())
            }
            Self::NoStore => Some("Give --store DIR, or write [store] path in hub-backup.toml.".into()),
            Self::EmptyStore { .. } | Self::EmptySet { .. } => Some("Make one with `hub-backup backup`.".into()),
            Self::NoSuchBundle { .. } => Some("`hub-backup list` shows what the store has.".into()),
            Self::AmbiguousSet { .. } => Some("Name one with --set.".into()),
            Self::AmbiguousId { .. } => Some("Name one by more of its id.".into()),
            Self::NotABundle { set, .. } => Some(bundle_hint(set.as_ref())),
            Self::Missing { hint, .. } | Self::Unfit { hint, .. } => Some(hint.clone()),
            Self::Stray { .. } => Some(
                "It was put there by someone else, or belongs to a chain that was rolled back. Move it out of the store, look into it, and run again.".into(),
            ),
        }
    }
}

/// What gives the passphrase of a secret key.
const UNLOCK_IDENTITY: &str = "Run this at a terminal, which asks for the passphrase, or give it with --identity-passphrase-file, \
                               HUB_BACKUP_IDENTITY_PASSPHRASE_FILE or HUB_BACKUP_IDENTITY_PASSPHRASE_COMMAND.";

/// How a bundle is named; `set` is what was named instead.
fn bundle_hint(set: Option<&SetName>) -> String {
    set.map_or_else(
        || {
            "Name a file, `latest`, or a bundle of the store by its id or the first 8 characters of it or more; `hub-backup list` shows what \
             the store has."
                .into()
        },
        |set| format!("There is a set of this name: did you mean `latest --set {set}`?"),
    )
}

/// What makes a signer trusted.
fn signer_hint(why: &Untrusted) -> String {
    match why {
        Untrusted::Unknown { .. } | Untrusted::NotCertified { .. } => {
            "Let the root certify it with `hub-backup keys certify`, and put the result where `certificates` says, or name it with --certificate."
                .into()
        }
        Untrusted::CertificationRevoked { .. }
        | Untrusted::RevokedHard { .. }
        | Untrusted::NotValidAt { .. }
        | Untrusted::WeakAlgorithm { .. } => {
            "Make a new signing key with `hub-backup keys generate --role signer`, and let the root certify it.".into()
        }
    }
}
