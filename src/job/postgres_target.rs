//! Restores to PostgreSQL: what the target and the flags say, and which members chosen tables need.

use crate::base::cancel::Cancel;
use crate::bundle::name::Label;
use crate::bundle::path::RawBytes;
use crate::flow::contents::Opened;
use crate::policy::selection::Selection;
use crate::server::postgres::Conninfo;
use crate::server::postgres::Parameters;
use crate::server::postgres::Surroundings;
use crate::server::postgres::layout;
use crate::server::postgres::layout::Plan;
use crate::sink::postgres::PostgresSink;
use crate::sink::postgres::options::PostgresSinkOptions;

use super::dump_plan::below;
use super::dump_plan::read_plan;
use super::error::Error;

/// How PostgreSQL databases are restored.
pub struct PostgresRestore {
    /// The environment, home and user that complete a connection.
    pub surroundings: Surroundings,
    /// Everything else; selection and number of jobs are set for each target.
    pub options: PostgresSinkOptions,
}

/// Tables by schema and name.
pub(super) type Tables = Vec<(String, String)>;

impl PostgresRestore {
    /// The sink for a target, which is shown as `shown`. `tables` are the chosen ones, where not all are wanted.
    ///
    /// # Errors
    /// When the target is not usable.
    pub(super) fn sink(
        &self,
        written: &Parameters,
        shown: &str,
        tables: Option<Tables>,
        jobs: usize,
        cancel: &Cancel,
    ) -> Result<PostgresSink, Error> {
        let options = PostgresSinkOptions {
            selected: tables,
            jobs,
            ..self.options.clone()
        };
        let conninfo = Conninfo::new(written, &self.surroundings)?;
        Ok(PostgresSink::new(shown, conninfo, options, cancel.clone())?)
    }
}

/// Lets patterns of `selection` name tables of a dump, `SCHEMA.TABLE`, and adds the members that they need. Gives the tables.
///
/// # Errors
/// When the plan of the dump cannot be read.
pub(super) fn choose_tables(
    opened: &Opened<'_>,
    label: &Label,
    selection: &mut Selection,
    cancel: &Cancel,
) -> Result<Tables, Error> {
    let plan: Plan = read_plan(opened, label, layout::PLAN, cancel)?;
    let mut tables = Tables::new();
    selection.resolve(|pattern| {
        let found = tables_of(&plan, label, pattern);
        tables.extend(found.iter().map(|table| (table.schema.clone(), table.name.clone())));
        let streams = found.iter().flat_map(|table| &table.streams);
        streams.map(|stream| below(label, stream)).collect::<Vec<RawBytes>>()
    });
    let needed = [layout::PLAN, layout::PRE_DATA, layout::SEQUENCES, layout::POST_DATA];
    selection.also(needed.map(|name| below(label, name)).to_vec());
    Ok(tables)
}

/// The tables that `schema.table`, `LABEL/schema.table` or `LABEL/data/schema.table` names; a name may hold `*`.
fn tables_of<'p>(plan: &'p Plan, label: &Label, pattern: &str) -> Vec<&'p layout::Table> {
    let own = pattern
        .strip_prefix(label.as_str())
        .and_then(|rest| rest.strip_prefix('/'));
    let name = own.unwrap_or(pattern);
    let name = name.strip_prefix("data/").unwrap_or(name);
    let glob = globset::Glob::new(name).map(|glob| glob.compile_matcher());
    let fits = |table: &&layout::Table| {
        let full = format!("{}.{}", table.schema, table.name);
        full == name
            || glob
                .as_ref()
                .is_ok_and(|glob| name.contains('.') && glob.is_match(&full))
    };
    plan.tables.iter().filter(fits).collect()
}
