//! The road back: (verified) → decrypt → decompress → unpack → sink.

use std::io;
use std::io::BufRead;
use std::io::Read;
use std::thread;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;

use crate::base::cancel::Cancel;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::parallel;
use crate::base::parallel::Feed;
use crate::base::parallel::Pool;
use crate::base::progress::Progress;
use crate::base::shared::Block;
use crate::base::shared::BlockCursor;
use crate::base::shared::BlockRead;
use crate::base::shared::Slice;
use crate::base::shared::read_buffered;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Location;
use crate::bundle::entry::Node;
use crate::bundle::index::Record;
use crate::bundle::path::EntryPath;
use crate::compress;
use crate::compress::Decompressor;
use crate::pack;
use crate::pack::read::Unpacker;
use crate::policy::selection;
use crate::policy::selection::Selection;
use crate::sink;
use crate::sink::Sink;

use super::contents;
use super::contents::Opened;
use super::contents::Plaintext;

/// What was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Entries and streams.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// What the bundle itself says is missing or may be inconsistent, among what was wanted: path and reason.
    pub exceptions: Vec<(EntryPath, String)>,
}

/// Why a restore did not complete. The sink was not committed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle could not be opened, or its index not be read.
    #[error(transparent)]
    Contents(#[from] contents::Error),
    /// A block could not be read.
    #[error(transparent)]
    Compress(#[from] compress::Error),
    /// The payload is not what the index says.
    #[error(transparent)]
    Unpack(#[from] pack::read::Error),
    /// The target took no more.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// Nothing fits what was asked for.
    #[error(transparent)]
    Selection(#[from] selection::Error),
    /// The work was told to stop.
    #[error("interrupted; the target is as it was")]
    Interrupted,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Contents(error) => error.kind(),
            Self::Compress(error) => error.kind(),
            Self::Unpack(error) => error.kind(),
            Self::Sink(error) => error.kind(),
            Self::Selection(error) => error.kind(),
            Self::Interrupted => Kind::RestoreFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Contents(error) => error.hint(),
            Self::Compress(error) => error.hint(),
            Self::Unpack(error) => error.hint(),
            Self::Sink(error) => error.hint(),
            Self::Selection(error) => error.hint(),
            Self::Interrupted => Some("Run the restore again.".into()),
        }
    }
}

/// Gives what is wanted of a verified, opened bundle to `sink`, which the caller commits.
///
/// Everything is read in one parallel pass; a selection reads only the segments that it needs.
///
/// # Errors
/// See [`Error`].
pub fn restore(
    opened: &Opened<'_>,
    selection: &mut Selection,
    jobs: usize,
    sink: &mut dyn Sink,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Restored, Error> {
    let total = selection
        .is_all()
        .then_some(opened.verified().manifest().totals.tar_bytes);
    progress.begin("restoring", total);
    let restored = if selection.is_all() {
        everything(opened, selection, jobs, sink, progress, cancel)
    } else {
        let input = Seeker::new(opened)?;
        Unpacking {
            opened,
            selection,
            sink,
            cancel,
            progress,
        }
        .run(input)
    };
    progress.end();
    match restored {
        // Whatever else failed, it was the stop that made it fail.
        Err(_) if cancel.is_set() => Err(Error::Interrupted),
        other => other,
    }
}

/// Decryption on one thread, decompression on `jobs` threads, digests on one more, unpacking here.
fn everything(
    opened: &Opened<'_>,
    selection: &mut Selection,
    jobs: usize,
    sink: &mut dyn Sink,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Restored, Error> {
    let block_bytes = opened.verified().header().block_bytes;
    let payload = opened.payload(0)?;
    let pool = Pool::new(jobs + 6);
    let (give, take) = bounded(1);
    thread::scope(|scope| {
        let blocks = pool.clone();
        let reading = scope.spawn(move || read_blocks(payload, block_bytes, jobs, &blocks, &give));
        let input = Blocks {
            take,
            pool,
            current: BlockCursor::default(),
        };
        let unpacked = Unpacking {
            opened,
            selection,
            sink,
            cancel,
            progress,
        }
        .run(input);
        // The reader's error is the cause when both failed: the unpacker only saw its stream end.
        match reading.join() {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) => unpacked,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Reads, decrypts and decompresses all blocks, in order, into `give`. Ends quietly when nobody takes them any more.
fn read_blocks(
    payload: Plaintext<'_>,
    block_bytes: u32,
    jobs: usize,
    pool: &Pool,
    give: &Sender<Vec<u8>>,
) -> Result<(), Error> {
    let frames = Pool::new(jobs + 2);
    let result = parallel::ordered(
        jobs,
        |feed| read_frames(payload, block_bytes, &frames, &feed),
        || {
            let (frames, pool) = (frames.clone(), pool.clone());
            let mut decompressor = Decompressor::new();
            move |frame: Vec<u8>| {
                let mut block = pool.take();
                match &mut decompressor {
                    Ok(decompressor) => decompressor.decompress(&frame, block_bytes, &mut block)?,
                    Err(_) => return Err(compress::Error::Compress(io::ErrorKind::OutOfMemory.into())),
                }
                frames.give(frame);
                Ok(block)
            }
        },
        |block| match block {
            Ok(block) => give.send(block).map_err(|_| Halt::Unwanted),
            Err(error) => Err(Halt::Failed(error)),
        },
    );
    match result {
        Ok(read) => Ok(read?),
        Err(Halt::Failed(error)) => Err(error.into()),
        Err(Halt::Unwanted) => Ok(()),
    }
}

/// Why the blocks end early.
enum Halt {
    /// A block is damaged.
    Failed(compress::Error),
    /// The unpacker has ended; its own error says why.
    Unwanted,
}

fn read_frames(
    mut payload: Plaintext<'_>,
    block_bytes: u32,
    frames: &Pool,
    feed: &Feed<Vec<u8>, Result<Vec<u8>, compress::Error>>,
) -> Result<(), compress::Error> {
    loop {
        let mut frame = frames.take();
        if !compress::read_frame(&mut payload, block_bytes, &mut frame)? {
            return Ok(());
        }
        if feed.send(frame).is_err() {
            // The consumer has ended; its own error says why.
            return Ok(());
        }
    }
}

/// A tar stream that can be moved to a member.
trait Input: BlockRead {
    /// Goes to where a member begins. Reading everything in order is already there.
    fn go(&mut self, at: Location) -> Result<(), Error>;
}

/// An input that fails once the work was told to stop: one file can take hours.
struct Stoppable<'a, I> {
    input: I,
    cancel: &'a Cancel,
}

impl<I: Read> Read for Stoppable<'_, I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.input.read(buffer)
    }
}

impl<I: BufRead> BufRead for Stoppable<'_, I> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.cancel.check().map_err(io::Error::other)?;
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
    }
}

impl<I: BlockRead> BlockRead for Stoppable<'_, I> {
    fn slice(&self, count: usize) -> Slice {
        self.input.slice(count)
    }
}

