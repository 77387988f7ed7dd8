//! What is in the databases: tables with their columns, and the statements that make everything again.
//!
//! It is read before the snapshot and once more after the last row. A snapshot covers rows, not definitions; if the two differ, somebody
//! changed one meanwhile, and the dump is not whole.

use super::objects;
use super::options::Selection;
use crate::server::mysql::columns::Column;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::error::Error;
use crate::server::mysql::sql;

/// Databases of the system, never dumped.
const SYSTEM: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];
/// Engines whose tables hold no rows of their own.
const WITHOUT_ROWS: [&str; 4] = ["MRG_MYISAM", "MRG_MyISAM", "FEDERATED", "BLACKHOLE"];

/// One database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) name: String,
    /// Makes it, and what its tables need before their rows.
    pub(super) schema: Vec<String>,
    pub(super) tables: Vec<Table>,
    pub(super) sequences: Vec<String>,
    /// Makes what comes after the rows.
    pub(super) after: Vec<String>,
}

/// One table with rows.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) engine: String,
    pub(super) is_transactional: bool,
    pub(super) is_versioned: bool,
    pub(super) columns: Vec<Column>,
    /// The first column of the primary key, where it is a whole number.
    pub(super) key: Option<String>,
    /// About how many bytes its rows take.
    pub(super) bytes: u64,
    create: String,
}

impl PartialEq for Table {
    /// Sizes are estimates and change by themselves.
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.engine, &self.create, &self.columns)
            == (&other.name, &other.engine, &other.create, &other.columns)
    }
}

impl Eq for Table {}

/// A table as the list of tables has it.
pub(super) struct Listed {
    pub(super) name: String,
    /// `BASE TABLE`, `VIEW`, `SEQUENCE`, `SYSTEM VERSIONED`.
    pub(super) kind: String,
    pub(super) engine: String,
    pub(super) is_transactional: bool,
    pub(super) bytes: u64,
}

impl Listed {
    pub(super) fn has_rows(&self) -> bool {
        matches!(self.kind.as_str(), "BASE TABLE" | "SYSTEM VERSIONED") && !WITHOUT_ROWS.contains(&self.engine.as_str())
    }
}

/// The names of the databases to dump, in order.
pub(super) fn databases(connection: &mut Connection, selection: &Selection) -> Result<Vec<String>, Error> {
    let rows = connection.table("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME")?;
    let names = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
    let all: Vec<String> = names
        .filter(|name| !SYSTEM.contains(&name.to_ascii_lowercase().as_str()))
        .collect();
    if selection.databases.is_empty() {
        let wanted = |name: &String| !selection.exclude_databases.contains(name);
        return Ok(all.into_iter().filter(wanted).collect());
    }
    for name in &selection.databases {
        if !all.contains(name) {
            return Err(Error::Options {
                what: format!("there is no database {name:?}, or the account may not see it"),
                hint: "Check the name, and that the account has SELECT on it.".into(),
            });
        }
    }
    Ok(all
        .into_iter()
        .filter(|name| selection.databases.contains(name))
        .collect())
}

/// The tables, views and sequences of a database that the selection has.
pub(super) fn list(connection: &mut Connection, database: &str, selection: &Selection) -> Result<Vec<Listed>, Error> {
    let rows = connection.table(format!(
        "SELECT t.TABLE_NAME, t.TABLE_TYPE, IFNULL(t.ENGINE, ''), IFNULL(e.TRANSACTIONS, 'NO'), IFNULL(t.DATA_LENGTH, 0) \
         FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE \
         WHERE t.TABLE_SCHEMA = {} ORDER BY t.TABLE_NAME",
        sql::quoted(database)
    ))?;
    let mut listed = Vec::new();
    for row in rows {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let table = Listed {
            name: next(),
            kind: next(),
            engine: next(),
            is_transactional: next() == "YES",
            bytes: next().parse().unwrap_or(0),
        };
        // A sequence lives in the table of another engine, temporary ones are their session's.
        if !selection.excludes(database, &table.name) && !table.kind.contains("TEMPORARY") {
            listed.push(table);
        }
    }
    Ok(listed)
}

/// Reads one database.
pub(super) fn read(connection: &mut Connection, name: &str, selection: &Selection) -> Result<Database, Error> {
    let _done = connection.run(format!("USE {}", sql::name(name)))?;
    let listed = list(connection, name, selection)?;
    let mut schema = vec![create_database(connection, name)?, format!("USE {}", sql::name(name))];
    let sequences = listed.iter().filter(|table| table.kind == "SEQUENCE");
    let sequences: Vec<String> = sequences.map(|sequence| sequence.name.clone()).collect();
    for sequence in &sequences {
        schema.extend(objects::sequence(connection, sequence)?);
    }
    let mut columns = Column::read_all(connection, name)?;
    let keys = keys(connection, name)?;
    let odd = foreign_keys_with_backticks(connection, name)?;
    let mut tables = Vec::new();
    for table in listed
        .iter()
        .filter(|table| matches!(table.kind.as_str(), "BASE TABLE" | "SYSTEM VERSIONED"))
    {
        let create = create_table(connection, &table.name)?;
        let create = odd
            .iter()
            .filter(|(owner, _)| *owner == table.name)
            .fold(create, |create, (_, key)| quoted_key(&create, key));
        schema.push(create.clone());
        if table.has_rows() {
            let columns = columns.remove(&table.name).unwrap_or_default();
            let key = keys
                .iter()
                .find(|(owner, _)| *owner == table.name)
                .map(|(_, key)| key.clone());
            tables.push(Table {
                name: table.name.clone(),
                engine: table.engine.clone(),
                is_transactional: table.is_transactional,
                is_versioned: table.kind == "SYSTEM VERSIONED",
                key: key.filter(|key| columns.iter().any(|column| column.name == *key && column.is_integer())),
                columns,
                bytes: table.bytes,
                create: without_counter(&create),
            });
        }
    }
    let views: Vec<&str> = listed
        .iter()
        .filter(|table| table.kind == "VIEW")
        .map(|view| view.name.as_str())
        .collect();
    let (stand_ins, after) = objects::after(connection, name, &views, selection)?;
    schema.extend(stand_ins);
    Ok(Database {
        name: name.to_owned(),
        schema,
        tables,
        sequences,
        after,
    })
}

