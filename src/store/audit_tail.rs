//! The newest record of the audit log: the next record follows it, and a checkpoint remembers it.

use super::Error;
use super::Listed;
use super::Store;
use super::names;
use crate::base::digest::Digest;
use crate::base::limits;

/// A record as the next one names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Its number.
    pub sequence: u64,
    /// Its digest.
    pub digest: Digest,
}

/// The newest record of a listing of the log; none of an empty one. Reads that record alone, and also gives one that cannot be parsed: a
/// damaged record must not end the log.
///
/// # Errors
/// What the store reports.
pub fn newest(store: &dyn Store, listed: &[Listed]) -> Result<Option<Tail>, Error> {
    let newest = listed
        .iter()
        .filter_map(|listed| names::parse_audit(&listed.name))
        .max();
    newest.map(|sequence| at(store, sequence)).transpose()
}

/// The record of that number.
///
/// # Errors
/// What the store reports.
pub fn at(store: &dyn Store, sequence: u64) -> Result<Tail, Error> {
    let bytes = store.get(&names::audit(sequence), limits::RECORD_BYTES_MAX)?;
    let digest = Digest::of(&bytes);
    Ok(Tail { sequence, digest })
}
