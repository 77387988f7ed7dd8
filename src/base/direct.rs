//! Long files written straight to the medium: what is written once and not read soon neither takes the time of a copy through the page
//! cache nor drives out of it what other programs of the host need (`open(2)`, `O_DIRECT`).
//!
//! A means to be faster, and nothing more: where a file system does not offer it the bytes go the usual way, and only a sync makes
//! them last.

use std::fs::File;
use std::io;
use std::mem;
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use rustix::fs::OFlags;

/// What offsets, lengths and addresses must be multiples of: no smaller than the block of any common medium.
const ALIGNMENT: usize = 4096;

/// Bytes of one write: few enough to hold two of them, many enough to keep the medium busy.
const WRITE_BYTES: usize = 1 << 20;

/// Writes to a file that nobody else uses meanwhile. Without [`settle`](Self::settle) the last bytes are lost.
///
/// Bytes are gathered here while a thread writes those before them: holds 2 MiB.
#[derive(Debug)]
pub struct DirectWriter {
    filling: Chunk,
    /// One of the two is at the thread whenever this is `None`.
    spare: Option<Chunk>,
    give: Sender<Chunk>,
    back: Receiver<io::Result<Chunk>>,
    thread: JoinHandle<io::Result<()>>,
}

impl DirectWriter {
    /// A writer of `file`.
    ///
    /// # Errors
    /// When the system has no thread or no descriptor to give.
    pub fn new(file: &File) -> io::Result<Self> {
        let (give, take) = bounded::<Chunk>(1);
        let (done, back) = bounded(1);
        let mut medium = Medium {
            file: file.try_clone()?,
            offered: true,
            direct: false,
        };
        let write = move || {
            for chunk in take {
                let written = medium.write(&chunk).map(|()| chunk);
                if done.send(written).is_err() {
                    break;
                }
            }
            medium.turn(false)
        };
        Ok(Self {
            filling: Chunk::new(),
            spare: Some(Chunk::new()),
            give,
            back,
            thread: thread::Builder::new().name("direct".into()).spawn(write)?,
        })
    }

    /// Writes all of `bytes` at `offset`. Offsets rise.
    ///
    /// # Errors
    /// What the file system reports of these bytes or of earlier ones.
    pub fn write_at(&mut self, mut bytes: &[u8], offset: u64) -> io::Result<()> {
        if offset != self.filling.end() {
            self.hand_over(offset)?;
        }
        while !bytes.is_empty() {
            let count = self.filling.take(bytes);
            bytes = &bytes[count..];
            if self.filling.room() == 0 {
                self.hand_over(self.filling.end())?;
            }
        }
        Ok(())
    }

    /// Waits until everything is written, and leaves the file in its usual mode.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn settle(mut self) -> io::Result<()> {
        self.hand_over(0)?;
        self.take_back()?;
        drop(self.give);
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Gives what was gathered to the thread, and begins to gather what goes to `begin`.
    fn hand_over(&mut self, begin: u64) -> io::Result<()> {
        let mut next = match self.spare.take() {
            Some(spare) => spare,
            None => self.take_back()?,
        };
        next.begin = begin;
        next.filled = 0;
        let full = mem::replace(&mut self.filling, next);
        // The thread lives as long as it may take.
        self.give.send(full).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// The chunk that the thread has written.
    fn take_back(&self) -> io::Result<Chunk> {
        self.back
            .recv()
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?
    }
}

/// Bytes that belong together in the file, at an aligned address.
#[derive(Debug)]
struct Chunk {
    begin: u64,
    filled: usize,
    buffer: Vec<u8>,
    aligned: usize,
}

impl Chunk {
    fn new() -> Self {
        let buffer = vec![0; WRITE_BYTES + ALIGNMENT];
        let aligned = buffer.as_ptr().align_offset(ALIGNMENT);
        Self {
            begin: 0,
            filled: 0,
            buffer,
            aligned,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.aligned..][..self.filled]
    }

    fn end(&self) -> u64 {
        self.begin + self.filled as u64
    }

    fn is_aligned(&self) -> bool {
        self.begin.is_multiple_of(ALIGNMENT as u64)
    }

    /// What still fits: after a hole no more than up to the next multiple, where direct writes go on.
    fn room(&self) -> usize {
        let over = (self.begin % ALIGNMENT as u64) as usize;
        let most = if over == 0 { WRITE_BYTES } else { ALIGNMENT - over };
        most - self.filled
    }

    /// Takes the first of `bytes`, as many as fit.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        self.buffer[self.aligned + self.filled..][..count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        count
    }
}

