//! Round trips of the three containers around every edge, reads from everywhere, and damage of every kind.

use std::io;
use std::io::Cursor;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write as _;

use proptest::prelude::ProptestConfig;
use proptest::prop_assert;
use proptest::proptest;

use sequoia_openpgp::Packet;
use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::parse::PacketParser;
use sequoia_openpgp::parse::PacketParserResult;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::types::SymmetricAlgorithm;

use super::ContentKey;
use super::Error;
use super::decryptor;
use super::encryptor;
use crate::bundle::outer::Container;
use crate::bundle::suite::Suite;

const PIECE: usize = 1 << 16;
const CHUNK: usize = 1 << 18;
const CONTAINERS: [Container; 2] = [Container::Payload, Container::Index];

fn key(suite: Suite) -> ContentKey {
    ContentKey::generate(suite).expect("random")
}

/// Text whose every 8 octets differ, so that a misplaced piece shows.
fn text(length: usize) -> Vec<u8> {
    let mut text: Vec<u8> = (0..=length as u64 / 8).flat_map(u64::to_be_bytes).collect();
    text.truncate(length);
    text
}

fn encrypt(key: &ContentKey, container: Container, plain: &[u8], step: usize) -> Vec<u8> {
    let mut writer = encryptor(key, container, Vec::new()).expect("memory");
    for bytes in plain.chunks(step) {
        writer.write_all(bytes).expect("memory");
    }
    writer.flush().expect("memory");
    writer.finish().expect("memory")
}

fn decrypt(key: &ContentKey, container: Container, cipher: &[u8], start: usize) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    let length = cipher.len() as u64;
    let _ = decryptor(key, container, Cursor::new(cipher), length, start as u64)?.read_to_end(&mut plain)?;
    Ok(plain)
}

/// Sizes at and around the ends of pieces and chunks of every layer.
fn edges() -> Vec<usize> {
    // 12 octets frame the first piece of the literal packet, 18 and 36 come before it in the outer packets.
    let around = |at: usize| (at.saturating_sub(60)..at + 24).step_by(1);
    let mut edges: Vec<usize> = (0..20).chain([100, 191, 192, 500, 8383, 8384]).collect();
    edges.extend(around(PIECE));
    edges.extend([2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 1]);
    edges.extend(around(CHUNK).step_by(3));
    edges.extend([2 * CHUNK - 16, 2 * CHUNK, 3 * CHUNK + 5 * PIECE + 77]);
    edges
}

#[test]
fn every_size_comes_back() {
    for suite in Suite::ALL {
        let key = key(suite);
        for size in edges() {
            let plain = text(size);
            let cipher = encrypt(&key, Container::Payload, &plain, 10_007);
            let found = decrypt(&key, Container::Payload, &cipher, 0).expect("whole");
            assert!(found == plain, "{suite} {size}");
        }
    }
}

#[test]
fn the_length_does_not_depend_on_how_it_was_written() {
    for suite in Suite::ALL {
        let key = key(suite);
        let plain = text(2 * CHUNK + 3 * PIECE + 5);
        let lengths = [1 << 30, CHUNK + 1, PIECE, PIECE - 1, 4099]
            .map(|step| encrypt(&key, Container::Index, &plain, step).len());
        assert!(
            lengths.iter().all(|length| *length == lengths[0]),
            "{suite} {lengths:?}"
        );
    }
}

