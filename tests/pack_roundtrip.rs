//! Entries through the packer and back, and the packed stream through GNU tar and Python's tarfile.

use std::collections::BTreeMap;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::parallel::Pool;
use hub_backup::base::progress::Silent;
use hub_backup::base::shared::BlockCursor;
use hub_backup::bundle::entry::Attributes;
use hub_backup::bundle::entry::CollectError;
use hub_backup::bundle::entry::Collector;
use hub_backup::bundle::entry::Extent;
use hub_backup::bundle::entry::Mtime;
use hub_backup::bundle::entry::NodeWithoutContent;
use hub_backup::bundle::entry::Xattr;
use hub_backup::bundle::index::Record;
use hub_backup::bundle::index::Totals;
use hub_backup::bundle::path::EntryPath;
use hub_backup::bundle::path::RawBytes;
use hub_backup::pack::read::Error;
use hub_backup::pack::read::Unpacker;
use hub_backup::pack::write::Packer;
use proptest::prelude::*;

const BLOCK: u32 = 64 << 10;
const SECONDS: i64 = 1_760_000_000;

struct Packed {
    tar: Vec<u8>,
    records: Vec<Record>,
    totals: Totals,
    /// Where each block begins in `tar`.
    begins: Vec<usize>,
}

fn pack(fill: impl FnOnce(&mut Packer<'_>) -> Result<(), CollectError>) -> Packed {
    let (mut tar, mut records, mut begins) = (Vec::new(), Vec::new(), Vec::new());
    let mut hand_out = |block: hub_backup::pack::write::Block| {
        assert_eq!(block.number, begins.len() as u64);
        begins.push(tar.len());
        tar.extend_from_slice(&block.bytes);
        records.extend(block.records);
        Ok(())
    };
    let cancel = Cancel::new();
    let mut packer = Packer::new(BLOCK, SECONDS, Pool::new(4), &cancel, &Silent, &mut hand_out);
    fill(&mut packer).expect("nothing fails");
    let totals = packer.finish().expect("nothing fails");
    Packed {
        tar,
        records,
        totals,
        begins,
    }
}

fn path(text: &str) -> EntryPath {
    EntryPath::try_from(RawBytes(text.into())).expect("a path")
}

fn attributes(mode: u32, seconds: i64, nanos: u32) -> Attributes {
    Attributes {
        mode,
        uid: 0,
        gid: 0,
        mtime: Mtime { seconds, nanos },
        xattrs: Vec::new(),
    }
}

/// Reads everything back: content by path.
fn unpack(packed: &Packed) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut contents: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut unpacker = Unpacker::new(BlockCursor::from(packed.tar.clone()), SECONDS)?;
    for record in &packed.records {
        let mut append =
            |name: String, content: &mut dyn Read| content.read_to_end(contents.entry(name).or_default()).map(drop);
        match record {
            Record::Entry(entry) => unpacker
                .entry(entry, |content| append(entry.path.to_string(), content))?
                .expect("a Vec"),
            Record::Part(part) => unpacker
                .part(part, |content| append(part.path.to_string(), content))?
                .expect("a Vec"),
            Record::Stream(stream) => unpacker.stream(stream)?,
            Record::Begin(_) | Record::Source(_) | Record::Exception(_) | Record::Facts(_) | Record::End(_) => {}
        }
    }
    unpacker.finish()?;
    unpacker.settle()?;
    Ok(contents)
}

/// The stored content of the sparse file below: two extents.
fn sparse_data() -> Vec<u8> {
    [vec![b'1'; 512], vec![b'2'; 1024]].concat()
}

