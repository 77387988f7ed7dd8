//! The whole audit log, walked from its first record: every break, as a list of values.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::Serializer;

use super::AuditRecord;
use crate::base::digest::Digest;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::gaps::gaps;
use crate::base::limits;
use crate::store;
use crate::store::Listed;
use crate::store::ObjectName;
use crate::store::Store;
use crate::store::names;

/// Why signatures are not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSignatures {
    /// In words.
    pub reason: String,
    /// Its class: they do not fit, or whoever made them is not trusted.
    pub kind: Kind,
    /// The next thing to do.
    pub hint: Option<String>,
}

impl BadSignatures {
    /// They do not fit, or cannot be read.
    #[must_use]
    pub fn invalid(reason: String) -> Self {
        Self {
            reason,
            kind: Kind::SignatureInvalid,
            hint: None,
        }
    }
}

/// Says whether signatures fit the bytes of a record, or why not.
pub type Verify<'v> = &'v dyn Fn(&[u8], &[u8]) -> Result<(), BadSignatures>;

/// What a walk over the log found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records that could be read.
    pub records: u64,
    /// Records without signatures. They are allowed, and prove less: only what follows them vouches for them.
    pub unsigned: u64,
    /// Every break, in the order of the log.
    pub problems: Vec<Problem>,
}

/// A break of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "problem", rename_all = "kebab-case")]
pub enum Problem {
    /// Records are missing.
    #[error("{}", missing(*.first, *.last))]
    Missing {
        /// The first number.
        first: u64,
        /// The last number in a row.
        last: u64,
    },
    /// A record cannot be read.
    #[error("audit record {sequence} cannot be read: {reason}")]
    Unreadable {
        /// Its number.
        sequence: u64,
        /// Why.
        reason: String,
    },
    /// A record lies at a place that is not its own.
    #[error("audit record {sequence} says that it is number {says}")]
    Misplaced {
        /// Its place.
        sequence: u64,
        /// The number that it names.
        says: u64,
    },
    /// A record names another one before it than the one that is there: one of the two was altered.
    #[error("audit record {sequence} does not follow the record before it, whose digest is {found}")]
    Previous {
        /// Its number.
        sequence: u64,
        /// The digest that it names.
        names: Option<Digest>,
        /// The digest of the record before it.
        found: Digest,
    },
    /// The signatures of a record do not fit it, cannot be read, or are by somebody who is not trusted.
    #[error("the signatures of audit record {sequence} are not good: {reason}")]
    Signatures {
        /// Its number.
        sequence: u64,
        /// Why.
        reason: String,
        /// The class of that.
        #[serde(serialize_with = "by_name")]
        kind: Kind,
        /// What to do about it.
        #[serde(skip)]
        hint: Option<String>,
    },
    /// Signatures lie at a place without a record.
    #[error("the signatures of audit record {sequence} are there, the record is not")]
    SignaturesAlone {
        /// The number.
        sequence: u64,
    },
    /// An object that has no business there.
    #[error("{name} is not an audit record")]
    Foreign {
        /// Its name.
        name: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn by_name<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

fn missing(first: u64, last: u64) -> String {
    if first == last {
        format!("record {first} of the audit log is missing")
    } else {
        format!("records {first} to {last} of the audit log are missing")
    }
}

impl Fault for Problem {
    fn kind(&self) -> Kind {
        match self {
            Self::Signatures { kind, .. } => *kind,
            Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::Misplaced { .. }
            | Self::Previous { .. }
            | Self::SignaturesAlone { .. }
            | Self::Foreign { .. } => Kind::ChainBroken,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Signatures { hint, .. } => hint.clone(),
            Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::Misplaced { .. }
            | Self::Previous { .. }
            | Self::SignaturesAlone { .. }
            | Self::Foreign { .. } => None,
        }
    }
}

/// Walks the whole log. Without `verify`, signatures are counted and not checked. A log that was cut at its end
/// shows only against a checkpoint that was kept elsewhere.
///
/// # Errors
/// What the store reports; what is wrong with the log is no error.
pub fn check(store: &dyn Store, verify: Option<Verify<'_>>) -> Result<Report, store::Error> {
    let Seen {
        listed,
        records,
        signed,
    } = see(store)?;
    let mut walk = Walk {
        store,
        verify,
        signed,
        before: None,
        report: Report::default(),
    };
    let mut gaps = gaps(records.iter().copied()).into_iter().peekable();
    for sequence in records.iter().copied() {
        if let Some((first, last)) = gaps.next_if(|(_, last)| *last < sequence) {
            walk.gap(first, last);
        }
        walk.record(sequence)?;
    }
    Ok(walk.finish(&records, &listed))
}

/// The holes of the log, as its listing alone shows them: fast also where the log is long. What records and signatures say is for [`check`].
///
/// # Errors
/// What the store reports.
pub fn holes(store: &dyn Store) -> Result<Vec<Problem>, store::Error> {
    let Seen { records, signed, .. } = see(store)?;
    let gaps = gaps(records.iter().copied()).into_iter();
    let mut found: Vec<Problem> = gaps.map(|(first, last)| Problem::Missing { first, last }).collect();
    let newest = records.last().copied().unwrap_or(0);
    // Those inside a gap say nothing new.
    let alone = signed.into_iter().filter(|sequence| *sequence > newest);
    found.extend(alone.map(|sequence| Problem::SignaturesAlone { sequence }));
    Ok(found)
}

/// The log as it is listed.
struct Seen {
    listed: Vec<Listed>,
    /// The numbers of records.
    records: BTreeSet<u64>,
    /// The numbers of signatures.
    signed: BTreeSet<u64>,
}

/// Lists the log. Where a record seems to be gone it is listed a second time: a listing can miss what is added meanwhile, and still show
/// what was added after that.
fn see(store: &dyn Store) -> Result<Seen, store::Error> {
    let listed = store.list(names::AUDIT)?;
    let mut records = numbers(&listed, names::parse_audit);
    let signed = numbers(&listed, names::parse_audit_signatures);
    if !gaps(records.iter().copied()).is_empty() || !signed.is_subset(&records) {
        let newest = records.last().max(signed.last()).copied();
        let again = numbers(&store.list(names::AUDIT)?, names::parse_audit);
        // What was added since can be missed in its turn, and is not looked for.
        records.extend(again.into_iter().filter(|sequence| Some(*sequence) <= newest));
    }
    Ok(Seen {
        listed,
        records,
        signed,
    })
}

fn numbers(listed: &[Listed], parse: fn(&ObjectName) -> Option<u64>) -> BTreeSet<u64> {
    listed.iter().filter_map(|listed| parse(&listed.name)).collect()
}

struct Walk<'w> {
    store: &'w dyn Store,
    verify: Option<Verify<'w>>,
    signed: BTreeSet<u64>,
    /// The digest of the record at the place before, where there is one.
    before: Option<Digest>,
    report: Report,
}

impl Walk<'_> {
    fn add(&mut self, problem: Problem) {
        self.report.problems.push(problem);
    }

