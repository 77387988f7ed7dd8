//! PostgreSQL as a source, against real servers that these tests start.

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/collected.rs"]
mod collected;
mod connections;
mod faults;
mod grants;
#[path = "../support/postgres.rs"]
mod postgres;
mod support;
mod whole;
