//! What follows the rows: views, triggers, routines and events, with the names and definers that the target shall have.

use std::collections::BTreeMap;

use super::door::run;
use super::door::set_up;
use super::error::Error;
use super::error::doing;
use super::lexer::Statement;
use super::options::Definer;
use super::target::Database;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::sql;

/// The warning that a definer is not an account (`ER_NO_SUCH_USER`).
const NO_SUCH_USER: &str = "1449";

/// What a statement of a script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// `CREATE DATABASE`.
    Database,
    /// `USE`.
    Use,
    /// `CREATE TABLE`.
    Table,
    /// `CREATE … VIEW`.
    View,
    /// `CREATE … TRIGGER`.
    Trigger,
    /// `CREATE … EVENT`.
    Event,
    /// `CREATE … PROCEDURE`, `FUNCTION`, `PACKAGE`.
    Routine,
    /// Anything else: settings, sequences, drops.
    Other,
}

/// What may be made. OR REPLACE, ALGORITHM=…, DEFINER=…, SQL SECURITY … and AGGREGATE stand before it.
const WORDS: [(&str, Act); 9] = [
    ("DATABASE", Act::Database),
    ("TABLE", Act::Table),
    ("VIEW", Act::View),
    ("TRIGGER", Act::Trigger),
    ("EVENT", Act::Event),
    ("PROCEDURE", Act::Routine),
    ("FUNCTION", Act::Routine),
    ("PACKAGE", Act::Routine),
    ("SEQUENCE", Act::Other),
];

/// Where the definition of the object begins behind CREATE, and what it is.
pub(super) fn act(statement: &Statement<'_>) -> (Act, usize) {
    if statement.is(0, "USE") {
        return (Act::Use, 1);
    }
    if !statement.is(0, "CREATE") {
        return (Act::Other, 0);
    }
    for at in 1..statement.tokens.len() {
        if let Some((_, act)) = WORDS.iter().find(|(word, _)| statement.is(at, word)) {
            return (*act, at);
        }
    }
    (Act::Other, 0)
}

/// How statements are changed on their way.
pub(super) struct Changes<'c> {
    /// Databases by their names in the dump, and what they are called now.
    pub(super) names: BTreeMap<String, String>,
    pub(super) definer: &'c Definer,
    /// Words of the SQL mode that the target does not know, and that mean nothing to it.
    pub(super) unknown_modes: &'static [&'static str],
    /// Whether events are made without running.
    pub(super) rehearsal: bool,
}

impl Changes<'_> {
    /// The statement for the target.
    pub(super) fn apply(&self, sql: &str) -> String {
        let statement = Statement::new(sql);
        let (act, at) = act(&statement);
        match act {
            Act::View => self.with_definer(&statement.with_databases(&self.names)),
            Act::Trigger => self.with_definer(&without_qualifiers(&statement, at, &self.names)),
            Act::Event if self.rehearsal => self.with_definer(&disabled(&statement)),
            Act::Event | Act::Routine => self.with_definer(sql),
            Act::Other if statement.is(0, "SET") => self.with_known_modes(sql),
            Act::Table | Act::Database | Act::Use | Act::Other => sql.to_owned(),
        }
    }

    fn with_known_modes(&self, sql: &str) -> String {
        self.unknown_modes.iter().fold(sql.to_owned(), |sql, mode| {
            let forms = [format!("{mode},"), format!(",{mode}"), (*mode).to_owned()];
            forms.iter().fold(sql, |sql, form| sql.replace(form.as_str(), ""))
        })
    }

    fn with_definer(&self, sql: &str) -> String {
        let account = match self.definer {
            Definer::Keep => return sql.to_owned(),
            Definer::Drop => String::new(),
            Definer::Account(user, host) => format!("DEFINER={}@{}", sql::name(user), sql::name(host)),
        };
        let statement = Statement::new(sql);
        let Some(begin) = statement.find(1, &["DEFINER", "="]) else {
            return sql.to_owned();
        };
        let is_head = act(&statement).1 > begin;
        // `user`@`host`; a role has no host. The lexer takes @ for a word.
        let end = if statement.text(begin + 3).starts_with('@') {
            begin + 4
        } else {
            begin + 2
        };
        if !is_head || end >= statement.tokens.len() {
            return sql.to_owned();
        }
        let (before, after) = (
            &sql[..statement.tokens[begin].at.start],
            &sql[statement.tokens[end].at.end..],
        );
        format!("{before}{account}{after}")
    }
}

