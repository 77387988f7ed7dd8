//! An outer tar of more segments than a page of their digests has, and than are kept in memory while it is written.

use std::io::Read as _;
use std::io::Seek as _;
use std::io::SeekFrom;
use std::io::Write as _;
use std::sync::Mutex;

use super::read;
use super::read::Checked;
use super::segments::SegmentReader;
use super::write::TooManySegments;
use super::write::Writer;
use super::*;
use crate::base::cancel::Cancel;
use crate::base::clock::Timestamp;
use crate::base::limits;
use crate::base::progress::Silent;
use crate::base::read_at::ReadAt;
use crate::bundle::header;
use crate::bundle::index::Totals;
use crate::bundle::manifest;
use crate::bundle::manifest::Keys;
use crate::bundle::manifest::Members;
use crate::bundle::manifest::PolicyFacts;
use crate::bundle::suite::Suite;

const SEGMENT: u32 = limits::BLOCK_BYTES_MIN;
const SEGMENTS: u64 = 2100;

fn header() -> Header {
    let created: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
    Header {
        format: header::MAGIC.to_owned(),
        version: header::FORMAT_VERSION,
        bundle: "20260131T120000Z-0123456789abcdef".parse().expect("an id"),
        set: "hub".parse().expect("a name"),
        created,
        suite: Suite::Rfc9580,
        segment_bytes: SEGMENT,
        block_bytes: SEGMENT,
        tool: "test".to_owned(),
    }
}

fn manifest(header: &Header, members: Members) -> Manifest {
    Manifest {
        format: manifest::MAGIC.to_owned(),
        version: header.version,
        bundle: header.bundle.clone(),
        set: header.set.clone(),
        sequence: 1,
        previous: None,
        created: header.created,
        tool: header.tool.clone(),
        suite: header.suite,
        sources: Vec::new(),
        members,
        totals: Totals::default(),
        key_commitment: Digest::of(b""),
        keys: Keys {
            signers: Vec::new(),
            recipients: Vec::new(),
        },
        policy: PolicyFacts::default(),
    }
}

/// What the segment `number` is full of.
fn content(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// A bundle whose payload has [`SEGMENTS`] segments, the last a short one; and its manifest.
fn bundle() -> (Vec<u8>, Manifest) {
    let header = header();
    let mut writer = Writer::begin(Vec::new(), &header, "how to open it", &[("openpgp.pgp", b"slot")]).expect("memory");
    let mut payload = writer.container(Container::Payload);
    for number in 0..SEGMENTS {
        let count = if number + 1 == SEGMENTS {
            3
        } else {
            SEGMENT as usize / 8
        };
        payload.write_all(&content(number).repeat(count)).expect("memory");
    }
    let data = payload.finish().expect("memory");
    let mut index = writer.container(Container::Index);
    index.write_all(b"an index").expect("memory");
    let index = index.finish().expect("memory");
    let unsealed = writer.end(data, index).expect("memory");
    let manifest = manifest(&header, unsealed.members.clone());
    let bytes = unsealed.seal(&manifest.to_bytes(), b"signatures").expect("memory");
    (bytes, manifest)
}

/// Bytes that can be changed after they were checked.
struct Object(Mutex<Vec<u8>>);

impl ReadAt for Object {
    fn len(&self) -> u64 {
        self.0.lock().expect("own").len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.lock().expect("own").read_exact_at(buffer, offset)
    }
}

fn checked(object: &Object, manifest: &Manifest) -> Checked {
    let ends = read::ends(object).expect("it has ends");
    read::check(object, &ends, manifest, 2, &Silent, &Cancel::new()).expect("as it was written")
}

/// The first octets of a segment.
fn octets(reader: &mut SegmentReader<'_>, number: u64) -> io::Result<[u8; 8]> {
    let mut octets = [0; 8];
    let _place = reader.seek(SeekFrom::Start(number * u64::from(SEGMENT)))?;
    reader.read_exact(&mut octets).map(|()| octets)
}

#[test]
fn every_segment_of_many_pages_is_found_forward_and_at_random() {
    let (bytes, manifest) = bundle();
    let object = Object(Mutex::new(bytes));
    let checked = checked(&object, &manifest);
    let mut reader = SegmentReader::new(&object, &checked, Container::Payload);
    for number in (0..SEGMENTS)
        .chain((0..SEGMENTS).rev().step_by(301))
        .chain([1023, 1024, 0, 2047, 2048])
    {
        assert_eq!(octets(&mut reader, number).expect("as it was checked"), content(number));
    }
    let mut index = String::new();
    let mut reader = SegmentReader::new(&object, &checked, Container::Index);
    let _length = reader.read_to_string(&mut index).expect("as it was checked");
    assert_eq!(index, "an index");
}

#[test]
fn a_segment_and_its_line_that_change_together_after_the_check_are_refused() {
    let (bytes, manifest) = bundle();
    let object = Object(Mutex::new(bytes));
    let checked = checked(&object, &manifest);
    let number = 1500;
    let (segment, length) = checked.layout.segment(Container::Payload, number);
    let [begin, end] = [0, length].map(|at| usize::try_from(segment + tar::BLOCK_BYTES + at).expect("small"));
    let line = {
        let mut bytes = object.0.lock().expect("own");
        let old = outer::sums_line("data/00001500", &Digest::of(&bytes[begin..end]));
        bytes[begin] ^= 1;
        let new = outer::sums_line("data/00001500", &Digest::of(&bytes[begin..end]));
        let place = bytes.windows(old.len()).rposition(|window| window == old.as_bytes());
        let place = place.expect("its line is there");
        bytes[place..place + new.len()].copy_from_slice(new.as_bytes());
        (place, old, new)
    };
    let mut reader = SegmentReader::new(&object, &checked, Container::Payload);
    for of_that_page in [number, 1024, 2047] {
        let error = octets(&mut reader, of_that_page).expect_err("another digest");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("SHA256SUMS, for data/00001024"), "{error}");
    }
    assert_eq!(octets(&mut reader, 1023).expect("another page"), content(1023));
    // With the line as it was, the segment itself gives it away.
    let (place, old, new) = line;
    assert_ne!(old, new);
    object.0.lock().expect("own")[place..place + old.len()].copy_from_slice(old.as_bytes());
    let error = octets(&mut reader, number).expect_err("another segment");
    assert!(error.to_string().starts_with("data/00001500 has the digest"), "{error}");
    assert_eq!(octets(&mut reader, 1024).expect("as it was checked"), content(1024));
}

#[test]
fn no_container_has_more_segments_than_a_reader_takes() {
    let header = header();
    let last = |segments: u64| {
        let mut writer = Writer::begin(io::sink(), &header, "", &[]).expect("room");
        let mut container = writer.container(Container::Payload).after(segments);
        container.write_all(b"x").expect("held");
        container.finish()
    };
    let facts = last(limits::SEGMENTS_MAX - 1).expect("as many as a reader takes");
    assert_eq!(facts.segments, limits::SEGMENTS_MAX);
    let error = last(limits::SEGMENTS_MAX).expect_err("one more");
    let error = error.downcast::<TooManySegments>().expect("its own error");
    assert_eq!((error.kind(), error.hint().is_some()), (Kind::Failed, true));
}
