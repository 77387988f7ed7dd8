//! The databases of a target: which may be restored to, and the staged ones beside them.
//!
//! MySQL cannot rename a database. So tables are filled in a database of another name, and moved at the end, all by one statement.

use std::collections::BTreeMap;

use globset::Glob;

use super::door::Door;
use super::door::run;
use super::error::Error;
use super::error::doing;
use super::options::MysqlSinkOptions;
use super::table::Table;
use crate::base::random;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::layout::Plan;
use crate::server::mysql::sql;

/// What stands between the name of the target and eight random digits in the name of a staged database.
const STAGED: &str = "_hub_tmp_";
/// Random hexadecimal digits.
const DIGITS: usize = 8;
/// Longest name of a database, in letters.
const NAME_LETTERS_MAX: usize = 64;
/// The table in a staged database that says what it is.
const MARKER: &str = "hub_backup_restore";

/// Databases of the server itself.
const SYSTEM: [&str; 5] = ["mysql", "information_schema", "performance_schema", "sys", "ndbinfo"];

/// One database on its way.
pub(super) struct Database {
    /// Its name in the dump.
    pub(super) source: String,
    /// Its name at the end.
    pub(super) target: String,
    /// Where it is until then.
    pub(super) staged: String,
    /// The name of its scripts, below their folders.
    pub(super) file: String,
    /// Character set and collation, as SHOW CREATE DATABASE prints them.
    pub(super) creation: String,
    /// Whether the target was there, and empty.
    pub(super) existed: bool,
    /// Its tables, as they were made.
    pub(super) tables: BTreeMap<String, Table>,
    /// Views that stand in for others, made first.
    pub(super) stand_ins: Vec<String>,
    /// Views, triggers, routines, events, and the settings between them.
    pub(super) after: Vec<String>,
}

/// Looks at the names that the dump would be restored to, before anything is made.
pub(super) fn choose(
    control: &mut Connection,
    door: &Door,
    plan: &Plan,
    options: &MysqlSinkOptions,
) -> Result<Vec<Database>, Error> {
    let mut databases: Vec<Database> = Vec::new();
    for database in &plan.databases {
        let target = name_for(&database.name, plan.databases.len(), options)?;
        refuse_protected(&door.host(), &target, &options.protected)?;
        if databases.iter().any(|other| other.target == target) {
            return Err(refused(&target, "two databases of the dump would have this name"));
        }
        let existed = refuse_taken(control, &target, plan, &database.name)?;
        databases.push(Database {
            source: database.name.clone(),
            staged: staged_name(&target)?,
            target,
            file: String::new(),
            creation: String::new(),
            existed,
            tables: BTreeMap::new(),
            stand_ins: Vec::new(),
            after: Vec::new(),
        });
    }
    if let Some(unknown) = options
        .rename
        .keys()
        .find(|old| plan.databases.iter().all(|known| known.name != **old))
    {
        return Err(refused(
            unknown,
            "it is to be renamed, and the dump has no such database",
        ));
    }
    Ok(databases)
}

fn name_for(source: &str, count: usize, options: &MysqlSinkOptions) -> Result<String, Error> {
    let renamed = options.rename.get(source);
    match (&options.database, renamed) {
        (Some(_), None) if count > 1 => Err(refused(
            source,
            "the dump holds several databases: name none in the target, and rename them with rename=OLD:NEW",
        )),
        (Some(name), None) | (_, Some(name)) => Ok(name.clone()),
        (None, None) => Ok(source.to_owned()),
    }
}

fn refused(database: &str, reason: impl Into<String>) -> Error {
    Error::Target {
        database: database.to_owned(),
        reason: reason.into(),
    }
}

/// Refuses what is never restored to, by its name alone: databases of the server itself, and those that the operator protects.
pub(super) fn refuse_protected(server: &str, name: &str, protected: &[String]) -> Result<(), Error> {
    if name.is_empty() || name.chars().count() > NAME_LETTERS_MAX || name.ends_with(' ') || name.contains('\0') {
        return Err(refused(
            name,
            format!("a database has a name of 1 to {NAME_LETTERS_MAX} letters, without a space at its end"),
        ));
    }
    if SYSTEM.iter().any(|system| name.eq_ignore_ascii_case(system)) {
        return Err(refused(name, "it belongs to the server itself"));
    }
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    for pattern in protected {
        let bad = |_| {
            refused(
                name,
                format!("{pattern:?} in the list of protected databases is no pattern"),
            )
        };
        let pattern_matcher = Glob::new(pattern).map_err(bad)?.compile_matcher();
        let forms = [
            name.to_owned(),
            host.to_owned(),
            format!("{host}/{name}"),
            format!("{server}/{name}"),
        ];
        if forms.iter().any(|form| pattern_matcher.is_match(form)) {
            return Err(refused(name, format!("it is protected by {pattern:?}")));
        }
    }
    Ok(())
}

