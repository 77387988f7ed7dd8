//! A connection, complete: what is written, then the service, then the environment, then the defaults, as in libpq.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::endpoint::Endpoint;
use super::endpoint::endpoints;
use super::endpoint::find_password;
use super::error::Error;
use super::files;
use super::parameters::Parameters;
use super::surroundings::Surroundings;
use super::surroundings::VARIABLES;
use super::tls::Tls;
use super::values::choice;
use super::values::value;
use crate::base::limits;

const SERVICE_FOLDER: &str = "/etc/postgresql-common";

/// What the session must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attributes {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// Everything that is needed to connect. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Conninfo {
    /// The servers, in the order in which they are tried.
    pub endpoints: Vec<Endpoint>,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    pub(super) tls: Tls,
    pub(super) attributes: Attributes,
    pub(super) is_shuffled: bool,
    pub(super) connect_timeout: Duration,
    pub(super) keepalives: Keepalives,
    pub(super) channel_binding: tokio_postgres::config::ChannelBinding,
    pub(super) application_name: String,
    pub(super) options: Option<String>,
    /// Parameters that a child of libpq takes as they are, by variable.
    pub(super) variables: Vec<(&'static str, String)>,
}

/// How a dead peer is noticed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keepalives {
    pub(super) is_on: bool,
    pub(super) idle: Duration,
    pub(super) interval: Duration,
    pub(super) count: u32,
    pub(super) user_timeout: Option<Duration>,
}

impl Conninfo {
    /// Completes `parameters` by what surrounds them.
    ///
    /// # Errors
    /// When a value, a file that is named, or the service is wrong.
    pub fn new(parameters: &Parameters, surroundings: &Surroundings) -> Result<Self, Error> {
        let all = complete(parameters.clone(), surroundings)?;
        let user = all.get("user").unwrap_or(&surroundings.user).to_owned();
        let database = all.get("dbname").unwrap_or(&user).to_owned();
        let mut endpoints = endpoints(&all)?;
        for endpoint in &mut endpoints {
            find_password(endpoint, &all, surroundings, &user, &database);
        }
        let home = surroundings.at_home(".postgresql");
        if all.get("gssencmode") == Some("require") {
            return Err(value("gssencmode", "asks for GSSAPI, which is not supported"));
        }
        Ok(Self {
            tls: Tls::new(&all, home.as_deref())?,
            attributes: attributes(&all)?,
            is_shuffled: choice(&all, "load_balance_hosts", &["disable", "random"])? == 1,
            connect_timeout: seconds(&all, "connect_timeout")?
                .unwrap_or(Duration::from_secs(limits::DATABASE_CONNECT_SECONDS)),
            keepalives: keepalives(&all)?,
            channel_binding: channel_binding(&all)?,
            application_name: ["application_name", "fallback_application_name"]
                .iter()
                .find_map(|name| all.get(name))
                .unwrap_or("hub-backup")
                .to_owned(),
            options: all.get("options").map(str::to_owned),
            variables: for_children(&all),
            endpoints,
            user,
            database,
        })
    }

