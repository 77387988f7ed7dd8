//! A relation as the catalogue has it, and whether it is selected.

use tokio_postgres::Row;

use super::selection::Selection;
use crate::server::postgres::quote::qualified;

/// Relations of every kind with what decides about them. Schemas of the system are not dumped.
pub(super) const RELATIONS: &str = "
    SELECT c.oid, n.oid AS schema_oid, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text,
           COALESCE(a.amname = 'heap', false) AS has_pages,
           (SELECT COALESCE(array_agg(t.attname::text ORDER BY t.attnum), '{}') FROM pg_catalog.pg_attribute t
            WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = '') AS columns,
           (SELECT COALESCE(array_agg(t.atttypid ORDER BY t.attnum), '{}') FROM pg_catalog.pg_attribute t
            WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = '') AS types,
           e.extname IS NOT NULL AS is_member, x.condition,
           pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS may_use,
           CASE WHEN c.relkind IN ('r', 'p') THEN pg_catalog.has_table_privilege(c.oid, 'SELECT')
                WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') ELSE true END AS may_read,
           c.relrowsecurity AND pg_catalog.row_security_active(c.oid) AS is_filtered,
           o.refobjid AS owner, COALESCE(o.deptype = 'i', false) AS is_identity,
           ARRAY(SELECT h.inhrelid FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid AND c.relkind = 'p') AS partitions
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
    LEFT JOIN LATERAL (SELECT x.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
                       WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0
                       AND d.deptype = 'e' LIMIT 1) e ON true
    LEFT JOIN LATERAL (SELECT u.condition FROM pg_catalog.pg_extension x, unnest(x.extconfig, x.extcondition) u(oid, condition)
                       WHERE u.oid = c.oid LIMIT 1) x ON true
    LEFT JOIN LATERAL (SELECT d.refobjid, d.deptype FROM pg_catalog.pg_depend d
                       WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0
                       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
                       AND c.relkind = 'S' LIMIT 1) o ON true
    WHERE c.relkind IN ('r', 'p', 'S', 'f', 'm') AND c.relpersistence <> 't'
      AND NOT n.nspname ^@ 'pg_' AND n.nspname <> 'information_schema'
    ORDER BY n.nspname, c.relname";

/// A relation as the catalogue has it.
#[expect(clippy::struct_excessive_bools, reason = "a row of the catalogue, column by column")]
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) schema_oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) is_unlogged: bool,
    pub(super) is_member: bool,
    /// Given for configuration tables of extensions.
    pub(super) condition: Option<String>,
    pub(super) may_use: bool,
    pub(super) may_read: bool,
    pub(super) is_filtered: bool,
    pub(super) owner: Option<u32>,
    pub(super) is_identity: bool,
    pub(super) partitions: Vec<u32>,
    pub(super) has_pages: bool,
    pub(super) columns: Vec<String>,
    pub(super) types: Vec<u32>,
}

impl Relation {
    pub(super) fn of(row: &Row) -> Self {
        Self {
            oid: row.get(0),
            schema_oid: row.get(1),
            schema: row.get(2),
            name: row.get(3),
            kind: row.get(4),
            is_unlogged: row.get::<_, String>(5) == "u",
            has_pages: row.get(6),
            columns: row.get(7),
            types: row.get(8),
            is_member: row.get(9),
            condition: row.get(10),
            may_use: row.get(11),
            may_read: row.get(12),
            is_filtered: row.get(13),
            owner: row.get(14),
            is_identity: row.get(15),
            partitions: row.get(16),
        }
    }

    pub(super) fn qualified(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    /// Whether the filters select it, as `pg_dump` does.
    pub(super) fn is_selected(&self, selection: &Selection) -> bool {
        if self.is_member {
            return self.condition.is_some() && selection.is_everything();
        }
        let is_in = |list: &Option<Vec<u32>>, oid| list.as_ref().is_none_or(|list| list.contains(&oid));
        let included = if selection.tables.is_some() {
            is_in(&selection.tables, self.oid)
        } else {
            is_in(&selection.schemas, self.schema_oid) && !selection.excluded_schemas.contains(&self.schema_oid)
        };
        included && !selection.excluded_tables.contains(&self.oid)
    }
}
