//! PostgreSQL as a source, against real servers that these tests start.

mod certificates;
#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/collected.rs"]
mod collected;
mod connections;
mod faults;
mod grants;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "each test uses a part of it")]
mod postgres;
mod support;
#[path = "../support/trigger.rs"]
mod trigger;
mod whole;
