//! Restores to PostgreSQL: what the target and the flags say, and which members chosen tables need.

use crate::base::cancel::Cancel;
use crate::base::limits;
use crate::bundle::name::Label;
use crate::flow::contents::Opened;
use crate::policy::selection;
use crate::policy::selection::Selection;
use crate::server::postgres::Conninfo;
use crate::server::postgres::Parameters;
use crate::server::postgres::Surroundings;
use crate::server::postgres::layout;
use crate::server::postgres::layout::Plan;
use crate::sink::postgres::PostgresSink;
use crate::sink::postgres::options::Landing;
use crate::sink::postgres::options::PostgresSinkOptions;

use super::dump_plan::Named;
use super::dump_plan::below;
use super::dump_plan::choose;
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

    /// Lets patterns of `selection` name tables of a dump, as [`choose`] says, and adds the members that they need. Gives the tables,
    /// or nothing where the source is wanted as a whole.
    ///
    /// # Errors
    /// When the plan of the dump cannot be read; `NoTable` when tables shall go to a schema and none is named.
    pub(super) fn choose_tables(
        &self,
        opened: &Opened<'_>,
        label: &Label,
        selection: &mut Selection,
        cancel: &Cancel,
    ) -> Result<Option<Tables>, Error> {
        let plan: Plan = read_plan(opened, label, layout::PLAN, cancel)?;
        let named = plan.tables.iter();
        let named = named.map(|table| (table.schema.as_str(), table.name.as_str(), table.streams.as_slice()));
        let named: Vec<Named<'_>> = named.collect();
        let Some(chosen) = choose(selection, label, layout::PLAN, &named) else {
            return Ok(None);
        };
        let owned = chosen
            .into_iter()
            .map(|(schema, table)| (schema.to_owned(), table.to_owned()));
        let tables: Tables = owned.collect();
        if tables.is_empty() && matches!(self.options.landing, Landing::Schema(_)) {
            let (label, known) = (label.clone(), some_tables(&plan));
            return Err(selection::Error::NoTable { label, known }.into());
        }
        let needed = [layout::PLAN, layout::PRE_DATA, layout::SEQUENCES, layout::POST_DATA];
        selection.also(needed.map(|name| below(label, name)).to_vec());
        Ok(Some(tables))
    }
}

/// The first tables of a dump, for who mistyped one.
fn some_tables(plan: &Plan) -> String {
    let most = limits::DATABASE_PROBLEMS_SHOWN;
    let tables = plan.tables.iter().take(most);
    let names: Vec<String> = tables.map(|table| format!("{}.{}", table.schema, table.name)).collect();
    let more = if plan.tables.len() > most { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}