/// A tree with everything that needs more than plain ustar.
#[expect(clippy::too_many_lines, reason = "a list of entries")]
fn awkward(packer: &mut Packer<'_>) -> Result<(), CollectError> {
    packer.node(path("s"), attributes(0o755, 1, 0), NodeWithoutContent::Directory)?;
    let long = format!("s/{}", "long-name-".repeat(20));
    packer.file(
        path(&long),
        attributes(0o640, 1_700_000_000, 123_456_789),
        5,
        None,
        &mut &b"hello"[..],
    )?;
    packer.file(
        path("s/old"),
        attributes(0o600, -2, 500_000_000),
        3,
        None,
        &mut &b"old"[..],
    )?;
    let mut owned = attributes(0o644, 1, 0);
    (owned.uid, owned.gid) = (3_000_000, 4_000_000_000);
    owned.xattrs = vec![Xattr {
        name: RawBytes(b"user.note".to_vec()),
        value: RawBytes(b"a\0=\n\xff".to_vec()),
    }];
    packer.file(path("s/owned"), owned, 0, None, &mut &b""[..])?;
    packer.node(
        path("s/link"),
        attributes(0o777, 1, 0),
        NodeWithoutContent::Symlink {
            target: RawBytes(vec![b'x'; 150]),
        },
    )?;
    packer.node(
        path("s/hard"),
        attributes(0o640, 1, 0),
        NodeWithoutContent::Hardlink { target: path(&long) },
    )?;
    let extents = vec![
        Extent {
            offset: 1 << 20,
            length: 512,
        },
        Extent {
            offset: 3 << 20,
            length: 1024,
        },
    ];
    packer.file(
        path("s/sparse"),
        attributes(0o644, 1, 0),
        4 << 20,
        Some(extents),
        &mut sparse_data().as_slice(),
    )?;
    let extents = vec![Extent {
        offset: 1 << 20,
        length: 100,
    }];
    packer.file(
        path("s/tail"),
        attributes(0o644, 1, 0),
        (1 << 20) + 100,
        Some(extents),
        &mut &[b't'; 100][..],
    )?;
    packer.file(
        path("s/hole"),
        attributes(0o644, 1, 0),
        1 << 20,
        Some(Vec::new()),
        &mut &b""[..],
    )?;
    packer.stream(path("s/stream"), 0o600, &mut std::io::repeat(b'z').take(150_000))?;
    packer.stream(path("s/nothing"), 0o600, &mut std::io::empty())?;
    packer.exception(path("s/gone"), "vanished".into())
}

#[test]
fn awkward_entries_come_back() {
    let packed = pack(awkward);
    let contents = unpack(&packed).expect("as packed");
    assert_eq!(contents["s/sparse"], sparse_data());
    assert_eq!(contents["s/stream"], vec![b'z'; 150_000]);
    assert_eq!(contents["s/nothing"], b"");
    assert_eq!(packed.totals.exceptions, 1);
    assert_eq!(packed.totals.tar_bytes, packed.tar.len() as u64);
    assert_eq!(packed.totals.blocks, packed.begins.len() as u64);
}

