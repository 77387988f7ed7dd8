//! Several sinks behind one: each source of a bundle goes to a target of its own, or to the common folder.

use std::io::BufRead;

use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;

use super::Error;
use super::Sink;
use super::discard::Discard;
use super::files::FilesSink;
use super::row_check::Compared;
use super::sqlite::check::Checker;

/// Sends each entry to the sink of its source. Entries of a source without one are read and dropped when there is no common folder.
pub struct Router {
    own: Vec<(Label, Target)>,
    rest: Option<Folder>,
    /// Sources whose files are SQLite databases, and how those are checked before anything takes its name.
    databases: Vec<Label>,
    checker: Checker,
    /// How many of them came, so that `prepare` checks them.
    to_check: u64,
    /// What the checks have found.
    notes: Vec<String>,
}

enum Target {
    Folder(Folder),
    /// It checks what it gets itself.
    Other(Box<dyn Sink>),
}

/// A folder, and the databases in it that are still to be checked.
struct Folder {
    sink: Box<FilesSink>,
    databases: Vec<EntryPath>,
}

impl Router {
    /// A router without targets; files of the sources `databases` are SQLite databases.
    #[must_use]
    pub fn new(databases: Vec<Label>, checker: Checker) -> Self {
        Self {
            own: Vec::new(),
            rest: None,
            databases,
            checker,
            to_check: 0,
            notes: Vec::new(),
        }
    }

    /// Sends the entries of `label` to a folder.
    pub fn folder(&mut self, label: Label, sink: FilesSink) {
        self.own.push((label, Target::Folder(Folder::new(sink))));
    }

    /// Sends the entries of `label` to a sink that checks them itself.
    pub fn add(&mut self, label: Label, sink: Box<dyn Sink>) {
        self.own.push((label, Target::Other(sink)));
    }

    /// Sends all other entries to `sink`.
    pub fn rest(&mut self, sink: FilesSink) {
        self.rest = Some(Folder::new(sink));
    }

    /// The number of databases that `prepare` checks, of those that came so far.
    #[must_use]
    pub fn databases(&self) -> u64 {
        self.to_check
    }

    /// What rows `prepare` has compared, for each source that has any.
    #[must_use]
    pub fn compared(&self) -> Vec<(Label, Compared)> {
        let own = self.own.iter().filter_map(|(label, target)| match target {
            Target::Folder(_) => None,
            Target::Other(sink) => Some((label.clone(), sink.compared()?)),
        });
        own.collect()
    }

    fn target(&mut self, path: &EntryPath) -> Option<&mut dyn Sink> {
        let label = path.label();
        match self.own.iter_mut().find(|(own, _)| *own == label) {
            Some((_, target)) => Some(target.sink()),
            None => self.rest.as_mut().map(|rest| rest.sink.as_mut() as &mut dyn Sink),
        }
    }

    /// Remembers a database that is to be checked.
    fn note(&mut self, entry: &Entry) {
        let label = entry.path.label();
        let is_database = matches!(entry.node, Node::File { .. }) && self.databases.contains(&label);
        if !is_database || !self.checker.looks() {
            return;
        }
        let own = self.own.iter_mut().find(|(own, _)| *own == label);
        match (own.map(|(_, target)| target), &mut self.rest) {
            (Some(Target::Folder(folder)), _) | (None, Some(folder)) => folder.databases.push(entry.path.clone()),
            // It checks the database itself.
            (Some(Target::Other(_)), _) => {}
            // It goes nowhere.
            (None, None) => return,
        }
        self.to_check += 1;
    }
}

impl Target {
    fn sink(&mut self) -> &mut dyn Sink {
        match self {
            Self::Folder(folder) => folder.sink.as_mut(),
            Self::Other(sink) => sink.as_mut(),
        }
    }

    fn dangers(&self) -> Vec<String> {
        match self {
            Self::Folder(folder) => folder.sink.dangers(),
            Self::Other(sink) => sink.dangers(),
        }
    }

    /// Gives what the checks have found.
    fn prepare(&mut self, checker: &Checker) -> Result<Vec<String>, Error> {
        match self {
            Self::Folder(folder) => folder.prepare(checker),
            Self::Other(sink) => sink.prepare().map(|()| Vec::new()),
        }
    }

    fn commit(self) -> Result<Vec<String>, Error> {
        match self {
            Self::Folder(folder) => folder.commit(),
            Self::Other(sink) => sink.commit(),
        }
    }
}

impl Folder {
    fn new(sink: FilesSink) -> Self {
        Self {
            sink: Box::new(sink),
            databases: Vec::new(),
        }
    }

    fn prepare(&mut self, checker: &Checker) -> Result<Vec<String>, Error> {
        self.sink.prepare()?;
        let mut notes = Vec::new();
        for database in self.databases.drain(..) {
            // By its name in the bundle: where it is staged is gone when somebody reads the message.
            let named = |error| {
                let Error::Check { reason, hint, .. } = error else {
                    return error;
                };
                let path = database.as_path().to_owned();
                Error::Check { path, reason, hint }
            };
            let findings = checker.check(&self.sink.staged(&database)).map_err(named)?;
            notes.extend(findings.note(database.as_path()));
        }
        Ok(notes)
    }

    fn commit(self) -> Result<Vec<String>, Error> {
        (self.sink as Box<dyn Sink>).commit()
    }
}

impl Sink for Router {
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error> {
        self.note(entry);
        match self.target(&entry.path) {
            Some(sink) => sink.entry(entry, content),
            None => Discard.entry(entry, content),
        }
    }

    fn part(&mut self, part: &Part, content: &mut dyn BufRead) -> Result<(), Error> {
        match self.target(&part.path) {
            Some(sink) => sink.part(part, content),
            None => Discard.part(part, content),
        }
    }

    fn stream(&mut self, stream: &Stream) -> Result<(), Error> {
        self.target(&stream.path).map_or(Ok(()), |sink| sink.stream(stream))
    }

    fn dangers(&self) -> Vec<String> {
        self.own.iter().flat_map(|(_, target)| target.dangers()).collect()
    }

    fn prepare(&mut self) -> Result<(), Error> {
        for (_, target) in &mut self.own {
            self.notes.extend(target.prepare(&self.checker)?);
        }
        if let Some(rest) = &mut self.rest {
            self.notes.extend(rest.prepare(&self.checker)?);
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<Vec<String>, Error> {
        self.prepare()?;
        let Self {
            own, rest, mut notes, ..
        } = *self;
        notes.extend(rest.map_or(Ok(Vec::new()), Folder::commit)?);
        for (_, target) in own {
            notes.extend(target.commit()?);
        }
        Ok(notes)
    }
}
