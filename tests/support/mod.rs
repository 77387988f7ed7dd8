//! What several tests share: throwaway keys, a tiny source, bundles in memory, and stores with a chain of them.
//!
//! Keys are made once a test binary. Times and ids are fixed; content keys, salts and nonces are random, as ever.
#![allow(
    dead_code,
    reason = "every test binary compiles all of this, and none uses all of it"
)]

pub(crate) mod memory;
pub(crate) mod outer;

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;

use hub_backup::audit::Actor;
use hub_backup::base::cancel::Cancel;
use hub_backup::base::clock::FixedClock;
use hub_backup::base::clock::SystemClock;
use hub_backup::base::clock::Timestamp;
use hub_backup::base::digest::Digest;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::base::limits;
use hub_backup::base::progress::Silent;
use hub_backup::base::read_at::ReadAt;
use hub_backup::base::secret::SecretText;
use hub_backup::bundle::entry::Attributes;
use hub_backup::bundle::entry::Collector;
use hub_backup::bundle::entry::Mtime;
use hub_backup::bundle::entry::NodeWithoutContent;
use hub_backup::bundle::header;
use hub_backup::bundle::header::Header;
use hub_backup::bundle::kind::SourceKind;
use hub_backup::bundle::manifest::PolicyFacts;
use hub_backup::bundle::manifest::Role;
use hub_backup::bundle::name::Label;
use hub_backup::bundle::name::SetName;
use hub_backup::bundle::path::EntryPath;
use hub_backup::bundle::path::RawBytes;
use hub_backup::bundle::suite::Suite;
use hub_backup::catalog::repository;
use hub_backup::catalog::repository::Repository;
use hub_backup::flow::backup;
use hub_backup::flow::backup::Plan;
use hub_backup::flow::backup::Sealed;
use hub_backup::flow::verify::Measure;
use hub_backup::flow::verify::Verified;
use hub_backup::flow::verify::verify;
use hub_backup::job;
use hub_backup::job::Desk;
use hub_backup::keyring::Identity;
use hub_backup::keyring::Recipient;
use hub_backup::keyring::dialog::Dialog;
use hub_backup::keyring::identities::make_age_identity;
use hub_backup::keyring::make;
use hub_backup::keyring::make::Algorithm;
use hub_backup::keyring::make::Made;
use hub_backup::keyring::make::NewKey;
use hub_backup::keyring::make::SuiteFeatures;
use hub_backup::keyring::trust::TrustStore;
use hub_backup::policy::crypto::KeyPolicy;
use hub_backup::seal::Signer;
use hub_backup::seal::SoftwareSigner;
use hub_backup::source;
use hub_backup::source::Learnt;
use hub_backup::source::Source;
use hub_backup::store::Store;
use hub_backup::store::mem::MemStore;

/// When keys were made: a day before the first bundle.
pub(crate) const KEYS_MADE: &str = "2026-01-30T12:00:00Z";
/// When the bundle of sequence 0 would have been made; each is a minute after the one before.
pub(crate) const BEGIN: &str = "2026-01-31T12:00:00Z";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// One organisation's keys: a root, a signer that it certified, and two recipients of each kind.
pub(crate) struct Keys {
    pub(crate) root: Made,
    pub(crate) signer: SoftwareSigner,
    pub(crate) signer_secret: SecretText,
    pub(crate) trust: TrustStore,
    pub(crate) openpgp: [Made; 2],
    pub(crate) age: [(String, SecretText); 2],
}

/// A key as fast as there is: the tests below verify some hundred thousand signatures.
pub(crate) fn new_key(role: Role, name: &str, suite_features: SuiteFeatures) -> Made {
    let name = format!("{name} (throwaway test key)");
    let (algorithm, expires, passphrase) = (Algorithm::Ed25519, None, None);
    let key = NewKey {
        role,
        name,
        algorithm,
        expires,
        generation: 1,
        passphrase,
        suite_features,
    };
    make::make(&key, time(KEYS_MADE)).expect("a key")
}

impl Keys {
    pub(crate) fn new() -> Self {
        let root = new_key(Role::Root, "Root", SuiteFeatures::Rfc9580);
        let signer = new_key(Role::Signer, "Signer", SuiteFeatures::Rfc9580);
        let certified = make::certify(&root.cert, None, &signer.cert, time(KEYS_MADE)).expect("certified");
        let pinned = vec![root.cert.clone().strip_secret_key_material()];
        let recipient = |name| new_key(Role::Recipient, name, SuiteFeatures::Rfc9580);
        Self {
            trust: TrustStore {
                pinned,
                known: vec![certified],
            },
            signer: SoftwareSigner::new(signer.cert, None, time(BEGIN)).expect("a signer"),
            signer_secret: signer.secret,
            root,
            openpgp: [recipient("Operations"), recipient("Escrow")],
            age: [make_age_identity(), make_age_identity()],
        }
    }

