//! What goes wrong at a MySQL or MariaDB target, before it becomes the error of a sink.

use std::io;

use crate::base::cancel::Interrupted;
use crate::base::fault::Fault as _;
use crate::server::mysql::error::Error as ServerError;

/// Letters of a statement that an error repeats.
const STATEMENT_LETTERS: usize = 160;

/// Errors whose first quoted text is a value of a row: duplicate entry, wrong string, truncated value, wrong value for a function.
const CODES_WITH_VALUES: [u16; 6] = [1062, 1292, 1366, 1411, 1416, 1586];

/// Why something at the target could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The target must not be restored to.
    #[error("{database}: {reason}")]
    Target {
        /// The database; empty for the server as a whole.
        database: String,
        /// Why not.
        reason: String,
    },
    /// The server cannot be reached, or refused a statement: what was done, and its words.
    #[error("{what}: {reason}")]
    Server {
        /// What was done: the beginning of the statement.
        what: String,
        /// In the server's words.
        reason: String,
        /// The next thing to do.
        hint: Option<String>,
    },
    /// The server is of the other product, and does not understand all that the dump holds.
    #[error("{target} does not understand this of {from}, or takes it in another sense: {}", obstacles.join("; "))]
    Dialect {
        /// The server.
        target: String,
        /// The server of the dump.
        from: String,
        /// What it is, with the place of each.
        obstacles: Vec<String>,
    },
    /// The dump is not what its plan says.
    #[error("{0}")]
    Dump(String),
    /// What is in the target is not what was in the source.
    #[error("{table}: {reason}")]
    Check {
        /// The table, with its database.
        table: String,
        /// What differs.
        reason: String,
    },
    /// The content could not be read from the bundle.
    #[error("cannot read the content")]
    Content(#[source] io::Error),
    /// The work was told to stop, or something else failed before.
    #[error("interrupted")]
    Interrupted,
}

impl From<Interrupted> for Error {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// Says what was done when the server refused.
pub(super) fn doing(what: &str) -> impl FnOnce(ServerError) -> Error {
    let what = shortened(what);
    move |error| {
        if matches!(error, ServerError::Interrupted(_)) {
            return Error::Interrupted;
        }
        Error::Server {
            what,
            hint: hint(&error),
            reason: words(&error),
        }
    }
}

/// The beginning of a statement, on one line.
pub(super) fn shortened(statement: &str) -> String {
    let mut line: String = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(STATEMENT_LETTERS) {
        line.truncate(end);
        line.push('…');
    }
    line
}

fn words(error: &ServerError) -> String {
    if let ServerError::Server { code, state, message } = error {
        let message = without_values(*code, message);
        return format!("the server reports {code} ({state}): {message}");
    }
    error.to_string()
}

/// The words of the server without the value of a row, which may be a secret.
pub(super) fn without_values(code: u16, message: &str) -> String {
    let quoted = message.split_once('\'').and_then(|(before, rest)| {
        // The value itself may hold quotes: the last one before the names that follow.
        let end = ["' for ", "' at "]
            .iter()
            .filter_map(|end| rest.rfind(end))
            .max()
            .or_else(|| rest.rfind('\''))?;
        Some((before, &rest[end + 1..]))
    });
    match quoted {
        Some((before, after)) if CODES_WITH_VALUES.contains(&code) => format!("{before}'…'{after}"),
        Some(_) | None => message.to_owned(),
    }
}

fn hint(error: &ServerError) -> Option<String> {
    let text = match error.code()? {
        1044 | 1142 | 1227 | 1370 | 1419 => {
            "Grant the account of the restore what it misses: ALL PRIVILEGES on the databases, and for definers of others SET USER \
             (MariaDB) or SET_ANY_DEFINER (MySQL); or choose --definer drop."
        }
        1418 => {
            "The server writes a binary log and refuses functions that do not say they are deterministic: SET GLOBAL \
             log_bin_trust_function_creators = 1 for the restore."
        }
        1153 | 1301 => "Raise max_allowed_packet at the server, and restore again.",
        1114 | 1021 | 28 => "Make room at the server, and restore again.",
        1205 | 1213 => "Something else locks these tables: end it, and restore again.",
        1273 | 1115 => "The server does not have this character set or collation: restore to a newer one.",
        1286 => "The server does not have this storage engine: install it, and restore again.",
        _ => return error.hint(),
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::shortened;
    use super::without_values;

    #[test]
    fn no_value_of_a_row_is_repeated() {
        for (code, message, shown) in [
            (
                1062,
                "Duplicate entry 'needle's' for key 'PRIMARY'",
                "Duplicate entry '…' for key 'PRIMARY'",
            ),
            (
                1366,
                "Incorrect string value: 'needle' for column `a`.`b`.`c` at row 1",
                "Incorrect string value: '…' for column `a`.`b`.`c` at row 1",
            ),
            (
                1292,
                "Truncated incorrect INTEGER value: 'needle'",
                "Truncated incorrect INTEGER value: '…'",
            ),
            (1146, "Table 'a.b' doesn't exist", "Table 'a.b' doesn't exist"),
        ] {
            assert_eq!(without_values(code, message), shown);
        }
    }

    #[test]
    fn statements_are_shown_short_and_on_one_line() {
        assert_eq!(shortened("CREATE\n  TABLE `t`"), "CREATE TABLE `t`");
        assert_eq!(shortened(&"é".repeat(500)).chars().count(), 161);
    }
}
