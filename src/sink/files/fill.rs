//! Filling a file with the content that a bundle holds, holes left open.

use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::Read;
use std::os::unix::fs::FileExt as _;

use super::super::Error;
use super::maker::Maker;
use super::maker::refused;
use crate::bundle::entry::Extent;
use crate::bundle::path::EntryPath;

/// Where the content goes: the extents, or all of `size` bytes.
pub(super) fn layout(size: u64, extents: Option<&[Extent]>) -> Vec<Extent> {
    let whole = [Extent {
        offset: 0,
        length: size,
    }];
    extents.unwrap_or(&whole).to_vec()
}

/// Refuses extents that do not rise or leave the file.
pub(super) fn check_extents(path: &EntryPath, size: u64, extents: Option<&[Extent]>) -> Result<(), Error> {
    let mut free = 0;
    for extent in extents.unwrap_or_default() {
        let end = extent.offset.checked_add(extent.length).filter(|end| *end <= size);
        match end {
            Some(end) if extent.offset >= free => free = end,
            _ => return Err(refused(path, "its extents overlap or leave the file")),
        }
    }
    if i64::try_from(size).is_err() {
        return Err(refused(path, "it is larger than any file can be"));
    }
    Ok(())
}

/// Reads the content to its end into the extents of `file`.
pub(super) fn from_reader(
    file: &File,
    path: &EntryPath,
    extents: &[Extent],
    content: &mut dyn BufRead,
    maker: &Maker,
) -> Result<(), Error> {
    for extent in extents {
        let mut done = 0;
        while done < extent.length {
            let ready = fill_some(content).and_then(|ready| match ready {
                [] => Err(io::ErrorKind::UnexpectedEof.into()),
                ready => Ok(ready),
            });
            let ready = ready.map_err(|source| content_error(path, source))?;
            let wanted = usize::try_from(extent.length - done).unwrap_or(usize::MAX);
            let count = ready.len().min(wanted);
            let written = file.write_all_at(&ready[..count], extent.offset + done);
            written.map_err(|source| maker.write_error(path, source))?;
            content.consume(count);
            done += count as u64;
        }
    }
    match fill_some(content) {
        Ok([]) => Ok(()),
        Ok(_) => Err(content_error(path, too_long())),
        Err(source) => Err(content_error(path, source)),
    }
}

/// Writes the joined data of the extents.
pub(super) fn from_bytes(file: &File, extents: Option<&[Extent]>, mut bytes: &[u8]) -> io::Result<()> {
    let Some(extents) = extents else {
        return file.write_all_at(bytes, 0);
    };
    for extent in extents {
        let length = usize::try_from(extent.length).unwrap_or(usize::MAX);
        let (data, rest) = bytes.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        file.write_all_at(data, extent.offset)?;
        bytes = rest;
    }
    Ok(())
}

/// Appends the content, which must have `expected` bytes, to `buffer`.
pub(super) fn into_memory(
    path: &EntryPath,
    expected: u64,
    content: &mut dyn BufRead,
    buffer: &mut Vec<u8>,
) -> Result<(), Error> {
    // Room to see the end too, so that no further round is needed.
    buffer.reserve(usize::try_from(expected).unwrap_or(0) + 64);
    let read = content.take(expected + 1).read_to_end(buffer);
    match read.map_err(|source| content_error(path, source))? as u64 {
        count if count < expected => Err(content_error(path, io::ErrorKind::UnexpectedEof.into())),
        count if count > expected => Err(content_error(path, too_long())),
        _ => Ok(()),
    }
}

/// What is ready, waiting for it if need be; nothing at the end.
fn fill_some(content: &mut dyn BufRead) -> io::Result<&[u8]> {
    loop {
        match content.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
            // Asked again because the borrow of one round cannot be given out of a loop; it costs nothing.
            Ok(_) => break,
        }
    }
    content.fill_buf()
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the content is longer than the index says")
}

fn content_error(path: &EntryPath, source: io::Error) -> Error {
    Error::Content {
        path: path.clone(),
        source,
    }
}