    fn gap(&mut self, first: u64, last: u64) {
        self.before = None;
        self.add(Problem::Missing { first, last });
    }

    fn record(&mut self, sequence: u64) -> Result<(), store::Error> {
        let before = self.before.take();
        let bytes = match readable(self.store, &names::audit(sequence), limits::RECORD_BYTES_MAX)? {
            Ok(bytes) => bytes,
            Err(reason) => {
                self.add(Problem::Unreadable { sequence, reason });
                return Ok(());
            }
        };
        self.before = Some(Digest::of(&bytes));
        match AuditRecord::parse(&bytes) {
            Ok(record) => self.facts(sequence, &record, before),
            Err(error) => {
                let reason = error.to_string();
                self.add(Problem::Unreadable { sequence, reason });
            }
        }
        self.signatures(sequence, &bytes)
    }

    fn facts(&mut self, sequence: u64, record: &AuditRecord, before: Option<Digest>) {
        self.report.records += 1;
        if record.sequence != sequence {
            let says = record.sequence;
            self.add(Problem::Misplaced { sequence, says });
        }
        if let Some(found) = before.filter(|found| record.previous != Some(*found)) {
            let names = record.previous;
            self.add(Problem::Previous { sequence, names, found });
        }
    }

    fn signatures(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), store::Error> {
        if !self.signed.contains(&sequence) {
            self.report.unsigned += 1;
            return Ok(());
        }
        let Some(verify) = self.verify else { return Ok(()) };
        let name = names::audit_signatures(sequence);
        let read = readable(self.store, &name, limits::SIGNATURES_BYTES_MAX)?;
        let verdict = read.map_err(BadSignatures::invalid);
        if let Err(bad) = verdict.and_then(|signatures| verify(bytes, &signatures)) {
            let BadSignatures { reason, kind, hint } = bad;
            self.add(Problem::Signatures {
                sequence,
                reason,
                kind,
                hint,
            });
        }
        Ok(())
    }

    fn finish(mut self, records: &BTreeSet<u64>, listed: &[Listed]) -> Report {
        let alone: Vec<u64> = self.signed.difference(records).copied().collect();
        for sequence in alone {
            self.add(Problem::SignaturesAlone { sequence });
        }
        let is_known = |name| names::parse_audit(name).is_some() || names::parse_audit_signatures(name).is_some();
        for foreign in listed.iter().filter(|listed| !is_known(&listed.name)) {
            let name = foreign.name.to_string();
            self.add(Problem::Foreign { name });
        }
        self.report
    }
}

/// The bytes of an object, or why it cannot be read although the store works.
fn readable(store: &dyn Store, name: &ObjectName, bytes_max: u64) -> Result<Result<Vec<u8>, String>, store::Error> {
    match store.get(name, bytes_max) {
        Ok(bytes) => Ok(Ok(bytes)),
        Err(error @ (store::Error::TooLarge { .. } | store::Error::NotFound { .. })) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}
