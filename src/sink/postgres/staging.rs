//! The database that a restore fills under another name, and the moment in which it gets its own.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::sleep;

use super::creation::Existing;
use super::creation::locale;
use super::error::Error;
use super::fit::NAME_BYTES_MAX;
use super::fit::first_object;
use super::fit::may_create;
use super::link::Door;
use super::link::Link;
use super::options::Landing;
use super::options::PostgresSinkOptions;
use super::properties;
use super::properties::Own;
use super::properties::Reach;
use crate::base::random;
use crate::server::postgres::layout::Creation;
use crate::server::postgres::quote::identifier;
use crate::server::postgres::quote::literal;

/// What stands between a database's name and the random end of a staged one's.
const MARK: &str = "_hub_tmp_";

/// What the comment of a staged database begins with.
const COMMENT: &str = "hub-backup: staged restore of ";

/// How often the sessions of a staged database are looked at before it gets its name, and what is between two looks.
const LOOKS_MAX: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(3);

/// The target, looked at and found fit.
pub(super) struct Target {
    /// A session in another database, from which databases are made, named and dropped.
    pub(super) maintenance: Link,
    /// `server_version_num`.
    pub(super) version: u32,
    /// The final name.
    pub(super) name: String,
    /// The identifier of the server's data folder, and the OID of the database if it exists.
    pub(super) system: Option<String>,
    pub(super) existing: Option<Existing>,
    /// What the operator should know.
    pub(super) notes: Vec<String>,
    /// What the role may do at the server beyond its databases, which the SQL of a dump then may do too.
    pub(super) power: Option<String>,
}

/// A staged database.
#[derive(Clone, Debug)]
pub(super) struct Staged {
    pub(super) name: String,
    /// What is under a name that is not its own.
    pub(super) kind: Kind,
}

/// What is staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A database.
    Database,
    /// Nothing: the empty database itself is filled.
    InPlace,
    /// A schema, with its staged and its final name.
    Schema(String, String),
}

/// What lets the role of the session, whatever it was set to, do more at the server than in its databases.
async fn power_of_role(link: &Link) -> Result<Option<String>, Error> {
    let sql = "SELECT pg_catalog.format('the role %I %s', rolname, CASE WHEN rolsuper THEN 'is a superuser' ELSE 'may run programs' END) \
               FROM pg_catalog.pg_roles WHERE rolname = session_user \
               AND (rolsuper OR pg_catalog.pg_has_role(session_user, 'pg_execute_server_program', 'MEMBER'))";
    link.value("looking at the role", sql).await
}

impl Target {
    /// Looks at the target, and refuses it when it must not be restored to. Sweeps what killed restores left on the server.
    pub(super) async fn look(door: &Door, name: &str, options: &PostgresSinkOptions) -> Result<Self, Error> {
        let maintenance = match door.open("postgres").await {
            Ok(link) => link,
            Err(first) => match door.open("template1").await {
                Ok(link) => link,
                // A role that is let into its own database alone.
                Err(_) if options.landing != Landing::Staged => door.open(name).await?,
                Err(_) => return Err(first),
            },
        };
        if maintenance.is_standby() {
            return Err(Error::Target("its server is a standby, and takes no writes".to_owned()));
        }
        let what = "looking at the server";
        let version = maintenance.version();
        // The role may not be allowed to ask.
        let sql = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
        let system = maintenance.value(what, sql).await.ok().flatten();
        let existing = Existing::find(&maintenance, name, version).await?;
        let mut target = Self {
            maintenance,
            version,
            name: name.to_owned(),
            system,
            existing,
            notes: Vec::new(),
            power: None,
        };
        target.power = power_of_role(&target.maintenance).await?;
        target.refuse_unfit(door, options).await?;
        match options.landing {
            Landing::Staged => target.sweep(door).await?,
            Landing::InPlace => {}
            Landing::Schema(_) => {
                // Locks are the database's, and a staged schema is locked while it is filled.
                target.maintenance = door.writer(&target.name, target.version).await?;
                target.sweep_schemas().await?;
            }
        }
        Ok(target)
    }

