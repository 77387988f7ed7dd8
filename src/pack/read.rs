//! One tar stream back to entries: what the index says must be what the stream holds, byte for byte.

use std::collections::HashMap;
use std::io;
use std::io::BufRead;
use std::io::Read;

use super::END_BYTES;
use super::header;
use super::padding;
use crate::base::digest::Digest;
use crate::base::digest::Hasher;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Extent;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;
use crate::bundle::path::EntryPath;

/// The stream is not what the index says, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream cannot be read.
    #[error("cannot read the payload")]
    Read(#[source] io::Error),
    /// The bytes before or after a content differ from what the index says.
    #[error("the payload differs from the index at {path}: {what}")]
    Differs {
        /// The entry.
        path: String,
        /// Which bytes.
        what: &'static str,
    },
    /// The content differs from its digest in the index.
    #[error("the content of {path} has the digest {actual}, and the index says {expected}")]
    Digest {
        /// The entry.
        path: EntryPath,
        /// What the index says.
        expected: Digest,
        /// What was read.
        actual: Digest,
    },
    /// The taker of a content left some of it unread.
    #[error("the content of {0} was not read to its end")]
    Unread(EntryPath),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Read(_) | Self::Differs { .. } | Self::Digest { .. } => Kind::DigestMismatch,
            Self::Unread(_) => Kind::Internal,
        }
    }
}

/// Reads members from a tar stream, one for each record of the index.
///
/// The content goes to a closure, whose own error comes back inside: `Ok(Err(…))`. The digest is checked after the closure
/// has read the content to its end.
pub struct Unpacker<R> {
    input: R,
    /// The modification time of parts.
    seconds: i64,
    open_streams: HashMap<EntryPath, (Hasher, u32, u64)>,
}

impl<R: BufRead> Unpacker<R> {
    /// Reads from `input`; `seconds` is the time of parts: that of the bundle.
    pub fn new(input: R, seconds: i64) -> Self {
        Self {
            input,
            seconds,
            open_streams: HashMap::new(),
        }
    }

    /// The stream, to move it between members.
    pub fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// Reads the member of an entry.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn entry<E>(
        &mut self,
        entry: &Entry,
        take: impl FnOnce(&mut dyn BufRead) -> Result<(), E>,
    ) -> Result<Result<(), E>, Error> {
        self.compare(&header::of_entry(entry), &entry.path, "its header")?;
        let stored = entry.stored_bytes();
        let whole = [Extent {
            offset: 0,
            length: stored,
        }];
        let (size, extents, expected) = match &entry.node {
            Node::File { size, extents, sha256 } => (*size, extents.as_deref().unwrap_or(&whole), Some(*sha256)),
            Node::Directory | Node::Symlink { .. } | Node::Hardlink { .. } => (0, &whole[..0], None),
        };
        let mut content = Content::new(&mut self.input, extents);
        let taken = take(&mut content);
        let (hasher, reached) = match content.end() {
            Ok(end) => end,
            Err(error) => return Err(Error::Read(error)),
        };
        if taken.is_err() {
            return Ok(taken);
        }
        let Some((mut hasher, reached)) = hasher.map(|hasher| (hasher, reached)) else {
            return Err(Error::Unread(entry.path.clone()));
        };
        if let Some(expected) = expected {
            hasher.update_zeros(size - reached);
            check(&entry.path, expected, hasher.finish())?;
        }
        self.compare(&[0; 512][..padding(stored)], &entry.path, "the bytes after it")?;
        Ok(taken)
    }

    /// Reads the member of a part of a stream.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn part<E>(
        &mut self,
        part: &Part,
        take: impl FnOnce(&mut dyn BufRead) -> Result<(), E>,
    ) -> Result<Result<(), E>, Error> {
        self.compare(&header::of_part(part, self.seconds), &part.path, "the header of a part")?;
        let (hasher, parts, bytes) = self.open_streams.remove(&part.path).unwrap_or_default();
        if parts != part.number {
            return Err(Error::Differs {
                path: part.path.to_string(),
                what: "the order of its parts",
            });
        }
        let whole = [Extent {
            offset: 0,
            length: part.size,
        }];
        let mut content = Content::new(&mut self.input, &whole[..usize::from(part.size > 0)]);
        content.hasher = hasher;
        let taken = take(&mut content);
        let (hasher, _) = content.end().map_err(Error::Read)?;
        if taken.is_err() {
            return Ok(taken);
        }
        let Some(hasher) = hasher else {
            return Err(Error::Unread(part.path.clone()));
        };
        let _none = self
            .open_streams
            .insert(part.path.clone(), (hasher, parts + 1, bytes + part.size));
        self.compare(&[0; 512][..padding(part.size)], &part.path, "the bytes after a part")?;
        Ok(taken)
    }

    /// Checks a stream whose parts have all been read.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn stream(&mut self, stream: &Stream) -> Result<(), Error> {
        let (hasher, parts, bytes) = self.open_streams.remove(&stream.path).unwrap_or_default();
        if parts != stream.parts || bytes != stream.size {
            return Err(Error::Differs {
                path: stream.path.to_string(),
                what: "the number of its parts",
            });
        }
        check(&stream.path, stream.sha256, hasher.finish())
    }

    /// Checks that the stream ends here, and that no stream was left open.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn finish(mut self) -> Result<(), Error> {
        if let Some(path) = self.open_streams.keys().next() {
            return Err(Error::Differs {
                path: path.to_string(),
                what: "a stream without its end",
            });
        }
        compare(&mut self.input, &[0; END_BYTES], "the end", "the final zeros")?;
        match self.input.read(&mut [0]).map_err(Error::Read)? {
            0 => Ok(()),
            _ => Err(Error::Differs {
                path: "the end".into(),
                what: "bytes that belong to nothing",
            }),
        }
    }

    fn compare(&mut self, expected: &[u8], path: &EntryPath, what: &'static str) -> Result<(), Error> {
        compare(&mut self.input, expected, &path.to_string(), what)
    }
}

