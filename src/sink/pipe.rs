//! A sink that writes the content of files to one writer, one after the other: for `cat`.

use std::io;
use std::io::BufRead;
use std::io::Read;
use std::io::Write;

use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;

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

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(count), &mut self.out).map(drop)
    }

    fn file(&mut self, entry: &Entry, content: &mut dyn BufRead) -> io::Result<()> {
        let Node::File {
            size,
            extents: Some(extents),
            ..
        } = &entry.node
        else {
            return io::copy(content, &mut self.out).map(drop);
        };
        let mut reached = 0;
        for extent in extents {
            self.zeros(extent.offset - reached)?;
            let _bytes = io::copy(&mut (&mut *content).take(extent.length), &mut self.out)?;
            reached = extent.offset + extent.length;
        }
        self.zeros(size - reached)
    }
}

impl Sink for Pipe<'_> {
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error> {
        self.file(entry, content).map_err(|source| Error::Write {
            path: entry.path.as_path().into(),
            source,
        })
    }

    fn part(&mut self, part: &Part, content: &mut dyn BufRead) -> Result<(), Error> {
        let copied = io::copy(content, &mut self.out);
        copied.map(drop).map_err(|source| Error::Write {
            path: part.path.as_path().into(),
            source,
        })
    }

    fn stream(&mut self, _stream: &Stream) -> Result<(), Error> {
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<Vec<String>, Error> {
        self.out.flush().map_err(|source| Error::Write {
            path: "the output".into(),
            source,
        })?;
        Ok(Vec::new())
    }
}
