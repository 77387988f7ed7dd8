//! The options of `restore` for targets on database servers.

use clap::ValueEnum;

use crate::sink::mysql::options::Definer;
use crate::sink::mysql::options::MysqlSinkOptions;
use crate::sink::postgres::options::Landing;
use crate::sink::postgres::options::PostgresSinkOptions;
use crate::sink::row_check::RowCheck;

/// What is compared with the source after rows were restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowChecks {
    /// Nothing
    None,
    /// How many rows each table took
    Rows,
    /// Every row, read back
    Fingerprint,
}

/// How databases of any server are restored.
#[derive(clap::Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Options of targets on any database server")]
pub struct ServerArgs {
    /// Compare restored rows with those of the source; default fingerprint
    #[arg(long, value_name = "HOW", value_enum)]
    pub row_check: Option<RowChecks>,
}

/// How PostgreSQL databases are restored.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Options of PostgreSQL targets")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct PostgresArgs {
    /// Load into the empty database itself: a restore that fails leaves there what it had loaded
    #[arg(long, conflicts_with = "into_schema")]
    pub in_place: bool,
    /// Put the tables chosen by --only into the new schema NAME of a database in use, and touch nothing else in it
    #[arg(long, value_name = "NAME", requires = "only")]
    pub into_schema: Option<String>,
    /// Make the roles and tablespaces of the source's server too; roles get no passwords
    #[arg(long)]
    pub globals: bool,
    /// Let everything belong to the connecting role
    #[arg(long)]
    pub no_owner: bool,
    /// Restore no privileges
    #[arg(long)]
    pub no_privileges: bool,
    /// Restore as ROLE
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Gather statistics for the planner before the database has its name
    #[arg(long)]
    pub analyze: bool,
}

/// How MySQL and MariaDB databases are restored.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Options of MySQL and MariaDB targets")]
pub struct MysqlArgs {
    /// Let views, triggers, routines and events have the definer of the source (keep, the default), the restoring account (drop), or USER@HOST
    #[arg(long, value_name = "WHO")]
    pub definer: Option<Definer>,
}

impl RowChecks {
    fn check(self) -> RowCheck {
        match self {
            Self::None => RowCheck::None,
            Self::Rows => RowCheck::Rows,
            Self::Fingerprint => RowCheck::Fingerprint,
        }
    }
}

impl MysqlArgs {
    pub(super) fn options(&self, protected: &[String], check: RowCheck) -> MysqlSinkOptions {
        MysqlSinkOptions {
            protected: protected.to_vec(),
            definer: self.definer.clone().unwrap_or(Definer::Keep),
            check,
            ..MysqlSinkOptions::default()
        }
    }
}

impl ServerArgs {
    pub(super) fn row_check(self) -> RowCheck {
        self.row_check.unwrap_or(RowChecks::Fingerprint).check()
    }
}

impl PostgresArgs {
    pub(super) fn options(&self, protected: &[String], check: RowCheck) -> PostgresSinkOptions {
        let landing = match &self.into_schema {
            Some(schema) => Landing::Schema(schema.clone()),
            None if self.in_place => Landing::InPlace,
            None => Landing::Staged,
        };
        PostgresSinkOptions {
            landing,
            protected: protected.to_vec(),
            globals: self.globals,
            owners: !self.no_owner,
            privileges: !self.no_privileges,
            role: self.role.clone(),
            check,
            analyze: self.analyze,
            ..PostgresSinkOptions::default()
        }
    }
}
