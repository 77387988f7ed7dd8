//! A new store, whole or not at all: settings, keys, an empty store that says what it is, and the first audit record.
//!
//! Everything is made in a folder with a temporary name, so a run that dies leaves nothing under the name that was asked for.

pub mod new_keys;
mod staging;
mod words;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use crate::audit::Act;
use crate::audit::Actor;
use crate::base::claim;
use crate::base::clock::Clock;
use crate::base::durable;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::secret::SecretText;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::name::SetName;
use crate::bundle::suite::Suite;
use crate::catalog::repository;
use crate::catalog::repository::Repository;
use crate::config::locate;
use crate::config::value::SuiteChoice;
use crate::keyring::facts;
use crate::keyring::make::Algorithm;
use crate::seal;
use crate::seal::SoftwareSigner;
use crate::store::local::LocalStore;

use super::Deed;
use super::Desk;
use super::error;
use super::keyfiles;
use super::keyfiles::PUBLIC_MODE;
use new_keys::Key;
use new_keys::Part;
use new_keys::make_keys;
use new_keys::write_keys;
use staging::HalfMoved;
use staging::Staging;
use staging::move_each;
use staging::move_whole;

/// The folder of the store, below the new one.
pub const STORE: &str = "store";
/// The folder of the public certificates.
pub const KEYS: &str = "keys";
/// The folder of the secrets of this host.
pub const SECRETS: &str = "secrets";
/// The folder of what must leave this host.
pub const MOVE_OFFLINE: &str = "move-offline";

const FOLDER_MODE: u32 = 0o750;
const SECRET_FOLDER_MODE: u32 = 0o700;

/// What shall be made.
pub struct Init {
    /// The folder.
    pub dir: PathBuf,
    /// The first set, also in the user ids of the keys.
    pub set: SetName,
    /// The algorithm of the keys.
    pub algorithm: Algorithm,
    /// What the keys shall fit.
    pub suite: SuiteChoice,
    /// What locks the secret keys that leave this host. The signing key is not locked: backups run unattended.
    pub passphrase: Option<SecretText>,
    /// Who does it.
    pub actor: Actor,
}

/// A store that was made.
#[derive(Clone, Debug)]
pub struct Initialized {
    /// The id of the store.
    pub repository: String,
    /// The keys, in the order of [`Part::ALL`].
    pub keys: Vec<(Part, KeyFacts)>,
    /// Every file, and what becomes of it.
    pub files: Vec<Placed>,
}

/// A file that was made, or a folder.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its path below the new folder.
    pub path: String,
    /// Whether it is secret.
    pub secret: bool,
    /// Whether a passphrase locks it.
    pub locked: bool,
    /// Whether it must leave this host.
    pub leaves: bool,
    /// What it is, and who has to have it.
    pub keeper: &'static str,
    /// What happens when it is lost.
    pub if_lost: &'static str,
}

/// Why no store was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a key.
    #[error(transparent)]
    Key(#[from] keyfiles::Error),
    /// As in every job.
    #[error(transparent)]
    Job(#[from] error::Error),
    /// Something is there.
    #[error("{} exists and is not an empty folder", dir.display())]
    NotEmpty {
        /// What was asked for.
        dir: PathBuf,
    },
    /// The suite has no OpenPGP keys.
    #[error("init makes OpenPGP keys, and the suite age has none")]
    AgeSuite,
    /// It failed half way, and then not all that was made could be taken away again.
    #[error("{} stays, and is not a whole store: it could not be taken away again", names(left))]
    Left {
        /// What stays.
        left: Vec<PathBuf>,
        /// What failed first.
        #[source]
        source: Box<Error>,
    },
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Key(error) => error.kind(),
            Self::Job(error) => error.kind(),
            Self::NotEmpty { .. } => Kind::TargetRefused,
            Self::AgeSuite => Kind::Usage,
            Self::Left { source, .. } => source.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Key(error) => error.hint(),
            Self::Job(error) => error.hint(),
            Self::NotEmpty { .. } => Some("Nothing is overwritten: name a new folder.".into()),
            Self::AgeSuite => Some(
                "Leave --suite out; then make age recipients with `hub-backup keys generate --role recipient --age`, \
                 name them in the settings, and set the suite there."
                    .into(),
            ),
            Self::Left { .. } => Some(
                "Remove it before you run this again, with the secret keys if they are in it: nothing depends on them yet."
                    .into(),
            ),
        }
    }
}

/// Makes a store with its keys and settings.
///
/// # Errors
/// See [`enum@Error`]. Nothing is left then, but for what `Left` names; only when the process dies, a folder with a temporary name can stay,
/// until the next run.
pub fn run(init: &Init, clock: &dyn Clock) -> Result<Initialized, Error> {
    check(&init.dir, init.suite)?;
    sweep(&init.dir);
    let is_there = match look(&init.dir)? {
        Seen::Nothing => false,
        Seen::Empty => true,
        // Somebody else is at it.
        Seen::Leftovers => return Err(not_empty(&init.dir)),
    };
    let (parent, wrap) = (durable::parent(&init.dir), |source| failed(&init.dir, source));
    if !is_there {
        durable::create_folders(parent, FOLDER_MODE).map_err(wrap)?;
    }
    let staging = Staging::new(if is_there { &init.dir } else { parent }, name_of(&init.dir)).map_err(wrap)?;
    let made = fill(staging.path(), init, clock)?;
    if is_there {
        move_each(staging, &init.dir).map_err(|HalfMoved { source, left }| half_moved(wrap(source), left))?;
    } else {
        move_whole(staging, &init.dir).map_err(wrap)?;
    }
    Ok(made)
}

