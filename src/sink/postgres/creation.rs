//! How a database is made: as the source's, or as the empty one that it replaces.

use std::fmt::Write as _;

use super::error::Error;
use super::link::Link;
use crate::server::postgres::layout::Creation;
use crate::server::postgres::quote::literal;
use crate::server::postgres::session;

/// An empty database that is there.
#[derive(Clone, Debug)]
pub(super) struct Existing {
    pub(super) oid: String,
    pub(super) creation: Creation,
    /// Whether it has privileges, settings, a comment, a limit or a tablespace of its own.
    pub(super) special: bool,
}

impl Existing {
    /// The database of that name, if it is there; an error if nobody may go in.
    pub(super) async fn find(link: &Link, name: &str, version: u32) -> Result<Option<Self>, Error> {
        let (provider, icu, rules) = match version {
            170_000.. => ("datlocprovider", "datlocale", "daticurules"),
            160_000.. => ("datlocprovider", "daticulocale", "daticurules"),
            150_000.. => ("datlocprovider", "daticulocale", "NULL"),
            _ => ("'c'", "NULL", "NULL"),
        };
        let sql = format!(
            "SELECT d.oid, pg_catalog.pg_get_userbyid(d.datdba), pg_catalog.pg_encoding_to_char(d.encoding), {provider}, d.datcollate, \
             d.datctype, {icu}, {rules}, d.datacl IS NOT NULL OR EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s \
             WHERE s.setdatabase = d.oid) OR d.datconnlimit <> -1 OR pg_catalog.shobj_description(d.oid, 'pg_database') IS NOT NULL \
             OR d.dattablespace <> (SELECT t.dattablespace FROM pg_catalog.pg_database t WHERE t.datname = 'template0'), d.datistemplate OR NOT d.datallowconn \
             FROM pg_catalog.pg_database d WHERE d.datname = {}",
            literal(name)
        );
        let Some(row) = link.rows("looking for the database", &sql).await?.into_iter().next() else {
            return Ok(None);
        };
        let text = |at: usize| row.get(at).cloned().flatten();
        let plain = |at: usize| text(at).unwrap_or_default();
        if plain(9) == "t" {
            return Err(Error::Target("it is a template, or lets nobody in".to_owned()));
        }
        let provider = match plain(3).as_str() {
            "i" => "icu",
            "b" => "builtin",
            _ => "libc",
        };
        Ok(Some(Self {
            oid: plain(0),
            creation: Creation {
                encoding: plain(2),
                provider: provider.to_owned(),
                collate: plain(4),
                ctype: plain(5),
                locale: text(6),
                rules: text(7),
                owner: text(1),
            },
            special: plain(8) == "t",
        }))
    }
}

/// The options of `CREATE DATABASE` that make it as the source's.
pub(super) fn locale(creation: &Creation, version: u32) -> Result<String, Error> {
    let mut sql = format!(
        " ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        literal(&creation.encoding),
        literal(&creation.collate),
        literal(&creation.ctype)
    );
    let locale = creation.locale.as_deref().unwrap_or_default();
    let needs = |least: u32| {
        if version >= least {
            return Ok(());
        }
        Err(Error::Target(format!(
            "the database of the source sorts by {} ({locale}), which PostgreSQL {} does not know for whole databases: make an empty \
             database with the locale that you want, and restore to it",
            creation.provider,
            session::version_text(version)
        )))
    };
    match creation.provider.as_str() {
        "libc" => {}
        "icu" => {
            needs(150_000)?;
            write!(sql, " LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale)).expect("a String takes every text");
            if let Some(rules) = &creation.rules {
                needs(160_000)?;
                write!(sql, " ICU_RULES {}", literal(rules)).expect("a String takes every text");
            }
        }
        "builtin" => {
            needs(170_000)?;
            write!(sql, " LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale))
                .expect("a String takes every text");
        }
        other => return Err(Error::Dump(format!("the plan names the locale provider {other:?}"))),
    }
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_that_an_old_server_lacks_are_refused() {
        let creation = Creation {
            encoding: "UTF8".into(),
            provider: "builtin".into(),
            collate: "C".into(),
            ctype: "C".into(),
            locale: Some("C.UTF-8".into()),
            rules: None,
            owner: None,
        };
        assert!(locale(&creation, 150_004).is_err());
        let sql = locale(&creation, 170_002).expect("known");
        assert_eq!(
            sql,
            " ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
        );
    }
}
