//! Where a restore may land, and what is there before and after.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::chown;
use std::os::unix::fs::symlink;
use std::path::Path;

use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::sink::Error;
use hub_backup::sink::Sink as _;
use hub_backup::sink::files::FilesSink;
use hub_backup::sink::files::FilesSinkOptions;

use crate::support::file;
use crate::support::folder;
use crate::support::leftovers;
use crate::support::path;
use crate::support::restore;
use crate::support::stripped;
use crate::support::with_xattr;

fn mode(at: &Path) -> u32 {
    fs::symlink_metadata(at).expect("restored").mode() & 0o7777
}

#[test]
fn only_an_empty_folder_is_replaced() {
    let place = tempfile::tempdir().expect("a folder");
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("full/x")).expect("new");
    fs::create_dir(at("empty")).expect("new");
    fs::write(at("file"), "mine").expect("new");
    symlink("empty", at("link")).expect("new");
    symlink("nowhere", at("dangling")).expect("new");
    for (name, reason) in [
        ("full", "it exists and is not empty"),
        ("file", "it exists and is not a folder"),
        ("link", "it exists and is not a folder"),
        ("dangling", "it exists and is not a folder"),
        ("missing/to", "does not exist"),
        ("/", "it is the root of the file system"),
        ("/proc", "it is a mount point"),
    ] {
        let error = FilesSink::new(at(name), stripped()).expect_err(reason);
        assert_eq!(error.kind(), Kind::TargetRefused);
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert_eq!(fs::read_to_string(at("file")).expect("still there"), "mine");
    assert_eq!(leftovers(place.path()), [""; 0]);
}

#[test]
fn a_replaced_folder_hands_on_its_owner_and_mode() {
    let place = tempfile::tempdir().expect("a folder");
    let target = place.path().join("to");
    fs::create_dir(&target).expect("new");
    chown(&target, Some(12), Some(34)).expect("root");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o2750)).expect("own");
    drop(restore(&[file("x/a", b"!")], &target, FilesSinkOptions::default()).expect("restored"));
    assert_eq!(fs::read(target.join("x/a")).expect("restored"), b"!");
    let metadata = fs::metadata(&target).expect("restored");
    assert_eq!((metadata.uid(), metadata.gid(), mode(&target)), (12, 34, 0o2750));
    assert_eq!(mode(&target.join("x")), 0o700, "no entry says who may read it");
}

#[test]
fn a_new_target_is_private_unless_an_entry_says_otherwise() {
    let place = tempfile::tempdir().expect("a folder");
    let (whole, strip) = (place.path().join("whole"), place.path().join("strip"));
    let bundle = [folder("x"), file("x/a", b"!")];
    drop(restore(&bundle, &whole, FilesSinkOptions::default()).expect("restored"));
    drop(restore(&bundle, &strip, stripped()).expect("restored"));
    assert_eq!(
        (mode(&whole), mode(&whole.join("x")), mode(&strip)),
        (0o700, 0o755, 0o755)
    );
}

#[test]
fn a_folder_may_come_after_what_is_in_it() {
    let place = tempfile::tempdir().expect("a folder");
    let target = place.path().join("to");
    let bundle = [file("x/d/a", b"!"), folder("x/d"), file("x/d/b", b"!")];
    drop(restore(&bundle, &target, stripped()).expect("restored"));
    assert_eq!(mode(&target.join("d")), 0o755);
}

#[test]
fn nothing_is_at_the_target_before_the_commit() {
    let place = tempfile::tempdir().expect("a folder");
    let target = place.path().join("to");
    let mut sink = FilesSink::new(&target, stripped()).expect("free");
    sink.entry(&file("x/a", b"!").0, &mut &b"!"[..]).expect("taken");
    sink.settle().expect("written");
    let staged = sink.staged(&path("x/a"));
    assert_eq!(fs::read(&staged).expect("settled"), b"!");
    assert_eq!(
        staged.parent().and_then(Path::parent),
        Some(fs::canonicalize(place.path()).expect("there").as_path())
    );
    assert_eq!(mode(staged.parent().expect("staging")), 0o700);
    assert!(!target.exists());
    drop(sink);
    assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 0);
}

#[test]
fn what_comes_to_the_target_meanwhile_stays() {
    let place = tempfile::tempdir().expect("a folder");
    for existing in [false, true] {
        let target = place.path().join(format!("to-{existing}"));
        if existing {
            fs::create_dir(&target).expect("new");
        }
        let mut sink = FilesSink::new(&target, stripped()).expect("free");
        sink.entry(&file("x/a", b"!").0, &mut &b"!"[..]).expect("taken");
        fs::create_dir_all(&target).expect("new");
        fs::write(target.join("theirs"), "theirs").expect("new");
        let error = Box::new(sink).commit().expect_err("taken meanwhile");
        assert!(matches!(error, Error::Target { .. }), "{error}");
        assert_eq!(fs::read_dir(&target).expect("theirs").count(), 1);
        assert_eq!(leftovers(place.path()), [""; 0]);
    }
}

#[test]
fn without_owners_nothing_lends_out_the_rights_of_who_restores() {
    let place = tempfile::tempdir().expect("a folder");
    let target = place.path().join("to");
    let mut setuid = file("x/setuid", b"!");
    setuid.0.attributes.mode = 0o6755;
    setuid.0.attributes.uid = 1234;
    let mut sticky = folder("x/sticky");
    sticky.0.attributes.mode = 0o3777;
    let capable = with_xattr(file("x/capable", b"!"), "security.capability", b"anything");
    let options = FilesSinkOptions {
        same_owner: false,
        ..stripped()
    };
    let notes = restore(&[folder("x"), setuid, capable, sticky], &target, options).expect("restored");
    let owners = "owners not restored, so that these belong to who restores: 1, first x/setuid";
    let rights = "setuid and setgid bits and capabilities not restored, because owners are not: 3, first x/";
    assert_eq!(notes.len(), 2);
    assert_eq!(notes[0], owners);
    assert!(notes[1].starts_with(rights), "{notes:?}");
    assert_eq!(mode(&target.join("setuid")), 0o755);
    assert_eq!(mode(&target.join("sticky")), 0o1777);
    assert_eq!(fs::metadata(target.join("setuid")).expect("restored").uid(), 0);
}

#[test]
fn what_the_folder_above_would_hand_down_is_not_inherited() {
    let place = tempfile::tempdir().expect("a folder");
    // A default access list that lets everybody in, and a group that new files get.
    let mut list = vec![2, 0, 0, 0];
    for tag in [1_u16, 4, 0x20] {
        list.extend(tag.to_le_bytes());
        list.extend([7, 0, 0xff, 0xff, 0xff, 0xff]);
    }
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(place.path(), "system.posix_acl_default", &list, flags)
        .expect("a file system with access lists");
    chown(place.path(), None, Some(4321)).expect("root");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o2777)).expect("own");
    let target = place.path().join("to");
    drop(restore(&[folder("x"), file("x/a", b"!"), folder("x/d")], &target, stripped()).expect("restored"));
    for at in [target.clone(), target.join("a"), target.join("d")] {
        assert_eq!(mode(&at), 0o755);
        assert_eq!(fs::metadata(&at).expect("restored").gid(), 0);
        let left = rustix::fs::listxattr_query(&at).expect("restored");
        assert_eq!(left, 0, "{}", at.display());
    }
}
