//! The fuzz targets for some seconds: good inputs, and some thousand alterations of each, the same ones every time.
//!
//! `docs/testing.md` says how to run them for long, guided by coverage. Here every target sees inputs that are nearly right: parts of
//! bundles made on the spot with bits turned, pieces cut, doubled and exchanged, and numbers replaced by awkward ones.

mod support;

#[path = "fuzz/bodies.rs"]
mod bodies;

use std::fs;
use std::io::Read as _;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use hub_backup::base::record;
use hub_backup::bundle::index::Begin;
use hub_backup::bundle::index::Record;
use hub_backup::bundle::index::VERSION;
use hub_backup::bundle::outer;
use hub_backup::bundle::suite::Suite;
use hub_backup::catalog::checkpoint;
use hub_backup::catalog::repository;
use hub_backup::catalog::repository::Repository;
use hub_backup::compress;
use hub_backup::compress::Compressor;
use hub_backup::compress::Decompressor;
use hub_backup::flow::contents::Opened;
use hub_backup::store::Store as _;
use hub_backup::store::mem::MemStore;
use hub_backup::store::names;

use support::BEGIN;
use support::Bundle;
use support::Order;
use support::bundle;
use support::noise;
use support::outer::Member;
use support::outer::named;
use support::outer::put_together_with_trailer;
use support::outer::take_apart;
use support::own;
use support::time;

/// Longest that one input may take, on a machine that has other work too.
const CASE_TIME_MAX: Duration = Duration::from_secs(10);

/// Most memory that the process may ever have taken: base, seeds, and what the bounds allow to one input.
const MEMORY_BYTES_MAX: u64 = 256 << 20;

/// Random numbers that are the same each time (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below `end`, which is not zero.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % end
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

/// Numbers at the edges of types and bounds, and words that mean something somewhere.
const WORDS: [&[u8]; 24] = [
    b"0",
    b"-1",
    b"1",
    b"255",
    b"65535",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551104",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"1e999",
    b"null",
    b"[]",
    b"\"\"",
    b"\"../..\"",
    b"\"\\u0000\"",
    b"\\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\n",
];

/// The next number after `at` that stands alone, not in a digest or a name.
fn number_after(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let mut begin = at;
    while begin < bytes.len() {
        let end = bytes[begin..]
            .iter()
            .position(|byte| !is_word(byte))
            .map_or(bytes.len(), |length| begin + length);
        let word = &bytes[begin..end];
        if !word.is_empty() && word.iter().all(u8::is_ascii_digit) {
            return Some((begin, end));
        }
        begin = end + 1;
    }
    None
}

/// One alteration.
fn alter(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(0);
    }
    let at = random.below(bytes.len());
    let length = 1 + random.below(64.min(bytes.len() - at));
    match random.below(9) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next().to_be_bytes()[0],
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..at + length)),
        4 => {
            let piece = bytes[at..at + length].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        5 => {
            let other = &others[random.below(others.len())];
            let from = random.below(other.len().max(1)).min(other.len());
            let piece = other[from..other.len().min(from + length)].to_vec();
            drop(bytes.splice(at..at + length, piece));
        }
        6 => drop(bytes.splice(at..at, random.pick(&WORDS).iter().copied())),
        _ => {
            let (begin, end) = number_after(bytes, at).unwrap_or((at, at + length));
            drop(bytes.splice(begin..end, random.pick(&WORDS).iter().copied()));
        }
    }
}

/// The most memory that this process has had, as Linux counts it.
fn memory_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("the peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Where the numbers are, to replace each by every word: what random alterations of long inputs seldom hit.
fn numbers(seed: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    std::iter::successors(number_after(seed, 0), |(_, end)| number_after(seed, end + 1))
}

fn replaced(seed: &[u8], (begin, end): (usize, usize)) -> impl Iterator<Item = Vec<u8>> + use<'_> {
    WORDS
        .iter()
        .map(move |word| [&seed[..begin], word, &seed[end..]].concat())
}