/// MariaDB's accounts are never made by GRANT in MySQL 8; fractions of seconds are always cut off in MariaDB, unless told otherwise.
fn unknown_modes(connection: &Connection) -> &'static [&'static str] {
    if connection.version().is_mariadb() {
        &["TIME_TRUNCATE_FRACTIONAL"]
    } else {
        &["NO_AUTO_CREATE_USER"]
    }
}

/// A trigger says what it is called and where in the words of whoever made it, perhaps with the database: that goes where it has another
/// name now.
fn without_qualifiers(statement: &Statement<'_>, trigger: usize, names: &BTreeMap<String, String>) -> String {
    let moved = |at: usize| {
        let old = statement.name(at).unwrap_or_else(|| statement.text(at).to_owned());
        names.get(&old).is_none_or(|new| *new != old)
    };
    let mut cut = Vec::new();
    let mut name = trigger + 1;
    if statement.is(name, "IF") {
        name += 3;
    }
    if statement.is(name + 1, ".") && moved(name) {
        cut.push(name);
    }
    if let Some(on) = statement.find(name, &["ON"])
        && statement.is(on + 2, ".")
        && moved(on + 1)
    {
        cut.push(on + 1);
    }
    let mut out = statement.sql.to_owned();
    for at in cut.into_iter().rev() {
        out.replace_range(statement.tokens[at].at.start..statement.tokens[at + 1].at.end, "");
    }
    out
}

/// An event that does not run.
fn disabled(statement: &Statement<'_>) -> String {
    let mut out = statement.sql.to_owned();
    if let Some(at) = statement.find(1, &["PRESERVE", "ENABLE"]) {
        out.replace_range(statement.tokens[at + 1].at.clone(), "DISABLE");
    }
    out
}

/// Makes what follows the rows in the databases as they are called now. Gives notes.
pub(super) fn make(
    connection: &mut Connection,
    databases: &[Database],
    staged: bool,
    definer: &Definer,
) -> Result<Vec<String>, Error> {
    let now = |database: &Database| {
        if staged {
            database.staged.clone()
        } else {
            database.target.clone()
        }
    };
    let changes = Changes {
        names: databases
            .iter()
            .map(|database| (database.source.clone(), now(database)))
            .collect(),
        definer,
        unknown_modes: unknown_modes(connection),
        rehearsal: staged,
    };
    let mut notes = Vec::new();
    // Views may look into other databases: all stand-ins come first.
    for database in databases {
        let _warnings = run(connection, &format!("USE {}", sql::name(&now(database))))?;
        for statement in &database.stand_ins {
            let _warnings = run(connection, &changes.apply(statement))?;
        }
    }
    for database in databases {
        let _warnings = run(connection, &format!("USE {}", sql::name(&now(database))))?;
        for statement in &database.after {
            let warnings = run(connection, &changes.apply(statement))?;
            if warnings > 0 {
                notes.extend(missing_definers(connection)?);
            }
        }
        set_up(connection)?;
    }
    notes.sort();
    notes.dedup();
    Ok(notes)
}

fn missing_definers(connection: &mut Connection) -> Result<Vec<String>, Error> {
    let rows = connection.table("SHOW WARNINGS").map_err(doing("SHOW WARNINGS"))?;
    let cell = |row: &Vec<Option<String>>, at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    let missing = rows.iter().filter(|row| cell(row, 1) == NO_SUCH_USER);
    Ok(missing
        .map(|row| format!("{}; what it defines does not run until it exists", cell(row, 2)))
        .collect())
}

/// Removes the triggers of the staged databases: a table that has some cannot be moved.
pub(super) fn drop_triggers(connection: &mut Connection, databases: &[Database]) -> Result<(), Error> {
    for database in databases {
        let sql = format!(
            "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = {}",
            sql::quoted(&database.staged)
        );
        let rows = connection.table(&sql).map_err(doing(&sql))?;
        for name in rows.into_iter().filter_map(|row| row.into_iter().next().flatten()) {
            let _warnings = run(
                connection,
                &format!("DROP TRIGGER {}", sql::qualified(&database.staged, &name)),
            )?;
        }
    }
    Ok(())
}

