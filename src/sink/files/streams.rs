//! Streams that come in parts: each part is appended to the file of its stream.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufRead;
use std::os::fd::BorrowedFd;

use rustix::fs::Mode;
use rustix::fs::OFlags;

use super::super::Error;
use super::fill;
use super::maker::Maker;
use super::maker::refused;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Extent;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;
use crate::bundle::path::EntryPath;

/// The streams that have begun and not ended. Their files are open only while a part is written, so that no number of
/// streams uses up the descriptors of the process.
#[derive(Debug, Default)]
pub(super) struct Streams(HashMap<EntryPath, Begun>);

#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    parts: u32,
    bytes: u64,
}

impl Streams {
    /// Writes the next part of its stream to `name` in `folder`.
    pub(super) fn append(
        &mut self,
        part: &Part,
        folder: BorrowedFd<'_>,
        name: &[u8],
        content: &mut dyn BufRead,
        maker: &Maker,
    ) -> Result<(), Error> {
        let path = &part.path;
        let begun = self.0.get(path).copied();
        let file = match begun {
            None => maker.create(folder, name, path, &private())?.0,
            Some(_) => reopen(folder, name, path, maker)?,
        };
        let begun = begun.unwrap_or_default();
        if part.number != begun.parts {
            return Err(refused(path, "a part of it is missing or comes twice"));
        }
        let extent = Extent {
            offset: begun.bytes,
            length: part.size,
        };
        let end = begun
            .bytes
            .checked_add(part.size)
            .filter(|end| i64::try_from(*end).is_ok());
        let bytes = end.ok_or_else(|| refused(path, "it is larger than any file can be"))?;
        fill::from_reader(&file, path, &[extent], content, maker)?;
        let parts = begun.parts + 1;
        let _: Option<Begun> = self.0.insert(path.clone(), Begun { parts, bytes });
        Ok(())
    }

    /// Checks that the stream is whole, and gives its file the mode that it shall have.
    pub(super) fn end(
        &mut self,
        stream: &Stream,
        folder: BorrowedFd<'_>,
        name: &[u8],
        maker: &Maker,
    ) -> Result<(), Error> {
        let path = &stream.path;
        let begun = self.0.remove(path).unwrap_or_default();
        if begun.parts == 0 || (begun.parts, begun.bytes) != (stream.parts, stream.size) {
            return Err(refused(path, "its parts do not add up to what the index says"));
        }
        let file = reopen(folder, name, path, maker)?;
        let mode = Mode::from_raw_mode(stream.mode & 0o777);
        rustix::fs::fchmod(&file, mode).map_err(|errno| maker.write_error(path, errno))
    }

    /// Refuses to end while a stream has not ended.
    pub(super) fn check_none(&self) -> Result<(), Error> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(path) => Err(refused(path, "its end is missing")),
        }
    }
}

fn private() -> Attributes {
    Attributes {
        mode: 0o600,
        ..Attributes::default()
    }
}

fn reopen(folder: BorrowedFd<'_>, name: &[u8], path: &EntryPath, maker: &Maker) -> Result<File, Error> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(folder, name, flags, Mode::empty());
    opened.map(File::from).map_err(|errno| maker.write_error(path, errno))
}
