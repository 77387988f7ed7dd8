//! The login: greeting, TLS, and the proof that we know the password.
//!
//! The password itself is only ever sent within TLS or over a Unix socket. A server that cannot do with a scramble gets nothing
//! over plain TCP, not even under a public key of its own, for which nobody vouches.

use std::io;
use std::time::Instant;

use rustls::StreamOwned;
use sha1::Sha1;
use sha2::Digest as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::Error;
use super::options::Options;
use super::options::TlsMode;
use super::tls;
use super::wire::Stream;
use super::wire::Wire;

const LONG_PASSWORD: u32 = 1;
const LONG_FLAG: u32 = 1 << 2;
const CONNECT_WITH_DB: u32 = 1 << 3;
/// Rows may be sent as a "local file": only [`super::connection::Connection::load`] answers such a request, and never from a file.
const LOCAL_FILES: u32 = 1 << 7;
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const TRANSACTIONS: u32 = 1 << 13;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;

/// Rows and statements up to the largest that any server takes.
const PACKET_MAX: u32 = 1 << 30;
/// `utf8mb4_general_ci`, which every server has.
const COLLATION: u8 = 45;

const NATIVE: &str = "mysql_native_password";
const CACHING_SHA2: &str = "caching_sha2_password";
const SHA256: &str = "sha256_password";
const CLEAR: &str = "mysql_clear_password";

/// What the server says first.
pub(super) struct Greeting {
    pub(super) version: String,
    pub(super) connection: u32,
    capabilities: u32,
    nonce: Vec<u8>,
    plugin: String,
}

fn text_up_to_nul(bytes: &mut &[u8]) -> Result<String, Error> {
    let end = bytes
        .iter()
        .position(|octet| *octet == 0)
        .ok_or(Error::Protocol("a text has no end"))?;
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    *bytes = &bytes[end + 1..];
    Ok(text)
}

fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Result<&'b [u8], Error> {
    if bytes.len() < count {
        return Err(Error::Protocol("a packet is too short"));
    }
    let (head, rest) = bytes.split_at(count);
    *bytes = rest;
    Ok(head)
}

/// The error in a packet that begins with 0xFF.
pub(super) fn error_packet(packet: &[u8]) -> Error {
    let mut rest = packet.get(1..).unwrap_or_default();
    let Ok(&[low, high]) = take(&mut rest, 2) else {
        return Error::Protocol("an error without a number");
    };
    let mut state = "HY000".to_owned();
    if rest.first() == Some(&b'#') && rest.len() >= 6 {
        state = String::from_utf8_lossy(&rest[1..6]).into_owned();
        rest = &rest[6..];
    }
    Error::Server {
        code: u16::from_le_bytes([low, high]),
        state,
        message: String::from_utf8_lossy(rest).into_owned(),
    }
}

impl Greeting {
    fn parse(packet: &[u8]) -> Result<Self, Error> {
        let mut rest = packet;
        match take(&mut rest, 1)? {
            [10] => {}
            [0xff] => return Err(error_packet(packet)),
            _ => return Err(Error::Protocol("this is no MySQL or MariaDB server")),
        }
        let version = text_up_to_nul(&mut rest)?;
        let connection = take(&mut rest, 4)?;
        let connection = u32::from_le_bytes(connection.try_into().expect("four octets"));
        let mut nonce = take(&mut rest, 8)?.to_vec();
        let fixed = take(&mut rest, 19)?;
        let capabilities = u32::from_le_bytes([fixed[1], fixed[2], fixed[6], fixed[7]]);
        let nonce_bytes = usize::from(fixed[8]).max(21) - 8;
        nonce.extend_from_slice(take(&mut rest, nonce_bytes)?);
        nonce.truncate(20);
        let plugin = text_up_to_nul(&mut rest).unwrap_or_default();
        Ok(Self {
            version,
            connection,
            capabilities,
            nonce,
            plugin,
        })
    }
}

