//! A collector and replayer in memory, and a look at a tree that sees everything a bundle keeps.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use hub_backup::base::cancel::Cancel;
use hub_backup::base::digest::Digest;
use hub_backup::base::digest::Hasher;
use hub_backup::bundle::entry::Attributes;
use hub_backup::bundle::entry::CollectError;
use hub_backup::bundle::entry::Collector;
use hub_backup::bundle::entry::Entry;
use hub_backup::bundle::entry::Extent;
use hub_backup::bundle::entry::Location;
use hub_backup::bundle::entry::Mtime;
use hub_backup::bundle::entry::Node;
use hub_backup::bundle::entry::NodeWithoutContent;
use hub_backup::bundle::entry::OpenStream;
use hub_backup::bundle::entry::Rows;
use hub_backup::bundle::entry::Xattr;
use hub_backup::bundle::name::Label;
use hub_backup::bundle::path::EntryPath;
use hub_backup::bundle::path::RawBytes;
use hub_backup::sink;
use hub_backup::sink::Sink;
use hub_backup::sink::files::FilesSink;
use hub_backup::sink::files::FilesSinkOptions;
use hub_backup::source;
use hub_backup::source::Learnt;
use hub_backup::source::Source as _;
use hub_backup::source::files::FilesOptions;
use hub_backup::source::files::FilesSource;

/// Called when half of a file was read, with the path of its entry.
pub(crate) type Midway<'a> = Box<dyn FnMut(&str) + 'a>;

/// Keeps entries with their stored content, in order.
#[derive(Default)]
pub(crate) struct Memory<'a> {
    pub(crate) entries: Vec<(Entry, Vec<u8>)>,
    pub(crate) exceptions: Vec<(String, String)>,
    pub(crate) midway: Option<Midway<'a>>,
}

impl Memory<'_> {
    pub(crate) fn paths(&self) -> Vec<String> {
        self.entries.iter().map(|(entry, _)| entry.path.to_string()).collect()
    }

    pub(crate) fn content(&self, path: &str) -> &[u8] {
        let found = self.entries.iter().find(|(entry, _)| entry.path.to_string() == path);
        &found.unwrap_or_else(|| panic!("no entry {path}")).1
    }

    fn push(&mut self, path: EntryPath, attributes: Attributes, node: Node, content: Vec<u8>) {
        assert!(
            self.entries.iter().all(|(entry, _)| entry.path != path),
            "{path} comes twice"
        );
        let at = Location { block: 0, skip: 0 };
        let entry = Entry {
            path,
            node,
            attributes,
            at,
        };
        self.entries.push((entry, content));
    }
}

impl Collector for Memory<'_> {
    fn file(
        &mut self,
        path: EntryPath,
        attributes: Attributes,
        size: u64,
        extents: Option<Vec<Extent>>,
        content: &mut dyn Read,
    ) -> Result<Digest, CollectError> {
        let expected = extents
            .as_ref()
            .map_or(size, |all| all.iter().map(|extent| extent.length).sum());
        let mut bytes = Vec::new();
        for (stage, upto) in [expected / 2, expected].into_iter().enumerate() {
            let limit = upto - bytes.len() as u64;
            let _: usize = (&mut *content)
                .take(limit)
                .read_to_end(&mut bytes)
                .map_err(CollectError::Content)?;
            if let Some(midway) = self.midway.as_mut().filter(|_| stage == 0) {
                midway(&path.to_string());
            }
        }
        let got = bytes.len() as u64;
        if got < expected {
            return Err(CollectError::Short { expected, got });
        }
        let sha256 = digest(size, extents.as_deref(), &bytes);
        let node = Node::File { size, extents, sha256 };
        self.push(path, attributes, node, bytes);
        Ok(sha256)
    }

    fn node(&mut self, path: EntryPath, attributes: Attributes, node: NodeWithoutContent) -> Result<(), CollectError> {
        self.push(path, attributes, node.into(), Vec::new());
        Ok(())
    }

    fn stream(&mut self, _: EntryPath, _: u32, _: &mut dyn Read) -> Result<(u64, Digest), CollectError> {
        panic!("the files source knows the size of everything")
    }

    fn part(&mut self, _: &mut OpenStream, _: &[u8]) -> Result<(), CollectError> {
        panic!("the files source knows the size of everything")
    }

    fn end(&mut self, _: OpenStream, _: Option<Rows>) -> Result<(u64, Digest), CollectError> {
        panic!("the files source knows the size of everything")
    }

    fn exception(&mut self, path: EntryPath, reason: String) -> Result<(), CollectError> {
        self.exceptions.push((path.to_string(), reason));
        Ok(())
    }
}

