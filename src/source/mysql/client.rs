//! `restore.sql`: the members of a dump in the order in which the stock client reads them.

use std::fmt::Write as _;

use super::tasks::file_name;
use crate::server::mysql::layout::AFTER;
use crate::server::mysql::layout::Plan;
use crate::server::mysql::layout::SCHEMA;
use crate::server::mysql::sql;

const HEAD: &str = "\
-- For the stock client, in the folder of this file. The databases must not exist yet. The first error ends it: drop what is there then, and begin again.
--
--   find . -name '*.part-00000000' | while read -r first; do path=${first%.part-*}; cat \"$path\".part-* > \"$path\"; done
--   while read -r line; do case $line in 'source '*) cat \"${line#source }\" || echo 'A FILE IS MISSING;';; *) echo \"$line\";; esac; done < restore.sql | mariadb --default-character-set=utf8mb4 --binary-mode
--
-- The first line joins streams that were unpacked as parts; it does nothing when there are none. The second gives all files to the client, in their order; for MySQL, write mysql in place of mariadb.
-- MariaDB's client can also read the files itself: mariadb --default-character-set=utf8mb4 --abort-source-on-error < restore.sql. Without that option, and with MySQL's client, an error in a file is printed, the client goes on, and ends with 0.
-- A client without --binary-mode turns CR LF within the text of routines into LF; rows are not touched.
";

/// Rows are as they were: also those that break a constraint which came later, which only MariaDB knows to allow, and dates of no calendar.
const EXACT: &str = "\
SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';
/*M! SET SESSION check_constraint_checks = 0 */;
";

/// The script.
pub(super) fn restore_sql(plan: &Plan) -> String {
    let mut out = HEAD.to_owned();
    for statement in sql::SESSION.iter().chain([&sql::LOADING]) {
        let _infallible = writeln!(out, "{statement};");
    }
    out.push_str(EXACT);
    for (number, database) in plan.databases.iter().enumerate() {
        let _infallible = writeln!(out, "source {SCHEMA}/{}.sql", file_name(&database.name, number));
    }
    for database in &plan.databases {
        let _infallible = writeln!(out, "USE {};", sql::name(&database.name));
        for stream in database.tables.iter().flat_map(|table| &table.streams) {
            let _infallible = writeln!(out, "source {stream}");
        }
    }
    for (number, database) in plan.databases.iter().enumerate() {
        let _infallible = writeln!(out, "USE {};", sql::name(&database.name));
        let _infallible = writeln!(out, "source {AFTER}/{}.sql", file_name(&database.name, number));
    }
    out
}
