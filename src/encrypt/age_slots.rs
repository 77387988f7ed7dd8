//! Recipients and identities of age, and the slots that only they open.
//!
//! In the OpenPGP suites a slot is an age file whose content is the session key as `gpg` and `sq` take it. In the suite
//! `age` the slots are the headers of the containers. A passphrase stands alone in an age header, so there its slot holds
//! an identity made for the bundle, whose recipient is in both headers.

use std::collections::HashSet;
use std::io;

use age::DecryptError;
use age::EncryptError;
use age::plugin;
use age::scrypt;
use age::tag;
use age::tagpq;
use age::x25519;
use age_core::format::FileKey;
use age_core::format::Stanza;
use age_core::secrecy::ExposeSecret as _;
use age_core::secrecy::SecretString;
use zeroize::Zeroizing;

use super::age_file;
use super::age_file::AgeFile;
use super::age_file::Header;
use super::error::Error;
use super::key::ContentKey;
use super::key::FILE_KEY_BYTES;
use super::plugins;
use crate::base::secret::SecretText;
use crate::bundle::outer::Container;
use crate::bundle::outer::slot;
use crate::bundle::suite::Suite;
use crate::keyring::dialog::Dialog;

/// The work factor of passphrase slots, as a power of two: about a second and 256 MiB, which is what `age` chooses.
const WORK: u8 = 18;
/// The highest work factor that is read: four seconds and 1 GiB.
const WORK_MAX: u8 = 20;
/// How `gpg --override-session-key` and `sq decrypt --session-key` write AES-256.
const AES256: &str = "9:";

/// A recipient of any kind.
pub(crate) type Boxed = Box<dyn age::Recipient>;

/// The recipients that the texts name.
pub(crate) fn recipients(texts: &[&str], dialog: &Dialog) -> Result<Vec<Boxed>, Error> {
    texts.iter().map(|text| recipient(text, dialog)).collect()
}

fn recipient(text: &str, dialog: &Dialog) -> Result<Boxed, Error> {
    if let Ok(recipient) = text.parse::<x25519::Recipient>() {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = text.parse::<tag::Recipient>() {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = text.parse::<tagpq::Recipient>() {
        return Ok(Box::new(recipient));
    }
    let refused = |reason| Error::AgeRecipient {
        recipient: text.chars().take(100).collect(),
        reason,
    };
    if text.starts_with("ssh-") {
        return Err(refused(
            "SSH keys are made for logging in; they have no expiry, and their RSA form is not used here",
        ));
    }
    if text.to_ascii_uppercase().starts_with("AGE-") {
        // The text is a secret key: it is not repeated.
        return Err(Error::AgeRecipient {
            recipient: "AGE-…".to_owned(),
            reason: "it is an identity, which is secret",
        });
    }
    let recipient: plugin::Recipient = text
        .parse()
        .map_err(|_| refused("it is neither an X25519 recipient nor one of a plugin, or it is mistyped"))?;
    plugins::recipient(&recipient, dialog)
}

/// Wraps a file key for all recipients, if they agree to share a file.
fn wrap(file_key: &[u8; FILE_KEY_BYTES], recipients: &[Boxed]) -> Result<Vec<Stanza>, Error> {
    let file_key = FileKey::new(Box::new(*file_key));
    let mut all = Vec::new();
    let mut common: Option<HashSet<String>> = None;
    for recipient in recipients {
        let (stanzas, labels) = recipient.wrap_file_key(&file_key).map_err(wrap_failed)?;
        if common.get_or_insert_with(|| labels.clone()) != &labels {
            return Err(Error::AgeRecipientsDiffer);
        }
        all.extend(stanzas);
    }
    Ok(all)
}

fn wrap_failed(error: EncryptError) -> Error {
    if let EncryptError::Plugin(errors) = &error {
        plugins::failed(errors)
    } else if let EncryptError::Io(source) = error {
        talk_failed(source)
    } else {
        Error::Crypto(error.into())
    }
}

/// Talking to a plugin has failed, by an error of this module where it has one to tell.
fn talk_failed(source: io::Error) -> Error {
    let told = source.downcast::<Error>();
    told.unwrap_or_else(|source| Error::Plugin {
        reason: source.to_string(),
    })
}

/// Writes the session key of an OpenPGP suite for age recipients.
pub(crate) fn write_session_key(key: &ContentKey, recipients: &[Boxed]) -> Result<Vec<u8>, Error> {
    AgeFile::write(session_key_text(key).as_bytes(), |file_key| wrap(file_key, recipients))
}

/// Writes the session key of an OpenPGP suite for a passphrase.
pub(crate) fn write_passphrase(key: &ContentKey, passphrase: &SecretText) -> Result<Vec<u8>, Error> {
    lock(session_key_text(key).as_bytes(), passphrase)
}

fn session_key_text(key: &ContentKey) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex::encode_upper(key.secret()));
    Zeroizing::new(format!("{AES256}{}\n", *digits))
}