fn digest(size: u64, extents: Option<&[Extent]>, mut bytes: &[u8]) -> Digest {
    let whole = [Extent {
        offset: 0,
        length: size,
    }];
    let (mut hasher, mut position) = (Hasher::new(), 0);
    for extent in extents.unwrap_or(&whole) {
        hasher.update_zeros(extent.offset - position);
        let (data, rest) = bytes.split_at(usize::try_from(extent.length).expect("a test file is small"));
        hasher.update(data);
        (bytes, position) = (rest, extent.offset + extent.length);
    }
    hasher.update_zeros(size - position);
    hasher.finish()
}

pub(crate) fn label(text: &str) -> Label {
    text.parse().expect("a label")
}

pub(crate) fn path(text: &str) -> EntryPath {
    EntryPath::try_from(RawBytes(text.into())).expect("a path")
}

pub(crate) fn source(root: &Path, options: FilesOptions) -> FilesSource {
    FilesSource::new(label("src"), root.to_owned(), options).expect("good patterns")
}

pub(crate) fn collect_into(
    memory: &mut Memory<'_>,
    root: &Path,
    options: FilesOptions,
) -> Result<Learnt, source::Error> {
    source(root, options).collect(memory, &Cancel::new())
}

pub(crate) fn collect(root: &Path) -> Memory<'static> {
    let mut memory = Memory::default();
    let learnt = collect_into(&mut memory, root, FilesOptions::default());
    drop(learnt.expect("a tree that holds still"));
    memory
}

pub(crate) fn stripped() -> FilesSinkOptions {
    FilesSinkOptions {
        strip_label: true,
        ..FilesSinkOptions::default()
    }
}

pub(crate) fn restore(
    entries: &[(Entry, Vec<u8>)],
    target: &Path,
    options: FilesSinkOptions,
) -> Result<Vec<String>, sink::Error> {
    let mut sink = FilesSink::new(target, options)?;
    for (entry, content) in entries {
        sink.entry(entry, &mut &content[..])?;
    }
    Box::new(sink).commit()
}

/// An entry as a bundle of anybody's making may hold it.
pub(crate) fn entry(at: &str, node: Node) -> Entry {
    Entry {
        path: path(at),
        node,
        attributes: Attributes {
            mode: 0o755,
            mtime: Mtime {
                seconds: 1_000_000_000,
                nanos: 1,
            },
            ..Attributes::default()
        },
        at: Location { block: 0, skip: 0 },
    }
}

pub(crate) fn file(at: &str, content: &[u8]) -> (Entry, Vec<u8>) {
    let node = Node::File {
        size: content.len() as u64,
        extents: None,
        sha256: Digest::of(content),
    };
    (entry(at, node), content.to_vec())
}

pub(crate) fn folder(at: &str) -> (Entry, Vec<u8>) {
    (entry(at, Node::Directory), Vec::new())
}

pub(crate) fn symlink(at: &str, to: &str) -> (Entry, Vec<u8>) {
    let target = RawBytes(to.into());
    (entry(at, Node::Symlink { target }), Vec::new())
}

