//! `repository.json`: what a store is. Written once, when the store is made.

use serde::Deserialize;
use serde::Serialize;

use super::Error;
use super::get_if_any;
use super::put_same;
use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::base::random;
use crate::base::record;
use crate::base::record::Record;
use crate::store::Store;
use crate::store::names;

/// What a store is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// [`Record::FORMAT`].
    pub format: String,
    /// [`Record::VERSION`].
    pub version: u32,
    /// 32 random hexadecimal digits: tells this store from every other, wherever it is moved.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Program and version that made it.
    pub tool: String,
    /// Fingerprints of the roots that certify its signers. Told, not trusted: readers pin their own.
    pub roots: Vec<String>,
}

impl Record for Repository {
    const FORMAT: &'static str = "hub-backup repository";
    const VERSION: u32 = 1;

    fn format(&self) -> &str {
        &self.format
    }

    fn check(&self) -> Result<(), &'static str> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.id.len() != 32 || !self.id.bytes().all(is_hex) {
            return Err("an id is 32 lower-case hexadecimal digits");
        }
        Ok(())
    }
}

/// The record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it says.
    pub repository: Repository,
    /// Its bytes, which are what is signed.
    pub bytes: Vec<u8>,
    /// The signatures over them, if there are any.
    pub signatures: Option<Vec<u8>>,
}

impl Repository {
    /// A record for a new store.
    ///
    /// # Errors
    /// `Random` when the operating system gives no random bytes.
    pub fn new(created: Timestamp, tool: &str, roots: Vec<String>) -> Result<Self, Error> {
        let id: [u8; 16] = random::octets()?;
        Ok(Self {
            format: Self::FORMAT.into(),
            version: Self::VERSION,
            id: hex::encode(id),
            created,
            tool: tool.into(),
            roots,
        })
    }

    /// The bytes of `repository.json`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        record::to_bytes(self)
    }
}

/// Makes the store what `bytes` say, the bytes of a [`Repository`], with the signatures over them.
///
/// An interrupted act is repeated with the same bytes; see [`sign`] for a record that was left without signatures.
///
/// # Errors
/// `Taken` when the store is another one already; `Record` when the bytes are not a repository record; `Store`.
pub fn create(store: &dyn Store, bytes: &[u8], signatures: Option<&[u8]>) -> Result<(), Error> {
    drop(parse(bytes)?);
    put_same(store, &names::repository(), bytes)?;
    match signatures {
        Some(signatures) => sign(store, signatures),
        None => Ok(()),
    }
}

/// Adds the signatures to a record that has none.
///
/// # Errors
/// `Taken` when it has others; `Store`.
pub fn sign(store: &dyn Store, signatures: &[u8]) -> Result<(), Error> {
    put_same(store, &names::repository_signatures(), signatures)
}

/// The record of the store, if it has one.
///
/// # Errors
/// `Record` when it cannot be read; `Store`.
pub fn read(store: &dyn Store) -> Result<Option<Stored>, Error> {
    let Some(bytes) = get_if_any(store, &names::repository(), limits::RECORD_BYTES_MAX)? else {
        return Ok(None);
    };
    let signatures = get_if_any(store, &names::repository_signatures(), limits::SIGNATURES_BYTES_MAX)?;
    Ok(Some(Stored {
        repository: parse(&bytes)?,
        bytes,
        signatures,
    }))
}

fn parse(bytes: &[u8]) -> Result<Repository, Error> {
    record::parse(bytes).map_err(|source| Error::Record {
        name: names::repository(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::mem::MemStore;

    fn sample() -> Repository {
        let created = "2026-01-31T23:59:59Z".parse().expect("a time");
        Repository::new(created, "hub-backup 0.1.0", vec!["ABCD".into()]).expect("random bytes")
    }

    #[test]
    fn a_store_is_made_once() {
        let store = MemStore::new();
        assert_eq!(read(&store).expect("readable"), None);
        let bytes = sample().to_bytes();
        create(&store, &bytes, None).expect("empty");
        create(&store, &bytes, Some(b"signed")).expect("the same again, now signed");
        let stored = read(&store).expect("readable").expect("there");
        assert_eq!((stored.bytes, stored.signatures), (bytes, Some(b"signed".to_vec())));
        let other = create(&store, &sample().to_bytes(), None).expect_err("another id");
        assert_eq!(other.to_string(), "repository.json exists and differs");
    }

    #[test]
    fn ids_are_hexadecimal() {
        let mut wrong = sample();
        wrong.id = "../../../../../../../../../../..".into();
        assert!(matches!(parse(&wrong.to_bytes()), Err(Error::Record { .. })));
    }
}
