//! How a restore to MySQL or MariaDB is to be done: plain values.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::sink::row_check::RowCheck;

/// On whose behalf views, triggers, routines and events run after the restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Definer {
    /// The account that the source names, whether the target has it or not.
    #[default]
    Keep,
    /// The account that restores.
    Drop,
    /// This account: `user` and `host`.
    Account(String, String),
}

/// The text names no account.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a definer: keep, drop, or an account USER@HOST")]
pub struct NotADefiner(String);

impl FromStr for Definer {
    type Err = NotADefiner;

    fn from_str(text: &str) -> Result<Self, NotADefiner> {
        match (text, text.rsplit_once('@')) {
            ("keep", _) => Ok(Self::Keep),
            ("drop", _) => Ok(Self::Drop),
            (_, Some((user, host))) if !user.is_empty() && !host.is_empty() => {
                Ok(Self::Account(user.to_owned(), host.to_owned()))
            }
            _ => Err(NotADefiner(text.to_owned())),
        }
    }
}

impl fmt::Display for Definer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => out.write_str("keep"),
            Self::Drop => out.write_str("drop"),
            Self::Account(user, host) => write!(out, "{user}@{host}"),
        }
    }
}

/// How a restore is to be done.
#[derive(Clone, Debug, Default)]
pub struct MysqlSinkOptions {
    /// The name of the only database of the dump; its own when none is given.
    pub database: Option<String>,
    /// Other names for databases of the dump: old and new.
    pub rename: BTreeMap<String, String>,
    /// Databases that are never restored to: patterns of names and of `HOST/NAME`.
    pub protected: Vec<String>,
    /// Whose rights views, triggers, routines and events have.
    pub definer: Definer,
    /// What is compared afterwards.
    pub check: RowCheck,
    /// Whether only some tables get their rows, and are restored: those that [`Self::tables`] names, `DATABASE.TABLE`.
    pub tables: Option<Vec<String>>,
    /// Connections that make keys and read rows back.
    pub jobs: usize,
}

#[cfg(test)]
mod tests {
    use super::Definer;

    #[test]
    fn definers_are_words_or_accounts() {
        for text in ["keep", "drop", "app@%", "a@b@localhost"] {
            assert_eq!(text.parse::<Definer>().expect("a definer").to_string(), text);
        }
        assert_eq!(
            "app@%".parse::<Definer>().ok(),
            Some(Definer::Account("app".into(), "%".into()))
        );
        assert!("app".parse::<Definer>().is_err() && "@%".parse::<Definer>().is_err());
    }
}
