//! Columns: which have values of their own, how they are asked for, and how their values are written.

use std::collections::BTreeMap;

use super::connection::Connection;
use super::error::Error;
use super::layout::Form;
use super::sql;

/// Character sets of which every value reads back the same when it goes through UTF-8.
const THROUGH_UTF8: [&str; 5] = ["utf8mb4", "utf8mb3", "utf8", "ascii", "latin1"];

const INTEGERS: [&str; 5] = ["tinyint", "smallint", "mediumint", "int", "bigint"];

/// A column with values of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, unquoted.
    pub name: String,
    /// `varchar`, without length.
    kind: String,
    /// How its values are written.
    pub form: Form,
    /// What is asked of the server.
    pub expression: String,
}

impl Column {
    /// The columns of all tables of a database, by table, in order, generated ones left out.
    ///
    /// # Errors
    /// What the server reports.
    pub fn read_all(connection: &mut Connection, database: &str) -> Result<BTreeMap<String, Vec<Self>>, Error> {
        let rows = connection.table(format!(
            "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IFNULL(CHARACTER_SET_NAME, ''), EXTRA \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} ORDER BY TABLE_NAME, ORDINAL_POSITION",
            sql::quoted(database)
        ))?;
        let mut tables: BTreeMap<String, Vec<Self>> = BTreeMap::new();
        for row in rows {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || cells.next().unwrap_or_default();
            let (table, name, kind, full, charset, extra) = (next(), next(), next(), next(), next(), next());
            let columns = tables.entry(table).or_default();
            // `DEFAULT_GENERATED` is a default, not a generated column.
            if !extra.contains("VIRTUAL GENERATED") && !extra.contains("STORED GENERATED") {
                columns.push(Self::new(name, kind.to_ascii_lowercase(), &full, &charset));
            }
        }
        Ok(tables)
    }

    fn new(name: String, kind: String, full: &str, charset: &str) -> Self {
        let plain = sql::name(&name);
        let (form, expression) = match kind.as_str() {
            "decimal" | "year" => (Form::Number, plain),
            kind if INTEGERS.contains(&kind) => (Form::Number, plain),
            // A float prints as six digits, and one with fixed decimals rounds: as a double each prints what reads back.
            "float" => (Form::Number, format!("{plain} * 1e0")),
            "double" if full.contains('(') => (Form::Number, format!("{plain} * 1e0")),
            "double" => (Form::Number, plain),
            "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => {
                (Form::Binary, plain)
            }
            // The server's own form: the SRID and the WKB.
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            | "geometrycollection" | "geomcollection" => (Form::Binary, plain),
            // The empty text is a member and an error value; their numbers differ.
            "enum" if has_empty_member(full) => (Form::Number, format!("{plain} + 0")),
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext"
                if !charset.is_empty() && !THROUGH_UTF8.contains(&charset) =>
            {
                (Form::Binary, format!("CAST({plain} AS BINARY)"))
            }
            // Dates and times, JSON, UUID, INET6, enumerations, and text.
            _ => (Form::Text, plain),
        };
        Self {
            name,
            kind,
            form,
            expression,
        }
    }

    /// Whether ranges of it can be cut by arithmetic.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        INTEGERS.contains(&self.kind.as_str())
    }
}

/// Whether `enum('a','')` has the empty text among its members.
fn has_empty_member(full: &str) -> bool {
    let list = full.trim_start_matches(|sign| sign != '(');
    // Within a member a quote is doubled, so a comma or parenthesis before two quotes and another after them only stands around the empty one.
    ["('',", ",'',", ",'')", "('')"].iter().any(|sign| list.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::Column;
    use super::Form;

    #[test]
    fn forms_follow_types() {
        let of = |kind: &str, full: &str, charset: &str| {
            let column = Column::new("c".into(), kind.into(), full, charset);
            (column.form, column.expression)
        };
        assert_eq!(of("int", "int(10) unsigned", ""), (Form::Number, "`c`".into()));
        assert_eq!(of("float", "float", ""), (Form::Number, "`c` * 1e0".into()));
        assert_eq!(of("double", "double(7,2)", ""), (Form::Number, "`c` * 1e0".into()));
        assert_eq!(
            of("varchar", "varchar(9)", "sjis"),
            (Form::Binary, "CAST(`c` AS BINARY)".into())
        );
        assert_eq!(of("varchar", "varchar(9)", "latin1"), (Form::Text, "`c`".into()));
        assert_eq!(of("enum", "enum('a','')", "utf8mb4"), (Form::Number, "`c` + 0".into()));
        assert_eq!(of("enum", "enum('a','b')", "utf8mb4"), (Form::Text, "`c`".into()));
        assert_eq!(of("json", "json", ""), (Form::Text, "`c`".into()));
    }
}