    async fn refuse_unfit(&self, door: &Door, options: &PostgresSinkOptions) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Target(reason));
        match (&options.landing, &self.existing) {
            (Landing::Schema(_), Some(_)) => return Ok(()),
            (Landing::Schema(_) | Landing::InPlace, None) => return refuse("it does not exist".to_owned()),
            (Landing::Staged, None) => {}
            (Landing::Staged | Landing::InPlace, Some(_)) => {
                let inside = door.open(&self.name).await?;
                if let Some(found) = first_object(&inside).await? {
                    return refuse(format!("it is not empty: it has {found}"));
                }
            }
        }
        if options.landing == Landing::Staged && !may_create(&self.maintenance).await? {
            let hint = if self.existing.is_some() {
                "ALTER ROLE … CREATEDB lets it; --in-place loads into the empty database directly, and then a failed restore leaves \
                 there what it had loaded."
            } else {
                "ALTER ROLE … CREATEDB lets it; or have the empty database made for it, and give --in-place."
            };
            let reason =
                "a restore is staged in a database of its own, and this role may not make databases".to_owned();
            return Err(Error::NotPermitted { reason, hint });
        }
        Ok(())
    }

    /// Drops what restores left that were killed: staged databases whose lock nobody holds and in which nobody works.
    async fn sweep(&mut self, door: &Door) -> Result<(), Error> {
        let sql = format!(
            "SELECT d.datname, pg_catalog.pg_try_advisory_lock({}) FROM pg_catalog.pg_database d \
             WHERE d.datname LIKE '%{}%' AND (pg_catalog.shobj_description(d.oid, 'pg_database') LIKE {} \
             OR NOT d.datallowconn AND pg_catalog.shobj_description(d.oid, 'pg_database') IS NULL) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)",
            lock_of("d.datname"),
            MARK.replace('_', "\\_"),
            literal(&format!("{COMMENT}%")),
        );
        for name in self.left_by_killed("looking for staged databases", &sql).await? {
            forget_subscriptions(door, &name).await;
            let drop = format!("DROP DATABASE IF EXISTS {}", identifier(&name));
            self.drop_left("database", &name, &drop).await?;
        }
        Ok(())
    }

    /// The same for schemas in a database in use.
    async fn sweep_schemas(&mut self) -> Result<(), Error> {
        let sql = format!(
            "SELECT n.nspname, pg_catalog.pg_try_advisory_lock({}) FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE '%{}%' \
             AND pg_catalog.obj_description(n.oid, 'pg_namespace') LIKE {}",
            lock_of("n.nspname"),
            MARK.replace('_', "\\_"),
            literal(&format!("{COMMENT}%")),
        );
        for name in self.left_by_killed("looking for staged schemas", &sql).await? {
            let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", identifier(&name));
            self.drop_left("schema", &name, &drop).await?;
        }
        Ok(())
    }

    /// The names of what killed restores left, by a statement that gives names and whether their lock could be taken: they are locked now.
    async fn left_by_killed(&self, what: &str, sql: &str) -> Result<Vec<String>, Error> {
        let free = |row: Vec<Option<String>>| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(name), Some(locked)]) if locked == "t" => Some(name),
            Ok(_) | Err(_) => None,
        };
        Ok(self
            .maintenance
            .rows(what, sql)
            .await?
            .into_iter()
            .filter_map(free)
            .collect())
    }

    /// Drops one of them, gives its lock back, and notes what became of it.
    async fn drop_left(&mut self, kind: &str, name: &str, drop: &str) -> Result<(), Error> {
        let dropped = self.maintenance.run(&format!("dropping a staged {kind}"), drop).await;
        let unlock = format!("SELECT pg_catalog.pg_advisory_unlock({})", lock_of(&literal(name)));
        self.maintenance.run("unlocking", &unlock).await?;
        self.notes.push(match dropped {
            Ok(()) => format!("dropped the {kind} {name}, which a restore left that was killed"),
            Err(error) => {
                format!("the {kind} {name} was left by a restore that was killed, and could not be dropped: {error}")
            }
        });
        Ok(())
    }

    /// Under which name the content is staged.
    pub(super) fn staged(&self, options: &PostgresSinkOptions) -> Result<Staged, Error> {
        let own = self.name.clone();
        let (name, kind) = match &options.landing {
            Landing::Staged => (marked(&self.name, MARK)?, Kind::Database),
            Landing::InPlace => (own, Kind::InPlace),
            Landing::Schema(schema) => (own, Kind::Schema(marked(schema, MARK)?, schema.clone())),
        };
        Ok(Staged { name, kind })
    }

    /// Makes what gets the content.
    pub(super) async fn create(
        &self,
        staged: &Staged,
        creation: &Creation,
        options: &PostgresSinkOptions,
    ) -> Result<(), Error> {
        match &staged.kind {
            Kind::Database => self.create_database(&staged.name, creation, options).await,
            Kind::InPlace => Ok(()),
            Kind::Schema(staged, schema) => self.create_schema(staged, schema).await,
        }
    }

    /// Lets nobody in before the database is marked: what has the name and lets nobody in is known to be staged too.
    async fn create_database(
        &self,
        name: &str,
        creation: &Creation,
        options: &PostgresSinkOptions,
    ) -> Result<(), Error> {
        let lock = format!("SELECT pg_catalog.pg_advisory_lock({})", lock_of(&literal(name)));
        self.maintenance.run("taking the lock of the restore", &lock).await?;
        if let Some(stranger) = self.stranger().await? {
            return Err(Error::NotPermitted {
                reason: format!(
                    "the empty database {} belongs to {stranger}, and the role that restores is no member of it",
                    self.name
                ),
                hint: "Restore as its owner, or to a new name.",
            });
        }
        // From PostgreSQL 15 on nobody but the owner may make anything in the schema `public`.
        let owner = options.role.as_deref().or_else(|| self.owner(creation, options));
        let is_ours = match owner {
            Some(role) if options.role.is_none() => {
                properties::reach(&self.maintenance, role).await? == Reach::Inherited
            }
            Some(_) | None => true,
        };
        let owner = owner.filter(|_| is_ours);
        let owner = owner.map(|role| format!(" OWNER {}", identifier(role)));
        let creation = self.existing.as_ref().map_or(creation, |existing| &existing.creation);
        let database = identifier(name);
        let create = format!(
            "CREATE DATABASE {database} ALLOW_CONNECTIONS false TEMPLATE template0{}{}",
            owner.unwrap_or_default(),
            locale(creation, self.version)?
        );
        self.maintenance.run("making the database", &create).await?;
        let comment = literal(&format!("{COMMENT}{}; safe to drop when no restore runs", self.name));
        let mark =
            format!("COMMENT ON DATABASE {database} IS {comment}; ALTER DATABASE {database} ALLOW_CONNECTIONS true");
        self.maintenance.run("marking the database", &mark).await
    }

    /// Who owns the empty database that is there, where it cannot be replaced for that.
    async fn stranger(&self) -> Result<Option<&str>, Error> {
        let Some(owner) = self.owner_there() else {
            return Ok(None);
        };
        let reach = properties::reach(&self.maintenance, owner).await?;
        Ok(Some(owner).filter(|_| reach != Reach::Inherited))
    }

    async fn create_schema(&self, staged: &str, schema: &str) -> Result<(), Error> {
        let link = &self.maintenance;
        let sql = format!(
            "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = {}",
            literal(schema)
        );
        if link.value("looking for the schema", &sql).await?.is_some() {
            return Err(Error::Target(format!("it has a schema {schema} already")));
        }
        let lock = format!("SELECT pg_catalog.pg_advisory_lock({})", lock_of(&literal(staged)));
        link.run("taking the lock of the restore", &lock).await?;
        let comment = literal(&format!("{COMMENT}{schema}; safe to drop when no restore runs"));
        let staged = identifier(staged);
        let sql = format!("CREATE SCHEMA {staged}; COMMENT ON SCHEMA {staged} IS {comment}");
        link.run("making the schema", &sql).await
    }

    /// Gives the staged database its owner and its other properties, and then its name. Says what the server refused.
    pub(super) async fn finish(
        &self,
        door: &Door,
        staged: &Staged,
        own: &Own,
        options: &PostgresSinkOptions,
    ) -> Result<Vec<String>, Error> {
        if staged.kind != Kind::Database {
            self.publish(door, staged, None, None).await?;
            return Ok(Vec::new());
        }
        let link = &self.maintenance;
        let (name, mut notes, mut at_the_end) = (identifier(&staged.name), Vec::new(), None);
        if let Some(owner) = self.owner(&own.creation, options) {
            // A role of the dump may have come into being with it.
            match properties::reach(link, owner).await? {
                Reach::Inherited => {
                    let sql = format!("ALTER DATABASE {name} OWNER TO {}", identifier(owner));
                    link.run("giving the database its owner", &sql).await?;
                }
                Reach::Given => at_the_end = Some(owner),
                Reach::Nothing => notes.push(format!(
                    "the database belongs to the role that restored it: its owner {owner} does not exist here, or is none that it is a member of"
                )),
            }
        }
        let of_source = own.creation.owner.as_deref();
        notes.extend(properties::give(link, &staged.name, &own.properties, of_source, options.privileges).await);
        let comment = own.properties.comment.as_deref();
        self.publish(door, staged, comment, at_the_end).await?;
        Ok(notes)
    }

    /// Whose the database is to be: an empty one that was there keeps its owner.
    fn owner<'a>(&'a self, creation: &'a Creation, options: &'a PostgresSinkOptions) -> Option<&'a str> {
        self.owner_there().or_else(|| properties::owner(creation, options))
    }

    /// Whose the empty database is that is there.
    fn owner_there(&self) -> Option<&str> {
        self.existing.as_ref()?.creation.owner.as_deref()
    }

    /// Gives the staged database its name and comment, in one transaction, and `owner`, who has it from then on; an empty database of that
    /// name goes away.
    async fn publish(
        &self,
        door: &Door,
        staged: &Staged,
        comment: Option<&str>,
        owner: Option<&str>,
    ) -> Result<(), Error> {
        match &staged.kind {
            Kind::Database => {}
            Kind::InPlace => {
                let link = door.writer(&self.name, self.version).await?;
                return link
                    .run(
                        "waiting for the disk",
                        "SET synchronous_commit = on; SELECT pg_catalog.txid_current()",
                    )
                    .await;
            }
            Kind::Schema(from, to) => {
                let link = door.writer(&self.name, self.version).await?;
                let (from, to) = (identifier(from), identifier(to));
                let sql = format!(
                    "SET synchronous_commit = on; BEGIN; COMMENT ON SCHEMA {from} IS NULL; ALTER SCHEMA {from} RENAME TO {to}; COMMIT"
                );
                return link.run("giving the schema its name", &sql).await;
            }
        }
        let (temporary, name) = (identifier(&staged.name), identifier(&self.name));
        let mut aside = None;
        let mut sql = "SET synchronous_commit = on; BEGIN;".to_owned();
        if self.existing.is_some() {
            let old = marked(&self.name, "_hub_old_")?;
            write!(sql, "ALTER DATABASE {name} RENAME TO {};", identifier(&old)).expect("a String takes every text");
            aside = Some(old);
        }
        let comment = comment.map_or_else(|| "NULL".to_owned(), literal);
        write!(
            sql,
            "COMMENT ON DATABASE {temporary} IS {comment}; ALTER DATABASE {temporary} RENAME TO {name};"
        )
        .expect("a String takes every text");
        if let Some(owner) = owner {
            write!(sql, "ALTER DATABASE {name} OWNER TO {};", identifier(owner)).expect("a String takes every text");
        }
        sql.push_str("COMMIT;");
        self.await_emptiness(&staged.name).await?;
        if let Err(error) = self.maintenance.run("giving the database its name", &sql).await {
            // What was begun must not stand in the way of dropping.
            let _ended = self.maintenance.run("ending the transaction", "ROLLBACK").await;
            return Err(error);
        }
        if let Some(old) = aside {
            // It is empty and nobody's; what is restored has its name already.
            let _kept = self
                .maintenance
                .run(
                    "dropping the empty database",
                    &format!("DROP DATABASE {}", identifier(&old)),
                )
                .await;
        }
        Ok(())
    }

    /// Waits a moment for the sessions that have just been closed: a database that has some gets no name, and the server itself would only
    /// look again after a tenth of a second.
    async fn await_emptiness(&self, database: &str) -> Result<(), Error> {
        let sql = format!(
            "SELECT 1 FROM pg_catalog.pg_stat_activity WHERE datname = {} AND backend_type = 'client backend'",
            literal(database)
        );
        for _ in 0..LOOKS_MAX {
            let found = self.maintenance.value("looking who is in the database", &sql).await?;
            sleep(BETWEEN_LOOKS).await;
            if found.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Drops the staged database with everybody in it.
    pub(super) async fn abandon(&self, door: &Door, staged: &Staged) -> Result<(), Error> {
        match &staged.kind {
            Kind::Database => {}
            Kind::InPlace => return Ok(()),
            Kind::Schema(schema, _) => {
                let link = door.writer(&self.name, self.version).await?;
                let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", identifier(schema));
                return link.run("dropping the staged schema", &sql).await;
            }
        }
        forget_subscriptions(door, &staged.name).await;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(&staged.name));
        self.maintenance.run("dropping the staged database", &sql).await
    }

    /// What is not kept of an empty database that was there.
    pub(super) fn loss(&self) -> Option<String> {
        let special = self.existing.as_ref().is_some_and(|existing| existing.special);
        special.then(|| {
            format!("the database {} was empty and had privileges, settings, a comment, a limit or a tablespace of its own; the restored one has its owner, and what the source had", self.name)
        })
    }
}

