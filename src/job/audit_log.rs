//! The audit log read and checked.

use std::collections::BTreeSet;

use crate::audit::AuditRecord;
use crate::audit::check;
use crate::audit::check::Report;
use crate::base::limits;
use crate::keyring::trust::TrustStore;
use crate::seal;
use crate::store;
use crate::store::Store;
use crate::store::names;

use super::error::Error;

/// A record of the log. Nothing about it has been checked.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it says.
    pub record: AuditRecord,
    /// Whether signatures lie beside it.
    pub signed: bool,
}

/// The log as it lies in the store.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The records, the oldest first.
    pub entries: Vec<Entry>,
    /// Numbers of records that cannot be read, and why.
    pub unreadable: Vec<(u64, String)>,
}

/// Reads the log.
///
/// # Errors
/// What the store reports.
pub fn list(store: &dyn Store) -> Result<Log, Error> {
    let listed = store.list(names::AUDIT)?;
    let signed: BTreeSet<u64> = listed
        .iter()
        .filter_map(|listed| names::parse_audit_signatures(&listed.name))
        .collect();
    let mut log = Log::default();
    for sequence in listed.iter().filter_map(|listed| names::parse_audit(&listed.name)) {
        match read(store, sequence)? {
            Ok(record) => log.entries.push(Entry {
                record,
                signed: signed.contains(&sequence),
            }),
            Err(reason) => log.unreadable.push((sequence, reason)),
        }
    }
    log.entries.sort_by_key(|entry| entry.record.sequence);
    Ok(log)
}

fn read(store: &dyn Store, sequence: u64) -> Result<Result<AuditRecord, String>, Error> {
    match store.get(&names::audit(sequence), limits::RECORD_BYTES_MAX) {
        Ok(bytes) => Ok(AuditRecord::parse(&bytes).map_err(|error| error.to_string())),
        Err(error @ store::Error::TooLarge { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Walks the whole log, and holds every signature against `trust` at the time that its record names.
///
/// # Errors
/// What the store reports; what is wrong with the log is in the report.
pub fn check(store: &dyn Store, trust: &TrustStore) -> Result<Report, Error> {
    let verify = |bytes: &[u8], signatures: &[u8]| {
        let record = AuditRecord::parse(bytes).map_err(|error| error.to_string())?;
        let opened = seal::open(bytes, signatures, trust, record.at);
        opened.map(drop).map_err(|error| error.to_string())
    };
    Ok(check::check(store, Some(&verify))?)
}
