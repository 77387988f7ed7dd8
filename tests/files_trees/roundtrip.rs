//! What goes in comes out: every kind of entry, compared by everything that the system tells.

use std::ffi::OsStr;
use std::fs;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::chown;
use std::os::unix::fs::lchown;
use std::os::unix::fs::symlink;
use std::path::Path;

use hub_backup::bundle::entry::Extent;
use hub_backup::bundle::entry::Node;
use hub_backup::sink::files::FilesSinkOptions;
use hub_backup::source::Error;
use hub_backup::source::files::FilesOptions;
use rustix::fs::Timespec;
use rustix::fs::Timestamps;
use rustix::fs::XattrFlags;

use crate::support::Memory;
use crate::support::collect;
use crate::support::collect_into;
use crate::support::leftovers;
use crate::support::look;
use crate::support::restore;
use crate::support::stripped;

/// `struct vfs_cap_data` of version 2 with `CAP_NET_RAW`, effective.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A POSIX access list: owner rw, user 1234 r, group r, mask r, others none.
fn access_list() -> Vec<u8> {
    let mut list = vec![2, 0, 0, 0];
    for (tag, permissions, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 4, 1234),
        (4, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

fn set_mtime(at: &Path, seconds: i64, nanos: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(rustix::fs::CWD, at, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).expect("a time");
}

fn set_xattr(at: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(at, name, value, XattrFlags::empty()).expect("a file system with attributes");
}

fn sparse(at: &Path, size: u64, data: &[u64]) {
    let file = File::create(at).expect("new");
    file.set_len(size).expect("room");
    for offset in data {
        file.write_all_at(&[7; 5000], *offset).expect("room");
    }
}

fn modes(root: &Path) {
    for mode in [0o0, 0o400, 0o444, 0o666, 0o777, 0o4755, 0o2755, 0o6711, 0o1644] {
        let at = root.join(format!("mode-{mode:o}"));
        fs::write(&at, format!("{mode:o}")).expect("new");
        if mode == 0o4755 {
            chown(&at, Some(1234), Some(5678)).expect("root");
        }
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).expect("own");
    }
    for mode in [0o1777, 0o2755, 0o500, 0o0] {
        let at = root.join(format!("folder-{mode:o}"));
        fs::create_dir_all(at.join("in")).expect("new");
        fs::write(at.join("in/file"), "x").expect("new");
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).expect("own");
    }
}

fn links(root: &Path) {
    symlink("/nowhere/at all", root.join("dangling")).expect("new");
    symlink(OsStr::from_bytes(b"\xff\xfe"), root.join("raw-link")).expect("new");
    symlink(".", root.join("loop")).expect("new");
    lchown(root.join("loop"), Some(42), Some(43)).expect("root");
    set_mtime(&root.join("loop"), 5, 6);
    fs::create_dir_all(root.join("a/b")).expect("new");
    fs::write(root.join("a/b/first"), "linked").expect("new");
    fs::hard_link(root.join("a/b/first"), root.join("a/second")).expect("new");
    fs::hard_link(root.join("a/b/first"), root.join("z-third")).expect("new");
}

fn names(root: &Path) {
    let names: [&[u8]; 7] = [
        b"\xff\xfe\x80",
        b"new\nline",
        b"back\\slash",
        b"-rf",
        b" ",
        b"*",
        &[b'n'; 255],
    ];
    for name in names {
        fs::write(root.join(OsStr::from_bytes(name)), name).expect("new");
    }
    let odd = root.join(OsStr::from_bytes(b"folder\xc3"));
    fs::create_dir(&odd).expect("new");
    fs::write(odd.join("in"), "x").expect("new");
}

