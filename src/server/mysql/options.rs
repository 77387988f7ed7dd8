//! How a server is reached: parameters over option files over the environment, checked.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Error;
use super::option_files;
use super::parameters::Parameters;
use crate::base::input;
use crate::base::limits;
use crate::base::secret::SecretText;

/// The port of MySQL and MariaDB.
const PORT: u16 = 3306;
/// Where servers put their socket: Debian and Ubuntu, Red Hat, built from source.
const SOCKETS: [&str; 4] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How TLS is used: the modes of MySQL's clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Disabled,
    /// Where the server has it, whoever the server is.
    Preferred,
    /// Always, whoever the server is.
    Required,
    /// Always, with a certificate that a known authority signed.
    VerifyCa,
    /// As `VerifyCa`, and the certificate names the host.
    VerifyIdentity,
}

impl TlsMode {
    /// Whether the certificate is looked at.
    #[must_use]
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyIdentity)
    }

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().replace('-', "_").as_str() {
            "DISABLED" | "DISABLE" => Some(Self::Disabled),
            "PREFERRED" | "PREFER" => Some(Self::Preferred),
            "REQUIRED" | "REQUIRE" => Some(Self::Required),
            "VERIFY_CA" => Some(Self::VerifyCa),
            "VERIFY_IDENTITY" | "VERIFY_FULL" => Some(Self::VerifyIdentity),
            _ => None,
        }
    }
}

/// TLS, and the files it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// How it is used.
    pub mode: TlsMode,
    /// The authorities that are trusted; those of the system when none is named.
    pub ca: Option<PathBuf>,
    /// Our own certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// Everything that a connection needs. `Debug` shows no password.
#[derive(Clone)]
pub struct Options {
    /// The host, for TCP.
    pub host: Option<String>,
    /// The port, for TCP.
    pub port: Option<u16>,
    /// The Unix socket; then host and port mean nothing.
    pub socket: Option<PathBuf>,
    /// The account.
    pub user: String,
    /// Its password.
    pub password: Option<SecretText>,
    /// The database that a session begins in.
    pub database: Option<String>,
    /// TLS over TCP.
    pub tls: Tls,
    /// Whether a password may go out under a public key that the server sends along, over TCP without TLS.
    pub get_server_public_key: bool,
    /// How long a connection may take, login included.
    pub connect_timeout: Duration,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub enum Place<'o> {
    /// A Unix socket.
    Socket(&'o Path),
    /// Host and port.
    Tcp(&'o str, u16),
}

/// What the environment says: the variables of the stock clients, taken as values.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `MYSQL_HOST`.
    pub host: Option<String>,
    /// `MYSQL_TCP_PORT`.
    pub port: Option<String>,
    /// `MYSQL_UNIX_PORT`.
    pub socket: Option<String>,
    /// `MYSQL_PWD`.
    pub password: Option<SecretText>,
    /// The name of the user who runs this.
    pub user: Option<String>,
    /// The folder of `.my.cnf`.
    pub home: Option<PathBuf>,
}

impl Options {
    /// Brings together what was written, what option files say in `groups` (beside `[client]` and `[hub-backup]`), and the environment.
    ///
    /// # Errors
    /// When a value is not usable, or an option file is unreadable or readable by too many.
    pub fn resolve(written: &Parameters, surroundings: &Surroundings, groups: &[&str]) -> Result<Self, Error> {
        let mut all = written.clone();
        if !written.is_on("no-defaults") {
            let named = written.get("defaults-file").map(Path::new);
            all.fill_from(option_files::read(named, surroundings.home.as_deref(), groups)?);
        }
        let user = all.get("user").map(str::to_owned).or_else(|| surroundings.user.clone());
        let user = user.ok_or_else(|| unfit("no user is named", "Write mysql://USER@HOST/DATABASE."))?;
        let host = all.get("host").map(str::to_owned).or_else(|| surroundings.host.clone());
        let port = parse_port(all.get("port"))?;
        let protocol = all.get("protocol").unwrap_or_default().to_ascii_lowercase();
        let socket = choose_socket(&all, surroundings, host.as_deref(), port.is_some(), &protocol);
        let password = match (all.password(), all.get("password-file")) {
            (Some(password), _) => Some(password.clone()),
            (None, Some(path)) => Some(read_password(Path::new(path))?),
            (None, None) => surroundings.password.clone(),
        };
        let path = |name| all.get(name).map(PathBuf::from);
        Ok(Self {
            host: Some(
                host.filter(|host| !host.is_empty())
                    .unwrap_or_else(|| "localhost".into()),
            ),
            port: match port {
                Some(port) => Some(port),
                None => parse_port(surroundings.port.as_deref())?,
            },
            socket,
            user,
            password,
            database: all.get("database").map(str::to_owned),
            tls: Tls {
                mode: parse_mode(all.get("ssl-mode"), all.get("ssl-ca").is_some())?,
                ca: path("ssl-ca"),
                certificate: path("ssl-cert"),
                key: path("ssl-key"),
            },
            get_server_public_key: all.is_on("get-server-public-key"),
            connect_timeout: parse_timeout(all.get("connect-timeout"))?,
        })
    }

