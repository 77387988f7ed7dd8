//! verify → decrypt: a verified bundle and the key that opens it.

use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::index::Begin;
use crate::bundle::index::Record;
use crate::bundle::manifest::KeyFacts;
use crate::bundle::outer::Container;
use crate::encrypt;
use crate::encrypt::ContentKey;
use crate::encrypt::Decryptor;
use crate::encrypt::slots;
use crate::envelope::Damage;
use crate::envelope::segments::SegmentReader;
use crate::keyring::Identity;

use super::index;
use super::index::IndexReader;
use super::verify::Verified;

/// A verified bundle that can be read.
pub struct Opened<'a> {
    verified: &'a Verified,
    key: ContentKey,
    opener: String,
}

/// Why a verified bundle could not be opened, or its index not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No identity opens it, or its ciphertext does not decrypt.
    #[error(transparent)]
    Encrypt(#[from] encrypt::Error),
    /// A segment is no longer what was verified.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// A slot gave another key than the one that the signer committed to.
    #[error("the key slot holds another key than the signed manifest commits to")]
    Commitment,
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// The index is not the one of this bundle, or not whole.
    #[error("the index does not fit the bundle: {0}")]
    Misfit(&'static str),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Encrypt(error) => error.kind(),
            Self::Damage(error) => error.kind(),
            // What is read here is signed and was hashed, so whatever is wrong with it is damage, but for a later version.
            Self::Index(error) if error.kind() == Kind::Failed => Kind::Failed,
            Self::Index(index::Error::Compress(error)) => error.kind(),
            Self::Commitment | Self::Index(_) | Self::Misfit(_) => Kind::DigestMismatch,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Encrypt(error) => error.hint(),
            Self::Commitment => Some(
                "The bundle was made with a wrong key slot: try another identity, and tell whoever made it.".into(),
            ),
            Self::Damage(error) => error.hint(),
            Self::Index(index::Error::Record(error)) => error.hint(),
            Self::Index(index::Error::Compress(error)) => error.hint(),
            Self::Index(_) | Self::Misfit(_) => None,
        }
    }
}

/// Slots name keys, which are often subkeys; people know the certificates that these belong to.
fn with_certificates(error: encrypt::Error, recipients: &[KeyFacts]) -> Error {
    let encrypt::Error::NoUsableKey { mut wanted } = error else {
        return error.into();
    };
    for one in &mut wanted {
        let Some(handle) = one.rsplit(' ').next() else { continue };
        let fits = |fingerprint: &str| fingerprint == handle || (handle.len() == 16 && fingerprint.ends_with(handle));
        let owner = recipients
            .iter()
            .find(|recipient| recipient.keys.iter().any(|key| fits(&key.fingerprint)));
        if let Some(owner) = owner.filter(|owner| !fits(&owner.id)) {
            let more = format!(" of the certificate {}", owner.id);
            one.push_str(&more);
        }
    }
    encrypt::Error::NoUsableKey { wanted }.into()
}

/// The plaintext of a container.
pub type Plaintext<'a> = Decryptor<SegmentReader<'a>>;

impl<'a> Opened<'a> {
    /// Takes the content key out of a slot: the first secret operation on a bundle, and only possible on a verified one.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(verified: &'a Verified, identities: &[Identity]) -> Result<Self, Error> {
        let (key, identity) = slots::open_slots_by(verified.manifest().suite, &verified.slots(), identities)
            .map_err(|error| with_certificates(error, &verified.manifest().keys.recipients))?;
        if key.commitment(&verified.manifest().bundle) != verified.manifest().key_commitment {
            return Err(Error::Commitment);
        }
        let opener = identity.public_name();
        Ok(Self { verified, key, opener })
    }

    /// The public name of the identity that opened it.
    #[must_use]
    pub fn opener(&self) -> &str {
        &self.opener
    }

    /// The bundle.
    #[must_use]
    pub fn verified(&self) -> &'a Verified {
        self.verified
    }

    /// The payload's plaintext from `offset` to its end.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn payload(&self, offset: u64) -> Result<Plaintext<'a>, Error> {
        self.plaintext(Container::Payload, offset)
    }

    fn plaintext(&self, container: Container, offset: u64) -> Result<Plaintext<'a>, Error> {
        let input = self.verified.container(container);
        let length = input.length();
        encrypt::decryptor(&self.key, container, input, length, offset).map_err(unwrapped)
    }

    /// The index, from its first record.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn records(&self) -> Result<Records<'a>, Error> {
        let input = self.plaintext(Container::Index, 0)?;
        let mut reader = IndexReader::new(input, self.verified.header().block_bytes)?;
        match reader.next_record()? {
            Some(Record::Begin(Begin { bundle, .. })) if bundle == self.verified.manifest().bundle => {}
            _ => return Err(Error::Misfit("it does not begin with the id of the bundle")),
        }
        Ok(Records {
            reader,
            verified: self.verified,
            sources: 0,
            ended: false,
        })
    }
}

/// Takes out what the reader of the segments has found: a bundle that changed after it was verified is damaged, whoever notices.
fn unwrapped(error: encrypt::Error) -> Error {
    if let encrypt::Error::Io(source) = error {
        return source
            .downcast::<Damage>()
            .map_or_else(|source| Damage::Read(source).into(), Error::Damage);
    }
    error.into()
}

/// The records of an index after its first one, checked against the manifest.
pub struct Records<'a> {
    reader: IndexReader<Plaintext<'a>>,
    verified: &'a Verified,
    /// Sources that have begun.
    sources: usize,
    ended: bool,
}

impl Records<'_> {
    /// The next record; none after the last, which is checked to be there.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn next_record(&mut self) -> Result<Option<Record>, Error> {
        let Some(record) = self.reader.next_record()? else {
            return if self.ended {
                Ok(None)
            } else {
                Err(Error::Misfit("it has no end"))
            };
        };
        if self.ended {
            return Err(Error::Misfit("it goes on after its end"));
        }
        self.check(&record)?;
        Ok(Some(record))
    }

    fn check(&mut self, record: &Record) -> Result<(), Error> {
        let manifest = self.verified.manifest();
        let path = match record {
            Record::Begin(_) => return Err(Error::Misfit("it begins twice")),
            Record::End(totals) => {
                self.ended = true;
                let fits = *totals == manifest.totals && self.sources == manifest.sources.len();
                return if fits {
                    Ok(())
                } else {
                    Err(Error::Misfit("its totals differ from the manifest"))
                };
            }
            Record::Source(source) => {
                let stated = manifest.sources.get(self.sources);
                self.sources += 1;
                let fits = stated.is_some_and(|stated| stated.label == source.label && stated.kind == source.kind);
                return if fits {
                    Ok(())
                } else {
                    Err(Error::Misfit("its sources differ from the manifest"))
                };
            }
            Record::Facts(_) => return Ok(()),
            Record::Entry(entry) => &entry.path,
            Record::Part(part) => &part.path,
            Record::Stream(stream) => &stream.path,
            Record::Exception(exception) => &exception.path,
        };
        let current = self
            .sources
            .checked_sub(1)
            .and_then(|current| manifest.sources.get(current));
        let own = current.is_some_and(|source| source.label == path.label());
        if own {
            Ok(())
        } else {
            Err(Error::Misfit("an entry belongs to another source"))
        }
    }
}
