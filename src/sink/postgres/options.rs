//! How a restore to PostgreSQL is to be done: plain values.

use std::fmt;
use std::str::FromStr;

/// What is compared with the source once the rows are in the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowCheck {
    /// Nothing.
    None,
    /// How many rows the server took for each table.
    Rows,
    /// Also the fingerprint of the rows, read back from each table.
    #[default]
    Fingerprint,
}

/// The word names no comparison.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a comparison of rows: none, rows or fingerprint")]
pub struct NotARowCheck(String);

impl FromStr for RowCheck {
    type Err = NotARowCheck;

    fn from_str(text: &str) -> Result<Self, NotARowCheck> {
        match text {
            "none" => Ok(Self::None),
            "rows" => Ok(Self::Rows),
            "fingerprint" => Ok(Self::Fingerprint),
            _ => Err(NotARowCheck(text.to_owned())),
        }
    }
}

impl fmt::Display for RowCheck {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::None => "none",
            Self::Rows => "rows",
            Self::Fingerprint => "fingerprint",
        })
    }
}

/// Where the content lands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Landing {
    /// A database of its own, staged under another name.
    #[default]
    Staged,
    /// The empty database that is there, for roles that may not make databases: what a failed restore put there stays there.
    InPlace,
    /// A new schema of a database in use: the chosen tables alone, in one transaction.
    Schema(String),
}

/// How a restore is to be done.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of the operator")]
pub struct PostgresSinkOptions {
    /// Where they land.
    pub landing: Landing,
    /// Databases that are never restored to: patterns of names and of `HOST/NAME`.
    pub protected: Vec<String>,
    /// Whether roles and tablespaces of the whole server are made too.
    pub globals: bool,
    /// Whether objects keep their owners; all belong to the connecting role otherwise.
    pub owners: bool,
    /// Whether privileges are restored.
    pub privileges: bool,
    /// The role that makes everything, in place of the connecting one.
    pub role: Option<String>,
    /// What is compared afterwards.
    pub check: RowCheck,
    /// Whether statistics for the planner are gathered.
    pub analyze: bool,
    /// The tables that get their rows, where not all do: schema and name.
    pub selected: Option<Vec<(String, String)>>,
    /// Connections that build indexes and read rows back.
    pub jobs: usize,
}

impl Default for PostgresSinkOptions {
    fn default() -> Self {
        Self {
            landing: Landing::Staged,
            protected: Vec::new(),
            globals: false,
            owners: true,
            privileges: true,
            role: None,
            check: RowCheck::default(),
            analyze: false,
            selected: None,
            jobs: 1,
        }
    }
}
