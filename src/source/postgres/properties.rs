//! What the database has of its own: read with the structure, from the catalogue of the server.

use tokio_postgres::Row;

use crate::server::postgres::Error;
use crate::server::postgres::Session;
use crate::server::postgres::properties::Privilege;
use crate::server::postgres::properties::Properties;
use crate::server::postgres::properties::Right;
use crate::server::postgres::properties::Setting;

const OWN: &str = "SELECT pg_catalog.shobj_description(oid, 'pg_database'), NULLIF(datconnlimit, -1), datacl IS NOT NULL, \
                   pg_catalog.pg_get_userbyid(datdba)::text \
                   FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";

/// `unnest` keeps the order in which the settings were made.
const SETTINGS: &str = "SELECT r.rolname::text, o.setting FROM pg_catalog.pg_db_role_setting s \
                        JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = pg_catalog.current_database() \
                        CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) WITH ORDINALITY AS o (setting, place) \
                        LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
                        WHERE s.setrole = 0 OR r.oid IS NOT NULL ORDER BY r.rolname NULLS FIRST, o.place";

/// Grants to roles that are gone say nothing.
const PRIVILEGES: &str = "SELECT r.rolname::text, a.privilege_type, a.is_grantable FROM pg_catalog.pg_database d \
                          CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee \
                          WHERE d.datname = pg_catalog.current_database() AND (a.grantee = 0 OR r.oid IS NOT NULL) \
                          ORDER BY r.rolname NULLS FIRST, a.privilege_type";

pub(super) const DOING: &str = "reading what the database has of its own";

/// The fact that says what is not in the dump.
const LEFT_OUT: &str = "properties_left_out";

/// What the server reports of text that it cannot read or convert: `character_not_in_repertoire`, `untranslatable_character`.
const NO_TEXT: [&str; 2] = ["22021", "22P05"];

/// What was read.
pub(super) struct Own {
    pub(super) owner: Option<String>,
    pub(super) properties: Properties,
    /// What had to be left out, as a fact.
    pub(super) left_out: Option<(String, String)>,
}

/// Reads it all.
pub(super) async fn read(session: &Session) -> Result<Own, Error> {
    session.run(DOING, "SAVEPOINT own").await?;
    let read = read_all(session).await;
    let refused = matches!(&read, Err(Error::Statement { code, .. }) if NO_TEXT.contains(&code.as_str()));
    if !refused {
        return read;
    }
    // The server converts, and finds what is no text itself.
    session.run(DOING, "ROLLBACK TO SAVEPOINT own").await?;
    Ok(Own {
        owner: None,
        properties: Properties::default(),
        left_out: Some(left_out("owner, comment, settings and privileges")),
    })
}

async fn read_all(session: &Session) -> Result<Own, Error> {
    let own = ask(session, OWN).await?;
    let own = own.first().expect("a session is in a database");
    let settings: Vec<_> = ask(session, SETTINGS).await?.iter().map(setting).collect();
    let comment = own.try_get::<_, Option<String>>(0);
    let owner = own.try_get::<_, String>(3);
    let has_privileges: bool = own.get(2);
    let privileges: Vec<_> = if has_privileges {
        ask(session, PRIVILEGES).await?.iter().map(privilege).collect()
    } else {
        Vec::new()
    };
    // Databases of other encodings write into the same catalogue.
    let no_text = [
        (owner.is_err(), "the owner"),
        (comment.is_err(), "the comment"),
        (settings.iter().any(Option::is_none), "a setting"),
        (privileges.iter().any(Option::is_none), "privileges of a role"),
    ];
    let no_text = no_text.into_iter().filter(|(is, _)| *is).map(|(_, what)| what);
    let no_text: Vec<&str> = no_text.collect();
    Ok(Own {
        owner: owner.ok(),
        properties: Properties {
            comment: comment.unwrap_or_default(),
            connection_limit: own.get(1),
            settings: settings.into_iter().flatten().collect(),
            privileges: has_privileges.then(|| privileges.into_iter().flatten().collect()),
        },
        left_out: (!no_text.is_empty()).then(|| left_out(&no_text.join(", "))),
    })
}

fn left_out(what: &str) -> (String, String) {
    (
        LEFT_OUT.to_owned(),
        format!("{what}: no text in the encoding of the database"),
    )
}

async fn ask(session: &Session, question: &str) -> Result<Vec<Row>, Error> {
    let answer = session.query(question, &[]).await;
    answer.map_err(|error| session.error(DOING, &error))
}

fn setting(row: &Row) -> Option<Setting> {
    let (name, value) = row.try_get::<_, &str>(1).ok()?.split_once('=')?;
    Some(Setting {
        role: row.try_get(0).ok()?,
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

fn privilege(row: &Row) -> Option<Privilege> {
    let word: &str = row.get(1);
    let right = Right::ALL.into_iter().find(|right| right.word() == word)?;
    Some(Privilege {
        role: row.try_get(0).ok()?,
        right,
        grantable: row.get(2),
    })
}
