//! The slot `openpgp.pgp`: the session key for each certificate, as PKESK packets (RFC 9580 section 5.1) that stand
//! directly before a container: version 6 for `rfc9580`, version 3 for `gnupg`.

use sequoia_openpgp::Cert;
use sequoia_openpgp::Packet;
use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::PKESK;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::packet::key::SecretParts;
use sequoia_openpgp::packet::key::UnspecifiedRole;
use sequoia_openpgp::packet::pkesk::PKESK3;
use sequoia_openpgp::packet::pkesk::PKESK6;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::Serialize as _;
use sequoia_openpgp::types::SymmetricAlgorithm;

use super::error::Error;
use super::key::ContentKey;
use crate::base::clock::Timestamp;
use crate::base::secret::SecretText;
use crate::bundle::outer::slot;
use crate::bundle::suite::Suite;
use crate::keyring::encryption::encryption_keys;

const CIPHER: SymmetricAlgorithm = SymmetricAlgorithm::AES256;
/// The tag of a PKESK packet.
const PKESK_TAG: u8 = 1;

/// Writes one packet for each key of each certificate that may be encrypted to at the time `at`.
pub(crate) fn write(key: &ContentKey, certs: &[&Cert], at: Timestamp) -> Result<Vec<u8>, Error> {
    let session_key = SessionKey::from(key.secret());
    let mut slot = Vec::new();
    for cert in certs {
        for recipient in encryption_keys(cert, at)? {
            pkesk(key.suite(), &session_key, &recipient)
                .and_then(|packet| packet.serialize(&mut slot))
                .map_err(|error| Error::Crypto(error.into()))?;
        }
    }
    Ok(slot)
}

fn pkesk(
    suite: Suite,
    session_key: &SessionKey,
    recipient: &Key<PublicParts, UnspecifiedRole>,
) -> sequoia_openpgp::Result<Packet> {
    Ok(match suite {
        Suite::Gnupg => Packet::from(PKESK3::for_recipient(CIPHER, session_key, recipient)?),
        Suite::Rfc9580 | Suite::Age => Packet::from(PKESK6::for_recipient(session_key, recipient)?),
    })
}

/// Reads the slot: PKESK packets of the version that the suite asks for, each with a named recipient, and nothing else.
pub(crate) fn parse(suite: Suite, slot: &[u8]) -> Result<Vec<PKESK>, &'static str> {
    let mut packets = Vec::new();
    let mut rest = slot;
    while !rest.is_empty() {
        let (body, tail) = packet_body(rest)?;
        packets.push(parse_body(suite, body)?);
        rest = tail;
    }
    if packets.is_empty() {
        return Err("it is empty");
    }
    Ok(packets)
}

fn parse_body(suite: Suite, body: &[u8]) -> Result<PKESK, &'static str> {
    let version = match suite {
        Suite::Gnupg => 3,
        Suite::Rfc9580 | Suite::Age => 6,
    };
    if body.first() != Some(&version) {
        return Err("the version of a PKESK packet does not fit the suite");
    }
    let packet = PKESK::from_bytes(body).map_err(|_| "a PKESK packet is damaged")?;
    match packet.recipient() {
        Some(_) => Ok(packet),
        None => Err("a PKESK packet hides its recipient"),
    }
}

/// The body of the PKESK packet at the beginning, and what follows it. Both forms of headers, for slots that GnuPG wrote.
fn packet_body(bytes: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let short = "a packet is cut short";
    let (&header, rest) = bytes.split_first().ok_or(short)?;
    let (tag, octets) = match header {
        0xc0.. => (header & 0x3f, new_length(rest)),
        0x80.. => ((header >> 2) & 0x0f, old_length(header & 3)),
        _ => return Err("it is not a sequence of packets"),
    };
    if tag != PKESK_TAG {
        return Err("it holds another packet than PKESK packets");
    }
    let (skip, octets) = octets.ok_or("the length of a packet is not definite")?;
    let (length, rest) = rest.split_at_checked(skip + octets).ok_or(short)?;
    let number = length[skip..]
        .iter()
        .fold(0_usize, |number, octet| number << 8 | usize::from(*octet));
    let number = match (skip, octets) {
        (0, 2) if header >= 0xc0 => number - (192 << 8) + 192,
        _ => number,
    };
    rest.split_at_checked(number).ok_or(short)
}

/// Octets to skip, and octets of the length, in the new form.
fn new_length(rest: &[u8]) -> Option<(usize, usize)> {
    match rest.first() {
        Some(0..192) | None => Some((0, 1)),
        Some(192..224) => Some((0, 2)),
        Some(255) => Some((1, 4)),
        Some(224..255) => None,
    }
}

/// The same in the old form, whose header octet tells.
fn old_length(kind: u8) -> Option<(usize, usize)> {
    match kind {
        0 => Some((0, 1)),
        1 => Some((0, 2)),
        2 => Some((0, 4)),
        _ => None,
    }
}

/// Opens the slot with the secret keys of a certificate; `None` when none of them fits.
///
/// Old backups are opened with old keys: neither expiry nor revocation counts here.
pub(crate) fn open(
    suite: Suite,
    packets: &[PKESK],
    cert: &Cert,
    passphrase: Option<&SecretText>,
) -> Result<Option<ContentKey>, Error> {
    let mut refusal = None;
    for packet in packets {
        let handle = packet.recipient().expect("checked when the slot was read");
        for found in cert
            .keys()
            .secret()
            .filter(|found| found.key().key_handle().aliases(&handle))
        {
            match open_with(suite, packet, cert, found.key(), passphrase) {
                Ok(key) => return Ok(Some(key)),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
    }
    refusal.map_or(Ok(None), Err)
}

fn open_with(
    suite: Suite,
    packet: &PKESK,
    cert: &Cert,
    secret: &Key<SecretParts, UnspecifiedRole>,
    passphrase: Option<&SecretText>,
) -> Result<ContentKey, Error> {
    let damaged = || Error::Slot {
        name: slot::OPENPGP.to_owned(),
        reason: format!(
            "the packet for the key {} does not decrypt to an AES-256 session key",
            secret.fingerprint()
        ),
    };
    let mut pair = unlock(cert, secret, passphrase)?
        .into_keypair()
        .map_err(|error| Error::Crypto(error.into()))?;
    let (cipher, session_key) = packet.decrypt(&mut pair, Some(CIPHER)).ok_or_else(damaged)?;
    // Version 3 names the cipher in the packet, version 6 in the container.
    if cipher.is_some_and(|cipher| cipher != CIPHER) {
        return Err(damaged());
    }
    ContentKey::session(suite, &session_key).ok_or_else(damaged)
}

fn unlock(
    cert: &Cert,
    secret: &Key<SecretParts, UnspecifiedRole>,
    passphrase: Option<&SecretText>,
) -> Result<Key<SecretParts, UnspecifiedRole>, Error> {
    if secret.has_unencrypted_secret() {
        return Ok(secret.clone());
    }
    let fingerprint = cert.fingerprint().to_hex();
    let Some(passphrase) = passphrase else {
        return Err(Error::KeyLocked { fingerprint });
    };
    secret
        .clone()
        .decrypt_secret(&passphrase.expose().into())
        .map_err(|_| Error::WrongKeyPassphrase { fingerprint })
}

/// What the packets want.
pub(crate) fn wanted(packets: &[PKESK]) -> impl Iterator<Item = String> {
    packets
        .iter()
        .filter_map(PKESK::recipient)
        .map(|handle| format!("the OpenPGP key {handle:X}"))
}
