//! How values stand in the two ways to write a connection.

use zeroize::Zeroizing;

use super::bad_parameters::BadParameters;

/// A value of the `key=value` form, up to its end: in quotation marks where it holds spaces.
pub(super) fn read_value(
    letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
) -> Result<Zeroizing<String>, BadParameters> {
    let mut value = Zeroizing::new(String::with_capacity(64));
    let is_quoted = letters.next_if_eq(&'\'').is_some();
    loop {
        match letters.peek().copied() {
            None if is_quoted => return Err(BadParameters::OpenQuote),
            None => return Ok(value),
            Some('\\') => {
                letters.next();
                value.extend(letters.next());
            }
            Some('\'') if is_quoted => {
                letters.next();
                return Ok(value);
            }
            Some(letter) if !is_quoted && letter.is_whitespace() => return Ok(value),
            Some(letter) => {
                letters.next();
                value.push(letter);
            }
        }
    }
}

/// Undoes the encoding of a URI; `part` is for errors.
pub(super) fn decode(text: &str, part: &'static str) -> Result<Zeroizing<String>, BadParameters> {
    let bad = || BadParameters::Encoding { part };
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let pair = [rest.next().ok_or_else(bad)?, rest.next().ok_or_else(bad)?];
        let mut decoded = [0];
        hex::decode_to_slice(pair, &mut decoded).map_err(|_| bad())?;
        octets.push(decoded[0]);
    }
    if octets.contains(&0) {
        return Err(bad());
    }
    let text = std::str::from_utf8(&octets).map_err(|_| bad())?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The encoding of a URI.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~/*,".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            encoded.extend(['%', hex_digit(octet >> 4), hex_digit(octet & 15)]);
        }
    }
    encoded
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16)
        .expect("four bits")
        .to_ascii_uppercase()
}
