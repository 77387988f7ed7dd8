//! Rows whose octets are written as hexadecimal numbers, as LOAD DATA reads them with least work: the octets themselves, escaped.

use super::rows::NotRows;
use crate::server::mysql::sql;

/// Appends tuples in which every `0x…` became a quoted string of its octets. For a file whose character set is `binary`.
pub(super) fn raw(tuples: &[u8], out: &mut Vec<u8>) -> Result<(), NotRows> {
    let (mut rest, mut octets) = (tuples, Vec::new());
    out.reserve(tuples.len());
    while !rest.is_empty() {
        // `rest` begins where a cell does, or between two tuples.
        let length = match rest {
            [b'\'', ..] => text(rest)?,
            [b'0', b'x', digits @ ..] => {
                let length = memchr::memchr2(b',', b')', digits).ok_or(NotRows)?;
                decode(&digits[..length], &mut octets)?;
                sql::quote(&octets, out);
                rest = &digits[length..];
                continue;
            }
            // Of a number, NULL, or what stands around cells.
            _ => memchr::memchr2(b',', b'(', rest).map_or(rest.len(), |at| at + 1),
        };
        out.extend_from_slice(&rest[..length]);
        rest = &rest[length..];
    }
    Ok(())
}

/// How long the quoted string is that `cell` begins with.
fn text(cell: &[u8]) -> Result<usize, NotRows> {
    let mut at = 1;
    loop {
        let rest = cell.get(at..).ok_or(NotRows)?;
        at += memchr::memchr2(b'\'', b'\\', rest).ok_or(NotRows)?;
        if cell[at] == b'\'' {
            return Ok(at + 1);
        }
        at += 2;
    }
}

/// What a hexadecimal digit stands for; more than 15 for any other octet.
const DIGITS: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut value = 0_u8;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        table[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

fn decode(digits: &[u8], out: &mut Vec<u8>) -> Result<(), NotRows> {
    if !digits.len().is_multiple_of(2) {
        return Err(NotRows);
    }
    let mut all = 0;
    out.clear();
    out.extend(digits.chunks_exact(2).map(|pair| {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        all |= high | low;
        high << 4 | low
    }));
    if all > 15 { Err(NotRows) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::raw;

    #[test]
    fn hexadecimal_cells_become_octets_and_nothing_else_changes() {
        let mut out = Vec::new();
        let rows = b"(1,'0x41\\',0x42','',0x4100270A5c,NULL,-0e0),\n(0x,2),\n(0xff),\n";
        raw(rows, &mut out).expect("rows");
        assert_eq!(
            out,
            b"(1,'0x41\\',0x42','','A\\0\\'\\n\\\\',NULL,-0e0),\n('',2),\n('\xff'),\n"
        );
        for bad in [&b"(0x4)"[..], b"(0x4g)", b"(0x41", b"('a", b"('a\\"] {
            assert!(raw(bad, &mut Vec::new()).is_err(), "{bad:?}");
        }
    }
}
