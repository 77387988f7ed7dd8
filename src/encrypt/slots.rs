//! The members of `keyslots/`: the content key, once for each kind of recipient.
//!
//! | suite | slot | opened by |
//! |---|---|---|
//! | `rfc9580`, `gnupg` | `openpgp.pgp` | OpenPGP secret keys |
//! | `rfc9580`, `gnupg` | `session-key.age` | age identities |
//! | `rfc9580`, `gnupg` | `passphrase.age` | a passphrase |
//! | `age` | `age.txt`, `age-index.txt` | age identities |
//! | `age` | `passphrase.age` | a passphrase: it holds an identity that opens the two others |

use sequoia_openpgp::Cert;
use sequoia_openpgp::KeyHandle;
use sequoia_openpgp::packet::PKESK;

use super::age_file::AgeFile;
use super::age_file::Header;
use super::age_slots;
use super::age_slots::Boxed;
use super::error::Error;
use super::key::ContentKey;
use super::openpgp_slots;
use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::base::secret::SecretText;
use crate::bundle::outer::slot;
use crate::bundle::suite::Suite;
use crate::keyring::Identity;
use crate::keyring::Recipient;
use crate::keyring::dialog::Dialog;
use crate::keyring::encryption::reads_seipdv2;

/// One member of `keyslots/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its file name within `keyslots/`.
    pub name: String,
    /// Its content. Public: it opens nothing without a key.
    pub bytes: Vec<u8>,
}

/// Recipients by kind.
struct Sorted<'a> {
    certs: Vec<&'a Cert>,
    age: Vec<&'a str>,
    passphrase: Option<&'a SecretText>,
}

impl<'a> Sorted<'a> {
    fn new(recipients: &'a [Recipient]) -> Result<Self, Error> {
        let mut sorted = Sorted {
            certs: Vec::new(),
            age: Vec::new(),
            passphrase: None,
        };
        for recipient in recipients {
            match recipient {
                Recipient::OpenPgp(cert) => sorted.certs.push(cert),
                Recipient::Age(text) => sorted.age.push(text),
                Recipient::Passphrase(text) => {
                    if sorted.passphrase.replace(text).is_some() {
                        return Err(Error::SeveralPassphrases);
                    }
                }
            }
        }
        if recipients.is_empty() {
            return Err(Error::NoRecipient);
        }
        Ok(sorted)
    }
}

/// The suite for these recipients at `at`, where none is prescribed.
///
/// `age` when there is no certificate among them, so that the program `age` alone opens the bundle; `rfc9580` when every certificate
/// says that it reads SEIPDv2; `gnupg` when one does not, since that one must be able to read the bundle too.
pub fn choose(recipients: &[Recipient], at: Timestamp) -> Result<Suite, Error> {
    let sorted = Sorted::new(recipients)?;
    if sorted.certs.is_empty() {
        return Ok(Suite::Age);
    }
    for cert in sorted.certs {
        if !reads_seipdv2(cert, at)? {
            return Ok(Suite::Gnupg);
        }
    }
    Ok(Suite::Rfc9580)
}

/// Writes the slots of a bundle made at `at`, in their order in it. Every recipient can open the bundle, or it is an error. Plugins of
/// age can ask by `dialog`.
pub fn write_slots(
    key: &ContentKey,
    recipients: &[Recipient],
    at: Timestamp,
    dialog: &Dialog,
) -> Result<Vec<Slot>, Error> {
    let sorted = Sorted::new(recipients)?;
    let age = age_slots::recipients(&sorted.age, dialog)?;
    let slots = match key.suite() {
        Suite::Rfc9580 | Suite::Gnupg => write_openpgp_suite(key, &sorted, &age, at)?,
        Suite::Age => write_age_suite(key, &sorted, age)?,
    };
    let slots = slots.into_iter().map(|(name, bytes)| Slot {
        name: name.to_owned(),
        bytes,
    });
    let slots: Vec<Slot> = slots.collect();
    // What the reader would refuse, as too many recipients, must not become a bundle.
    match Parsed::new(key.suite(), &slots) {
        Ok(_) => Ok(slots),
        Err(error) => Err(error.of_maker()),
    }
}

