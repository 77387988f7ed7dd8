//! One moment for all connections: commits of the server are held up while each begins its snapshot, and go on at once.

use super::options::MysqlOptions;
use super::privileges::Privileges;
use super::subject::Subject;
use crate::base::cancel::Cancel;
use crate::base::clock::Timestamp;
use crate::server::mysql::connection::Connection;
use crate::server::mysql::error::Error as ServerError;
use crate::server::mysql::options::Options;
use crate::source::Error;

/// How long commits may be held up by our wait for the lock, in seconds: others' statements queue behind it.
const LOCK_SECONDS: u32 = 30;

const LOCK_HINT: &str = "A long statement or transaction was in the way. Run the backup when it is over.";

/// How the connections came to see the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `BACKUP STAGE BLOCK_COMMIT` of MariaDB.
    BackupStage,
    /// `FLUSH TABLES WITH READ LOCK`.
    ReadLock,
    /// One connection only: nothing had to be held up.
    Single,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BackupStage => "backup-stage",
            Self::ReadLock => "read-lock",
            Self::Single => "single-connection",
        }
    }

    fn lock(self) -> &'static [&'static str] {
        match self {
            Self::BackupStage => &["BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT"],
            Self::ReadLock => &["FLUSH TABLES WITH READ LOCK"],
            Self::Single => &[],
        }
    }

    fn unlock(self) -> &'static [&'static str] {
        match self {
            Self::BackupStage => &["BACKUP STAGE END"],
            Self::ReadLock => &["UNLOCK TABLES"],
            Self::Single => &[],
        }
    }
}

