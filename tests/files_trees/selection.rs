//! What a source takes and what it leaves out, and how it says so.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::source::Error;
use hub_backup::source::Source as _;
use hub_backup::source::files::FilesOptions;
use hub_backup::source::files::FilesSource;

use crate::support::Memory;
use crate::support::collect;
use crate::support::collect_into;
use crate::support::label;
use crate::support::source;

fn excluding(patterns: &[&str]) -> FilesOptions {
    FilesOptions {
        exclude: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        ..FilesOptions::default()
    }
}

#[test]
fn special_files_are_exceptions_and_no_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = UnixListener::bind(folder.path().join("socket")).expect("new");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    for (name, kind) in [
        ("fifo", rustix::fs::FileType::Fifo),
        ("device", rustix::fs::FileType::CharacterDevice),
    ] {
        let device = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(rustix::fs::CWD, folder.path().join(name), kind, mode, device).expect("root");
    }
    let mut memory = Memory::default();
    let learnt = collect_into(&mut memory, folder.path(), FilesOptions::default()).expect("no error");
    assert_eq!(memory.paths(), ["src"]);
    let told: Vec<String> = memory
        .exceptions
        .iter()
        .map(|(path, reason)| format!("{path}: {reason}"))
        .collect();
    let expected = [
        "src/device: a device, not stored",
        "src/fifo: a FIFO, not stored",
        "src/socket: a socket, not stored",
    ];
    assert_eq!(told, expected);
    assert_eq!(learnt.private["special_files_left_out"], "3");
    assert_eq!(learnt.public.len(), 0);
    drop(listener);
}

#[test]
fn excluded_is_counted_and_no_exception() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.log", "keep", "x/a.log", "x/keep", "cache/big", "x/cache"] {
        let at = folder.path().join(name);
        fs::create_dir_all(at.parent().expect("below")).expect("new");
        fs::write(at, name).expect("new");
    }
    // What is excluded is not even opened.
    let mut memory = Memory::default();
    let learnt = collect_into(&mut memory, folder.path(), excluding(&["*.log", "cache/"])).expect("no error");
    assert_eq!(
        memory.paths(),
        ["src", "src/keep", "src/x", "src/x/cache", "src/x/keep"]
    );
    assert_eq!(memory.exceptions, []);
    assert_eq!(learnt.private["excluded"], "3");
    assert_eq!(learnt.private["files"], "3");
    assert_eq!(learnt.private["bytes"], "17");
}

#[test]
fn a_pattern_that_cannot_match_is_a_usage_error() {
    let error = FilesSource::new(label("src"), "/".into(), excluding(&["!keep"])).expect_err("no negation");
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.hint().is_some());
}

#[test]
fn a_root_may_be_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().join("one");
    fs::write(&at, "content").expect("new");
    let memory = collect(&at);
    assert_eq!(memory.paths(), ["src/one"]);
    assert_eq!(memory.content("src/one"), b"content");
    symlink("one", folder.path().join("alias")).expect("new");
    assert_eq!(collect(&folder.path().join("alias")).paths(), ["src/alias"]);
}

#[test]
fn a_root_may_be_a_link_to_a_folder_but_links_below_stay_links() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("real")).expect("new");
    symlink("/etc", folder.path().join("real/out")).expect("new");
    symlink("real", folder.path().join("alias")).expect("new");
    assert_eq!(collect(&folder.path().join("alias")).paths(), ["src", "src/out"]);
}

#[test]
fn a_root_that_is_not_there_is_told_before_anything_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let error = source(&missing, FilesOptions::default())
        .check(&Cancel::new())
        .expect_err("missing");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&missing.display().to_string()));
    let error = source(Path::new("/dev/null"), FilesOptions::default())
        .check(&Cancel::new())
        .expect_err("a device");
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    source(folder.path(), FilesOptions::default())
        .check(&Cancel::new())
        .expect("a folder");
}

#[test]
fn an_attribute_whose_name_a_bundle_cannot_hold_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().join("file");
    fs::write(&at, "x").expect("new");
    rustix::fs::setxattr(&at, "user.a=b", b"c", rustix::fs::XattrFlags::empty()).expect("own");
    let error = collect_into(&mut Memory::default(), folder.path(), FilesOptions::default()).expect_err("refused");
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    assert!(error.to_string().contains("user.a=b"), "{error}");
}
