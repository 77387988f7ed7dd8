//! The members of a MySQL or MariaDB dump below its label, and the plan that comes first among them.
//!
//! ```text
//! plan.json          what follows: databases, tables, streams
//! schema/…           one SQL file for each database: sequences, tables without foreign keys' checks, stand-ins for views
//! data/…             rows as INSERT statements, one stream for each table or range of a large table
//! after/…            one SQL file for each database: views, triggers, routines, events
//! restore.sql        for the stock client: the members above in their order
//! ```

use serde::Deserialize;
use serde::Serialize;

/// The version of the plan that this program writes and reads.
pub const VERSION: u32 = 1;

/// The plan, as the name of a member.
pub const PLAN: &str = "plan.json";
/// The folder of what tables need before their rows.
pub const SCHEMA: &str = "schema";
/// The folder of rows.
pub const DATA: &str = "data";
/// The folder of what comes after the rows.
pub const AFTER: &str = "after";
/// For the stock client.
pub const RESTORE: &str = "restore.sql";

/// What a dump holds, known before its first row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`VERSION`].
    pub version: u32,
    /// `mysql` or `mariadb`.
    pub product: Product,
    /// `@@version` of the source.
    pub server: String,
    /// Which server it was, to know it again: `@@server_uuid`, or host name, port and data folder where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Most streams that are open at once: as many connections does a restore need that loads as it reads.
    pub connections: u32,
    /// The databases, in their order.
    pub databases: Vec<Database>,
}

/// Who made the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

/// One database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Its name, unquoted.
    pub name: String,
    /// Its tables with rows.
    pub tables: Vec<Table>,
}

/// A table whose rows are in the dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name, unquoted.
    pub name: String,
    /// The columns in the rows, in their order; generated ones are not among them.
    pub columns: Vec<Column>,
    /// The streams that hold them, as paths below the label.
    pub streams: Vec<String>,
}

/// A column, and how its values are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name, unquoted.
    pub name: String,
    /// How its values are written.
    pub form: Form,
}

/// How the values of a column are written in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As a number: `-12.50`.
    Number,
    /// As a quoted string in the connection's character set: `'it\'s'`.
    Text,
    /// As hexadecimal digits: `0x00FF`; an empty value is `''`.
    Binary,
}