fn attributes(root: &Path) {
    for (name, mode) in [("xattrs", 0o644), ("xattrs-read-only", 0o444)] {
        let at = root.join(name);
        fs::write(&at, "x").expect("new");
        set_xattr(&at, "user.empty", b"");
        set_xattr(&at, "user.b", &[0xff; 1000]);
        set_xattr(&at, "user.a", b"a");
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).expect("own");
    }
    fs::write(root.join("capability"), "x").expect("new");
    chown(root.join("capability"), Some(9), Some(9)).expect("root");
    set_xattr(&root.join("capability"), "security.capability", &CAPABILITY);
    fs::write(root.join("listed"), "x").expect("new");
    set_xattr(&root.join("listed"), "system.posix_acl_access", &access_list());
    fs::create_dir(root.join("listing")).expect("new");
    fs::write(root.join("listing/before"), "x").expect("new");
    set_xattr(&root.join("listing"), "system.posix_acl_default", &access_list());
    set_xattr(&root.join("listing"), "user.folder", b"x");
}

fn make_tree(root: &Path) {
    fs::create_dir(root).expect("new");
    fs::create_dir(root.join("empty-folder")).expect("new");
    fs::write(root.join("empty"), "").expect("new");
    fs::write(
        root.join("large"),
        (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>(),
    )
    .expect("room");
    sparse(&root.join("hole-only"), 1 << 20, &[]);
    sparse(&root.join("hole-first"), 1 << 20, &[(1 << 20) - 5000]);
    sparse(&root.join("hole-last"), 1 << 20, &[0]);
    sparse(&root.join("holes"), (1 << 20) + 17, &[1 << 16, 1 << 18, 1 << 19]);
    sparse(
        &root.join("large-holes"),
        1 << 24,
        &(0..400).map(|n| n * 32768).collect::<Vec<u64>>(),
    );
    for (name, seconds, nanos) in [
        ("old", -1, 999_999_999),
        ("epoch", 0, 0),
        ("late", 4_000_000_000, 123_456_789),
    ] {
        fs::write(root.join(name), "x").expect("new");
        set_mtime(&root.join(name), seconds, nanos);
    }
    modes(root);
    links(root);
    names(root);
    attributes(root);
    chown(root.join("a"), Some(77), Some(88)).expect("root");
    set_mtime(&root.join("a"), 11, 12);
    set_mtime(&root.join("a/b"), 13, 14);
    set_mtime(root, 15, 16);
}

#[test]
fn every_kind_of_entry_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, target) = (folder.path().join("from"), folder.path().join("to"));
    make_tree(&root);
    let before = look(&root);
    let memory = collect(&root);
    assert_eq!(memory.exceptions, []);
    for jobs in [0, 1, 4] {
        let notes = restore(&memory.entries, &target, FilesSinkOptions { jobs, ..stripped() }).expect("restored");
        assert_eq!(notes, [""; 0]);
        let after = look(&target);
        for (name, look) in &before {
            let name_shown = String::from_utf8_lossy(name);
            assert_eq!(after.get(name), Some(look), "{name_shown}");
        }
        assert_eq!(before.len(), after.len());
        assert_eq!(leftovers(folder.path()), [""; 0]);
        fs::remove_dir_all(&target).expect("restored");
    }
    assert_eq!(look(&root), before, "reading changes nothing");
}

#[test]
fn reading_leaves_the_time_of_access() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().join("file");
    fs::write(&at, "x").expect("new");
    // Earlier than the time of modification: a plain read would move it, also with `relatime`.
    let times = Timestamps {
        last_access: Timespec { tv_sec: 7, tv_nsec: 0 },
        last_modification: Timespec { tv_sec: 9, tv_nsec: 0 },
    };
    rustix::fs::utimensat(rustix::fs::CWD, &at, &times, rustix::fs::AtFlags::empty()).expect("own");
    drop(collect(folder.path()));
    assert_eq!(
        std::os::unix::fs::MetadataExt::atime(&fs::metadata(&at).expect("there")),
        7
    );
}

