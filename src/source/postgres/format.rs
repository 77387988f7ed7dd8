//! Which format of COPY a table is read in.
//!
//! Text reads across versions and types, and everything can read it. The binary format of the types of the server itself is what drivers
//! exchange with every version, so it does not change; it saves the server the printing and parsing of values. Of types that are dear to
//! print it is worth it; a table with any other type is text.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::server::postgres::layout::Format;

/// Types of the server itself whose binary form is the same everywhere, and which are dear to print or to parse as text.
const DEAR: [&str; 11] = [
    "bytea",
    "cidr",
    "date",
    "float4",
    "float8",
    "inet",
    "interval",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
];

/// Types of the server itself whose binary form is the same everywhere, and not dear as text: they do not stand in the way.
const PLAIN: [&str; 14] = [
    "bit", "bool", "bpchar", "int2", "int4", "int8", "json", "jsonb", "macaddr", "numeric", "text", "timetz", "varbit",
    "varchar",
];

/// What is known about the types of the database.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// Types of the server itself, by their numbers; the name of an array begins with `_`.
    pub(super) own: BTreeMap<u32, String>,
    /// Domains, and what is below each.
    pub(super) domains: BTreeMap<u32, u32>,
    /// Enumerations, which travel by their labels.
    pub(super) enums: BTreeSet<u32>,
}

/// What a type lets a table be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// Nothing but text.
    Text,
    /// Either.
    Either,
    /// Rather binary.
    Binary,
}

impl Types {
    /// The format for a table with columns of these types.
    pub(super) fn format(&self, columns: &[u32]) -> Format {
        let worths: Vec<Worth> = columns.iter().map(|column| self.worth(*column)).collect();
        if worths.contains(&Worth::Binary) && !worths.contains(&Worth::Text) {
            Format::Binary
        } else {
            Format::Text
        }
    }

    fn worth(&self, column: u32) -> Worth {
        let mut of = column;
        // A domain is below itself never, and a few may stand on each other.
        while let Some(below) = self.domains.get(&of) {
            of = *below;
        }
        let name = self.own.get(&of).map(|name| name.strip_prefix('_').unwrap_or(name));
        match name {
            Some(name) if DEAR.contains(&name) => Worth::Binary,
            Some(name) if PLAIN.contains(&name) => Worth::Either,
            None if self.enums.contains(&of) => Worth::Either,
            Some(_) | None => Worth::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT8: u32 = 20;
    const BYTEA: u32 = 17;
    const UUIDS: u32 = 2951;
    const XML: u32 = 142;

    #[test]
    fn binary_only_where_every_type_allows_it_and_one_is_worth_it() {
        let types = Types {
            own: [(INT8, "int8"), (BYTEA, "bytea"), (UUIDS, "_uuid"), (XML, "xml")]
                .map(|(oid, name)| (oid, name.to_owned()))
                .into(),
            domains: BTreeMap::from([(20_000, BYTEA), (20_001, 20_000), (20_002, XML)]),
            enums: BTreeSet::from([20_010]),
        };
        for (columns, expected) in [
            (vec![], Format::Text),
            (vec![INT8], Format::Text),
            (vec![INT8, BYTEA], Format::Binary),
            (vec![INT8, UUIDS], Format::Binary),
            (vec![INT8, 20_001, 20_010], Format::Binary),
            (vec![BYTEA, XML], Format::Text),
            (vec![BYTEA, 20_002], Format::Text),
            (vec![BYTEA, 30_000], Format::Text),
            (vec![20_010], Format::Text),
        ] {
            assert_eq!(types.format(&columns), expected, "{columns:?}");
        }
    }
}
