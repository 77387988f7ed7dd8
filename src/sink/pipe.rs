//! A sink that writes the content of files to one writer, one after the other: for `cat`.

use std::io::BufRead;
use std::io::Write;

use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;
use crate::bundle::path::EntryPath;

use super::Error;
use super::Sink;

/// Writes contents to `out`; holes are written as zeros.
pub struct Pipe<'a> {
    out: &'a mut (dyn Write + Send),
}

impl<'a> Pipe<'a> {
    /// Writes to `out`.
    pub fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(Error::Output)
    }

    fn zeros(&mut self, mut count: u64) -> Result<(), Error> {
        const ZEROS: [u8; 8 << 10] = [0; 8 << 10];
        while count > 0 {
            let most = ZEROS.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            self.write(&ZEROS[..most])?;
            count -= most as u64;
        }
        Ok(())
    }

    /// Copies at most `length` bytes. Whether the bundle or the reader of the output is to blame must not be mixed up.
    fn copy(&mut self, path: &EntryPath, content: &mut dyn BufRead, mut length: u64) -> Result<(), Error> {
        while length > 0 {
            let bytes = content.fill_buf().map_err(|source| Error::Content {
                path: path.clone(),
                source,
            })?;
            if bytes.is_empty() {
                break;
            }
            let count = bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            self.out.write_all(&bytes[..count]).map_err(Error::Output)?;
            content.consume(count);
            length -= count as u64;
        }
        Ok(())
    }
}

impl Sink for Pipe<'_> {
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error> {
        let Node::File {
            size,
            extents: Some(extents),
            ..
        } = &entry.node
        else {
            return self.copy(&entry.path, content, u64::MAX);
        };
        let mut reached = 0;
        for extent in extents {
            self.zeros(extent.offset - reached)?;
            self.copy(&entry.path, content, extent.length)?;
            reached = extent.offset + extent.length;
        }
        self.zeros(size - reached)
    }

    fn part(&mut self, part: &Part, content: &mut dyn BufRead) -> Result<(), Error> {
        self.copy(&part.path, content, u64::MAX)
    }

    fn stream(&mut self, _stream: &Stream) -> Result<(), Error> {
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<Vec<String>, Error> {
        self.out.flush().map_err(Error::Output)?;
        Ok(Vec::new())
    }
}