fn lock(content: &[u8], passphrase: &SecretText) -> Result<Vec<u8>, Error> {
    let mut recipient = scrypt::Recipient::new(secret(passphrase));
    recipient.set_work_factor(WORK);
    AgeFile::write(content, |file_key| wrap(file_key, &[Box::new(recipient)]))
}

fn secret(text: &SecretText) -> SecretString {
    SecretString::from(text.expose().to_owned())
}

/// The slots of the suite `age`, by name.
pub(crate) fn write_headers(
    key: &ContentKey,
    mut recipients: Vec<Boxed>,
    passphrase: Option<&SecretText>,
) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let identity = passphrase.map(|passphrase| (passphrase, x25519::Identity::generate()));
    if let Some((_, identity)) = &identity {
        recipients.push(Box::new(identity.to_public()));
    }
    let mut slots = Vec::new();
    for (name, container) in [(slot::AGE, Container::Payload), (slot::AGE_INDEX, Container::Index)] {
        let file_key = key.file_key(container);
        slots.push((name, age_file::header(&file_key, &wrap(&file_key, &recipients)?)));
    }
    if let Some((passphrase, identity)) = identity {
        let text = Zeroizing::new(format!("{}\n", identity.to_string().expose_secret()));
        slots.push((slot::PASSPHRASE, lock(text.as_bytes(), passphrase)?));
    }
    Ok(slots)
}

/// Opens an age slot of an OpenPGP suite; `None` when none of the identities fits.
pub(crate) fn open_session_key(
    suite: Suite,
    name: &str,
    file: &AgeFile,
    identities: &[Box<dyn age::Identity>],
) -> Result<Option<ContentKey>, Error> {
    let Some(file_key) = unwrap(name, &file.header, identities)? else {
        return Ok(None);
    };
    let content = file.open(&file_key).map_err(|reason| Error::slot(name, reason))?;
    parse_session_key(suite, content.expose())
        .map(Some)
        .ok_or_else(|| Error::slot(name, "it does not hold an AES-256 session key"))
}

fn parse_session_key(suite: Suite, content: &[u8]) -> Option<ContentKey> {
    let digits = content.strip_prefix(AES256.as_bytes())?.strip_suffix(b"\n")?;
    let secret = Zeroizing::new(hex::decode(digits).ok()?);
    let key = ContentKey::session(suite, &secret)?;
    // One spelling: the digits are upper-case.
    (session_key_text(&key).as_bytes() == content).then_some(key)
}

/// Opens the headers of the suite `age`; `None` when none of the identities fits.
pub(crate) fn open_headers(
    payload: &Header,
    index: &Header,
    identities: &[Box<dyn age::Identity>],
) -> Result<Option<ContentKey>, Error> {
    let Some(file_key) = unwrap(slot::AGE, payload, identities)? else {
        return Ok(None);
    };
    if !payload.fits(&file_key) {
        return Err(Error::slot(slot::AGE, "its age header was altered"));
    }
    let key = ContentKey::file(&file_key);
    if !index.fits(&key.file_key(Container::Index)) {
        return Err(Error::slot(
            slot::AGE_INDEX,
            "it does not belong to the key of the payload",
        ));
    }
    Ok(Some(key))
}

