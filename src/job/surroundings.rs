//! What the environment says of database servers, for those who connect to one.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::base::secret::SecretText;
use crate::config::environment::Environment;
use crate::server::mysql::options;
use crate::server::postgres::Surroundings;
use crate::server::postgres::user_name;

/// What connections to PostgreSQL depend on beside their text.
#[must_use]
pub fn postgres(environment: &Environment) -> Surroundings {
    let uid = rustix::process::geteuid().as_raw();
    let fallback = environment.get("USER").and_then(OsStr::to_str);
    Surroundings::new(environment.all(), &user_name(uid, fallback))
}

/// What the environment says of MySQL and MariaDB servers.
#[must_use]
pub fn mysql(environment: &Environment) -> options::Surroundings {
    let text = |name: &str| environment.get(name).map(|value| value.to_string_lossy().into_owned());
    options::Surroundings {
        host: text("MYSQL_HOST"),
        port: text("MYSQL_TCP_PORT"),
        socket: text("MYSQL_UNIX_PORT"),
        password: text("MYSQL_PWD").map(SecretText::new),
        user: text("USER").or_else(|| text("LOGNAME")),
        home: environment.get("HOME").map(PathBuf::from),
    }
}
