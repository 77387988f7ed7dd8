//! Rows read back from restored tables, and compared with those of the dump: in number, and by their fingerprints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use super::door::Door;
use super::error::Error;
use super::error::doing;
use super::filling::Filling;
use crate::bundle::entry::Rows;
use crate::server::mysql::columns::Column;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::error::Error as ServerError;
use crate::server::mysql::layout;
use crate::server::mysql::layout::Form;
use crate::server::mysql::rows::tuple;
use crate::server::mysql::sql;

/// Columns by database and table.
type Columns = BTreeMap<String, BTreeMap<String, Vec<Column>>>;

/// Compares all tables, over `jobs` connections.
pub(super) fn fingerprints(
    door: &Door,
    control: &mut Connection,
    tables: &[Arc<Filling>],
    jobs: usize,
) -> Result<(), Error> {
    let mut columns = Columns::new();
    for table in tables {
        if !columns.contains_key(&table.database) {
            let read = Column::read_all(control, &table.database).map_err(doing("looking at the columns"))?;
            let _new = columns.insert(table.database.clone(), read);
        }
    }
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || -> Result<(), Error> {
        let mut connection = door.open()?;
        while let Some(table) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
            compare(&mut connection, table, &columns)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, tables.len().max(1)) {
            let _joined_by_the_scope = scope.spawn(|| {
                if let Err(error) = work() {
                    next.store(tables.len(), Ordering::Relaxed);
                    failure
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(error);
                }
            });
        }
    });
    failure
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
}

fn compare(connection: &mut Connection, table: &Filling, columns: &Columns) -> Result<(), Error> {
    let differs = |reason: String| Error::Check {
        table: table.shown.clone(),
        reason,
    };
    let there = columns.get(&table.database).and_then(|tables| tables.get(&table.table));
    let there = chosen(there.map_or(&[][..], Vec::as_slice), &table.columns);
    let there = there.ok_or_else(|| differs("its columns are not those of the dump".to_owned()))?;
    let (dumped, found) = (table.rows(), read(connection, table, &there)?);
    let reason = if dumped.count != found.count {
        format!("{} rows are there, and {} were in the dump", found.count, dumped.count)
    } else if dumped.fingerprint != found.fingerprint {
        let warned = table
            .warning()
            .map_or_else(String::new, |warning| format!("; while they were loaded, {warning}"));
        format!("its {} rows differ from those of the dump{warned}", found.count)
    } else {
        return Ok(());
    };
    Err(differs(reason))
}

/// The columns of the target, in the order of the dump, read as those of the dump were.
fn chosen(there: &[Column], dumped: &[layout::Column]) -> Option<Vec<Column>> {
    let same = |wanted: &layout::Column| {
        there
            .iter()
            .find(|column| column.name == wanted.name && column.form == wanted.form)
    };
    dumped.iter().map(|wanted| same(wanted).cloned()).collect()
}

fn read(connection: &mut Connection, table: &Filling, columns: &[Column]) -> Result<Rows, Error> {
    let asked: Vec<&str> = columns.iter().map(|column| column.expression.as_str()).collect();
    let forms: Vec<Form> = columns.iter().map(|column| column.form).collect();
    let asked = if asked.is_empty() {
        "1".to_owned()
    } else {
        asked.join(", ")
    };
    let statement = format!(
        "SELECT {asked} FROM {}{}",
        sql::qualified(&table.database, &table.table),
        table.history
    );
    let (mut found, mut text) = (Rows::default(), Vec::new());
    let done = connection.each(&statement, |row| {
        text.clear();
        tuple(&row, &forms, &mut text)?;
        found.add(&text);
        Ok::<_, ServerError>(())
    });
    let _done = done.map_err(doing(&statement))?;
    Ok(found)
}
