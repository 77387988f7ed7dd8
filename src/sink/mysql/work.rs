//! A restore whose plan is known: its tables by their streams, its schema scripts, and the end at which everything gets its name.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use super::after;
use super::dialect;
use super::dialect::Demands;
use super::error::Error;
use super::filling::Filling;
use super::load::Loader;
use super::options::MysqlSinkOptions;
use super::schema;
use super::target;
use super::target::Database;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::layout::Plan;

/// What is at hand when tables are made.
pub(super) struct Making<'m> {
    pub(super) control: &'m mut Connection,
    pub(super) options: &'m MysqlSinkOptions,
    pub(super) notes: &'m mut Vec<String>,
}

/// A restore whose plan is known.
pub(super) struct Work {
    pub(super) plan: Plan,
    pub(super) databases: Vec<Database>,
    /// Which table a stream belongs to: numbers of the database and of the table in the plan.
    pub(super) streams: HashMap<String, (usize, usize)>,
    pub(super) tables: BTreeMap<(usize, usize), Arc<Filling>>,
    pub(super) loader: Loader,
    /// Schema scripts of the other product, by their names, until all have come.
    held: Vec<(String, Vec<u8>)>,
}

/// Gives everything its final place. `made` counts the final databases that this restore has made so far.
pub(super) fn move_in(
    control: &mut Connection,
    databases: &[Database],
    options: &MysqlSinkOptions,
    made: &mut usize,
) -> Result<(), Error> {
    for database in databases {
        target::make(control, database)?;
        *made += 1;
    }
    target::move_tables(control, databases)?;
    after::point_to_sequences(control, databases)?;
    after::make(control, databases, false, &options.definer).map(drop)
}

impl Work {
    /// Nothing of it has come but its plan.
    pub(super) fn new(plan: Plan, databases: Vec<Database>, loader: Loader) -> Self {
        let mut streams = HashMap::new();
        for (d, database) in plan.databases.iter().enumerate() {
            for (t, table) in database.tables.iter().enumerate() {
                streams.extend(table.streams.iter().map(|stream| (stream.clone(), (d, t))));
            }
        }
        Self {
            plan,
            databases,
            streams,
            tables: BTreeMap::new(),
            loader,
            held: Vec::new(),
        }
    }

    /// Makes what a schema script makes: at once, or, for a server of the other product, when all scripts have been looked at.
    pub(super) fn schema(&mut self, making: &mut Making<'_>, below: &str, text: &[u8]) -> Result<(), Error> {
        if making.control.version().product == self.plan.product {
            return self.make(making, below, text);
        }
        self.held.push((below.to_owned(), text.to_vec()));
        if self.held.len() < self.databases.len() {
            return Ok(());
        }
        self.make_held(making)
    }

    /// Looks at the scripts that are held, and makes what they make.
    pub(super) fn make_held(&mut self, making: &mut Making<'_>) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        let (held, mut demands) = (std::mem::take(&mut self.held), Demands::default());
        for (below, text) in &held {
            let from = self.plan.product;
            schema::demand(&mut demands, from, making.options, &self.databases, below, text)?;
        }
        let from = format!("{} {}", dialect::name(self.plan.product), self.plan.server);
        demands.check(making.control, &from)?;
        held.iter().try_for_each(|(below, text)| self.make(making, below, text))
    }

    fn make(&mut self, making: &mut Making<'_>, below: &str, text: &[u8]) -> Result<(), Error> {
        let databases = &mut self.databases;
        schema::run(making.control, databases, making.options, below, text, making.notes)
    }

    /// The table of a stream; none for one that is not wanted.
    pub(super) fn table(&mut self, below: &str, options: &MysqlSinkOptions) -> Result<Option<Arc<Filling>>, Error> {
        let unknown = || Error::Dump(format!("{below} is not in its plan"));
        let number = *self.streams.get(below).ok_or_else(unknown)?;
        if let Some(table) = self.tables.get(&number) {
            return Ok(Some(Arc::clone(table)));
        }
        let (database, table) = (
            &self.databases[number.0],
            &self.plan.databases[number.0].tables[number.1],
        );
        if !schema::wants(options, &database.source, &table.name) {
            return Ok(None);
        }
        let made = database.tables.get(&table.name);
        let made =
            made.ok_or_else(|| Error::Dump(format!("{below} has rows of a table that the schema does not make")))?;
        let shown = format!("{}.{}", database.source, table.name);
        let filling = Arc::new(Filling::new(&database.staged, shown, table, made, options.check));
        let _new = self.tables.insert(number, Arc::clone(&filling));
        Ok(Some(filling))
    }

    /// Refuses to go on when a stream of the plan did not come.
    pub(super) fn refuse_missing(&self) -> Result<(), Error> {
        if let Some(table) = self.tables.values().find(|table| !table.is_whole()) {
            return Err(Error::Dump(format!("rows of {} are missing", table.shown)));
        }
        Ok(())
    }
}
