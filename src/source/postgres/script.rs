//! `restore.sql`: the way back with stock psql.

use crate::server::postgres::layout;
use crate::server::postgres::layout::Creation;
use crate::server::postgres::layout::Plan;
use crate::server::postgres::quote::identifier;
use crate::server::postgres::quote::identifiers;
use crate::server::postgres::quote::literal;
use crate::server::postgres::quote::qualified;
use crate::server::postgres::session::ROW_TEXT;
use crate::server::postgres::session::version_text;

/// The pipe through which psql reads a table whose name it cannot take in `\copy`, which ends with its line.
const PIPE: &str = "hub-backup-rows";

/// The database that psql is connected to, as psql writes it.
const NEW: &str = ":\"DBNAME\"";

/// Rows that no table takes, in either format: they stand for those that could not be read.
const SPOILT: &str = "\\n\\\\.rows are missing\\n";

/// The script. It is run in the folder of the dump, whether its members were joined or are still in parts.
pub(super) fn restore(plan: &Plan) -> String {
    let mut sql = head(plan);
    let files = [
        layout::PRE_DATA,
        layout::LARGE_OBJECTS,
        layout::SEQUENCES,
        layout::POST_DATA,
    ];
    sql.push_str("\\set ON_ERROR_STOP on\n\n-- Members that are still in parts are joined first.\n");
    sql.extend([format!(
        "\\! for name in {}; do test -e $name || cat $name.part-* > $name; done\n\n",
        files.join(" ")
    )]);
    sql.extend([format!("\\i {}\n\n", layout::PRE_DATA)]);
    for (name, value) in ROW_TEXT {
        sql.extend([format!("SET {name} = {};\n", literal(value))]);
    }
    sql.push_str("SET client_encoding = 'UTF8';\n\n");
    for table in &plan.tables {
        for stream in &table.streams {
            sql.push_str(&copy(table, stream));
        }
    }
    for name in &files[1..] {
        sql.extend([format!("\n\\i {name}")]);
    }
    sql.push_str("\nANALYZE;\n");
    sql.push_str(&properties(plan));
    sql
}

/// What the database has of its own, given to the one that psql is in.
fn properties(plan: &Plan) -> String {
    let comment = plan.properties.comment.as_ref();
    let comment = comment.map(|text| format!("COMMENT ON DATABASE {NEW} IS {};\n", literal(text)));
    let statements = plan.properties.statements(NEW, plan.creation.owner.as_deref(), true);
    let statements = statements.into_iter().map(|statement| statement.sql + ";\n");
    let owner = plan.creation.owner.as_deref().map(identifier);
    let owner = owner.map(|owner| format!("ALTER DATABASE {NEW} OWNER TO {owner};\n"));
    let sql: String = owner.into_iter().chain(comment).chain(statements).collect();
    if sql.is_empty() {
        return sql;
    }
    format!(
        "\n-- What the database had of its own. Where a role is missing the server says so, and the rest is done: from here on errors do not\n\
         -- change the exit code of psql.\n\\unset ON_ERROR_STOP\n{sql}"
    )
}

/// Statements that fill materialized views, each after those that it reads.
pub(super) fn refresh(views: &[String]) -> String {
    let mut sql = String::new();
    for name in views {
        sql.extend(["REFRESH MATERIALIZED VIEW ", name, ";\n"]);
    }
    sql
}

fn copy(table: &layout::Table, stream: &str) -> String {
    let columns = if table.columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", identifiers(&table.columns))
    };
    let name = qualified(&table.schema, &table.name);
    let format = match table.format {
        layout::Format::Text => "",
        layout::Format::Binary => " with (format binary)",
    };
    let read = format!("if test -e {stream}; then cat {stream}; else cat {stream}.part-*; fi");
    if !format!("{name}{columns}").contains(['\n', '\r']) {
        return format!("\\copy {name}{columns} from program '{read}'{format}\n");
    }
    let statement = printed(&format!("COPY {name}{columns} FROM STDIN{format};\n"));
    format!(
        "\\! rm -f {PIPE}; mkfifo {PIPE}; ({{ printf '{statement}'; {{ {read}; }} || printf '{SPOILT}'; }} > {PIPE}) &\n\
         \\i {PIPE}\n\\! rm {PIPE}\n"
    )
}

/// A text as the first argument of `printf` in single quotation marks, on one line.
fn printed(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => printed.push_str("\\\\"),
            '%' => printed.push_str("%%"),
            '\'' => printed.push_str("'\\''"),
            '\n' => printed.push_str("\\n"),
            '\r' => printed.push_str("\\r"),
            letter => printed.push(letter),
        }
    }
    printed
}

fn head(plan: &Plan) -> String {
    format!(
        "-- The database {database} of PostgreSQL {version}.\n\
         --\n\
         -- Roles and tablespaces must be there. They are in globals.sql, without passwords: psql --dbname=postgres --file=globals.sql makes them.\n\
         -- Make an empty database and run this script in the folder in which it lies, not in a single transaction:\n\
         --\n\
         --     {create}\n\
         --     psql --no-psqlrc --dbname=NEW --file=restore.sql\n\
         --\n\
         -- Use a psql that knows \\restrict when pre-data.sql begins with it: 13.22, 14.19, 15.14, 16.10, 17.6, 18 or newer.\n\n",
        database = on_one_line(&identifier(&plan.database)),
        version = version_text(plan.server),
        create = on_one_line(&create(&plan.creation)),
    )
}

/// For a comment, which ends with its line: what comes after it would be run.
fn on_one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// `CREATE DATABASE`, as the database was made.
fn create(made: &Creation) -> String {
    let mut sql = format!(
        "CREATE DATABASE new TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        literal(&made.encoding),
        literal(&made.collate),
        literal(&made.ctype)
    );
    if made.provider != "libc" {
        sql.extend([format!(" LOCALE_PROVIDER {}", made.provider)]);
    }
    match (made.provider.as_str(), &made.locale) {
        ("icu", Some(locale)) => sql.extend([format!(" ICU_LOCALE {}", literal(locale))]),
        ("builtin", Some(locale)) => sql.extend([format!(" BUILTIN_LOCALE {}", literal(locale))]),
        _ => {}
    }
    if let Some(rules) = &made.rules {
        sql.extend([format!(" ICU_RULES {}", literal(rules))]);
    }
    if let Some(owner) = &made.owner {
        sql.extend([format!(" OWNER {}", identifier(owner))]);
    }
    sql + ";"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::postgres::properties::Properties;

    #[test]
    fn names_do_not_leave_the_comment() {
        let name = "x\r\\! touch sprung\n\\! touch sprung";
        let plan = Plan {
            version: layout::VERSION,
            server: 150_018,
            database: name.to_owned(),
            origin: None,
            creation: Creation {
                encoding: "UTF8".to_owned(),
                provider: "libc".to_owned(),
                collate: name.to_owned(),
                ctype: "C".to_owned(),
                locale: None,
                rules: None,
                owner: Some(name.to_owned()),
            },
            properties: Properties::default(),
            connections: 1,
            tables: Vec::new(),
        };
        let head = head(&plan);
        assert!(head.contains("\\! touch sprung") && !head.contains('\r'), "{head}");
        assert!(
            head.lines().all(|line| line.is_empty() || line.starts_with("--")),
            "{head}"
        );
    }
}
