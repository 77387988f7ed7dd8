//! What is in the golden bundles of version 1: one of everything that the format has.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use hub_backup::base::cancel::Cancel;
use hub_backup::bundle::entry::Attributes;
use hub_backup::bundle::entry::CollectError;
use hub_backup::bundle::entry::Collector;
use hub_backup::bundle::entry::Extent;
use hub_backup::bundle::entry::Mtime;
use hub_backup::bundle::entry::NodeWithoutContent;
use hub_backup::bundle::entry::Xattr;
use hub_backup::bundle::kind::SourceKind;
use hub_backup::bundle::name::Label;
use hub_backup::bundle::path::RawBytes;
use hub_backup::source::Error;
use hub_backup::source::Learnt;
use hub_backup::source::Source;

use super::support::BEGIN;
use super::support::attributes;
use super::support::noise;
use super::support::path;
use super::support::time;

/// A source that gives one of everything.
pub(crate) struct Everything(Label);

impl Everything {
    pub(crate) fn new() -> Self {
        Self("hub".parse().expect("a label"))
    }
}

/// Text of more than one block, so that the stream has several parts.
fn table() -> Vec<u8> {
    let rows: Vec<String> = (0..7000)
        .map(|number| {
            format!(
                "row {number:06}
"
            )
        })
        .collect();
    rows.concat().into_bytes()
}

fn awkward() -> Attributes {
    let xattr = |name: &str, value: &[u8]| Xattr {
        name: RawBytes(name.into()),
        value: RawBytes(value.to_vec()),
    };
    Attributes {
        mode: 0o4755,
        uid: 3_000_000,
        gid: 4_294_967_294,
        mtime: Mtime {
            seconds: -86_400,
            nanos: 123_456_789,
        },
        xattrs: vec![
            xattr("user.binary", &[0, 255, b'\\', b'\n']),
            xattr("user.comment", "größer".as_bytes()),
        ],
    }
}

fn files(collector: &mut dyn Collector) -> Result<(), CollectError> {
    let label = path("hub");
    collector.node(label.clone(), attributes(0o755), NodeWithoutContent::Directory)?;
    let note = b"It came back.\n";
    let _digest = collector.file(
        path("hub/note.txt"),
        attributes(0o644),
        note.len() as u64,
        None,
        &mut &note[..],
    )?;
    let _digest = collector.file(path("hub/empty"), attributes(0o600), 0, None, &mut &b""[..])?;
    // More than a segment that does not compress.
    let noise = noise(1, 70_000);
    let _digest = collector.file(
        path("hub/noise.bin"),
        attributes(0o640),
        noise.len() as u64,
        None,
        &mut noise.as_slice(),
    )?;
    let odd = label
        .join(Path::new(std::ffi::OsStr::from_bytes(b"na\xefve \\ name")))
        .expect("a path");
    let _digest = collector.file(odd, awkward(), 3, None, &mut &b"odd"[..])?;
    let long = format!("hub/{}/{}", "folder".repeat(20), "file".repeat(40));
    let folder = long.rsplit_once('/').expect("a slash").0;
    collector.node(path(folder), attributes(0o700), NodeWithoutContent::Directory)?;
    let _digest = collector.file(path(&long), attributes(0o644), 4, None, &mut &b"long"[..])?;
    // Data, a hole, data, and a hole to the end.
    let extents = vec![
        Extent { offset: 0, length: 512 },
        Extent {
            offset: 8192,
            length: 1024,
        },
    ];
    let data = super::support::noise(2, 1536);
    let _digest = collector.file(
        path("hub/sparse"),
        attributes(0o600),
        1 << 20,
        Some(extents),
        &mut data.as_slice(),
    )?;
    Ok(())
}

fn links_and_streams(collector: &mut dyn Collector) -> Result<(), CollectError> {
    let hardlink = NodeWithoutContent::Hardlink {
        target: path("hub/note.txt"),
    };
    collector.node(path("hub/same-note.txt"), attributes(0o644), hardlink)?;
    let symlink = NodeWithoutContent::Symlink {
        target: RawBytes(b"../elsewhere/\xff".to_vec()),
    };
    collector.node(path("hub/symlink"), attributes(0o777), symlink)?;
    let _learnt = collector.stream(path("hub/table.txt"), 0o600, &mut table().as_slice())?;
    let _learnt = collector.stream(path("hub/nothing"), 0o640, &mut &b""[..])?;
    collector.exception(path("hub/socket"), "a socket is not backed up".into())
}

impl Source for Everything {
    fn label(&self) -> &Label {
        &self.0
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Files
    }

    fn check(&mut self, _cancel: &Cancel) -> Result<(), Error> {
        Ok(())
    }

    fn collect(&mut self, collector: &mut dyn Collector, _cancel: &Cancel) -> Result<Learnt, Error> {
        let collected = files(collector).and_then(|()| links_and_streams(collector));
        collected.map_err(|source| Error::Collect {
            label: self.0.clone(),
            source,
        })?;
        let facts = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        Ok(Learnt {
            data_time: Some(time(BEGIN)),
            public: facts("golden", "v1"),
            private: facts("entries", "all kinds"),
        })
    }
}