type Named = (&'static str, Vec<u8>);

fn write_openpgp_suite(
    key: &ContentKey,
    sorted: &Sorted<'_>,
    age: &[Boxed],
    at: Timestamp,
) -> Result<Vec<Named>, Error> {
    let mut slots = Vec::new();
    if !sorted.certs.is_empty() {
        slots.push((slot::OPENPGP, openpgp_slots::write(key, &sorted.certs, at)?));
    }
    if !age.is_empty() {
        slots.push((slot::SESSION_KEY, age_slots::write_session_key(key, age)?));
    }
    if let Some(passphrase) = sorted.passphrase {
        slots.push((slot::PASSPHRASE, age_slots::write_passphrase(key, passphrase)?));
    }
    Ok(slots)
}

fn write_age_suite(key: &ContentKey, sorted: &Sorted<'_>, age: Vec<Boxed>) -> Result<Vec<Named>, Error> {
    if let Some(cert) = sorted.certs.first() {
        return Err(Error::OpenPgpInAge {
            fingerprint: cert.fingerprint().to_hex(),
        });
    }
    age_slots::write_headers(key, age, sorted.passphrase)
}

/// Reads the slots without a key, and gives whom the packets of `openpgp.pgp` name: fingerprints in the suite `rfc9580`, key ids in
/// the suite `gnupg`. Slots of age name nobody, so for the suite `age` the list is empty.
///
/// # Errors
/// `Slot` when one is damaged or not of the suite.
pub fn named(suite: Suite, slots: &[Slot]) -> Result<Vec<KeyHandle>, Error> {
    let parsed = Parsed::new(suite, slots)?;
    Ok(parsed.openpgp.iter().filter_map(PKESK::recipient).collect())
}

/// Opens the bundle's key with the first identity that fits.
///
/// All slots are read before one is tried, so a bundle with a damaged slot is refused by whoever opens it. When nothing fits,
/// the error is the first that says more than that: a locked key, a wrong passphrase, a plugin that failed.
pub fn open_slots(suite: Suite, slots: &[Slot], identities: &[Identity]) -> Result<ContentKey, Error> {
    open_slots_by(suite, slots, identities).map(|(key, _)| key)
}

/// As [`open_slots`], with the identity that fitted.
///
/// # Errors
/// As [`open_slots`].
pub fn open_slots_by<'i>(
    suite: Suite,
    slots: &[Slot],
    identities: &'i [Identity],
) -> Result<(ContentKey, &'i Identity), Error> {
    let parsed = Parsed::new(suite, slots)?;
    let mut refusal = None;
    for identity in identities {
        match parsed.open(suite, identity) {
            Ok(Some(key)) => return Ok((key, identity)),
            Ok(None) => {}
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| Error::NoUsableKey {
        wanted: parsed.wanted(),
    }))
}

/// Slots that were read but not opened.
#[derive(Default)]
struct Parsed {
    openpgp: Vec<PKESK>,
    session_key: Option<AgeFile>,
    passphrase: Option<AgeFile>,
    payload: Option<Header>,
    index: Option<Header>,
}

impl Parsed {
    fn new(suite: Suite, slots: &[Slot]) -> Result<Self, Error> {
        let mut parsed = Self::default();
        for (number, slot) in slots.iter().enumerate() {
            let again = slots[..number].iter().any(|other| other.name == slot.name);
            let read = if again {
                Err("it comes twice")
            } else if number >= limits::SLOTS_MAX {
                Err("it is one slot too many")
            } else if slot.bytes.len() as u64 > limits::SLOT_BYTES_MAX {
                Err("it is too long")
            } else {
                parsed.add(suite, slot)
            };
            read.map_err(|reason| Error::slot(&slot.name, reason))?;
        }
        if suite == Suite::Age && (parsed.payload.is_none() || parsed.index.is_none()) {
            return Err(Error::slot(slot::AGE, "it or the header of the index is missing"));
        }
        Ok(parsed)
    }