    /// The environment of a program that connects to `endpoint` by libpq, without its password: for that there is a file.
    #[must_use]
    pub fn environment(&self, endpoint: &Endpoint) -> Vec<(&'static str, String)> {
        let mut variables = self.variables.clone();
        variables.extend(self.tls.environment());
        variables.extend([
            ("PGHOST", endpoint.host.clone()),
            ("PGPORT", endpoint.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
            ("PGAPPNAME", self.application_name.clone()),
            ("PGCONNECT_TIMEOUT", self.connect_timeout.as_secs().max(2).to_string()),
        ]);
        variables.extend(endpoint.address.map(|address| ("PGHOSTADDR", address.to_string())));
        variables
    }

    /// The line of a password file that gives the password of `endpoint` to whatever asks.
    #[must_use]
    pub fn password_line(&self, endpoint: &Endpoint) -> Option<Zeroizing<String>> {
        let password = endpoint.password.as_ref()?.expose();
        let mut line = Zeroizing::new(String::with_capacity(2 * password.len() + 16));
        line.push_str("*:*:*:*:");
        for letter in password.chars() {
            if letter == ':' || letter == '\\' {
                line.push('\\');
            }
            line.push(letter);
        }
        line.push('\n');
        Some(line)
    }
}

/// What is written, then the service, then the environment.
fn complete(mut all: Parameters, surroundings: &Surroundings) -> Result<Parameters, Error> {
    let service = all
        .get("service")
        .or(surroundings.variable("PGSERVICE"))
        .map(str::to_owned);
    if let Some(name) = service {
        for (keyword, value) in find_service(&name, &all, surroundings)? {
            all.fill(&keyword, &value)?;
        }
    }
    for (variable, name) in VARIABLES {
        if let Some(value) = surroundings.variable(variable) {
            all.fill(name, value)?;
        }
    }
    Ok(all)
}

fn find_service(
    name: &str,
    all: &Parameters,
    surroundings: &Surroundings,
) -> Result<Vec<(String, Zeroizing<String>)>, Error> {
    let own = all.get("servicefile").or(surroundings.variable("PGSERVICEFILE"));
    let own = own
        .map(PathBuf::from)
        .or_else(|| surroundings.at_home(".pg_service.conf"));
    let folder = surroundings.variable("PGSYSCONFDIR").unwrap_or(SERVICE_FOLDER);
    let places: Vec<PathBuf> = own
        .into_iter()
        .chain([Path::new(folder).join("pg_service.conf")])
        .collect();
    for path in &places {
        if let Some(found) = files::service(path, name)? {
            return Ok(found);
        }
    }
    Err(Error::File {
        path: places[0].clone(),
        what: format!("it has no service {name:?}"),
        hint: "Write [NAME] and lines KEYWORD=VALUE there, or set PGSERVICEFILE.".into(),
    })
}

fn attributes(all: &Parameters) -> Result<Attributes, Error> {
    const WORDS: [&str; 6] = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"];
    Ok(match choice(all, "target_session_attrs", &WORDS)? {
        1 => Attributes::ReadWrite,
        2 => Attributes::ReadOnly,
        3 => Attributes::Primary,
        4 => Attributes::Standby,
        5 => Attributes::PreferStandby,
        _ => Attributes::Any,
    })
}

fn channel_binding(all: &Parameters) -> Result<tokio_postgres::config::ChannelBinding, Error> {
    use tokio_postgres::config::ChannelBinding;
    Ok(
        match choice(all, "channel_binding", &["prefer", "disable", "require"])? {
            1 => ChannelBinding::Disable,
            2 => ChannelBinding::Require,
            _ => ChannelBinding::Prefer,
        },
    )
}

fn number(all: &Parameters, name: &'static str) -> Result<Option<u64>, Error> {
    let Some(text) = all.get(name) else { return Ok(None) };
    // A negative number means the default in libpq, as zero does.
    let number: i64 = text.trim().parse().map_err(|_| value(name, "is no whole number"))?;
    Ok(u64::try_from(number).ok().filter(|number| *number > 0))
}

fn seconds(all: &Parameters, name: &'static str) -> Result<Option<Duration>, Error> {
    Ok(number(all, name)?.map(Duration::from_secs))
}

fn keepalives(all: &Parameters) -> Result<Keepalives, Error> {
    let count = number(all, "keepalives_count")?.and_then(|count| u32::try_from(count).ok());
    Ok(Keepalives {
        is_on: all.get("keepalives") != Some("0"),
        idle: seconds(all, "keepalives_idle")?.unwrap_or(Duration::from_secs(limits::DATABASE_KEEPALIVE_SECONDS)),
        interval: seconds(all, "keepalives_interval")?
            .unwrap_or(Duration::from_secs(limits::DATABASE_KEEPALIVE_SECONDS)),
        count: count.unwrap_or(limits::DATABASE_KEEPALIVES_MAX),
        user_timeout: number(all, "tcp_user_timeout")?.map(Duration::from_millis),
    })
}

fn for_children(all: &Parameters) -> Vec<(&'static str, String)> {
    let mut variables = Vec::new();
    for (variable, name) in [
        ("PGOPTIONS", "options"),
        ("PGCHANNELBINDING", "channel_binding"),
        ("PGGSSENCMODE", "gssencmode"),
    ] {
        variables.extend(all.get(name).map(|value| (variable, value.to_owned())));
    }
    variables
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn around(pairs: &[(&str, &str)]) -> Surroundings {
        let pairs: Vec<(OsString, OsString)> = pairs.iter().map(|(n, v)| (n.into(), v.into())).collect();
        Surroundings::new(pairs.iter().map(|(name, value)| (name, value)), "me")
    }

    fn conninfo(text: &str, pairs: &[(&str, &str)]) -> Result<Conninfo, Error> {
        Conninfo::new(&Parameters::parse(text, &[]).expect(text), &around(pairs))
    }

    #[test]
    fn what_is_written_counts_more_than_the_environment() {
        let variables = [
            ("PGHOST", "other"),
            ("PGPORT", "6000"),
            ("PGUSER", "her"),
            ("PGPASSWORD", "needle"),
        ];
        let found = conninfo("//one,two/", &variables).expect("complete");
        assert_eq!(found.endpoints.len(), 2);
        assert_eq!(found.endpoints[1].to_string(), "two:6000");
        assert_eq!((found.user.as_str(), found.database.as_str()), ("her", "her"));
        assert_eq!(found.endpoints[0].password().expect("one").expose(), "needle");
        assert!(!format!("{found:?}").contains("needle"));
        let child = found.environment(&found.endpoints[0]);
        assert!(child.iter().all(|(_, value)| !value.contains("needle")));
    }

    #[test]
    fn defaults_are_those_of_libpq() {
        let found = conninfo("//", &[]).expect("complete");
        assert_eq!((found.user.as_str(), found.database.as_str()), ("me", "me"));
        assert!(found.endpoints[0].is_local());
        assert_eq!(found.endpoints[0].port, 5432);
    }

    #[test]
    fn services_and_password_files() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let write = |name: &str, text: &str, mode| {
            crate::base::durable::write_new(&folder.path().join(name), text.as_bytes(), mode).expect("a file");
        };
        write(
            "services",
            "# c\n[a]\nhost=h\n\n[b]\nhost=hb\nport=7\ndbname=d b\n[c]\nhost=c\n",
            0o644,
        );
        write("pass", "hb:7:d b:me:pw\n", 0o600);
        let found = conninfo(
            "service=b port=8",
            &[("PGSERVICEFILE", &path("services")), ("PGPASSFILE", &path("pass"))],
        )
        .expect("a service");
        assert_eq!(found.endpoints[0].to_string(), "hb:8");
        assert_eq!(found.database, "d b");
        assert!(found.endpoints[0].password().is_none(), "another port");
        let text = format!("//hb:7/d%20b?passfile={}", path("pass"));
        let found = conninfo(&text, &[]).expect("complete");
        assert_eq!(found.endpoints[0].password().expect("found").expose(), "pw");
        std::fs::set_permissions(folder.path().join("pass"), std::fs::Permissions::from_mode(0o640)).expect("own");
        let found = conninfo(&text, &[]).expect("complete");
        assert!(found.endpoints[0].password().is_none());
        assert!(
            found.endpoints[0].note.contains("others may read it"),
            "{}",
            found.endpoints[0].note
        );
        let error = conninfo("service=x", &[("PGSERVICEFILE", &path("services"))]).expect_err("no such service");
        assert!(error.to_string().contains("no service \"x\""), "{error}");
    }

    #[test]
    fn wrong_values_are_named() {
        for (text, name) in [
            ("port=x", "port"),
            ("host=a,b hostaddr=1.2.3.4", "hostaddr"),
            ("host=a,b,c port=1,2", "port"),
            ("sslmode=on", "sslmode"),
            ("connect_timeout=soon", "connect_timeout"),
            ("target_session_attrs=best", "target_session_attrs"),
        ] {
            let error = conninfo(text, &[]).expect_err(text).to_string();
            assert!(error.contains(name), "{error}");
        }
        let error = conninfo("//", &[("PGREQUIREPEER", "x")])
            .expect_err("not supported")
            .to_string();
        assert!(error.contains("requirepeer"), "{error}");
    }
}