#[test]
fn the_index_knows_holes_and_the_digest_reads_them_as_zeros() {
    let folder = tempfile::tempdir().expect("a folder");
    sparse(&folder.path().join("holes"), 1 << 20, &[1 << 16]);
    sparse(&folder.path().join("nothing"), 1 << 20, &[]);
    let memory = collect(folder.path());
    let extents = |name: &str| {
        let found = memory
            .entries
            .iter()
            .find(|(entry, _)| entry.path.to_string() == name)
            .expect("stored");
        let Node::File { extents, sha256, .. } = &found.0.node else {
            panic!("{name} is no file")
        };
        (extents.clone(), *sha256)
    };
    let (holes, sha256) = extents("src/holes");
    let length = 8192;
    assert_eq!(
        holes,
        Some(vec![Extent {
            offset: 1 << 16,
            length
        }])
    );
    let content = fs::read(folder.path().join("holes")).expect("there");
    assert_eq!(sha256, hub_backup::base::digest::Digest::of(&content));
    assert_eq!(extents("src/nothing").0, Some(Vec::new()));
    assert_eq!(memory.content("src/nothing"), b"");
}

#[test]
fn a_file_with_too_many_holes_is_stored_dense() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = File::create(folder.path().join("f")).expect("new");
    let count = hub_backup::base::limits::EXTENTS_MAX as u64 + 1;
    for n in 0..count {
        file.write_all_at(b"x", n * 8192).expect("room");
    }
    file.set_len(count * 8192).expect("room");
    let memory = collect(folder.path());
    let dense = memory
        .entries
        .iter()
        .any(|(entry, _)| matches!(entry.node, Node::File { extents: None, .. }));
    assert!(dense);
    assert_eq!(memory.content("src/f").len() as u64, count * 8192);
}

#[test]
fn the_order_is_that_of_bytes_with_a_folder_before_its_content() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["b", "a.txt", "a/x", "a/Y", "a/y/1", "a-b", "ä", "B"] {
        let at = folder.path().join(name);
        fs::create_dir_all(at.parent().expect("below")).expect("new");
        fs::write(at, name).expect("new");
    }
    let expected = [
        "src",
        "src/B",
        "src/a",
        "src/a/Y",
        "src/a/x",
        "src/a/y",
        "src/a/y/1",
        "src/a-b",
        "src/a.txt",
        "src/b",
        "src/ä",
    ];
    assert_eq!(collect(folder.path()).paths(), expected);
}

/// Makes folders named `d` in each other, deeper than any path; gives the deepest.
pub(crate) fn dig(folder: &Path, depth: usize) -> OwnedFd {
    let mut deepest = OwnedFd::from(File::open(folder).expect("a folder"));
    for _ in 0..depth {
        rustix::fs::mkdirat(&deepest, "d", rustix::fs::Mode::from_raw_mode(0o755)).expect("new");
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        deepest = rustix::fs::openat(&deepest, "d", flags, rustix::fs::Mode::empty()).expect("just made");
    }
    deepest
}

/// Removes what is deeper than the standard library can remove.
pub(crate) fn rm(folder: &Path) {
    let status = std::process::Command::new("rm").arg("-rf").arg(folder).status();
    assert!(status.expect("rm runs").success());
}

#[test]
fn a_path_longer_than_a_bundle_holds_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(dig(folder.path(), 2046));
    assert_eq!(collect(folder.path()).entries.len(), 2047);
    let mut at = OwnedFd::from(File::open(folder.path()).expect("a folder"));
    for _ in 0..2046 {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        at = rustix::fs::openat(&at, "d", flags, rustix::fs::Mode::empty()).expect("made above");
    }
    rustix::fs::mkdirat(&at, "dd", rustix::fs::Mode::from_raw_mode(0o755)).expect("new");
    let error = collect_into(&mut Memory::default(), folder.path(), FilesOptions::default()).expect_err("too long");
    assert!(
        matches!(&error, Error::Unsupported { reason, .. } if reason.contains("longer than 4096 bytes")),
        "{error}"
    );
    rm(folder.path());
}
