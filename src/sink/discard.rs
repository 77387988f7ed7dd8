//! A sink that keeps nothing: for reading a whole bundle to check its contents.

use std::io;
use std::io::BufRead;

use crate::bundle::entry::Entry;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;

use super::Error;
use super::Sink;

/// Reads every content to its end and forgets it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error> {
        drain(content).map_err(|source| Error::Content {
            path: entry.path.clone(),
            source,
        })
    }

    fn part(&mut self, part: &Part, content: &mut dyn BufRead) -> Result<(), Error> {
        drain(content).map_err(|source| Error::Content {
            path: part.path.clone(),
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
        Ok(Vec::new())
    }
}

fn drain(content: &mut dyn BufRead) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