fn half_moved(error: Error, left: Vec<PathBuf>) -> Error {
    if left.is_empty() {
        return error;
    }
    let source = Box::new(error);
    Error::Left { left, source }
}

/// Refuses what cannot be made, before anybody is asked for anything. What a killed run for the same folder left is no obstacle: [`run`]
/// removes it.
///
/// # Errors
/// `NotEmpty`, `AgeSuite`, or what the file system reports.
pub fn check(dir: &Path, suite: SuiteChoice) -> Result<(), Error> {
    if suite.fixed() == Some(Suite::Age) {
        return Err(Error::AgeSuite);
    }
    look(dir).map(drop)
}

/// What is where the new folder shall be.
enum Seen {
    Nothing,
    /// An empty folder.
    Empty,
    /// A folder with what a run for it has not yet, or never, given a name.
    Leftovers,
}

/// Looks at the place of the new folder, and refuses one that is taken.
fn look(dir: &Path) -> Result<Seen, Error> {
    let mut entries = match fs::read_dir(dir) {
        Ok(entries) => entries.peekable(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(not_empty(dir)),
        Err(error) => return Err(failed(dir, error)),
    };
    if entries.peek().is_none() {
        return Ok(Seen::Empty);
    }
    let is_left = |name: &OsStr| name.as_encoded_bytes().starts_with(durable::TEMP_PREFIX.as_bytes());
    if entries.all(|entry| entry.is_ok_and(|entry| is_left(&entry.file_name()))) {
        Ok(Seen::Leftovers)
    } else {
        // A run that died while it moved what it had made has left keys in both places: all of it stays.
        Err(not_empty(dir))
    }
}

/// Removes what killed runs for the same folder left beside it and in it.
fn sweep(dir: &Path) {
    for folder in [durable::parent(dir), dir] {
        let _swept = claim::sweep(folder, name_of(dir), |left| fs::remove_dir_all(left));
    }
}

fn not_empty(dir: &Path) -> Error {
    Error::NotEmpty { dir: dir.to_owned() }
}

fn failed(dir: &Path, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::AlreadyExists {
        return not_empty(dir);
    }
    keyfiles::unwritable(dir, source).into()
}

/// What the folder is called; it may be `.`, or a path that ends in `..`.
fn name_of(dir: &Path) -> &OsStr {
    dir.file_name().unwrap_or(OsStr::new("."))
}

/// Makes everything in a folder of its own.
fn fill(dir: &Path, init: &Init, clock: &dyn Clock) -> Result<Initialized, Error> {
    let now = clock.now();
    let keys = make_keys(init, now)?;
    let [root, signer, ..] = &keys;
    for (folder, mode) in [
        (KEYS, FOLDER_MODE),
        (SECRETS, SECRET_FOLDER_MODE),
        (MOVE_OFFLINE, SECRET_FOLDER_MODE),
    ] {
        keyfiles::create_folder(&dir.join(folder), mode)?;
    }
    write_keys(dir, &keys)?;
    let repository = make_store(dir, init, root, signer, clock)?;
    let readme = words::readme(&init.set, &repository, init.passphrase.is_some());
    keyfiles::write(
        &dir.join(MOVE_OFFLINE).join("README.txt"),
        readme.as_bytes(),
        PUBLIC_MODE,
    )?;
    let settings = words::settings(&init.set, init.suite);
    keyfiles::write(&dir.join(locate::FILE_NAME), settings.as_bytes(), PUBLIC_MODE)?;
    durable::sync_folder(dir).map_err(|source| failed(dir, source))?;
    let facts = |key: &Key| (key.part, facts::facts(&key.certificate, key.part.role(), now));
    Ok(Initialized {
        repository,
        keys: keys.iter().map(facts).collect(),
        files: words::files(init.passphrase.is_some()),
    })
}

/// Makes the store, signed by the root, with the signer's record of it in the audit log. Gives the id of the store.
fn make_store(dir: &Path, init: &Init, root: &Key, signer: &Key, clock: &dyn Clock) -> Result<String, Error> {
    let now = clock.now();
    let store = LocalStore::create(dir.join(STORE)).map_err(error::Error::Store)?;
    let roots = vec![root.certificate.fingerprint().to_hex()];
    let repository = Repository::new(now, &init.actor.tool, roots).map_err(error::Error::Catalog)?;
    let bytes = repository.to_bytes();
    let software = |key: &Key, passphrase| SoftwareSigner::new(key.made.cert.clone(), passphrase, now);
    let root = software(root, init.passphrase.clone()).map_err(error::Error::Seal)?;
    let signatures = seal::seal(&bytes, &[&root], now).map_err(error::Error::Seal)?;
    repository::create(&store, &bytes, Some(&signatures)).map_err(error::Error::Catalog)?;

    let signer = software(signer, None).map_err(error::Error::Seal)?;
    let desk = Desk {
        clock,
        actor: init.actor.clone(),
        signers: &[&signer],
        unrecorded: Box::new(|_| ()),
        warn: Box::new(|_| ()),
    };
    let deed = Deed {
        act: Act::Init,
        failure: None,
        set: None,
        bundle: None,
        details: BTreeMap::from([("repository".into(), repository.id.clone())]),
    };
    desk.record(&store, deed).map_err(error::Error::Audit)?;
    Ok(repository.id)
}
