//! Bundles made to harm: nothing outside is written, nothing is left, and the message names the entry.

use std::fs;
use std::path::Path;

use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::bundle::entry::Entry;
use hub_backup::bundle::entry::Extent;
use hub_backup::bundle::entry::Node;
use hub_backup::bundle::entry::Part;
use hub_backup::bundle::entry::Stream;
use hub_backup::sink::Error;
use hub_backup::sink::Sink as _;
use hub_backup::sink::files::FilesSink;
use hub_backup::sink::files::FilesSinkOptions;

use crate::support::entry;
use crate::support::file;
use crate::support::folder;
use crate::support::hard_link;
use crate::support::leftovers;
use crate::support::path;
use crate::support::restore;
use crate::support::stripped;
use crate::support::symlink;
use crate::support::with_xattr;

type Bundle = Vec<(Entry, Vec<u8>)>;

/// The restore must fail on `at` for `reason`, and leave the place as it was.
fn refuse(bundle: &Bundle, options: FilesSinkOptions, at: &str, reason: &str) {
    let place = tempfile::tempdir().expect("a folder");
    let error = restore(bundle, &place.path().join("to"), options).expect_err(reason);
    assert!(
        matches!(&error, Error::Refused { path, .. } if path.to_string() == at),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::RestoreFailed);
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 0, "{reason}");
}

#[test]
fn no_way_leads_through_a_link() {
    let outside = tempfile::tempdir().expect("a folder");
    let out = outside.path().to_str().expect("UTF-8");
    let reason = "a file or a link stands where a folder should be";
    let link = symlink("x/a", out);
    for last in [
        file("x/a/f", b"!"),
        folder("x/a/f"),
        symlink("x/a/f", "/"),
        file("x/a/b/f", b"!"),
    ] {
        let at = last.0.path.to_string();
        refuse(&vec![folder("x"), link.clone(), last.clone()], stripped(), &at, reason);
        refuse(
            &vec![folder("x"), link.clone(), last],
            FilesSinkOptions::default(),
            &at,
            reason,
        );
    }
    let inside = vec![
        folder("x"),
        folder("x/real"),
        symlink("x/a", "real"),
        file("x/a/f", b"!"),
    ];
    refuse(&inside, stripped(), "x/a/f", reason);
    let first = vec![folder("x"), file("x/f", b"!"), link, hard_link("x/a/f", "x/f")];
    refuse(&first, stripped(), "x/a/f", reason);
    assert_eq!(fs::read_dir(out).expect("a folder").count(), 0);
}

#[test]
fn a_large_file_takes_no_way_through_a_link_either() {
    let outside = tempfile::tempdir().expect("a folder");
    let link = symlink("x/a", outside.path().to_str().expect("UTF-8"));
    let large = file("x/a", &vec![1; 3 << 20]);
    refuse(&vec![folder("x"), link, large], stripped(), "x/a", "twice");
    assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 0);
}

#[test]
fn no_path_comes_twice() {
    let large = file("x/a", &vec![1; 3 << 20]);
    let kinds = [
        file("x/a", b"!"),
        folder("x/a"),
        symlink("x/a", "b"),
        hard_link("x/a", "x/f"),
        large,
    ];
    for one in &kinds {
        for other in &kinds {
            let bundle = vec![folder("x"), file("x/f", b""), one.clone(), other.clone()];
            refuse(&bundle, stripped(), "x/a", "twice");
        }
    }
    refuse(&vec![folder("x"), folder("x")], stripped(), "x", "twice");
    refuse(
        &vec![folder("x"), folder("x")],
        FilesSinkOptions::default(),
        "x",
        "twice",
    );
}

#[test]
fn a_file_is_no_folder() {
    for size in [1, 3 << 20] {
        let bundle = vec![folder("x"), file("x/a", &vec![1; size]), file("x/a/b", b"!")];
        let place = tempfile::tempdir().expect("a folder");
        // Which of the two is refused depends on which comes first to the file system.
        let error = restore(&bundle, &place.path().join("to"), stripped()).expect_err("both cannot be");
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 0);
    }
}

#[test]
fn hard_links_join_only_files_that_were_restored() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    let out = symlink("x/s", secret.path().to_str().expect("UTF-8"));
    for (bundle, first) in [
        (vec![folder("x")], "x/missing"),
        (vec![folder("x"), folder("x/d")], "x/d"),
        (vec![folder("x"), out], "x/s"),
        (vec![folder("x")], "x"),
    ] {
        let mut bundle: Bundle = bundle;
        bundle.push(hard_link("x/h", first));
        refuse(&bundle, FilesSinkOptions::default(), "x/h", "is not restored before it");
    }
    let reason = "a folder on the way to it was not restored";
    refuse(
        &vec![hard_link("x/h", "y/f")],
        FilesSinkOptions::default(),
        "x/h",
        reason,
    );
}

#[test]
fn one_folder_takes_one_source() {
    let bundle = vec![folder("x"), file("y/a", b"!")];
    refuse(&bundle, stripped(), "y/a", "of another source");
    refuse(
        &vec![file("x", b"!")],
        stripped(),
        "x",
        "without its label it has no name",
    );
    let links = vec![folder("x"), hard_link("x/a", "y/b")];
    refuse(&links, stripped(), "y/b", "of another source");
}

#[test]
fn extents_stay_in_their_file() {
    for extents in [
        vec![(0, 5), (4, 1)],
        vec![(5, 1), (0, 1)],
        vec![(9, 2)],
        vec![(u64::MAX, 2)],
    ] {
        let extents: Vec<Extent> = extents
            .into_iter()
            .map(|(offset, length)| Extent { offset, length })
            .collect();
        let stored = extents
            .iter()
            .map(|extent| usize::try_from(extent.length).expect("small"))
            .sum();
        let node = Node::File {
            size: 10,
            extents: Some(extents),
            sha256: hub_backup::base::digest::Digest::of(b""),
        };
        let bundle = vec![(entry("x/a", node), vec![0; stored])];
        refuse(&bundle, stripped(), "x/a", "its extents overlap or leave the file");
    }
}