fn compare(input: &mut impl Read, mut expected: &[u8], path: &str, what: &'static str) -> Result<(), Error> {
    let mut buffer = [0; 4096];
    while !expected.is_empty() {
        let step = expected.len().min(buffer.len());
        input.read_exact(&mut buffer[..step]).map_err(Error::Read)?;
        if buffer[..step] != expected[..step] {
            return Err(Error::Differs {
                path: path.to_owned(),
                what,
            });
        }
        expected = &expected[step..];
    }
    Ok(())
}

fn check(path: &EntryPath, expected: Digest, actual: Digest) -> Result<(), Error> {
    if expected == actual {
        Ok(())
    } else {
        Err(Error::Digest {
            path: path.clone(),
            expected,
            actual,
        })
    }
}

/// The content of one member: hashes what passes, holes included, and keeps the error of the stream for the one who can name it.
struct Content<'a, R> {
    input: &'a mut R,
    extents: &'a [Extent],
    /// Bytes of the first extent that were read.
    within: u64,
    reached: u64,
    hasher: Hasher,
    failed: Option<io::Error>,
}

impl<'a, R: BufRead> Content<'a, R> {
    fn new(input: &'a mut R, extents: &'a [Extent]) -> Self {
        let extents = if extents.first().is_some_and(|first| first.length == 0) {
            &extents[1..]
        } else {
            extents
        };
        Self {
            input,
            extents,
            within: 0,
            reached: 0,
            hasher: Hasher::new(),
            failed: None,
        }
    }

    /// The hasher and the offset that it has reached; no hasher when some content was not read.
    fn end(self) -> io::Result<(Option<Hasher>, u64)> {
        match self.failed {
            Some(error) => Err(error),
            None if self.extents.is_empty() => Ok((Some(self.hasher), self.reached)),
            None => Ok((None, self.reached)),
        }
    }
}

impl<R: BufRead> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Content<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let Some(extent) = self.extents.first() else {
            return Ok(&[]);
        };
        if self.within == 0 {
            self.hasher.update_zeros(extent.offset - self.reached);
            self.reached = extent.offset;
        }
        let left = usize::try_from(extent.length - self.within).unwrap_or(usize::MAX);
        let ready = match self.input.fill_buf() {
            Ok([]) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        match ready {
            Ok(ready) => Ok(&ready[..ready.len().min(left)]),
            Err(error) => {
                let kind = error.kind();
                if kind != io::ErrorKind::Interrupted {
                    self.failed = Some(error);
                }
                Err(kind.into())
            }
        }
    }

    /// Hashes what was taken. A buffer that was filled is there still, so filling it again cannot fail.
    fn consume(&mut self, count: usize) {
        let Some(extent) = self.extents.first().filter(|_| count > 0) else {
            return;
        };
        let Ok(ready) = self.input.fill_buf() else { return };
        self.hasher.update(&ready[..count]);
        self.input.consume(count);
        self.within += count as u64;
        self.reached += count as u64;
        if self.within == extent.length {
            self.extents = &self.extents[1..];
            self.within = 0;
        }
    }
}
