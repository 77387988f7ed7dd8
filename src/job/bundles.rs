//! Finding the bundle that someone names: a file, an id, or `latest`.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::base::read_at::FileAt;
use crate::base::read_at::ReadAt;
use crate::bundle::name::BundleId;
use crate::bundle::name::SetName;
use crate::catalog;
use crate::catalog::chain;
use crate::config::value;
use crate::config::value::BadValue;
use crate::store;
use crate::store::Store;
use crate::store::names;

use super::error::Error;
use super::setup;

/// A bundle as someone names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleRef {
    /// The newest bundle of a set.
    Latest,
    /// The one of that id in a store.
    Id(BundleId),
    /// A file, wherever it is.
    File(PathBuf),
}

impl FromStr for BundleRef {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => value::path(text).map(Self::File),
        }
    }
}

/// A bundle that was found: open for reading, with the name that it must have.
pub struct Found {
    /// Its bytes.
    pub object: Arc<dyn ReadAt>,
    /// Its name, if it came from a store.
    pub name: Option<(SetName, BundleId)>,
}

/// Finds a bundle. `set` narrows `latest` and an id down to one set.
///
/// # Errors
/// `NotFound`, `AmbiguousSet`, or what the store reports.
pub fn find(wanted: &BundleRef, store: Option<&dyn Store>, set: Option<&SetName>) -> Result<Found, Error> {
    match wanted {
        BundleRef::File(path) => {
            // Without waiting for the other end of a FIFO, which is no bundle.
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            let file = File::options().read(true).custom_flags(flags).open(path);
            let file = file.and_then(FileAt::new);
            let file = file.map_err(|source| Error::OpenFile {
                path: path.clone(),
                source,
            })?;
            Ok(Found {
                object: Arc::new(file),
                name: None,
            })
        }
        BundleRef::Latest => {
            let store = store.ok_or(Error::NoStore)?;
            let set = one_set(store, set)?;
            let head = chain::head(store, &set)?.ok_or_else(|| Error::EmptySet { set: set.clone() })?;
            open_linked(store, set, head.manifest.bundle)
        }
        BundleRef::Id(id) => {
            let store = store.ok_or(Error::NoStore)?;
            for candidate in sets(store, set)? {
                let listed = store.list(names::bundle(&candidate, id).as_str())?;
                if !listed.is_empty() {
                    return open(store, candidate, id.clone());
                }
            }
            for candidate in sets(store, set)? {
                if is_linked(store, &candidate, id)? {
                    return Err(gone(store, candidate, id.clone()));
                }
            }
            Err(Error::NoSuchBundle {
                id: id.clone(),
                store: store.describe(),
            })
        }
    }
}

/// Least characters of an id that name a bundle: the day.
const PREFIX_CHARS_MIN: usize = 8;

/// The bundle of the store whose id begins with `text`, which names no file.
///
/// # Errors
/// `NotABundle` when there is none, `AmbiguousId` when there are several, or what the store reports.
pub fn by_prefix(text: &str, store: Option<&dyn Store>, set: Option<&SetName>) -> Result<BundleId, Error> {
    let (mut known, mut found) = (Vec::new(), BTreeSet::new());
    if let Some(store) = store {
        known = sets(store, set)?;
        for set in known.iter().filter(|_| text.len() >= PREFIX_CHARS_MIN) {
            let listed = store.list(&names::bundles(set))?;
            let ids = listed.iter().filter_map(|listed| names::parse_bundle(&listed.name));
            found.extend(ids.map(|(_, id)| id).filter(|id| id.as_str().starts_with(text)));
        }
    }
    match (found.pop_first(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(first), false) => Err(Error::AmbiguousId {
            text: text.to_owned(),
            ids: [first].into_iter().chain(found).collect(),
        }),
        (None, _) => Err(Error::NotABundle {
            text: text.to_owned(),
            set: known.into_iter().find(|set| set.as_str() == text),
        }),
    }
}

/// Whether a word could be the beginning of an id: these begin with a day.
#[must_use]
pub fn begins_like_id(text: &str) -> bool {
    text.len() >= PREFIX_CHARS_MIN && text.bytes().take(PREFIX_CHARS_MIN).all(|octet| octet.is_ascii_digit())
}

/// Opens a bundle of a store.
///
/// # Errors
/// What the store reports.
pub fn open(store: &dyn Store, set: SetName, id: BundleId) -> Result<Found, Error> {
    let object = store.open(&names::bundle(&set, &id))?;
    Ok(Found {
        object: Arc::from(object),
        name: Some((set, id)),
    })
}

/// Opens a bundle that the chain names: that it is not there is a break of the chain.
///
/// # Errors
/// `BundleGone`, or what the store reports.
pub fn open_linked(store: &dyn Store, set: SetName, id: BundleId) -> Result<Found, Error> {
    match open(store, set.clone(), id.clone()) {
        Err(Error::Store(store::Error::NotFound { .. })) => Err(gone(store, set, id)),
        opened => opened,
    }
}

fn gone(store: &dyn Store, set: SetName, id: BundleId) -> Error {
    let store = store.describe();
    Error::BundleGone { set, id, store }
}

fn is_linked(store: &dyn Store, set: &SetName, id: &BundleId) -> Result<bool, Error> {
    for link in chain::links(store, set)? {
        match link {
            Ok(link) if link.manifest.bundle == *id => return Ok(true),
            Err(error @ catalog::Error::Store(_)) => return Err(error.into()),
            // A manifest that cannot be read names no bundle.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(false)
}

/// The sets to look at: the given one, or all.
///
/// # Errors
/// What the store reports.
pub fn sets(store: &dyn Store, set: Option<&SetName>) -> Result<Vec<SetName>, Error> {
    match set {
        Some(set) => Ok(vec![set.clone()]),
        None => Ok(chain::sets(store)?),
    }
}

/// The given set, or the only one of the store.
pub(super) fn one_set(store: &dyn Store, set: Option<&SetName>) -> Result<SetName, Error> {
    let mut sets = sets(store, set)?;
    match sets.len() {
        1 => Ok(sets.remove(0)),
        0 => {
            setup::check_store(store)?;
            Err(Error::EmptyStore {
                store: store.describe(),
            })
        }
        _ => Err(Error::AmbiguousSet { sets }),
    }
}