#[test]
fn reading_begins_anywhere() {
    for suite in Suite::ALL {
        let key = key(suite);
        for size in [0, 1, 17, PIECE - 6, PIECE, CHUNK - 18, 2 * CHUNK, 2 * CHUNK + PIECE + 9] {
            let plain = text(size);
            let cipher = encrypt(&key, Container::Payload, &plain, 1 << 20);
            let from_the_end = [1, 15, 16, 17, PIECE]
                .into_iter()
                .filter_map(|back| size.checked_sub(back));
            for start in edges()
                .into_iter()
                .filter(|start| *start <= size)
                .chain(from_the_end)
                .chain([size])
            {
                let found = decrypt(&key, Container::Payload, &cipher, start).expect("whole");
                assert!(found == plain[start..], "{suite} {size} from {start}");
            }
            let past = decrypt(&key, Container::Payload, &cipher, size + 1);
            assert!(matches!(past, Err(Error::Damaged(_))), "{suite} {size}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_size_step_and_start(size in 0_usize..700_000, step in 1_usize..300_000, part in 0.0..=1.0, read in 1_usize..200_000) {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small size")]
        let start = (size as f64 * part) as usize;
        for suite in Suite::ALL {
            let key = key(suite);
            let plain = text(size);
            let cipher = encrypt(&key, Container::Index, &plain, step);
            let mut reader = decryptor(&key, Container::Index, Cursor::new(&cipher), cipher.len() as u64, start as u64).expect("whole");
            let mut found = Vec::new();
            let mut buffer = vec![0; read];
            loop {
                match reader.read(&mut buffer).expect("whole") {
                    0 => break,
                    count => found.extend_from_slice(&buffer[..count]),
                }
            }
            prop_assert!(found == plain[start..], "{}", suite);
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for suite in Suite::ALL {
        let key = key(suite);
        for size in [0, 1, 40] {
            let cipher = encrypt(&key, Container::Payload, &text(size), 99);
            for at in 0..cipher.len() * 8 {
                let mut damaged = cipher.clone();
                damaged[at / 8] ^= 1 << (at % 8);
                let found = decrypt(&key, Container::Payload, &damaged, 0);
                assert!(
                    matches!(found, Err(Error::Damaged(_))),
                    "{suite} {size}: bit {at}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn every_flipped_octet_of_the_framing_is_noticed() {
    for suite in Suite::ALL {
        let key = key(suite);
        let cipher = encrypt(&key, Container::Payload, &text(2 * CHUNK + 100), 1 << 20);
        for at in (0..cipher.len())
            .step_by(1531)
            .chain(PIECE - 8..PIECE + 50)
            .chain(cipher.len() - 300..cipher.len())
        {
            let mut damaged = cipher.clone();
            damaged[at] ^= 0x41;
            assert!(
                decrypt(&key, Container::Payload, &damaged, 0).is_err(),
                "{suite} octet {at}"
            );
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    for suite in Suite::ALL {
        let key = key(suite);
        let small = encrypt(&key, Container::Payload, &text(50), 99);
        let large = encrypt(&key, Container::Payload, &text(2 * CHUNK + 100), 1 << 20);
        let cuts = (0..small.len()).map(|end| &small[..end]);
        let edges = [PIECE, CHUNK, 2 * CHUNK]
            .into_iter()
            .flat_map(|edge| edge - 40..edge + 80);
        let cuts = cuts.chain(edges.chain(large.len() - 40..large.len()).map(|end| &large[..end]));
        for cut in cuts {
            // The reader may be told the true length or that of what is left; and it may begin at either end.
            for length in [cut.len(), small.len(), large.len()] {
                let opened = decryptor(&key, Container::Payload, Cursor::new(cut), length as u64, 0);
                let read = opened.and_then(|mut reader| Ok(reader.read_to_end(&mut Vec::new())?));
                assert!(
                    matches!(read, Err(Error::Damaged(_))),
                    "{suite} cut to {} of {length}",
                    cut.len()
                );
            }
        }
    }
}

#[test]
fn what_follows_is_not_read() {
    for suite in Suite::ALL {
        let key = key(suite);
        let cipher = encrypt(&key, Container::Payload, &text(1000), 99);
        let mut longer = Cursor::new([&cipher[..], b"the next member"].concat());
        let mut reader = decryptor(&key, Container::Payload, &mut longer, cipher.len() as u64, 10).expect("whole");
        assert_eq!(reader.read_to_end(&mut Vec::new()).expect("whole"), 990);
        drop(reader);
        assert_eq!(longer.position(), cipher.len() as u64, "{suite}");
        // Told that it belongs to the container, the reader refuses it.
        let longer = [&cipher[..], b"x"].concat();
        assert!(decrypt(&key, Container::Payload, &longer, 0).is_err(), "{suite}");
    }
}

#[test]
fn chunks_stay_where_they_are() {
    for (suite, header, sealed) in [(Suite::Rfc9580, 0, 0), (Suite::Age, 16, PIECE + 16)] {
        let key = key(suite);
        let plain = vec![5; 4 * CHUNK];
        let cipher = encrypt(&key, Container::Payload, &plain, 1 << 20);
        let mut swapped = cipher.clone();
        if suite == Suite::Age {
            swapped[header..header + 2 * sealed].rotate_left(sealed);
        } else {
            // The chunks of the body, without the octets that frame it.
            let mut body = unframe(&cipher);
            body[36..36 + 2 * (CHUNK + 16)].rotate_left(CHUNK + 16);
            swapped = reframe(&body);
            assert_eq!(swapped.len(), cipher.len());
        }
        assert!(swapped != cipher);
        assert!(
            matches!(decrypt(&key, Container::Payload, &swapped, 0), Err(Error::Damaged(_))),
            "{suite}"
        );
    }
}

#[test]
fn a_cut_at_a_chunk_is_no_end() {
    // Cut exactly after a chunk, framed anew as a shorter container.
    let key = key(Suite::Rfc9580);
    let body = unframe(&encrypt(&key, Container::Payload, &text(2 * CHUNK), 1 << 20));
    let cut = [&body[..36 + CHUNK + 16], &body[body.len() - 16..]].concat();
    assert!(matches!(
        decrypt(&key, Container::Payload, &reframe(&cut), 0),
        Err(Error::Damaged(_))
    ));
    let key = ContentKey::generate(Suite::Age).expect("random");
    let cipher = encrypt(&key, Container::Payload, &text(3 * PIECE), 1 << 20);
    let cut = &cipher[..16 + 2 * (PIECE + 16)];
    assert!(matches!(
        decrypt(&key, Container::Payload, cut, 0),
        Err(Error::Damaged(_))
    ));
}

fn unframe(packet: &[u8]) -> Vec<u8> {
    let framing = super::framing::Framing::of_packet(packet.len() as u64).expect("a packet");
    let mut body = Vec::new();
    let mut reader = super::framing::Deframer::new(packet, framing, 0xd2, 0);
    let _ = reader.read_to_end(&mut body).expect("whole");
    body
}

fn reframe(body: &[u8]) -> Vec<u8> {
    let mut framer = super::framing::Framer::begin(Vec::new(), 0xd2).expect("memory");
    framer.write_all(body).expect("memory");
    framer.finish().expect("memory")
}

#[test]
fn payload_and_index_do_not_stand_for_each_other() {
    // The OpenPGP suites share the session key, as their standard allows; age must not.
    let key = key(Suite::Age);
    let cipher = encrypt(&key, Container::Index, &text(100), 99);
    assert!(decrypt(&key, Container::Payload, &cipher, 0).is_err());
}

#[test]
fn another_key_opens_nothing() {
    for suite in Suite::ALL {
        for container in CONTAINERS {
            let cipher = encrypt(&key(suite), container, &text(100), 99);
            assert!(decrypt(&key(suite), container, &cipher, 0).is_err(), "{suite}");
        }
    }
}

#[test]
fn two_containers_have_nothing_in_common() {
    for suite in Suite::ALL {
        let key = key(suite);
        let one = encrypt(&key, Container::Payload, &text(100), 99);
        let two = encrypt(&key, Container::Payload, &text(100), 99);
        assert_eq!(one.len(), two.len());
        let equal = one.iter().zip(&two).filter(|(one, two)| one == two).count();
        // Framing, and what chance makes equal.
        assert!(equal < 30, "{suite}: {equal} octets");
    }
}

#[test]
fn without_finish_there_is_no_container() {
    for suite in Suite::ALL {
        for size in [0, 10, PIECE, 2 * CHUNK] {
            let key = key(suite);
            let mut cipher = Vec::new();
            let mut writer = encryptor(&key, Container::Payload, &mut cipher).expect("memory");
            writer.write_all(&text(size)).expect("memory");
            drop(writer);
            assert!(decrypt(&key, Container::Payload, &cipher, 0).is_err(), "{suite} {size}");
        }
    }
}

#[test]
fn the_last_octets_wait_for_the_end() {
    for suite in Suite::ALL {
        let key = key(suite);
        let mut cipher = encrypt(&key, Container::Payload, &text(100), 99);
        *cipher.last_mut().expect("not empty") ^= 1;
        let opened = decryptor(&key, Container::Payload, Cursor::new(&cipher), cipher.len() as u64, 0);
        // Whoever reads exactly what there is, and never past it, is told as well.
        let read = opened.and_then(|mut reader| Ok(reader.read_exact(&mut [0; 100])?));
        assert!(matches!(read, Err(Error::Damaged(_))), "{suite}");
    }
}

#[test]
fn after_an_error_nothing_more_comes() {
    for suite in Suite::ALL {
        let key = key(suite);
        let mut cipher = encrypt(&key, Container::Payload, &text(4 * CHUNK), 1 << 20);
        let middle = cipher.len() / 2;
        cipher[middle] ^= 1;
        let mut reader =
            decryptor(&key, Container::Payload, Cursor::new(&cipher), cipher.len() as u64, 0).expect("begins well");
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        for _ in 0..5 {
            assert!(reader.read(&mut [0; 100]).is_err(), "{suite}");
        }
    }
}

/// Counts seeks, and gives out octets in small portions with interruptions.
struct Trickle<'a> {
    inner: Cursor<&'a [u8]>,
    seeks: &'a mut u32,
    turn: u32,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(1 + self.turn as usize % 5000);
        self.inner.read(&mut buffer[..most])
    }
}

impl Seek for Trickle<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        *self.seeks += 1;
        self.inner.seek(to)
    }
}

#[test]
fn it_seeks_once_and_takes_portions_as_they_come() {
    for suite in Suite::ALL {
        let key = key(suite);
        let plain = text(2 * CHUNK + 100);
        let cipher = encrypt(&key, Container::Payload, &plain, 1 << 20);
        for start in [0, 1, PIECE + 3, CHUNK] {
            let mut seeks = 0;
            let input = Trickle {
                inner: Cursor::new(&cipher),
                seeks: &mut seeks,
                turn: 0,
            };
            let mut found = Vec::new();
            let mut reader =
                decryptor(&key, Container::Payload, input, cipher.len() as u64, start as u64).expect("whole");
            let _ = reader.read_to_end(&mut found).expect("whole");
            drop(reader);
            assert!(found == plain[start..], "{suite} from {start}");
            assert_eq!(seeks, 1, "{suite}");
        }
    }
}

/// What the library behind sq makes of a container, with its own reader.
#[expect(
    deprecated,
    reason = "the MDC belongs to SEIPDv1, and its packet is what tells whether it fits"
)]
fn read_by_sequoia(key: &ContentKey, cipher: &[u8]) -> sequoia_openpgp::Result<Vec<u8>> {
    let PacketParserResult::Some(mut container) = PacketParser::from_bytes(cipher)? else {
        panic!("no packet")
    };
    let cipher = (key.suite() == Suite::Gnupg).then_some(SymmetricAlgorithm::AES256);
    container.decrypt(cipher, &SessionKey::from(key.secret()))?;
    let (_, inner) = container.recurse()?;
    let PacketParserResult::Some(mut literal) = inner else {
        panic!("nothing inside")
    };
    assert!(matches!(literal.packet, Packet::Literal(_)));
    let mut plain = Vec::new();
    let _ = literal.read_to_end(&mut plain)?;
    let (_, mut next) = literal.recurse()?;
    while let PacketParserResult::Some(packet) = next {
        assert!(matches!(packet.packet, Packet::MDC(ref mdc) if mdc.valid()));
        next = packet.recurse()?.1;
    }
    Ok(plain)
}

#[test]
fn the_library_behind_sq_reads_the_openpgp_suites() {
    for suite in [Suite::Rfc9580, Suite::Gnupg] {
        let key = key(suite);
        for size in [0, 1, PIECE - 6, PIECE, CHUNK - 18, CHUNK, 3 * CHUNK + 99] {
            let plain = text(size);
            let cipher = encrypt(&key, Container::Payload, &plain, 1 << 20);
            let read = read_by_sequoia(&key, &cipher).expect("a standard container");
            assert!(read == plain, "{suite} {size}");
        }
    }
}

proptest! {
    #[test]
    fn any_octets_length_and_start_are_an_error(octets: Vec<u8>, length: u64, start: u64, shift in 0_u32..64) {
        for suite in Suite::ALL {
            let key = key(suite);
            let mut begun = encrypt(&key, Container::Payload, b"", 1);
            let whole = begun.len() as u64;
            begun.extend(&octets);
            for input in [&octets, &begun] {
                for start in [start >> shift, 0] {
                    let opened = decryptor(&key, Container::Payload, Cursor::new(input), length >> shift, start);
                    if let Ok(mut reader) = opened {
                        let read = reader.read_to_end(&mut Vec::new());
                        prop_assert!(read.is_err() || length >> shift == whole);
                    }
                }
            }
        }
    }
}