    /// Both recipients that a bundle of the suite is for.
    pub(crate) fn recipients(&self, suite: Suite) -> Vec<Recipient> {
        match suite {
            Suite::Rfc9580 | Suite::Gnupg => {
                let public = |made: &Made| made.cert.clone().strip_secret_key_material();
                self.openpgp
                    .iter()
                    .map(|made| Recipient::OpenPgp(Box::new(public(made))))
                    .collect()
            }
            Suite::Age => self.age.iter().map(|(text, _)| Recipient::Age(text.clone())).collect(),
        }
    }

    /// The secret key of one of the two recipients.
    pub(crate) fn identity(&self, suite: Suite, number: usize) -> Identity {
        match suite {
            Suite::Rfc9580 | Suite::Gnupg => {
                let key = Box::new(self.openpgp[number].cert.clone());
                Identity::OpenPgp { key, passphrase: None }
            }
            Suite::Age => Identity::age(self.age[number].1.clone()),
        }
    }
}

/// The keys that the tests trust.
pub(crate) fn own() -> &'static Keys {
    static OWN: OnceLock<Keys> = OnceLock::new();
    OWN.get_or_init(Keys::new)
}

/// The keys of somebody else, made the same way.
pub(crate) fn stranger() -> &'static Keys {
    static STRANGER: OnceLock<Keys> = OnceLock::new();
    STRANGER.get_or_init(Keys::new)
}

/// A few entries of every kind, whose content is a function of `seed` and `bytes`.
pub(crate) struct Tiny {
    label: Label,
    seed: u64,
    bytes: usize,
}

impl Tiny {
    /// `bytes` of content that does not compress, beside some dozen bytes that do.
    pub(crate) fn new(seed: u64, bytes: usize) -> Self {
        Self {
            label: "hub".parse().expect("a label"),
            seed,
            bytes,
        }
    }
}

/// Octets that look random and are the same each time (xorshift64*).
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

pub(crate) fn path(text: &str) -> EntryPath {
    EntryPath::try_from(RawBytes(text.into())).expect("a path")
}

pub(crate) fn attributes(mode: u32) -> Attributes {
    let mtime = Mtime {
        seconds: 1_769_000_000,
        nanos: 0,
    };
    Attributes {
        mode,
        mtime,
        ..Attributes::default()
    }
}

impl Source for Tiny {
    fn label(&self) -> &Label {
        &self.label
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Files
    }

    fn check(&mut self, _cancel: &Cancel) -> Result<(), source::Error> {
        Ok(())
    }

    fn collect(&mut self, collector: &mut dyn Collector, _cancel: &Cancel) -> Result<Learnt, source::Error> {
        let failed = |source| source::Error::Collect {
            label: "hub".parse().expect("a label"),
            source,
        };
        let target = RawBytes(b"note".to_vec());
        collector
            .node(path("hub"), attributes(0o755), NodeWithoutContent::Directory)
            .map_err(failed)?;
        let note = format!("note number {}\n", self.seed);
        let size = note.len() as u64;
        collector
            .file(path("hub/note"), attributes(0o644), size, None, &mut note.as_bytes())
            .map_err(failed)?;
        collector
            .node(
                path("hub/link"),
                attributes(0o777),
                NodeWithoutContent::Symlink { target },
            )
            .map_err(failed)?;
        let noise = noise(self.seed, self.bytes);
        collector
            .stream(path("hub/dump"), 0o600, &mut noise.as_slice())
            .map_err(failed)?;
        Ok(Learnt::default())
    }
}

/// What a bundle shall be.
pub(crate) struct Order<'a> {
    pub(crate) suite: Suite,
    pub(crate) sequence: u64,
    pub(crate) previous: Option<Digest>,
    pub(crate) keys: &'a Keys,
    /// Bytes that do not compress.
    pub(crate) bytes: usize,
}

impl Order<'_> {
    /// The first bundle of a chain, as small as can be.
    pub(crate) fn first(suite: Suite) -> Self {
        Self {
            suite,
            sequence: 1,
            previous: None,
            keys: own(),
            bytes: 16,
        }
    }
}

/// A bundle in memory, and what it was sealed with.
pub(crate) struct Bundle {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sealed: Sealed,
}

pub(crate) fn set() -> SetName {
    "hub".parse().expect("a set name")
}

pub(crate) fn header(suite: Suite, sequence: u64) -> Header {
    let created =
        Timestamp::from_unix(time(BEGIN).unix() + 60 * i64::try_from(sequence).expect("small")).expect("a year");
    Header {
        format: header::MAGIC.to_owned(),
        version: header::FORMAT_VERSION,
        bundle: format!("{}-{sequence:016x}", created.compact()).parse().expect("an id"),
        set: set(),
        created,
        suite,
        segment_bytes: limits::BLOCK_BYTES_MIN,
        block_bytes: limits::BLOCK_BYTES_MIN,
        tool: "hub-backup test".to_owned(),
    }
}