/// Drops the subscriptions in a staged database, which cannot be dropped with one in it. They never ran, and their publishers hear nothing.
async fn forget_subscriptions(door: &Door, database: &str) {
    // Whatever fails here, dropping the database says what stands in the way.
    let Ok(link) = door.open(database).await else { return };
    let sql = "SELECT subname FROM pg_catalog.pg_subscription WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database \
               WHERE datname = pg_catalog.current_database())";
    let names = link.rows("looking for subscriptions", sql).await.unwrap_or_default();
    for name in names.into_iter().flatten().flatten() {
        let name = identifier(&name);
        for statement in [
            format!("ALTER SUBSCRIPTION {name} DISABLE"),
            format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
            format!("DROP SUBSCRIPTION {name}"),
        ] {
            drop(link.run("forgetting a subscription", &statement).await);
        }
    }
}

/// The number of the lock that stands for a staged database, as SQL.
fn lock_of(name: &str) -> String {
    format!("pg_catalog.hashtextextended('hub-backup ' || {name}, 0)")
}

/// A free name with a mark, cut to fit.
fn marked(name: &str, mark: &str) -> Result<String, Error> {
    let random = random::octets::<4>().map_err(|error| Error::Runtime(error.to_string()))?;
    let end = format!("{mark}{}", hex::encode(random));
    let mut length = name.len().min(NAME_BYTES_MAX - end.len());
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    Ok(format!("{}{end}", &name[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staged_names_fit() {
        let name = marked(&"é".repeat(31), MARK).expect("random");
        assert!(name.len() <= NAME_BYTES_MAX && name.contains(MARK), "{name}");
        assert!(marked("hub", MARK).expect("random").starts_with("hub_hub_tmp_"));
    }
}