/// Logs in over a fresh stream.
pub(super) fn login(wire: &mut Wire, options: &Options, host: Option<&str>) -> Result<Greeting, Error> {
    let server = options.server();
    let greeting = Greeting::parse(wire.packet()?)?;
    let mut capabilities =
        LONG_PASSWORD | LONG_FLAG | LOCAL_FILES | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | PLUGIN_AUTH;
    let head = |capabilities: u32| {
        let mut head = capabilities.to_le_bytes().to_vec();
        head.extend_from_slice(&PACKET_MAX.to_le_bytes());
        head.push(COLLATION);
        head.extend_from_slice(&[0; 23]);
        head
    };
    // A Unix socket is not TLS, and safe without it.
    if let (Some(host), true) = (host, options.tls.mode != TlsMode::Disabled) {
        if greeting.capabilities & SSL != 0 {
            capabilities |= SSL;
            wire.send(&head(capabilities), &[])?;
            begin_tls(wire, options, host)?;
        } else if options.tls.mode != TlsMode::Preferred {
            return Err(Error::Tls {
                server,
                reason: "the server has TLS switched off".into(),
                hint: "Switch TLS on at the server, or reach it over its Unix socket.".into(),
            });
        }
    }
    if options.database.is_some() {
        capabilities |= CONNECT_WITH_DB;
    }
    let plugin = if greeting.plugin == CACHING_SHA2 {
        CACHING_SHA2
    } else {
        NATIVE
    };
    let mut answer = Zeroizing::new(head(capabilities));
    answer.extend_from_slice(options.user.as_bytes());
    answer.push(0);
    let proof = scramble(plugin, &greeting.nonce, options);
    answer.push(u8::try_from(proof.len()).expect("a scramble is short"));
    answer.extend_from_slice(&proof);
    if let Some(database) = &options.database {
        answer.extend_from_slice(database.as_bytes());
        answer.push(0);
    }
    answer.extend_from_slice(plugin.as_bytes());
    answer.push(0);
    wire.send(&answer, &[])?;
    let mut proving = Proving {
        plugin: plugin.to_owned(),
        nonce: greeting.nonce.clone(),
        private: !matches!(wire.stream, Stream::Tcp(_)),
        server,
        options,
    };
    proving.finish(wire)?;
    Ok(greeting)
}

fn begin_tls(wire: &mut Wire, options: &Options, host: &str) -> Result<(), Error> {
    let server = options.server();
    if wire.has_unread() {
        return Err(Error::Protocol("something came before TLS began"));
    }
    let client = tls::client(&options.tls, host, &server)?;
    let Stream::Tcp(stream) = std::mem::replace(&mut wire.stream, Stream::Closed) else {
        return Err(Error::Protocol("TLS is for TCP"));
    };
    let mut secure = StreamOwned::new(client, stream);
    while secure.conn.is_handshaking() {
        match secure.conn.complete_io(&mut secure.sock) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wire.cancel().check()?;
                if wire.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(tls::bad(&server, "no answer in time".into()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(tls::bad(&server, error.to_string())),
        }
    }
    wire.stream = Stream::Tls(Box::new(secure));
    Ok(())
}

/// The answer of a plugin to the server's random octets; empty for no password.
fn scramble(plugin: &str, nonce: &[u8], options: &Options) -> Vec<u8> {
    let password = options
        .password
        .as_ref()
        .map_or(&[][..], |secret| secret.expose().as_bytes());
    if password.is_empty() {
        return Vec::new();
    }
    if plugin == CACHING_SHA2 {
        let once = Sha256::digest(password);
        let mask = Sha256::new()
            .chain_update(Sha256::digest(once))
            .chain_update(nonce)
            .finalize();
        return once.iter().zip(mask).map(|(left, right)| left ^ right).collect();
    }
    let once = Sha1::digest(password);
    let mask = Sha1::new()
        .chain_update(nonce)
        .chain_update(Sha1::digest(once))
        .finalize();
    once.iter().zip(mask).map(|(left, right)| left ^ right).collect()
}

/// The talk that follows the first answer.
struct Proving<'o> {
    plugin: String,
    nonce: Vec<u8>,
    /// Whether nobody can listen.
    private: bool,
    server: String,
    options: &'o Options,
}