/// Writes a bundle of a [`Tiny`] source.
pub(crate) fn bundle(order: &Order<'_>) -> Bundle {
    let recipients = order.keys.recipients(order.suite);
    let signers: [&dyn Signer; 1] = [&order.keys.signer];
    let plan = Plan {
        header: header(order.suite, order.sequence),
        sequence: order.sequence,
        previous: order.previous,
        recipients: &recipients,
        signers: &signers,
        policy: PolicyFacts::default(),
        level: limits::LEVEL,
        jobs: 1,
        dialog: Dialog::default(),
    };
    let mut sources: Vec<Box<dyn Source>> = vec![Box::new(Tiny::new(order.sequence, order.bytes))];
    let mut bytes = Vec::new();
    let sealed = backup::backup(&plan, &mut sources, &mut bytes, &Silent, &Cancel::new()).expect("a bundle");
    Bundle { bytes, sealed }
}

/// Everything that a lone file is measured against: the own root, and the default policy.
pub(crate) fn measure(keys: &KeyPolicy) -> Measure<'_> {
    Measure {
        trust: &own().trust,
        keys,
        name: None,
        chain: None,
        checkpoint: None,
        jobs: 1,
    }
}

/// Verifies an object as a lone file: the kind of failure and its message, if it fails.
pub(crate) fn judge(object: Arc<dyn ReadAt>) -> Result<Verified, (Kind, String)> {
    judge_by(object, &measure(&KeyPolicy::default()))
}

/// Verifies an object.
pub(crate) fn judge_by(object: Arc<dyn ReadAt>, measure: &Measure<'_>) -> Result<Verified, (Kind, String)> {
    verify(object, measure, &Silent, &Cancel::new()).map_err(|error| (error.kind(), error.to_string()))
}

fn actor() -> Actor {
    Actor {
        user: "tester".into(),
        host: "bench".into(),
        tool: "hub-backup test".into(),
    }
}

/// Who writes the audit log, without a signature.
pub(crate) fn desk() -> Desk<'static> {
    Desk {
        clock: &SystemClock,
        actor: actor(),
        signers: &[],
        unrecorded: Box::new(|error| panic!("not on record: {error}")),
        warn: Box::new(|danger| panic!("{danger}")),
    }
}

/// Gives an empty store its identity.
pub(crate) fn found(store: &dyn Store) {
    let repository = Repository::new(time(BEGIN), "hub-backup test", Vec::new()).expect("random");
    repository::create(store, &repository.to_bytes(), None).expect("a new store");
}

/// A store in memory with a chain of so many bundles.
pub(crate) fn store_of(bundles: u64) -> MemStore {
    let store = MemStore::new();
    found(&store);
    for number in 1..=bundles {
        let _done = back_up(&store, Suite::Rfc9580, number);
    }
    store
}

/// Adds a bundle to the chain of a store, as the program does. `number` sets the clock and the content.
pub(crate) fn back_up(store: &dyn Store, suite: Suite, number: u64) -> job::backup::Done {
    try_back_up(store, suite, number).expect("a backup")
}

/// The same, for a store that may fail.
pub(crate) fn try_back_up(
    store: &dyn Store,
    suite: Suite,
    number: u64,
) -> Result<job::backup::Done, job::error::Error> {
    let keys = own();
    let policy = KeyPolicy::default();
    let clock = FixedClock(header(suite, number).created);
    let signers: [&dyn Signer; 1] = [&keys.signer];
    let desk = Desk {
        clock: &clock,
        actor: actor(),
        signers: &signers,
        unrecorded: Box::new(|error| panic!("not on record: {error}")),
        warn: Box::new(|danger| panic!("{danger}")),
    };
    let job = job::backup::Backup {
        store,
        set: set(),
        recipients: keys.recipients(suite),
        signers: &signers,
        trust: &keys.trust,
        keys: &policy,
        suite,
        level: limits::LEVEL,
        jobs: 1,
        block_bytes: limits::BLOCK_BYTES_MIN,
        retention_class: None,
        dialog: Dialog::default(),
    };
    let mut sources: Vec<Box<dyn Source>> = vec![Box::new(Tiny::new(number, 64))];
    job::backup::run(&job, &mut sources, &desk, &Silent, &Cancel::new())
}

/// A bundle with some bytes of it altered, without a copy of the whole.
pub(crate) struct Altered {
    pub(crate) base: Arc<Vec<u8>>,
    /// Where, and what is turned there.
    pub(crate) at: u64,
    pub(crate) mask: u8,
}

impl ReadAt for Altered {
    fn len(&self) -> u64 {
        self.base.as_slice().len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.base.read_exact_at(buffer, offset)?;
        if let Some(index) = self.at.checked_sub(offset)
            && let Some(octet) = usize::try_from(index).ok().and_then(|index| buffer.get_mut(index))
        {
            *octet ^= self.mask;
        }
        Ok(())
    }
}

/// The begin of a bundle.
pub(crate) struct Cut {
    pub(crate) base: Arc<Vec<u8>>,
    pub(crate) length: u64,
}

impl ReadAt for Cut {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.length => self.base.read_exact_at(buffer, offset),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
