//! What is written to name a server: a URI `postgres://…` or the keywords of libpq, `postgres:host=… dbname=…`.
//!
//! Secrets are taken and never shown. Errors name parameters, not their values: a password that was not encoded could stand in any of them.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::bad_parameters::BadParameters;
use super::encoding::decode;
use super::encoding::encode;
use super::encoding::read_value;

/// Parameters that are used.
const KNOWN: [&str; 32] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "options",
    "passfile",
    "password",
    "port",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
    "gssencmode",
];

/// Parameters of libpq that change nothing here.
const IGNORED: [&str; 5] = [
    "client_encoding",
    "max_protocol_version",
    "min_protocol_version",
    "sslcompression",
    "sslcertmode",
];

/// Parameters of libpq that ask for what this program cannot do; leaving them out silently would make the connection weaker than asked.
const UNSUPPORTED: [&str; 12] = [
    "gssdelegation",
    "gsslib",
    "krbsrvname",
    "oauth_client_id",
    "oauth_issuer",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "sslcrldir",
    "sslkeylogfile",
    "scram_client_key",
];

/// Values that are never shown.
const SECRET: [&str; 2] = ["password", "sslpassword"];

/// The parameters of a connection as they are written. `Debug` and `Display` leave secrets out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    values: BTreeMap<String, Zeroizing<String>>,
    own: Vec<(String, String)>,
}

impl Parameters {
    /// Reads what follows `postgres:`: `//user@host/db?sslmode=…` or `host=… dbname=…`. `own` names further parameters, which may be given
    /// more than once and are no business of the connection.
    ///
    /// # Errors
    /// See [`BadParameters`].
    pub fn parse(text: &str, own: &[&str]) -> Result<Self, BadParameters> {
        if text.contains('\0') {
            return Err(BadParameters::Nul);
        }
        let mut parameters = Self::default();
        match text.strip_prefix("//") {
            Some(rest) => parameters.read_uri(rest, own)?,
            None => parameters.read_keywords(text, own)?,
        }
        Ok(parameters)
    }

    /// The value of a parameter of libpq; an empty one is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(|value| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Whether a password is among them.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        SECRET.iter().any(|name| self.get(name).is_some())
    }

    /// Every value of a parameter that is not libpq's, in the order in which they are written.
    pub fn own<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.own.iter().filter(move |(own, _)| own == name);
        pairs.map(|(_, value)| value.as_str())
    }

    fn read_uri(&mut self, rest: &str, own: &[&str]) -> Result<(), BadParameters> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        if database.contains('@') {
            return Err(BadParameters::At { part: "database" });
        }
        let (login, hosts) = match authority.split_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        if hosts.contains('@') {
            return Err(BadParameters::At { part: "host" });
        }
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            self.put("user", decode(user, "user")?);
            self.put("password", decode(password, "password")?);
        }
        self.read_hosts(hosts)?;
        self.put("dbname", decode(database, "database")?);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(BadParameters::NoEquals)?;
            let name = decode(name, "query")?;
            let value = decode(value, "query")?;
            self.add(&name, value, own, true)?;
        }
        Ok(())
    }

    fn read_hosts(&mut self, hosts: &str) -> Result<(), BadParameters> {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((address, rest)) => (address, rest.strip_prefix(':').unwrap_or(rest)),
                None => host.split_once(':').unwrap_or((host, "")),
            };
            names.push(decode(name, "host")?.to_string());
            ports.push(decode(port, "port")?.to_string());
        }
        self.put("host", Zeroizing::new(names.join(",")));
        if ports.iter().any(|port| !port.is_empty()) {
            self.put("port", Zeroizing::new(ports.join(",")));
        }
        Ok(())
    }

    fn read_keywords(&mut self, text: &str, own: &[&str]) -> Result<(), BadParameters> {
        let mut letters = text.chars().peekable();
        loop {
            while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
            if letters.peek().is_none() {
                return Ok(());
            }
            let mut name = String::new();
            while let Some(letter) = letters.next_if(|letter| *letter != '=' && !letter.is_whitespace()) {
                name.push(letter);
            }
            while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
            if letters.next() != Some('=') {
                return Err(BadParameters::NoEquals);
            }
            while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
            let value = read_value(&mut letters)?;
            // What follows an unquoted password with a space in it is a piece of the password.
            let is_safe = !self.values.contains_key("password");
            self.add(&name, value, own, is_safe)?;
        }
    }

    fn add(&mut self, name: &str, value: Zeroizing<String>, own: &[&str], may_show: bool) -> Result<(), BadParameters> {
        if own.contains(&name) {
            self.own.push((name.to_owned(), value.to_string()));
        } else if name == "ssl" && value.as_str() == "true" {
            // What JDBC writes.
            self.put("sslmode", Zeroizing::new("require".into()));
        } else if KNOWN.contains(&name) {
            self.put(name, value);
        } else if UNSUPPORTED.contains(&name) {
            let name = name.to_owned();
            return Err(BadParameters::Unsupported { name });
        } else if !IGNORED.contains(&name) {
            let name = if may_show { format!(" {name}") } else { String::new() };
            return Err(BadParameters::Unknown { name });
        }
        Ok(())
    }

    fn put(&mut self, name: &str, value: Zeroizing<String>) {
        if !value.is_empty() {
            self.values.insert(name.to_owned(), value);
        }
    }

    /// Parameters of a service file: for what is not given yet.
    pub(super) fn fill(&mut self, name: &str, value: &str) -> Result<(), BadParameters> {
        if self.get(name).is_some() {
            return Ok(());
        }
        self.add(name, Zeroizing::new(value.to_owned()), &[], true)
    }
}