#[test]
fn every_flip_of_the_tar_is_seen() {
    let packed = pack(|packer| {
        packer.file(path("s/a"), attributes(0o644, 1, 5), 3, None, &mut &b"abc"[..])?;
        packer.stream(path("s/b"), 0o600, &mut &b"some"[..]).map(drop)
    });
    for at in 0..packed.tar.len() {
        for bit in 0..8 {
            let mut tar = packed.tar.clone();
            tar[at] ^= 1 << bit;
            let records = packed.records.clone();
            assert!(
                unpack(&Packed {
                    tar,
                    records,
                    begins: Vec::new(),
                    ..packed
                })
                .is_err(),
                "bit {bit} of byte {at}"
            );
        }
    }
    for length in 0..packed.tar.len() {
        let tar = packed.tar[..length].to_vec();
        let records = packed.records.clone();
        assert!(
            unpack(&Packed {
                tar,
                records,
                begins: Vec::new(),
                ..packed
            })
            .is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn locations_name_the_headers() {
    let packed = pack(awkward);
    for record in &packed.records {
        let (at, header) = match record {
            Record::Entry(entry) => (entry.at, hub_backup::pack::header::of_entry(entry)),
            Record::Part(part) => (part.at, hub_backup::pack::header::of_part(part, SECONDS)),
            Record::Begin(_)
            | Record::Source(_)
            | Record::Stream(_)
            | Record::Exception(_)
            | Record::Facts(_)
            | Record::End(_) => continue,
        };
        let begin = packed.begins[usize::try_from(at.block).expect("small")] + at.skip as usize;
        assert_eq!(&packed.tar[begin..begin + header.len()], header);
    }
}

fn extract_with_gnu_tar(tar: &[u8], folder: &Path) {
    let mut child = Command::new("tar")
        .args([
            "--extract",
            "--numeric-owner",
            "--same-owner",
            "--xattrs",
            "--xattrs-include=*",
            "--file=-",
            "--directory",
        ])
        .arg(folder)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("GNU tar is installed");
    child.stdin.take().expect("piped").write_all(tar).expect("tar reads");
    let output = child.wait_with_output().expect("tar ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    // GNU tar finds times before 1970 remarkable, and keeps them.
    let unexpected = errors
        .lines()
        .filter(|line| !line.contains("implausibly old time stamp"))
        .count();
    assert!(output.status.success() && unexpected == 0, "{errors}");
}

#[test]
fn gnu_tar_reads_it() {
    let packed = pack(awkward);
    let folder = tempfile::tempdir().expect("a folder");
    extract_with_gnu_tar(&packed.tar, folder.path());
    let root = folder.path().join("s");
    let long = root.join("long-name-".repeat(20));
    let metadata = std::fs::metadata(&long).expect("there");
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.mtime(), metadata.mtime_nsec()),
        (0o640, 1_700_000_000, 0),
        "whole seconds: the fraction is in the index"
    );
    assert_eq!(
        metadata.ino(),
        std::fs::metadata(root.join("hard")).expect("there").ino()
    );
    let old = std::fs::metadata(root.join("old")).expect("there");
    assert_eq!((old.mtime(), old.mtime_nsec()), (-2, 500_000_000));
    let sparse = std::fs::read(root.join("sparse")).expect("there");
    assert_eq!(sparse.len(), 4 << 20);
    assert_eq!(&sparse[1 << 20..(1 << 20) + 512], [b'1'; 512]);
    assert_eq!(&sparse[3 << 20..(3 << 20) + 1024], [b'2'; 1024]);
    assert_eq!(sparse.iter().filter(|byte| **byte != 0).count(), 1536);
    assert_eq!(std::fs::read(root.join("tail")).expect("there")[1 << 20..], [b't'; 100]);
    assert!(
        std::fs::metadata(root.join("sparse")).expect("there").blocks() * 512 < 1 << 20,
        "it has holes again"
    );
    assert_eq!(std::fs::metadata(root.join("hole")).expect("there").len(), 1 << 20);
    let parts: Vec<u8> = (0..3)
        .flat_map(|n| std::fs::read(root.join(format!("stream.part-{n:08}"))).unwrap_or_default())
        .collect();
    assert_eq!(parts, vec![b'z'; 150_000]);
    assert_eq!(
        std::fs::read_link(root.join("link")).expect("a link").as_os_str().len(),
        150
    );
}

#[test]
fn pythons_tarfile_reads_it() {
    let packed = pack(awkward);
    let script = "import sys,tarfile,io\n\
        t=tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()))\n\
        for m in t: print(m.name[:20], m.size, m.uid, m.gid, m.type.decode())\n\
        print(t.extractfile('s/sparse').read()[1<<20:(1<<20)+10])";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(&packed.tar)
        .expect("python reads");
    let output = child.wait_with_output().expect("python ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    assert!(text.contains("s/owned 0 3000000 4000000000 0"), "{text}");
    assert!(text.contains("b'1111111111'"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sizes_around_every_edge_come_back(
        sizes in prop::collection::vec(
            prop_oneof![0..3_usize, 510..515_usize, 65_000..66_100_usize, 130_000..132_000_usize], 1..12),
        streams in prop::collection::vec(any::<bool>(), 12),
    ) {
        let name = |n: usize| format!("s/{n}");
        let bytes = |n: usize, size: usize| (0..size).map(|at| (at * 7 + n).to_le_bytes()[0]).collect::<Vec<u8>>();
        let packed = pack(|packer| {
            for (n, size) in sizes.iter().enumerate() {
                let content = bytes(n, *size);
                if streams[n] {
                    packer.stream(path(&name(n)), 0o600, &mut content.as_slice())?;
                } else {
                    packer.file(path(&name(n)), attributes(0o644, 1, 0), *size as u64, None, &mut content.as_slice())?;
                }
            }
            Ok(())
        });
        let contents = unpack(&packed).expect("as packed");
        for (n, size) in sizes.iter().enumerate() {
            prop_assert_eq!(&contents[&name(n)], &bytes(n, *size));
        }
    }
}