/// One to four alterations of one of the seeds.
fn altered(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        alter(&mut bytes, seeds, random);
    }
    bytes
}

/// Runs a body over all seeds, which it accepts, and over alterations of them: every number replaced, and `count` random
/// ones. Each is dressed as `dress` says.
fn run(
    target: &str,
    count: usize,
    seeds: &[Vec<u8>],
    body: impl Fn(&[u8]) -> bool,
    dress: impl Fn(Vec<u8>) -> Vec<u8>,
) {
    for (number, seed) in seeds.iter().enumerate() {
        assert!(body(&dress(seed.clone())), "{target}: seed {number} is not accepted");
    }
    let mut random = Random(0x6875_622D_6261_636B);
    let systematic = seeds
        .iter()
        .flat_map(|seed| numbers(seed).flat_map(|number| replaced(seed, number)));
    let count = count + WORDS.len() * seeds.iter().map(|seed| numbers(seed).count()).sum::<usize>();
    let random = std::iter::repeat_with(|| altered(seeds, &mut random));
    let mut accepted = 0;
    for (number, bytes) in systematic.chain(random).take(count).enumerate() {
        let dressed = dress(bytes.clone());
        let begin = Instant::now();
        let result = panic::catch_unwind(AssertUnwindSafe(|| body(&dressed)));
        let Ok(is_accepted) = result else {
            panic!("{target}: input {number} panics: {}", show(&bytes))
        };
        accepted += usize::from(is_accepted);
        assert!(
            begin.elapsed() < CASE_TIME_MAX,
            "{target}: input {number} takes {:?}: {}",
            begin.elapsed(),
            show(&bytes)
        );
    }
    report(target, seeds.len(), count, accepted);
}

fn show(bytes: &[u8]) -> String {
    let most = &bytes[..bytes.len().min(4096)];
    std::str::from_utf8(most).map_or_else(|_| hex::encode(most), str::to_owned)
}

#[expect(
    clippy::print_stdout,
    reason = "the counts are what the reader of a test run wants to see"
)]
fn report(target: &str, seeds: usize, count: usize, accepted: usize) {
    let peak = memory_peak();
    println!(
        "fuzz {target}: {seeds} seeds, {count} alterations, {accepted} of them accepted, {} MiB at most",
        peak >> 20
    );
    assert!(peak < MEMORY_BYTES_MAX, "{target}: {peak} bytes of memory");
    assert!(accepted < count, "{target}: everything is accepted");
}

