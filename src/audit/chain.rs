//! Adding to the audit log: any number of processes at once, without a lock. The number of a record is taken by
//! creating its object; who comes second reads the new tail and tries the next number.

use std::error;
use std::fmt;

use super::AuditRecord;
use super::Draft;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::limits;
use crate::store;
use crate::store::Listed;
use crate::store::ObjectName;
use crate::store::Store;
use crate::store::audit_tail;
use crate::store::names;

/// Why a signer could not sign: its own error, with its class and hint.
#[derive(Debug)]
pub struct SignError {
    kind: Kind,
    hint: Option<String>,
    error: Box<dyn error::Error + Send + Sync>,
}

impl SignError {
    /// Keeps the error of a signer.
    pub fn new<E: Fault + Send + Sync + 'static>(error: E) -> Self {
        Self {
            kind: error.kind(),
            hint: error.hint(),
            error: Box::new(error),
        }
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

impl error::Error for SignError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.error.source()
    }
}

/// Gives detached signatures over the bytes of a record.
pub type Sign<'s> = &'s dyn Fn(&[u8]) -> Result<Vec<u8>, SignError>;

/// Why an act could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not do what was asked.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The record could not be signed. Nothing was stored.
    #[error("the audit record cannot be signed")]
    Sign(#[source] SignError),
    /// The record is larger than readers accept.
    #[error("an audit record of {bytes} bytes is too large")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Other processes took every number that was tried, or no number is left.
    #[error("no free number for an audit record after {attempts} attempts")]
    Crowded {
        /// How many were tried.
        attempts: u32,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Sign(error) => error.kind,
            Self::TooLarge { .. } => Kind::Internal,
            Self::Crowded { .. } => Kind::StoreUnavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Sign(error) => error.hint.clone(),
            Self::TooLarge { .. } => None,
            Self::Crowded { .. } => Some("`hub-backup audit` shows what is there.".into()),
        }
    }
}

/// Adds a record at the end of the log and gives it back with its place.
///
/// # Errors
/// See [`enum@Error`]. After `Store` the record may be there, without signatures.
pub fn append(store: &dyn Store, draft: &Draft, sign: Option<Sign<'_>>) -> Result<AuditRecord, Error> {
    for _ in 0..limits::AUDIT_ATTEMPTS_MAX {
        let Some(record) = next_record(store, draft)? else {
            break;
        };
        let bytes = record.to_bytes();
        if bytes.len() as u64 > limits::RECORD_BYTES_MAX {
            return Err(Error::TooLarge { bytes: bytes.len() });
        }
        // Signed before the number is taken, so that a signer that fails leaves no unsigned record.
        let signatures = sign.map(|sign| sign(&bytes)).transpose().map_err(Error::Sign)?;
        match store.put_new(&names::audit(record.sequence), &bytes) {
            Err(store::Error::Exists { .. }) => continue,
            done => done?,
        }
        if let Some(signatures) = signatures {
            store.put_new(&names::audit_signatures(record.sequence), &signatures)?;
        }
        return Ok(record);
    }
    let attempts = limits::AUDIT_ATTEMPTS_MAX;
    Err(Error::Crowded { attempts })
}

fn newest(listed: &[Listed], parse: fn(&ObjectName) -> Option<u64>) -> Option<u64> {
    listed.iter().filter_map(|listed| parse(&listed.name)).max()
}

/// The draft at the end of the log; none when there is no further number. A number whose signatures are there was that of a record which
/// somebody removed: it is not given again, so that it stays a hole that shows, also where no record is left.
fn next_record(store: &dyn Store, draft: &Draft) -> Result<Option<AuditRecord>, Error> {
    let listed = store.list(names::AUDIT)?;
    let signed = newest(&listed, names::parse_audit_signatures);
    let alone = signed.filter(|_| signed > newest(&listed, names::parse_audit));
    // A listing can miss what is added meanwhile: the record that was there before these signatures is the tail.
    let tail = match alone.map(|sequence| audit_tail::at(store, sequence)) {
        None | Some(Err(store::Error::NotFound { .. })) => audit_tail::newest(store, &listed)?,
        Some(missed) => Some(missed?),
    };
    let taken = tail.map(|tail| tail.sequence).max(signed);
    let sequence = taken.unwrap_or(0).checked_add(1);
    let previous = tail.map(|tail| tail.digest);
    Ok(sequence.map(|sequence| AuditRecord::of(draft, sequence, previous)))
}
