//! Chosen tables in a new schema of a database in use: their own definitions, indexes and constraints, and nothing that names anything else.

use super::statement::Qualified;
use super::statement::Statement;
use super::toc::Header;
use crate::server::postgres::quote;

/// Which tables, and where to.
#[derive(Clone, Debug)]
pub(super) struct Relocation {
    pub(super) tables: Vec<Qualified>,
    /// The staged schema.
    pub(super) schema: String,
}

/// What becomes of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// It is run in this form.
    Run(String),
    /// It belongs to something else.
    Skip,
    /// It cannot be run without touching something else.
    Refuse(&'static str),
}

impl Relocation {
    pub(super) fn apply(&self, header: &Header, text: &str) -> Moved {
        let statement = Statement::new(text);
        let table = match header.kind.as_str() {
            "TABLE" => header.schema.clone().map(|schema| (schema, header.name.clone())),
            "INDEX" => statement.indexed(),
            "CONSTRAINT" => statement.altered(),
            _ => None,
        };
        let Some(table) = table.filter(|table| self.tables.contains(table)) else {
            return Moved::Skip;
        };
        if statement.inherits() {
            return Moved::Refuse("it is a child of another table: restore it into a new database");
        }
        let moved = statement.moved(&table, &quote::identifier(&self.schema));
        // What names the table in no way that is known would reach the one in use.
        if moved == text { Moved::Skip } else { Moved::Run(moved) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_the_table_is_moved() {
        let relocation = Relocation {
            tables: vec![("s".to_owned(), "t".to_owned())],
            schema: "new".to_owned(),
        };
        let header = |kind: &str| Header {
            name: "t".to_owned(),
            kind: kind.to_owned(),
            schema: Some("s".to_owned()),
        };
        let run = |kind: &str, text: &str| relocation.apply(&header(kind), text);
        assert_eq!(
            run("TABLE", "CREATE TABLE s.t (a s.kind);"),
            Moved::Run("CREATE TABLE \"new\".t (a s.kind);".to_owned())
        );
        assert_eq!(
            run("INDEX", "CREATE INDEX i ON s.t USING btree (a);"),
            Moved::Run("CREATE INDEX i ON \"new\".t USING btree (a);".to_owned())
        );
        assert_eq!(run("INDEX", "CREATE INDEX i ON s.other USING btree (a);"), Moved::Skip);
        assert_eq!(
            run(
                "TRIGGER",
                "CREATE TRIGGER x AFTER INSERT ON s.t EXECUTE FUNCTION s.f();"
            ),
            Moved::Skip
        );
        assert!(matches!(
            run("TABLE", "CREATE TABLE s.t (a integer) INHERITS (s.p);"),
            Moved::Refuse(_)
        ));
    }
}
