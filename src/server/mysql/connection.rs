//! One connection: statements in, rows out.

use std::net::TcpStream;
use std::net::ToSocketAddrs as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use std::time::Instant;

use rustix::net::sockopt;

use super::error::Error;
use super::handshake;
use super::handshake::error_packet;
use super::layout::Product;
use super::options::Options;
use super::options::Place;
use super::sql;
use super::wire::Stream;
use super::wire::TICK;
use super::wire::Wire;
use crate::base::cancel::Cancel;

const COM_QUIT: u8 = 1;
const COM_QUERY: u8 = 3;

/// After how long a silence the system asks whether the peer lives, how often, and how many times: a dead one is noticed within two minutes.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 4);

/// Which server it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Who made it.
    pub product: Product,
    /// `@@version`: `10.11.19-MariaDB-0+deb12u1`.
    pub text: String,
    /// Its first three numbers.
    pub numbers: (u32, u32, u32),
}

impl Version {
    fn parse(text: &str) -> Self {
        // MariaDB's greeting has "5.5.5-" before the version, for old replicas.
        let text = text.strip_prefix("5.5.5-").unwrap_or(text);
        let product = if text.to_ascii_lowercase().contains("mariadb") {
            Product::Mariadb
        } else {
            Product::Mysql
        };
        let mut numbers = text
            .split(|sign: char| !sign.is_ascii_digit())
            .map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let numbers = (next(), next(), next());
        let text = text.to_owned();
        Self { product, text, numbers }
    }

    /// Whether it is MariaDB.
    #[must_use]
    pub fn is_mariadb(&self) -> bool {
        self.product == Product::Mariadb
    }
}

/// A session on a server, with the settings of [`sql::SESSION`].
pub struct Connection {
    wire: Wire,
    version: Version,
    id: u32,
    /// A result was left unread, or the connection broke: nothing more can be asked.
    spent: bool,
}

/// What a statement without rows did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows that it changed.
    pub affected: u64,
    /// Warnings that it left, for SHOW WARNINGS.
    pub warnings: u16,
}

