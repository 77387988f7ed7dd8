//! A restore target in memory.

use std::collections::BTreeMap;
use std::io::BufRead;

use hub_backup::bundle::entry::Attributes;
use hub_backup::bundle::entry::Entry;
use hub_backup::bundle::entry::Node;
use hub_backup::bundle::entry::Part;
use hub_backup::bundle::entry::Stream;
use hub_backup::bundle::path::EntryPath;
use hub_backup::sink::Error;
use hub_backup::sink::Sink;

/// Everything that a restore gave, by path.
#[derive(Default)]
pub(crate) struct Memory {
    /// Entries in their order.
    pub(crate) entries: Vec<Entry>,
    /// Contents of files, holes left out, and of streams.
    pub(crate) contents: BTreeMap<String, Vec<u8>>,
    /// Streams that have ended.
    pub(crate) streams: Vec<Stream>,
}

impl Memory {
    /// One line for each entry and stream: type, mode, owner, time, path and what else it has.
    pub(crate) fn listing(&self) -> String {
        let entries = self
            .entries
            .iter()
            .map(|entry| format!("{} {}", kind(&entry.node), describe(entry)));
        let streams = self.streams.iter().map(|stream| {
            format!(
                "stream {:04o} {} {} {}",
                stream.mode, stream.path, stream.size, stream.sha256
            )
        });
        entries.chain(streams).map(|line| line + "\n").collect()
    }

    fn read(&mut self, path: &EntryPath, content: &mut dyn BufRead) -> Result<(), Error> {
        let bytes = self.contents.entry(path.to_string()).or_default();
        let read = content.read_to_end(bytes);
        read.map(drop).map_err(|source| Error::Content {
            path: path.clone(),
            source,
        })
    }
}

fn kind(node: &Node) -> &'static str {
    match node {
        Node::File { .. } => "file",
        Node::Directory => "directory",
        Node::Symlink { .. } => "symlink",
        Node::Hardlink { .. } => "hardlink",
    }
}

fn describe(entry: &Entry) -> String {
    let Attributes {
        mode,
        uid,
        gid,
        mtime,
        xattrs,
    } = &entry.attributes;
    let more = match &entry.node {
        Node::File { size, extents, sha256 } => {
            let extents = extents
                .iter()
                .flatten()
                .map(|extent| format!(" {}+{}", extent.offset, extent.length));
            format!(" {size} {sha256}{}", extents.collect::<String>())
        }
        Node::Directory => String::new(),
        Node::Symlink { target } => format!(" -> {target}"),
        Node::Hardlink { target } => format!(" = {target}"),
    };
    let xattrs = xattrs
        .iter()
        .map(|xattr| format!(" {}={}", xattr.name, hex::encode(&xattr.value.0)));
    let xattrs = xattrs.collect::<String>();
    let (path, time) = (&entry.path, format!("{}.{:09}", mtime.seconds, mtime.nanos));
    format!("{mode:04o} {uid}:{gid} {time} {path}{more}{xattrs}")
}

impl Sink for Memory {
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error> {
        if matches!(entry.node, Node::File { .. }) {
            self.read(&entry.path, content)?;
        }
        self.entries.push(entry.clone());
        Ok(())
    }

    fn part(&mut self, part: &Part, content: &mut dyn BufRead) -> Result<(), Error> {
        self.read(&part.path, content)
    }

    fn stream(&mut self, stream: &Stream) -> Result<(), Error> {
        self.streams.push(stream.clone());
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), hub_backup::sink::Error> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}
