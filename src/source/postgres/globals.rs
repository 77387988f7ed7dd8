//! Roles and tablespaces, which belong to no database. Without password hashes: whoever restores sets new ones.

use std::io::Read as _;

use super::program;
use super::program::Program;
use crate::base::cancel::Cancel;
use crate::server::postgres::Conninfo;
use crate::server::postgres::endpoint::Endpoint;

/// What is known of the server beyond the database.
pub(super) struct Globals {
    pub(super) text: Vec<u8>,
    /// How it was had, or that it was not: the name of a fact and its text.
    pub(super) fact: (String, String),
}

/// Reads it. Where the role may not, or cannot, the dump goes on without.
pub(super) fn read(
    program: &Program,
    conninfo: &Conninfo,
    endpoint: &Endpoint,
    cancel: &Cancel,
) -> Result<Globals, program::Error> {
    let mut text = Vec::new();
    let failure = match program.start_globals(conninfo, endpoint, cancel) {
        Ok(mut dump) => match dump.read_to_end(&mut text) {
            Ok(_) => {
                let fact = ("globals".to_owned(), "pg_dumpall, without password hashes".to_owned());
                return Ok(Globals { text, fact });
            }
            Err(error) => dump.failure().unwrap_or_else(|| program::Error::Failed {
                program: "pg_dumpall".into(),
                reason: error.to_string(),
                said: String::new(),
            }),
        },
        Err(failure) => failure,
    };
    if let program::Error::Interrupted(_) = failure {
        return Err(failure);
    }
    let text = "-- Roles and tablespaces could not be read when this dump was made: `hub-backup ls` says why.\n";
    Ok(Globals {
        text: text.into(),
        fact: ("globals_left_out".to_owned(), failure.to_string()),
    })
}
