//! The members of a PostgreSQL dump below its label, and the plan that comes first among them.
//!
//! ```text
//! plan.json          what follows: tables, columns, formats, streams
//! globals.sql        roles without their password hashes, tablespaces: only applied when asked for
//! pre-data.sql       pg_dump --section=pre-data
//! data/…             rows as COPY gives them, one stream for each table or range of a large table
//! large-objects.sql  large objects with owners, privileges and comments
//! sequences.sql      the state of the sequences
//! post-data.sql      pg_dump --section=post-data
//! restore.sql        for psql: the members above in their order
//! ```

use serde::Deserialize;
use serde::Serialize;

use super::properties::Properties;

/// The version of the plan that this program writes and reads.
pub const VERSION: u32 = 1;

/// The plan, as the name of a member.
pub const PLAN: &str = "plan.json";
/// Roles and tablespaces.
pub const GLOBALS: &str = "globals.sql";
/// What tables need before their rows.
pub const PRE_DATA: &str = "pre-data.sql";
/// The folder of rows.
pub const DATA: &str = "data";
/// Large objects.
pub const LARGE_OBJECTS: &str = "large-objects.sql";
/// The state of sequences.
pub const SEQUENCES: &str = "sequences.sql";
/// What tables get after their rows.
pub const POST_DATA: &str = "post-data.sql";
/// For psql.
pub const RESTORE: &str = "restore.sql";

/// What a dump holds, known before its first row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`VERSION`].
    pub version: u32,
    /// `server_version_num` of the source: 150018.
    pub server: u32,
    /// The name of the database.
    pub database: String,
    /// Which database of which server it is, where the role may know: a restore never lands in the source itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// How the database was made, for making it again.
    pub creation: Creation,
    /// What it had of its own.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
    /// Most streams that are open at once: as many connections does a restore need that loads as it reads.
    pub connections: u32,
    /// Tables with rows, in the order in which their first stream begins.
    pub tables: Vec<Table>,
}

/// Which database it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// `system_identifier` of `pg_control_system()`: the same on a primary and its standbys.
    pub system: String,
    /// The OID of the database.
    pub oid: u32,
}

/// What `CREATE DATABASE` needs to make the database again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Creation {
    /// `UTF8`.
    pub encoding: String,
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// The locale of the provider `icu` or `builtin`.
    pub locale: Option<String>,
    /// Rules added to an ICU collation.
    pub rules: Option<String>,
    /// Whose it is; `None` in dumps that were made before this field was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A table whose rows are in the dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its schema, unquoted.
    pub schema: String,
    /// Its name, unquoted.
    pub name: String,
    /// The columns in the rows, unquoted, in their order; generated ones are not among them.
    pub columns: Vec<String>,
    /// How the rows are written.
    pub format: Format,
    /// The streams that hold them, as paths below the label.
    pub streams: Vec<String>,
}

/// A format of COPY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `text`: reads across versions.
    #[default]
    Text,
    /// `binary`: for types whose binary form is the same in every version.
    Binary,
}

impl Format {
    /// As an option of COPY.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Text => "FORMAT text",
            Self::Binary => "FORMAT binary",
        }
    }
}