    fn add(&mut self, suite: Suite, slot: &Slot) -> Result<(), &'static str> {
        let bytes = &slot.bytes;
        match (suite, slot.name.as_str()) {
            (Suite::Rfc9580 | Suite::Gnupg, slot::OPENPGP) => self.openpgp = openpgp_slots::parse(suite, bytes)?,
            (Suite::Rfc9580 | Suite::Gnupg, slot::SESSION_KEY) => self.session_key = Some(AgeFile::parse(bytes)?),
            (_, slot::PASSPHRASE) => self.passphrase = Some(AgeFile::parse(bytes)?),
            (Suite::Age, slot::AGE) => self.payload = Some(whole_header(bytes)?),
            (Suite::Age, slot::AGE_INDEX) => self.index = Some(whole_header(bytes)?),
            _ => return Err("the suite has no slot of this name"),
        }
        Ok(())
    }

    fn open(&self, suite: Suite, identity: &Identity) -> Result<Option<ContentKey>, Error> {
        match (suite, identity) {
            (Suite::Rfc9580 | Suite::Gnupg, Identity::OpenPgp { key, passphrase }) => {
                openpgp_slots::open(suite, &self.openpgp, key, passphrase.as_ref())
            }
            (Suite::Age, Identity::OpenPgp { .. }) => Ok(None),
            (Suite::Rfc9580 | Suite::Gnupg, Identity::Age { text, dialog }) => {
                open_file(suite, slot::SESSION_KEY, self.session_key.as_ref(), || {
                    age_slots::identities(text, dialog)
                })
            }
            (Suite::Rfc9580 | Suite::Gnupg, Identity::Passphrase(text)) => {
                open_file(suite, slot::PASSPHRASE, self.passphrase.as_ref(), || {
                    Ok(age_slots::passphrase_identity(text))
                })
            }
            (Suite::Age, Identity::Age { text, dialog }) => self.open_headers(&age_slots::identities(text, dialog)?),
            (Suite::Age, Identity::Passphrase(text)) => match &self.passphrase {
                Some(file) => self.open_headers(&age_slots::open_identity(file, text)?),
                None => Ok(None),
            },
        }
    }

    fn open_headers(&self, identities: &[Box<dyn age::Identity>]) -> Result<Option<ContentKey>, Error> {
        match (&self.payload, &self.index) {
            (Some(payload), Some(index)) => age_slots::open_headers(payload, index, identities),
            _ => Ok(None),
        }
    }

    fn wanted(&self) -> Vec<String> {
        let headers = [
            self.session_key.as_ref().map(|file| &file.header),
            self.payload.as_ref(),
            self.passphrase.as_ref().map(|file| &file.header),
        ];
        let mut wanted: Vec<String> = openpgp_slots::wanted(&self.openpgp).collect();
        for one in headers.into_iter().flatten().flat_map(age_slots::wanted) {
            if !wanted.contains(&one) {
                wanted.push(one);
            }
        }
        wanted
    }
}

fn open_file(
    suite: Suite,
    name: &str,
    file: Option<&AgeFile>,
    identities: impl FnOnce() -> Result<Vec<Box<dyn age::Identity>>, Error>,
) -> Result<Option<ContentKey>, Error> {
    match file {
        Some(file) => age_slots::open_session_key(suite, name, file, &identities()?),
        None => Ok(None),
    }
}

fn whole_header(bytes: &[u8]) -> Result<Header, &'static str> {
    match Header::parse(bytes)? {
        (header, []) => Ok(header),
        _ => Err("something follows its age header"),
    }
}

#[cfg(test)]
mod tests;