impl Connection {
    /// Connects, logs in and makes the settings of [`sql::SESSION`]. While it waits, then and later, `cancel` is asked.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn open(options: &Options, cancel: &Cancel) -> Result<Self, Error> {
        let deadline = Instant::now() + options.connect_timeout;
        let (stream, host) = connect(options, deadline)?;
        let mut wire = Wire::new(stream, cancel.clone(), Some(deadline));
        let greeting = match handshake::login(&mut wire, options, host.as_deref()) {
            Err(Error::Lost(error)) => {
                return Err(Error::Connect {
                    server: options.server(),
                    reason: format!("the login broke off: {error}"),
                });
            }
            greeting => greeting?,
        };
        wire.deadline = None;
        let mut connection = Self {
            wire,
            version: Version::parse(&greeting.version),
            id: greeting.connection,
            spent: false,
        };
        for statement in sql::SESSION {
            let _done = connection.run(statement)?;
        }
        let unlimited = if connection.version.is_mariadb() {
            "SET SESSION max_statement_time = 0"
        } else {
            "SET SESSION max_execution_time = 0"
        };
        let _done = connection.run(unlimited)?;
        Ok(connection)
    }

    /// The server.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// What KILL calls this connection.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether what is said on it is encrypted by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.wire.stream, Stream::Tls(_))
    }

    /// Gives a second reason to stop waiting: the work that the connection belongs to has ended.
    pub fn stop_when(&mut self, ended: Cancel) {
        self.wire.ended = Some(ended);
    }

    /// Runs one statement whose rows, if any, are of no interest. Any octets: a statement need not be UTF-8.
    ///
    /// # Errors
    /// What the server reports.
    pub fn run(&mut self, statement: impl AsRef<[u8]>) -> Result<Done, Error> {
        let mut rows = self.query(statement)?;
        while rows.next()?.is_some() {}
        Ok(rows.done)
    }

    /// Asks for rows, which come as they are read.
    ///
    /// # Errors
    /// What the server reports.
    pub fn query(&mut self, statement: impl AsRef<[u8]>) -> Result<Rows<'_>, Error> {
        if self.spent {
            return Err(Error::Protocol("the connection is spent"));
        }
        self.spent = true;
        self.wire.begin();
        self.wire.send(&[COM_QUERY], statement.as_ref())?;
        let mut done = Done::default();
        let columns = match self.wire.packet()? {
            packet @ [0xff, ..] => {
                let error = error_packet(packet);
                self.spent = false;
                return Err(error);
            }
            [0x00, rest @ ..] => {
                done = parse_done(rest)?;
                self.spent = false;
                0
            }
            // A server that asks for one of our files gets none.
            [0xfb, ..] => return Err(Error::Protocol("the server asks for a local file")),
            mut packet => usize::try_from(length(&mut packet)?.unwrap_or(0)).unwrap_or(0),
        };
        if columns > 0 {
            // One description a column, and the end of the descriptions.
            for _ in 0..=columns {
                let _description = self.wire.packet()?;
            }
        }
        Ok(Rows {
            connection: self,
            columns,
            done,
        })
    }

    /// Runs `LOAD DATA LOCAL`, whose file is what `content` gives, piece by piece, until it gives none.
    ///
    /// When `content` fails, the connection is broken off: the server must not take half a file for a whole one.
    ///
    /// # Errors
    /// What the server reports, and what `content` reports.
    pub fn load<E: From<Error>>(
        &mut self,
        statement: impl AsRef<[u8]>,
        content: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), E>,
    ) -> Result<Done, E> {
        if self.spent {
            return Err(Error::Protocol("the connection is spent").into());
        }
        self.spent = true;
        self.wire.begin();
        self.wire.send(&[COM_QUERY], statement.as_ref())?;
        match self.wire.packet()? {
            packet @ [0xff, ..] => {
                let error = error_packet(packet);
                self.spent = false;
                return Err(error.into());
            }
            [0xfb, ..] => {}
            _ => return Err(Error::Protocol("the server does not ask for the rows").into()),
        }
        let wire = &mut self.wire;
        content(&mut |piece| match piece {
            // An empty packet would end the file.
            [] => Ok(()),
            piece => wire.send(&[], piece),
        })?;
        self.wire.send(&[], &[])?;
        match self.wire.packet()? {
            packet @ [0xff, ..] => {
                let error = error_packet(packet);
                self.spent = false;
                Err(error.into())
            }
            [0x00, rest @ ..] => {
                let done = parse_done(rest)?;
                self.spent = false;
                Ok(done)
            }
            _ => Err(Error::Protocol("the rows are not answered").into()),
        }
    }

    /// All rows of a query that gives few.
    ///
    /// # Errors
    /// What the server reports; and text that is not UTF-8.
    pub fn table(&mut self, statement: impl AsRef<[u8]>) -> Result<Vec<Vec<Option<String>>>, Error> {
        let mut rows = self.query(statement)?;
        let mut table = Vec::new();
        while let Some(mut row) = rows.next()? {
            let mut cells = Vec::new();
            while let Some(cell) = row.cell()? {
                let text = cell.map(|octets| String::from_utf8(octets.to_vec())).transpose();
                cells.push(text.map_err(|_| Error::Protocol("text is not UTF-8"))?);
            }
            table.push(cells);
        }
        Ok(table)
    }

    /// The first cell of the first row, where there is one.
    ///
    /// # Errors
    /// As for [`Self::table`].
    pub fn value(&mut self, statement: impl AsRef<[u8]>) -> Result<Option<String>, Error> {
        let mut rows = self.table(statement)?.into_iter();
        Ok(rows.next().and_then(|row| row.into_iter().next()).flatten())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.spent {
            self.wire.begin();
            // Politeness: without it the server counts an aborted client.
            let _gone_already = self.wire.send(&[COM_QUIT], &[]);
        }
    }
}

/// The rows of one query. Dropped before their end, they take the connection with them.
pub struct Rows<'c> {
    connection: &'c mut Connection,
    columns: usize,
    done: Done,
}

impl Rows<'_> {
    /// How many warnings the server has, known after the last row.
    #[must_use]
    pub fn warnings(&self) -> u16 {
        self.done.warnings
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// What the server reports.
    #[expect(
        clippy::should_implement_trait,
        reason = "a row borrows the buffer, which an Iterator cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<Row<'_>>, Error> {
        if self.columns == 0 {
            return Ok(None);
        }
        // Asked by length first: a row may begin with 0xFE too, and is longer then.
        match self.connection.wire.packet()? {
            [0xfe, rest @ ..] if rest.len() < 8 => {
                if let [low, high, ..] = rest {
                    self.done.warnings = u16::from_le_bytes([*low, *high]);
                }
                self.columns = 0;
                self.connection.spent = false;
                Ok(None)
            }
            packet @ [0xff, ..] => {
                let error = error_packet(packet);
                self.columns = 0;
                self.connection.spent = false;
                Err(error)
            }
            packet => Ok(Some(Row(packet))),
        }
    }
}

/// One row, its cells one after the other.
pub struct Row<'r>(&'r [u8]);

