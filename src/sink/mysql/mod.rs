//! Databases of MySQL or MariaDB restored from the members of their dump: tables, rows, keys, then views, triggers, routines and events.
//!
//! Everything is made in staged databases beside the final ones. At the end all tables are moved by one statement, for no other way of
//! giving a database its name is whole or nothing. What belongs to a database and not to a table is made twice: once in the staged
//! database, so that what is wrong with it shows before anything is visible, and once where it belongs. Members come in the order of
//! [`crate::server::mysql::layout`].

mod after;
mod check;
mod dialect;
mod door;
mod error;
mod filling;
mod lexer;
mod load;
mod octets;
pub mod options;
mod rows;
mod schema;
mod streaming;
mod table;
mod target;
mod work;

use std::collections::HashMap;
use std::io;
use std::io::BufRead;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use self::door::Door;
use self::error::Error as Inner;
use self::error::doing;
use self::filling::Filling;
use self::load::Loader;
use self::options::MysqlSinkOptions;
use self::work::Making;
use self::work::Work;
use self::work::move_in;
use super::Error;
use super::Sink;
use super::danger;
use crate::base::cancel::Cancel;
use crate::bundle::entry::Entry;
use crate::bundle::entry::Node;
use crate::bundle::entry::Part;
use crate::bundle::entry::Rows;
use crate::bundle::entry::Stream;
use crate::bundle::path::EntryPath;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::layout;
use crate::server::mysql::layout::Plan;
use crate::server::mysql::options::Options;
use crate::sink::row_check;
use crate::sink::row_check::Compared;
use crate::sink::row_check::RowCheck;

/// The longest member that is not rows.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// The members of a dump that a restore reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Plan,
    Schema,
    Data,
    After,
    /// For other programs.
    Other,
}

/// Restores one dump to one server.
pub struct MysqlSink {
    /// How the target is written, without secrets.
    shown: String,
    options: MysqlSinkOptions,
    door: Door,
    /// Holds the locks of the staged databases.
    control: Connection,
    /// Members that are texts, until their end.
    texts: HashMap<String, Vec<u8>>,
    work: Option<Work>,
    notes: Vec<String>,
    /// What the account may do at the server beyond its databases.
    power: Option<String>,
    prepared: bool,
}

impl MysqlSink {
    /// Connects to the target. What the dump holds, and so which databases are restored to, shows in the plan, its first member: databases
    /// that must not be restored to are refused then, before anything is made.
    ///
    /// # Errors
    /// `Database` when the server is not reached; `Target` when the options name a database that is never restored to.
    pub fn new(shown: String, server: Options, options: MysqlSinkOptions, cancel: &Cancel) -> Result<Self, Error> {
        let failed = |error| outer(&shown, error);
        let door = Door::new(server, cancel.clone());
        let mut control = door.open().map_err(failed)?;
        for name in options.database.iter().chain(options.rename.values()) {
            target::refuse_protected(&door.host(), name, &options.protected).map_err(failed)?;
        }
        let power = target::power_of_account(&mut control).map_err(failed)?;
        let notes = target::sweep(&mut control).map_err(failed)?;
        Ok(Self {
            shown,
            options,
            door,
            control,
            texts: HashMap::new(),
            work: None,
            notes,
            power,
            prepared: false,
        })
    }

    /// The next bytes of a member.
    fn take(&mut self, path: &EntryPath, size: u64, content: &mut dyn BufRead) -> Result<(), Error> {
        let below = below(path);
        let taken = match member(&below) {
            Member::Data => self.rows(&below, size, content),
            Member::Other => io::copy(content, &mut io::sink()).map(drop).map_err(Inner::Content),
            Member::Plan | Member::Schema | Member::After => self.text(&below, size, content),
        };
        taken.map_err(|error| self.outer(path, error))
    }

