//! What belongs to a database itself and not to what is in it: comment, limit of connections, settings, privileges. A dump by `pg_dump`
//! has it only together with a `CREATE DATABASE` of a fixed name.

use serde::Deserialize;
use serde::Serialize;

use super::quote::identifier;
use super::quote::literal;

/// Settings whose value is a list of names, each quoted for itself (`GUC_LIST_QUOTE` in the sources of the server).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// What a database has of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Properties {
    /// `COMMENT ON DATABASE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Most connections to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<i32>,
    /// What sessions in it begin with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// Who may do what; `None` for what every new database has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileges: Option<Vec<Privilege>>,
}

/// `ALTER DATABASE … SET`, or `ALTER ROLE … IN DATABASE … SET`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// For whom; for all when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The parameter, as `work_mem`.
    pub name: String,
    /// As the server stores it.
    pub value: String,
}

/// `GRANT … ON DATABASE … TO …`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privilege {
    /// The role; everybody (`PUBLIC`) when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What they may do.
    pub right: Right,
    /// Whether it may be handed on.
    pub grantable: bool,
}

/// What may be done with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Right {
    /// Make schemas in it.
    Create,
    /// Connect to it.
    Connect,
    /// Make temporary tables in it.
    Temporary,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 3] = [Self::Create, Self::Connect, Self::Temporary];

    /// As SQL writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Connect => "CONNECT",
            Self::Temporary => "TEMPORARY",
        }
    }
}

/// A statement that gives a database one of its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The property, for a note where the server refuses. Values are not in it.
    pub property: String,
    /// The SQL.
    pub sql: String,
}

impl Properties {
    /// Whether the database has nothing that a new one does not have.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The statements that give all but the comment to `database`, a name as SQL writes it. `owner` is whose it was.
    #[must_use]
    pub fn statements(&self, database: &str, owner: Option<&str>, with_privileges: bool) -> Vec<Statement> {
        let limit = self.connection_limit.map(|most| Statement {
            property: "the limit of connections".to_owned(),
            sql: format!("ALTER DATABASE {database} CONNECTION LIMIT {most}"),
        });
        let mut statements: Vec<Statement> = limit.into_iter().collect();
        statements.extend(self.settings.iter().map(|setting| setting.statement(database)));
        if let Some(privileges) = self.privileges.as_ref().filter(|_| with_privileges) {
            statements.push(Statement {
                property: "the withdrawal of everybody's privileges".to_owned(),
                sql: format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC"),
            });
            statements.extend(
                owner
                    .into_iter()
                    .flat_map(|owner| withdrawn(privileges, database, owner)),
            );
            statements.extend(privileges.iter().map(|privilege| privilege.statement(database)));
        }
        statements
    }
}

/// Takes from the owner, who has every right to a new database, those that it had not.
fn withdrawn<'a>(
    privileges: &'a [Privilege],
    database: &'a str,
    owner: &'a str,
) -> impl Iterator<Item = Statement> + 'a {
    let has = move |right: &Right| {
        privileges
            .iter()
            .any(|privilege| privilege.right == *right && privilege.role.as_deref() == Some(owner))
    };
    let lacking = Right::ALL.into_iter().filter(move |right| !has(right));
    lacking.map(move |right| Statement {
        property: format!("the withdrawal of {} from its owner", right.word()),
        sql: format!(
            "REVOKE {} ON DATABASE {database} FROM {}",
            right.word(),
            identifier(owner)
        ),
    })
}

impl Setting {
    fn statement(&self, database: &str) -> Statement {
        let name = &self.name;
        let (who, of) = match &self.role {
            None => (format!("DATABASE {database}"), String::new()),
            Some(role) => (
                format!("ROLE {} IN DATABASE {database}", identifier(role)),
                format!(" of the role {role}"),
            ),
        };
        let value = if LISTS.contains(&name.to_lowercase().as_str()) {
            let names: Vec<String> = names(&self.value).iter().map(|name| literal(name)).collect();
            names.join(", ")
        } else {
            literal(&self.value)
        };
        Statement {
            property: format!("the setting {name}{of}"),
            sql: format!("ALTER {who} SET {} TO {value}", identifier(name)),
        }
    }
}

impl Privilege {
    fn statement(&self, database: &str) -> Statement {
        let right = self.right.word();
        let role = self.role.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
        let more = if self.grantable { " WITH GRANT OPTION" } else { "" };
        Statement {
            property: format!("the privilege {right} of {role}"),
            sql: format!("GRANT {right} ON DATABASE {database} TO {role}{more}"),
        }
    }
}

/// The names of a list as the server reads it: `"$user", Public` are `$user` and `public`.
fn names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut name, mut is_quoted) = (String::new(), false);
    let mut letters = list.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => name.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => names.push(std::mem::take(&mut name)),
            letter if is_quoted => name.push(letter),
            letter if letter.is_ascii_whitespace() || letter == '\u{b}' => {}
            letter => name.push(letter.to_ascii_lowercase()),
        }
    }
    names.push(name);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_apart() {
        assert_eq!(names("\"$user\", public"), ["$user", "public"]);
        assert_eq!(names("\"a, \"\"b\"\"\",c"), ["a, \"b\"", "c"]);
        assert_eq!(names("MySchema,\n\tpublic , \"My s\""), ["myschema", "public", "My s"]);
        assert_eq!(names("\"\""), [""]);
    }

    #[test]
    fn everything_is_quoted() {
        let properties = Properties {
            comment: None,
            connection_limit: Some(7),
            settings: vec![
                Setting {
                    role: None,
                    name: "search_path".into(),
                    value: "\"My s\", public".into(),
                },
                Setting {
                    role: Some("an app".into()),
                    name: "app.tenant".into(),
                    value: "it's".into(),
                },
            ],
            privileges: Some(vec![Privilege {
                role: Some("an app".into()),
                right: Right::Connect,
                grantable: true,
            }]),
        };
        let sql = |with| -> Vec<String> {
            let statements = properties.statements("\"d\"", Some("an app"), with).into_iter();
            statements.map(|statement| statement.sql).collect()
        };
        let expected = [
            "ALTER DATABASE \"d\" CONNECTION LIMIT 7",
            "ALTER DATABASE \"d\" SET \"search_path\" TO 'My s', 'public'",
            "ALTER ROLE \"an app\" IN DATABASE \"d\" SET \"app.tenant\" TO 'it''s'",
            "REVOKE ALL ON DATABASE \"d\" FROM PUBLIC",
            "REVOKE CREATE ON DATABASE \"d\" FROM \"an app\"",
            "REVOKE TEMPORARY ON DATABASE \"d\" FROM \"an app\"",
            "GRANT CONNECT ON DATABASE \"d\" TO \"an app\" WITH GRANT OPTION",
        ];
        assert_eq!(sql(true), expected);
        assert_eq!(sql(false), expected[..3]);
        let text = serde_json::to_string(&properties).expect("plain data");
        assert_eq!(serde_json::from_str::<Properties>(&text).expect("the same"), properties);
        assert!(!properties.is_empty() && Properties::default().is_empty());
    }
}
