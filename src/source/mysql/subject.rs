//! What errors are about: the source, and the server as the operator named it, without a password.

use super::super::Error;
use crate::base::cancel::Interrupted;
use crate::base::fault::Fault as _;
use crate::bundle::entry::CollectError;
use crate::bundle::name::Label;
use crate::server::mysql::error::Error as ServerError;

/// Makes the errors that speak of one source.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) label: Label,
    pub(super) server: String,
}

/// Numbers of errors that say that a table is not the one of the snapshot any more: unknown, its definition has changed, an unknown column.
const CHANGED: [u16; 6] = [1146, 1412, 1054, 1051, 1049, 1347];

impl Subject {
    pub(super) fn unsupported(&self, reason: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Unsupported {
            label: self.label.clone(),
            reason: format!("{}: {}", self.server, reason.into()),
            hint: Some(hint.into()),
        }
    }

    pub(super) fn incomplete(&self, reason: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Incomplete {
            label: self.label.clone(),
            reason: format!("{}: {}", self.server, reason.into()),
            hint: Some(hint.into()),
        }
    }

    pub(super) fn collect(&self, source: CollectError) -> Error {
        let label = self.label.clone();
        Error::Collect { label, source }
    }

    /// An error before anything was read.
    pub(super) fn reaching(&self, error: &ServerError) -> Error {
        match error {
            ServerError::Interrupted(_) => self.collect(Interrupted.into()),
            ServerError::Connect { .. }
            | ServerError::Tls { .. }
            | ServerError::NoTls { .. }
            | ServerError::Lost(_)
            | ServerError::Protocol(_) => Error::Unreachable {
                label: self.label.clone(),
                what: self.server.clone(),
                reason: error.to_string(),
                hint: error
                    .hint()
                    .unwrap_or_else(|| "See that the server runs, and look into its log.".into()),
            },
            ServerError::Options { .. }
            | ServerError::File { .. }
            | ServerError::Login { .. }
            | ServerError::Server { .. } => Error::Unsupported {
                label: self.label.clone(),
                reason: format!("{}: {error}", self.server),
                hint: error.hint(),
            },
        }
    }

    /// An error while `what` was read.
    pub(super) fn reading(&self, what: &str, error: &ServerError) -> Error {
        if matches!(error, ServerError::Interrupted(_)) {
            return self.collect(Interrupted.into());
        }
        let hint = match error.code() {
            Some(code) if CHANGED.contains(&code) => {
                "The definition of a table changed during the backup. Run it again while nobody changes tables."
            }
            Some(_) => "Correct what the server complains of, and run the backup again.",
            None => "See that the server runs and lets long connections live, and run the backup again.",
        };
        self.incomplete(format!("cannot read {what}: {error}"), hint)
    }
}