impl<I: Input> Input for Stoppable<'_, I> {
    fn go(&mut self, at: Location) -> Result<(), Error> {
        self.input.go(at)
    }
}

/// The blocks of the parallel pass, as one stream.
struct Blocks {
    take: Receiver<Vec<u8>>,
    pool: Pool,
    current: BlockCursor,
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

impl BufRead for Blocks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.rest().is_empty() {
            let Ok(next) = self.take.recv() else { return Ok(&[]) };
            self.current = BlockCursor::new(Block::of(next, self.pool.clone()));
        }
        Ok(self.current.rest())
    }

    fn consume(&mut self, count: usize) {
        self.current.consume(count);
    }
}

impl BlockRead for Blocks {
    fn slice(&self, count: usize) -> Slice {
        self.current.slice(count)
    }
}

impl Input for Blocks {
    fn go(&mut self, _at: Location) -> Result<(), Error> {
        Ok(())
    }
}

/// Blocks read one by one from wherever a member lies.
struct Seeker<'a, 'b> {
    opened: &'a Opened<'b>,
    payload: Option<Plaintext<'b>>,
    decompressor: Decompressor,
    frame: Vec<u8>,
    pool: Pool,
    /// The block at `begin` in the payload, and where the next one begins.
    current: BlockCursor,
    begin: Option<u64>,
    next: u64,
}

impl<'a, 'b> Seeker<'a, 'b> {
    fn new(opened: &'a Opened<'b>) -> Result<Self, Error> {
        Ok(Self {
            opened,
            payload: None,
            decompressor: Decompressor::new()?,
            frame: Vec::new(),
            pool: Pool::new(2),
            current: BlockCursor::default(),
            begin: None,
            next: 0,
        })
    }

    /// Reads the next block; `false` at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        let block_bytes = self.opened.verified().header().block_bytes;
        let Some(payload) = &mut self.payload else {
            return Ok(false);
        };
        if !compress::read_frame(payload, block_bytes, &mut self.frame)? {
            return Ok(false);
        }
        let mut block = self.pool.take();
        self.decompressor.decompress(&self.frame, block_bytes, &mut block)?;
        self.current = BlockCursor::new(Block::of(block, self.pool.clone()));
        self.begin = Some(self.next);
        self.next += (compress::PREFIX_BYTES + self.frame.len()) as u64;
        Ok(true)
    }
}

