//! What goes wrong between here and a server. No password is ever in it.

use std::io;
use std::path::PathBuf;

use mysql_async::DriverError;
use mysql_async::IoError;
use mysql_async::LocalInfileError;
use mysql_async::ServerError;

use crate::base::cancel::Interrupted;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::input;

/// Access denied for the user (`ER_ACCESS_DENIED_ERROR`, and its form without a password).
const ACCESS_DENIED: [u16; 4] = [1044, 1045, 1698, 3118];
/// A privilege is missing for a table, a column, an act, a routine, or for what a binary log forbids (`ER_TABLEACCESS_DENIED_ERROR`,
/// `ER_COLUMNACCESS_DENIED_ERROR`, `ER_SPECIFIC_ACCESS_DENIED_ERROR`, `ER_PROCACCESS_DENIED_ERROR`,
/// `ER_BINLOG_CREATE_ROUTINE_NEED_SUPER`).
const PRIVILEGE_MISSING: [u16; 5] = [1142, 1143, 1227, 1370, 1419];
/// The account is only good for secure transport (`ER_SECURE_TRANSPORT_REQUIRED`).
const SECURE_TRANSPORT: u16 = 3159;

/// Why a server could not be reached or did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options do not say where the server is, or say it wrongly.
    #[error("{what}")]
    Options {
        /// What is wrong; no secret.
        what: String,
        /// The next thing to do.
        hint: String,
    },
    /// A file that the options name cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        #[source]
        source: io::Error,
    },
    /// No connection could be made.
    #[error("cannot connect to {server}: {reason}")]
    Connect {
        /// Where it was looked for.
        server: String,
        /// Why not.
        reason: String,
    },
    /// TLS was wanted and is not to be had, or its certificate is not good.
    #[error("no TLS with {server}: {reason}")]
    Tls {
        /// The server.
        server: String,
        /// Why not.
        reason: String,
        /// The next thing to do.
        hint: String,
    },
    /// TLS was wanted, and the server has none.
    #[error("no TLS with {server}: the server has TLS switched off")]
    NoTls {
        /// The server.
        server: String,
    },
    /// The account proves itself in a way that this program does not have, or that would give the password away.
    #[error("cannot log in to {server}: {reason}")]
    Login {
        /// The server.
        server: String,
        /// Why not.
        reason: String,
        /// The next thing to do.
        hint: String,
    },
    /// The server refused a statement, or the login.
    #[error("the server reports {code} ({state}): {message}")]
    Server {
        /// Its number for the error.
        code: u16,
        /// The SQLSTATE.
        state: String,
        /// Its words.
        message: String,
    },
    /// The connection broke.
    #[error("the connection to the server was lost: {0}")]
    Lost(#[source] io::Error),
    /// The server said something that the protocol does not know.
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// The work was told to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// The server's number for the error, where it is the server that refused.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Server { code, .. } => Some(*code),
            Self::Options { .. }
            | Self::File { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::NoTls { .. }
            | Self::Login { .. }
            | Self::Lost(_)
            | Self::Protocol(_)
            | Self::Interrupted(_) => None,
        }
    }

    /// Whether the account may not do what was asked.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.code()
            .is_some_and(|code| ACCESS_DENIED.contains(&code) || PRIVILEGE_MISSING.contains(&code))
    }
}

impl From<mysql_async::Error> for Error {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(ServerError { code, message, state }) => Self::Server { code, state, message },
            mysql_async::Error::Io(IoError::Io(error)) => Self::Lost(error),
            mysql_async::Error::Io(IoError::Tls(error)) => Self::Lost(io::Error::other(error)),
            mysql_async::Error::Driver(error) => of_driver(&error),
            mysql_async::Error::Other(_) | mysql_async::Error::Url(_) => Self::Protocol("the library gave up"),
        }
    }
}

/// The text of the library is not used: it may hold what the server sent.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most of them are of parts of the library that are not used"
)]
fn of_driver(error: &DriverError) -> Error {
    match error {
        DriverError::ConnectionClosed => Error::Lost(io::ErrorKind::UnexpectedEof.into()),
        DriverError::PacketOutOfOrder => Error::Protocol("a packet is out of order"),
        DriverError::PacketTooLarge => Error::Protocol("a packet is too large"),
        DriverError::UnexpectedPacket { .. } => Error::Protocol("a packet is not expected"),
        DriverError::LocalInfile(LocalInfileError::NoHandler) => Error::Protocol("the server asks for a local file"),
        _ => Error::Protocol("what it said cannot be understood"),
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Options { .. } | Self::File { .. } => Kind::Usage,
            Self::Connect { .. } | Self::Tls { .. } | Self::NoTls { .. } | Self::Lost(_) | Self::Protocol(_) => {
                Kind::SourceUnreachable
            }
            Self::Login { .. } => Kind::SourceUnsupported,
            Self::Server { code, .. } if ACCESS_DENIED.contains(code) => Kind::SourceUnsupported,
            Self::Server { .. } => Kind::Failed,
            Self::Interrupted(_) => Kind::Incomplete,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Options { hint, .. } | Self::Tls { hint, .. } | Self::Login { hint, .. } => Some(hint.clone()),
            Self::NoTls { .. } => Some("Switch TLS on at the server, or reach it over its Unix socket.".into()),
            Self::Connect { .. } => Some("See that the server runs, and that host, port or socket are right.".into()),
            Self::Server { code, .. } if ACCESS_DENIED.contains(code) => Some(
                "Check user and password: in the URI, an option file ([client] or [hub-backup]), or MYSQL_PWD.".into(),
            ),
            Self::Server {
                code: SECURE_TRANSPORT, ..
            } => Some("Add ssl-mode=REQUIRED, or better ssl-mode=VERIFY_IDENTITY with ssl-ca=FILE.".into()),
            Self::File { source, .. } => input::hint(source).map(str::to_owned),
            Self::Server { .. } | Self::Lost(_) | Self::Protocol(_) | Self::Interrupted(_) => None,
        }
    }
}