/// Refuses a database that holds something. Gives whether there is an empty one.
fn refuse_taken(control: &mut Connection, target: &str, plan: &Plan, source: &str) -> Result<bool, Error> {
    if !exists(control, target)? {
        return Ok(false);
    }
    if let Some(first) = first_object(control, target)? {
        let is_source = target == source && plan.origin.is_some() && plan.origin == origin(control)?;
        let reason = if is_source {
            "it is the database that the dump was made of".to_owned()
        } else {
            format!("it is not empty: it holds {first}")
        };
        return Err(refused(target, reason));
    }
    Ok(true)
}

/// What lets the account do more at the server than in its databases.
pub(super) fn power_of_account(control: &mut Connection) -> Result<Option<String>, Error> {
    let host = "SUBSTRING_INDEX(CURRENT_USER(), '@', -1)";
    let user = format!("LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER()) - CHAR_LENGTH({host}) - 1)");
    let sql = format!(
        "SELECT CONCAT('the account ', CURRENT_USER(), ' has ', GROUP_CONCAT(privilege_type ORDER BY privilege_type DESC SEPARATOR ' and ')) \
         FROM information_schema.user_privileges WHERE privilege_type IN ('SUPER', 'FILE') \
         AND grantee = CONCAT('''', {user}, '''@''', {host}, '''')"
    );
    control.value(&sql).map_err(doing(&sql))
}

/// Which server this is, as the source writes it into the plan.
fn origin(control: &mut Connection) -> Result<Option<String>, Error> {
    let sql = if control.version().is_mariadb() {
        "SELECT CONCAT_WS(':', @@hostname, @@port, @@datadir)"
    } else {
        "SELECT @@server_uuid"
    };
    control.value(sql).map_err(doing(sql))
}

fn exists(control: &mut Connection, name: &str) -> Result<bool, Error> {
    let sql = format!(
        "SELECT 1 FROM information_schema.schemata WHERE schema_name = {}",
        sql::quoted(name)
    );
    Ok(control.value(&sql).map_err(doing(&sql))?.is_some())
}

fn first_object(control: &mut Connection, database: &str) -> Result<Option<String>, Error> {
    let name = sql::quoted(database);
    let sql = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {name} \
         UNION ALL SELECT routine_name FROM information_schema.routines WHERE routine_schema = {name} \
         UNION ALL SELECT event_name FROM information_schema.events WHERE event_schema = {name} LIMIT 1"
    );
    control.value(&sql).map_err(doing(&sql))
}

fn staged_name(target: &str) -> Result<String, Error> {
    let kept: String = target.chars().take(NAME_LETTERS_MAX - STAGED.len() - DIGITS).collect();
    let octets = random::octets::<{ DIGITS / 2 }>().map_err(|error| refused(target, error.to_string()))?;
    Ok(format!("{kept}{STAGED}{}", hex::encode(octets)))
}

/// Makes the staged databases. Their names are locked as long as `control` lives: whoever finds one that is not locked may remove it.
pub(super) fn stage(control: &mut Connection, databases: &[Database]) -> Result<(), Error> {
    for database in databases {
        let staged = sql::name(&database.staged);
        let lock = format!("SELECT GET_LOCK({}, 0)", sql::quoted(&database.staged));
        if control.value(&lock).map_err(doing(&lock))?.as_deref() != Some("1") {
            return Err(refused(&database.staged, "its name is locked by another session"));
        }
        let _warnings = run(control, &format!("CREATE DATABASE {staged} CHARACTER SET utf8mb4"))?;
        let marker = sql::qualified(&database.staged, MARKER);
        let columns = "target VARCHAR(64) NOT NULL, moving BOOLEAN NOT NULL";
        let _warnings = run(
            control,
            &format!("CREATE TABLE {marker} ({columns}) COMMENT 'a restore by hub-backup'"),
        )?;
        let values = format!("({}, FALSE)", sql::quoted(&database.target));
        let _warnings = run(control, &format!("INSERT INTO {marker} VALUES {values}"))?;
    }
    Ok(())
}

/// A staged database that its restore left behind.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) staged: String,
    /// The database that it was meant for.
    pub(super) target: String,
    /// Whether its tables were being moved.
    pub(super) moving: bool,
}

/// Staged databases that no living restore holds. They are known by name, by what is in them, and by their lock.
pub(super) fn leftovers(control: &mut Connection) -> Result<Vec<Leftover>, Error> {
    let sql = format!(
        "SELECT table_schema FROM information_schema.tables WHERE table_name = '{MARKER}' AND table_schema LIKE '%\\_hub\\_tmp\\_%'"
    );
    let mut found = Vec::new();
    for row in control.table(&sql).map_err(doing(&sql))? {
        let Some(staged) = row.into_iter().next().flatten().filter(|name| is_staged(name)) else {
            continue;
        };
        let sql = format!("SELECT IS_FREE_LOCK({})", sql::quoted(&staged));
        if control.value(&sql).map_err(doing(&sql))?.as_deref() != Some("1") {
            continue;
        }
        let sql = format!("SELECT target, moving FROM {}", sql::qualified(&staged, MARKER));
        let mut rows = control.table(&sql).map_err(doing(&sql))?.into_iter();
        let cells = rows.next().unwrap_or_default();
        let cell = |at: usize| cells.get(at).cloned().flatten().unwrap_or_default();
        found.push(Leftover {
            target: cell(0),
            moving: cell(1) == "1",
            staged,
        });
    }
    Ok(found)
}

