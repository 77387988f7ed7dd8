//! What is in a proven bundle: the names, and the content of one.

use std::collections::BTreeMap;
use std::io;
use std::io::Write;

use crate::audit::Act;
use crate::base::cancel::Cancel;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::progress::Silent;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::index::Record;
use crate::bundle::name::Label;
use crate::bundle::path::RawBytes;
use crate::flow;
use crate::flow::contents::Opened;
use crate::flow::remarks::Remarks;
use crate::flow::restore::Restored;
use crate::flow::verify::Verified;
use crate::keyring::Identity;
use crate::policy::selection::Selection;
use crate::sink;
use crate::sink::Sink;
use crate::sink::pipe::Pipe;
use crate::store::Store;

use super::Deed;
use super::Desk;
use super::RECIPIENT;
use super::add_amounts;
use super::error::Error;

/// An entry or stream that is wanted.
pub enum Wanted {
    /// An entry.
    Entry(Entry),
    /// A stream.
    Stream(crate::bundle::entry::Stream),
}

impl Wanted {
    /// The source that it is of.
    #[must_use]
    pub fn label(&self) -> Label {
        match self {
            Self::Entry(entry) => entry.path.label(),
            Self::Stream(stream) => stream.path.label(),
        }
    }
}

/// What a bundle holds of what is wanted.
#[derive(Default)]
pub struct Listing {
    /// Entries and streams, in their stored order.
    pub wanted: Vec<Wanted>,
    /// What the bundle says is not in it.
    pub remarks: Remarks,
}

/// The entries of an opened bundle that are wanted, and what the bundle says is not there.
///
/// # Errors
/// See [`Error`].
pub fn list(opened: &Opened<'_>, selection: &mut Selection) -> Result<Listing, Error> {
    selection.among(
        opened
            .verified()
            .manifest()
            .sources
            .iter()
            .map(|source| source.label.clone()),
    );
    let mut records = opened.records()?;
    let Listing {
        mut wanted,
        mut remarks,
    } = Listing::default();
    let mut before = 0;
    while let Some(record) = records.next_record()? {
        match record {
            Record::Entry(entry) if selection.wants(&entry.path) => wanted.push(Wanted::Entry(entry)),
            Record::Stream(stream) if selection.wants(&stream.path) => wanted.push(Wanted::Stream(stream)),
            Record::Exception(exception) if selection.wants(&exception.path) => {
                remarks.see(&Record::Exception(exception));
            }
            Record::Source(_) => before = wanted.len(),
            Record::Facts(facts) if selection.is_all() || wanted.len() > before => remarks.see(&Record::Facts(facts)),
            Record::Entry(_)
            | Record::Stream(_)
            | Record::Begin(_)
            | Record::Part(_)
            | Record::Exception(_)
            | Record::Facts(_)
            | Record::End(_) => {}
        }
    }
    selection.finish()?;
    Ok(Listing { wanted, remarks })
}

/// Writes the content of one file or stream to `out`. The audit log of the store has it as a restore to stdout: data was taken out.
///
/// # Errors
/// `Selection` when there is no such path; see [`Error`].
pub fn cat(
    verified: &Verified,
    identities: &[Identity],
    path: &str,
    out: &mut (dyn Write + Send),
    store: Option<&dyn Store>,
    desk: &Desk<'_>,
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut details = BTreeMap::from([
        ("targets".to_owned(), "stdout".to_owned()),
        ("only".to_owned(), "1 path".to_owned()),
    ]);
    let written = Opened::open(verified, identities)
        .map_err(Error::from)
        .and_then(|opened| {
            details.insert(RECIPIENT.to_owned(), opened.opener().to_owned());
            write(&opened, path, out, cancel)
        });
    if let Ok(restored) = &written {
        add_amounts(&mut details, restored);
    }
    let deed = Deed {
        act: Act::Restore,
        failure: written.as_ref().err().map(kind_at_stdout),
        set: Some(verified.manifest().set.clone()),
        bundle: Some(verified.manifest().bundle.clone()),
        details,
    };
    let _recorded = store.map(|store| desk.note(store, deed));
    written.map(drop)
}

/// How the record classes a failure: of what went to stdout a part is there, when the work was stopped or its reader has gone away.
fn kind_at_stdout(error: &Error) -> Kind {
    let stopped = matches!(error, Error::Restore(flow::restore::Error::Interrupted));
    let left = matches!(
        error,
        Error::Restore(flow::restore::Error::Sink(sink::Error::Output(source))) if source.kind() == io::ErrorKind::BrokenPipe
    );
    if stopped || left {
        Kind::Incomplete
    } else {
        error.kind()
    }
}

fn write(opened: &Opened<'_>, path: &str, out: &mut (dyn Write + Send), cancel: &Cancel) -> Result<Restored, Error> {
    // As it is, not as a pattern: a name may hold what a pattern gives a meaning to.
    let (raw, Listing { mut wanted, .. }) = exactly(opened, path)?;
    let raw = match wanted.pop() {
        Some(Wanted::Entry(Entry {
            node: Node::Hardlink { target },
            ..
        })) => RawBytes::from(target),
        Some(Wanted::Entry(Entry {
            node: Node::Directory | Node::Symlink { .. },
            ..
        })) => {
            return Err(unfit(format!("{raw} is no file"), "`hub-backup ls` shows what is."));
        }
        Some(
            Wanted::Entry(Entry {
                node: Node::File { .. },
                ..
            })
            | Wanted::Stream(_),
        )
        | None => raw,
    };
    pour(opened, raw, out, cancel)
}

/// Writes the content of the one file at `path` to `out`.
pub(super) fn pour(
    opened: &Opened<'_>,
    path: RawBytes,
    out: &mut (dyn Write + Send),
    cancel: &Cancel,
) -> Result<Restored, Error> {
    let mut selection = Selection::exactly(path);
    let mut pipe = Pipe::new(out);
    let restored = flow::restore::restore(opened, &mut selection, 1, &mut pipe, &Silent, cancel)?;
    let pipe: Box<dyn Sink + '_> = Box::new(pipe);
    let _notes = pipe.commit()?;
    Ok(restored)
}

/// What is at a path that is given as it is, or else as `ls` shows it.
fn exactly(opened: &Opened<'_>, path: &str) -> Result<(RawBytes, Listing), Error> {
    let raw = RawBytes::try_from(path.to_owned()).unwrap_or_else(|_| RawBytes(path.as_bytes().to_vec()));
    match list(opened, &mut Selection::exactly(raw.clone())) {
        Ok(wanted) => Ok((raw, wanted)),
        Err(error @ Error::Selection(_)) => {
            let Some(shown) = RawBytes::from_shown(path) else {
                return Err(error);
            };
            let wanted = list(opened, &mut Selection::exactly(shown.clone())).map_err(|_| error)?;
            Ok((shown, wanted))
        }
        Err(error) => Err(error),
    }
}

fn unfit(what: String, hint: &str) -> Error {
    Error::Unfit {
        what,
        hint: hint.to_owned(),
    }
}
