//! What the database has of its own: read with the structure, from the catalogue of the server.

use tokio_postgres::Row;

use crate::server::postgres::Error;
use crate::server::postgres::Session;
use crate::server::postgres::properties::Privilege;
use crate::server::postgres::properties::Properties;
use crate::server::postgres::properties::Right;
use crate::server::postgres::properties::Setting;

const OWN: &str = "SELECT pg_catalog.shobj_description(oid, 'pg_database'), NULLIF(datconnlimit, -1), datacl IS NOT NULL \
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

/// Reads it all.
pub(super) async fn read(session: &Session) -> Result<Properties, Error> {
    let own = ask(session, OWN).await?;
    let own = own.first().expect("a session is in a database");
    let has_privileges: bool = own.get(2);
    Ok(Properties {
        comment: own.get(0),
        connection_limit: own.get(1),
        settings: ask(session, SETTINGS).await?.iter().filter_map(setting).collect(),
        privileges: if has_privileges {
            Some(ask(session, PRIVILEGES).await?.iter().filter_map(privilege).collect())
        } else {
            None
        },
    })
}

async fn ask(session: &Session, question: &str) -> Result<Vec<Row>, Error> {
    let answer = session.query(question, &[]).await;
    answer.map_err(|error| session.error("reading what the database has of its own", &error))
}

fn setting(row: &Row) -> Option<Setting> {
    let (name, value) = row.get::<_, &str>(1).split_once('=')?;
    Some(Setting {
        role: row.get(0),
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

fn privilege(row: &Row) -> Option<Privilege> {
    let word: &str = row.get(1);
    let right = Right::ALL.into_iter().find(|right| right.word() == word)?;
    Some(Privilege {
        role: row.get(0),
        right,
        grantable: row.get(2),
    })
}
