//! What is missing for a whole dump: each thing that is wrong with a table or a wish, and its remedy.

use std::collections::BTreeSet;

use super::COPY_FORMAT;
use super::relation::Relation;
use super::selection::Selection;
use crate::server::postgres::Parameters;

/// A reason why the dump would not be whole.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) what: String,
    /// SQL, or what else to do.
    pub(super) remedy: String,
    /// Whether a grant is missing.
    pub(super) is_grant: bool,
}

pub(super) fn bad_format(parameters: &Parameters) -> Option<Problem> {
    let bad = parameters
        .own(COPY_FORMAT)
        .find(|value| !["auto", "text"].contains(value))?;
    Some(Problem {
        what: format!("{COPY_FORMAT}={bad} is no format"),
        remedy: format!("Give {COPY_FORMAT}=auto or {COPY_FORMAT}=text."),
        is_grant: false,
    })
}

pub(super) fn unreadable(relation: &Relation, role: &str) -> Problem {
    let (kind, name) = (
        if relation.kind == "S" { "SEQUENCE" } else { "TABLE" },
        relation.qualified(),
    );
    Problem {
        what: format!("the role {role} has no SELECT on {} {name}", kind.to_lowercase()),
        remedy: format!("GRANT SELECT ON {kind} {name} TO {role};"),
        is_grant: true,
    }
}

pub(super) fn filtered(relation: &Relation, role: &str) -> Problem {
    let name = relation.qualified();
    Problem {
        what: format!("row-level security would hide rows of table {name} from the role {role}"),
        remedy: format!("ALTER ROLE {role} BYPASSRLS; or exclude_table_data for {name}."),
        is_grant: false,
    }
}

pub(super) fn unlogged(relation: &Relation) -> Problem {
    let name = relation.qualified();
    Problem {
        what: format!("{name} is unlogged, and a standby does not have its content"),
        remedy: format!(
            "Back up from the primary, or leave its content out: exclude_table_data={}.{}",
            relation.schema, relation.name
        ),
        is_grant: false,
    }
}

/// A partitioned table whose rows would be left out, because a pattern names it and not its partitions.
pub(super) fn orphaned(
    parent: &Relation,
    relations: &[Relation],
    selected: &BTreeSet<u32>,
    selection: &Selection,
) -> Option<Problem> {
    let tables = selection.tables.as_ref()?;
    let lost = relations.iter().find(|relation| {
        parent.partitions.contains(&relation.oid)
            && !selected.contains(&relation.oid)
            && !selection.excluded_tables.contains(&relation.oid)
            && !tables.contains(&relation.oid)
    })?;
    Some(Problem {
        what: format!(
            "{} is selected, and its partition {} is not",
            parent.qualified(),
            lost.qualified()
        ),
        remedy: format!("Name the partitions too: table={}.{}*", parent.schema, parent.name),
        is_grant: false,
    })
}
