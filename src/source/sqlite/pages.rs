//! Pages as a byte stream: from SQLite's row straight into the reader's buffer.

use std::io;
use std::io::Read;

use rusqlite::Rows;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;

use super::Error;
use super::Subject;
use crate::base::cancel::Cancel;
use crate::base::cancel::Interrupted;

/// Why the pages stopped before their end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// SQLite reports an error.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Fewer pages came than the snapshot has, or one of another size.
    #[error("SQLite gave another page than was asked for")]
    Shape,
    /// The work was told to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Failure {
    pub(super) fn into_error(self, subject: &Subject) -> Error {
        match self {
            Self::Sqlite(error) => subject.sqlite(error),
            Self::Shape => subject.corrupt("SQLite gave another page than was asked for"),
            Self::Interrupted(interrupted) => subject.collect(interrupted.into()),
        }
    }
}

/// Reads the rows of `SELECT data FROM sqlite_dbpage ORDER BY pgno`.
pub(super) struct Pages<'a> {
    rows: Rows<'a>,
    cancel: &'a Cancel,
    page_bytes: usize,
    /// Pages not yet stepped to.
    left: u64,
    /// How much of the current row has been given.
    given: usize,
    /// The reason, once `read` has failed: [`io::Error`] cannot carry it to be classified.
    pub(super) failure: Option<Failure>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(rows: Rows<'a>, page_bytes: u32, pages: u64, cancel: &'a Cancel) -> Self {
        let page_bytes = page_bytes as usize;
        Self {
            rows,
            cancel,
            page_bytes,
            left: pages,
            given: page_bytes,
            failure: None,
        }
    }

    /// Copies from the current row, stepping to the next one when it is used up. Gives 0 at the end.
    fn copy(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        if self.given == self.page_bytes {
            if self.left == 0 {
                return Ok(0);
            }
            self.cancel.check()?;
            self.rows.advance()?;
            self.left -= 1;
            self.given = 0;
        }
        let row = self.rows.get().ok_or(Failure::Shape)?;
        let page = row.get_ref(0)?.as_blob().map_err(|_| Failure::Shape)?;
        if page.len() != self.page_bytes {
            return Err(Failure::Shape);
        }
        let count = buffer.len().min(self.page_bytes - self.given);
        buffer[..count].copy_from_slice(&page[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

impl Read for Pages<'_> {
    /// Fills the whole buffer unless the pages end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.copy(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(failure) => {
                    let error = io::Error::other(failure.to_string());
                    self.failure = Some(failure);
                    return Err(error);
                }
            }
        }
        Ok(filled)
    }
}