fn as_it_is(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

fn all_bundles() -> Vec<Bundle> {
    Suite::ALL.map(|suite| bundle(&Order::first(suite))).into()
}

/// The contents of all members whose names begin so.
fn members(prefix: &str) -> Vec<Vec<u8>> {
    let bundles = all_bundles();
    let members = bundles.iter().flat_map(|bundle| take_apart(&bundle.bytes));
    members
        .filter(|member| member.name.starts_with(prefix))
        .map(|member| member.content)
        .collect()
}

/// The index as lines, and the tar stream, of a bundle.
fn contents(bundle: &Bundle) -> (Vec<u8>, Vec<u8>) {
    let verified = support::judge(Arc::new(bundle.bytes.clone()))
        .map_err(|(_, message)| message)
        .expect("good");
    let identity = [own().identity(verified.manifest().suite, 0)];
    let opened = Opened::open(&verified, &identity).expect("the right key");
    let mut lines = Vec::new();
    Record::Begin(Begin {
        version: VERSION,
        bundle: verified.manifest().bundle.clone(),
    })
    .append_to(&mut lines);
    let mut records = opened.records().expect("an index");
    while let Some(record) = records.next_record().expect("a record") {
        record.append_to(&mut lines);
    }
    let mut compressed = Vec::new();
    let mut payload = opened.payload(0).expect("a payload");
    let _bytes = payload.read_to_end(&mut compressed).expect("whole");
    (lines, decompressed(&compressed))
}

fn decompressed(mut compressed: &[u8]) -> Vec<u8> {
    let (mut frame, mut block, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let mut decompressor = Decompressor::new().expect("memory");
    while compress::read_frame(&mut compressed, bodies::BLOCK, &mut frame).expect("a frame") {
        decompressor
            .decompress(&frame, bodies::BLOCK, &mut block)
            .expect("a block");
        all.extend_from_slice(&block);
    }
    all
}

fn compressed(blocks: &[&[u8]]) -> Vec<u8> {
    let (mut frame, mut all) = (Vec::new(), Vec::new());
    let mut compressor = Compressor::new(3).expect("memory");
    for block in blocks {
        compressor.compress(block, &mut frame).expect("memory");
        let _bytes = compress::write_frame(&frame, &mut all).expect("a Vec");
    }
    all
}

/// Records of other kinds of entry than a tiny bundle has; good lines, without members.
const LINES: &[u8] = br#"{"entry":{"path":"hub/sparse","node":{"file":{"size":1048576,"extents":[{"offset":0,"length":512},{"offset":8192,"length":1024}],"sha256":"af59b967131313f775691a30327775fc0e83a3acc66eb3419522c8c914c67a03"}},"attributes":{"mode":384,"uid":4294967294,"gid":0,"mtime":{"seconds":-86400,"nanos":123456789},"xattrs":[{"name":"user.comment","value":"gr\u00f6\u00dfer \\xff"}]},"at":{"block":0,"skip":1024}}}
{"entry":{"path":"hub/same","node":{"hardlink":{"target":"hub/note"}},"attributes":{"mode":420,"uid":0,"gid":0,"mtime":{"seconds":9223372036854775807,"nanos":0}},"at":{"block":18446744073709551615,"skip":4294967295}}}
{"part":{"path":"hub/rows","number":0,"size":3,"at":{"block":0,"skip":4096}}}
{"stream":{"path":"hub/rows","mode":384,"parts":1,"size":3,"sha256":"af59b967131313f775691a30327775fc0e83a3acc66eb3419522c8c914c67a03","rows":{"count":2,"fingerprint":"000102030405060708090a0b0c0d0e0f"}}}
{"facts":{"label":"hub","facts":{"pages":"3"}}}
{"exception":{"path":"hub/socket","reason":"a socket is not backed up"}}
"#;

const CONFIGS: [&str; 6] = [
    "app.json",
    "app.toml",
    "compose.yaml",
    "app.env",
    "pgpass",
    "anchors.yaml",
];

const KEYS: [&str; 6] = [
    "root.asc",
    "signer-secret.asc",
    "gnupg-operations.asc",
    "operations-secret.asc",
    "age-operations.txt",
    "age-escrow-recipient.txt",
];

/// Files below `testdata`.
fn testdata(folder: &str, names: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    names
        .iter()
        .map(|name| fs::read(folder.join(name)).expect(name))
        .collect()
}

/// Every target: its name, how many alterations it gets, and its seeds.
fn seeds_of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "header" => members(outer::HEADER),
        "manifest" => members("manifest.json").into_iter().step_by(2).collect(),
        "trailer" => members(outer::TRAILER),
        "outer" => all_bundles().into_iter().map(|bundle| bundle.bytes).collect(),
        "inner" => {
            let (lines, tar) = contents(&all_bundles()[0]);
            vec![[&lines[..lines.len() - 1], b"\n\n", &tar].concat()]
        }
        "slots" => members("keyslots/"),
        "index" => {
            let (lines, _) = contents(&all_bundles()[0]);
            let lines = [&lines[..], LINES].concat();
            let (one, two) = lines.split_at(lines.len() / 2);
            vec![LINES.to_vec(), compressed(&[one, two]), lines]
        }
        "config" => {
            let text = include_str!("../docs/settings.md");
            let fenced = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
            vec![
                fenced.expect("an example").as_bytes().to_vec(),
                b"[store]\npath = \"store\"\n".to_vec(),
            ]
        }
        "signatures" => members(outer::SIGNATURES),
        "zstd" => vec![
            compressed(&[b"", b"text text text text text", &noise(1, 300)]),
            compressed(&[&[0; 60_000]]),
        ],
        "container" => Suite::ALL.map(bodies::sealed_container).into(),
        "records" => {
            let store = MemStore::new();
            let repository = Repository::new(time(BEGIN), "hub-backup test", Vec::new()).expect("random");
            repository::create(&store, &repository.to_bytes(), None).expect("a new store");
            let _done = support::back_up(&store, Suite::Rfc9580, 1);
            let checkpoint = checkpoint::make(&store, time(BEGIN)).expect("a checkpoint");
            vec![
                store.get(&names::audit(1), u64::MAX).expect("a record"),
                record::to_bytes(&checkpoint),
            ]
        }
        "guard" => testdata("config", &CONFIGS),
        "keys" => testdata("keys", &KEYS),
        other => panic!("no target {other}"),
    }
}

