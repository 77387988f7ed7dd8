//! A collector that keeps what it is given.

use std::collections::BTreeMap;
use std::io::Read;

use hub_backup::base::digest::Digest;
use hub_backup::bundle::entry::Attributes;
use hub_backup::bundle::entry::CollectError;
use hub_backup::bundle::entry::Collector;
use hub_backup::bundle::entry::Extent;
use hub_backup::bundle::entry::NodeWithoutContent;
use hub_backup::bundle::entry::OpenStream;
use hub_backup::bundle::entry::Rows;
use hub_backup::bundle::path::EntryPath;

/// Everything that a source gave, by path.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) order: Vec<String>,
    pub(crate) files: BTreeMap<String, (Attributes, Vec<u8>)>,
    pub(crate) nodes: BTreeMap<String, (Attributes, NodeWithoutContent)>,
    pub(crate) streams: BTreeMap<String, (u32, Vec<u8>)>,
    /// What streams of rows hold, by path.
    pub(crate) rows: BTreeMap<String, Rows>,
    pub(crate) exceptions: Vec<(String, String)>,
    /// Streams that have begun, by path.
    pub(crate) open: BTreeMap<String, Vec<u8>>,
    /// Bytes of a stream after which the pipeline stops.
    pub(crate) stop_after: Option<u64>,
}

impl Collected {
    fn note(&mut self, path: &EntryPath) -> String {
        let path = path.to_string();
        assert!(!self.order.contains(&path), "{path} comes twice");
        self.order.push(path.clone());
        path
    }
}

impl Collector for Collected {
    fn file(
        &mut self,
        path: EntryPath,
        attributes: Attributes,
        size: u64,
        extents: Option<Vec<Extent>>,
        content: &mut dyn Read,
    ) -> Result<Digest, CollectError> {
        assert!(extents.is_none(), "nothing sparse is expected");
        let mut bytes = Vec::new();
        let got = content
            .take(size)
            .read_to_end(&mut bytes)
            .map_err(CollectError::Content)? as u64;
        if got < size {
            return Err(CollectError::Short { expected: size, got });
        }
        let digest = Digest::of(&bytes);
        let path = self.note(&path);
        self.files.insert(path, (attributes, bytes));
        Ok(digest)
    }

    fn node(&mut self, path: EntryPath, attributes: Attributes, node: NodeWithoutContent) -> Result<(), CollectError> {
        let path = self.note(&path);
        self.nodes.insert(path, (attributes, node));
        Ok(())
    }

    fn stream(&mut self, path: EntryPath, mode: u32, content: &mut dyn Read) -> Result<(u64, Digest), CollectError> {
        let mut bytes = Vec::new();
        let most = self.stop_after.unwrap_or(u64::MAX);
        content
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(CollectError::Content)?;
        if self.stop_after.is_some() {
            return Err(CollectError::Stopped);
        }
        let learnt = (bytes.len() as u64, Digest::of(&bytes));
        let path = self.note(&path);
        self.streams.insert(path, (mode, bytes));
        Ok(learnt)
    }

    fn part(&mut self, stream: &mut OpenStream, bytes: &[u8]) -> Result<(), CollectError> {
        let open = self.open.entry(stream.path().to_string()).or_default();
        open.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, stream: OpenStream, rows: Option<Rows>) -> Result<(u64, Digest), CollectError> {
        if let Some(rows) = rows {
            self.rows.insert(stream.path().to_string(), rows);
        }
        let bytes = self.open.remove(&stream.path().to_string()).unwrap_or_default();
        self.stream(stream.path().clone(), stream.mode(), &mut &bytes[..])
    }

    fn exception(&mut self, path: EntryPath, reason: String) -> Result<(), CollectError> {
        self.exceptions.push((path.to_string(), reason));
        Ok(())
    }
}
