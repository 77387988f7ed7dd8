//! Words of SQL that both sides use: quoting, and the settings of a session.

/// A name in backticks.
#[must_use]
pub fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table of a database, both in backticks.
#[must_use]
pub fn qualified(database: &str, table: &str) -> String {
    format!("{}.{}", name(database), name(table))
}

/// A quoted string for a session whose `sql_mode` leaves backslashes their meaning.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote(text.as_bytes(), &mut out);
    String::from_utf8(out).expect("escapes are ASCII")
}

/// What stands behind the backslash for an octet that is escaped in a string; 0 for one that stands for itself.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    table[0] = b'0';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[0x1a] = b'Z';
    table[b'\\' as usize] = b'\\';
    table[b'\'' as usize] = b'\'';
    table
};

/// Appends a string literal: in quotes, with `\0 \n \r \Z \\ \'` for the octets that need it, so that it stays on one line.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'\'');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|octet| ESCAPES[usize::from(*octet)] != 0) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', ESCAPES[usize::from(rest[at])]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'\'');
}

/// Appends octets as a hexadecimal literal, `''` for none.
pub fn hexadecimal(octets: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if octets.is_empty() {
        out.extend_from_slice(b"''");
        return;
    }
    out.reserve(2 * octets.len() + 2);
    out.extend_from_slice(b"0x");
    for octet in octets {
        out.extend_from_slice(&[DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
    }
}

/// What every session of ours begins with, reading or writing: text as UTF-8, times as UTC, zeros and backslashes as written, quotes
/// as the standard client prints them, and no limit on how long a statement or a pause lasts.
pub const SESSION: [&str; 2] = [
    "SET NAMES utf8mb4",
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', sql_quote_show_create = 1, autocommit = 1, \
     net_read_timeout = 86400, net_write_timeout = 86400, wait_timeout = 604800",
];

/// What a session that loads rows adds: mysqldump's settings.
pub const LOADING: &str = "SET SESSION foreign_key_checks = 0, unique_checks = 0";

#[cfg(test)]
mod tests {
    use super::hexadecimal;
    use super::name;
    use super::quoted;

    #[test]
    fn quoting_escapes_what_would_end_a_string_or_a_line() {
        assert_eq!(name("a`b"), "`a``b`");
        assert_eq!(quoted("it's\\ \0\n\r\u{1a}\" é"), "'it\\'s\\\\ \\0\\n\\r\\Z\" é'");
        let mut out = Vec::new();
        hexadecimal(&[0, 0xff, 0x1b], &mut out);
        hexadecimal(&[], &mut out);
        assert_eq!(out, b"0x00FF1B''");
    }
}
