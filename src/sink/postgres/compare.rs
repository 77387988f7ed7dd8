//! Tables read back, and compared with what the source gave. It goes on while others are loaded and indexes are built.

use futures_util::StreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::engine::Readers;
use super::engine::Running;
use super::error::Error;
use super::link::Link;
use super::link::Links;
use crate::bundle::entry::Rows;
use crate::server::postgres::layout::Table;
use crate::server::postgres::quote;
use crate::server::postgres::rows::Framing;
use crate::sink::row_check::RowCheck;

/// What is known about the rows of one table.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Streams that have not ended.
    pub(super) open: usize,
    pub(super) expected: Rows,
    /// Whether a stream said nothing about its rows.
    pub(super) unknown: bool,
    /// Rows that the server took.
    pub(super) loaded: u64,
}

/// A table that is being read back.
pub(super) type Comparing = Running<Result<(), Error>>;

/// How tables are compared with their source.
pub(super) struct Comparison {
    links: Links,
    check: RowCheck,
    readers: Readers,
}

impl Comparison {
    /// Sessions go back to `links`.
    pub(super) fn new(links: Links, check: RowCheck, readers: Readers) -> Self {
        Self { links, check, readers }
    }

    /// Compares a whole table, as far as is asked for: the number of its rows now, the rows themselves meanwhile. They are read on the
    /// session that has written the last of them, which has their pages at hand. `permit` is kept as long as that takes.
    pub(super) fn begin(
        &self,
        link: Link,
        permit: OwnedSemaphorePermit,
        table: &Table,
        tally: &Tally,
    ) -> Result<Option<Comparing>, Error> {
        let is_counted = self.check != RowCheck::None && !tally.unknown;
        if is_counted && tally.loaded != tally.expected.count {
            return Err(Error::Check(format!(
                "the table {} took {} rows, and the source gave {}",
                shown(table),
                tally.loaded,
                tally.expected.count
            )));
        }
        if is_counted && self.check == RowCheck::Fingerprint && tally.expected.count > 0 {
            let (links, table, expected) = (self.links.clone(), table.clone(), tally.expected);
            let reader = self.readers.begin();
            return Ok(Some(Running::begin(&Handle::current(), async move {
                let _reader = reader;
                compare(&link, &table, expected).await?;
                links.give(link);
                drop(permit);
                Ok(())
            })));
        }
        self.links.give(link);
        Ok(None)
    }
}

async fn compare(link: &Link, table: &Table, expected: Rows) -> Result<(), Error> {
    let found = read_back(link, table).await?;
    if found == expected {
        return Ok(());
    }
    Err(Error::Check(format!(
        "the table {} reads back as {} rows with fingerprint {}, and the source gave {} rows with fingerprint {}",
        shown(table),
        found.count,
        found.fingerprint,
        expected.count,
        expected.fingerprint
    )))
}

async fn read_back(link: &Link, table: &Table) -> Result<Rows, Error> {
    let what = format!("reading {} back", shown(table));
    let name = quote::qualified(&table.schema, &table.name);
    let format = table.format.option();
    let sql = format!("COPY {name}{} TO STDOUT WITH ({format})", columns(table));
    let stream = link.client().copy_out(sql.as_str()).await;
    let mut stream = std::pin::pin!(stream.map_err(|error| link.failed(&what, &error))?);
    let mut rows = Rows::default();
    let mut framing = Framing::new(table.format);
    while let Some(message) = stream.next().await {
        let message = message.map_err(|error| link.failed(&what, &error))?;
        if let Some(row) = framing.row(&message) {
            rows.add(row);
        }
    }
    Ok(rows)
}

/// ` (a, b)`; a table without columns has no list.
pub(super) fn columns(table: &Table) -> String {
    if table.columns.is_empty() {
        return String::new();
    }
    format!(" ({})", quote::identifiers(&table.columns))
}

/// The name of a table in messages.
pub(super) fn shown(table: &Table) -> String {
    format!("{}.{}", table.schema, table.name)
}
