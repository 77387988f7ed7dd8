//! Files that do not hold still: an error by default, an exception where that is allowed, never silence.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::fault::Fault as _;
use hub_backup::base::fault::Kind;
use hub_backup::bundle::entry::CollectError;
use hub_backup::source::Error;
use hub_backup::source::Source as _;
use hub_backup::source::files::FilesOptions;

use crate::support::Memory;
use crate::support::collect_into;
use crate::support::source;

/// Files `a` and `b` and a folder `c` with a file; `act` is done when half of `a` was read.
fn disturbed(allow_changed: bool, act: impl Fn(&Path) + 'static) -> (Memory<'static>, Result<String, Error>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in [("a", "0123456789"), ("b", "b"), ("c/x", "x")] {
        let at = folder.path().join(name);
        fs::create_dir_all(at.parent().expect("below")).expect("new");
        fs::write(at, content).expect("new");
    }
    let root = folder.path().to_owned();
    let mut memory = Memory {
        midway: Some(Box::new(move |path| {
            if path == "src/a" {
                act(&root);
            }
        })),
        ..Memory::default()
    };
    let options = FilesOptions {
        allow_changed,
        ..FilesOptions::default()
    };
    let result = collect_into(&mut memory, folder.path(), options);
    let result = result.map(|learnt| learnt.private.get("changed").cloned().unwrap_or_default());
    (memory, result)
}

/// What `act` does must be an error that says `what` and names the flag; allowed, the one exception, under `path`.
fn check(act: impl Fn(&Path) + Copy + 'static, path: &str, what: &str) -> Memory<'static> {
    let (_, result) = disturbed(false, act);
    let error = result.expect_err("it did not hold still");
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Incomplete);
    assert!(error.to_string().contains(what), "{error}");
    assert!(error.to_string().contains(&path["src".len()..]), "{error}");
    assert!(
        error.hint().is_some_and(|hint| hint.contains("--allow-changed")),
        "{error}"
    );
    let (memory, result) = disturbed(true, act);
    assert_eq!(result.expect("allowed"), "1");
    assert_eq!(memory.exceptions.len(), 1, "{:?}", memory.exceptions);
    assert_eq!(memory.exceptions[0].0, path);
    assert!(memory.exceptions[0].1.starts_with(what), "{:?}", memory.exceptions);
    memory
}

#[test]
fn a_tree_that_holds_still_is_no_exception() {
    for allowed in [false, true] {
        let (memory, result) = disturbed(allowed, |_| ());
        assert_eq!(result.expect("nothing changed"), "");
        assert_eq!(memory.exceptions, []);
    }
}

#[test]
fn a_file_that_grows() {
    let grow = |root: &Path| {
        let mut file = OpenOptions::new().append(true).open(root.join("a")).expect("there");
        file.write_all(b"more").expect("room");
    };
    let memory = check(grow, "src/a", "grew from 10 to 14 bytes while it was read");
    assert_eq!(memory.content("src/a"), b"0123456789");
}

#[test]
fn a_file_that_shrinks_is_filled_with_zeros() {
    let shrink = |root: &Path| {
        let file = OpenOptions::new().write(true).open(root.join("a")).expect("there");
        file.set_len(3).expect("own");
    };
    let memory = check(shrink, "src/a", "shrank from 10 to 3 bytes while it was read");
    assert_eq!(memory.content("src/a"), b"01234\0\0\0\0\0");
}

#[test]
fn a_file_that_is_written_in_place() {
    let write = |root: &Path| {
        let file = OpenOptions::new().write(true).open(root.join("a")).expect("there");
        file.write_all_at(b"X", 9).expect("room");
    };
    drop(check(write, "src/a", "was written while it was read"));
}

#[test]
fn a_file_whose_attributes_change() {
    let change = |root: &Path| {
        fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o600)).expect("own");
    };
    drop(check(change, "src/a", "had its attributes changed while it was read"));
}

#[test]
fn a_file_that_is_replaced_while_it_is_read() {
    let replace = |root: &Path| {
        fs::write(root.join("new"), "9876543210").expect("new");
        fs::rename(root.join("new"), root.join("a")).expect("own");
    };
    let memory = check(replace, "src/a", "had its attributes changed while it was read");
    assert_eq!(memory.content("src/a"), b"0123456789", "the file that was opened");
}

