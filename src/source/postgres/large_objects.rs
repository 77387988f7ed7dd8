//! Large objects as SQL, read as a stream: content in pieces, then owner, privileges, comment and labels.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::io::Read;

use tokio_postgres::Row;

use super::catalog::Survey;
use super::leader::Leader;
use crate::server::postgres::Error;
use crate::server::postgres::quote::identifier;
use crate::server::postgres::quote::literal;

/// Bytes of a large object in one statement, which holds two digits for each.
const PIECE_BYTES: i32 = 256 << 10;

/// Objects in one query, each with its first piece of at most [`FIRST_BYTES`].
const OBJECTS_A_QUERY: i64 = 64;

/// Bytes that come with the description of an object: most objects have no more.
const FIRST_BYTES: i32 = 16 << 10;

const DOING: &str = "reading large objects";

const OBJECTS: &str = "
    SELECT m.oid, r.rolname::text, pg_catalog.lo_get(m.oid, 0, $3), pg_catalog.obj_description(m.oid, 'pg_largeobject'),
           m.lomacl IS NOT NULL AS has_acl,
           ARRAY(SELECT a.privilege_type::text FROM pg_catalog.aclexplode(m.lomacl) a ORDER BY a.grantee, a.privilege_type),
           ARRAY(SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
                 FROM pg_catalog.aclexplode(m.lomacl) a ORDER BY a.grantee, a.privilege_type),
           ARRAY(SELECT a.is_grantable FROM pg_catalog.aclexplode(m.lomacl) a ORDER BY a.grantee, a.privilege_type),
           ARRAY(SELECT l.provider FROM pg_catalog.pg_seclabels l WHERE l.objtype = 'large object' AND l.objoid = m.oid ORDER BY 1),
           ARRAY(SELECT l.label FROM pg_catalog.pg_seclabels l WHERE l.objtype = 'large object' AND l.objoid = m.oid ORDER BY l.provider)
    FROM pg_catalog.pg_largeobject_metadata m LEFT JOIN pg_catalog.pg_roles r ON r.oid = m.lomowner
    WHERE m.oid > $1 ORDER BY m.oid LIMIT $2";

/// All large objects as the text of SQL statements.
pub(super) struct Objects<'a> {
    leader: &'a Leader<'a>,
    is_done: bool,
    last: u32,
    rows: VecDeque<Row>,
    /// The object that is being read, and how much of it has been.
    current: Option<(Row, i64)>,
    text: Vec<u8>,
    read: usize,
    count: u64,
    /// Why reading failed.
    pub(super) failure: Option<Error>,
}