impl Read for Seeker<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

impl BufRead for Seeker<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.rest().is_empty() {
            if !self.advance().map_err(io::Error::other)? {
                return Ok(&[]);
            }
        }
        Ok(self.current.rest())
    }

    fn consume(&mut self, count: usize) {
        self.current.consume(count);
    }
}

impl BlockRead for Seeker<'_, '_> {
    fn slice(&self, count: usize) -> Slice {
        self.current.slice(count)
    }
}

impl Input for Seeker<'_, '_> {
    fn go(&mut self, at: Location) -> Result<(), Error> {
        if self.begin != Some(at.block) {
            if self.payload.is_none() || self.next != at.block {
                self.payload = Some(self.opened.payload(at.block)?);
                self.next = at.block;
            }
            let _more = self.advance()?;
        }
        // A location past the end of its block shows when the header is compared.
        self.current.go(at.skip as usize);
        Ok(())
    }
}

/// Index and payload side by side.
struct Unpacking<'a, 'b> {
    opened: &'a Opened<'b>,
    selection: &'a mut Selection,
    sink: &'a mut dyn Sink,
    cancel: &'a Cancel,
    progress: &'a dyn Progress,
}

impl Unpacking<'_, '_> {
    fn run<I: Input>(mut self, input: I) -> Result<Restored, Error> {
        let cancel = self.cancel;
        let mut unpacker = Unpacker::new(
            Stoppable { input, cancel },
            self.opened.verified().manifest().created.unix(),
        )?;
        let restored = self.records(&mut unpacker);
        if restored.is_ok() || !cancel.is_set() {
            unpacker.settle()?;
        }
        restored
    }

    fn records<I: Input>(&mut self, unpacker: &mut Unpacker<Stoppable<'_, I>>) -> Result<Restored, Error> {
        let mut records = self.opened.records()?;
        let mut restored = Restored::default();
        let mut parents = Parents::default();
        while let Some(record) = records.next_record()? {
            self.cancel.check().map_err(|_| Error::Interrupted)?;
            match record {
                Record::Entry(entry) => {
                    if !self.selection.wants(&entry.path) {
                        parents.remember(entry);
                        continue;
                    }
                    parents.give(&entry.path, self.sink)?;
                    unpacker.input().go(entry.at)?;
                    unpacker.entry(&entry, |content| self.sink.entry(&entry, content))??;
                    restored.entries += 1;
                    restored.bytes += entry.stored_bytes();
                    self.progress.advance(entry.stored_bytes());
                }
                Record::Part(part) if self.selection.wants(&part.path) => {
                    parents.give(&part.path, self.sink)?;
                    unpacker.input().go(part.at)?;
                    unpacker.part(&part, |content| self.sink.part(&part, content))??;
                    restored.bytes += part.size;
                    self.progress.advance(part.size);
                }
                Record::Stream(stream) if self.selection.wants(&stream.path) => {
                    unpacker.stream(&stream)?;
                    self.sink.stream(&stream)?;
                    restored.entries += 1;
                }
                Record::Exception(exception) if self.selection.wants(&exception.path) => {
                    restored.exceptions.push((exception.path, exception.reason));
                }
                // What is not wanted, and what has no member.
                Record::Part(_)
                | Record::Stream(_)
                | Record::Exception(_)
                | Record::Begin(_)
                | Record::Source(_)
                | Record::Facts(_)
                | Record::End(_) => {}
            }
        }
        if self.selection.is_all() {
            unpacker.finish()?;
        }
        self.selection.finish()?;
        Ok(restored)
    }
}

/// Folders that were not asked for, but that hold what was: each is given once, before the first entry in it.
#[derive(Default)]
struct Parents(Vec<Entry>);

impl Parents {
    fn remember(&mut self, entry: Entry) {
        if entry.node == Node::Directory {
            self.0
                .retain(|folder| entry.path.as_path().starts_with(folder.path.as_path()));
            self.0.push(entry);
        }
    }

    fn give(&mut self, path: &EntryPath, sink: &mut dyn Sink) -> Result<(), Error> {
        for folder in self.0.drain(..) {
            if path.as_path().starts_with(folder.path.as_path()) {
                sink.entry(&folder, &mut io::empty())?;
            }
        }
        Ok(())
    }
}
