//! The literal data packet (RFC 9580 section 5.9) inside both OpenPGP containers: binary, without a name, without a date.

use std::io;
use std::io::Read;
use std::io::Write;

use super::error::Error;
use super::error::damaged;
use super::framing::Deframer;
use super::framing::Framer;
use super::framing::Framing;
use super::framing::read_exact;

const TAG: u8 = 0xcb;
const HEADER: [u8; 6] = [b'b', 0, 0, 0, 0, 0];

/// Where the plaintext is in a literal packet of known length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Literal {
    framing: Framing,
}

impl Literal {
    /// `None` when no literal packet of this form has this length.
    pub(crate) fn of_packet(total: u64) -> Option<Self> {
        let framing = Framing::of_packet(total)?;
        (framing.body() >= HEADER.len() as u64).then_some(Self { framing })
    }

    /// Octets of plaintext.
    pub(crate) fn plaintext(self) -> u64 {
        self.framing.body() - HEADER.len() as u64
    }

    /// Refuses to read from past the end.
    pub(crate) fn check_start(self, start: u64) -> Result<(), Error> {
        if start > self.plaintext() {
            return Err(Error::Damaged("it ends before the place to read from"));
        }
        Ok(())
    }

    /// Where in the packet the reader begins that shall read the plaintext from `start` on.
    pub(crate) fn position(self, start: u64) -> u64 {
        self.framing.position(Self::offset(start))
    }

    /// Reads the plaintext from `start` on; `inner` stands at [`Literal::position`].
    pub(crate) fn reader<R: Read>(self, inner: R, start: u64) -> io::Result<Deframer<R>> {
        let mut reader = Deframer::new(inner, self.framing, TAG, Self::offset(start));
        if start == 0 {
            let mut header = [0; HEADER.len()];
            read_exact(&mut reader, &mut header)?;
            if header != HEADER {
                return Err(damaged("its literal packet is of another form"));
            }
        }
        Ok(reader)
    }

    fn offset(start: u64) -> u64 {
        if start == 0 { 0 } else { start + HEADER.len() as u64 }
    }
}

/// Begins a literal packet.
pub(crate) fn begin<W: Write>(inner: W) -> io::Result<Framer<W>> {
    let mut framer = Framer::begin(inner, TAG)?;
    framer.write_all(&HEADER)?;
    Ok(framer)
}
