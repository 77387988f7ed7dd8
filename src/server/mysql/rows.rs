//! The text of a row: its tuple as an INSERT statement has it. Source and restore write it alike, and so do their fingerprints agree.

use super::connection::Row;
use super::error::Error;
use super::layout::Form;
use super::sql;

/// Appends the tuple of a row, from `(` to `)`; `forms` are those of its cells.
///
/// # Errors
/// When the row has fewer cells.
pub fn tuple(row: &Row<'_>, forms: &[Form], out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(b'(');
    for (number, form) in forms.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        value(row.cell(number)?, *form, out);
    }
    out.push(b')');
    Ok(())
}

fn value(cell: Option<&[u8]>, form: Form, out: &mut Vec<u8>) {
    match (cell, form) {
        (None, _) => out.extend_from_slice(b"NULL"),
        // As a whole number it would lose its sign.
        (Some(b"-0"), Form::Number) => out.extend_from_slice(b"-0e0"),
        (Some(number), Form::Number) => out.extend_from_slice(number),
        (Some(text), Form::Text) => sql::quote(text, out),
        (Some(octets), Form::Binary) => sql::hexadecimal(octets, out),
    }
}