fn is_staged(name: &str) -> bool {
    let digits = name.rfind(STAGED).map(|at| &name[at + STAGED.len()..]);
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Removes what a restore left behind. Tables that were being moved stay where they are: they may be all that there is.
pub(super) fn sweep(control: &mut Connection) -> Result<Vec<String>, Error> {
    let mut notes = Vec::new();
    for Leftover { staged, target, moving } in leftovers(control)? {
        if moving {
            notes.push(format!(
                "a restore to {target} was ended while it moved its tables there: {target} is incomplete. Drop {target} and {staged}"
            ));
        } else {
            drop_database(control, &staged)?;
            notes.push(format!(
                "removed {staged}, which a restore that did not end well left behind"
            ));
        }
    }
    Ok(notes)
}

pub(super) fn drop_database(control: &mut Connection, name: &str) -> Result<(), Error> {
    run(control, &format!("DROP DATABASE IF EXISTS {}", sql::name(name))).map(drop)
}

/// Moves all tables into the final databases, in one statement.
pub(super) fn move_tables(control: &mut Connection, databases: &[Database]) -> Result<(), Error> {
    let mut moves = Vec::new();
    for database in databases {
        let moving = format!("UPDATE {} SET moving = TRUE", sql::qualified(&database.staged, MARKER));
        let _warnings = run(control, &moving)?;
        for table in tables_in(control, &database.staged)? {
            let (from, to) = (
                sql::qualified(&database.staged, &table),
                sql::qualified(&database.target, &table),
            );
            moves.push(format!("{from} TO {to}"));
        }
    }
    if moves.is_empty() {
        return Ok(());
    }
    run(control, &format!("RENAME TABLE {}", moves.join(", "))).map(drop)
}

/// Tables and sequences; no views.
fn tables_in(control: &mut Connection, database: &str) -> Result<Vec<String>, Error> {
    let sql = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_type NOT LIKE '%VIEW%' \
         AND table_name <> '{MARKER}' ORDER BY table_name",
        sql::quoted(database)
    );
    let rows = control.table(&sql).map_err(doing(&sql))?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect())
}

/// Makes a final database, or gives an empty one the character set of the dump.
pub(super) fn make(control: &mut Connection, database: &Database) -> Result<(), Error> {
    let name = sql::name(&database.target);
    if database.existed {
        if let Some(first) = first_object(control, &database.target)? {
            return Err(refused(
                &database.target,
                format!("it is not empty any more: it holds {first}"),
            ));
        }
        return set_creation(control, &database.target, &database.creation);
    }
    run(control, &format!("CREATE DATABASE {name} {}", database.creation)).map(drop)
}

pub(super) fn set_creation(control: &mut Connection, name: &str, creation: &str) -> Result<(), Error> {
    if creation.trim().is_empty() {
        return Ok(());
    }
    run(control, &format!("ALTER DATABASE {} {creation}", sql::name(name))).map(drop)
}

/// Takes back what [`make`] did.
pub(super) fn unmake(control: &mut Connection, database: &Database) -> Result<(), Error> {
    drop_database(control, &database.target)?;
    if database.existed {
        let name = sql::name(&database.target);
        let _warnings = run(control, &format!("CREATE DATABASE {name} {}", database.creation))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_staged;
    use super::refuse_protected;
    use super::staged_name;

    #[test]
    fn staged_names_are_known_again_and_fit() {
        for target in ["shop", &"é".repeat(64), "a_hub_tmp_00000000"] {
            let name = staged_name(target).expect("random octets");
            assert!(is_staged(&name) && name.chars().count() <= 64, "{name}");
        }
        for other in [
            "shop",
            "shop_hub_tmp_",
            "shop_hub_tmp_0000000G",
            "shop_hub_tmp_000000000",
            "hub_tmp_00000000x",
        ] {
            assert!(!is_staged(other), "{other}");
        }
    }

    #[test]
    fn protected_databases_are_refused_by_name_and_host() {
        let protected = ["prod-*".to_owned(), "db.example/hub".to_owned(), "primary.*".to_owned()];
        let refused = |server: &str, name: &str| refuse_protected(server, name, &protected).is_err();
        assert!(
            refused("x:3306", "prod-hub") && refused("db.example:3306", "hub") && refused("primary.example:1", "x")
        );
        assert!(!refused("x:3306", "hub") && !refused("db.example:3306", "stock"));
        assert!(refused("x:1", "MySQL") && refused("x:1", "") && refused("x:1", &"a".repeat(65)));
    }
}