impl fmt::Display for Parameters {
    /// As a URI behind `postgres:`, without secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("//")?;
        if let Some(user) = self.get("user") {
            write!(out, "{}@", encode(user).replace('/', "%2F"))?;
        }
        let hosts: Vec<&str> = self.get("host").unwrap_or_default().split(',').collect();
        let ports: Vec<&str> = self.get("port").unwrap_or_default().split(',').collect();
        for (number, host) in hosts.iter().enumerate() {
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                encode(host).replace('/', "%2F")
            };
            let port = ports.get(number).or(ports.first()).copied().unwrap_or_default();
            let colon = if port.is_empty() { "" } else { ":" };
            write!(
                out,
                "{}{host}{colon}{}",
                if number > 0 { "," } else { "" },
                encode(port)
            )?;
        }
        if let Some(database) = self.get("dbname") {
            write!(out, "/{}", encode(database).replace('/', "%2F"))?;
        }
        let is_place = |name: &str| ["user", "host", "port", "dbname"].contains(&name);
        let shown = self
            .values
            .iter()
            .filter(|(name, _)| !is_place(name) && !SECRET.contains(&name.as_str()));
        let shown = shown.map(|(name, value)| (name, value.as_str()));
        let own = self.own.iter().map(|(name, value)| (name, value.as_str()));
        for (number, (name, value)) in shown.chain(own).enumerate() {
            write!(out, "{}{name}={}", if number == 0 { "?" } else { "&" }, encode(value))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Parameters({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parameters {
        Parameters::parse(text, &["schema"]).expect(text)
    }

    #[test]
    fn uris_are_libpq_s() {
        let parameters =
            parse("//us%40er:p%2Fw@one:5433,[::1]:5434,two/my%20db?sslmode=verify-full&schema=a&schema=b%2A");
        assert_eq!(parameters.get("user"), Some("us@er"));
        assert_eq!(parameters.get("password"), Some("p/w"));
        assert_eq!(parameters.get("host"), Some("one,::1,two"));
        assert_eq!(parameters.get("port"), Some("5433,5434,"));
        assert_eq!(parameters.get("dbname"), Some("my db"));
        assert_eq!(parameters.own("schema").collect::<Vec<_>>(), ["a", "b*"]);
        assert_eq!(parse("//").get("host"), None);
        assert_eq!(parse("//%2Frun%2Fpg/x").get("host"), Some("/run/pg"));
        assert_eq!(parse("///x?host=/run/pg&ssl=true").get("sslmode"), Some("require"));
    }

    #[test]
    fn keywords_are_libpq_s() {
        let parameters = parse(r"host = h  dbname='a b\'c' password=p\ w user=''");
        assert_eq!(parameters.get("dbname"), Some("a b'c"));
        assert_eq!(parameters.get("password"), Some("p w"));
        assert_eq!(parameters.get("user"), None);
    }

    #[test]
    fn what_is_wrong_is_said_without_values() {
        for (text, error) in [
            ("//u:needle@x@h/db", BadParameters::At { part: "host" }),
            ("//u:12/needle@h/db", BadParameters::At { part: "database" }),
            ("//u:needle%@h/db", BadParameters::Encoding { part: "password" }),
            ("//h/db?needle", BadParameters::NoEquals),
            ("password=a needle", BadParameters::NoEquals),
            ("password='needle", BadParameters::OpenQuote),
            ("password=a needle=b", BadParameters::Unknown { name: String::new() }),
            ("hots=a", BadParameters::Unknown { name: " hots".into() }),
            (
                "requirepeer=a",
                BadParameters::Unsupported {
                    name: "requirepeer".into(),
                },
            ),
        ] {
            let found = Parameters::parse(text, &[]).expect_err(text);
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("needle"));
        }
    }

    #[test]
    fn shown_without_secrets_and_read_again() {
        let text = "//u%3A:needle@h:1,%2Frun/d%3Fb?sslpassword=needle&sslmode=require&schema=a%26b";
        let parameters = parse(text);
        let shown = parameters.to_string();
        assert!(!format!("{shown}{parameters:?}").contains("needle"), "{shown}");
        let again = parse(&shown);
        assert_eq!(again.to_string(), shown);
        assert_eq!(again.get("dbname"), Some("d?b"));
        assert_eq!(again.own("schema").next(), Some("a&b"));
    }
}