enum Next {
    Done,
    Answer(Zeroizing<Vec<u8>>),
    Wait,
}

impl Proving<'_> {
    fn finish(&mut self, wire: &mut Wire) -> Result<(), Error> {
        // Every plugin is done after two or three rounds.
        for _ in 0..8 {
            match self.next(wire.packet()?)? {
                Next::Done => return Ok(()),
                Next::Answer(answer) => wire.send(&answer, &[])?,
                Next::Wait => {}
            }
        }
        Err(Error::Protocol("the login does not end"))
    }

    fn next(&mut self, packet: &[u8]) -> Result<Next, Error> {
        match packet {
            [0x00, ..] => Ok(Next::Done),
            [0xff, ..] => Err(error_packet(packet)),
            [0xfe, rest @ ..] => self.switch(rest),
            // Of caching_sha2_password: the cache knew the scramble; the end follows.
            [0x01, 0x03] => Ok(Next::Wait),
            // It did not: the password itself is asked for.
            [0x01, 0x04] if self.plugin == CACHING_SHA2 => Ok(Next::Answer(self.password()?)),
            _ => Err(self.unknown()),
        }
    }

    fn switch(&mut self, packet: &[u8]) -> Result<Next, Error> {
        let mut rest = packet;
        self.plugin = text_up_to_nul(&mut rest).map_err(|_| self.unknown())?;
        self.nonce = rest.to_vec();
        self.nonce.truncate(20);
        match self.plugin.as_str() {
            NATIVE | CACHING_SHA2 => Ok(Next::Answer(Zeroizing::new(scramble(
                &self.plugin,
                &self.nonce,
                self.options,
            )))),
            CLEAR | SHA256 => Ok(Next::Answer(self.password()?)),
            _ => Err(self.unknown()),
        }
    }

    fn password(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        if !self.private {
            return Err(Error::Login {
                server: self.server.clone(),
                reason: format!("{} would need the password in clear, and the connection is not encrypted", self.plugin),
                hint: "Add ssl-mode=REQUIRED, or better ssl-mode=VERIFY_IDENTITY with ssl-ca=FILE, or use the Unix socket.".into(),
            });
        }
        if self.plugin == CLEAR && !self.options.tls.mode.verifies() && self.options.socket.is_none() {
            return Err(Error::Login {
                server: self.server.clone(),
                reason: "the server asks for the password in clear, and nothing proves that it is the right server"
                    .into(),
                hint: "Add ssl-mode=VERIFY_IDENTITY with ssl-ca=FILE.".into(),
            });
        }
        let text = self.options.password.as_ref().map_or("", |secret| secret.expose());
        let mut octets = Zeroizing::new(Vec::with_capacity(text.len() + 1));
        octets.extend_from_slice(text.as_bytes());
        octets.push(0);
        Ok(octets)
    }

    fn unknown(&self) -> Error {
        Error::Login {
            server: self.server.clone(),
            reason: format!("the account uses the authentication {:?}, which is not known here", self.plugin),
            hint: "Make an account for backups that uses caching_sha2_password (MySQL) or mysql_native_password (MariaDB).".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Greeting;

    #[test]
    fn what_is_no_greeting_is_refused_without_a_panic() {
        for bad in [
            &b""[..],
            b"\x0a",
            b"\x0a5.5\0",
            b"HTTP/1.1 400",
            b"\x0a8.0\0aaaabbbbbbbb",
            b"\xff\x10",
        ] {
            assert!(Greeting::parse(bad).is_err(), "{bad:?}");
        }
    }
}
