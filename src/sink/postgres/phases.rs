//! In which order the entries after the rows are made: what may run beside what, and what waits for what.
//!
//! 1. Indexes, primary keys, unique and exclusion constraints: beside each other, the largest table first, and with it the tables that
//!    its foreign keys wait for.
//! 2. Indexes are attached to those of partitioned tables.
//! 3. Foreign keys, beside each other as long as no two share a table: those between plain tables as soon as the indexes of both are made,
//!    those of partitioned tables after the second step.
//! 4. Everything else in the order of the dump, which is always a valid order.
//!
//! An entry that failed only because something does not exist yet, or because of a lock, is tried once more among the rest.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::statement::Qualified;
use super::statement::Statement;
use super::toc::Group;

/// One entry, and what it needs while it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// Its place in the dump.
    pub(super) order: usize,
    pub(super) group: Group,
    /// Tables, and whether nobody else may work on them meanwhile.
    pub(super) locks: Vec<(Qualified, bool)>,
    /// About how much there is to do.
    pub(super) weight: u64,
    /// Whether it is a foreign key, which needs the indexes of its tables.
    pub(super) is_reference: bool,
}

/// All entries after the rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Phases {
    /// Indexes, and foreign keys between plain tables.
    pub(super) indexes: Vec<Work>,
    pub(super) attachments: Vec<Work>,
    pub(super) references: Vec<Work>,
    pub(super) rest: Vec<Work>,
}

impl Phases {
    /// Sorts `groups`, which stand in the order of the dump; `sizes` are the bytes of the tables.
    pub(super) fn new(groups: Vec<Group>, sizes: &BTreeMap<Qualified, u64>) -> Self {
        let late = late_views(&groups);
        let mut phases = Self::default();
        for (order, group) in groups.into_iter().enumerate() {
            let kind = group.header.kind.clone();
            let locks = locks(&group);
            let known = !locks.is_empty() && locks.iter().all(|(table, _)| !late.contains(table));
            let plain = locks.iter().all(|(table, _)| sizes.contains_key(table));
            let weight = locks.iter().filter_map(|(table, _)| sizes.get(table)).sum();
            let work = Work {
                order,
                group,
                locks,
                weight,
                is_reference: kind == "FK CONSTRAINT",
            };
            match kind.as_str() {
                "INDEX" | "CONSTRAINT" if known => phases.indexes.push(work),
                "INDEX ATTACH" => phases.attachments.push(work),
                "FK CONSTRAINT" if known && plain => phases.indexes.push(work),
                "FK CONSTRAINT" if known => phases.references.push(work),
                _ => phases.rest.push(work),
            }
        }
        hurry(&mut phases.indexes);
        for works in [&mut phases.indexes, &mut phases.references] {
            works.sort_by_key(|work| (std::cmp::Reverse(work.weight), work.order));
        }
        phases
    }
}

/// Gives an index on which a foreign key waits the weight of that key, so that the key does not stand alone at the end.
fn hurry(works: &mut [Work]) {
    let references: Vec<Work> = works.iter().filter(|work| work.is_reference).cloned().collect();
    for work in works.iter_mut() {
        let waiting = references.iter().filter(|reference| reference.needs(work));
        let heaviest = waiting.map(|reference| reference.weight).max().unwrap_or_default();
        work.weight = work.weight.max(heaviest);
    }
}

/// Views that are made after the rows, because they need a primary key: their indexes wait for them.
fn late_views(groups: &[Group]) -> BTreeSet<Qualified> {
    let statements = groups.iter().flat_map(|group| &group.statements);
    statements
        .filter_map(|text| Statement::new(text).creates_view())
        .collect()
}

fn locks(group: &Group) -> Vec<(Qualified, bool)> {
    let mut locks = Vec::new();
    for text in &group.statements {
        let statement = Statement::new(text);
        locks.extend(statement.indexed().map(|table| (table, false)));
        locks.extend(statement.altered().map(|table| (table, true)));
        locks.extend(statement.referenced().map(|table| (table, true)));
    }
    locks
}

impl Work {
    /// Whether this cannot run beside `other`.
    pub(super) fn conflicts(&self, other: &Self) -> bool {
        let meets = |mine: &(Qualified, bool)| {
            let theirs = other.locks.iter();
            theirs
                .into_iter()
                .any(|theirs| mine.0 == theirs.0 && (mine.1 || theirs.1))
        };
        self.locks.iter().any(meets)
    }
}

impl Work {
    /// Whether this is a foreign key on a table of which `other` is an index.
    fn needs(&self, other: &Self) -> bool {
        let shared = || {
            self.locks
                .iter()
                .any(|(mine, _)| other.locks.iter().any(|(theirs, _)| mine == theirs))
        };
        self.is_reference && !other.is_reference && shared()
    }
}

