//! The state of sequences as SQL.

use crate::server::postgres::Error;
use crate::server::postgres::Session;
use crate::server::postgres::quote::literal;

/// Sequences in one query: its text stays small.
const SEQUENCES_A_QUERY: usize = 200;

/// `SELECT pg_catalog.setval(…)` for each. Sequences know no snapshots: read after the rows, they are never behind them.
pub(super) async fn statements(session: &Session, sequences: &[String]) -> Result<String, Error> {
    let mut sql = String::new();
    for chunk in sequences.chunks(SEQUENCES_A_QUERY) {
        let parts: Vec<String> = chunk
            .iter()
            .enumerate()
            .map(|(number, name)| format!("SELECT {number} AS n, last_value, is_called FROM {name}"))
            .collect();
        let question = format!("{} ORDER BY n", parts.join(" UNION ALL "));
        let rows = session.query(&question, &[]).await;
        let rows = rows.map_err(|error| session.error("reading the sequences", &error))?;
        for (name, row) in chunk.iter().zip(&rows) {
            let (last, is_called): (i64, bool) = (row.get(1), row.get(2));
            sql.push_str(&statement(name, last, is_called));
        }
    }
    Ok(sql)
}

fn statement(name: &str, last: i64, is_called: bool) -> String {
    format!("SELECT pg_catalog.setval({}, {last}, {is_called});\n", literal(name))
}
