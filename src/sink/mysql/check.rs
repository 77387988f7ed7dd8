//! Rows read back from restored tables, and compared with those of the dump: in number, and by their fingerprints.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use super::door::Door;
use super::error::Error;
use super::error::doing;
use super::load::Filling;
use crate::bundle::entry::Rows;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::layout::Form;
use crate::server::mysql::sql;

/// Compares all tables, over `jobs` connections.
pub(super) fn fingerprints(door: &Door, tables: &[Arc<Filling>], jobs: usize) -> Result<(), Error> {
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || -> Result<(), Error> {
        let mut connection = door.open()?;
        while let Some(table) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
            compare(&mut connection, table)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, tables.len().max(1)) {
            let _joined_by_the_scope = scope.spawn(|| {
                if let Err(error) = work() {
                    next.store(tables.len(), Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn compare(connection: &mut Connection, table: &Filling) -> Result<(), Error> {
    let (dumped, found) = (table.rows(), read(connection, table)?);
    let reason = if dumped.count != found.count {
        format!("{} rows are there, and {} were in the dump", found.count, dumped.count)
    } else if dumped.fingerprint != found.fingerprint {
        format!("its {} rows differ from those of the dump", found.count)
    } else {
        return Ok(());
    };
    Err(Error::Check {
        table: table.shown.clone(),
        reason,
    })
}

fn read(connection: &mut Connection, table: &Filling) -> Result<Rows, Error> {
    let names: Vec<String> = table.columns.iter().map(|column| sql::name(&column.name)).collect();
    let columns = if names.is_empty() { "1".to_owned() } else { names.join(", ") };
    let statement = format!("SELECT {columns} FROM {}", sql::qualified(&table.database, &table.table));
    let mut rows = connection.query(&statement).map_err(doing(&statement))?;
    let (mut found, mut text) = (Rows::default(), Vec::new());
    while let Some(mut row) = rows.next().map_err(doing(&statement))? {
        text.clear();
        text.push(b'(');
        for (number, column) in table.columns.iter().enumerate() {
            if number > 0 {
                text.push(b',');
            }
            match (row.cell().map_err(doing(&statement))?.flatten(), column.form) {
                (None, _) => text.extend_from_slice(b"NULL"),
                (Some(cell), Form::Number) => text.extend_from_slice(cell),
                (Some(cell), Form::Text) => sql::quote(cell, &mut text),
                (Some(cell), Form::Binary) => sql::hexadecimal(cell, &mut text),
            }
        }
        text.push(b')');
        found.add(&text);
    }
    Ok(found)
}
