//! The payload as a tar stream: all of it in one parallel pass, or from wherever a member lies.

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
use crate::base::shared::Block;
use crate::base::shared::BlockCursor;
use crate::base::shared::BlockRead;
use crate::base::shared::Slice;
use crate::base::shared::read_buffered;
use crate::bundle::entry::Location;
use crate::compress;
use crate::compress::Decompressor;

use super::contents;
use super::contents::Opened;
use super::contents::Plaintext;

/// Why the payload could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be opened or decrypted.
    #[error(transparent)]
    Contents(#[from] contents::Error),
    /// A block could not be read.
    #[error(transparent)]
    Compress(#[from] compress::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Contents(error) => error.kind(),
            Self::Compress(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Contents(error) => error.hint(),
            Self::Compress(error) => error.hint(),
        }
    }
}

/// A tar stream that can be moved to a member.
pub(super) trait Input: BlockRead {
    /// Goes to where a member begins. Reading everything in order is already there.
    fn go(&mut self, at: Location) -> Result<(), Error>;
}

/// An input that fails once the work was told to stop: one file can take hours.
pub(super) struct Stoppable<'a, I> {
    pub(super) input: I,
    pub(super) cancel: &'a Cancel,
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
pub(super) struct Blocks {
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
pub(super) struct Seeker<'a, 'b> {
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
    pub(super) fn new(opened: &'a Opened<'b>) -> Result<Self, Error> {
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

/// Decryption on one thread, decompression on `jobs` threads; `unpack` here.
pub(super) fn in_one_pass<T, E: From<Error>>(
    opened: &Opened<'_>,
    jobs: usize,
    unpack: impl FnOnce(Blocks) -> Result<T, E>,
) -> Result<T, E> {
    let block_bytes = opened.verified().header().block_bytes;
    let payload = opened.payload(0).map_err(Error::Contents)?;
    let pool = Pool::new(jobs + 6);
    let (give, take) = bounded(1);
    thread::scope(|scope| {
        let blocks = pool.clone();
        let reading = scope.spawn(move || read_blocks(payload, block_bytes, jobs, &blocks, &give));
        let unpacked = unpack(Blocks {
            take,
            pool,
            current: BlockCursor::default(),
        });
        // The reader's error is the cause when both failed: the unpacker only saw its stream end.
        match reading.join() {
            Ok(Err(error)) => Err(error.into()),
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
                    Err(error) => return Err(error.again()),
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
