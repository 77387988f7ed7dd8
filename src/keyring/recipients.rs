//! Recipients out of bytes: OpenPGP certificates, or lines `age1…`.

use super::Error;
use super::Recipient;
use super::openpgp;
use crate::base::limits;

/// Reads OpenPGP certificates (armored or binary), or an age recipients file: one recipient a line, and comments.
///
/// # Errors
/// When a line or a certificate does not parse, when there is none, or past the bounds of [`limits`].
pub fn read_recipients(bytes: &[u8]) -> Result<Vec<Recipient>, Error> {
    if bytes.len() as u64 > limits::KEY_FILE_BYTES_MAX {
        return Err(Error::TooLarge {
            bytes_max: limits::KEY_FILE_BYTES_MAX,
        });
    }
    if openpgp::looks_like_openpgp(bytes) {
        let certificates = openpgp::read_certificates(bytes)?;
        return Ok(certificates
            .into_iter()
            .map(|certificate| Recipient::OpenPgp(Box::new(certificate)))
            .collect());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::NotARecipient { line: 1 })?;
    let recipients = read_lines(text)?;
    if recipients.is_empty() {
        return Err(Error::NoRecipient);
    }
    Ok(recipients)
}

fn read_lines(text: &str) -> Result<Vec<Recipient>, Error> {
    let mut recipients = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !is_age_recipient(line) {
            return Err(Error::NotARecipient { line: index + 1 });
        }
        if recipients.len() == limits::CERTIFICATES_MAX {
            return Err(Error::TooMany {
                most: limits::CERTIFICATES_MAX,
            });
        }
        recipients.push(Recipient::Age(line.to_owned()));
    }
    Ok(recipients)
}

/// Lower case alone: the text stands in manifests, and one recipient has one spelling there.
fn is_age_recipient(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_uppercase())
        && (text.parse::<age::x25519::Recipient>().is_ok() || text.parse::<age::plugin::Recipient>().is_ok())
}
