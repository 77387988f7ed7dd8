//! How far the rows of a restored database are compared with those of the dump.

use std::fmt;

use serde::Serialize;

/// What to do where the rows in the target are not those of the source.
pub(super) const DIFFERENT: &str = "Nothing was left at the target, but with --in-place what was loaded. Restore to another server, to see whether it differs there \
                                    too. `--row-check rows` compares counts alone, and `--row-check none` nothing.";

/// What is compared with the source once the rows are in the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowCheck {
    /// Nothing.
    None,
    /// How many rows the server took for each table.
    Rows,
    /// Also the fingerprint of the rows, read back from each table.
    #[default]
    Fingerprint,
}

/// Rows that were compared with those of the dump, all equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// How many tables.
    pub tables: u64,
    /// How many rows they have.
    pub rows: u64,
    /// How far.
    pub how: RowCheck,
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
