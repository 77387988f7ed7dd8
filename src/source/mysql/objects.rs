//! What is made by statements and holds no rows: sequences, views, routines, packages, triggers, events.
//!
//! Each is made again under the SQL mode, the character sets and the time zone that it was made under. The text is UTF-8 here; where it
//! holds more than ASCII, the client's character set is therefore UTF-8 and only the connection's stays what it was.

use std::collections::BTreeSet;

use super::options::Selection;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::error::Error;
use crate::server::mysql::sql;

/// `ER_VIEW_INVALID`.
const VIEW_INVALID: u16 = 1356;

/// The second cell of the first row.
pub(super) fn second(connection: &mut Connection, statement: &str) -> Result<Option<String>, Error> {
    let row = connection.table(statement)?.into_iter().next().unwrap_or_default();
    Ok(row.into_iter().nth(1).flatten())
}

/// Makes a sequence; its state comes after the rows.
pub(super) fn sequence(connection: &mut Connection, name: &str) -> Result<Option<String>, Error> {
    second(connection, &format!("SHOW CREATE SEQUENCE {}", sql::name(name)))
}

/// Brings the sequences of a database to where they are now: not before any value that the rows hold.
pub(super) fn sequence_states(connection: &mut Connection, names: &[String]) -> Result<Vec<String>, Error> {
    let mut statements = Vec::new();
    for name in names.iter().map(|name| sql::name(name)) {
        let rows = connection.table(format!("SELECT next_not_cached_value, cycle_count FROM {name}"))?;
        for row in rows {
            if let [Some(next), Some(cycles)] = row.as_slice() {
                statements.push(format!("SELECT SETVAL({name}, {next}, 0, {cycles})"));
            }
        }
    }
    Ok(statements)
}

/// How a kind of object is listed and shown.
struct Kind {
    /// As SHOW CREATE says it.
    word: &'static str,
    /// The columns of SHOW CREATE with the SQL mode, the statement, the client's character set and the connection's collation.
    cells: [usize; 4],
    /// The column with the time zone.
    time_zone: Option<usize>,
}

const ROUTINE: [usize; 4] = [1, 2, 3, 4];

/// Stand-ins for views, and the statements that make everything after the rows. The database is the session's.
pub(super) fn after(
    connection: &mut Connection,
    database: &str,
    views: &[&str],
    selection: &Selection,
) -> Result<(Vec<String>, Vec<String>), Error> {
    let mut out = Script::default();
    for (word, kind) in routines(connection, database)? {
        out.add(connection, &word, &kind)?;
    }
    let stand_ins = out.add_views(connection, database, views)?;
    let quoted = sql::quoted(database);
    let triggers = connection.table(format!(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {quoted} \
         ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
    ))?;
    let kind = Kind {
        word: "TRIGGER",
        cells: ROUTINE,
        time_zone: None,
    };
    for row in triggers {
        if let [Some(name), Some(table)] = row.as_slice()
            && !selection.excludes(database, table)
        {
            out.add(connection, name, &kind)?;
        }
    }
    let events = connection.table(format!(
        "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {quoted} ORDER BY EVENT_NAME"
    ))?;
    let kind = Kind {
        word: "EVENT",
        cells: [1, 3, 4, 5],
        time_zone: Some(2),
    };
    for name in events.into_iter().flatten().flatten() {
        out.add(connection, &name, &kind)?;
    }
    Ok((stand_ins, out.finish()))
}

/// Routines in the order in which they can be made: packages before their bodies, functions before procedures.
fn routines(connection: &mut Connection, database: &str) -> Result<Vec<(String, Kind)>, Error> {
    let rows = connection.table(format!(
        "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {} \
         ORDER BY FIELD(ROUTINE_TYPE, 'FUNCTION', 'PROCEDURE', 'PACKAGE', 'PACKAGE BODY'), ROUTINE_NAME",
        sql::quoted(database)
    ))?;
    let mut found = Vec::new();
    for row in rows {
        let [Some(name), Some(kind)] = row.as_slice() else {
            continue;
        };
        let word = match kind.as_str() {
            "FUNCTION" => "FUNCTION",
            "PROCEDURE" => "PROCEDURE",
            "PACKAGE" => "PACKAGE",
            "PACKAGE BODY" => "PACKAGE BODY",
            _ => return Err(Error::Protocol("a routine is of a kind that is not known here")),
        };
        let kind = Kind {
            word,
            cells: ROUTINE,
            time_zone: None,
        };
        found.push((name.clone(), kind));
    }
    Ok(found)
}