/// The file as the thread sees it.
struct Medium {
    file: File,
    /// Whether the file system has not refused the direct mode yet, and whether it is on.
    offered: bool,
    direct: bool,
}

impl Medium {
    fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        let (bytes, begin) = (chunk.bytes(), chunk.begin);
        let whole = if chunk.is_aligned() {
            bytes.len() - bytes.len() % ALIGNMENT
        } else {
            0
        };
        let (whole, rest) = bytes.split_at(whole);
        let at = begin + whole.len() as u64;
        if self.write_direct(whole, begin) {
            self.write_cached(rest, at)
        } else {
            self.write_cached(bytes, begin)
        }
    }

    /// Whether it worked. Whatever speaks against it, the usual way tells whether it is the mode or the medium.
    fn write_direct(&mut self, bytes: &[u8], begin: u64) -> bool {
        if self.offered && !bytes.is_empty() {
            let written = self.turn(true).and_then(|()| self.file.write_all_at(bytes, begin));
            self.offered = written.is_ok();
        }
        self.offered
    }

    fn write_cached(&mut self, bytes: &[u8], begin: u64) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.turn(false)?;
        self.file.write_all_at(bytes, begin)
    }

    /// Turns the direct mode of the file on or off.
    fn turn(&mut self, direct: bool) -> io::Result<()> {
        if self.direct != direct {
            let mut flags = rustix::fs::fcntl_getfl(&self.file)?;
            flags.set(OFlags::DIRECT, direct);
            rustix::fs::fcntl_setfl(&self.file, flags)?;
            self.direct = direct;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets without a short period.
    fn octets(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    fn written(length: usize, pieces: &[(usize, usize)]) -> Vec<u8> {
        let path = tempfile::NamedTempFile::new_in(".").expect("a file");
        let file = path.as_file();
        file.set_len(length as u64).expect("room");
        let content = octets(length);
        let mut writer = DirectWriter::new(file).expect("a thread");
        for &(begin, end) in pieces {
            writer.write_at(&content[begin..end], begin as u64).expect("written");
        }
        writer.settle().expect("written");
        let flags = rustix::fs::fcntl_getfl(file).expect("open");
        assert!(!flags.contains(OFlags::DIRECT), "the file is as it was");
        std::fs::read(path.path()).expect("readable")
    }

    #[test]
    fn odd_lengths_arrive_whole() {
        for length in [
            0,
            1,
            4095,
            4096,
            4097,
            WRITE_BYTES - 1,
            WRITE_BYTES,
            WRITE_BYTES + 1,
            3 * WRITE_BYTES + 12_345,
        ] {
            assert_eq!(written(length, &[(0, length)]), octets(length), "{length}");
        }
    }

    #[test]
    fn pieces_of_any_length_join() {
        let length = 2 * WRITE_BYTES + 777;
        for step in [511, 4096, 100_000, WRITE_BYTES - 1, WRITE_BYTES + 4097] {
            let pieces: Vec<_> = (0..length)
                .step_by(step)
                .map(|at| (at, (at + step).min(length)))
                .collect();
            assert_eq!(written(length, &pieces), octets(length), "{step}");
        }
    }

    #[test]
    fn holes_stay_empty() {
        let extents = [
            (5, 4000),
            (4000, 9001),
            (9002, 9003),
            (16_384, 3 * WRITE_BYTES + 5),
            (3 * WRITE_BYTES + 8192, 4 * WRITE_BYTES),
        ];
        let length = 4 * WRITE_BYTES + 99;
        let mut expected = vec![0; length];
        let content = octets(length);
        for (begin, end) in extents {
            expected[begin..end].copy_from_slice(&content[begin..end]);
        }
        assert_eq!(written(length, &extents), expected);
    }

    #[test]
    fn without_the_mode_the_bytes_arrive_too() {
        let path = tempfile::NamedTempFile::new().expect("a file");
        let mut medium = Medium {
            file: path.as_file().try_clone().expect("a descriptor"),
            offered: false,
            direct: false,
        };
        let mut chunk = Chunk::new();
        assert_eq!(chunk.take(&octets(WRITE_BYTES + 10)), WRITE_BYTES);
        medium.write(&chunk).expect("written");
        assert_eq!(std::fs::read(path.path()).expect("readable"), octets(WRITE_BYTES));
    }

    #[test]
    fn an_error_of_the_medium_is_told() {
        let mut writer = DirectWriter::new(&File::open("/dev/null").expect("readable")).expect("a thread");
        writer.write_at(b"no room", 0).expect("gathered");
        writer.settle().expect_err("it is open for reading alone");
    }
}
