//! Runs the statements of a script one after another, and keeps account of what failed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::Error;
use super::error::state;
use super::error::words;
use super::filter::Filter;
use super::filter::Meaning;
use super::filter::Verdict;
use super::filter::meaning;
use super::link::Link;
use super::script::Piece;
use super::script::Splitter;
use super::statement::Statement;
use super::statement::piece_of_large_object;
use super::toc::Group;
use super::toc::Header;

/// How many failed statements an error names.
const NAMED_MAX: usize = 10;

/// What came of running statements.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// The first failures, in words.
    named: Vec<String>,
    /// All failures.
    count: u64,
    /// What the operator should know.
    pub(super) notes: Vec<String>,
}

/// How one statement failed.
pub(super) struct Failure {
    pub(super) words: String,
    pub(super) state: Option<String>,
    /// Whether the session is at its end.
    pub(super) lost: bool,
}

impl Account {
    pub(super) fn add(&mut self, header: &Header, failure: &Failure) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(format!("{header}: {}", failure.words));
        }
    }

    /// An error when anything failed.
    pub(super) fn settle(&self, member: &str) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        let count = match self.count {
            1 => "1 statement".to_owned(),
            count => format!("{count} statements"),
        };
        let rest = self.count - self.named.len() as u64;
        let more = if rest > 0 {
            format!("; and {rest} more")
        } else {
            String::new()
        };
        Err(Error::Statements(format!(
            "{count} of {member} failed: {}{more}",
            self.named.join("; ")
        )))
    }
}

/// Runs one statement; gives what the operator should know about it.
pub(super) async fn execute(link: &Link, text: &str, selected: bool) -> Result<Option<String>, Failure> {
    let done = match piece_of_large_object(text) {
        Some((object, offset, bytes)) => link.put(object, offset, &bytes).await,
        None => link.client().batch_execute(text).await,
    };
    let Err(error) = done else {
        return Ok(None);
    };
    if let Some((state, message)) = state(&error) {
        match meaning(text, state, message, selected) {
            Meaning::Silent => return Ok(None),
            Meaning::Note(note) => return Ok(Some(note)),
            Meaning::Failure => {}
        }
    }
    Err(Failure {
        words: words(&error),
        state: error.code().map(|code| code.code().to_owned()),
        lost: link.client().is_closed() || error.as_db_error().is_none(),
    })
}

/// A script that is run as it comes.
pub(super) struct Script {
    member: &'static str,
    splitter: Splitter,
    header: Header,
    account: Account,
    kept_roles: BTreeSet<String>,
}