/// Statements, with the settings that each needs before it.
#[derive(Default)]
struct Script {
    statements: Vec<String>,
    /// The settings in force.
    settings: String,
}

impl Script {
    fn add(&mut self, connection: &mut Connection, name: &str, kind: &Kind) -> Result<(), Error> {
        let row = connection.table(format!("SHOW CREATE {} {}", kind.word, sql::name(name)))?;
        let row = row.into_iter().next().unwrap_or_default();
        let cell = |number: usize| row.get(number).cloned().flatten();
        let [mode, statement, client, collation] = kind.cells.map(cell);
        let statement = statement.ok_or_else(|| Error::Options {
            what: format!(
                "the account may not see the definition of {} {}",
                kind.word.to_ascii_lowercase(),
                sql::name(name)
            ),
            hint: "Grant SHOW_ROUTINE on *.* (MySQL), or SELECT on mysql.proc (MariaDB).".into(),
        })?;
        let zone = kind.time_zone.and_then(cell).unwrap_or_else(|| "+00:00".into());
        self.push(&mode.unwrap_or_default(), &zone, client, collation, statement);
        Ok(())
    }

    fn push(&mut self, mode: &str, zone: &str, client: Option<String>, collation: Option<String>, statement: String) {
        let client = client
            .filter(|_| statement.is_ascii())
            .unwrap_or_else(|| "utf8mb4".into());
        let mut settings = format!(
            "SET SESSION sql_mode = {}, time_zone = {}, character_set_client = {client}",
            sql::quoted(mode),
            sql::quoted(zone)
        );
        if let Some(collation) = collation {
            settings.push_str(", collation_connection = ");
            settings.push_str(&collation);
        }
        if settings != self.settings {
            self.statements.push(settings.clone());
            self.settings = settings;
        }
        self.statements.push(statement);
    }

    /// Adds views, those that others are made of first where that shows. Gives a stand-in for each: views may need each other across
    /// databases, and two may need each other's names.
    fn add_views(&mut self, connection: &mut Connection, database: &str, views: &[&str]) -> Result<Vec<String>, Error> {
        let (mut stand_ins, mut texts) = (Vec::new(), Vec::new());
        for view in views {
            check_view(connection, database, view)?;
            stand_ins.push(stand_in(connection, database, view)?);
            let row = connection.table(format!("SHOW CREATE VIEW {}", sql::name(view)))?;
            let mut cells = row.into_iter().next().unwrap_or_default().into_iter().skip(1);
            let mut next = || cells.next().flatten();
            let text = next().ok_or(Error::Protocol("SHOW CREATE VIEW gave nothing"))?;
            texts.push((*view, text.replacen("CREATE ", "CREATE OR REPLACE ", 1), next(), next()));
        }
        let mut made = BTreeSet::new();
        while !texts.is_empty() {
            let waits = |(name, text, ..): &(&str, String, Option<String>, Option<String>)| {
                let needs =
                    |other: &&&str| **other != *name && !made.contains(**other) && text.contains(&sql::name(other));
                views.iter().find(needs).is_some()
            };
            // In a circle, which may only be one of names, any will do: the others have stand-ins.
            let at = texts.iter().position(|text| !waits(text)).unwrap_or(0);
            let (name, text, client, collation) = texts.remove(at);
            made.insert(name);
            self.push("", "+00:00", client, collation, text);
        }
        Ok(stand_ins)
    }

    fn finish(mut self) -> Vec<String> {
        if !self.statements.is_empty() {
            self.statements.push(sql::SESSION[0].to_owned());
            self.statements
                .push("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'".to_owned());
        }
        self.statements
    }
}

/// A view that does not work cannot be made again: better said now than at the restore.
fn check_view(connection: &mut Connection, database: &str, view: &str) -> Result<(), Error> {
    match connection.run(format!("SELECT 1 FROM {} LIMIT 0", sql::name(view))) {
        Err(error) if error.code() == Some(VIEW_INVALID) => Err(Error::Options {
            what: format!("view {} is broken: {error}", sql::qualified(database, view)),
            hint: format!("Repair or drop it, or leave it out with exclude-tables={database}.{view}."),
        }),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

fn stand_in(connection: &mut Connection, database: &str, view: &str) -> Result<String, Error> {
    let rows = connection.table(format!(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
        sql::quoted(database),
        sql::quoted(view)
    ))?;
    let columns = rows.into_iter().flatten().flatten();
    let columns: Vec<String> = columns.map(|column| format!("1 AS {}", sql::name(&column))).collect();
    Ok(format!(
        "CREATE VIEW {} AS SELECT {}",
        sql::name(view),
        columns.join(", ")
    ))
}