fn create_database(connection: &mut Connection, name: &str) -> Result<String, Error> {
    let row = objects::second(
        connection,
        &format!("SHOW CREATE DATABASE IF NOT EXISTS {}", sql::name(name)),
    )?;
    row.ok_or(Error::Protocol("SHOW CREATE DATABASE gave nothing"))
}

fn create_table(connection: &mut Connection, name: &str) -> Result<String, Error> {
    let row = objects::second(connection, &format!("SHOW CREATE TABLE {}", sql::name(name)))?;
    row.ok_or(Error::Protocol("SHOW CREATE TABLE gave nothing"))
}

/// A definition without the next value of its counter, which rises by itself.
fn without_counter(create: &str) -> String {
    const WORD: &str = " AUTO_INCREMENT=";
    // The options of the table stand behind its last parenthesis on a line of its own.
    let options = create.rfind("\n) ").unwrap_or(0);
    let Some(at) = create[options..].find(WORD).map(|at| options + at) else {
        return create.to_owned();
    };
    let rest = create[at + WORD.len()..].trim_start_matches(|sign: char| sign.is_ascii_digit());
    format!("{}{rest}", &create[..at])
}

/// The first column of the primary key of each table.
fn keys(connection: &mut Connection, database: &str) -> Result<Vec<(String, String)>, Error> {
    pairs(
        connection,
        &format!(
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA = {} AND INDEX_NAME = 'PRIMARY' AND SEQ_IN_INDEX = 1",
            sql::quoted(database)
        ),
    )
}

/// Tables, and their foreign keys with a backtick in the name: MariaDB 10.11.18 and others print such names in a way that no server reads.
fn foreign_keys_with_backticks(connection: &mut Connection, database: &str) -> Result<Vec<(String, String)>, Error> {
    pairs(
        connection,
        &format!(
            "SELECT TABLE_NAME, CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = {} AND CONSTRAINT_NAME LIKE '%`%'",
            sql::quoted(database)
        ),
    )
}

/// A definition with the name of a foreign key as it should be.
fn quoted_key(create: &str, key: &str) -> String {
    let printed = format!("\n  CONSTRAINT `{key}` FOREIGN KEY ");
    create.replace(&printed, &format!("\n  CONSTRAINT {} FOREIGN KEY ", sql::name(key)))
}

fn pairs(connection: &mut Connection, query: &str) -> Result<Vec<(String, String)>, Error> {
    let rows = connection.table(query)?;
    let pair = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter();
        Some((cells.next()??, cells.next()??))
    };
    Ok(rows.into_iter().filter_map(pair).collect())
}

/// What differs between two readings, named; none when nothing does.
pub(super) fn difference(before: &[Database], after: &[Database]) -> Option<String> {
    for old in before {
        let Some(new) = after.iter().find(|new| new.name == old.name) else {
            return Some(format!("database {} was dropped", sql::name(&old.name)));
        };
        for table in &old.tables {
            let qualified = sql::qualified(&old.name, &table.name);
            match new.tables.iter().find(|other| other.name == table.name) {
                None => return Some(format!("table {qualified} was dropped or renamed")),
                Some(other) if other != table => return Some(format!("the definition of table {qualified} changed")),
                Some(_) => {}
            }
        }
        if let Some(added) = new
            .tables
            .iter()
            .find(|table| !old.tables.iter().any(|one| one.name == table.name))
        {
            return Some(format!("table {} was created", sql::qualified(&old.name, &added.name)));
        }
        if old.after != new.after {
            return Some(format!(
                "a view, trigger, routine or event of {} changed",
                sql::name(&old.name)
            ));
        }
    }
    let added = after.iter().find(|new| !before.iter().any(|old| old.name == new.name));
    added.map(|added| format!("database {} was created", sql::name(&added.name)))
}

#[cfg(test)]
mod tests {
    use super::quoted_key;
    use super::without_counter;

    #[test]
    fn names_of_foreign_keys_are_quoted_once() {
        let printed = "CREATE TABLE `t` (\n  `a` int COMMENT 'CONSTRAINT `f`k` FOREIGN KEY ',\n  CONSTRAINT `f`k` FOREIGN KEY (`a`) REFERENCES `u` (`a`)\n)";
        let right = printed.replace("\n  CONSTRAINT `f`k`", "\n  CONSTRAINT `f``k`");
        assert_eq!(quoted_key(printed, "f`k"), right);
        assert_eq!(quoted_key(&right, "f`k"), right);
    }

    #[test]
    fn counters_are_no_definition() {
        let create = "CREATE TABLE `t` (\n  `a` int DEFAULT 1 COMMENT ' AUTO_INCREMENT=5'\n) ENGINE=InnoDB AUTO_INCREMENT=17 DEFAULT CHARSET=x";
        let plain =
            "CREATE TABLE `t` (\n  `a` int DEFAULT 1 COMMENT ' AUTO_INCREMENT=5'\n) ENGINE=InnoDB DEFAULT CHARSET=x";
        assert_eq!(without_counter(create), plain);
        assert_eq!(without_counter(plain), plain);
    }
}
