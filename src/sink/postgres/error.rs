//! What goes wrong at a PostgreSQL target, before it becomes the error of a sink.

use std::fmt::Write as _;
use std::path::PathBuf;

use tokio_postgres::error::DbError;

use crate::base::fault;
use crate::sink;
use crate::sink::row_check;

/// Why something at the target could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The server could not be reached or does not let this role in.
    #[error("{reason}")]
    Connect {
        /// In words.
        reason: String,
        /// The next thing to do.
        hint: Option<String>,
    },
    /// The target must not be restored to.
    #[error("{0}")]
    Target(String),
    /// The role may not do what the restore needs.
    #[error("{reason}")]
    NotPermitted {
        /// What it may not do.
        reason: String,
        /// How it may.
        hint: &'static str,
    },
    /// The server refused a statement, or the connection broke: what was done, and the server's words.
    #[error("{what}: {reason}")]
    Server {
        /// What was done.
        what: String,
        /// In the server's words.
        reason: String,
        /// The SQLSTATE, where the server answered.
        code: Option<String>,
    },
    /// Statements of the dump failed.
    #[error("{0}")]
    Statements(String),
    /// The dump is not what its plan says.
    #[error("{0}")]
    Dump(String),
    /// What is in the target is not what was in the source.
    #[error("{0}")]
    Check(String),
    /// The work was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// The runtime failed.
    #[error("the runtime of the connections failed: {0}")]
    Runtime(String),
}

/// The words of a server, with where in the statement it stopped.
pub(super) fn words(error: &tokio_postgres::Error) -> String {
    let Some(server) = error.as_db_error() else {
        return fault::chain(error);
    };
    let mut text = format!("{}: {}", server.severity(), server.message());
    if let Some(detail) = server.detail() {
        write!(text, " ({detail})").expect("a String takes every text");
    }
    if let Some(tokio_postgres::error::ErrorPosition::Original(position)) = server.position() {
        write!(text, ", at character {position}").expect("a String takes every text");
    }
    if let Some(hint) = server.hint() {
        write!(text, "; {hint}").expect("a String takes every text");
    }
    text
}

/// The SQLSTATE and the message, for what is known to be harmless.
pub(super) fn state(error: &tokio_postgres::Error) -> Option<(&str, &str)> {
    error
        .as_db_error()
        .map(|server: &DbError| (server.code().code(), server.message()))
}

/// What a caller of the sink is told; `shown` is how the target is written.
pub(super) fn outer(shown: &str, error: Error) -> sink::Error {
    let target = shown.to_owned();
    match error {
        Error::Target(reason) => sink::Error::Target {
            target: PathBuf::from(target),
            reason,
            hint: sink::ELSEWHERE,
        },
        Error::NotPermitted { reason, hint } => sink::Error::Target {
            target: PathBuf::from(target),
            reason,
            hint,
        },
        Error::Check(reason) => sink::Error::Check {
            path: PathBuf::from(target),
            reason,
            hint: row_check::DIFFERENT,
        },
        Error::Statements(reason) => sink::Error::Database {
            target,
            reason,
            hint: Some(
                "Roles, extensions and tablespaces must be there before: --globals makes roles and tablespaces, --no-owner and \
                 --no-privileges do without roles."
                    .to_owned(),
            ),
        },
        Error::Connect { reason, hint } => sink::Error::Database { target, reason, hint },
        error @ (Error::Server { .. } | Error::Dump(_) | Error::Interrupted | Error::Runtime(_)) => sink::Error::Database {
            target,
            reason: error.to_string(),
            hint: None,
        },
    }
}
