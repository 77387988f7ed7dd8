//! Restores to MySQL and MariaDB: what the target and the flags say, and which members chosen tables need.

use crate::base::cancel::Cancel;
use crate::bundle::index::Record;
use crate::bundle::name::Label;
use crate::bundle::path::EntryPath;
use crate::bundle::path::RawBytes;
use crate::flow::contents::Opened;
use crate::policy::selection::Selection;
use crate::server::mysql::error::Error as ServerError;
use crate::server::mysql::layout;
use crate::server::mysql::layout::Plan;
use crate::server::mysql::options::Options;
use crate::server::mysql::options::Surroundings;
use crate::server::mysql::parameters::Parameters;
use crate::sink::mysql::MysqlSink;
use crate::sink::mysql::options::MysqlSinkOptions;

use super::dump_plan::Named;
use super::dump_plan::choose;
use super::dump_plan::read_plan;
use super::error::Error;

/// The groups of option files that a restore reads, beside those of every client.
const RESTORE_GROUPS: [&str; 2] = ["mysql", "mariadb"];

/// How MySQL and MariaDB databases are restored.
pub struct MysqlRestore {
    /// The environment that completes a connection.
    pub surroundings: Surroundings,
    /// Everything else; names, chosen tables and number of jobs are set for each target.
    pub options: MysqlSinkOptions,
}

impl MysqlRestore {
    /// The sink for a target. `tables` are the chosen ones, where not all are wanted.
    ///
    /// # Errors
    /// When the target is not usable.
    pub fn sink(
        &self,
        written: &Parameters,
        tables: Option<Vec<String>>,
        jobs: usize,
        cancel: &Cancel,
    ) -> Result<MysqlSink, Error> {
        let server = Options::resolve(written, &self.surroundings, &RESTORE_GROUPS).map_err(|error| unfit(&error))?;
        let mut options = MysqlSinkOptions {
            database: server.database.clone(),
            tables,
            jobs,
            ..self.options.clone()
        };
        for pair in written.list("rename") {
            let (old, new) = pair.split_once(':').ok_or_else(|| Error::Unfit {
                what: format!("{pair:?} does not rename a database"),
                hint: "Write rename=OLD:NEW, and more such pairs behind commas.".into(),
            })?;
            let _earlier = options.rename.insert(old.to_owned(), new.to_owned());
        }
        Ok(MysqlSink::new(written.to_string(), server, options, cancel)?)
    }
}

fn unfit(error: &ServerError) -> Error {
    use crate::base::fault::Fault as _;
    Error::Unfit {
        what: error.to_string(),
        hint: error
            .hint()
            .unwrap_or_else(|| "Write mysql://USER@HOST/DATABASE.".into()),
    }
}

/// Lets patterns of `selection` name tables of a dump, as [`choose`] says, and adds the members that they need. Gives the tables,
/// or nothing where the source is wanted as a whole.
///
/// # Errors
/// When the plan of the dump cannot be read.
pub(super) fn choose_tables(
    opened: &Opened<'_>,
    label: &Label,
    selection: &mut Selection,
    cancel: &Cancel,
) -> Result<Option<Vec<String>>, Error> {
    let plan: Plan = read_plan(opened, label, layout::PLAN, cancel)?;
    let databases = plan.databases.iter();
    let named = databases.flat_map(|database| {
        let tables = database.tables.iter();
        tables.map(|table| (database.name.as_str(), table.name.as_str(), table.streams.as_slice()))
    });
    let named: Vec<Named<'_>> = named.collect();
    let Some(chosen) = choose(selection, label, layout::PLAN, &named) else {
        return Ok(None);
    };
    let tables = chosen
        .iter()
        .map(|(database, table)| format!("{database}.{table}"))
        .collect();
    selection.also(scripts(opened, label)?);
    Ok(Some(tables))
}

/// The plan and the scripts of a dump.
fn scripts(opened: &Opened<'_>, label: &Label) -> Result<Vec<RawBytes>, Error> {
    let folders = [layout::PLAN, layout::SCHEMA, layout::AFTER].map(|name| format!("{label}/{name}"));
    let is_script = |path: &EntryPath| folders.iter().any(|folder| path.as_path().starts_with(folder));
    let mut records = opened.records()?;
    let mut found = Vec::new();
    while let Some(record) = records.next_record()? {
        if let Record::Entry(entry) = record
            && is_script(&entry.path)
        {
            found.push(RawBytes::from(entry.path));
        }
    }
    Ok(found)
}
