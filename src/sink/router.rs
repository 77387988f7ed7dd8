//! Several sinks behind one: each source of a bundle goes to a target of its own, or to the common folder.

use std::io::Read;

use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;
use crate::bundle::entry::Stream;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;

use super::Error;
use super::Sink;
use super::files::FilesSink;
use super::sqlite;
use super::sqlite::Check;

/// Sends each entry to the sink of its source. Entries of a source without one are read and dropped when there is no common folder.
#[derive(Default)]
pub struct Router {
    own: Vec<(Label, Box<dyn Sink>)>,
    rest: Option<Rest>,
}

/// The common folder, and the databases in it that are checked before it takes its name.
struct Rest {
    sink: Box<FilesSink>,
    labels: Vec<Label>,
    check: Check,
    databases: Vec<EntryPath>,
}

impl Router {
    /// A router without targets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends the entries of `label` to `sink`.
    pub fn add(&mut self, label: Label, sink: Box<dyn Sink>) {
        self.own.push((label, sink));
    }

    /// Sends all other entries to `sink`; files of the sources `databases` are SQLite databases.
    pub fn rest(&mut self, sink: FilesSink, databases: Vec<Label>, check: Check) {
        self.rest = Some(Rest {
            sink: Box::new(sink),
            labels: databases,
            check,
            databases: Vec::new(),
        });
    }

    /// The number of databases that `commit` will check.
    #[must_use]
    pub fn databases(&self) -> u64 {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.databases.len());
        rest as u64
    }

    fn target(&mut self, path: &EntryPath) -> Option<&mut dyn Sink> {
        let label = path.label();
        match self.own.iter_mut().find(|(own, _)| *own == label) {
            Some((_, sink)) => Some(sink.as_mut()),
            None => self.rest.as_mut().map(|rest| rest.sink.as_mut() as &mut dyn Sink),
        }
    }
}

impl Sink for Router {
    fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), Error> {
        let own = self.own.iter().any(|(label, _)| *label == entry.path.label());
        if let Some(rest) = self.rest.as_mut().filter(|_| !own)
            && matches!(entry.node, Node::File { .. })
            && rest.labels.contains(&entry.path.label())
        {
            rest.databases.push(entry.path.clone());
        }
        match self.target(&entry.path) {
            Some(sink) => sink.entry(entry, content),
            None => super::discard::Discard.entry(entry, content),
        }
    }

    fn part(&mut self, part: &Part, content: &mut dyn Read) -> Result<(), Error> {
        match self.target(&part.path) {
            Some(sink) => sink.part(part, content),
            None => super::discard::Discard.part(part, content),
        }
    }

    fn stream(&mut self, stream: &Stream) -> Result<(), Error> {
        self.target(&stream.path).map_or(Ok(()), |sink| sink.stream(stream))
    }

    fn prepare(&mut self) -> Result<(), Error> {
        for (_, sink) in &mut self.own {
            sink.prepare()?;
        }
        let Some(rest) = &mut self.rest else { return Ok(()) };
        rest.sink.prepare()?;
        for database in &rest.databases {
            let _findings = sqlite::check(&rest.sink.staged(database), rest.check)?;
        }
        rest.databases.clear();
        Ok(())
    }

    fn notes(&mut self) -> Vec<String> {
        self.own.iter_mut().flat_map(|(_, sink)| sink.notes()).collect()
    }

    fn commit(mut self: Box<Self>) -> Result<(), Error> {
        self.prepare()?;
        let Self { own, rest } = *self;
        if let Some(rest) = rest {
            (rest.sink as Box<dyn Sink>).commit()?;
        }
        own.into_iter().try_for_each(|(_, sink)| sink.commit())
    }
}
