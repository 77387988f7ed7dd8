//! What the account may do, asked before anything is stored: what it may not see would be missing from the dump without a word.

use crate::server::mysql::connection::Connection;
use crate::server::mysql::error::Error;
use crate::server::mysql::sql;

/// One line of SHOW GRANTS: privileges on an object.
struct Grant {
    privileges: Vec<String>,
    /// `*.*`, `db.*`, `db.table`, without quotes.
    database: String,
    object: String,
}

/// Everything granted to the account and its active roles.
pub(super) struct Privileges {
    grants: Vec<Grant>,
    is_mariadb: bool,
}

impl Privileges {
    pub(super) fn read(connection: &mut Connection) -> Result<Self, Error> {
        let is_mariadb = connection.version().is_mariadb();
        let mut lines = connection.table("SHOW GRANTS")?;
        if !is_mariadb {
            // The privileges of roles only show when the roles are named.
            let roles = connection
                .value("SELECT CURRENT_ROLE()")?
                .filter(|roles| roles != "NONE");
            if let Some(roles) = roles {
                lines.extend(connection.table(format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}"))?);
            }
        }
        let texts = lines.into_iter().flatten().flatten();
        let grants = texts.filter_map(|text| Grant::parse(&text)).collect();
        Ok(Self { grants, is_mariadb })
    }

    /// Whether a privilege is held on everything.
    pub(super) fn everywhere(&self, privilege: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.database == "*" && grant.object == "*" && grant.gives(privilege))
    }

    /// Whether a privilege is held on all of a database.
    fn on_database(&self, privilege: &str, database: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.object == "*" && grant.gives(privilege) && like(&grant.database, database))
    }

    fn sees_routines(&self, database: &str) -> bool {
        let on_proc = |grant: &Grant| {
            grant.gives("SELECT") && like(&grant.database, "mysql") && ["*", "proc"].contains(&grant.object.as_str())
        };
        if self.is_mariadb {
            self.grants.iter().any(on_proc) || self.on_database("SHOW CREATE ROUTINE", database)
        } else {
            self.everywhere("SELECT") || self.everywhere("SHOW_ROUTINE")
        }
    }

    /// What is missing for a dump of `databases`, each a sentence's worth: a privilege and where.
    pub(super) fn missing(&self, databases: &[String]) -> Vec<String> {
        let mut missing = Vec::new();
        for database in databases {
            let place = format!("{}.*", sql::name(database));
            for privilege in ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"] {
                if !self.on_database(privilege, database) {
                    missing.push(format!("{privilege} on {place}"));
                }
            }
            if !self.sees_routines(database) {
                let what = if self.is_mariadb {
                    "SELECT on `mysql`.`proc`"
                } else {
                    "SHOW_ROUTINE on *.*"
                };
                if !missing.iter().any(|known| known == what) {
                    missing.push(what.to_owned());
                }
            }
        }
        missing
    }

    /// Whether commits of the whole server can be held up for the moment in which several snapshots begin.
    pub(super) fn can_lock(&self) -> bool {
        self.everywhere("RELOAD") || (!self.is_mariadb && self.everywhere("FLUSH_TABLES"))
    }
}

impl Grant {
    fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("GRANT ")?;
        let (privileges, rest) = rest.split_once(" ON ")?;
        let (object, _) = rest.split_once(" TO ")?;
        let (database, object) = split_object(object)?;
        // Columns of a table stand in parentheses; such a privilege is none on the table.
        let privileges = privileges
            .split(',')
            .map(|word| word.trim().to_ascii_uppercase())
            .collect();
        Some(Self {
            privileges,
            database,
            object,
        })
    }

    fn gives(&self, privilege: &str) -> bool {
        self.privileges
            .iter()
            .any(|held| held == privilege || held == "ALL PRIVILEGES" || held == "ALL")
    }
}

/// Splits `` `db`.* `` at its dot outside of backticks.
fn split_object(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let at = if text.starts_with('`') {
        text.match_indices("`.").map(|(at, _)| at + 1).next()?
    } else {
        text.find('.')?
    };
    let plain = |part: &str| {
        let bare = part.strip_prefix('`').and_then(|part| part.strip_suffix('`'));
        bare.map_or_else(|| part.to_owned(), |bare| bare.replace("``", "`"))
    };
    Some((plain(&text[..at]), plain(&text[at + 1..])))
}

/// Whether the pattern of a grant covers a database: `%`, `_`, and `\` before those that stand for themselves.
fn like(pattern: &str, name: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let mut signs = pattern.chars();
    match signs.next() {
        None => name.is_empty(),
        Some('%') => (0..=name.len())
            .filter(|at| name.is_char_boundary(*at))
            .any(|at| like(signs.as_str(), &name[at..])),
        Some(first) => {
            let (wanted, any) = match first {
                '\\' => (signs.next(), false),
                '_' => (None, true),
                other => (Some(other), false),
            };
            let mut rest = name.chars();
            let next = rest.next();
            next.is_some() && (any || next == wanted) && like(signs.as_str(), rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Grant;
    use super::Privileges;
    use super::like;

    #[test]
    fn patterns_of_databases() {
        for (pattern, name, covers) in [
            ("*", "shop", true),
            ("shop", "shop", true),
            ("sh\\_op", "sh_op", true),
            ("sh\\_op", "shxop", false),
            ("sh_op", "shxop", true),
            ("sh%", "shop", true),
            ("%p", "shop", true),
            ("%x", "shop", false),
            ("shop", "sho", false),
        ] {
            assert_eq!(like(pattern, name), covers, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let lines = [
            "GRANT USAGE ON *.* TO `u`@`h` IDENTIFIED BY PASSWORD '*X'",
            "GRANT SELECT, SHOW VIEW, LOCK TABLES ON `sh\\_op`.* TO `u`@`h`",
            "GRANT SELECT (`a`), TRIGGER ON `sh_op`.`t` TO `u`@`h`",
            "GRANT `role` TO `u`@`h`",
        ];
        let privileges = Privileges {
            grants: lines.iter().filter_map(|line| Grant::parse(line)).collect(),
            is_mariadb: true,
        };
        let missing = privileges.missing(&["sh_op".into()]);
        assert_eq!(
            missing,
            ["TRIGGER on `sh_op`.*", "EVENT on `sh_op`.*", "SELECT on `mysql`.`proc`"]
        );
        assert!(!privileges.can_lock());
    }
}
