//! A collector that lets something happen in the middle of a dump, and keeps what it is given.

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

use crate::collected::Collected;

/// Does something once, when the first rows come.
pub(crate) struct Trigger<'a> {
    pub(crate) inner: Collected,
    pub(crate) action: Option<Box<dyn FnOnce() + 'a>>,
}

impl<'a> Trigger<'a> {
    pub(crate) fn new(action: impl FnOnce() + 'a) -> Self {
        Self {
            inner: Collected::default(),
            action: Some(Box::new(action)),
        }
    }
}

impl Collector for Trigger<'_> {
    fn file(
        &mut self,
        path: EntryPath,
        attributes: Attributes,
        size: u64,
        extents: Option<Vec<Extent>>,
        content: &mut dyn Read,
    ) -> Result<Digest, CollectError> {
        self.inner.file(path, attributes, size, extents, content)
    }

    fn node(&mut self, path: EntryPath, attributes: Attributes, node: NodeWithoutContent) -> Result<(), CollectError> {
        self.inner.node(path, attributes, node)
    }

    fn stream(&mut self, path: EntryPath, mode: u32, content: &mut dyn Read) -> Result<(u64, Digest), CollectError> {
        self.inner.stream(path, mode, content)
    }

    fn part(&mut self, stream: &mut OpenStream, bytes: &[u8]) -> Result<(), CollectError> {
        if let Some(action) = self.action.take() {
            action();
        }
        self.inner.part(stream, bytes)
    }

    fn end(&mut self, stream: OpenStream, rows: Option<Rows>) -> Result<(u64, Digest), CollectError> {
        self.inner.end(stream, rows)
    }

    fn exception(&mut self, path: EntryPath, reason: String) -> Result<(), CollectError> {
        self.inner.exception(path, reason)
    }
}
