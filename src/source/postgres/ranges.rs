//! Cuts tables into streams, so that all connections end at about the same time.

use super::catalog::Table;

/// Least bytes of a stream that is a range: less is not worth a query.
const RANGE_BYTES_MIN: u64 = 32 << 20;

/// Most bytes of a range: a worker that begins the last one late does not keep the others waiting for long.
const RANGE_BYTES_MAX: u64 = 1 << 30;

/// Ranges for each connection when one table is all there is.
const RANGES_A_CONNECTION: u64 = 8;

/// Server version that reads a range of pages without reading the whole table.
const VERSION_WITH_RANGES: u32 = 140_000;

/// Longest name of a table in the name of a stream.
const NAME_BYTES_MAX: usize = 80;

/// One COPY: a table, or some pages of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// The table, as its place in the survey.
    pub(super) table: usize,
    /// The stream, below the label.
    pub(super) stream: String,
    /// The first page and the page after the last; `None` for no bound.
    pub(super) pages: Option<(Option<u64>, Option<u64>)>,
}

/// The jobs, in the order in which they are begun: tables by size, the largest first.
pub(super) fn split(tables: &[Table], connections: usize, version: u32) -> Vec<Job> {
    let total: u64 = tables.iter().map(|table| table.bytes).sum();
    let share = total / (connections as u64 * RANGES_A_CONNECTION);
    let range = share.clamp(RANGE_BYTES_MIN, RANGE_BYTES_MAX);
    let mut order: Vec<usize> = (0..tables.len()).collect();
    order.sort_by_key(|table| std::cmp::Reverse(tables[*table].bytes));
    let mut jobs = Vec::with_capacity(tables.len());
    for (number, table) in order.into_iter().enumerate() {
        let stem = stem(number + 1, &tables[table]);
        let count = ranges(&tables[table], range, connections, version);
        jobs.extend((0..count).map(|part| job(table, &stem, tables[table].pages, part, count)));
    }
    jobs
}

/// In how many ranges a table is read.
fn ranges(table: &Table, range: u64, connections: usize, version: u32) -> u64 {
    let is_worth_it = connections > 1 && version >= VERSION_WITH_RANGES && table.has_pages && table.condition.is_none();
    if !is_worth_it || table.bytes < 2 * range {
        return 1;
    }
    table.bytes.div_ceil(range).min(table.pages).max(1)
}

/// The first and the last range have no outer bound: pages that were added since the sizes were read hold rows of the snapshot too.
fn job(table: usize, stem: &str, pages: u64, part: u64, count: u64) -> Job {
    if count == 1 {
        let stream = format!("{stem}.copy");
        return Job {
            table,
            stream,
            pages: None,
        };
    }
    let bound = |part: u64| pages * part / count;
    Job {
        table,
        stream: format!("{stem}.{part:04}.copy"),
        pages: Some((
            (part > 0).then(|| bound(part)),
            (part + 1 < count).then(|| bound(part + 1)),
        )),
    }
}

/// A name that is unique by its number, and plain for every shell and file system.
fn stem(number: usize, table: &Table) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || "_-".contains(letter) {
            letter
        } else {
            '_'
        }
    };
    let name: String = format!("{}.{}", table.schema, table.name)
        .chars()
        .map(|letter| if letter == '.' { '.' } else { plain(letter) })
        .take(NAME_BYTES_MAX)
        .collect();
    format!("data/{number:06}-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, megabytes: u64) -> Table {
        Table {
            schema: "public".into(),
            name: name.into(),
            bytes: megabytes << 20,
            pages: megabytes << 7,
            has_pages: true,
            ..Table::default()
        }
    }

    #[test]
    fn large_tables_come_first_and_in_ranges() {
        let tables = [table("small", 1), table("big'; t", 1000)];
        let jobs = split(&tables, 2, 150_000);
        assert_eq!(jobs[0].stream, "data/000001-public.big___t.0000.copy");
        let count = jobs.len() - 1;
        assert_eq!(count, 16, "1001 MiB in ranges of a sixteenth");
        assert_eq!(jobs[0].pages, Some((None, Some(8000))));
        assert_eq!(jobs[count - 1].pages, Some((Some(120_000), None)));
        for pair in jobs[..count].windows(2) {
            let (first, second) = (pair[0].pages.expect("a range"), pair[1].pages.expect("a range"));
            assert_eq!(first.1, second.0, "no page is left out and none comes twice");
        }
        assert_eq!(jobs[count].stream, "data/000002-public.small.copy");
        assert_eq!(jobs[count].pages, None);
    }

    #[test]
    fn ranges_need_what_they_need() {
        let big = || table("big", 1000);
        assert_eq!(split(&[big()], 2, 130_000).len(), 1);
        assert_eq!(split(&[big()], 1, 150_000).len(), 1);
        let condition = Some("WHERE x".to_owned());
        assert_eq!(split(&[Table { condition, ..big() }], 2, 150_000).len(), 1);
        assert_eq!(
            split(
                &[Table {
                    has_pages: false,
                    ..big()
                }],
                2,
                150_000
            )
            .len(),
            1
        );
    }
}
