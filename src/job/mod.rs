//! Level 5: one whole piece of work each: lease, flow, chain, audit.
//!
//! Jobs take values and give reports; they look up no variable, have no clock but the one given, and write to no terminal. `settings`,
//! `setup`, `named_keys`, `sources` and `surroundings` turn [`crate::config::Settings`] and
//! [`crate::config::environment::Environment`], which are values too, into what the other jobs take.

pub mod audit_log;
pub mod backup;
pub mod bundles;
pub mod checkpoint;
pub mod contents;
mod dump_plan;
pub mod error;
pub mod expiring;
pub mod init;
pub mod keyfiles;
pub mod keys;
pub mod listing;
pub mod mysql_target;
pub mod named_keys;
pub mod postgres_target;
mod reading;
pub mod restore;
pub mod settings;
pub mod setup;
pub mod sources;
pub mod surroundings;
pub mod targets;
pub mod verify;

use std::collections::BTreeMap;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::audit::chain::Sign;
use crate::audit::chain::SignError;
use crate::base::clock::Clock;
use crate::base::fault::Kind;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::flow::restore::Restored;
use crate::seal;
use crate::seal::Signer;
use crate::store::Store;

/// Program and version, as bundles and records name them.
pub const TOOL: &str = concat!("hub-backup ", env!("CARGO_PKG_VERSION"));

/// The detail of an audit record that names whose key opened the bundle.
const RECIPIENT: &str = "recipient";

/// Adds what was taken out of a bundle to the details of an audit record.
fn add_amounts(details: &mut BTreeMap<String, String>, restored: &Restored) {
    details.insert("entries".to_owned(), restored.entries.to_string());
    details.insert("bytes".to_owned(), restored.bytes.to_string());
}

/// Who works, when, and with which right to sign the audit log.
pub struct Desk<'a> {
    /// The time.
    pub clock: &'a dyn Clock,
    /// User, host and program.
    pub actor: Actor,
    /// Signs audit records; without one they are chained, but not signed.
    pub signers: &'a [&'a dyn Signer],
    /// Told of what could not be recorded, where the act itself has another outcome to report.
    pub unrecorded: Box<dyn Fn(&audit::chain::Error) + 'a>,
    /// Told of what somebody should know before the act goes on.
    pub warn: Box<dyn Fn(&str) + 'a>,
}

/// What the audit log shall say about an act.
pub struct Deed {
    /// What was done.
    pub act: Act,
    /// How it ended; none is success. The kind alone: messages name files, and the log is public.
    pub failure: Option<Kind>,
    /// The set.
    pub set: Option<SetName>,
    /// The bundle.
    pub bundle: Option<BundleId>,
    /// More, by name; never secrets.
    pub details: BTreeMap<String, String>,
}

impl Desk<'_> {
    /// Appends a deed to the audit log of a store.
    ///
    /// # Errors
    /// When the log cannot be written, for instance because the store is read-only.
    pub fn record(&self, store: &dyn Store, deed: Deed) -> Result<(), audit::chain::Error> {
        let now = self.clock.now();
        let outcome = deed.failure.map_or_else(audit::Outcome::ok, audit::Outcome::failed);
        let draft = audit::Draft {
            at: now,
            actor: self.actor.clone(),
            act: deed.act,
            outcome,
            set: deed.set,
            bundle: deed.bundle,
            details: deed.details,
        };
        let sign = |bytes: &[u8]| seal::seal(bytes, self.signers, now).map_err(SignError::new);
        let sign: Option<Sign<'_>> = if self.signers.is_empty() { None } else { Some(&sign) };
        audit::chain::append(store, &draft, sign).map(drop)
    }

    /// Appends a deed; where that fails, tells so and goes on. Gives whether it is on record.
    pub fn note(&self, store: &dyn Store, deed: Deed) -> bool {
        let recorded = self.record(store, deed);
        if let Err(error) = &recorded {
            (self.unrecorded)(error);
        }
        recorded.is_ok()
    }
}
