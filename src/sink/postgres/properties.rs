//! What a database has of its own, given to the staged one: whose it is, from its making on where that is possible, and the rest at the end.

use super::error::Error;
use super::link::Link;
use super::options::PostgresSinkOptions;
use crate::server::postgres::layout::Creation;
use crate::server::postgres::properties::Properties;
use crate::server::postgres::quote::identifier;
use crate::server::postgres::quote::literal;

/// What the dump says of the database itself.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) creation: Creation,
    pub(super) properties: Properties,
}

/// What a role can do about a role that shall own a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Act as it: what belongs to it can be changed.
    Inherited,
    /// Give it something, which is then out of reach.
    Given,
    /// Nothing: it does not exist, or has nothing to do with the role.
    Nothing,
}

/// Who should own the database: the chosen role, or that of the source. Nobody in particular where owners are not restored.
pub(super) fn owner<'a>(creation: &'a Creation, options: &'a PostgresSinkOptions) -> Option<&'a str> {
    let of_source = creation.owner.as_deref().filter(|_| options.owners);
    options.role.as_deref().or(of_source)
}

/// What the role of the session can do about `role`.
pub(super) async fn reach(link: &Link, role: &str) -> Result<Reach, Error> {
    let right = if link.version() >= 160_000 { "SET" } else { "MEMBER" };
    let sql = format!(
        "SELECT pg_catalog.pg_has_role(oid, '{right}'), pg_catalog.pg_has_role(oid, 'USAGE') FROM pg_catalog.pg_roles \
         WHERE rolname = {}",
        literal(role)
    );
    let rows = link.rows("looking for the owner", &sql).await?;
    let is = |at: usize| rows.first().and_then(|row| row.get(at).cloned().flatten()).as_deref() == Some("t");
    Ok(match (is(0), is(1)) {
        (true, true) => Reach::Inherited,
        (true, false) => Reach::Given,
        (false, _) => Reach::Nothing,
    })
}

/// Gives the database `name` its properties but for comment and owner. They come last: settings would hold for the sessions of the restore
/// too. Says what the server refused.
pub(super) async fn give(
    link: &Link,
    name: &str,
    properties: &Properties,
    owner: Option<&str>,
    with_privileges: bool,
) -> Vec<String> {
    let mut refused = Vec::new();
    for statement in properties.statements(&identifier(name), owner, with_privileges) {
        // There is no other error; where the server is gone, the name will not be given either.
        let given = link.run("giving the database its properties", &statement.sql).await;
        let Err(Error::Server { reason, code, .. }) = given else {
            continue;
        };
        // Words of this class repeat the value.
        let is_of_value = code.is_some_and(|code| code.starts_with("22"));
        let why = if is_of_value {
            "the server refuses the value"
        } else {
            &reason
        };
        refused.push(format!("the database did not get {}: {why}", statement.property));
    }
    refused
}