#[test]
fn a_file_that_vanishes() {
    let memory = check(
        |root| fs::remove_file(root.join("b")).expect("own"),
        "src/b",
        "vanished before it was read",
    );
    assert!(!memory.paths().contains(&"src/b".to_owned()));
}

#[test]
fn a_folder_that_vanishes() {
    let memory = check(
        |root| fs::remove_dir_all(root.join("c")).expect("own"),
        "src/c",
        "vanished before it was read",
    );
    assert_eq!(memory.paths(), ["src", "src/a", "src/b"]);
}

#[test]
fn a_name_that_becomes_a_link_does_not_lead_out() {
    for name in ["b", "c"] {
        let replace = move |root: &Path| {
            fs::rename(root.join(name), root.join("z")).expect("own");
            symlink(if name == "b" { "/etc/passwd" } else { "/etc" }, root.join(name)).expect("new");
        };
        let what = "was replaced by something else before it was read";
        let memory = check(replace, &format!("src/{name}"), what);
        assert!(
            !memory
                .paths()
                .iter()
                .any(|path| path.starts_with(&format!("src/{name}")))
        );
    }
}

#[test]
fn a_file_that_becomes_a_fifo_does_not_block() {
    let replace = |root: &Path| {
        fs::remove_file(root.join("b")).expect("own");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, root.join("b"), rustix::fs::FileType::Fifo, mode, 0).expect("new");
    };
    drop(check(
        replace,
        "src/b",
        "was replaced by something else before it was read",
    ));
}

#[test]
fn a_hole_that_is_filled_while_the_file_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().join("sparse");
    let file = File::create(&at).expect("new");
    file.write_all_at(&vec![1; 65536], 0).expect("room");
    file.set_len(1 << 20).expect("room");
    let mut memory = Memory {
        midway: Some(Box::new(move |_| file.write_all_at(b"X", 1 << 19).expect("room"))),
        ..Memory::default()
    };
    let error = collect_into(&mut memory, folder.path(), FilesOptions::default()).expect_err("it changed");
    assert!(error.to_string().contains("was written while it was read"), "{error}");
}

#[test]
fn a_file_that_only_says_that_it_is_empty() {
    let root = Path::new("/proc/version");
    let error = collect_into(&mut Memory::default(), root, FilesOptions::default()).expect_err("it has bytes");
    assert!(
        error
            .to_string()
            .contains("/proc/version gives bytes but says that it is empty"),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_moved_away_below_closed_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let deepest = (0..100).fold(folder.path().to_owned(), |at, _| at.join("d"));
    fs::create_dir_all(&deepest).expect("new");
    fs::write(deepest.join("file"), "content").expect("new");
    let outside = tempfile::tempdir_in(folder.path().parent().expect("below")).expect("a folder");
    let (from, to) = (folder.path().join("d/d/d"), outside.path().join("d"));
    let mut memory = Memory {
        midway: Some(Box::new(move |_| fs::rename(&from, &to).expect("own"))),
        ..Memory::default()
    };
    let options = FilesOptions {
        allow_changed: true,
        ..FilesOptions::default()
    };
    let error = collect_into(&mut memory, folder.path(), options).expect_err("there is no way back");
    assert!(
        error.to_string().contains("was moved away while it was read"),
        "{error}"
    );
}

#[test]
fn an_interrupt_ends_in_the_middle_of_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a"), "0123456789").expect("new");
    let cancel = Cancel::new();
    let told = cancel.clone();
    let mut memory = Memory {
        midway: Some(Box::new(move |_| told.set())),
        ..Memory::default()
    };
    let result = source(folder.path(), FilesOptions::default()).collect(&mut memory, &cancel);
    let error = result.expect_err("told to stop");
    let Error::Collect { source, .. } = error else {
        panic!("{error}")
    };
    assert!(matches!(source, CollectError::Interrupted(_)), "{source}");
    assert_eq!(memory.paths(), ["src"]);
}
