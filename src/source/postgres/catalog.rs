//! What is in the database, and what is missing to read it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::COPY_FORMAT;
use super::format::Types;
use super::problem::Problem;
use super::problem::bad_format;
use super::problem::filtered;
use super::problem::orphaned;
use super::problem::unlogged;
use super::problem::unreadable;
use super::relation::RELATIONS;
use super::relation::Relation;
use super::selection;
use super::selection::Selection;
use crate::server::postgres::Error;
use crate::server::postgres::Parameters;
use crate::server::postgres::Session;
use crate::server::postgres::layout::Format;
use crate::server::postgres::quote::identifier;
use crate::server::postgres::quote::identifiers;
use crate::server::postgres::quote::qualified;

const DOING: &str = "reading the catalogue";

/// How far each populated materialized view is from the views below it: what reads another is refreshed later.
const VIEWS: &str = "
    WITH RECURSIVE
    reads AS (SELECT DISTINCT r.ev_class AS reader, d.refobjid AS source
              FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.objid = r.oid
              WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
              AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class),
    depths(oid, depth) AS (SELECT c.oid, 0 FROM pg_catalog.pg_class c WHERE c.relkind = 'm'
                           UNION SELECT r.reader, t.depth + 1 FROM depths t JOIN reads r ON r.source = t.oid WHERE t.depth < 1000)
    SELECT c.oid, max(t.depth) FROM pg_catalog.pg_class c JOIN depths t ON t.oid = c.oid
    WHERE c.relkind = 'm' AND c.relispopulated GROUP BY c.oid ORDER BY 2, 1";

/// Types of the server itself, domains with what is below them, and enumerations.
const TYPES: &str = "
    SELECT oid, typtype::text, typbasetype, typname::text FROM pg_catalog.pg_type
    WHERE typtype IN ('d', 'e') OR typtype = 'b' AND typnamespace = 'pg_catalog'::pg_catalog.regnamespace";

/// Large objects that the role may not read.
const UNREADABLE_OBJECTS: &str = "
    SELECT count(*), min(m.oid) FROM pg_catalog.pg_largeobject_metadata m
    WHERE NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE')
      AND pg_catalog.current_setting('lo_compat_privileges') <> 'on'
      AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'
                      AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))";

/// A table whose rows are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) format: Format,
    /// `WHERE …` of a configuration table of an extension: its own rows are not the database's.
    pub(super) condition: Option<String>,
    /// Whether it is stored in pages that can be read in ranges.
    pub(super) has_pages: bool,
    /// Bytes with what is stored beside it; known after measuring.
    pub(super) bytes: u64,
    /// Its pages; known after measuring.
    pub(super) pages: u64,
}

impl Table {
    pub(super) fn qualified(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    /// `(a, b)` with a space before it; nothing for a table without columns.
    pub(super) fn column_list(&self) -> String {
        if self.columns.is_empty() {
            String::new()
        } else {
            format!(" ({})", identifiers(&self.columns))
        }
    }
}

/// What is in the database.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The role, quoted.
    pub(super) role: String,
    pub(super) tables: Vec<Table>,
    /// Tables that hold others' rows: they are locked too.
    pub(super) partitioned: Vec<String>,
    /// Materialized views that have rows, each after those that it reads.
    pub(super) views: Vec<String>,
    /// Sequences, qualified and quoted.
    pub(super) sequences: Vec<String>,
    /// Whether large objects and extensions are dumped.
    pub(super) is_everything: bool,
    pub(super) problems: Vec<Problem>,
    facts: BTreeMap<String, String>,
}

impl Survey {
    /// Facts for the encrypted index.
    pub(super) fn facts(&self, rows: u64, objects: u64) -> BTreeMap<String, String> {
        let mut facts = self.facts.clone();
        facts.insert("tables".into(), self.tables.len().to_string());
        facts.insert("rows".into(), rows.to_string());
        for (name, count) in [("large_objects", objects), ("sequences", self.sequences.len() as u64)] {
            if count > 0 {
                facts.insert(name.into(), count.to_string());
            }
        }
        facts
    }
}

/// Reads what is there, and what is missing to read it.
pub(super) async fn survey(session: &Session, parameters: &Parameters) -> Result<Survey, Error> {
    let failed = |error| session.error(DOING, &error);
    let selection = selection::resolve(session, parameters).await?;
    let rows = session.query(RELATIONS, &[]).await.map_err(failed)?;
    let relations: Vec<Relation> = rows.iter().map(Relation::of).collect();
    drop(rows);
    let mut survey = Survey {
        is_everything: selection.is_everything(),
        ..Survey::default()
    };
    let role = session
        .query_one("SELECT current_user::text", &[])
        .await
        .map_err(failed)?;
    survey.role = identifier(role.get(0));
    survey
        .problems
        .extend(selection.unmatched.iter().map(|pattern| Problem {
            what: format!("{pattern} stands for nothing in this database"),
            remedy:
                "Correct the pattern; without a schema, a name is looked for in the search path of the role.".into(),
            is_grant: false,
        }));
    survey.problems.extend(bad_format(parameters));
    let types = types(session, parameters).await?;
    sort(&mut survey, &relations, &selection, types.as_ref(), session.is_standby);
    let rows = session.query(VIEWS, &[]).await.map_err(failed)?;
    let order = rows.iter().map(|row| row.get::<_, u32>(0));
    let view = |oid| {
        relations
            .iter()
            .find(|relation| relation.oid == oid && relation.is_selected(&selection))
    };
    let views = order
        .filter_map(view)
        .filter(|view| !selection.excluded_data.contains(&view.oid));
    survey.views = views.map(Relation::qualified).collect();
    if survey.is_everything {
        read_extras(session, &mut survey).await?;
    }
    Ok(survey)
}