/// Takes the first of `waiting` that can run beside all of `running`, and needs nothing that still waits.
pub(super) fn take_next<'a>(
    waiting: &mut Vec<Work>,
    running: &(impl Iterator<Item = &'a Work> + Clone),
) -> Option<Work> {
    let free = |work: &Work| running.clone().all(|other| !work.conflicts(other));
    let ready = |work: &Work| waiting.iter().all(|other| !work.needs(other));
    let at = waiting.iter().position(|work| free(work) && ready(work))?;
    Some(waiting.remove(at))
}

#[cfg(test)]
mod tests {
    use super::super::toc::Header;
    use super::*;

    fn group(kind: &str, statement: &str) -> Group {
        Group {
            header: Header {
                name: statement.to_owned(),
                kind: kind.to_owned(),
                schema: None,
            },
            statements: vec![statement.to_owned()],
            tablespace: None,
        }
    }

    fn orders(works: &[Work]) -> Vec<usize> {
        works.iter().map(|work| work.order).collect()
    }

    #[test]
    fn what_waits_for_what() {
        let groups = vec![
            group(
                "CONSTRAINT",
                "ALTER TABLE ONLY s.small ADD CONSTRAINT k PRIMARY KEY (id);",
            ),
            group("INDEX", "CREATE INDEX i ON s.big USING btree (x);"),
            group(
                "MATERIALIZED VIEW",
                "CREATE MATERIALIZED VIEW s.late AS SELECT 1 AS x WITH NO DATA;",
            ),
            group("INDEX", "CREATE INDEX l ON s.late USING btree (x);"),
            group("INDEX ATTACH", "ALTER INDEX s.p ATTACH PARTITION s.c;"),
            group(
                "TRIGGER",
                "CREATE TRIGGER t AFTER INSERT ON s.big EXECUTE FUNCTION s.f();",
            ),
            group(
                "FK CONSTRAINT",
                "ALTER TABLE ONLY s.big ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES s.small(id);",
            ),
        ];
        let sizes = BTreeMap::from([(("s".to_owned(), "big".to_owned()), 10)]);
        let phases = Phases::new(groups, &sizes);
        assert_eq!(orders(&phases.indexes), [1, 0]);
        assert_eq!(orders(&phases.attachments), [4]);
        assert_eq!(orders(&phases.references), [6]);
        assert_eq!(orders(&phases.rest), [2, 3, 5]);
    }

    #[test]
    fn an_index_is_as_urgent_as_the_key_that_waits_for_it() {
        let groups = vec![
            group("INDEX", "CREATE INDEX i ON s.middle USING btree (x);"),
            group(
                "CONSTRAINT",
                "ALTER TABLE ONLY s.small ADD CONSTRAINT k PRIMARY KEY (id);",
            ),
            group(
                "FK CONSTRAINT",
                "ALTER TABLE ONLY s.big ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES s.small(id);",
            ),
        ];
        let sizes = [("small", 1), ("middle", 5), ("big", 10)];
        let sizes = sizes.map(|(name, size)| (("s".to_owned(), name.to_owned()), size));
        let phases = Phases::new(groups, &BTreeMap::from(sizes));
        assert_eq!(orders(&phases.indexes), [1, 2, 0]);
    }

    #[test]
    fn locks_keep_apart_what_would_wait_for_each_other() {
        let key = "ALTER TABLE ONLY s.a ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES s.b(id);";
        let back = "ALTER TABLE ONLY s.b ADD CONSTRAINT g FOREIGN KEY (x) REFERENCES s.a(id);";
        let other = "ALTER TABLE ONLY s.c ADD CONSTRAINT h FOREIGN KEY (x) REFERENCES s.d(id);";
        let groups = [key, back, other].map(|text| group("FK CONSTRAINT", text)).to_vec();
        let mut waiting = Phases::new(groups, &BTreeMap::new()).references;
        let first = take_next(&mut waiting, &[].iter()).expect("nothing runs");
        let second = take_next(&mut waiting, &[first].iter()).expect("one has other tables");
        assert_eq!(second.order, 2);
        // A key between plain tables waits for their indexes alone.
        let sizes = ["a", "b", "c", "d"].map(|name| (("s".to_owned(), name.to_owned()), 1));
        let groups = vec![
            group("FK CONSTRAINT", key),
            group("FK CONSTRAINT", other),
            group("CONSTRAINT", "ALTER TABLE ONLY s.b ADD CONSTRAINT k PRIMARY KEY (id);"),
        ];
        let mut waiting = Phases::new(groups, &BTreeMap::from(sizes)).indexes;
        let mut next = |running: &[Work]| take_next(&mut waiting, &running.iter()).map(|work| work.order);
        assert_eq!(next(&[]), Some(1), "the tables of the first still get a key");
        assert_eq!(next(&[]), Some(2));
        assert_eq!(next(&[]), Some(0));
        let indexes = ["CREATE INDEX i ON s.a (x);", "CREATE INDEX j ON s.a (y);"];
        let indexes = indexes.map(|text| group("INDEX", text)).to_vec();
        let works = Phases::new(indexes, &BTreeMap::new()).indexes;
        assert!(
            !works[0].conflicts(&works[1]),
            "two indexes of a table are built at once"
        );
    }
}
