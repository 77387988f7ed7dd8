//! MySQL and MariaDB: a logical dump of one moment, read over several connections at once.
//!
//! Definitions are read, then commits are held up for the instant in which every connection begins its snapshot, then rows flow as
//! INSERT statements, and at the end the definitions are read once more. What a snapshot does not cover is refused, not guessed: tables without
//! transactions unless writers may be locked out, definitions that changed meanwhile, objects that the account may not see.
//!
//! Not in the dump: accounts and their grants, and the past rows of system-versioned tables.

mod catalog;
mod client;
mod dump;
mod format;
mod objects;
mod options;
mod privileges;
mod snapshot;
mod subject;
mod tasks;

use std::collections::BTreeMap;

pub use self::options::MysqlOptions;
pub use self::options::Selection;
use self::snapshot::Snapshot;
use self::subject::Subject;
use super::Error;
use super::Learnt;
use super::Source;
use crate::base::cancel::Cancel;
use crate::bundle::entry::Attributes;
use crate::bundle::entry::Collector;
use crate::bundle::entry::Mtime;
use crate::bundle::kind::SourceKind;
use crate::bundle::name::Label;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::error::Error as ServerError;
use crate::server::mysql::layout::AFTER;
use crate::server::mysql::layout::PLAN;
use crate::server::mysql::layout::Plan;
use crate::server::mysql::layout::RESTORE;
use crate::server::mysql::layout::SCHEMA;
use crate::server::mysql::options::Options;
use crate::server::mysql::script;
use crate::server::mysql::sql;

/// The oldest servers that this reads.
const OLDEST_MYSQL: (u32, u32, u32) = (8, 0, 0);
const OLDEST_MARIADB: (u32, u32, u32) = (10, 6, 0);

/// Databases of one server.
pub struct MysqlSource {
    subject: Subject,
    server: Options,
    options: MysqlOptions,
    /// About how many bytes the tables hold, once checked.
    bytes: Option<u64>,
}

impl MysqlSource {
    /// The databases that `options` select on `server`. Nothing is connected yet.
    #[must_use]
    pub fn new(label: Label, server: Options, options: MysqlOptions) -> Self {
        Self {
            subject: Subject {
                label,
                server: server.server(),
            },
            server,
            options,
            bytes: None,
        }
    }

    fn connect(&self, cancel: &Cancel) -> Result<Connection, Error> {
        let connection = Connection::open(&self.server, cancel).map_err(|error| self.subject.reaching(&error))?;
        let version = connection.version();
        let oldest = if version.is_mariadb() {
            OLDEST_MARIADB
        } else {
            OLDEST_MYSQL
        };
        if version.numbers < oldest {
            return Err(self.subject.unsupported(
                format!(
                    "version {} is too old: MySQL 8.0 and MariaDB 10.6 are the oldest that are read",
                    version.text
                ),
                "Use its own dump program as a command source: command:shop='mysqldump --single-transaction shop'.",
            ));
        }
        Ok(connection)
    }

    /// What can be known to be missing before anything is read.
    fn check_on(&self, connection: &mut Connection) -> Result<Vec<String>, Error> {
        let reaching = |error: ServerError| self.subject.reaching(&error);
        let databases = catalog::databases(connection, &self.options.selection).map_err(reaching)?;
        let privileges = privileges::Privileges::read(connection).map_err(reaching)?;
        let missing = privileges.missing(&databases);
        if !missing.is_empty() {
            return Err(self.subject.unsupported(
                format!("the account {:?} lacks {}", self.server.user, missing.join(", ")),
                "Grant what is missing; objects that the account cannot see would be left out otherwise.",
            ));
        }
        if databases.is_empty() {
            return Err(self.subject.unsupported(
                "there is no database to dump",
                "Name one that there is, or exclude fewer.",
            ));
        }
        if self.options.lock_tables && !privileges.can_lock() {
            return Err(self.subject.unsupported(
                format!(
                    "the account {:?} lacks RELOAD on *.*, which lock-tables needs",
                    self.server.user
                ),
                "Grant RELOAD, or leave the tables without transactions out with exclude-tables.",
            ));
        }
        Ok(databases)
    }

