//! The login: which way to the server, with or without TLS, and what an account may be asked for.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::DriverError;
use mysql_async::Opts;
use mysql_async::OptsBuilder;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::Error;
use super::options::Options;
use super::options::Place;
use super::options::TlsMode;
use super::tls;

/// After how long a silence the system asks whether the peer lives.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// The largest packet that any server takes or sends.
const PACKET_MAX: usize = 1 << 30;
/// No statement is prepared, and so none kept.
const STATEMENTS_KEPT: usize = 0;
/// No greeting is longer.
const GREETING_MAX: usize = 1 << 10;

/// A connection that is logged in.
pub(super) struct Login {
    pub(super) conn: Conn,
    pub(super) is_tls: bool,
}

/// Connects and logs in, within the time that the options give.
pub(super) async fn login(options: &Options) -> Result<Login, Error> {
    let most = options.connect_timeout;
    let done = timeout(most, attempt(options)).await;
    done.unwrap_or_else(|_| {
        Err(Error::Connect {
            server: options.server(),
            reason: format!("no answer within {} seconds", most.as_secs()),
        })
    })
}

async fn attempt(options: &Options) -> Result<Login, Error> {
    let Place::Tcp(host, port) = options.place() else {
        return open(options, common(options).enable_cleartext_plugin(true), false).await;
    };
    let common = common(options).ip_or_hostname(host).tcp_port(port);
    if options.tls.mode == TlsMode::Disabled {
        return plain(options, common, host, port).await;
    }
    let secure = common
        .clone()
        .ssl_opts(tls::options(&options.tls, &options.server())?)
        // A password in clear goes to a server that has proved who it is, and to no other.
        .enable_cleartext_plugin(options.tls.mode.verifies());
    match open(options, secure, true).await {
        Err(Error::NoTls { .. }) if options.tls.mode == TlsMode::Preferred => plain(options, common, host, port).await,
        other => other,
    }
}

fn common(options: &Options) -> OptsBuilder {
    let place = match options.place() {
        Place::Socket(path) => path.to_str(),
        Place::Tcp(..) => None,
    };
    OptsBuilder::default()
        .socket(place)
        .user(Some(options.user.as_str()))
        .pass(options.password.as_ref().map(crate::base::secret::SecretText::expose))
        .db_name(options.database.as_deref())
        .tcp_keepalive(Some(KEEPALIVE))
        .tcp_nodelay(true)
        .prefer_socket(false)
        .max_allowed_packet(Some(PACKET_MAX))
        .wait_timeout(Some(0))
        .stmt_cache_size(STATEMENTS_KEPT)
        .secure_auth(true)
}

async fn open(options: &Options, opts: impl Into<Opts>, is_tls: bool) -> Result<Login, Error> {
    match Conn::new(opts.into()).await {
        Ok(conn) => Ok(Login { conn, is_tls }),
        Err(error) => Err(refusal(&options.server(), error)),
    }
}

/// Over TCP without TLS, for all to hear.
async fn plain(options: &Options, common: OptsBuilder, host: &str, port: u16) -> Result<Login, Error> {
    let has_password = options
        .password
        .as_ref()
        .is_some_and(|secret| !secret.expose().is_empty());
    if has_password && !options.get_server_public_key {
        refuse_public_key(options, host, port).await?;
    }
    open(options, common, false).await
}

/// Refuses a server that may answer a scramble by asking for the password under a public key that it sends along: nobody vouches for
/// that key, and the library cannot be kept from using it. The stock clients refuse when they are asked, we before.
async fn refuse_public_key(options: &Options, host: &str, port: u16) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Connect {
        server: options.server(),
        reason: error.to_string(),
    };
    let mut stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    let mut greeting = [0; GREETING_MAX];
    let mut read = 0;
    while read < 4
        || read
            < greeting
                .len()
                .min(4 + usize::from(greeting[0]) + (usize::from(greeting[1]) << 8))
    {
        match stream.read(&mut greeting[read..]).await.map_err(failed)? {
            0 => break,
            count => read += count,
        }
    }
    if !asks_for_password(&greeting[..read]) {
        return Ok(());
    }
    Err(Error::Login {
        server: options.server(),
        reason: "its accounts may need the password itself, and the connection is not encrypted".into(),
        hint: "Add ssl-mode=REQUIRED, or better ssl-mode=VERIFY_IDENTITY with ssl-ca=FILE, or use the Unix socket. On a network that \
               you trust, get-server-public-key=1 encrypts the password alone, under whatever key the server sends."
            .into(),
    })
}

/// Whether a greeting names a plugin that does so.
fn asks_for_password(greeting: &[u8]) -> bool {
    let is_named = |name: &[u8]| greeting.windows(name.len()).any(|window| window == name);
    is_named(b"caching_sha2_password") || is_named(b"sha256_password")
}

/// What the library reports of a login, in our words.
#[expect(clippy::wildcard_enum_match_arm, reason = "of the rest, what is general is said")]
fn refusal(server: &str, error: mysql_async::Error) -> Error {
    let server = server.to_owned();
    let login = |reason: String| Error::Login {
        server: server.clone(),
        reason,
        hint: "Make an account for backups that uses caching_sha2_password (MySQL) or mysql_native_password (MariaDB)."
            .into(),
    };
    if let Some(reason) = tls::reason(&error) {
        return tls::bad(&server, reason);
    }
    if let mysql_async::Error::Driver(error) = &error {
        match error {
            DriverError::NoClientSslFlagFromServer => return Error::NoTls { server },
            DriverError::UnknownAuthPlugin { name } => {
                return login(format!(
                    "the account uses the authentication {name:?}, which is not known here"
                ));
            }
            DriverError::MysqlOldPasswordDisabled => {
                return login("the account uses the authentication \"mysql_old_password\", which is broken".into());
            }
            DriverError::CleartextPluginDisabled => {
                return Error::Login {
                    server,
                    reason: "the server asks for the password in clear, and nothing proves that it is the right server"
                        .into(),
                    hint: "Add ssl-mode=VERIFY_IDENTITY with ssl-ca=FILE.".into(),
                };
            }
            _ => {}
        }
    }
    match Error::from(error) {
        Error::Lost(error) => Error::Connect {
            server,
            reason: error.to_string(),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::asks_for_password;

    #[test]
    fn greetings_say_whether_a_password_may_be_asked_for() {
        assert!(asks_for_password(b"\x4a\0\0\0\x0a9.7.4\0....caching_sha2_password\0"));
        assert!(!asks_for_password(
            b"\x4a\0\0\0\x0a5.5.5-10.11\0....mysql_native_password\0"
        ));
        assert!(!asks_for_password(b""));
    }
}
