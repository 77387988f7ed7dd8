//! Opens connections, and says in plain words why one was not opened.

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conninfo::Attributes;
use super::conninfo::Conninfo;
use super::endpoint::Endpoint;
use super::error;
use super::error::Error;
use super::session;
use super::tls::Mode;
use crate::base::random;

/// How long a cancel request may take: it is a courtesy to the server.
const CANCEL_MOST: Duration = Duration::from_secs(1);

/// An open connection. It dereferences to the client of tokio-postgres; dropped, it closes the connection.
pub struct Session {
    client: Client,
    task: JoinHandle<()>,
    end: Arc<Mutex<Option<String>>>,
    connector: MakeRustlsConnect,
    /// Where it goes.
    pub endpoint: Endpoint,
    /// `server_version_num`.
    pub version: u32,
    /// Whether the server is a standby, that is in recovery.
    pub is_standby: bool,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// The error of a request, with what is known about the end of the connection.
    #[must_use]
    pub fn error(&self, doing: &str, error: &tokio_postgres::Error) -> Error {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Error::of_request(doing, error, end)
    }

    /// Runs statements that give no rows.
    ///
    /// # Errors
    /// `Statement` or `Lost`.
    pub async fn run(&self, doing: &str, sql: &str) -> Result<(), Error> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| self.error(doing, &error))
    }

    /// Asks the server to end the running statement. That it did is not known afterwards.
    pub async fn cancel(&self) {
        let token = self.client.cancel_token();
        let _courtesy = timeout(CANCEL_MOST, token.cancel_query(self.connector.clone())).await;
    }

    /// Ends the connection at once, whatever it does: what waits for an answer gets an error.
    pub fn abort(&self) {
        self.task.abort();
    }
}

/// A runtime for connections, on the thread that calls its `block_on`.
///
/// # Errors
/// When the system gives no more file descriptors.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Opens a connection to the first server of `conninfo` that is as wanted, within a tokio runtime with network and time.
///
/// # Errors
/// Why the last one was not opened, when none was.
pub async fn connect(conninfo: &Conninfo) -> Result<Session, Error> {
    let mut order: Vec<&Endpoint> = conninfo.endpoints.iter().collect();
    if conninfo.is_shuffled {
        shuffle(&mut order);
    }
    let passes: &[Attributes] = match conninfo.attributes {
        Attributes::PreferStandby => &[Attributes::Standby, Attributes::Any],
        Attributes::Any | Attributes::ReadWrite | Attributes::ReadOnly | Attributes::Primary | Attributes::Standby => {
            std::slice::from_ref(&conninfo.attributes)
        }
    };
    let mut failure = None;
    for wanted in passes {
        for endpoint in &order {
            match open(conninfo, endpoint, *wanted).await {
                Ok(session) => return Ok(session),
                // The first failure says most: later servers are often mere standbys.
                Err(error) => failure = failure.or(Some(error)),
            }
        }
    }
    Err(failure.expect("there is at least one server"))
}

/// As [`connect`], to the server that another session is connected to.
///
/// # Errors
/// Why it was not opened.
pub async fn connect_again(conninfo: &Conninfo, first: &Session) -> Result<Session, Error> {
    let opened = open(conninfo, &first.endpoint, Attributes::Any).await;
    opened.map_err(Error::after_it_answered)
}

async fn open(conninfo: &Conninfo, endpoint: &Endpoint, wanted: Attributes) -> Result<Session, Error> {
    let most = conninfo.connect_timeout;
    let session = timeout(most, open_once(conninfo, endpoint, wanted)).await;
    session.unwrap_or_else(|_| {
        Err(Error::Unreachable {
            place: endpoint.to_string(),
            reason: format!("no answer within {} seconds", most.as_secs()),
        })
    })
}

