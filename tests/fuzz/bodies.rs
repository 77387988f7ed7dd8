//! What each fuzz target does with its input. Shared by the targets of libFuzzer, for long runs, and by `tests/fuzz_short.rs`, which
//! runs them for some seconds with every change.
//!
//! No input may panic, take more memory than the bounds in `base::limits` allow, or run for long; and what is accepted keeps the
//! promise that stands beside it. Each says whether it has accepted its input.

use std::io;
use std::io::BufRead;
use std::io::Cursor;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use hub_backup::audit::AuditRecord;
use hub_backup::base::cancel::Cancel;
use hub_backup::base::clock::Timestamp;
use hub_backup::base::progress::Silent;
use hub_backup::base::shared::BlockCursor;
use hub_backup::bundle::entry::Node;
use hub_backup::bundle::header::Header;
use hub_backup::bundle::index::Record;
use hub_backup::bundle::manifest::Manifest;
use hub_backup::bundle::outer::Container;
use hub_backup::bundle::outer::slot;
use hub_backup::bundle::suite::Suite;
use hub_backup::bundle::trailer::TRAILER_BYTES;
use hub_backup::bundle::trailer::Trailer;
use hub_backup::catalog::checkpoint::Checkpoint;
use hub_backup::compress;
use hub_backup::compress::Decompressor;
use hub_backup::config::file;
use hub_backup::encrypt;
use hub_backup::encrypt::ContentKey;
use hub_backup::encrypt::slots::Slot;
use hub_backup::encrypt::slots::open_slots;
use hub_backup::envelope::read;
use hub_backup::flow::index::IndexReader;
use hub_backup::keyring::Recipient;
use hub_backup::keyring::describe;
use hub_backup::keyring::identities::read_identity;
use hub_backup::keyring::openpgp;
use hub_backup::keyring::recipients::read_recipients;
use hub_backup::keyring::trust::TrustStore;
use hub_backup::pack::header as pack_header;
use hub_backup::pack::read::Unpacker;
use hub_backup::seal;
use hub_backup::source::guard;
use hub_backup::source::guard::Format;

/// The smallest block size that a bundle may have.
pub(crate) const BLOCK: u32 = 64 << 10;

/// The time of parts in the inner tar.
pub(crate) const SECONDS: i64 = 1_769_860_860;

/// Contents above this are not read by [`inner`]: holes are hashed, so the time grows with their size.
const CONTENT_MAX: u64 = 16 << 20;

/// `header.json`: what is accepted is written the same way again.
pub(crate) fn header(bytes: &[u8]) -> bool {
    let Ok(header) = Header::parse(bytes) else { return false };
    assert_eq!(Header::parse(&header.to_bytes()).expect("own form"), header);
    true
}

/// `manifest.json`: as the header.
pub(crate) fn manifest(bytes: &[u8]) -> bool {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return false;
    };
    assert_eq!(Manifest::parse(&manifest.to_bytes()).expect("own form"), manifest);
    true
}

/// The trailer: there is one spelling of each.
pub(crate) fn trailer(bytes: &[u8]) -> bool {
    let mut block = [b' '; TRAILER_BYTES];
    let count = bytes.len().min(TRAILER_BYTES);
    block[..count].copy_from_slice(&bytes[..count]);
    block[TRAILER_BYTES - 1] = b'\n';
    let Ok(trailer) = Trailer::parse(&block) else {
        return false;
    };
    assert_eq!(trailer.to_bytes(), block);
    true
}

/// A whole bundle, its manifest taken as it stands: everything that comes after the signatures have been found good.
pub(crate) fn outer(bytes: &[u8]) -> bool {
    let object = bytes.to_vec();
    let Ok(ends) = read::ends(&object) else { return false };
    let Ok(manifest) = Manifest::parse(&ends.manifest) else {
        return false;
    };
    let Ok(checked) = read::check(&object, &ends, &manifest, 1, &Silent, &Cancel::new()) else {
        return false;
    };
    assert_eq!(checked.header.bundle, manifest.bundle);
    assert_eq!(checked.slots.len(), manifest.members.keyslots.len());
    true
}