pub(crate) fn hard_link(at: &str, to: &str) -> (Entry, Vec<u8>) {
    (entry(at, Node::Hardlink { target: path(to) }), Vec::new())
}

pub(crate) fn with_xattr(mut made: (Entry, Vec<u8>), name: &str, value: &[u8]) -> (Entry, Vec<u8>) {
    made.0.attributes.xattrs.push(Xattr {
        name: RawBytes(name.into()),
        value: RawBytes(value.to_vec()),
    });
    made
}

/// Everything that a bundle keeps of one name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) mtime: (i64, i64),
    pub(crate) content: Vec<u8>,
    pub(crate) data: Vec<(u64, u64)>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first path of the same inode, for files with several names.
    pub(crate) same_as: Option<Vec<u8>>,
}

/// Looks at `root` and all below it.
pub(crate) fn look(root: &Path) -> BTreeMap<Vec<u8>, Look> {
    let (mut seen, mut inodes) = (BTreeMap::new(), BTreeMap::new());
    let mut todo = vec![root.to_owned()];
    while let Some(at) = todo.pop() {
        let metadata = fs::symlink_metadata(&at).expect("there");
        let name = at.strip_prefix(root).expect("below").as_os_str().as_bytes().to_vec();
        if metadata.is_dir() {
            let mut names: Vec<_> = fs::read_dir(&at)
                .expect("a folder")
                .map(|entry| entry.expect("a name").path())
                .collect();
            names.sort_by(|one, other| other.cmp(one));
            todo.extend(names);
        }
        let mut same_as = None;
        if metadata.is_file() && metadata.nlink() > 1 {
            same_as = Some(inodes.entry(metadata.ino()).or_insert_with(|| name.clone()).clone());
        }
        let content = if metadata.is_file() {
            fs::read(&at).expect("a file")
        } else if metadata.is_symlink() {
            fs::read_link(&at).expect("a link").as_os_str().as_bytes().to_vec()
        } else {
            Vec::new()
        };
        let look = Look {
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            content,
            data: if metadata.is_file() { data(&at) } else { Vec::new() },
            xattrs: if metadata.is_symlink() {
                BTreeMap::new()
            } else {
                xattrs(&at)
            },
            same_as,
        };
        assert!(seen.insert(name, look).is_none());
    }
    seen
}

/// Where a file has data.
fn data(file: &Path) -> Vec<(u64, u64)> {
    let file = File::open(file).expect("a file");
    let (mut found, mut position) = (Vec::new(), 0);
    while let Ok(begin) = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(position)) {
        position = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(begin)).expect("every file ends in a hole");
        found.push((begin, position));
    }
    found
}

fn xattrs(at: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::listxattr(at, &mut names[..]).expect("a file system with attributes");
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 65536];
            let length = rustix::fs::getxattr(at, name, &mut value[..]).expect("listed");
            (name.to_vec(), value[..length].to_vec())
        })
        .collect()
}

/// Names that a restore left beside its target.
pub(crate) fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a name").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names
        .filter(|name| name.starts_with(hub_backup::base::durable::TEMP_PREFIX))
        .collect()
}

/// Runs one ignored test of this program in `folder`, by way of `wrapper`, as another user or in name spaces of its own.
pub(crate) fn run_child(test: &str, wrapper: &[&str], folder: &Path) {
    // The program may lie where the other user cannot reach it.
    let program = folder.join("program");
    let _: u64 = fs::copy(std::env::current_exe().expect("this program"), &program).expect("a copy");
    fs::write(folder.join(CHILD_MARK), "").expect("a mark");
    let output = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg(&program)
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .current_dir(folder)
        .output()
        .expect("the wrapper is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{test}: {said}");
}

const CHILD_MARK: &str = "run-as-a-child";

/// Fails where a child's test runs by itself, outside what its parent prepares.
pub(crate) fn assert_child() {
    assert!(Path::new(CHILD_MARK).exists(), "this test is run by another one");
}
