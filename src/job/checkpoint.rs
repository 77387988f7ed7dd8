//! Checkpoints made, kept in files, and held against a store.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use crate::audit;
use crate::audit::Act;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::record::BadRecord;
use crate::catalog;
use crate::catalog::checkpoint;
use crate::catalog::checkpoint::Checkpoint;
use crate::catalog::checkpoint::Deviation;
use crate::keyring::trust::TrustStore;
use crate::seal;
use crate::seal::SignedBy;
use crate::store::Store;

use super::Deed;
use super::Desk;
use super::error;
use super::keyfiles;
use super::keyfiles::PUBLIC_MODE;
use super::reading;

/// Why a checkpoint was not made or not checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// As in every job.
    #[error(transparent)]
    Job(#[from] error::Error),
    /// A file was not written.
    #[error(transparent)]
    File(#[from] keyfiles::Error),
    /// The file is no checkpoint.
    #[error("{} is not a checkpoint", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BadRecord,
    },
    /// Nobody vouches for the checkpoint.
    #[error("{} has no signature beside it", path.display())]
    Unsigned {
        /// The checkpoint.
        path: PathBuf,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Job(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::NotACheckpoint {
                source: source @ BadRecord::Version { .. },
                ..
            } => source.kind(),
            Self::NotACheckpoint { .. } => Kind::Usage,
            Self::Unsigned { .. } => Kind::SignatureMissing,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Job(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::NotACheckpoint {
                source: source @ BadRecord::Version { .. },
                ..
            } => source.hint(),
            Self::NotACheckpoint { .. } => Some("`hub-backup checkpoint create` makes one.".into()),
            Self::Unsigned { path } => Some(format!(
                "Put {}.asc beside it; or give --unsigned, if it was kept where nobody else could change it.",
                path.display()
            )),
        }
    }
}

/// A new checkpoint.
#[derive(Debug)]
pub struct Made {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// Its bytes, which are what is signed.
    pub bytes: Vec<u8>,
    /// The signatures, if anybody signs.
    pub signatures: Option<Vec<u8>>,
    /// Why the audit log has no word of it, if it has none: a store on a read-only medium can have a checkpoint too.
    pub unrecorded: Option<audit::chain::Error>,
}

/// Reads the heads of all chains and signs them, by the signers of the desk.
///
/// # Errors
/// When the store cannot be read, or a signer fails.
pub fn create(store: &dyn Store, desk: &Desk<'_>) -> Result<Made, Error> {
    let now = desk.clock.now();
    let checkpoint = checkpoint::make(store, now).map_err(error::Error::Catalog)?;
    let bytes = checkpoint.to_bytes();
    let signatures = match desk.signers {
        [] => None,
        signers => Some(seal::seal(&bytes, signers, now).map_err(error::Error::Seal)?),
    };
    let digest = crate::base::digest::Digest::of(&bytes);
    let deed = Deed {
        act: Act::Checkpoint,
        failure: None,
        set: None,
        bundle: None,
        details: BTreeMap::from([("sha256".into(), digest.to_string())]),
    };
    let unrecorded = desk.record(store, deed).err();
    Ok(Made {
        checkpoint,
        bytes,
        signatures,
        unrecorded,
    })
}

/// The file with the signatures over the checkpoint in `path`.
#[must_use]
pub fn signatures_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".asc");
    name.into()
}

/// Refuses a file that exists, with its signatures, before any work is done.
///
/// # Errors
/// `File`.
pub fn check_free(path: &Path) -> Result<(), Error> {
    Ok(keyfiles::check_free([path, &signatures_path(path)])?)
}

/// Writes a checkpoint to `path`, and its signatures beside it.
///
/// # Errors
/// `File`.
pub fn write(made: &Made, path: &Path) -> Result<(), Error> {
    keyfiles::write(path, &made.bytes, PUBLIC_MODE)?;
    if let Some(signatures) = &made.signatures {
        keyfiles::write(&signatures_path(path), signatures, PUBLIC_MODE)?;
    }
    Ok(())
}

/// A checkpoint that was held against a store.
#[derive(Debug)]
pub struct Checked {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// Who signed it; nobody when that was allowed.
    pub signed: Vec<SignedBy>,
    /// How the store differs from it.
    pub deviations: Vec<Deviation>,
}

/// Reads a checkpoint, checks its signatures, and holds it against a store. With `unsigned`, one without signatures will do.
///
/// # Errors
/// `Unsigned`; `Job` when its signatures are not good or the store cannot be read. Deviations are no error.
pub fn check(path: &Path, unsigned: bool, trust: &TrustStore, store: &dyn Store) -> Result<Checked, Error> {
    let (checkpoint, signed) = read(path, unsigned, trust)?;
    let deviations =
        checkpoint::compare(&checkpoint, store).map_err(|error: catalog::Error| error::Error::from(error))?;
    Ok(Checked {
        checkpoint,
        signed,
        deviations,
    })
}

/// Reads a checkpoint and checks its signatures. With `unsigned`, one without signatures will do.
///
/// # Errors
/// `NotACheckpoint`, `Unsigned`; `Job` when its signatures are not good.
pub fn read(path: &Path, unsigned: bool, trust: &TrustStore) -> Result<(Checkpoint, Vec<SignedBy>), Error> {
    let bytes = reading::read_public(path)?;
    let not_a_checkpoint = |source| Error::NotACheckpoint {
        path: path.to_owned(),
        source,
    };
    let checkpoint = Checkpoint::parse(&bytes).map_err(not_a_checkpoint)?;
    let signed = match reading::read_public(&signatures_path(path)) {
        Ok(signatures) => seal::open(&bytes, &signatures, trust, checkpoint.created).map_err(error::Error::Seal)?,
        Err(error::Error::OpenFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            if !unsigned {
                return Err(Error::Unsigned { path: path.to_owned() });
            }
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    Ok((checkpoint, signed))
}