/// Lines of the index, an empty line, and the tar stream that they describe.
pub(crate) fn inner(bytes: &[u8]) -> bool {
    let at = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (lines, tar) = (&bytes[..at], bytes.get(at + 2..).unwrap_or_default());
    let Ok(mut unpacker) = Unpacker::new(BlockCursor::from(tar.to_vec()), SECONDS) else {
        return false;
    };
    for line in lines.split(|byte| *byte == b'\n') {
        let result = match Record::parse(line) {
            Ok(Record::Entry(entry)) if matches!(entry.node, Node::File { size, .. } if size > CONTENT_MAX) => {
                return false;
            }
            Ok(Record::Entry(entry)) => unpacker.entry(&entry, drain).map(drop),
            Ok(Record::Part(part)) => unpacker.part(&part, drain).map(drop),
            Ok(Record::Stream(stream)) => unpacker.stream(&stream),
            Ok(_) => Ok(()),
            Err(_) => return false,
        };
        if result.is_err() {
            return false;
        }
    }
    unpacker.finish().is_ok() && unpacker.settle().is_ok()
}

fn drain(content: &mut dyn BufRead) -> io::Result<()> {
    io::copy(content, &mut io::sink()).map(drop)
}

/// Key slots, each name and suite in turn: without a key nothing opens, whatever they hold.
pub(crate) fn slots(bytes: &[u8]) -> bool {
    let slot = |name: &str| Slot {
        name: name.to_owned(),
        bytes: bytes.to_vec(),
    };
    let mut readable = false;
    let mut check = |suite, slots: &[Slot]| match open_slots(suite, slots, &[]) {
        Ok(_) => panic!("opened without a key"),
        Err(error) => readable |= matches!(error, encrypt::Error::NoUsableKey { .. }),
    };
    for suite in [Suite::Rfc9580, Suite::Gnupg] {
        for name in [slot::OPENPGP, slot::SESSION_KEY, slot::PASSPHRASE] {
            check(suite, &[slot(name)]);
        }
    }
    let age = [slot(slot::AGE), slot(slot::AGE_INDEX), slot(slot::PASSPHRASE)];
    check(Suite::Age, &age[..2]);
    check(Suite::Age, &age);
    readable
}

/// The plaintext of an index container, and its lines: what is accepted is written the same way again, and has a tar header.
pub(crate) fn index(bytes: &[u8]) -> bool {
    let mut reader = IndexReader::new(bytes, BLOCK).expect("memory");
    let mut records = 0;
    while let Ok(Some(_)) = reader.next_record() {
        records += 1;
    }
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(record) = Record::parse(line) {
            if let Record::Entry(entry) = &record {
                assert!(pack_header::of_entry(entry).len().is_multiple_of(512));
            }
            if let Record::Part(part) = &record {
                assert!(pack_header::of_part(part, SECONDS).len().is_multiple_of(512));
            }
            let mut written = Vec::new();
            record.append_to(&mut written);
            assert_eq!(Record::parse(&written[..written.len() - 1]).expect("own form"), record);
            records += 1;
        }
    }
    records > 0
}

/// The settings file.
pub(crate) fn config(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut problems = Vec::new();
    let _layer = file::layer(Path::new("/fuzz/hub-backup.toml"), text, &mut problems);
    assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
    problems.is_empty()
}

/// A block of signatures: who trusts nobody is convinced by nothing, and the one spelling is a fixed point.
pub(crate) fn signatures(bytes: &[u8]) -> bool {
    let time = Timestamp::from_unix(SECONDS).expect("a year");
    assert!(seal::open(b"statement", bytes, &TrustStore::default(), time).is_err());
    let Ok(canonical) = seal::canonical(bytes) else {
        return false;
    };
    assert_eq!(seal::canonical(&canonical).expect("own form"), canonical);
    true
}

/// A sequence of compressed blocks: none is larger than it may be.
pub(crate) fn zstd(mut bytes: &[u8]) -> bool {
    let (mut frame, mut block) = (Vec::new(), Vec::new());
    let mut decompressor = Decompressor::new().expect("memory");
    let mut blocks = 0;
    while let Ok(true) = compress::read_frame(&mut bytes, BLOCK, &mut frame) {
        if decompressor.decompress(&frame, BLOCK, &mut block).is_ok() {
            assert!(block.len() <= BLOCK as usize);
            blocks += 1;
        }
    }
    blocks > 0
}

/// What [`container`] finds when it finds anything.
pub(crate) const PLAINTEXT: &[u8] = b"nothing but the truth\n";

