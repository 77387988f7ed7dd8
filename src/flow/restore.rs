//! The road back: (verified) → decrypt → decompress → unpack → sink.
//!
//! `payload` decrypts and decompresses; here what it gives is unpacked, along the index, into a sink.

use std::io;

use crate::base::cancel::Cancel;
use crate::base::fault::Fault;
use crate::base::fault::Kind;
use crate::base::progress::Progress;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::index::Record;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;
use crate::pack;
use crate::pack::read::Unpacker;
use crate::policy::selection;
use crate::policy::selection::Selection;
use crate::sink;
use crate::sink::Sink;

use super::contents;
use super::contents::Opened;
use super::payload;
use super::payload::Input;
use super::payload::Seeker;
use super::payload::Stoppable;
use super::remarks::Remarks;

/// What was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Entries and streams.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// The sources that they are of.
    pub sources: Vec<Label>,
    /// What the bundle itself says is not in it, among what was wanted.
    pub remarks: Remarks,
}

/// Why a restore did not complete. The sink was not committed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle could not be opened, or its index not be read.
    #[error(transparent)]
    Contents(#[from] contents::Error),
    /// The payload could not be decrypted or decompressed.
    #[error(transparent)]
    Payload(#[from] payload::Error),
    /// The payload is not what the index says.
    #[error(transparent)]
    Unpack(#[from] pack::read::Error),
    /// The target took no more.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// Nothing fits what was asked for.
    #[error(transparent)]
    Selection(#[from] selection::Error),
    /// The work was told to stop.
    #[error("interrupted; the target is as it was")]
    Interrupted,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Contents(error) => error.kind(),
            Self::Payload(error) => error.kind(),
            Self::Unpack(error) => error.kind(),
            Self::Sink(error) => error.kind(),
            Self::Selection(error) => error.kind(),
            Self::Interrupted => Kind::RestoreFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Contents(error) => error.hint(),
            Self::Payload(error) => error.hint(),
            Self::Unpack(error) => error.hint(),
            Self::Sink(error) => error.hint(),
            Self::Selection(error) => error.hint(),
            Self::Interrupted => Some("Run the restore again.".into()),
        }
    }
}

/// Gives what is wanted of a verified, opened bundle to `sink`, which the caller commits.
///
/// Everything is read in one parallel pass; a selection reads only the segments that it needs.
///
/// # Errors
/// See [`Error`].
pub fn restore(
    opened: &Opened<'_>,
    selection: &mut Selection,
    jobs: usize,
    sink: &mut dyn Sink,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Restored, Error> {
    let total = selection
        .is_all()
        .then_some(opened.verified().manifest().totals.tar_bytes);
    progress.begin("restoring", total);
    let unpacking = Unpacking {
        opened,
        selection,
        sink,
        cancel,
        progress,
    };
    let restored = if unpacking.selection.is_all() {
        payload::in_one_pass(opened, jobs, |blocks| unpacking.run(blocks))
    } else {
        match Seeker::new(opened) {
            Ok(input) => unpacking.run(input),
            Err(error) => Err(error.into()),
        }
    };
    progress.end();
    match restored {
        // Whatever else failed, it was the stop that made it fail.
        Err(_) if cancel.is_set() => Err(Error::Interrupted),
        other => other,
    }
}

/// Index and payload side by side.
struct Unpacking<'a, 'b> {
    opened: &'a Opened<'b>,
    selection: &'a mut Selection,
    sink: &'a mut dyn Sink,
    cancel: &'a Cancel,
    progress: &'a dyn Progress,
}

impl Unpacking<'_, '_> {
    fn run<I: Input>(mut self, input: I) -> Result<Restored, Error> {
        let cancel = self.cancel;
        let mut unpacker = Unpacker::new(
            Stoppable { input, cancel },
            self.opened.verified().manifest().created.unix(),
        )?;
        let restored = self.records(&mut unpacker);
        if restored.is_ok() || !cancel.is_set() {
            unpacker.settle()?;
        }
        restored
    }

    fn records<I: Input>(&mut self, unpacker: &mut Unpacker<Stoppable<'_, I>>) -> Result<Restored, Error> {
        let mut records = self.opened.records()?;
        let mut restored = Restored::default();
        let mut parents = Parents::default();
        // The source at hand, and the entries that were wanted of those before it.
        let (mut source, mut before) = (None, 0);
        while let Some(record) = records.next_record()? {
            self.cancel.check().map_err(|_| Error::Interrupted)?;
            match record {
                Record::Entry(entry) => {
                    if !self.selection.wants(&entry.path) {
                        parents.remember(entry);
                        continue;
                    }
                    parents.give(&entry.path, self.sink)?;
                    unpacker.input().go(entry.at)?;
                    unpacker.entry(&entry, |content| self.sink.entry(&entry, content))??;
                    restored.entries += 1;
                    restored.bytes += entry.stored_bytes();
                    self.progress.advance(entry.stored_bytes());
                }
                Record::Part(part) if self.selection.wants(&part.path) => {
                    parents.give(&part.path, self.sink)?;
                    unpacker.input().go(part.at)?;
                    unpacker.part(&part, |content| self.sink.part(&part, content))??;
                    restored.bytes += part.size;
                    self.progress.advance(part.size);
                }
                Record::Stream(stream) if self.selection.wants(&stream.path) => {
                    unpacker.stream(&stream)?;
                    self.sink.stream(&stream)?;
                    restored.entries += 1;
                }
                Record::Exception(exception) if self.selection.wants(&exception.path) => {
                    restored.remarks.see(&Record::Exception(exception));
                }
                Record::Source(next) => {
                    restored.sources.extend(source.filter(|_| restored.entries > before));
                    (source, before) = (Some(next.label), restored.entries);
                }
                // What a source left out matters to whoever wanted something of it.
                Record::Facts(facts) if self.selection.is_all() || restored.entries > before => {
                    restored.remarks.see(&Record::Facts(facts));
                }
                // What is not wanted, and what has no member.
                Record::Part(_)
                | Record::Stream(_)
                | Record::Exception(_)
                | Record::Begin(_)
                | Record::Facts(_)
                | Record::End(_) => {}
            }
        }
        restored.sources.extend(source.filter(|_| restored.entries > before));
        if self.selection.is_all() {
            unpacker.finish()?;
        }
        self.selection.finish()?;
        Ok(restored)
    }
}

/// Folders that were not asked for, but that hold what was: each is given once, before the first entry in it.
#[derive(Default)]
struct Parents(Vec<Entry>);

impl Parents {
    fn remember(&mut self, entry: Entry) {
        if entry.node == Node::Directory {
            self.0
                .retain(|folder| entry.path.as_path().starts_with(folder.path.as_path()));
            self.0.push(entry);
        }
    }

    fn give(&mut self, path: &EntryPath, sink: &mut dyn Sink) -> Result<(), Error> {
        for folder in self.0.drain(..) {
            if path.as_path().starts_with(folder.path.as_path()) {
                sink.entry(&folder, &mut io::empty())?;
            }
        }
        Ok(())
    }
}
