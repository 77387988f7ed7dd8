//! What needs another user, another umask or file systems of its own: each is an ignored test, run as a child by the
//! one below it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::chown;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::sink;
use hub_backup::sink::files::FilesSinkOptions;
use hub_backup::source;
use hub_backup::source::Source as _;
use hub_backup::source::files::FilesOptions;

use crate::roundtrip::dig;
use crate::roundtrip::rm;
use crate::support::Memory;
use crate::support::assert_child;
use crate::support::collect;
use crate::support::collect_into;
use crate::support::file;
use crate::support::folder;
use crate::support::leftovers;
use crate::support::look;
use crate::support::restore;
use crate::support::run_child;
use crate::support::source;
use crate::support::stripped;
use crate::support::with_xattr;

const OWN_MOUNTS: [&str; 2] = ["unshare", "--mount"];
const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

fn mount(kind: &str, options: &str, at: &str) {
    fs::create_dir_all(at).expect("new");
    let status = Command::new("mount")
        .args(["-t", kind, "-o", options, "none", at])
        .status()
        .expect("mount runs");
    assert!(status.success(), "{kind}");
}

/// A folder that `nobody` may use.
fn open_folder() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    chown(place.path(), Some(65534), Some(65534)).expect("root");
    place
}

#[test]
#[ignore = "run as a child by `a_full_disk_leaves_nothing`"]
fn child_full_disk() {
    assert_child();
    mount("tmpfs", "size=2m", "disk");
    let small: Vec<_> = (0..40).map(|n| file(&format!("x/{n}"), &vec![1; 100_000])).collect();
    let large = vec![file("x/large", &vec![1; 5 << 20])];
    for bundle in [small, large] {
        let error = restore(&bundle, Path::new("disk/to"), stripped()).expect_err("it does not fit");
        let sink::Error::Write { source, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("disk/to/"), "{error}");
        assert_eq!(fs::read_dir("disk").expect("a folder").count(), 0);
    }
}

#[test]
fn a_full_disk_leaves_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    run_child("children::child_full_disk", &OWN_MOUNTS, place.path());
}

#[test]
#[ignore = "run as a child by `the_walk_stays_in_one_file_system_when_told`"]
fn child_one_file_system() {
    assert_child();
    mount("tmpfs", "mode=0750", "tree/mounted");
    fs::write("tree/mounted/in", "x").expect("new");
    fs::write("tree/out", "x").expect("new");
    let paths = |one_file_system| {
        let mut memory = Memory::default();
        let options = FilesOptions {
            one_file_system,
            ..FilesOptions::default()
        };
        let learnt = collect_into(&mut memory, Path::new("tree"), options).expect("it holds still");
        (memory.paths(), learnt.private.get("mount_points_left_out").cloned())
    };
    let all = ["src", "src/mounted", "src/mounted/in", "src/out"]
        .map(str::to_owned)
        .to_vec();
    let one = ["src", "src/mounted", "src/out"].map(str::to_owned).to_vec();
    assert_eq!(paths(false), (all, None));
    assert_eq!(paths(true), (one, Some("1".into())));
}

#[test]
fn the_walk_stays_in_one_file_system_when_told() {
    let place = tempfile::tempdir().expect("a folder");
    run_child("children::child_one_file_system", &OWN_MOUNTS, place.path());
}