/// Tries what the mode allows: with and without encryption.
async fn open_once(conninfo: &Conninfo, endpoint: &Endpoint, wanted: Attributes) -> Result<Session, Error> {
    let tries: &[SslMode] = match conninfo.tls.mode {
        _ if endpoint.is_local() => &[SslMode::Disable],
        Mode::Disable => &[SslMode::Disable],
        Mode::Allow => &[SslMode::Disable, SslMode::Require],
        Mode::Prefer => &[SslMode::Prefer, SslMode::Disable],
        Mode::Require | Mode::VerifyCa | Mode::VerifyFull => &[SslMode::Require],
    };
    let mut failure = None;
    for mode in tries {
        match open_with(conninfo, endpoint, *mode).await {
            Ok(mut session) => {
                examine(&mut session, wanted).await?;
                return Ok(session);
            }
            Err((error, may_depend_on_tls)) => {
                failure = failure.or(Some(error));
                if !may_depend_on_tls {
                    break;
                }
            }
        }
    }
    Err(failure.expect("there is at least one try"))
}

/// The error says too whether it could be another one with another mode of encryption.
async fn open_with(conninfo: &Conninfo, endpoint: &Endpoint, mode: SslMode) -> Result<Session, (Error, bool)> {
    let place = endpoint.to_string();
    let connector = conninfo.tls.connector(&place).map_err(|error| (error, false))?;
    let config = config(conninfo, endpoint, mode);
    let opened = config.connect(connector.clone()).await;
    let (client, connection) = opened.map_err(|error| refusal(conninfo, endpoint, &error))?;
    let end = Arc::new(Mutex::new(None));
    let told = Arc::clone(&end);
    let task = tokio::spawn(async move {
        let reason = match connection.await {
            Ok(()) => "it was closed".to_owned(),
            Err(error) => error::describe(&error),
        };
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    });
    Ok(Session {
        client,
        task,
        end,
        connector,
        endpoint: endpoint.clone(),
        version: 0,
        is_standby: false,
        is_encrypted: false,
    })
}

fn config(conninfo: &Conninfo, endpoint: &Endpoint, mode: SslMode) -> Config {
    let mut config = Config::new();
    config
        .user(&conninfo.user)
        .dbname(&conninfo.database)
        .port(endpoint.port);
    if endpoint.is_local() {
        config.host_path(&endpoint.host);
    } else {
        config.host(&endpoint.host);
    }
    if let Some(address) = endpoint.address {
        config.hostaddr(address);
    }
    if let Some(password) = &endpoint.password {
        config.password(password.expose());
    }
    if let Some(options) = &conninfo.options {
        config.options(options);
    }
    let keepalives = conninfo.keepalives;
    config
        .application_name(&conninfo.application_name)
        .ssl_mode(mode)
        .channel_binding(conninfo.channel_binding)
        .connect_timeout(conninfo.connect_timeout)
        .keepalives(keepalives.is_on)
        .keepalives_idle(keepalives.idle)
        .keepalives_interval(keepalives.interval)
        .keepalives_retries(keepalives.count);
    if mode == SslMode::Require {
        config.ssl_negotiation(conninfo.tls.negotiation);
    }
    if let Some(most) = keepalives.user_timeout {
        config.tcp_user_timeout(most);
    }
    config
}

fn refusal(conninfo: &Conninfo, endpoint: &Endpoint, error: &tokio_postgres::Error) -> (Error, bool) {
    let (place, user) = (endpoint.to_string(), conninfo.user.clone());
    let reason = error::describe(error);
    if let Some(said) = error.as_db_error() {
        let code = said.code().clone();
        let hint = refusal_hint(&code).to_owned();
        let may_depend = code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
        if code == SqlState::CANNOT_CONNECT_NOW || code == SqlState::TOO_MANY_CONNECTIONS {
            return (Error::Unreachable { place, reason }, false);
        }
        return (
            Error::Refused {
                place,
                user,
                reason,
                hint,
            },
            may_depend,
        );
    }
    if reason.ends_with("password missing") {
        let note = endpoint.note.clone();
        return (Error::NoPassword { place, user, note }, false);
    }
    if reason.starts_with("error performing TLS handshake") {
        return (tls_refusal(place, &reason), true);
    }
    if reason.starts_with("authentication error") || reason.starts_with("unsupported authentication") {
        let hint = "This program knows SCRAM, MD5, plain passwords, certificates and peer: look at pg_hba.conf, and at channel_binding.";
        let hint = hint.to_owned();
        return (
            Error::Refused {
                place,
                user,
                reason,
                hint,
            },
            false,
        );
    }
    (Error::Unreachable { place, reason }, false)
}

