//! One server of a connection: its host, address and port, and the password for it.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;

use super::error::Error;
use super::files;
use super::files::Wanted;
use super::parameters::Parameters;
use super::surroundings::Surroundings;
use super::values::value;
use crate::base::secret::SecretText;

/// Where sockets are, by distribution: Debian and Red Hat, then everybody else.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// One server that may be asked.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// A host name, an address, or the folder of a socket.
    pub host: String,
    /// The address that stands for the host name.
    pub address: Option<IpAddr>,
    /// The port, also of a socket.
    pub port: u16,
    pub(super) password: Option<SecretText>,
    /// Why there is no password.
    pub(super) note: String,
}

impl Endpoint {
    /// Whether it is reached by a Unix socket.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.address.is_none() && self.host.starts_with('/')
    }

    /// The password, for a child that connects by itself.
    #[must_use]
    pub fn password(&self) -> Option<&SecretText> {
        self.password.as_ref()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_local() {
            write!(out, "{}/.s.PGSQL.{}", self.host, self.port)
        } else if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

/// The servers that are named, in their order, without passwords.
pub(super) fn endpoints(all: &Parameters) -> Result<Vec<Endpoint>, Error> {
    let split = |name| {
        all.get(name)
            .map(|text| text.split(',').map(str::trim).collect::<Vec<_>>())
    };
    let hosts = split("host").unwrap_or_default();
    let addresses = split("hostaddr").unwrap_or_default();
    let ports = split("port").unwrap_or_default();
    let count = hosts.len().max(addresses.len()).max(1);
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(value("hostaddr", "does not name as many servers as host"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(value("port", "does not name as many ports as there are hosts"));
    }
    let mut endpoints = Vec::new();
    for number in 0..count {
        let port = match ports.get(number).or(ports.first()).copied().unwrap_or_default() {
            "" => 5432,
            text => text
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| value("port", "is no port number"))?,
        };
        let address = addresses.get(number).filter(|text| !text.is_empty());
        let address = address.map(|text| text.parse()).transpose();
        let address: Option<IpAddr> = address.map_err(|_| value("hostaddr", "is no IP address"))?;
        let host = match (hosts.get(number).copied().unwrap_or_default(), address) {
            ("", Some(address)) => address.to_string(),
            ("", None) => socket_folder(port),
            (host, _) => host.to_owned(),
        };
        if host.starts_with('@') {
            return Err(value("host", "names an abstract socket, which is not supported"));
        }
        endpoints.push(Endpoint {
            host,
            address,
            port,
            password: None,
            note: String::new(),
        });
    }
    Ok(endpoints)
}

/// The folder in which a server listens on this port; the usual one when none does.
fn socket_folder(port: u16) -> String {
    let is_there = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    let folder = SOCKET_FOLDERS.iter().find(is_there).unwrap_or(&SOCKET_FOLDERS[0]);
    (*folder).to_owned()
}

/// Gives an endpoint the password that is written for it, or that the password file has for it.
pub(super) fn find_password(
    endpoint: &mut Endpoint,
    all: &Parameters,
    around: &Surroundings,
    user: &str,
    database: &str,
) {
    if let Some(password) = all.get("password") {
        endpoint.password = Some(SecretText::new(password.to_owned()));
        return;
    }
    let Some(path) = all
        .get("passfile")
        .map(PathBuf::from)
        .or_else(|| around.at_home(".pgpass"))
    else {
        return;
    };
    // A socket in one of the usual folders is `localhost` there, as in libpq.
    let is_usual = SOCKET_FOLDERS.contains(&endpoint.host.as_str());
    let wanted = Wanted {
        host: if is_usual { "localhost" } else { &endpoint.host },
        port: endpoint.port,
        database,
        user,
    };
    let found = files::password(&path, &wanted);
    (endpoint.password, endpoint.note) = (found.password, found.note);
}