/// Connections that see the same rows, and where the binary log was then.
pub(super) struct Snapshot {
    pub(super) workers: Vec<Connection>,
    pub(super) method: Method,
    /// The moment before the snapshot, by the server's clock.
    pub(super) time: Option<Timestamp>,
    /// `binlog_file`, `binlog_position`, `gtid`: those that there are and that we may see.
    pub(super) position: Vec<(&'static str, String)>,
    /// Whether the lock is still held, for tables without transactions.
    locked: bool,
}

/// Begins the snapshot. `hold` keeps the lock until [`Snapshot::unlock`].
pub(super) fn begin(
    subject: &Subject,
    server: &Options,
    options: &MysqlOptions,
    control: &mut Connection,
    hold: bool,
    cancel: &Cancel,
) -> Result<Snapshot, Error> {
    let reaching = |error: &ServerError| subject.reaching(error);
    let privileges = Privileges::read(control).map_err(|error| reaching(&error))?;
    let method = choose(&privileges, control, hold);
    let count = if method == Method::Single {
        1
    } else {
        options.jobs.max(1)
    };
    let mut workers = Vec::new();
    for _ in 0..count {
        let mut worker = Connection::open(server, cancel).map_err(|error| reaching(&error))?;
        let _done = worker
            .run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .map_err(|error| reaching(&error))?;
        workers.push(worker);
    }
    let time = control
        .value("SELECT UNIX_TIMESTAMP()")
        .map_err(|error| reaching(&error))?;
    let time = time
        .and_then(|text| text.parse().ok())
        .and_then(|seconds| Timestamp::from_unix(seconds).ok());
    lock(subject, control, method)?;
    let begun = start(&mut workers, control, method);
    let hold = hold && begun.is_ok();
    if !hold {
        unlock(subject, control, method)?;
    }
    let position = begun.map_err(|error| subject.reading("the snapshot", &error))?;
    Ok(Snapshot {
        workers,
        method,
        time,
        position,
        locked: hold,
    })
}

fn choose(privileges: &Privileges, control: &Connection, hold: bool) -> Method {
    if !privileges.can_lock() {
        Method::Single
    } else if control.version().is_mariadb() && !hold {
        Method::BackupStage
    } else {
        Method::ReadLock
    }
}

fn lock(subject: &Subject, control: &mut Connection, method: Method) -> Result<(), Error> {
    let patience = format!("SET SESSION lock_wait_timeout = {LOCK_SECONDS}");
    let statements = [patience.as_str()].into_iter().chain(method.lock().iter().copied());
    for statement in statements {
        if let Err(error) = control.run(statement) {
            // Half a lock is given back before anything else is said.
            let _given_back = unlock(subject, control, method);
            if matches!(error, ServerError::Interrupted(_)) {
                return Err(subject.reading("", &error));
            }
            return Err(subject.incomplete(format!("cannot hold commits up for a moment: {error}"), LOCK_HINT));
        }
    }
    Ok(())
}

fn unlock(subject: &Subject, control: &mut Connection, method: Method) -> Result<(), Error> {
    for statement in method.unlock() {
        let _done = control
            .run(statement)
            .map_err(|error| subject.reading("the snapshot", &error))?;
    }
    Ok(())
}

type Position = Vec<(&'static str, String)>;

/// Begins every snapshot while the lock is held, and asks where the binary log is.
fn start(workers: &mut [Connection], control: &mut Connection, method: Method) -> Result<Position, ServerError> {
    for worker in workers.iter_mut() {
        let _done = worker.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
    }
    if control.version().is_mariadb() {
        let worker = workers
            .first_mut()
            .ok_or(ServerError::Protocol("there is no connection"))?;
        return mariadb_position(worker);
    }
    if method == Method::Single {
        // Without a lock the log may be ahead of the snapshot already: no position is better than a wrong one.
        return Ok(Vec::new());
    }
    mysql_position(control)
}

/// MariaDB keeps the position with the snapshot: it is right even without a lock, and needs no privilege.
fn mariadb_position(worker: &mut Connection) -> Result<Position, ServerError> {
    let mut position = Vec::new();
    let rows = worker.table("SHOW STATUS LIKE 'binlog\\_snapshot\\_%'")?;
    for row in rows {
        if let [Some(name), Some(value)] = row.as_slice() {
            match name.to_ascii_lowercase().as_str() {
                "binlog_snapshot_file" if !value.is_empty() => position.push(("binlog_file", value.clone())),
                "binlog_snapshot_position" if value != "0" => position.push(("binlog_position", value.clone())),
                _ => {}
            }
        }
    }
    if let [(_, file), (_, offset)] = position.as_slice() {
        use crate::server::mysql::sql;
        let gtid = worker.value(format!("SELECT BINLOG_GTID_POS({}, {offset})", sql::quoted(file)))?;
        position.extend(gtid.filter(|gtid| !gtid.is_empty()).map(|gtid| ("gtid", gtid)));
    }
    Ok(position)
}

fn mysql_position(control: &mut Connection) -> Result<Position, ServerError> {
    let statement = if control.version().numbers >= (8, 4, 0) {
        "SHOW BINARY LOG STATUS"
    } else {
        "SHOW MASTER STATUS"
    };
    let mut position = Vec::new();
    match control.table(statement) {
        Ok(rows) => {
            if let Some([Some(file), Some(offset), ..]) = rows.first().map(Vec::as_slice) {
                position.extend([("binlog_file", file.clone()), ("binlog_position", offset.clone())]);
            }
        }
        Err(error) if error.is_denied() => {}
        Err(error) => return Err(error),
    }
    let gtid = control.value("SELECT @@GLOBAL.gtid_executed")?;
    let gtid = gtid.map(|text| text.replace('\n', "")).filter(|text| !text.is_empty());
    position.extend(gtid.map(|text| ("gtid", text)));
    Ok(position)
}

impl Snapshot {
    /// Gives back a lock that was held for tables without transactions.
    pub(super) fn unlock(&mut self, subject: &Subject, control: &mut Connection) -> Result<(), Error> {
        if std::mem::take(&mut self.locked) {
            unlock(subject, control, self.method)?;
        }
        Ok(())
    }
}
