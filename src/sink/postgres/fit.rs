//! What a restore must not touch, and what stands in its way.

use super::error::Error;
use super::link::Link;

/// Longest name of anything in PostgreSQL.
pub(super) const NAME_BYTES_MAX: usize = 63;

/// Databases of the server itself.
const SYSTEM: [&str; 3] = ["postgres", "template0", "template1"];

/// Refuses what is never restored to, by its name alone: databases of the server itself, and those that the operator protects.
pub(super) fn refuse_protected(hosts: &[&str], name: &str, protected: &[String]) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::Target("no database is named".to_owned()));
    }
    if SYSTEM.contains(&name) {
        return Err(Error::Target("it belongs to the server itself".to_owned()));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::Target(format!("its name is longer than {NAME_BYTES_MAX} bytes")));
    }
    for pattern in protected {
        let glob = globset::Glob::new(pattern)
            .map_err(|_| Error::Target(format!("{pattern:?} in the list of protected databases is no pattern")))?;
        let matcher = glob.compile_matcher();
        let on_host = hosts
            .iter()
            .any(|host| matcher.is_match(format!("{host}/{name}")) || matcher.is_match(host));
        if matcher.is_match(name) || on_host {
            return Err(Error::Target(format!("it is protected by {pattern:?}")));
        }
    }
    Ok(())
}

/// Whether the role may make databases.
pub(super) async fn may_create(link: &Link) -> Result<bool, Error> {
    let sql = "SELECT rolsuper OR rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user";
    Ok(link.value("looking at the role", sql).await?.as_deref() == Some("t"))
}

/// Something that is in the database and not in a new one: everything that was made after the server itself has a higher OID.
pub(super) async fn first_object(link: &Link) -> Result<Option<String>, Error> {
    const CATALOGS: [(&str, &str, &str); 17] = [
        ("the relation", "pg_class", "relname"),
        ("the function", "pg_proc", "proname"),
        ("the type", "pg_type", "typname"),
        ("the schema", "pg_namespace", "nspname"),
        ("the extension", "pg_extension", "extname"),
        ("the operator", "pg_operator", "oprname"),
        ("the collation", "pg_collation", "collname"),
        ("the conversion", "pg_conversion", "conname"),
        ("the language", "pg_language", "lanname"),
        ("the foreign data wrapper", "pg_foreign_data_wrapper", "fdwname"),
        ("the foreign server", "pg_foreign_server", "srvname"),
        ("the text search configuration", "pg_ts_config", "cfgname"),
        ("the event trigger", "pg_event_trigger", "evtname"),
        ("the publication", "pg_publication", "pubname"),
        ("the large object", "pg_largeobject_metadata", "oid::text"),
        ("the cast", "pg_cast", "oid::text"),
        ("the default privileges", "pg_default_acl", "oid::text"),
    ];
    let parts = CATALOGS.map(|(what, catalog, name)| {
        format!("(SELECT '{what} ' || {name} FROM pg_catalog.{catalog} WHERE oid >= 16384 LIMIT 1)")
    });
    let mut sql = parts.join(" UNION ALL ");
    sql.push_str(
        " UNION ALL (SELECT 'the subscription ' || subname FROM pg_catalog.pg_subscription WHERE subdbid = \
         (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) LIMIT 1)",
    );
    match link.value("looking into the database", &sql).await {
        // Not everybody may read subscriptions.
        Err(Error::Server { code: Some(code), .. }) if code == "42501" => {
            link.value("looking into the database", &parts.join(" UNION ALL "))
                .await
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_databases_are_refused_by_name_and_host() {
        let protected = ["prod-*".to_owned(), "db.example/hub".to_owned(), "primary.*".to_owned()];
        let refused =
            |host: &str, name: &str| refuse_protected(&host.split(',').collect::<Vec<_>>(), name, &protected).is_err();
        assert!(refused("anywhere", "prod-hub"));
        assert!(refused("db.example", "hub"));
        assert!(refused("primary.example", "anything"));
        assert!(refused("other,primary.example", "anything"));
        assert!(!refused("other.example", "hub"));
        for name in ["postgres", "template0", "template1", ""] {
            assert!(refused("h", name), "{name}");
        }
    }
}
