//! What a dump of a database server says about itself, read out of a bundle before anything of it is restored.

use serde::de::DeserializeOwned;

use crate::base::cancel::Cancel;
use crate::base::progress::Silent;
use crate::bundle::name::Label;
use crate::bundle::path::RawBytes;
use crate::flow;
use crate::flow::contents::Opened;
use crate::policy::selection::Selection;
use crate::sink::Sink;
use crate::sink::pipe::Pipe;

use super::error::Error;

/// A member of a source.
pub(super) fn below(label: &Label, name: &str) -> RawBytes {
    RawBytes(format!("{label}/{name}").into_bytes())
}

/// What a dump says it holds: its member `name`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read_plan<Plan: DeserializeOwned>(
    opened: &Opened<'_>,
    label: &Label,
    name: &str,
    cancel: &Cancel,
) -> Result<Plan, Error> {
    let mut bytes = Vec::new();
    let mut pipe = Pipe::new(&mut bytes);
    let mut selection = Selection::exactly(below(label, name));
    let _restored = flow::restore::restore(opened, &mut selection, 1, &mut pipe, &Silent, cancel)?;
    let pipe: Box<dyn Sink + '_> = Box::new(pipe);
    let _notes = pipe.commit()?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Unfit {
        what: format!("{name} of source {label} cannot be read: {error}"),
        hint: "Use the version of hub-backup that made the bundle.".to_owned(),
    })
}
