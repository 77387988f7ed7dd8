//! What a connection depends on beside its text: the environment, the home and the user of the process, as values.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// Variables of libpq and what they stand for.
pub(super) const VARIABLES: [(&str, &str); 26] = [
    ("PGAPPNAME", "application_name"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGDATABASE", "dbname"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGOPTIONS", "options"),
    ("PGPASSFILE", "passfile"),
    ("PGPASSWORD", "password"),
    ("PGPORT", "port"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGREQUIREPEER", "requirepeer"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLCRLDIR", "sslcrldir"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLSNI", "sslsni"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGUSER", "user"),
];

/// What a connection depends on beside its text. `Debug` prints names of variables only.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: BTreeMap<String, Zeroizing<String>>,
    home: Option<PathBuf>,
    pub(super) user: String,
}

impl Surroundings {
    /// From the environment of the process, and the name of the user that it runs as.
    pub fn new<'a>(environment: impl Iterator<Item = (&'a OsString, &'a OsString)>, user: &str) -> Self {
        let mut surroundings = Self {
            user: user.to_owned(),
            ..Self::default()
        };
        for (name, value) in environment {
            if name == OsStr::new("HOME") && !value.is_empty() {
                surroundings.home = Some(PathBuf::from(value));
            }
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
                && name.starts_with("PG")
            {
                let value = Zeroizing::new(value.to_owned());
                surroundings.variables.insert(name.to_owned(), value);
            }
        }
        surroundings
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|value| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn at_home(&self, path: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(path))
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.variables.keys().collect();
        out.debug_struct("Surroundings")
            .field("variables", &names)
            .field("home", &self.home)
            .field("user", &self.user)
            .finish()
    }
}

/// The name of the user with this number, as `/etc/passwd` or else `fallback` has it.
#[must_use]
pub fn user_name(uid: u32, fallback: Option<&str>) -> String {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of_uid = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    of_uid
        .or_else(|| fallback.map(str::to_owned))
        .unwrap_or_else(|| uid.to_string())
}
