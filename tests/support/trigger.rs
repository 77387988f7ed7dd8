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

/// Does something once: when the first rows come, or after a certain file.
pub(crate) struct Trigger<'a> {
    pub(crate) inner: Collected,
    after: Option<&'static str>,
    action: Option<Box<dyn FnOnce() + 'a>>,
}

impl<'a> Trigger<'a> {
    pub(crate) fn new(action: impl FnOnce() + 'a) -> Self {
        Self {
            inner: Collected::default(),
            after: None,
            action: Some(Box::new(action)),
        }
    }

    /// When the file is whole whose path ends with `name`.
    pub(crate) fn after(name: &'static str, action: impl FnOnce() + 'a) -> Self {
        Self {
            after: Some(name),
            ..Self::new(action)
        }
    }

    fn act(&mut self) {
        if let Some(action) = self.action.take() {
            action();
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
        let is_awaited = self.after.is_some_and(|name| path.to_string().ends_with(name));
        let stored = self.inner.stream(path, mode, content)?;
        if is_awaited {
            self.act();
        }
        Ok(stored)
    }

    fn part(&mut self, stream: &mut OpenStream, bytes: &[u8]) -> Result<(), CollectError> {
        if self.after.is_none() {
            self.act();
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
