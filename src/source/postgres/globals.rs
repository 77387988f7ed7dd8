//! Roles and tablespaces, which belong to no database. Without password hashes: whoever restores sets new ones.

use std::io::Read as _;

use super::program;
use super::program::Program;
use crate::base::cancel::Cancel;
use crate::server::postgres::Conninfo;
use crate::server::postgres::endpoint::Endpoint;

/// The text, and a note on how it was had. What a role may not see is left out, which the note says.
pub(super) fn read(
    program: &Program,
    conninfo: &Conninfo,
    endpoint: &Endpoint,
    cancel: &Cancel,
) -> Result<(Vec<u8>, String), program::Error> {
    let mut text = Vec::new();
    let failure = match program.start_globals(conninfo, endpoint, cancel) {
        Ok(mut dump) => match dump.read_to_end(&mut text) {
            Ok(_) => return Ok((text, "pg_dumpall, without password hashes".into())),
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
    let note = format!("not there: {failure}");
    let text = "-- Roles and tablespaces could not be read when this dump was made; its facts say why.\n";
    Ok((text.into(), note))
}
