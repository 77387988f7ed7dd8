//! Rows as INSERT statements: one tuple a line, statements of about a mebibyte.

use crate::bundle::entry::Rows;
use crate::server::mysql::connection::Row;
use crate::server::mysql::error::Error;
use crate::server::mysql::layout::Form;
use crate::server::mysql::rows::tuple;
use crate::server::mysql::sql;

/// A statement that has reached this ends with its next row: every server takes such packets, and few statements cost little.
const STATEMENT_BYTES: usize = 1 << 20;

/// Turns the rows of one stream into text. The text of a row is its tuple, from `(` to `)`.
pub(super) struct Formatter {
    head: Vec<u8>,
    forms: Vec<Form>,
    /// Bytes of the statement so far; 0 before the first row.
    statement_bytes: usize,
    rows: Rows,
}

impl Formatter {
    /// For rows of `table` with `columns` of these forms.
    pub(super) fn new(table: &str, columns: &[(&str, Form)]) -> Self {
        let names: Vec<String> = columns.iter().map(|(name, _)| sql::name(name)).collect();
        let head = format!("INSERT INTO {} ({}) VALUES\n", sql::name(table), names.join(","));
        Self {
            head: head.into_bytes(),
            forms: columns.iter().map(|(_, form)| *form).collect(),
            statement_bytes: 0,
            rows: Rows::default(),
        }
    }

    /// Appends one row, and before it the end of the row before.
    pub(super) fn row(&mut self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.statement_bytes >= STATEMENT_BYTES {
            out.extend_from_slice(b";\n");
            self.statement_bytes = 0;
        }
        if self.statement_bytes == 0 {
            out.extend_from_slice(&self.head);
            self.statement_bytes = self.head.len();
        } else {
            out.extend_from_slice(b",\n");
        }
        let begin = out.len();
        tuple(row, &self.forms, out)?;
        self.rows.add(&out[begin..]);
        self.statement_bytes += out.len() - begin + 2;
        Ok(())
    }

    /// Ends the last statement. Gives what the stream holds.
    pub(super) fn finish(self, out: &mut Vec<u8>) -> Rows {
        if self.statement_bytes > 0 {
            out.extend_from_slice(b";\n");
        }
        self.rows
    }
}
