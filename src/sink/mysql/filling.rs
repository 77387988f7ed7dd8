//! A table that is being filled: what its streams held so far, and the statement that loads them.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use super::error::Error;
use super::error::doing;
use super::table::Table;
use crate::bundle::entry::Rows;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::layout;
use crate::server::mysql::layout::Column;
use crate::server::mysql::layout::Form;
use crate::server::mysql::sql;
use crate::sink::row_check::RowCheck;

/// A table that is being filled.
pub(super) struct Filling {
    /// The staged database.
    pub(super) database: String,
    /// Its name.
    pub(super) table: String,
    /// For messages: the database by its name in the dump, and the table.
    pub(super) shown: String,
    /// The columns in the rows.
    pub(super) columns: Vec<Column>,
    /// Streams that have not ended.
    streams: AtomicUsize,
    /// What the streams that have ended held.
    rows: Mutex<Rows>,
    /// What makes the keys once all rows are in.
    pub(super) keys: Vec<String>,
    /// The column that counts itself.
    counter: Option<String>,
    /// Columns whose numbers are those of their members.
    enumerations: BTreeSet<String>,
    /// What reads old versions of rows too, where the dump holds them.
    pub(super) history: &'static str,
    /// The first warning of the server while rows were loaded.
    warning: Mutex<Option<String>>,
    /// Whether the rows are read back, and so a warning is no reason to fail.
    pub(super) read_back: bool,
}

impl Filling {
    pub(super) fn new(staged: &str, shown: String, table: &layout::Table, made: &Table, check: RowCheck) -> Self {
        Self {
            database: staged.to_owned(),
            table: table.name.clone(),
            shown,
            columns: table.columns.clone(),
            streams: AtomicUsize::new(table.streams.len()),
            rows: Mutex::default(),
            keys: made.add_keys(),
            counter: made.counter.clone(),
            enumerations: made.enumerations.clone(),
            history: made.history(&table.columns),
            warning: Mutex::default(),
            read_back: check == RowCheck::Fingerprint,
        }
    }

    /// The first warning of the server while rows were loaded.
    pub(super) fn warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the first warning.
    pub(super) fn warn(&self, reason: String) {
        let mut warning = self.warning.lock().unwrap_or_else(PoisonError::into_inner);
        let _first = warning.get_or_insert(reason);
    }

    /// Counts a stream that has ended. Gives whether it was the last.
    pub(super) fn end_stream(&self, rows: Option<&Rows>) -> bool {
        if let Some(rows) = rows {
            self.rows.lock().unwrap_or_else(PoisonError::into_inner).merge(rows);
        }
        self.streams.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// What all its streams held.
    pub(super) fn rows(&self) -> Rows {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all its streams came.
    pub(super) fn is_whole(&self) -> bool {
        self.streams.load(Ordering::Acquire) == 0
    }

    /// Whether its rows hold octets, which are loaded as they are.
    pub(super) fn has_octets(&self) -> bool {
        self.columns.iter().any(|column| column.form == Form::Binary)
    }

    /// The columns whose text must be told to be UTF-8: beside octets a file has no character set.
    ///
    /// # Errors
    /// What the server reports.
    pub(super) fn texts(&self, connection: &mut Connection) -> Result<BTreeSet<String>, Error> {
        if !self.has_octets() {
            return Ok(BTreeSet::new());
        }
        let statement = format!(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} \
             AND NOT DATA_TYPE IN ('date', 'time', 'datetime', 'timestamp') \
             AND NOT IFNULL(CHARACTER_SET_NAME, '') IN ('utf8mb4', 'utf8mb3', 'utf8', 'ascii')",
            sql::quoted(&self.database),
            sql::quoted(&self.table)
        );
        let rows = connection.table(&statement).map_err(doing(&statement))?;
        Ok(rows.into_iter().flatten().flatten().collect())
    }

    /// The statement that loads rows, of which `texts` are those columns that [`Self::texts`] gives.
    pub(super) fn load_statement(&self, texts: &BTreeSet<String>) -> String {
        let (mut targets, mut set) = (Vec::new(), Vec::new());
        let is_told = |column: &Column| column.form == Form::Text && texts.contains(&column.name);
        let is_set = |column: &Column| is_told(column) || self.enumerations.contains(&column.name);
        let sets = self.columns.iter().any(is_set);
        for (number, column) in self.columns.iter().enumerate() {
            let name = sql::name(&column.name);
            match column.form {
                Form::Number if self.enumerations.contains(&column.name) => {
                    targets.push(format!("@b{number}"));
                    set.push(format!("{name} = @b{number} + 0"));
                }
                // Beside a SET, a counter takes 0 for "the next number", whatever the mode of the session says.
                Form::Number if sets && self.counter.as_ref() == Some(&column.name) => {
                    targets.push(format!("@b{number}"));
                    set.push(format!("{name} = @b{number}"));
                }
                Form::Text if is_told(column) => {
                    targets.push(format!("@b{number}"));
                    set.push(format!("{name} = CONVERT(@b{number} USING utf8mb4)"));
                }
                Form::Number | Form::Text | Form::Binary => targets.push(name),
            }
        }
        let set = if set.is_empty() {
            String::new()
        } else {
            format!(" SET {}", set.join(", "))
        };
        let charset = if self.has_octets() { "binary" } else { "utf8mb4" };
        format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET {charset} FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\\'' \
             ESCAPED BY '\\\\' LINES STARTING BY '(' TERMINATED BY '),\\n' ({}){set}",
            sql::qualified(&self.database, &self.table),
            targets.join(", "),
        )
    }
}
