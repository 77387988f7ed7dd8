//! One tar stream back to entries: what the index says must be what the stream holds, byte for byte.

use std::collections::HashMap;
use std::io;
use std::io::BufRead;
use std::io::Read;

use super::digests::ContentId;
use super::digests::Digests;
use super::digests::Mismatch;
use super::header;
use crate::base::fault;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::shared::BlockRead;
use crate::base::shared::read_buffered;
use crate::base::tar;
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
    #[error(transparent)]
    Digest(#[from] Mismatch),
    /// The taker of a content left some of it unread.
    #[error("the content of {0} was not read to its end")]
    Unread(EntryPath),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Read(error) => fault::kind_of_read(error),
            Self::Differs { .. } | Self::Digest(_) => Kind::DigestMismatch,
            Self::Unread(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read(error) => Some(fault::hint_of_read(error)),
            Self::Differs { .. } | Self::Digest(_) | Self::Unread(_) => None,
        }
    }
}

/// Reads members from a tar stream, one for each record of the index.
///
/// The content goes to a closure, whose own error comes back inside: `Ok(Err(…))`. Meanwhile a thread of its own hashes it: that a
/// digest differs shows some blocks later, and at the latest in [`settle`](Self::settle), without which nothing was proven.
pub struct Unpacker<R> {
    input: R,
    /// The modification time of parts.
    seconds: i64,
    digests: Digests,
    open_streams: HashMap<EntryPath, OpenStream>,
}

/// A stream whose parts are being read.
#[derive(Clone, Copy)]
struct OpenStream {
    content: ContentId,
    parts: u32,
    bytes: u64,
}

impl<R: BlockRead> Unpacker<R> {
    /// Reads from `input`; `seconds` is the time of parts: that of the bundle.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(input: R, seconds: i64) -> Result<Self, Error> {
        Ok(Self {
            input,
            seconds,
            digests: Digests::start().map_err(Error::Read)?,
            open_streams: HashMap::new(),
        })
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
        let id = self.digests.content();
        let reached = match self.content(&entry.path, id, extents, take)? {
            Ok(reached) => reached,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(expected) = expected {
            self.digests.add_zeros(id, size - reached);
            self.digests.check(id, &entry.path, expected);
        }
        self.compare(tar::fill(stored), &entry.path, "the bytes after it")?;
        Ok(Ok(()))
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
        let open = self.open_streams.remove(&part.path);
        let OpenStream { content, parts, bytes } = open.unwrap_or_else(|| self.begin());
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
        let extents = &whole[..usize::from(part.size > 0)];
        if let Err(error) = self.content(&part.path, content, extents, take)? {
            return Ok(Err(error));
        }
        let open = OpenStream {
            content,
            parts: parts + 1,
            bytes: bytes + part.size,
        };
        let _none = self.open_streams.insert(part.path.clone(), open);
        self.compare(tar::fill(part.size), &part.path, "the bytes after a part")?;
        Ok(Ok(()))
    }

    /// Checks a stream whose parts have all been read.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn stream(&mut self, stream: &Stream) -> Result<(), Error> {
        let open = self.open_streams.remove(&stream.path);
        let OpenStream { content, parts, bytes } = open.unwrap_or_else(|| self.begin());
        if parts != stream.parts || bytes != stream.size {
            return Err(Error::Differs {
                path: stream.path.to_string(),
                what: "the number of its parts",
            });
        }
        self.digests.check(content, &stream.path, stream.sha256);
        Ok(())
    }

    /// Checks that the stream ends here, and that no stream was left open.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn finish(&mut self) -> Result<(), Error> {
        if let Some(path) = self.open_streams.keys().next() {
            return Err(Error::Differs {
                path: path.to_string(),
                what: "a stream without its end",
            });
        }
        compare(&mut self.input, &tar::END, "the end", "the final zeros")?;
        match self.input.read(&mut [0]).map_err(Error::Read)? {
            0 => Ok(()),
            _ => Err(Error::Differs {
                path: "the end".into(),
                what: "bytes that belong to nothing",
            }),
        }
    }

    /// Waits for the digests of everything that was read. This is the last call; ask it after an error too: what a content does to
    /// those who read it may only be the consequence of a wrong content.
    ///
    /// # Errors
    /// `Digest`.
    pub fn settle(&mut self) -> Result<(), Error> {
        Ok(self.digests.settle()?)
    }

    fn begin(&mut self) -> OpenStream {
        OpenStream {
            content: self.digests.content(),
            parts: 0,
            bytes: 0,
        }
    }

    /// Gives a content to who takes it; returns how far it goes, without a hole at its end.
    fn content<E>(
        &mut self,
        path: &EntryPath,
        id: ContentId,
        extents: &[Extent],
        take: impl FnOnce(&mut dyn BufRead) -> Result<(), E>,
    ) -> Result<Result<u64, E>, Error> {
        if self.digests.has_failed() {
            self.digests.settle()?;
        }
        let mut content = Content::new(&mut self.input, &mut self.digests, id, extents);
        let taken = take(&mut content);
        let (end, reached) = (content.end(), content.reached);
        match (end, taken) {
            (Err(error), _) => Err(Error::Read(error)),
            (Ok(_), Err(error)) => Ok(Err(error)),
            (Ok(false), Ok(())) => Err(Error::Unread(path.clone())),
            (Ok(true), Ok(())) => Ok(Ok(reached)),
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

/// The content of one member: has hashed what passes, holes included, and keeps the error of the stream for the one who can name it.
struct Content<'a, R> {
    input: &'a mut R,
    digests: &'a mut Digests,
    id: ContentId,
    extents: &'a [Extent],
    /// Bytes of the first extent that were read.
    within: u64,
    reached: u64,
    failed: Option<io::Error>,
}

impl<'a, R: BlockRead> Content<'a, R> {
    fn new(input: &'a mut R, digests: &'a mut Digests, id: ContentId, extents: &'a [Extent]) -> Self {
        let extents = if extents.first().is_some_and(|first| first.length == 0) {
            &extents[1..]
        } else {
            extents
        };
        Self {
            input,
            digests,
            id,
            extents,
            within: 0,
            reached: 0,
            failed: None,
        }
    }

    /// Whether all of it was read.
    fn end(&mut self) -> io::Result<bool> {
        self.failed.take().map_or(Ok(self.extents.is_empty()), Err)
    }
}

impl<R: BlockRead> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

impl<R: BlockRead> BufRead for Content<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let Some(extent) = self.extents.first() else {
            return Ok(&[]);
        };
        if self.within == 0 {
            self.digests.add_zeros(self.id, extent.offset - self.reached);
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

    /// Has hashed what was taken.
    fn consume(&mut self, count: usize) {
        let Some(extent) = self.extents.first().filter(|_| count > 0) else {
            return;
        };
        self.digests.add(self.id, self.input.slice(count));
        self.input.consume(count);
        self.within += count as u64;
        self.reached += count as u64;
        if self.within == extent.length {
            self.extents = &self.extents[1..];
            self.within = 0;
        }
    }
}