#[test]
#[ignore = "run as a child by `an_attribute_that_cannot_be_set_is_no_silent_loss`"]
fn child_without_xattrs() {
    assert_child();
    mount("ramfs", "mode=0755", "bare");
    let bundle = [
        folder("x"),
        with_xattr(file("x/a", b"!"), "user.comment", b"y"),
        file("x/b", b"!"),
    ];
    let error = restore(&bundle, Path::new("bare/to"), stripped()).expect_err("no attributes there");
    assert!(matches!(error, sink::Error::Xattr { .. }), "{error}");
    assert!(error.to_string().contains("user.comment"), "{error}");
    assert!(
        error.hint().expect("a hint").contains("--allow-missing-xattrs"),
        "{error}"
    );
    let options = FilesSinkOptions {
        allow_missing_xattrs: true,
        ..stripped()
    };
    let notes = restore(&bundle, Path::new("bare/to"), options).expect("allowed");
    assert_eq!(
        notes,
        ["extended attributes that the target does not take: 1, first x/a"]
    );
    let mut memory = Memory::default();
    drop(
        collect_into(&mut memory, Path::new("bare/to"), FilesOptions::default()).expect("a source without attributes"),
    );
    assert_eq!(memory.paths(), ["src", "src/a", "src/b"]);
    let mount_point = sink::files::FilesSink::new("bare", stripped()).expect_err("a mount point");
    assert!(mount_point.to_string().contains("it is a mount point"), "{mount_point}");
}

#[test]
fn an_attribute_that_cannot_be_set_is_no_silent_loss() {
    let place = tempfile::tempdir().expect("a folder");
    run_child("children::child_without_xattrs", &OWN_MOUNTS, place.path());
}

#[test]
#[ignore = "run as a child by `what_may_not_be_read_is_an_error`"]
fn child_permissions() {
    assert_child();
    for root in ["unreadable-file", "unreadable-folder"] {
        for allow_changed in [false, true] {
            let options = FilesOptions {
                allow_changed,
                ..FilesOptions::default()
            };
            let error = collect_into(&mut Memory::default(), Path::new(root), options).expect_err("not permitted");
            let source::Error::Read { path, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!(path, &Path::new(root).join("secret"));
            assert_eq!(error.kind(), Kind::Incomplete);
        }
    }
    let error = source(Path::new("unreadable-folder/secret"), FilesOptions::default()).check(&Cancel::new());
    assert!(matches!(error, Err(source::Error::Unsupported { .. })));
    // Files of others are read although the time of access cannot be left alone.
    drop(collect_into(&mut Memory::default(), Path::new("readable"), FilesOptions::default()).expect("readable"));
}

#[test]
fn what_may_not_be_read_is_an_error() {
    let place = open_folder();
    let at = |name: &str| place.path().join(name);
    for name in ["unreadable-file", "unreadable-folder", "readable"] {
        fs::create_dir(at(name)).expect("new");
    }
    fs::create_dir(at("unreadable-folder/secret")).expect("new");
    for name in ["unreadable-file/secret", "readable/public"] {
        fs::write(at(name), "x").expect("new");
    }
    for name in ["unreadable-folder/secret", "unreadable-file/secret"] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o0)).expect("own");
    }
    run_child("children::child_permissions", &NOBODY, place.path());
}

#[test]
#[ignore = "run as a child by `anybody_restores_and_cleans_up`"]
fn child_unprivileged_restore() {
    assert_child();
    let mut closed = folder("x/closed");
    closed.0.attributes.mode = 0;
    let read_only = with_xattr(file("x/closed/read-only", b"!"), "user.comment", b"y");
    let plain = file("x/closed/inner/plain", b"!");
    let mut bundle = vec![folder("x"), closed, read_only, folder("x/closed/inner"), plain];
    bundle[2].0.attributes.mode = 0o400;
    drop(restore(&bundle, Path::new("to"), stripped()).expect("restored"));
    let metadata = fs::metadata("to/closed").expect("restored");
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0, 65534));
    fs::set_permissions("to/closed", fs::Permissions::from_mode(0o700)).expect("own");
    let seen = look(Path::new("to"));
    let read_only = &seen[&b"closed/read-only"[..]];
    assert_eq!((read_only.mode & 0o7777, read_only.xattrs.len()), (0o400, 1));

    // The commit fails after modes were set that forbid to remove what is in the folders.
    fs::create_dir("taken").expect("new");
    let mut sink = sink::files::FilesSink::new("taken", stripped()).expect("empty");
    for (entry, content) in &bundle {
        sink::Sink::entry(&mut sink, entry, &mut &content[..]).expect("taken");
    }
    fs::write("taken/theirs", "x").expect("new");
    drop(sink::Sink::commit(Box::new(sink)).expect_err("taken meanwhile"));
    assert_eq!(leftovers(Path::new(".")), [""; 0]);

    let same_owner = FilesSinkOptions {
        same_owner: true,
        ..stripped()
    };
    let error = restore(&bundle, Path::new("owned"), same_owner).expect_err("only root gives away");
    assert!(matches!(error, sink::Error::Write { .. }), "{error}");
    assert_eq!(leftovers(Path::new(".")), [""; 0]);
}

