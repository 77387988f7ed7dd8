//! A block of signature packets: strict when a seal is opened, tolerant when one is put into its one spelling.

use std::io::Read as _;

use sequoia_openpgp::Packet;
use sequoia_openpgp::PacketPile;
use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::armor::Reader;
use sequoia_openpgp::armor::ReaderMode;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::signature::subpacket::Subpacket;
use sequoia_openpgp::packet::signature::subpacket::SubpacketArea;
use sequoia_openpgp::packet::signature::subpacket::SubpacketTag;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::MarshalInto as _;

use super::Error;
use super::Invalid;
use super::armor;
use crate::base::limits;

/// The first octet of a signature packet in the newer of OpenPGP's two framings.
const SIGNATURE_TAG: u8 = 0xC2;

/// Puts detached signatures into their one spelling: binary or armored ones, by any program, such as `gpg --detach-sign`.
///
/// That is: signature packets in the order of their octets, each in the newer framing with its shortest length, without any
/// unsigned subpacket but one issuer and one issuer fingerprint, in that order; armored without headers, with the checksum.
///
/// # Errors
/// When there is no signature, or anything but signatures.
pub fn canonical(armored_or_binary: &[u8]) -> Result<Vec<u8>, Error> {
    write(read_any(armored_or_binary)?)
}

/// Writes signatures in their one spelling.
pub(super) fn write(signatures: Vec<Signature>) -> Result<Vec<u8>, Error> {
    if signatures.is_empty() {
        return Err(Error::Missing);
    }
    let mut packets = Vec::new();
    for signature in signatures {
        packets.push(to_packet(canonical_signature(signature)?)?);
    }
    packets.sort_unstable();
    let armored = armor::encode(&packets.concat());
    // What is written has to be readable: bounds and order included.
    read(&armored)?;
    Ok(armored)
}

/// Reads signatures that are in their one spelling, and nothing else.
pub(super) fn read(armored: &[u8]) -> Result<Vec<Signature>, Error> {
    check_size(armored)?;
    if armored.is_empty() {
        return Err(Error::Missing);
    }
    let block = armor::decode(armored).ok_or(Invalid::NotCanonical)?;
    let packets = split(&block)?;
    if packets.is_empty() {
        return Err(Error::Missing);
    }
    // Strictly rising: no order is free, and none is there twice.
    if !packets.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(Invalid::NotCanonical.into());
    }
    packets.into_iter().map(read_packet).collect()
}

/// Reads signatures as any program writes them.
pub(super) fn read_any(armored_or_binary: &[u8]) -> Result<Vec<Signature>, Error> {
    check_size(armored_or_binary)?;
    if armored_or_binary.is_empty() {
        return Err(Error::Missing);
    }
    let binary = if armored_or_binary[0] & 0x80 == 0 {
        dearmor(armored_or_binary)?
    } else {
        armored_or_binary.to_vec()
    };
    let pile = PacketPile::from_bytes(&binary).map_err(unreadable)?;
    let signatures: Result<Vec<Signature>, Error> = pile.into_children().map(only_signature).collect();
    signatures.and_then(|all| if all.is_empty() { Err(Error::Missing) } else { Ok(all) })
}

fn dearmor(armored: &[u8]) -> Result<Vec<u8>, Error> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    // The reader takes the first block alone; a second one must not get lost.
    if armored.windows(BEGIN.len()).filter(|window| *window == BEGIN).count() != 1 {
        return Err(Invalid::Unreadable(None).into());
    }
    let mut binary = Vec::new();
    Reader::from_bytes(armored, ReaderMode::Tolerant(Some(Kind::Signature)))
        .read_to_end(&mut binary)
        .map_err(|source| Invalid::Unreadable(Some(source.into())))?;
    Ok(binary)
}

fn check_size(bytes: &[u8]) -> Result<(), Invalid> {
    if bytes.len() as u64 <= limits::SIGNATURES_BYTES_MAX {
        return Ok(());
    }
    Err(Invalid::TooLarge {
        bytes_max: limits::SIGNATURES_BYTES_MAX,
    })
}

/// Cuts a block into its packets. Only signatures pass, so no other parser is reached.
fn split(mut block: &[u8]) -> Result<Vec<&[u8]>, Invalid> {
    let mut packets = Vec::new();
    while let Some(tag) = block.first() {
        if *tag != SIGNATURE_TAG {
            return Err(Invalid::NotCanonical);
        }
        if packets.len() == limits::SIGNATURES_MAX {
            return Err(Invalid::TooMany);
        }
        let length = packet_length(block).ok_or(Invalid::NotCanonical)?;
        let (packet, rest) = block.split_at_checked(length).ok_or(Invalid::NotCanonical)?;
        packets.push(packet);
        block = rest;
    }
    Ok(packets)
}

/// The length of the first packet with its header (RFC 9580, section 4.2.1); `None` for partial lengths. That the form is the
/// shortest is checked by writing the packet again.
fn packet_length(block: &[u8]) -> Option<usize> {
    let octet = |index: usize| block.get(index).copied().map(usize::from);
    match octet(1)? {
        short @ 0..192 => Some(2 + short),
        first @ 192..224 => Some(3 + ((first - 192) << 8) + octet(2)? + 192),
        255 => {
            let long = u32::from_be_bytes(block.get(2..6)?.try_into().ok()?);
            usize::try_from(long).ok()?.checked_add(6)
        }
        _ => None,
    }
}

fn read_packet(bytes: &[u8]) -> Result<Signature, Error> {
    let packet = Packet::from_bytes(bytes).map_err(unreadable)?;
    let signature = only_signature(packet)?;
    // Written again it must be the same: lengths, numbers and subpackets have one spelling.
    let again = to_packet(canonical_signature(signature.clone())?)?;
    if again == bytes {
        Ok(signature)
    } else {
        Err(Invalid::NotCanonical.into())
    }
}

fn to_packet(signature: Signature) -> Result<Vec<u8>, Error> {
    Packet::from(signature).to_vec().map_err(unreadable)
}

fn only_signature(packet: Packet) -> Result<Signature, Error> {
    let found = format!("a packet of type {}", packet.tag());
    if let Packet::Signature(signature) = packet {
        Ok(signature)
    } else {
        Err(Invalid::NotASignature { found }.into())
    }
}

/// The signature with nothing in its unsigned area but one issuer and one issuer fingerprint, as far as they are there.
fn canonical_signature(mut signature: Signature) -> Result<Signature, Error> {
    let mut area = SubpacketArea::default();
    for tag in [SubpacketTag::Issuer, SubpacketTag::IssuerFingerprint] {
        if let Some(subpacket) = signature.unhashed_area().subpacket(tag) {
            let subpacket = Subpacket::new(subpacket.value().clone(), false).map_err(unreadable)?;
            area.add(subpacket).map_err(unreadable)?;
        }
    }
    *signature.unhashed_area_mut() = area;
    Ok(signature)
}

fn unreadable<E: Into<crate::keyring::Cause>>(source: E) -> Error {
    Invalid::Unreadable(Some(source.into())).into()
}
