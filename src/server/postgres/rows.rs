//! Rows as COPY sends them: one message is one row, in the format that was asked for.

use super::layout::Format;

/// What COPY's binary format begins with, before its flags and the length of its extension.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Octets of the header without its extension.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;

/// What ends COPY's binary format, in the place of a row's number of columns.
const TRAILER: [u8; 2] = [0xff; 2];

/// Finds the row in each message of one `COPY … TO STDOUT`.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    format: Format,
    /// Whether the header of the binary format is still to come.
    headed: bool,
}

impl Framing {
    /// For a COPY that has sent nothing yet.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            headed: format == Format::Binary,
        }
    }

    /// The octets of the row in the next message: what its fingerprint is made of. A message that is only the beginning or the end of a
    /// binary COPY has none.
    pub fn row<'m>(&mut self, message: &'m [u8]) -> Option<&'m [u8]> {
        match self.format {
            Format::Text => Some(message.strip_suffix(b"\n").unwrap_or(message)),
            Format::Binary => {
                let row = if std::mem::take(&mut self.headed) {
                    after_header(message)
                } else {
                    message
                };
                (!row.is_empty() && row != TRAILER).then_some(row)
            }
        }
    }
}

/// The server sends the header with the first row, or with the trailer when there is no row.
fn after_header(message: &[u8]) -> &[u8] {
    if !message.starts_with(SIGNATURE) {
        return message;
    }
    let length = message.get(HEADER_BYTES - 4..HEADER_BYTES);
    let length = length.and_then(|octets| octets.try_into().ok()).map(u32::from_be_bytes);
    let extension = length
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or_default();
    message
        .get(HEADER_BYTES.saturating_add(extension)..)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(extension: &[u8], row: &[u8]) -> Vec<u8> {
        let length = u32::try_from(extension.len()).expect("short").to_be_bytes();
        [SIGNATURE.as_slice(), &[0; 4], &length, extension, row].concat()
    }

    #[test]
    fn text_is_a_line() {
        let mut framing = Framing::new(Format::Text);
        assert_eq!(framing.row(b"a\tb\n"), Some(b"a\tb".as_slice()));
        assert_eq!(framing.row(b"\n"), Some(b"".as_slice()), "a row without columns");
    }

    #[test]
    fn binary_is_a_message_without_header_and_trailer() {
        let row = [0, 1, 0, 0, 0, 1, 7];
        for extension in [b"".as_slice(), b"more"] {
            let mut framing = Framing::new(Format::Binary);
            assert_eq!(framing.row(&header(extension, &row)), Some(row.as_slice()));
            assert_eq!(framing.row(&row), Some(row.as_slice()));
            assert_eq!(framing.row(&[0, 0]), Some([0, 0].as_slice()), "a row without columns");
            assert_eq!(framing.row(&TRAILER), None);
        }
        let mut empty = Framing::new(Format::Binary);
        assert_eq!(empty.row(&header(b"", &TRAILER)), None);
        let mut apart = Framing::new(Format::Binary);
        assert_eq!(apart.row(&header(b"", b"")), None);
        assert_eq!(apart.row(&row), Some(row.as_slice()));
    }
}
