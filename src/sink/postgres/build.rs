//! What tables get after their rows: indexes and constraints on several sessions at once, then everything else in order.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::error::Error;
use super::link::Links;
use super::phases::Phases;
use super::phases::Work;
use super::phases::take_next;
use super::runner::Account;
use super::runner::Failure;
use super::runner::execute;
use super::statement::Qualified;
use super::toc::Group;
use crate::server::postgres::quote::literal;

/// States of failures that may be gone once more has been made: something is missing, or two sessions waited for each other.
const TRIED_AGAIN: [&str; 8] = ["42P01", "42883", "42704", "42703", "42830", "42809", "40P01", "55P03"];

/// What was made beside each other of the entries after the rows, and what is left.
pub(super) struct Built {
    account: Account,
    rest: Vec<Work>,
}

/// Makes what of `groups`, which stand in the order of the dump, can be made on as many as `jobs` sessions, beside those that read.
pub(super) async fn indexes(links: Links, groups: Vec<Group>, jobs: usize, selected: bool) -> Result<Built, Error> {
    let sizes = sizes(&links).await?;
    let phases = Phases::new(groups, &sizes);
    let mut account = Account::default();
    let mut again = beside(&links, phases.indexes, jobs, selected, &mut account).await?;
    again.extend(beside(&links, phases.attachments, 1, selected, &mut account).await?);
    again.extend(beside(&links, phases.references, jobs, selected, &mut account).await?);
    let mut rest = phases.rest;
    rest.extend(again);
    rest.sort_by_key(|work| work.order);
    Ok(Built { account, rest })
}

/// Makes what is left: among it policies, after which not everybody can read every row.
pub(super) async fn rest(links: Links, built: Built, selected: bool) -> Result<Account, Error> {
    let Built { mut account, rest } = built;
    in_order(&links, rest, selected, &mut account).await?;
    Ok(account)
}

/// The bytes of every table.
async fn sizes(links: &Links) -> Result<BTreeMap<Qualified, u64>, Error> {
    let sql = "SELECT n.nspname, c.relname, pg_catalog.pg_relation_size(c.oid) FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384";
    let link = links.take().await?;
    let rows = link.rows("looking at the tables", sql).await?;
    links.give(link);
    let sized = |row: super::link::Row| {
        let mut texts = row.into_iter().flatten();
        Some(((texts.next()?, texts.next()?), texts.next()?.parse().ok()?))
    };
    Ok(rows.into_iter().filter_map(sized).collect())
}

/// Makes what does not conflict side by side. Gives back what should be tried again later.
async fn beside(
    links: &Links,
    mut waiting: Vec<Work>,
    jobs: usize,
    selected: bool,
    account: &mut Account,
) -> Result<Vec<Work>, Error> {
    let mut running: BTreeMap<usize, Work> = BTreeMap::new();
    let mut tasks = FuturesUnordered::new();
    let mut again = Vec::new();
    loop {
        while tasks.len() < jobs.max(1) {
            let Some(work) = take_next(&mut waiting, &running.values()) else {
                break;
            };
            let order = work.order;
            let group = work.group.clone();
            let links = links.clone();
            tasks.push(async move { (order, one(&links, &group, selected).await) });
            let _new = running.insert(order, work);
        }
        let Some((order, result)) = tasks.next().await else {
            break;
        };
        let Some(work) = running.remove(&order) else { continue };
        match result? {
            Ok(notes) => account.notes.extend(notes),
            Err(failure) if may_go_later(&failure) => again.push(work),
            Err(failure) => account.add(&work.group.header, &failure),
        }
    }
    Ok(again)
}

fn may_go_later(failure: &Failure) -> bool {
    let state = failure.state.as_deref();
    state.is_some_and(|state| TRIED_AGAIN.contains(&state))
}

/// All statements of one entry on a session of its own, up to the first that fails. They make one transaction, so that nothing is there
/// twice when it is tried again.
async fn one(links: &Links, group: &Group, selected: bool) -> Result<Result<Vec<String>, Failure>, Error> {
    let link = links.take().await?;
    let mut notes = Vec::new();
    if let Some(tablespace) = &group.tablespace {
        match execute(&link, tablespace, selected).await {
            Ok(note) => notes.extend(note),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    let single = group.statements.len() < 2;
    let begun = if single {
        Ok(None)
    } else {
        execute(&link, "BEGIN", selected).await
    };
    let mut result = begun.map(|_| ());
    for text in &group.statements {
        if result.is_err() {
            break;
        }
        match execute(&link, text, selected).await {
            Ok(note) => notes.extend(note),
            Err(failure) => result = Err(failure),
        }
    }
    if !single {
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        link.run("ending an entry", end).await?;
    }
    if result.as_ref().is_err_and(|failure| failure.lost) {
        return Ok(result.map(|()| notes));
    }
    links.give(link);
    Ok(result.map(|()| notes))
}

/// Statement after statement, as psql would.
async fn in_order(links: &Links, works: Vec<Work>, selected: bool, account: &mut Account) -> Result<(), Error> {
    let link = links.take().await?;
    for work in works {
        let tablespace = work.group.tablespace.iter();
        for text in tablespace.chain(&work.group.statements) {
            match execute(&link, text, selected).await {
                Ok(note) => account.notes.extend(note),
                Err(failure) => {
                    account.add(&work.group.header, &failure);
                    if failure.lost {
                        return Ok(());
                    }
                }
            }
        }
    }
    links.give(link);
    Ok(())
}

/// Gathers the planner's statistics of every table that is not a part of another one, on `jobs` sessions.
pub(super) async fn analyze(links: Links, jobs: usize, schema: Option<String>) -> Result<Account, Error> {
    let only = schema
        .map(|schema| format!("AND n.nspname = {} ", literal(&schema)))
        .unwrap_or_default();
    let sql = format!(
        "SELECT 'ANALYZE ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) \
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind IN ('r', 'm', 'p') AND NOT c.relispartition AND c.oid >= 16384 AND c.relpersistence <> 't' \
               AND (c.relkind <> 'm' OR c.relispopulated) {only}ORDER BY pg_catalog.pg_relation_size(c.oid) DESC"
    );
    let link = links.take().await?;
    let rows = link.rows("looking at the tables", &sql).await?;
    links.give(link);
    let statements: Vec<String> = rows.into_iter().flatten().flatten().collect();
    let mut account = Account::default();
    let results = futures_util::stream::iter(statements.into_iter().map(|text| analyze_one(links.clone(), text)));
    let mut results = results.buffer_unordered(jobs.max(1));
    while let Some(result) = results.next().await {
        account.notes.extend(result?);
    }
    Ok(account)
}

/// Statistics are no content: that they are missing is worth a note.
async fn analyze_one(links: Links, text: String) -> Result<Option<String>, Error> {
    let link = links.take().await?;
    let note = match execute(&link, &text, false).await {
        Ok(note) => note,
        Err(failure) if failure.lost => return Err(lost(&text, failure)),
        Err(failure) => Some(format!(
            "{text} failed, so the planner has no statistics of it yet: {}",
            failure.words
        )),
    };
    links.give(link);
    Ok(note)
}

fn lost(what: &str, failure: Failure) -> Error {
    Error::Server {
        what: what.to_owned(),
        reason: failure.words,
        code: failure.state,
    }
}