    /// Refuses tables that no snapshot covers, by name.
    fn refuse_without_transactions(&self, names: &[(String, String)]) -> Result<(), Error> {
        if names.is_empty() || self.options.lock_tables {
            return Ok(());
        }
        let list: Vec<String> = names
            .iter()
            .map(|(name, engine)| format!("{name} ({engine})"))
            .collect();
        Err(self.subject.unsupported(
            format!("a snapshot does not cover tables without transactions: {}", list.join(", ")),
            "Convert them with ALTER TABLE … ENGINE=InnoDB, or add lock-tables=1, which locks out all writers of the server while they are read, \
             or leave them out with exclude-tables=DATABASE.TABLE,….",
        ))
    }

    fn read_catalog(&self, control: &mut Connection) -> Result<Vec<catalog::Database>, Error> {
        let selection = &self.options.selection;
        let names = catalog::databases(control, selection).map_err(|error| self.subject.reaching(&error))?;
        let mut databases = Vec::new();
        for name in names {
            let database = catalog::read(control, &name, selection).map_err(|error| {
                if matches!(error, ServerError::Options { .. }) {
                    self.subject.reaching(&error)
                } else {
                    let what = format!("the definitions of {}", sql::name(&name));
                    self.subject.reading(&what, &error)
                }
            })?;
            databases.push(database);
        }
        Ok(databases)
    }

    /// The rows: first those that need the lock, then, with the lock given back, all others.
    fn read_rows(
        &self,
        snapshot: &mut Snapshot,
        control: &mut Connection,
        tasks: Vec<tasks::Task>,
        collector: &mut dyn Collector,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let (covered, locked): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| task.is_transactional);
        if !locked.is_empty() {
            dump::run(&self.subject, &mut snapshot.workers, locked, collector, cancel)?;
        }
        snapshot.unlock(&self.subject, control)?;
        dump::run(&self.subject, &mut snapshot.workers, covered, collector, cancel)
    }

    fn file(&self, collector: &mut dyn Collector, name: &str, text: &str, seconds: i64) -> Result<(), Error> {
        let attributes = Attributes {
            mode: dump::MODE,
            mtime: Mtime { seconds, nanos: 0 },
            ..Attributes::default()
        };
        let path = dump::path(&self.subject, name)?;
        let _digest = collector
            .file(path, attributes, text.len() as u64, None, &mut text.as_bytes())
            .map_err(|error| self.subject.collect(error))?;
        Ok(())
    }

    /// Definitions must be what they were: a snapshot covers rows alone.
    fn compare(&self, before: &[catalog::Database], control: &mut Connection) -> Result<(), Error> {
        match catalog::difference(before, &self.read_catalog(control)?) {
            None => Ok(()),
            Some(difference) => Err(self.subject.incomplete(
                format!("{difference} during the backup"),
                "Run the backup again while nobody changes definitions.",
            )),
        }
    }

    fn after(&self, control: &mut Connection, database: &catalog::Database) -> Result<Vec<String>, Error> {
        let reading = |error: ServerError| self.subject.reading("the sequences", &error);
        let _done = control
            .run(format!("USE {}", sql::name(&database.name)))
            .map_err(reading)?;
        let mut statements = objects::sequence_states(control, &database.sequences).map_err(reading)?;
        statements.extend(database.after.iter().cloned());
        Ok(statements)
    }

    fn learnt(&self, plan: &Plan, databases: &[catalog::Database], snapshot: &Snapshot) -> Learnt {
        let tables: usize = databases.iter().map(|database| database.tables.len()).sum();
        let product = match plan.product {
            crate::server::mysql::layout::Product::Mysql => "mysql",
            crate::server::mysql::layout::Product::Mariadb => "mariadb",
        };
        let mut public = BTreeMap::from([
            ("product".to_owned(), product.to_owned()),
            ("server_version".to_owned(), plan.server.clone()),
            ("consistency".to_owned(), snapshot.method.name().to_owned()),
            ("connections".to_owned(), snapshot.workers.len().to_string()),
            ("database_count".to_owned(), databases.len().to_string()),
            ("table_count".to_owned(), tables.to_string()),
        ]);
        let position = snapshot.position.iter();
        public.extend(position.map(|(name, value)| ((*name).to_owned(), value.clone())));
        let mut private = BTreeMap::from([("server".to_owned(), self.subject.server.clone())]);
        let versioned = databases.iter().flat_map(|database| {
            let tables = database.tables.iter().filter(|table| table.is_versioned);
            tables.map(|table| sql::qualified(&database.name, &table.name))
        });
        let versioned: Vec<String> = versioned.collect();
        if !versioned.is_empty() {
            private.insert("without_history".to_owned(), versioned.join(", "));
        }
        Learnt {
            data_time: snapshot.time,
            public,
            private,
        }
    }
}

