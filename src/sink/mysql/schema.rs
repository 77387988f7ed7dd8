//! The scripts of a dump: what is made before the rows, what is kept until after them, and for which database.

use std::collections::BTreeMap;

use super::after::Act;
use super::after::act;
use super::dialect::Demands;
use super::door::run as run_one;
use super::door::set_up;
use super::error::Error;
use super::lexer::Statement;
use super::options::MysqlSinkOptions;
use super::table::Table;
use super::target;
use super::target::Database;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::layout::Product;
use crate::server::mysql::script;
use crate::server::mysql::sql;

/// Whether a table is to be restored.
pub(super) fn wants(options: &MysqlSinkOptions, database: &str, table: &str) -> bool {
    let wanted = |name: &String| *name == format!("{database}.{table}");
    options.tables.as_ref().is_none_or(|tables| tables.iter().any(wanted))
}

/// Makes what a schema script makes, in the staged database.
pub(super) fn run(
    control: &mut Connection,
    databases: &mut [Database],
    options: &MysqlSinkOptions,
    below: &str,
    text: &[u8],
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let names = staged_names(databases);
    let statements = read(below, text)?;
    let mut current = only(databases);
    for sql in statements {
        let statement = Statement::new(sql);
        let (act, at) = act(&statement);
        if matches!(act, Act::Database | Act::Use) {
            let number = find(databases, &statement, at, below)?;
            file(below).clone_into(&mut databases[number].file);
            current = Some(number);
        }
        let number = current.ok_or_else(|| Error::Dump(format!("{below} does not say which database it is of")))?;
        let database = &mut databases[number];
        match act {
            Act::Database => {
                database.creation = creation(&statement, at);
                target::set_creation(control, &database.staged, &database.creation)?;
            }
            Act::Use => {}
            Act::View | Act::Trigger | Act::Event | Act::Routine if options.tables.is_some() => {}
            Act::View => database.stand_ins.push(sql.to_owned()),
            Act::Table => make_table(control, database, options, sql, &names)?,
            Act::Trigger | Act::Event | Act::Routine => database.after.push(sql.to_owned()),
            Act::Other => {
                use_database(control, &database.staged)?;
                let _warnings = run_one(control, &statement.with_databases(&names))?;
            }
        }
    }
    if options.tables.is_some() && !notes.iter().any(|note| note.starts_with("only chosen")) {
        notes.push("only chosen tables were restored: without views, triggers, routines and events".to_owned());
    }
    set_up(control)
}

/// Adds what a schema script asks of a server that is not of the product that made it.
pub(super) fn demand(
    demands: &mut Demands,
    from: Product,
    options: &MysqlSinkOptions,
    databases: &[Database],
    below: &str,
    text: &[u8],
) -> Result<(), Error> {
    let mut current = only(databases);
    for sql in read(below, text)? {
        let statement = Statement::new(sql);
        let (act, at) = act(&statement);
        if matches!(act, Act::Database | Act::Use) {
            current = Some(find(databases, &statement, at, below)?);
        }
        let database = current.map_or("", |number| databases[number].source.as_str());
        let unwanted =
            act == Act::Table && Table::parse(sql).is_some_and(|table| !wants(options, database, &table.name));
        if !unwanted {
            demands.add(from, database, sql);
        }
    }
    Ok(())
}

fn make_table(
    control: &mut Connection,
    database: &mut Database,
    options: &MysqlSinkOptions,
    sql: &str,
    names: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let table = Table::parse(sql)
        .ok_or_else(|| Error::Dump(format!("no table is made by: {}", super::error::shortened(sql))))?;
    if wants(options, &database.source, &table.name) {
        use_database(control, &database.staged)?;
        let create = Statement::new(&table.create).with_databases(names);
        let _warnings = run_one(control, &create)?;
        let _new = database.tables.insert(table.name.clone(), table);
    }
    Ok(())
}

/// Keeps what a script makes after the rows.
pub(super) fn keep(databases: &mut [Database], below: &str, text: &[u8]) -> Result<(), Error> {
    let of_schema = |database: &Database| database.file == file(below);
    let mut current = databases.iter().position(of_schema).or_else(|| only(databases));
    for sql in read(below, text)? {
        let statement = Statement::new(sql);
        let (act, at) = act(&statement);
        match act {
            Act::Use => current = Some(find(databases, &statement, at, below)?),
            Act::Database | Act::Table | Act::View | Act::Trigger | Act::Event | Act::Routine | Act::Other => {
                let number =
                    current.ok_or_else(|| Error::Dump(format!("{below} does not say which database it is of")))?;
                databases[number].after.push(sql.to_owned());
            }
        }
    }
    Ok(())
}

/// Adds the foreign keys, which name tables of any database of the dump. One after the other: each takes an instant, and two tables that
/// refer to each other would wait for each other. The rows are not looked at again: they satisfied the keys of the source.
pub(super) fn add_foreign_keys(
    control: &mut Connection,
    databases: &[Database],
    options: &MysqlSinkOptions,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let names = staged_names(databases);
    for database in databases {
        use_database(control, &database.staged)?;
        for table in database.tables.values() {
            let Some(statement) = table.add_foreign_keys() else {
                continue;
            };
            if options.tables.is_some() {
                notes.push(format!(
                    "{}.{} was restored without its foreign keys",
                    database.source, table.name
                ));
                continue;
            }
            let _warnings = run_one(control, &Statement::new(&statement).with_databases(&names))?;
        }
    }
    Ok(())
}

fn staged_names(databases: &[Database]) -> BTreeMap<String, String> {
    databases
        .iter()
        .map(|database| (database.source.clone(), database.staged.clone()))
        .collect()
}

fn read<'t>(below: &str, text: &'t [u8]) -> Result<Vec<&'t str>, Error> {
    script::read(text).map_err(|error| Error::Dump(format!("{below}: {error}")))
}

/// The name of a script without its folder: the same before the rows and after them.
fn file(below: &str) -> &str {
    below.rsplit('/').next().unwrap_or_default()
}

fn only(databases: &[Database]) -> Option<usize> {
    (databases.len() == 1).then_some(0)
}

/// The database that a statement names behind its token `at`.
fn find(databases: &[Database], statement: &Statement<'_>, at: usize, below: &str) -> Result<usize, Error> {
    let name = (at..statement.tokens.len()).find_map(|number| statement.name(number));
    let number = name
        .as_ref()
        .and_then(|name| databases.iter().position(|database| database.source == *name));
    number.ok_or_else(|| Error::Dump(format!("{below} names a database that is not in the plan")))
}

/// What stands behind the name in CREATE DATABASE.
fn creation(statement: &Statement<'_>, at: usize) -> String {
    let name = (at..statement.tokens.len()).find(|number| statement.name(*number).is_some());
    name.map_or_else(String::new, |name| {
        statement.sql[statement.tokens[name].at.end..].trim().to_owned()
    })
}

fn use_database(control: &mut Connection, name: &str) -> Result<(), Error> {
    run_one(control, &format!("USE {}", sql::name(name))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::lexer::Statement;
    use super::creation;

    #[test]
    fn the_character_set_stands_behind_the_name() {
        let sql = "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a``b` /*!40100 DEFAULT CHARACTER SET latin1 */";
        assert_eq!(
            creation(&Statement::new(sql), 1),
            "/*!40100 DEFAULT CHARACTER SET latin1 */"
        );
    }
}