/// The content key of a golden bundle: the same in every process, so that a corpus is good for the next run too.
fn key(suite: Suite) -> &'static ContentKey {
    static KEYS: OnceLock<Vec<ContentKey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        vec![
            key_of(
                include_bytes!("../../testdata/bundles/v1/rfc9580.hub.tar"),
                include_bytes!("../../testdata/keys/operations-secret.asc"),
            ),
            key_of(
                include_bytes!("../../testdata/bundles/v1/gnupg.hub.tar"),
                include_bytes!("../../testdata/keys/gnupg-operations-secret.asc"),
            ),
            key_of(
                include_bytes!("../../testdata/bundles/v1/age.hub.tar"),
                include_bytes!("../../testdata/keys/age-operations.txt"),
            ),
        ]
    });
    keys.iter().find(|key| key.suite() == suite).expect("one of each")
}

fn key_of(bundle: &[u8], identity: &[u8]) -> ContentKey {
    let bundle = bundle.to_vec();
    let ends = read::ends(&bundle).expect("good");
    let manifest = Manifest::parse(&ends.manifest).expect("good");
    let checked = read::check(&bundle, &ends, &manifest, 1, &Silent, &Cancel::new()).expect("good");
    let slots = checked.slots.into_iter().map(|(name, bytes)| Slot { name, bytes });
    let identity = read_identity(identity, None).expect("not locked");
    open_slots(manifest.suite, &slots.collect::<Vec<_>>(), &[identity]).expect("its own key")
}

/// The container of [`PLAINTEXT`] under the key of a golden bundle.
pub(crate) fn sealed_container(suite: Suite) -> Vec<u8> {
    let mut writer = encrypt::encryptor(key(suite), Container::Payload, Vec::new()).expect("random");
    writer.write_all(PLAINTEXT).expect("a Vec");
    writer.finish().expect("a Vec")
}

/// An encrypted container under the key of a golden bundle: read as a whole it is the one that was written, or refused.
pub(crate) fn container(bytes: &[u8]) -> bool {
    let mut whole = false;
    for suite in Suite::ALL {
        for start in [0, 7, 22, 23, 1 << 32, u64::MAX - 1, u64::MAX] {
            let input = Cursor::new(bytes);
            let mut plaintext = Vec::new();
            let opened = encrypt::decryptor(key(suite), Container::Payload, input, bytes.len() as u64, start);
            let read = opened.map(|mut reader| reader.read_to_end(&mut plaintext));
            if matches!(read, Ok(Ok(_))) && start == 0 {
                assert_eq!(plaintext, PLAINTEXT);
                whole = true;
            }
        }
    }
    whole
}

/// The other records of a store.
pub(crate) fn records(bytes: &[u8]) -> bool {
    let (record, checkpoint) = (AuditRecord::parse(bytes), Checkpoint::parse(bytes));
    if let Ok(record) = &record {
        assert_eq!(AuditRecord::parse(&record.to_bytes()).expect("own form"), *record);
    }
    if let Ok(checkpoint) = &checkpoint {
        assert_eq!(
            Checkpoint::parse(&checkpoint.to_bytes()).expect("own form"),
            *checkpoint
        );
    }
    record.is_ok() || checkpoint.is_ok()
}

/// Settings that are looked through for secrets, as each format in turn: what was taken out is gone.
pub(crate) fn guard(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut redacted = false;
    for format in [Format::Json, Format::Toml, Format::Yaml, Format::Lines, Format::Pgpass] {
        let lines = text.split('\n').count();
        let scan = guard::scan(text, format);
        assert!(scan.findings.iter().all(|finding| (1..=lines).contains(&finding.line)));
        if let Ok((result, _)) = guard::redact(text, format, &|_| false) {
            assert!(guard::scan(&result, format).findings.is_empty(), "{result:?}");
            redacted |= !scan.findings.is_empty();
        }
    }
    redacted
}

/// Files of keys: certificates, recipients and identities. A certificate that can be written is the same when it is read again.
pub(crate) fn keys(bytes: &[u8]) -> bool {
    let time = Timestamp::from_unix(SECONDS).expect("a year");
    let identity = read_identity(bytes, None);
    let Ok(recipients) = read_recipients(bytes) else {
        return identity.is_ok();
    };
    for recipient in recipients {
        let Recipient::OpenPgp(certificate) = recipient else {
            continue;
        };
        let described = describe::describe(&certificate, &TrustStore::default(), time);
        // The library reads some packets, with fingerprints of unknown versions, that it cannot write.
        let Ok(text) = openpgp::public_text(&certificate) else {
            continue;
        };
        let again = openpgp::read_certificates(text.as_bytes()).expect("own form");
        assert_eq!(again.len(), 1);
        let described_again = describe::describe(&again[0], &TrustStore::default(), time);
        assert_eq!(described_again.fingerprint, described.fingerprint);
        assert_eq!(described_again.state, described.state);
    }
    true
}