/// Points the defaults of columns to the sequences of the final databases: they name them with the database.
pub(super) fn point_to_sequences(connection: &mut Connection, databases: &[Database]) -> Result<(), Error> {
    let names = databases
        .iter()
        .map(|database| (database.source.clone(), database.target.clone()))
        .collect();
    for database in databases {
        for table in database.tables.values() {
            for (column, expression) in &table.sequence_defaults {
                let table = sql::qualified(&database.target, &table.name);
                let expression = Statement::new(expression).with_databases(&names);
                let column = sql::name(column);
                let _warnings = run(
                    connection,
                    &format!("ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT ({expression})"),
                )?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::lexer::Statement;
    use super::super::options::Definer;
    use super::Act;
    use super::Changes;
    use super::act;

    fn changed(definer: &Definer, sql: &str) -> String {
        let names = [("shop".to_owned(), "new".to_owned())].into();
        let changes = Changes {
            names,
            definer,
            unknown_modes: &["OLD"],
            rehearsal: true,
        };
        changes.apply(sql)
    }

    #[test]
    fn objects_are_known_whatever_stands_before_their_kind() {
        for (sql, expected) in [
            (
                "CREATE ALGORITHM=UNDEFINED DEFINER=`r`@`h` SQL SECURITY DEFINER VIEW `event` AS select 1",
                Act::View,
            ),
            (
                "CREATE DEFINER=`r`@`%` TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW SET @a = 1",
                Act::Trigger,
            ),
            (
                "CREATE DEFINER=`r`@`%` AGGREGATE FUNCTION `t`() RETURNS int RETURN 1",
                Act::Routine,
            ),
            (
                "CREATE DEFINER=`table`@`%` EVENT `e` ON SCHEDULE EVERY 1 DAY DO DO 1",
                Act::Event,
            ),
            ("CREATE TABLE `t` (`view` int)", Act::Table),
            ("SET @x = 'CREATE VIEW'", Act::Other),
        ] {
            assert_eq!(act(&Statement::new(sql)).0, expected, "{sql}");
        }
    }

    #[test]
    fn definers_are_kept_dropped_or_replaced() {
        let sql = "CREATE DEFINER=`app`@`10.%` PROCEDURE `p`() SELECT 'DEFINER=`x`@`y`'";
        assert_eq!(changed(&Definer::Keep, sql), sql);
        assert_eq!(
            changed(&Definer::Drop, sql),
            "CREATE  PROCEDURE `p`() SELECT 'DEFINER=`x`@`y`'"
        );
        let other = Definer::Account("o`ps".into(), "%".into());
        assert!(changed(&other, sql).starts_with("CREATE DEFINER=`o``ps`@`%` PROCEDURE"));
        let bare = "CREATE PROCEDURE `p`() SELECT 1";
        assert_eq!(changed(&other, bare), bare);
    }

    #[test]
    fn modes_that_the_target_does_not_know_go() {
        for (before, after) in [
            (
                "SET SESSION sql_mode = 'A,OLD,B', x = 1",
                "SET SESSION sql_mode = 'A,B', x = 1",
            ),
            ("SET SESSION sql_mode = 'A,OLD'", "SET SESSION sql_mode = 'A'"),
            ("SET SESSION sql_mode = 'OLD'", "SET SESSION sql_mode = ''"),
        ] {
            assert_eq!(changed(&Definer::Keep, before), after);
        }
    }

    #[test]
    fn triggers_lose_their_database_and_events_do_not_run() {
        let trigger =
            "CREATE DEFINER=`a`@`b` TRIGGER shop.`t` AFTER INSERT ON `shop`.x FOR EACH ROW SET @a = `shop`.f()";
        assert_eq!(
            changed(&Definer::Keep, trigger),
            "CREATE DEFINER=`a`@`b` TRIGGER `t` AFTER INSERT ON x FOR EACH ROW SET @a = `shop`.f()"
        );
        let event =
            "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SELECT 'PRESERVE ENABLE'";
        assert!(changed(&Definer::Keep, event).contains("PRESERVE DISABLE DO SELECT 'PRESERVE ENABLE'"));
    }
}