impl Script {
    pub(super) fn new(member: &'static str) -> Self {
        Self {
            member,
            splitter: Splitter::new(),
            header: Header::default(),
            account: Account::default(),
            kept_roles: BTreeSet::new(),
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.splitter.feed(bytes).map_err(|error| self.bad(&error))
    }

    fn bad(&self, error: &dyn std::error::Error) -> Error {
        Error::Dump(format!("{} is not what pg_dump writes: {error}", self.member))
    }

    /// The statements that have come whole.
    pub(super) fn ready(&mut self) -> Vec<Piece> {
        std::iter::from_fn(|| self.splitter.next()).collect()
    }

    /// The statements after which nothing comes.
    pub(super) fn last(&mut self) -> Result<Vec<Piece>, Error> {
        let finished = self.splitter.finish();
        finished.map_err(|error| self.bad(&error))?;
        Ok(self.ready())
    }

    /// Runs `pieces`; goes on after a failure, so that one restore names all of them.
    pub(super) async fn run(mut self, pieces: Vec<Piece>, link: Arc<Link>, filter: Filter) -> Result<Self, Error> {
        for piece in pieces {
            let text = match piece {
                Piece::Header(header) => {
                    self.header = header;
                    continue;
                }
                Piece::Statement(text) => text,
            };
            let Some(text) = self.wanted(&filter, text)? else {
                continue;
            };
            match execute(&link, &text, filter.selected).await {
                Ok(Some(note)) if Statement::new(&text).makes_global() => self.kept(&text, note),
                Ok(note) => self.account.notes.extend(note),
                Err(failure) => {
                    self.account.add(&self.header, &failure);
                    if failure.lost {
                        break;
                    }
                }
            }
        }
        if link.client().is_closed() {
            self.account.settle(self.member)?;
        }
        Ok(self)
    }

    /// The form in which a statement is run, if it is.
    fn wanted(&self, filter: &Filter, text: String) -> Result<Option<String>, Error> {
        let statement = Statement::new(&text);
        if statement.role().is_some_and(|role| self.kept_roles.contains(role)) {
            return Ok(None);
        }
        wanted(filter, &self.header, text, self.member)
    }

    /// A role that was there before keeps what it may.
    fn kept(&mut self, text: &str, note: String) {
        self.kept_roles.extend(Statement::new(text).role().map(str::to_owned));
        self.account.notes.push(note);
    }

    pub(super) fn into_account(self) -> Account {
        self.account
    }
}

fn wanted(filter: &Filter, header: &Header, text: String, member: &str) -> Result<Option<String>, Error> {
    match filter.verdict(header, &text) {
        Verdict::Run => Ok(Some(text)),
        Verdict::RunInstead(text) => Ok(Some(text)),
        Verdict::Skip => Ok(None),
        Verdict::Refuse(reason) => Err(Error::Dump(format!("{header} in {member} is not run: {reason}"))),
    }
}

/// A script that is kept: its entries, in their order.
pub(super) struct Kept {
    member: &'static str,
    splitter: Splitter,
    groups: Vec<Group>,
    tablespace: Option<String>,
    bytes: usize,
}

impl Kept {
    pub(super) fn new(member: &'static str) -> Self {
        Self {
            member,
            splitter: Splitter::new(),
            groups: Vec::new(),
            tablespace: None,
            bytes: 0,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], filter: &Filter) -> Result<(), Error> {
        let fed = self.splitter.feed(bytes);
        fed.map_err(|error| bad(self.member, &error))?;
        self.sort(filter)
    }

    /// The end of the script.
    pub(super) fn finish(&mut self, filter: &Filter) -> Result<(), Error> {
        let finished = self.splitter.finish();
        finished.map_err(|error| bad(self.member, &error))?;
        self.sort(filter)
    }

    fn sort(&mut self, filter: &Filter) -> Result<(), Error> {
        while let Some(piece) = self.splitter.next() {
            match piece {
                Piece::Header(header) => self.groups.push(Group {
                    header,
                    statements: Vec::new(),
                    tablespace: self.tablespace.clone(),
                }),
                Piece::Statement(text) => self.statement(text, filter)?,
            }
        }
        Ok(())
    }

    fn statement(&mut self, text: String, filter: &Filter) -> Result<(), Error> {
        // It stands before the comment of the entry that it is for.
        if text.starts_with("SET default_tablespace") {
            self.tablespace = Some(text);
            return Ok(());
        }
        self.part_refresh(&text);
        // What stands before the first entry sets the session up, and every session is set up already.
        let Some(group) = self.groups.last_mut() else {
            return Ok(());
        };
        if let Some(text) = wanted(filter, &group.header, text, self.member)? {
            self.bytes += text.len();
            group.statements.push(text);
        }
        Ok(())
    }

    /// The filling of a materialized view is an entry of its own, also where no comment stands above it: it waits for everything else.
    fn part_refresh(&mut self, text: &str) {
        let kind = "MATERIALIZED VIEW DATA";
        let apart = self.groups.last().is_none_or(|group| group.header.kind != kind);
        if let Some((schema, name)) = Statement::new(text).refreshes()
            && apart
        {
            let header = Header {
                name,
                kind: kind.to_owned(),
                schema: Some(schema),
            };
            self.groups.push(Group {
                header,
                statements: Vec::new(),
                tablespace: self.tablespace.clone(),
            });
        }
    }

    /// Bytes of the statements.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The entries that are whole, or all at the end.
    pub(super) fn take(&mut self, all: bool) -> Vec<Group> {
        let open = if all { None } else { self.groups.pop() };
        let taken = std::mem::replace(&mut self.groups, open.into_iter().collect());
        self.bytes = 0;
        taken
    }
}

fn bad(member: &str, error: &dyn std::error::Error) -> Error {
    Error::Dump(format!("{member} is not what pg_dump writes: {error}"))
}