#[test]
fn attributes_of_the_machine_are_not_set() {
    for name in ["trusted.overlay.opaque", "security.selinux", "system.other"] {
        let bundle = vec![with_xattr(file("x/a", b"!"), name, b"y")];
        refuse(&bundle, stripped(), "x/a", "which a restore does not set");
    }
}

#[test]
fn content_must_be_as_long_as_the_index_says() {
    for size in [10, 3 << 20] {
        for wrong in [size - 1, size + 1, 0] {
            let place = tempfile::tempdir().expect("a folder");
            let mut bundle = vec![file("x/a", &vec![1; size])];
            bundle[0].1 = vec![1; wrong];
            let error = restore(&bundle, &place.path().join("to"), stripped()).expect_err("of another length");
            assert!(matches!(error, Error::Content { .. }), "{error}");
            assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 0);
        }
    }
}

#[test]
fn nothing_is_committed_after_an_error() {
    let place = tempfile::tempdir().expect("a folder");
    let target = place.path().join("to");
    let mut sink = FilesSink::new(&target, stripped()).expect("free");
    let (link, through) = (symlink("x/a", "/etc"), file("x/a/hosts", b"!"));
    sink.entry(&link.0, &mut &b""[..]).expect("taken");
    drop(sink.entry(&through.0, &mut &b"!"[..]).expect_err("through a link"));
    drop(
        sink.entry(&file("x/fine", b"").0, &mut &b""[..])
            .expect_err("after an error"),
    );
    drop(sink.settle().expect_err("after an error"));
    drop(Box::new(sink).commit().expect_err("after an error"));
    assert!(!target.exists());
    assert_eq!(leftovers(place.path()), [""; 0]);
}

#[test]
fn an_error_of_a_writer_shows_before_the_commit() {
    let place = tempfile::tempdir().expect("a folder");
    let mut sink = FilesSink::new(place.path().join("to"), stripped()).expect("free");
    for _ in 0..2 {
        sink.entry(&file("x/a", b"!").0, &mut &b"!"[..])
            .expect("taken, not yet written");
    }
    let error = sink.settle().expect_err("twice");
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

enum Piece {
    Part(&'static str, u32, &'static [u8]),
    End(&'static str, u32, u64),
}

fn pour(target: &Path, pieces: &[Piece]) -> Result<(), Error> {
    let mut sink = FilesSink::new(target, FilesSinkOptions::default())?;
    let at = hub_backup::bundle::entry::Location { block: 0, skip: 0 };
    for piece in pieces {
        match *piece {
            Piece::Part(name, number, content) => {
                let (path, size) = (path(name), content.len() as u64);
                let part = Part { path, number, size, at };
                sink.part(&part, &mut &content[..])?;
            }
            Piece::End(name, parts, size) => {
                let sha256 = hub_backup::base::digest::Digest::of(b"");
                let path = path(name);
                let mode = 0o4640;
                sink.stream(&Stream {
                    path,
                    mode,
                    parts,
                    size,
                    sha256,
                    rows: None,
                })?;
            }
        }
    }
    Box::new(sink).commit().map(drop)
}

#[test]
fn parts_of_streams_may_come_interleaved() {
    let place = tempfile::tempdir().expect("a folder");
    let target = place.path().join("to");
    let pieces = [
        Piece::Part("x/one", 0, b"1"),
        Piece::Part("x/two", 0, b"a"),
        Piece::Part("x/one", 1, b"23"),
        Piece::Part("x/none", 0, b""),
        Piece::End("x/none", 1, 0),
        Piece::Part("x/two", 1, b"b"),
        Piece::End("x/two", 2, 2),
        Piece::Part("x/one", 2, b"4"),
        Piece::End("x/one", 3, 4),
    ];
    pour(&target, &pieces).expect("whole");
    for (name, content) in [("one", "1234"), ("two", "ab"), ("none", "")] {
        let at = target.join("x").join(name);
        assert_eq!(fs::read_to_string(&at).expect("restored"), content);
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&at).expect("restored"));
        assert_eq!(mode & 0o7777, 0o640, "a stream has no owner that setuid could speak of");
    }
}

#[test]
fn streams_with_parts_missing_are_refused() {
    let place = tempfile::tempdir().expect("a folder");
    for (pieces, reason) in [
        (vec![Piece::Part("x/s", 1, b"a")], "missing or comes twice"),
        (
            vec![Piece::Part("x/s", 0, b"a"), Piece::Part("x/s", 0, b"a")],
            "missing or comes twice",
        ),
        (
            vec![Piece::Part("x/s", 0, b"a"), Piece::Part("x/s", 2, b"a")],
            "missing or comes twice",
        ),
        (
            vec![Piece::Part("x/s", 0, b"a"), Piece::End("x/s", 2, 1)],
            "do not add up",
        ),
        (
            vec![Piece::Part("x/s", 0, b"a"), Piece::End("x/s", 1, 2)],
            "do not add up",
        ),
        (vec![Piece::End("x/s", 0, 0)], "do not add up"),
        (vec![Piece::Part("x/s", 0, b"a")], "its end is missing"),
        (
            vec![
                Piece::Part("x/s", 0, b"a"),
                Piece::End("x/s", 1, 1),
                Piece::Part("x/s", 0, b"a"),
            ],
            "twice",
        ),
    ] {
        let error = pour(&place.path().join("to"), &pieces).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 0);
    }
}