#[test]
fn anybody_restores_and_cleans_up() {
    let place = open_folder();
    run_child("children::child_unprivileged_restore", &NOBODY, place.path());
}

#[test]
#[ignore = "run as a child by `the_umask_changes_nothing`"]
fn child_umask() {
    assert_child();
    let modes = [0o0, 0o644, 0o666, 0o777, 0o4755, 0o2711];
    let mut bundle = vec![folder("x"), folder("x/d")];
    for mode in modes {
        let mut made = file(&format!("x/d/{mode:o}"), b"!");
        made.0.attributes.mode = mode;
        bundle.push(made);
    }
    drop(restore(&bundle, Path::new("to"), stripped()).expect("restored"));
    for mode in modes {
        let found = fs::metadata(format!("to/d/{mode:o}")).expect("restored").mode() & 0o7777;
        assert_eq!(found, mode);
    }
    assert_eq!(fs::metadata("to/d").expect("restored").mode() & 0o7777, 0o755);
}

#[test]
fn the_umask_changes_nothing() {
    for umask in [
        "umask 077; exec \"$@\"",
        "umask 0; exec \"$@\"",
        "umask 027; exec \"$@\"",
    ] {
        let place = tempfile::tempdir().expect("a folder");
        run_child("children::child_umask", &["sh", "-c", umask, "sh"], place.path());
    }
}

#[test]
#[ignore = "run as a child by `a_tree_may_be_deeper_and_wider_than_there_are_descriptors`"]
fn child_few_descriptors() {
    assert_child();
    let (root, target) = (Path::new("from").to_owned(), Path::new("to").to_owned());
    fs::create_dir(&root).expect("new");
    drop(dig(&root, 800));
    // A name in each of some folders that sorts after the way down, so that it is read on the way up.
    for depth in [0, 1, 63, 64, 65, 500, 799] {
        let at: PathBuf = std::iter::once(root.as_path())
            .chain((0..depth).map(|_| Path::new("d")))
            .collect();
        fs::write(at.join("e"), depth.to_string()).expect("new");
    }
    for wide in 0..300 {
        fs::create_dir(root.join(format!("wide-{wide}"))).expect("new");
        fs::write(root.join(format!("wide-{wide}/file")), "x").expect("new");
    }
    let memory = collect(&root);
    assert_eq!(memory.entries.len(), 801 + 7 + 600);
    let mut abandoned = sink::files::FilesSink::new(&target, stripped()).expect("free");
    for (entry, content) in &memory.entries {
        sink::Sink::entry(&mut abandoned, entry, &mut &content[..]).expect("taken");
    }
    drop(abandoned);
    assert_eq!(leftovers(Path::new(".")), [""; 0]);
    drop(restore(&memory.entries, &target, stripped()).expect("restored"));
    assert_eq!(look(&target), look(&root));
    rm(Path::new("from"));
    rm(Path::new("to"));
}

#[test]
fn a_tree_may_be_deeper_and_wider_than_there_are_descriptors() {
    let place = tempfile::tempdir().expect("a folder");
    let few = "ulimit -n 130; exec \"$@\"";
    run_child(
        "children::child_few_descriptors",
        &["sh", "-c", few, "sh"],
        place.path(),
    );
}
