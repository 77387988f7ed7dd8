//! Packets over a stream: the lowest layer of the client protocol.
//!
//! A packet is three octets of length, one of sequence, and the payload; a payload of 2^24 - 1 octets goes on in the next packet.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use std::time::Instant;

use rustls::ClientConnection;
use rustls::StreamOwned;

use super::error::Error;
use crate::base::cancel::Cancel;

/// Longest payload of one packet.
const PAYLOAD_MAX: usize = 0xff_ff_ff;
const HEADER: usize = 4;
/// How much is read at once: several TLS records, and far more than a row.
const BUFFER_BYTES: usize = 128 << 10;
/// A buffer that one long row made larger than this shrinks again.
const BUFFER_KEPT: usize = 1 << 20;
/// How long a read or write waits before it asks whether to stop.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// The ways to a server.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Between the streams of a TLS handshake.
    Closed,
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            Self::Closed => Ok(0),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Closed => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            Self::Tcp(_) | Self::Unix(_) | Self::Closed => Ok(()),
        }
    }
}

/// Packets in and out, with one buffer.
pub(super) struct Wire {
    pub(super) stream: Stream,
    buffer: Vec<u8>,
    /// What was read and not yet handed out.
    start: usize,
    end: usize,
    sequence: u8,
    cancel: Cancel,
    /// A second reason to stop: the work that this connection belongs to has ended.
    pub(super) ended: Option<Cancel>,
    /// Until when the login must be done.
    pub(super) deadline: Option<Instant>,
}

impl Wire {
    pub(super) fn new(stream: Stream, cancel: Cancel, deadline: Option<Instant>) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            sequence: 0,
            cancel,
            ended: None,
            deadline,
        }
    }

    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Whether bytes were read that no packet has taken: before TLS begins there must be none.
    pub(super) fn has_unread(&self) -> bool {
        self.start != self.end
    }

    /// The payload of the next packet, valid until the next call.
    pub(super) fn packet(&mut self) -> Result<&[u8], Error> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > BUFFER_KEPT {
                self.buffer.truncate(BUFFER_BYTES);
                self.buffer.shrink_to_fit();
            }
        }
        let mut length = self.header(0)?;
        let mut total = length;
        self.need(HEADER + total)?;
        while length == PAYLOAD_MAX {
            // The header of the continuation lies behind the payload so far: taken out, so that the payload is whole.
            length = self.header(HEADER + total)?;
            self.need(HEADER + total + HEADER + length)?;
            let gap = self.start + HEADER + total;
            self.buffer.copy_within(gap + HEADER..self.end, gap);
            self.end -= HEADER;
            total += length;
        }
        let begin = self.start + HEADER;
        self.start = begin + total;
        Ok(&self.buffer[begin..begin + total])
    }

    /// Reads the packet header `offset` octets on; gives the length of its payload.
    fn header(&mut self, offset: usize) -> Result<usize, Error> {
        self.need(offset + HEADER)?;
        let at = self.start + offset;
        let [low, middle, high, sequence] = self.buffer[at..at + HEADER] else {
            return Err(Error::Protocol("a header is four octets"));
        };
        if sequence != self.sequence {
            return Err(Error::Protocol("a packet is out of order"));
        }
        self.sequence = sequence.wrapping_add(1);
        Ok(usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16)
    }

    /// Sees that `count` octets from `start` are there.
    fn need(&mut self, count: usize) -> Result<(), Error> {
        if self.start + count > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if count > self.buffer.len() {
                self.buffer.resize(count.next_multiple_of(BUFFER_BYTES), 0);
            }
        }
        while self.end - self.start < count {
            let got = loop {
                match self.stream.read(&mut self.buffer[self.end..]) {
                    Err(error) => self.may_try_again(error)?,
                    Ok(got) => break got,
                }
            };
            if got == 0 {
                return Err(Error::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
            self.end += got;
        }
        Ok(())
    }

    /// Whether an error only says that nothing came for a while, and nobody told us to stop meanwhile.
    fn may_try_again(&self, error: io::Error) -> Result<(), Error> {
        // `TimedOut` is what keepalive says of a dead peer, and no reason to try again.
        if error.kind() == io::ErrorKind::Interrupted {
            return Ok(self.cancel.check()?);
        }
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(Error::Lost(error));
        }
        self.cancel.check()?;
        if let Some(ended) = &self.ended {
            ended.check()?;
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::Lost(io::Error::new(
                io::ErrorKind::TimedOut,
                "no answer in time",
            )));
        }
        Ok(())
    }

    /// Begins a command: the numbers of its packets begin at 0.
    pub(super) fn begin(&mut self) {
        self.sequence = 0;
    }

    /// Sends one payload, given in two pieces so that a statement need not be copied behind its command octet.
    pub(super) fn send(&mut self, first: &[u8], second: &[u8]) -> Result<(), Error> {
        let total = first.len() + second.len();
        let mut sent = 0;
        loop {
            let length = (total - sent).min(PAYLOAD_MAX);
            let octets = u32::try_from(length).expect("at most 2^24").to_le_bytes();
            let mut head = vec![octets[0], octets[1], octets[2], self.sequence];
            self.sequence = self.sequence.wrapping_add(1);
            // Only the first packet holds any of `first`, which is a few hundred octets at most.
            let begin = sent.saturating_sub(first.len());
            if sent == 0 {
                head.extend_from_slice(first);
            }
            sent += length;
            self.write_all(&head)?;
            self.write_all(&second[begin..sent - first.len()])?;
            if length < PAYLOAD_MAX {
                break;
            }
        }
        self.flush()
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(Error::Lost(io::ErrorKind::WriteZero.into())),
                Ok(count) => bytes = &bytes[count..],
                Err(error) => self.may_try_again(error)?,
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        loop {
            match self.stream.flush() {
                Ok(()) => return Ok(()),
                Err(error) => self.may_try_again(error)?,
            }
        }
    }
}
