//! The members of a dump, by their paths.

use crate::bundle::path::EntryPath;
use crate::server::postgres::layout;

/// The members of a dump that a restore reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Plan,
    Globals,
    PreData,
    Rows,
    LargeObjects,
    Sequences,
    PostData,
    /// For other programs.
    Other,
}

impl Member {
    /// Which member stands at `below`.
    pub(super) fn of(below: &str) -> Self {
        match below {
            layout::PLAN => Self::Plan,
            layout::GLOBALS => Self::Globals,
            layout::PRE_DATA => Self::PreData,
            layout::LARGE_OBJECTS => Self::LargeObjects,
            layout::SEQUENCES => Self::Sequences,
            layout::POST_DATA => Self::PostData,
            _ if below
                .strip_prefix(layout::DATA)
                .is_some_and(|rest| rest.starts_with('/')) =>
            {
                Self::Rows
            }
            _ => Self::Other,
        }
    }

    /// Its name, for messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plan => layout::PLAN,
            Self::Globals => layout::GLOBALS,
            Self::PreData => layout::PRE_DATA,
            Self::LargeObjects => layout::LARGE_OBJECTS,
            Self::Sequences => layout::SEQUENCES,
            Self::PostData => layout::POST_DATA,
            Self::Rows => layout::DATA,
            Self::Other => layout::RESTORE,
        }
    }
}

/// What stands behind the label.
pub(super) fn below(path: &EntryPath) -> String {
    let text = String::from_utf8_lossy(path.as_bytes());
    text.split_once('/')
        .map(|(_, rest)| rest.to_owned())
        .unwrap_or_default()
}