/// The identity that a passphrase slot of the suite `age` holds.
pub(crate) fn open_identity(file: &AgeFile, passphrase: &SecretText) -> Result<Vec<Box<dyn age::Identity>>, Error> {
    let Some(file_key) = unwrap(slot::PASSPHRASE, &file.header, &passphrase_identity(passphrase))? else {
        return Err(Error::slot(slot::PASSPHRASE, "it is not locked by a passphrase"));
    };
    let content = file
        .open(&file_key)
        .map_err(|reason| Error::slot(slot::PASSPHRASE, reason))?;
    std::str::from_utf8(content.expose())
        .ok()
        .and_then(|text| text.strip_suffix('\n'))
        .and_then(|text| text.parse::<x25519::Identity>().ok())
        .map(|identity| vec![Box::new(identity) as Box<dyn age::Identity>])
        .ok_or_else(|| Error::slot(slot::PASSPHRASE, "it does not hold an age identity"))
}

/// The identities in the text of an identity file.
pub(crate) fn identities(text: &SecretText, dialog: &Dialog) -> Result<Vec<Box<dyn age::Identity>>, Error> {
    let mut found: Vec<Box<dyn age::Identity>> = Vec::new();
    for (number, line) in text.expose().lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Ok(identity) = line.parse::<x25519::Identity>() {
            found.push(Box::new(identity));
        } else if let Ok(identity) = line.parse::<plugin::Identity>() {
            found.push(plugins::identity(&identity, dialog)?);
        } else {
            return Err(Error::AgeIdentity { line: number + 1 });
        }
    }
    Ok(found)
}

/// The identity that a passphrase is.
pub(crate) fn passphrase_identity(passphrase: &SecretText) -> Vec<Box<dyn age::Identity>> {
    let mut identity = scrypt::Identity::new(secret(passphrase));
    identity.set_max_work_factor(WORK_MAX);
    vec![Box::new(identity)]
}

/// What the stanzas of a header want.
pub(crate) fn wanted(header: &Header) -> impl Iterator<Item = String> {
    header.stanzas.iter().map(|stanza| match stanza.tag.as_str() {
        age_file::SCRYPT => "the passphrase".to_owned(),
        kind => format!("an age identity of the kind {kind}"),
    })
}

fn unwrap(
    name: &str,
    header: &Header,
    identities: &[Box<dyn age::Identity>],
) -> Result<Option<Zeroizing<[u8; FILE_KEY_BYTES]>>, Error> {
    let mut refusal = None;
    for identity in identities {
        match identity.unwrap_stanzas(&header.stanzas) {
            Some(Ok(key)) => return Ok(Some(Zeroizing::new(*key.expose_secret()))),
            Some(Err(error)) => refusal = refusal.or(Some(unwrap_failed(name, header, error))),
            None => {}
        }
    }
    refusal.map_or(Ok(None), Err)
}

fn unwrap_failed(name: &str, header: &Header, error: DecryptError) -> Error {
    let is_passphrase = header.stanzas.iter().any(|stanza| stanza.tag == age_file::SCRYPT);
    // Not shown by its own text: that of `ExcessiveWork` overflows for some values.
    if let DecryptError::Plugin(errors) = &error {
        plugins::failed(errors)
    } else if let DecryptError::Io(source) = error {
        talk_failed(source)
    } else if matches!(error, DecryptError::ExcessiveWork { .. }) {
        Error::slot(name, "its work factor is above 2^20")
    } else if is_passphrase && matches!(error, DecryptError::DecryptionFailed) {
        Error::WrongPassphrase
    } else {
        Error::slot(name, "a recipient stanza of its age header is damaged")
    }
}
