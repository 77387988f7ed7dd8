//! How a restore to PostgreSQL is to be done: plain values.

use crate::sink::row_check::RowCheck;

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