    fn text(&mut self, below: &str, size: u64, content: &mut dyn BufRead) -> Result<(), Inner> {
        let text = self.texts.entry(below.to_owned()).or_default();
        let _read = content.take(size).read_to_end(text).map_err(Inner::Content)?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(Inner::Dump(format!("{below} is longer than {TEXT_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    fn rows(&mut self, below: &str, size: u64, content: &mut dyn BufRead) -> Result<(), Inner> {
        self.make_held()?;
        let work = self.work.as_mut().ok_or_else(no_plan)?;
        match work.table(below, &self.options)? {
            Some(table) => work.loader.part(below, &table, size, content),
            None => io::copy(content, &mut io::sink()).map(drop).map_err(Inner::Content),
        }
    }

    /// The end of a member.
    fn end(&mut self, path: &EntryPath, rows: Option<Rows>) -> Result<(), Error> {
        let below = below(path);
        let text = self.texts.remove(&below).unwrap_or_default();
        let ended = match member(&below) {
            Member::Plan => self.begin(&text),
            Member::Schema => self.schema(&below, &text),
            Member::After => self.after(&below, &text),
            Member::Data => self.end_rows(&below, rows),
            Member::Other => Ok(()),
        };
        ended.map_err(|error| self.outer(path, error))
    }

    fn begin(&mut self, text: &[u8]) -> Result<(), Inner> {
        let plan: Plan =
            serde_json::from_slice(text).map_err(|error| Inner::Dump(format!("{}: {error}", layout::PLAN)))?;
        if plan.version != layout::VERSION {
            let version = plan.version;
            return Err(Inner::Dump(format!(
                "its plan is of version {version}, which this version does not read"
            )));
        }
        let databases = target::choose(&mut self.control, &self.door, &plan, &self.options)?;
        let by_file = self
            .control
            .value("SELECT @@local_infile")
            .map_err(doing("SELECT @@local_infile"))?;
        let connections = usize::try_from(plan.connections).unwrap_or(1);
        let loader = Loader::new(
            &self.door,
            by_file.as_deref() == Some("1"),
            connections,
            self.options.jobs,
        );
        let work = self.work.insert(Work::new(plan, databases, loader));
        target::stage(&mut self.control, &work.databases)
    }

    fn schema(&mut self, below: &str, text: &[u8]) -> Result<(), Inner> {
        let (work, mut making) = self.making()?;
        work.schema(&mut making, below, text)
    }

    /// The work, and what is at hand for it.
    fn making(&mut self) -> Result<(&mut Work, Making<'_>), Inner> {
        let making = Making {
            control: &mut self.control,
            options: &self.options,
            notes: &mut self.notes,
        };
        Ok((self.work.as_mut().ok_or_else(no_plan)?, making))
    }

    /// Makes what rows need, if it is not made yet.
    fn make_held(&mut self) -> Result<(), Inner> {
        let (work, mut making) = self.making()?;
        work.make_held(&mut making)
    }

    /// Keeps what follows the rows until they are there.
    fn after(&mut self, below: &str, text: &[u8]) -> Result<(), Inner> {
        let work = self.work.as_mut().ok_or_else(no_plan)?;
        if self.options.tables.is_some() {
            return Ok(());
        }
        schema::keep(&mut work.databases, below, text)
    }

    fn end_rows(&mut self, below: &str, rows: Option<Rows>) -> Result<(), Inner> {
        self.make_held()?;
        let work = self.work.as_mut().ok_or_else(no_plan)?;
        match work.table(below, &self.options)? {
            Some(table) => work.loader.end(below, &table, rows),
            None => Ok(()),
        }
    }

    fn prepare_all(&mut self) -> Result<(), Inner> {
        self.make_held()?;
        let work = self.work.as_mut().ok_or_else(no_plan)?;
        work.loader.finish()?;
        work.refuse_missing()?;
        schema::add_foreign_keys(&mut self.control, &work.databases, &self.options, &mut self.notes)?;
        if self.options.check == RowCheck::Fingerprint {
            let tables: Vec<Arc<Filling>> = work.tables.values().cloned().collect();
            check::fingerprints(&self.door, &mut self.control, &tables, self.options.jobs)?;
        }
        self.notes.extend(after::make(
            &mut self.control,
            &work.databases,
            true,
            &self.options.definer,
        )?);
        after::drop_triggers(&mut self.control, &work.databases)
    }

    fn commit_all(&mut self) -> Result<(), Inner> {
        let work = self.work.as_mut().ok_or_else(no_plan)?;
        let mut made = 0;
        let moved = move_in(&mut self.control, &work.databases, &self.options, &mut made);
        if let Err(error) = moved {
            // On a connection of its own: whatever broke this one, nothing half shall stay visible.
            let mut tidy = self.door.for_tidying()?;
            for database in &work.databases[..made] {
                target::unmake(&mut tidy, database)?;
            }
            return Err(error);
        }
        for database in &work.databases {
            // The data is where it belongs: what stays behind is found by the next restore.
            let _swept_later = target::drop_database(&mut self.control, &database.staged);
        }
        Ok(())
    }

    fn outer(&self, path: &EntryPath, error: Inner) -> Error {
        if let Inner::Content(source) = error {
            let path = path.clone();
            return Error::Content { path, source };
        }
        outer(&self.shown, error)
    }
}

fn no_plan() -> Inner {
    Inner::Dump(format!("{} is not its first member", layout::PLAN))
}

/// The path below the label, as text: the paths of a dump are.
fn below(path: &EntryPath) -> String {
    let bytes = path.as_bytes();
    let at = bytes
        .iter()
        .position(|octet| *octet == b'/')
        .map_or(bytes.len(), |at| at + 1);
    String::from_utf8_lossy(&bytes[at..]).into_owned()
}

fn member(below: &str) -> Member {
    let folder = below.split('/').next().unwrap_or_default();
    match folder {
        layout::PLAN => Member::Plan,
        layout::SCHEMA => Member::Schema,
        layout::DATA => Member::Data,
        layout::AFTER => Member::After,
        _ => Member::Other,
    }
}

fn outer(shown: &str, error: Inner) -> Error {
    match error {
        Inner::Target { database, reason } => Error::Target {
            target: PathBuf::from(shown),
            reason: format!("database {database}: {reason}"),
            hint: super::ELSEWHERE,
        },
        Inner::Check { table, reason } => Error::Check {
            path: PathBuf::from(shown),
            reason: format!("{table}: {reason}"),
            hint: row_check::DIFFERENT,
        },
        Inner::Server { what, reason, hint } => Error::Database {
            target: shown.to_owned(),
            reason: format!("{what}: {reason}"),
            hint,
        },
        Inner::Dialect { .. } => Error::Database {
            target: shown.to_owned(),
            reason: error.to_string(),
            hint: Some(
                "Restore to a server of the product that the dump is of; or change these at the source and back it up again; or restore \
                 other tables with --only. Nothing was made."
                    .to_owned(),
            ),
        },
        Inner::Dump(_) | Inner::Content(_) | Inner::Interrupted => Error::Database {
            target: shown.to_owned(),
            reason: error.to_string(),
            hint: None,
        },
    }
}

impl Sink for MysqlSink {
    fn entry(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), Error> {
        match &entry.node {
            Node::Directory => Ok(()),
            Node::File {
                extents: None, size, ..
            } => {
                self.take(&entry.path, *size, content)?;
                self.end(&entry.path, None)
            }
            Node::File { .. } | Node::Symlink { .. } | Node::Hardlink { .. } => Err(Error::Refused {
                path: entry.path.clone(),
                reason: "a dump is made of plain files and streams".to_owned(),
            }),
        }
    }

    fn part(&mut self, part: &Part, content: &mut dyn BufRead) -> Result<(), Error> {
        self.take(&part.path, part.size, content)
    }

    fn stream(&mut self, stream: &Stream) -> Result<(), Error> {
        self.end(&stream.path, stream.rows)
    }

    fn prepare(&mut self) -> Result<(), Error> {
        if !self.prepared {
            self.prepare_all().map_err(|error| outer(&self.shown, error))?;
            self.prepared = true;
        }
        Ok(())
    }

    fn dangers(&self) -> Vec<String> {
        let power = self.power.iter();
        power.map(|power| danger(&self.shown, power)).collect()
    }

    fn compared(&self) -> Option<Compared> {
        let (tables, how) = (&self.work.as_ref()?.tables, self.options.check);
        let rows = tables.values().map(|table| table.rows().count).sum();
        (how != RowCheck::None).then_some(Compared {
            tables: tables.len() as u64,
            rows,
            how,
        })
    }

    fn commit(mut self: Box<Self>) -> Result<Vec<String>, Error> {
        self.prepare()?;
        self.commit_all().map_err(|error| outer(&self.shown, error))?;
        self.work = None;
        Ok(std::mem::take(&mut self.notes))
    }
}

impl Drop for MysqlSink {
    fn drop(&mut self) {
        let Some(mut work) = self.work.take() else { return };
        work.loader.abandon();
        // A server that is gone keeps what was staged: the next restore finds it.
        if let Ok(mut tidy) = self.door.for_tidying() {
            work.loader.stop();
            for database in &work.databases {
                let _swept_later = target::drop_database(&mut tidy, &database.staged);
            }
        }
    }
}
