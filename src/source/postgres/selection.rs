//! Which tables are dumped: patterns as `pg_dump` reads them, so that our tables are its tables.

use crate::server::postgres::Error;
use crate::server::postgres::Parameters;
use crate::server::postgres::Session;
use crate::server::postgres::quote::literal;

/// What the patterns stand for, by the numbers of schemas and tables. `None` where nothing is named.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) schemas: Option<Vec<u32>>,
    pub(super) excluded_schemas: Vec<u32>,
    pub(super) tables: Option<Vec<u32>>,
    pub(super) excluded_tables: Vec<u32>,
    pub(super) excluded_data: Vec<u32>,
    /// Patterns that stand for nothing.
    pub(super) unmatched: Vec<String>,
}

impl Selection {
    /// Whether nothing but exclusions is named: then extensions and large objects are dumped too.
    pub(super) fn is_everything(&self) -> bool {
        self.schemas.is_none() && self.tables.is_none()
    }
}

/// The same selection for `pg_dump`.
pub(super) fn arguments(parameters: &Parameters) -> Vec<String> {
    let mut arguments = Vec::new();
    for (name, option) in [
        ("schema", "--schema"),
        ("exclude_schema", "--exclude-schema"),
        ("table", "--table"),
        ("exclude_table", "--exclude-table"),
    ] {
        arguments.extend(parameters.own(name).map(|pattern| format!("{option}={pattern}")));
    }
    arguments
}

/// Asks the server what the patterns stand for. Patterns without a schema stand for tables in the search path of the role.
pub(super) async fn resolve(session: &Session, parameters: &Parameters) -> Result<Selection, Error> {
    session.run("looking for tables", "RESET search_path").await?;
    let mut selection = Selection::default();
    let asked = |name| parameters.own(name).next().is_some();
    let (schemas, mut unmatched) = all(session, parameters, "schema", schema_query).await?;
    selection.schemas = asked("schema").then_some(schemas);
    selection.unmatched.append(&mut unmatched);
    (selection.excluded_schemas, _) = all(session, parameters, "exclude_schema", schema_query).await?;
    let (tables, mut unmatched) = all(session, parameters, "table", table_query).await?;
    selection.tables = asked("table").then_some(tables);
    selection.unmatched.append(&mut unmatched);
    (selection.excluded_tables, _) = all(session, parameters, "exclude_table", table_query).await?;
    // A mistake here would only store more than was wanted, but it is a mistake all the same.
    let (data, mut unmatched) = all(session, parameters, "exclude_table_data", table_query).await?;
    selection.excluded_data = data;
    selection.unmatched.append(&mut unmatched);
    session.run("looking for tables", "SET search_path = ''").await?;
    Ok(selection)
}

async fn all(
    session: &Session,
    parameters: &Parameters,
    name: &str,
    query: fn(&str) -> String,
) -> Result<(Vec<u32>, Vec<String>), Error> {
    let (mut found, mut unmatched) = (Vec::new(), Vec::new());
    for pattern in parameters.own(name) {
        let rows = session.query(&query(pattern), &[]).await;
        let rows = rows.map_err(|error| session.error(&format!("looking for {name} {pattern}"), &error))?;
        if rows.is_empty() {
            unmatched.push(format!("{name}={pattern}"));
        }
        found.extend(rows.iter().map(|row| row.get::<_, u32>(0)));
    }
    Ok((found, unmatched))
}

fn schema_query(pattern: &str) -> String {
    let parts = expressions(pattern);
    let name = parts.last().expect("one part at least");
    format!(
        "SELECT n.oid FROM pg_catalog.pg_namespace n \
         WHERE n.nspname OPERATOR(pg_catalog.~) {} COLLATE pg_catalog.default",
        literal(name)
    )
}

fn table_query(pattern: &str) -> String {
    let parts = expressions(pattern);
    let name = literal(parts.last().expect("one part at least"));
    let schema = match parts.len() {
        1 => "pg_catalog.pg_table_is_visible(c.oid)".to_owned(),
        count => format!(
            "n.nspname OPERATOR(pg_catalog.~) {} COLLATE pg_catalog.default",
            literal(&parts[count - 2])
        ),
    };
    format!(
        "SELECT c.oid FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE c.relkind OPERATOR(pg_catalog.=) ANY (array['r', 'S', 'v', 'm', 'f', 'p']) \
         AND c.relname OPERATOR(pg_catalog.~) {name} COLLATE pg_catalog.default AND {schema}"
    )
}

/// The regular expressions of the parts of a pattern, which dots separate: the rules of psql and `pg_dump`.
fn expressions(pattern: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        let part = parts.last_mut().expect("one part at least");
        match letter {
            '"' if is_quoted && letters.next_if_eq(&'"').is_some() => part.push('"'),
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(String::new()),
            '*' if !is_quoted => part.push_str(".*"),
            '?' if !is_quoted => part.push('.'),
            '$' => part.push_str("\\$"),
            '[' if !is_quoted && letters.next_if_eq(&']').is_some() => part.push_str("\\[\\]"),
            letter if is_quoted && "|*+?()[]{}.^\\".contains(letter) => part.extend(['\\', letter]),
            letter if is_quoted => part.push(letter),
            letter => part.extend(letter.to_lowercase()),
        }
    }
    parts.into_iter().map(|part| format!("^({part})$")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_pg_dump() {
        for (pattern, expected) in [
            ("Tab", vec!["^(tab)$"]),
            ("\"Tab\"", vec!["^(Tab)$"]),
            ("a*.b?", vec!["^(a.*)$", "^(b.)$"]),
            ("\"a.b\".\"c\"\"*\"", vec!["^(a\\.b)$", "^(c\"\\*)$"]),
            ("(a|b)[0-9]", vec!["^((a|b)[0-9])$"]),
            ("a$", vec!["^(a\\$)$"]),
        ] {
            assert_eq!(expressions(pattern), expected, "{pattern}");
        }
    }
}