fn refusal_hint(code: &SqlState) -> &'static str {
    match code.code() {
        "28P01" => "Check user and password: in the URI, PGPASSWORD, or ~/.pgpass, in this order.",
        "28000" => "Allow it in pg_hba.conf, or use another role, host or sslmode.",
        "3D000" => "Check the name of the database: psql --list shows those that there are.",
        "42501" => "Grant it: GRANT CONNECT ON DATABASE … TO ….",
        _ => "Look into the log of the server.",
    }
}

fn tls_refusal(place: String, reason: &str) -> Error {
    let reason = reason.trim_start_matches("error performing TLS handshake: ").to_owned();
    let hint = if reason.contains("not valid for name") || reason.contains("NotValidForName") {
        "The certificate is for another name: use that name as host, or sslmode=verify-ca if that is safe enough. Names must stand in subjectAltName."
    } else if reason.contains("UnknownIssuer") {
        "The certificate is not of a trusted authority: give its certificate as sslrootcert."
    } else if reason.contains("Expired") || reason.contains("expired") {
        "The certificate has expired: renew it on the server."
    } else if reason.contains("does not support TLS") {
        "Turn ssl on at the server, or use sslmode=disable if the network is safe."
    } else {
        "Look at the certificate: openssl s_client -starttls postgres -connect HOST:PORT."
    };
    Error::Tls {
        place,
        reason,
        hint: hint.to_owned(),
    }
}

/// Learns what the server is, and refuses one that is not wanted.
async fn examine(session: &mut Session, wanted: Attributes) -> Result<(), Error> {
    let doing = "looking at the server";
    let question = "SELECT pg_catalog.current_setting('server_version_num')::int4, pg_catalog.pg_is_in_recovery(), \
                    pg_catalog.current_setting('transaction_read_only')::bool, \
                    COALESCE((SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()), false)";
    let answer = session.query_one(question, &[]).await;
    let answer = answer.map_err(|error| session.error(doing, &error))?;
    session.version = u32::try_from(answer.get::<_, i32>(0)).unwrap_or_default();
    session.is_standby = answer.get(1);
    session.is_encrypted = answer.get(3);
    let is_read_only = session.is_standby || answer.get::<_, bool>(2);
    let reason = match wanted {
        Attributes::ReadWrite if is_read_only => "it does not allow writes",
        Attributes::ReadOnly if !is_read_only => "it is not read-only",
        Attributes::Primary if session.is_standby => "it is a standby",
        Attributes::Standby if !session.is_standby => "it is not a standby",
        Attributes::Any
        | Attributes::ReadWrite
        | Attributes::ReadOnly
        | Attributes::Primary
        | Attributes::Standby
        | Attributes::PreferStandby => return known(session.version),
    };
    Err(Error::Unreachable {
        place: session.endpoint.to_string(),
        reason: format!("{reason}, which target_session_attrs asks for"),
    })
}

fn known(version: u32) -> Result<(), Error> {
    if (session::VERSION_MIN..session::VERSION_END).contains(&version) {
        return Ok(());
    }
    Err(Error::Version {
        found: session::version_text(version),
    })
}

/// In an order of chance.
fn shuffle(order: &mut [&Endpoint]) {
    for last in (1..order.len()).rev() {
        // Without chance they stay in the order in which they are written.
        let octets: [u8; 8] = random::octets().unwrap_or_default();
        let chosen = usize::try_from(u64::from_le_bytes(octets) % (last as u64 + 1)).unwrap_or(last);
        order.swap(chosen, last);
    }
}