    /// Where the server listens.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        match &self.socket {
            Some(path) => Place::Socket(path),
            None => Place::Tcp(self.host.as_deref().unwrap_or("localhost"), self.port.unwrap_or(PORT)),
        }
    }

    /// The server, for messages.
    #[must_use]
    pub fn server(&self) -> String {
        match self.place() {
            Place::Socket(path) => path.display().to_string(),
            Place::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp(host, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Options")
            .field("server", &self.server())
            .field("user", &self.user)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

fn unfit(what: impl Into<String>, hint: &str) -> Error {
    Error::Options {
        what: what.into(),
        hint: hint.into(),
    }
}

fn parse_port(text: Option<&str>) -> Result<Option<u16>, Error> {
    // 0 is what option files write for "the default".
    let port = text.map(str::parse::<u16>).transpose();
    let port = port.map_err(|_| {
        unfit(
            "the port of the server is not a number",
            "Write a port between 1 and 65535.",
        )
    })?;
    Ok(port.filter(|port| *port != 0))
}

/// As the stock clients do: `localhost` means the socket, unless a port or TCP is asked for.
fn choose_socket(
    all: &Parameters,
    surroundings: &Surroundings,
    host: Option<&str>,
    has_port: bool,
    protocol: &str,
) -> Option<PathBuf> {
    let is_local = host.is_none_or(|host| host.is_empty() || host == "localhost");
    let wants_tcp = protocol == "tcp" || (has_port && protocol != "socket");
    if !is_local || (wants_tcp && all.get("socket").is_none()) || protocol == "tcp" {
        return None;
    }
    let named = all.get("socket").or(surroundings.socket.as_deref());
    named
        .map(PathBuf::from)
        .or_else(|| SOCKETS.iter().map(PathBuf::from).find(|path| path.exists()))
}

fn parse_mode(text: Option<&str>, has_ca: bool) -> Result<TlsMode, Error> {
    match text {
        Some(text) => TlsMode::parse(text).ok_or_else(|| {
            unfit(
                format!("{text:?} is not an ssl-mode"),
                "Write DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY.",
            )
        }),
        // Who names an authority wants it asked.
        None if has_ca => Ok(TlsMode::VerifyCa),
        None => Ok(TlsMode::Preferred),
    }
}

fn parse_timeout(text: Option<&str>) -> Result<Duration, Error> {
    let Some(text) = text else {
        return Ok(CONNECT_TIMEOUT);
    };
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        Ok(_) | Err(_) => Err(unfit(
            "connect-timeout is not a number of seconds between 1 and 3600",
            "Write connect-timeout=15.",
        )),
    }
}

/// A password in a file of its own, which only its owner may read.
fn read_password(path: &Path) -> Result<SecretText, Error> {
    let unreadable = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(unfit(
            format!(
                "the password file {} can be read by others than its owner",
                path.display()
            ),
            "Run chmod 600 on it.",
        ));
    }
    if metadata.len() > limits::PASSPHRASE_BYTES_MAX as u64 {
        return Err(unfit(
            format!("{} is too large for a password", path.display()),
            "Name the right file.",
        ));
    }
    let bytes = input::read(path, limits::PASSPHRASE_BYTES_MAX as u64).map_err(unreadable)?;
    let not_text = |_| unfit(format!("{} is not UTF-8", path.display()), "Name the right file.");
    let text = SecretText::new(String::from_utf8(bytes).map_err(not_text)?);
    let line = text.expose().lines().next().unwrap_or_default().to_owned();
    Ok(SecretText::new(line))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::parameters::Parameters;
    use super::Options;
    use super::Surroundings;
    use super::TlsMode;
    use crate::base::secret::SecretText;

    fn resolve(text: &str, surroundings: &Surroundings) -> Options {
        let (scheme, rest) = text.split_once(':').expect("a scheme");
        let parameters = Parameters::parse(scheme, rest).expect("parameters");
        Options::resolve(&parameters, surroundings, &[]).expect("options")
    }

    #[test]
    fn the_environment_fills_what_is_not_written() {
        let surroundings = Surroundings {
            host: Some("db.example".into()),
            port: Some("3310".into()),
            password: Some(SecretText::new("needle".into())),
            user: Some("ops".into()),
            ..Surroundings::default()
        };
        let options = resolve("mysql:///shop?no-defaults", &surroundings);
        assert_eq!(options.server(), "db.example:3310");
        assert_eq!(
            (options.user.as_str(), options.database.as_deref()),
            ("ops", Some("shop"))
        );
        assert_eq!(options.tls.mode, TlsMode::Preferred);
        assert!(!format!("{options:?}").contains("needle"));
        let options = resolve("mysql://u:p@h:1/?no-defaults&ssl-ca=/ca.pem", &surroundings);
        assert_eq!(options.server(), "h:1");
        assert_eq!(options.password, Some(SecretText::new("p".into())));
        assert_eq!(options.tls.mode, TlsMode::VerifyCa);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn a_password_file_that_is_written_goes_before_the_option_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("room");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("own file");
            path.display().to_string()
        };
        let cnf = own(".my.cnf", "[client]\npassword=of-the-options\n");
        let file = own("password", "of-the-file\n");
        let home = Surroundings {
            home: Some(folder.path().to_owned()),
            ..Surroundings::default()
        };
        let password = |text: &str| resolve(text, &home).password.expect("one").expose().to_owned();
        assert_eq!(password(&format!("mysql://u@h/?password-file={file}")), "of-the-file");
        assert_eq!(
            password(&format!("mysql://u@h/?defaults-file={cnf}&password-file={file}")),
            "of-the-file"
        );
        assert_eq!(password("mysql://u:written@h/"), "written");
        assert_eq!(password("mysql://u@h/"), "of-the-options");
    }

    #[test]
    fn localhost_means_the_socket_unless_a_port_is_named() {
        let surroundings = Surroundings {
            socket: Some("/s".into()),
            ..Surroundings::default()
        };
        assert_eq!(
            resolve("mysql://u@localhost/?no-defaults", &surroundings).server(),
            "/s"
        );
        assert_eq!(
            resolve("mysql://u@localhost:3306/?no-defaults", &surroundings).server(),
            "localhost:3306"
        );
        assert_eq!(
            resolve("mysql://u@127.0.0.1/?no-defaults", &surroundings).server(),
            "127.0.0.1:3306"
        );
        assert_eq!(
            resolve("mysql:socket=/t user=u no-defaults=1", &surroundings).server(),
            "/t"
        );
    }
}