impl<'r> Row<'r> {
    /// The next cell: outer none past the last, inner none for NULL.
    ///
    /// # Errors
    /// When the packet is malformed.
    pub fn cell(&mut self) -> Result<Option<Option<&'r [u8]>>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let Some(count) = length(&mut self.0)? else {
            return Ok(Some(None));
        };
        let count = usize::try_from(count).map_err(|_| Error::Protocol("a cell is too long"))?;
        if count > self.0.len() {
            return Err(Error::Protocol("a cell is longer than its row"));
        }
        let (cell, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(Some(Some(cell)))
    }
}

/// A length-encoded number; none for NULL.
fn length(bytes: &mut &[u8]) -> Result<Option<u64>, Error> {
    let short = || Error::Protocol("a number is cut off");
    let (first, rest) = bytes.split_first().ok_or_else(short)?;
    let count = match first {
        0xfb => {
            *bytes = rest;
            return Ok(None);
        }
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        0xff => return Err(Error::Protocol("a number begins with 0xFF")),
        number => {
            *bytes = rest;
            return Ok(Some(u64::from(*number)));
        }
    };
    if rest.len() < count {
        return Err(short());
    }
    let mut octets = [0; 8];
    octets[..count].copy_from_slice(&rest[..count]);
    *bytes = &rest[count..];
    Ok(Some(u64::from_le_bytes(octets)))
}

/// What an OK packet says, behind its first octet.
fn parse_done(mut rest: &[u8]) -> Result<Done, Error> {
    let affected = length(&mut rest)?.unwrap_or(0);
    let _last_id = length(&mut rest)?;
    let warnings = match rest {
        [_, _, low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    };
    Ok(Done { affected, warnings })
}

/// The stream, and the name that its certificate must have, for TCP.
fn connect(options: &Options, deadline: Instant) -> Result<(Stream, Option<String>), Error> {
    let failed = |reason: String| Error::Connect {
        server: options.server(),
        reason,
    };
    match options.place() {
        Place::Socket(path) => {
            let stream = UnixStream::connect(path).map_err(|error| failed(error.to_string()))?;
            stream
                .set_read_timeout(Some(TICK))
                .and_then(|()| stream.set_write_timeout(Some(TICK)))
                .map_err(|error| failed(error.to_string()))?;
            Ok((Stream::Unix(stream), None))
        }
        Place::Tcp(host, port) => {
            let addresses = (host, port)
                .to_socket_addrs()
                .map_err(|error| failed(error.to_string()))?;
            let mut reason = "the name of the host has no address".to_owned();
            for address in addresses {
                let left = deadline
                    .saturating_duration_since(Instant::now())
                    .max(Duration::from_millis(1));
                match TcpStream::connect_timeout(&address, left) {
                    Ok(stream) => {
                        tune(&stream).map_err(|error| failed(error.to_string()))?;
                        return Ok((Stream::Tcp(stream), Some(host.to_owned())));
                    }
                    Err(error) => reason = error.to_string(),
                }
            }
            Err(failed(reason))
        }
    }
}

fn tune(stream: &TcpStream) -> std::io::Result<()> {
    let (idle, interval, count) = KEEPALIVE;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(TICK))?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    sockopt::set_tcp_keepcnt(stream, count)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::layout::Product;
    use super::Row;
    use super::Version;
    use super::length;

    #[test]
    fn versions_are_read() {
        let maria = Version::parse("5.5.5-10.11.19-MariaDB-0+deb12u1-log");
        assert_eq!((maria.product, maria.numbers), (Product::Mariadb, (10, 11, 19)));
        let mysql = Version::parse("9.7.4-0ubuntu1");
        assert_eq!((mysql.product, mysql.numbers), (Product::Mysql, (9, 7, 4)));
    }

    #[test]
    fn lengths_and_cells_are_read_and_cut_ones_refused() {
        assert_eq!(length(&mut &[0xfa][..]).expect("one octet"), Some(250));
        assert_eq!(length(&mut &[0xfc, 1, 2][..]).expect("two octets"), Some(0x201));
        assert!(length(&mut &[0xfd, 1, 2][..]).is_err());
        let mut row = Row(&[2, b'a', b'b', 0xfb, 0]);
        assert_eq!(row.cell().expect("a cell"), Some(Some(&b"ab"[..])));
        assert_eq!(row.cell().expect("a cell"), Some(None));
        assert_eq!(row.cell().expect("a cell"), Some(Some(&b""[..])));
        assert_eq!(row.cell().expect("the end"), None);
        assert!(Row(&[5, b'a']).cell().is_err());
    }
}
