//! Settings to values: the store is opened, rules are read. Keys are read by `named_keys`, sources are made by `sources`.

use crate::audit::Actor;
use crate::base::clock::Timestamp;
use crate::bundle::suite::Suite;
use crate::catalog::repository;
use crate::config::SetSettings;
use crate::config::Settings;
use crate::encrypt::slots;
use crate::keyring::Recipient;
use crate::policy::crypto::KeyPolicy;
use crate::server::postgres;
use crate::store::Store;
use crate::store::local::LocalStore;

use super::TOOL;
use super::error::Error;

/// Opens the store of the settings.
///
/// # Errors
/// When none is named or it is not there.
pub fn store(settings: &Settings) -> Result<LocalStore, Error> {
    let path = settings.store.as_ref().ok_or(Error::NoStore)?;
    Ok(LocalStore::open(path.value.clone())?)
}

/// As [`store`], for work that writes to it or makes statements about it as a whole. A folder that does not say that it is a store may be
/// the place where its disk is not mounted: a backup there would be lost, and begin a chain of its own.
///
/// # Errors
/// As [`store`], and `NotAStore`.
pub fn whole_store(settings: &Settings) -> Result<LocalStore, Error> {
    let store = store(settings)?;
    check_store(&store)?;
    Ok(store)
}

/// Refuses a folder that does not say that it is a store; for work that has found nothing in it.
///
/// # Errors
/// `NotAStore`, and what the store reports.
pub fn check_store(store: &dyn Store) -> Result<(), Error> {
    match repository::read(store)? {
        Some(_) => Ok(()),
        None => Err(Error::NotAStore {
            store: store.describe(),
        }),
    }
}

/// The suite to write with at `at`.
///
/// # Errors
/// When `auto` finds none that all recipients can open.
pub fn suite(set: &SetSettings, recipients: &[Recipient], at: Timestamp) -> Result<Suite, Error> {
    match set.suite.value.fixed() {
        Some(suite) => Ok(suite),
        None => Ok(slots::choose(recipients, at)?),
    }
}

/// The rules for keys.
#[must_use]
pub fn key_policy(settings: &Settings) -> KeyPolicy {
    let policy = &settings.policy;
    let count = |least: u32| usize::try_from(least).unwrap_or(usize::MAX);
    KeyPolicy {
        recipients_min: count(policy.recipients_min.value),
        signers_min: count(policy.signers_min.value),
        rsa_bits_min: policy.rsa_bits_min.value,
        passphrase_allowed: policy.passphrase_allowed.value,
        recipients_required: policy.recipients_required.value.clone(),
    }
}

/// Who works here, for the audit log: as the system knows it, for a variable says whatever its writer likes.
#[must_use]
pub fn actor() -> Actor {
    let uid = rustix::process::getuid().as_raw();
    let user = postgres::user_name(uid, Some(&format!("uid {uid}")));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Actor {
        user,
        host,
        tool: TOOL.to_owned(),
    }
}
