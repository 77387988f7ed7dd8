//! What can go wrong between this program and a PostgreSQL server. No message holds a password.

use std::path::PathBuf;

use tokio_postgres::error::SqlState;

use super::bad_parameters::BadParameters;
use crate::base::fault;
use crate::base::fault::Fault;
use crate::base::fault::Kind;

/// Why a server is not reached, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The description of the connection is wrong.
    #[error(transparent)]
    Parameters(#[from] BadParameters),
    /// A value of the description is wrong.
    #[error("the connection parameter {name} {what}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A file that the description names cannot be used.
    #[error("cannot use {}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
        /// The next thing to do.
        hint: String,
    },
    /// Nobody answers.
    #[error("cannot reach {place}: {reason}")]
    Unreachable {
        /// Host and port, or the socket.
        place: String,
        /// What the system reports.
        reason: String,
    },
    /// The server wants a password and there is none.
    #[error("{place} asks for the password of {user}, and none is given{note}")]
    NoPassword {
        /// Host and port, or the socket.
        place: String,
        /// The role.
        user: String,
        /// Why the password file gave none, if that is known.
        note: String,
    },
    /// The server does not let this user in.
    #[error("{place} refuses {user}: {reason}")]
    Refused {
        /// Host and port, or the socket.
        place: String,
        /// The role.
        user: String,
        /// What the server says.
        reason: String,
        /// The next thing to do.
        hint: String,
    },
    /// The connection cannot be made as safe as asked.
    #[error("no safe connection to {place}: {reason}")]
    Tls {
        /// Host and port.
        place: String,
        /// Why.
        reason: String,
        /// The next thing to do.
        hint: String,
    },
    /// The version is not known.
    #[error("the server is PostgreSQL {found}, and this version of hub-backup works with 13 to 18")]
    Version {
        /// What it is.
        found: String,
    },
    /// The connection broke while something was done.
    #[error("the connection to the server was lost while {doing}: {reason}")]
    Lost {
        /// What was done.
        doing: String,
        /// What is known.
        reason: String,
    },
    /// The server refused a statement.
    #[error("the server refused while {doing}: {message} (SQLSTATE {code})")]
    Statement {
        /// What was done.
        doing: String,
        /// The state, five letters.
        code: String,
        /// What the server says.
        message: String,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Parameters(error) => error.kind(),
            Self::Value { .. } | Self::File { .. } => Kind::Usage,
            Self::Unreachable { .. } => Kind::SourceUnreachable,
            Self::NoPassword { .. } | Self::Refused { .. } | Self::Tls { .. } | Self::Version { .. } => {
                Kind::SourceUnsupported
            }
            Self::Lost { .. } | Self::Statement { .. } => Kind::Incomplete,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Parameters(error) => error.hint(),
            Self::Value { .. } => Some("See the connection parameters of libpq in the manual of PostgreSQL.".into()),
            Self::File { hint, .. } | Self::Refused { hint, .. } | Self::Tls { hint, .. } => Some(hint.clone()),
            Self::Unreachable { .. } => {
                Some("Check host and port, that the server runs and listens there, and what is between: pg_isready --host HOST --port PORT.".into())
            }
            Self::NoPassword { .. } => Some(
                "Write HOST:PORT:DATABASE:USER:PASSWORD into ~/.pgpass, and chmod 0600 ~/.pgpass; or set PGPASSFILE.".into(),
            ),
            Self::Version { .. } => Some("Use a version of hub-backup that knows this server.".into()),
            Self::Lost { .. } => Some("Look into the log of the server, then run it again.".into()),
            Self::Statement { code, .. } => statement_hint(code),
        }
    }
}

fn statement_hint(code: &str) -> Option<String> {
    let hint = match code {
        "57014" => {
            "Somebody or a timeout cancelled the statement: look at statement_timeout and the log of the server."
        }
        "40001" => {
            "A standby cancelled it to go on with recovery: raise max_standby_streaming_delay, or set hot_standby_feedback = on."
        }
        "42501" => "Grant what is missing, or use a role that has pg_read_all_data.",
        "55P03" => "Another session changes the table or waits to: run the backup when that is over.",
        "42P01" | "42703" => "The structure was changed meanwhile: run it again, and change no tables while it runs.",
        "53300" => "Raise max_connections, or use fewer connections: --jobs.",
        "53100" => "The disk of the server is full.",
        _ => return None,
    };
    Some(hint.to_owned())
}

impl Error {
    /// Why a server lets nobody in any more that it let in before: its address and its TLS were right, it went away.
    pub(super) fn after_it_answered(self) -> Self {
        if let Self::Unreachable { place, reason } | Self::Tls { place, reason, .. } = self {
            let doing = format!("opening a further connection to {place}");
            return Self::Lost { doing, reason };
        }
        self
    }

    /// What a failing request means. `end` says why the connection ended, if it did.
    pub(super) fn of_request(doing: &str, error: &tokio_postgres::Error, end: Option<String>) -> Self {
        let doing = doing.to_owned();
        match error.as_db_error() {
            Some(said) if *said.code() == SqlState::ADMIN_SHUTDOWN || *said.code() == SqlState::CRASH_SHUTDOWN => {
                let reason = said.message().to_owned();
                Self::Lost { doing, reason }
            }
            Some(said) => Self::Statement {
                doing,
                code: said.code().code().to_owned(),
                message: message(said),
            },
            None => Self::Lost {
                doing,
                reason: end.unwrap_or_else(|| describe(error)),
            },
        }
    }
}

/// The message of the server with its detail; both may be of several lines.
fn message(said: &tokio_postgres::error::DbError) -> String {
    match said.detail() {
        Some(detail) => format!("{}: {detail}", said.message()),
        None => said.message().to_owned(),
    }
}

/// An error with everything below it in words.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return message(said);
    }
    fault::chain(error)
}