impl Source for MysqlSource {
    fn label(&self) -> &Label {
        &self.subject.label
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Mysql
    }

    fn size_hint(&self) -> Option<u64> {
        self.bytes
    }

    /// Connects, and asks for the version, the privileges, and tables that cannot be read consistently.
    fn check(&mut self, cancel: &Cancel) -> Result<(), Error> {
        let mut connection = self.connect(cancel)?;
        let databases = self.check_on(&mut connection)?;
        let (mut bytes, mut without) = (0, Vec::new());
        for database in databases {
            let listed = catalog::list(&mut connection, &database, &self.options.selection);
            for table in listed.map_err(|error| self.subject.reaching(&error))? {
                bytes += table.bytes;
                if table.has_rows() && !table.is_transactional {
                    without.push((sql::qualified(&database, &table.name), table.engine));
                }
            }
        }
        self.bytes = Some(bytes);
        self.refuse_without_transactions(&without)
    }

    fn collect(&mut self, collector: &mut dyn Collector, cancel: &Cancel) -> Result<Learnt, Error> {
        // What there is. It must be the same at the end.
        let mut control = self.connect(cancel)?;
        let _names = self.check_on(&mut control)?;
        let databases = self.read_catalog(&mut control)?;
        let without: Vec<(String, String)> = databases
            .iter()
            .flat_map(|database| {
                let tables = database.tables.iter().filter(|table| !table.is_transactional);
                tables.map(|table| (sql::qualified(&database.name, &table.name), table.engine.clone()))
            })
            .collect();
        self.refuse_without_transactions(&without)?;

        // One moment for all connections.
        let hold = !without.is_empty();
        let mut snapshot = snapshot::begin(&self.subject, &self.server, &self.options, &mut control, hold, cancel)?;
        let workers = snapshot.workers.len();
        let first = snapshot.workers.first_mut().expect("one connection at least");
        let planned = tasks::plan(first, &databases, &self.options, workers);
        let (plan, tasks) = planned.map_err(|error| self.subject.reading("the sizes of the tables", &error))?;

        // What follows, then definitions, rows, and what comes after them.
        let seconds = snapshot.time.map_or(0, crate::base::clock::Timestamp::unix);
        let text = serde_json::to_string_pretty(&plan).expect("a plan is plain data") + "\n";
        self.file(collector, PLAN, &text, seconds)?;
        for (number, database) in databases.iter().enumerate() {
            let name = format!("{SCHEMA}/{}.sql", tasks::file_name(&database.name, number));
            self.file(collector, &name, &script::write(&database.schema), seconds)?;
        }
        self.read_rows(&mut snapshot, &mut control, tasks, collector, cancel)?;
        self.compare(&databases, &mut control)?;
        for (number, database) in databases.iter().enumerate() {
            let name = format!("{AFTER}/{}.sql", tasks::file_name(&database.name, number));
            let statements = self.after(&mut control, database)?;
            self.file(collector, &name, &script::write(&statements), seconds)?;
        }
        self.file(collector, RESTORE, &client::restore_sql(&plan), seconds)?;
        Ok(self.learnt(&plan, &databases, &snapshot))
    }
}