impl<'a> Objects<'a> {
    /// None when a filter of tables is there, as in `pg_dump`.
    pub(super) fn new(leader: &'a Leader<'a>, survey: &Survey) -> Result<Self, Error> {
        let mut objects = Self {
            leader,
            is_done: !survey.is_everything,
            last: 0,
            rows: VecDeque::new(),
            current: None,
            text: Vec::new(),
            read: 0,
            count: 0,
            failure: None,
        };
        if !objects.is_done {
            objects.fetch()?;
        }
        Ok(objects)
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn fetch(&mut self) -> Result<(), Error> {
        let session = self.leader.session();
        let rows = self.leader.wait(DOING, async {
            let rows = session
                .query(OBJECTS, &[&self.last, &OBJECTS_A_QUERY, &FIRST_BYTES])
                .await;
            rows.map_err(|error| session.error(DOING, &error))
        })?;
        self.is_done = rows.is_empty();
        self.last = rows.last().map_or(self.last, |row| row.get(0));
        self.rows = rows.into();
        Ok(())
    }

    /// Puts the next statements into `text`; leaves it empty at the end.
    fn step(&mut self) -> Result<(), Error> {
        self.text.clear();
        self.read = 0;
        if let Some((row, offset)) = self.current.take() {
            return self.go_on(row, offset);
        }
        if self.rows.is_empty() && !self.is_done {
            self.fetch()?;
        }
        let Some(row) = self.rows.pop_front() else {
            return Ok(());
        };
        self.count += 1;
        let oid: u32 = row.get(0);
        let first: &[u8] = row.get(2);
        let mut sql = format!("SELECT pg_catalog.lo_create({oid});\n");
        put(&mut sql, oid, 0, first);
        let length = first.len();
        self.text = sql.into_bytes();
        if length < usize::try_from(FIRST_BYTES).expect("small") {
            self.text.extend_from_slice(attributes(&row).as_bytes());
        } else {
            self.current = Some((row, FIRST_BYTES.into()));
        }
        Ok(())
    }

    /// The next piece of a large object, or its end.
    fn go_on(&mut self, row: Row, offset: i64) -> Result<(), Error> {
        let oid: u32 = row.get(0);
        let session = self.leader.session();
        let piece = self.leader.wait(DOING, async {
            let question = "SELECT pg_catalog.lo_get($1, $2, $3)";
            let piece = session.query_one(question, &[&oid, &offset, &PIECE_BYTES]).await;
            piece.map_err(|error| session.error(DOING, &error))
        })?;
        let piece: &[u8] = piece.get(0);
        let mut sql = String::new();
        put(&mut sql, oid, offset, piece);
        if piece.len() < usize::try_from(PIECE_BYTES).expect("small") {
            sql.push_str(&attributes(&row));
        } else {
            self.current = Some((row, offset + i64::from(PIECE_BYTES)));
        }
        self.text = sql.into_bytes();
        Ok(())
    }
}

impl Read for Objects<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return Err(io::Error::other("the large objects could not be read"));
        }
        if self.read == self.text.len()
            && let Err(error) = self.step()
        {
            let told = io::Error::other(error.to_string());
            self.failure = Some(error);
            return Err(told);
        }
        let count = buffer.len().min(self.text.len() - self.read);
        buffer[..count].copy_from_slice(&self.text[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

fn put(sql: &mut String, oid: u32, offset: i64, bytes: &[u8]) {
    if !bytes.is_empty() {
        sql.extend([format!(
            "SELECT pg_catalog.lo_put({oid}, {offset}, '\\x{}');\n",
            hex::encode(bytes)
        )]);
    }
}

/// Owner, comment, privileges and labels.
fn attributes(row: &Row) -> String {
    let oid: u32 = row.get(0);
    let mut sql = String::new();
    let owner: Option<String> = row.get(1);
    if let Some(owner) = &owner {
        line(
            &mut sql,
            &format!("ALTER LARGE OBJECT {oid} OWNER TO {}", identifier(owner)),
        );
    }
    if let Some(comment) = row.get::<_, Option<String>>(3) {
        line(
            &mut sql,
            &format!("COMMENT ON LARGE OBJECT {oid} IS {}", literal(&comment)),
        );
    }
    if row.get(4) {
        if let Some(owner) = &owner {
            line(
                &mut sql,
                &format!("REVOKE ALL ON LARGE OBJECT {oid} FROM {}", identifier(owner)),
            );
        }
        let privileges: Vec<String> = row.get(5);
        let grantees: Vec<Option<String>> = row.get(6);
        let grantable: Vec<bool> = row.get(7);
        for ((privilege, grantee), may_grant) in privileges.iter().zip(&grantees).zip(&grantable) {
            let grantee = grantee
                .as_ref()
                .map_or_else(|| "PUBLIC".to_owned(), |name| identifier(name));
            let option = if *may_grant { " WITH GRANT OPTION" } else { "" };
            line(
                &mut sql,
                &format!("GRANT {privilege} ON LARGE OBJECT {oid} TO {grantee}{option}"),
            );
        }
    }
    let (providers, labels): (Vec<String>, Vec<String>) = (row.get(8), row.get(9));
    for (provider, label) in providers.iter().zip(&labels) {
        let (provider, label) = (identifier(provider), literal(label));
        line(
            &mut sql,
            &format!("SECURITY LABEL FOR {provider} ON LARGE OBJECT {oid} IS {label}"),
        );
    }
    sql
}

fn line(sql: &mut String, statement: &str) {
    writeln!(sql, "{statement};").expect("a text takes everything");
}