/// What decides about the formats of tables; nothing where all of them shall be text.
async fn types(session: &Session, parameters: &Parameters) -> Result<Option<Types>, Error> {
    if parameters.own(COPY_FORMAT).last() == Some("text") {
        return Ok(None);
    }
    let rows = session.query(TYPES, &[]).await;
    let mut types = Types::default();
    for row in rows.map_err(|error| session.error(DOING, &error))? {
        let oid = row.get(0);
        match row.get(1) {
            "d" => drop(types.domains.insert(oid, row.get(2))),
            "e" => drop(types.enums.insert(oid)),
            _ => drop(types.own.insert(oid, row.get(3))),
        }
    }
    Ok(Some(types))
}

/// Gives each selected relation its place in the survey.
fn sort(survey: &mut Survey, relations: &[Relation], selection: &Selection, types: Option<&Types>, is_standby: bool) {
    let selected: BTreeSet<u32> = relations
        .iter()
        .filter(|relation| relation.is_selected(selection))
        .map(|relation| relation.oid)
        .collect();
    let mut foreign = Vec::new();
    let mut left_out = Vec::new();
    let mut schemas = BTreeSet::new();
    for relation in relations {
        let is_selected = match relation.owner {
            Some(owner) if relation.is_identity => selected.contains(&owner),
            Some(owner) => selected.contains(&relation.oid) || selected.contains(&owner),
            None => selected.contains(&relation.oid),
        };
        if !is_selected {
            continue;
        }
        if !relation.may_use && schemas.insert(relation.schema_oid) {
            let schema = identifier(&relation.schema);
            survey.problems.push(Problem {
                what: format!("the role {} has no USAGE on schema {schema}", survey.role),
                remedy: format!("GRANT USAGE ON SCHEMA {schema} TO {};", survey.role),
                is_grant: true,
            });
        }
        let has_rows = !selection.excluded_data.contains(&relation.oid);
        match relation.kind.as_str() {
            "r" | "p" | "S" if !relation.may_read => survey.problems.push(unreadable(relation, &survey.role)),
            "r" if !has_rows => left_out.push(relation.qualified()),
            "r" if relation.is_filtered => survey.problems.push(filtered(relation, &survey.role)),
            "r" | "S" if has_rows && relation.is_unlogged && is_standby => survey.problems.push(unlogged(relation)),
            "r" => survey.tables.push(table(relation, types)),
            "S" if has_rows => survey.sequences.push(relation.qualified()),
            "p" => {
                survey.partitioned.push(relation.qualified());
                survey
                    .problems
                    .extend(orphaned(relation, relations, &selected, selection));
            }
            "f" => foreign.push(relation.qualified()),
            _ => {}
        }
    }
    for (name, list) in [
        ("foreign_tables_without_rows", foreign),
        ("tables_without_rows", left_out),
    ] {
        if !list.is_empty() {
            survey.facts.insert(name.into(), list.join("\n"));
        }
    }
}

fn table(relation: &Relation, types: Option<&Types>) -> Table {
    Table {
        oid: relation.oid,
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        columns: relation.columns.clone(),
        format: types.map_or(Format::Text, |types| types.format(&relation.types)),
        condition: relation.condition.clone().filter(|condition| !condition.is_empty()),
        has_pages: relation.has_pages,
        ..Table::default()
    }
}

/// Large objects and extensions.
async fn read_extras(session: &Session, survey: &mut Survey) -> Result<(), Error> {
    let failed = |error| session.error(DOING, &error);
    let unreadable = session.query_one(UNREADABLE_OBJECTS, &[]).await.map_err(failed)?;
    let (count, first): (i64, Option<u32>) = (unreadable.get(0), unreadable.get(1));
    if let Some(first) = first {
        survey.problems.push(Problem {
            what: format!(
                "the role {} may not read {count} large objects, {first} among them",
                survey.role
            ),
            remedy: format!(
                "GRANT SELECT ON LARGE OBJECT {first} TO {}; and so for each.",
                survey.role
            ),
            is_grant: false,
        });
    }
    let question = "SELECT extname::text || ' ' || extversion FROM pg_catalog.pg_extension ORDER BY 1";
    let rows = session.query(question, &[]).await.map_err(failed)?;
    let extensions: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    survey.facts.insert("extensions".into(), extensions.join("\n"));
    Ok(())
}
