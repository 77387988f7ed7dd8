//! The bytes of one file: where its data is, and a reader that never gives more than was announced.

use std::io;
use std::io::Read;
use std::os::fd::BorrowedFd;

use rustix::fs::SeekFrom;
use rustix::fs::seek;
use rustix::io::Errno;
use rustix::io::pread;
use rustix::io::retry_on_intr;

use crate::base::cancel::Cancel;
use crate::base::limits;
use crate::bundle::entry::Extent;

/// Where the data of a file of `size` bytes is; `None` when it has no holes, or too many to list.
pub(super) fn extents(file: BorrowedFd<'_>, size: u64) -> Result<Option<Vec<Extent>>, Errno> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut position = 0;
    while position < size {
        let begin = match seek(file, SeekFrom::Data(position)) {
            Ok(begin) => begin,
            // No data up to the end.
            Err(Errno::NXIO) => break,
            // A file system that does not know holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        if begin >= size {
            break;
        }
        let end = match seek(file, SeekFrom::Hole(begin)) {
            Ok(end) => end.min(size),
            // Cut shorter since: the look at the file after the read will tell.
            Err(Errno::NXIO) => size,
            Err(errno) => return Err(errno),
        };
        if end <= begin || extents.len() == limits::EXTENTS_MAX {
            // Written to meanwhile, or too many to list: dense is always right.
            return Ok(None);
        }
        match extents.last_mut() {
            Some(last) if last.offset + last.length == begin => last.length = end - last.offset,
            _ => extents.push(Extent {
                offset: begin,
                length: end - begin,
            }),
        }
        position = end;
    }
    let is_dense = matches!(extents[..], [Extent { offset: 0, length }] if length == size);
    Ok((!is_dense).then_some(extents))
}

/// Reads the announced bytes of a file and no more.
pub(super) struct Content<'a> {
    file: BorrowedFd<'a>,
    cancel: &'a Cancel,
    /// What is still to be read, last extent first.
    extents: Vec<Extent>,
    /// Whether zeros stand in for bytes that are gone.
    zeros_for_lost: bool,
    /// Whether the file ended before the announced size.
    pub(super) ended_early: bool,
}

impl<'a> Content<'a> {
    /// `extents` or, without them, all of `size` bytes.
    pub(super) fn new(
        file: BorrowedFd<'a>,
        size: u64,
        extents: Option<&[Extent]>,
        zeros_for_lost: bool,
        cancel: &'a Cancel,
    ) -> Self {
        let whole = [Extent {
            offset: 0,
            length: size,
        }];
        Self {
            file,
            cancel,
            extents: extents.unwrap_or(&whole).iter().rev().copied().collect(),
            zeros_for_lost,
            ended_early: false,
        }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not `ErrorKind::Interrupted`, which readers take as an invitation to try again.
        self.cancel.check().map_err(io::Error::other)?;
        while self.extents.last().is_some_and(|extent| extent.length == 0) {
            let _: Option<Extent> = self.extents.pop();
        }
        let Some(extent) = self.extents.last_mut() else {
            return Ok(0);
        };
        let wanted = usize::try_from(extent.length).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let window = &mut buffer[..wanted];
        let mut count = retry_on_intr(|| pread(self.file, &mut *window, extent.offset))?;
        if count == 0 {
            self.ended_early = true;
            if !self.zeros_for_lost {
                return Ok(0);
            }
            window.fill(0);
            count = wanted;
        }
        extent.offset += count as u64;
        extent.length -= count as u64;
        Ok(count)
    }
}

/// Whether a file that calls itself empty gives bytes after all, as the files of `/proc` do.
pub(super) fn has_bytes(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    retry_on_intr(|| pread(file, &mut [0_u8; 1][..], 0)).map(|count| count > 0)
}
