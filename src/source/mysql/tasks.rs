//! Which streams there are: one for each table, several for a large one that its primary key cuts into ranges.

use super::catalog::Database;
use super::catalog::Table;
use super::options::MysqlOptions;
use crate::server::mysql::columns::Column;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::error::Error;
use crate::server::mysql::layout;
use crate::server::mysql::layout::Form;
use crate::server::mysql::layout::Plan;
use crate::server::mysql::sql;

/// Most ranges of one table: each is a stream of its own in the plan and in the index.
const RANGES_MAX: u64 = 1024;

/// One stream to be read.
pub(super) struct Task {
    /// Its path below the label.
    pub(super) path: String,
    /// `` `db`.`table` ``, for messages.
    pub(super) what: String,
    pub(super) table: String,
    pub(super) columns: Vec<(String, Form)>,
    pub(super) select: String,
    pub(super) is_transactional: bool,
    /// About how many bytes.
    bytes: u64,
}

/// The plan, and the tasks that it announces, the largest first.
pub(super) fn plan(
    connection: &mut Connection,
    databases: &[Database],
    options: &MysqlOptions,
    connections: usize,
) -> Result<(Plan, Vec<Task>), Error> {
    let origin = if connection.version().is_mariadb() {
        connection.value("SELECT CONCAT(@@hostname, ':', @@port, ':', @@datadir)")?
    } else {
        connection.value("SELECT @@server_uuid")?
    };
    let mut plan = Plan {
        version: layout::VERSION,
        product: connection.version().product,
        server: connection.version().text.clone(),
        origin,
        connections: u32::try_from(connections).unwrap_or(1),
        databases: Vec::new(),
    };
    let mut tasks = Vec::new();
    for (number, database) in databases.iter().enumerate() {
        let folder = file_name(&database.name, number);
        let mut tables = Vec::new();
        for (number, table) in database.tables.iter().enumerate() {
            let file = file_name(&table.name, number);
            let mut streams = Vec::new();
            for (path, task) in of_table(
                connection,
                database,
                table,
                &format!("{}/{folder}/{file}", layout::DATA),
                options,
            )? {
                streams.push(path);
                tasks.push(task);
            }
            tables.push(describe(table, streams));
        }
        plan.databases.push(layout::Database {
            name: database.name.clone(),
            tables,
        });
    }
    tasks.sort_by_key(|task| std::cmp::Reverse(task.bytes));
    Ok((plan, tasks))
}

fn describe(table: &Table, streams: Vec<String>) -> layout::Table {
    let column = |column: &Column| layout::Column {
        name: column.name.clone(),
        form: column.form,
    };
    layout::Table {
        name: table.name.clone(),
        columns: table.columns.iter().map(column).collect(),
        streams,
    }
}

/// A name for a file: the name itself where that is plain, or else a number.
pub(super) fn file_name(name: &str, number: usize) -> String {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || "_$-".contains(sign);
    if !name.is_empty() && name.len() <= 64 && name.chars().all(is_plain) && !name.starts_with('-') {
        name.to_owned()
    } else {
        format!("~{number}")
    }
}

fn of_table(
    connection: &mut Connection,
    database: &Database,
    table: &Table,
    path: &str,
    options: &MysqlOptions,
) -> Result<Vec<(String, Task)>, Error> {
    let expressions: Vec<&str> = table.columns.iter().map(|column| column.expression.as_str()).collect();
    let list = if expressions.is_empty() {
        "1".to_owned()
    } else {
        expressions.join(",")
    };
    let what = sql::qualified(&database.name, &table.name);
    let select = format!("SELECT /*M! SQL_NO_CACHE */ {list} FROM {what}");
    let ranges = ranges(connection, &what, table, options)?;
    let bytes = table.bytes / ranges.len() as u64;
    let task = |path: &str, range: &str| Task {
        path: path.to_owned(),
        what: what.clone(),
        table: table.name.clone(),
        columns: table
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.form))
            .collect(),
        select: format!("{select}{range}"),
        is_transactional: table.is_transactional,
        bytes,
    };
    let one = ranges.len() == 1;
    let paths = ranges.iter().enumerate().map(|(number, range)| {
        let path = if one {
            format!("{path}.sql")
        } else {
            format!("{path}.{number:04}.sql")
        };
        let task = task(&path, range);
        (path, task)
    });
    Ok(paths.collect())
}

/// The conditions that cut a table, at least one; ranges of the key of equal width, open at both ends.
fn ranges(
    connection: &mut Connection,
    what: &str,
    table: &Table,
    options: &MysqlOptions,
) -> Result<Vec<String>, Error> {
    let whole = vec![String::new()];
    let wanted = (table.bytes / options.chunk_bytes.max(1)).min(RANGES_MAX);
    let Some(key) = table.key.as_ref().filter(|_| wanted > 1 && table.is_transactional) else {
        return Ok(whole);
    };
    let key = sql::name(key);
    let rows = connection.table(format!("SELECT MIN({key}), MAX({key}) FROM {what}"))?;
    let cell = |number: usize| {
        rows.first()
            .and_then(|row| row.get(number)?.as_ref()?.parse::<i128>().ok())
    };
    let (Some(least), Some(most)) = (cell(0), cell(1)) else {
        return Ok(whole);
    };
    let wanted = i128::from(wanted).min(most - least + 1);
    let border = |number: i128| least + (most - least + 1) * number / wanted;
    let range = |number: i128| match (number == 0, number == wanted - 1) {
        (true, true) => String::new(),
        (true, false) => format!(" WHERE {key} < {}", border(1)),
        (false, true) => format!(" WHERE {key} >= {}", border(number)),
        (false, false) => format!(" WHERE {key} >= {} AND {key} < {}", border(number), border(number + 1)),
    };
    Ok((0..wanted).map(range).collect())
}
