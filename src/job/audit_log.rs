//! The audit log read and checked.

use std::collections::BTreeSet;

use crate::audit::AuditRecord;
use crate::audit::check;
use crate::audit::check::BadSignatures;
use crate::audit::check::Report;
use crate::base::fault::Fault as _;
use crate::base::limits;
use crate::keyring::trust::TrustStore;
use crate::keyring::trust::Untrusted;
use crate::seal;
use crate::store;
use crate::store::ObjectName;
use crate::store::Store;
use crate::store::names;

use super::error::Error;

/// A record of the log. Nothing about it has been checked.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place.
    pub sequence: u64,
    /// What it says, or why it cannot be read.
    pub record: Result<AuditRecord, String>,
    /// Whether signatures lie beside it.
    pub signed: bool,
}

/// The records of the log, the oldest first, each read when it is asked for.
///
/// # Errors
/// What the store reports; so does an item.
pub fn entries(store: &dyn Store) -> Result<impl Iterator<Item = Result<Entry, Error>> + use<'_>, Error> {
    let listed = store.list(names::AUDIT)?;
    let numbers = |parse: fn(&ObjectName) -> Option<u64>| -> BTreeSet<u64> {
        listed.iter().filter_map(|listed| parse(&listed.name)).collect()
    };
    let (records, signed) = (numbers(names::parse_audit), numbers(names::parse_audit_signatures));
    let entry = move |sequence| {
        Ok(Entry {
            sequence,
            record: read(store, sequence)?,
            signed: signed.contains(&sequence),
        })
    };
    Ok(records.into_iter().map(entry))
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
        let record = AuditRecord::parse(bytes).map_err(|error| BadSignatures::invalid(error.to_string()))?;
        let opened = seal::open(bytes, signatures, trust, record.at);
        opened.map(drop).map_err(|error| bad(&error))
    };
    Ok(check::check(store, Some(&verify))?)
}

fn bad(error: &seal::Error) -> BadSignatures {
    let hint = match error {
        // What these say to do is about bundles.
        seal::Error::Untrusted(Untrusted::CertificationRevoked { .. } | Untrusted::RevokedHard { .. })
        | seal::Error::Missing
        | seal::Error::Invalid(_)
        | seal::Error::Key(_)
        | seal::Error::Sign { .. }
        | seal::Error::TooManySigners { .. }
        | seal::Error::Made(_)
        | seal::Error::NotOneEach { .. } => None,
        seal::Error::Untrusted(untrusted) => untrusted.hint(),
    };
    BadSignatures {
        reason: error.to_string(),
        kind: error.kind(),
        hint,
    }
}