type Body = fn(&[u8]) -> bool;

/// Every target, and how many alterations it gets: about a second each.
const TARGETS: [(&str, usize, Body); 14] = [
    ("header", 20_000, bodies::header),
    ("manifest", 10_000, bodies::manifest),
    ("trailer", 20_000, bodies::trailer),
    ("outer", 5000, bodies::outer),
    ("inner", 10_000, bodies::inner),
    ("slots", 4000, bodies::slots),
    ("index", 10_000, bodies::index),
    ("config", 2000, bodies::config),
    ("signatures", 10_000, bodies::signatures),
    ("zstd", 10_000, bodies::zstd),
    ("container", 4000, bodies::container),
    ("records", 10_000, bodies::records),
    ("guard", 2000, bodies::guard),
    ("keys", 2000, bodies::keys),
];

#[test]
fn every_target_for_a_short_time() {
    for (target, count, body) in TARGETS {
        run(target, count, &seeds_of(target), body, as_it_is);
    }
}

/// Bundles whose manifest or header is altered, and everything else made to fit: what a signer could sign.
#[test]
fn bundles_whose_statement_is_altered() {
    let members = take_apart(&all_bundles()[0].bytes);
    for name in [outer::MANIFEST, outer::HEADER, outer::SUMS] {
        let seed: Vec<Vec<u8>> = members
            .iter()
            .filter(|member| member.name == name)
            .map(|member| member.content.clone())
            .collect();
        run(
            &format!("outer, {name} altered"),
            4000,
            &seed,
            bodies::outer,
            |content| {
                let mut members: Vec<Member> = members.clone();
                named(&mut members, name).content = content;
                put_together_with_trailer(&members)
            },
        );
    }
}

/// Lines of the index that are altered before a tar stream that is not.
#[test]
fn indexes_that_lie_about_the_payload() {
    let (lines, tar) = contents(&all_bundles()[0]);
    let with_tar = |lines: Vec<u8>| [&lines[..lines.len().saturating_sub(1)], b"\n\n", &tar].concat();
    run("inner, index altered", 10_000, &[lines], bodies::inner, with_tar);
}

#[test]
fn every_target_has_its_long_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/fuzz_targets");
    let entries = fs::read_dir(folder).expect("the targets of libFuzzer");
    let mut long: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .replace(".rs", "")
        })
        .collect();
    let mut short: Vec<&str> = TARGETS.iter().map(|(target, _, _)| *target).collect();
    long.sort();
    short.sort_unstable();
    assert_eq!(long, short);
}

#[test]
#[ignore = "writes tests/fuzz/corpus, for a long run"]
#[expect(clippy::disallowed_methods, reason = "a tool for developers makes its own files")]
fn write_seeds() {
    for (target, _, _) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz/corpus")
            .join(target);
        fs::create_dir_all(&folder).expect("a folder");
        for (number, seed) in seeds_of(target).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed).expect("a seed");
        }
    }
}
