//! What is written behind `mysql:` or `mariadb:`: a URI or words `key=value`, as parameters by name.
//!
//! ```text
//! mysql://backup@db.example:3306/shop?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/ssl/db.pem
//! mysql://backup@db.example/?exclude-databases=scratch     all databases but the system's and one
//! mysql://backup@db.example/?databases=shop,stock
//! mysql:socket=/run/mysqld/mysqld.sock user=backup dbname=shop
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use super::error::Error;
use crate::base::secret::SecretText;

/// The parameters that say how to reach a server; also read from option files.
pub(super) const REACH: [&str; 13] = [
    "host",
    "port",
    "socket",
    "user",
    "password-file",
    "database",
    "protocol",
    "ssl-mode",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "get-server-public-key",
    "connect-timeout",
];

/// The parameters that only a source or target has.
const OWN: [&str; 7] = [
    "defaults-file",
    "no-defaults",
    "databases",
    "exclude-databases",
    "exclude-tables",
    "lock-tables",
    "rename",
];

/// Parameters by their name. `Debug` and `Display` show no password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// `mysql` or `mariadb`, as written.
    scheme: String,
    values: BTreeMap<String, String>,
    password: Option<SecretText>,
}

impl Parameters {
    /// Reads what stands behind the colon of `scheme:`.
    ///
    /// # Errors
    /// When it is neither a URI nor words `key=value`, or names a parameter that there is not. What was written is not repeated, for
    /// a password may be in it.
    pub fn parse(scheme: &str, text: &str) -> Result<Self, Error> {
        let mut parameters = Self {
            scheme: scheme.to_owned(),
            ..Self::default()
        };
        match text.strip_prefix("//") {
            Some(rest) => parameters.read_uri(rest)?,
            None => parameters.read_words(text)?,
        }
        Ok(parameters)
    }

    /// A parameter by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The names in a parameter that is a list with commas.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let names = self.get(name).unwrap_or_default().split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a parameter that is a switch is on.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(is_true)
    }

    /// The password that was written.
    #[must_use]
    pub fn password(&self) -> Option<&SecretText> {
        self.password.as_ref()
    }

    /// Takes every value of `other` that is not there yet.
    pub(super) fn fill_from(&mut self, other: Self) {
        // A file that is named here holds the password, whatever the other says.
        if self.password.is_none() && self.get("password-file").is_none() {
            self.password = other.password;
        }
        for (name, value) in other.values {
            let _kept = self.values.entry(name).or_insert(value);
        }
    }

    /// Sets what option files and URIs name alike; gives whether the name is known.
    pub(super) fn set(&mut self, name: &str, value: &str) -> bool {
        let name = name.to_ascii_lowercase().replace('_', "-");
        let set = match name.as_str() {
            "password" | "passwd" | "pass" => {
                self.password = Some(SecretText::new(value.to_owned()));
                return true;
            }
            "dbname" | "db" => "database",
            "unix-socket" => "socket",
            "sslmode" => "ssl-mode",
            "sslrootcert" => "ssl-ca",
            "ssl" => return self.set("ssl-mode", if is_true(value) { "REQUIRED" } else { "DISABLED" }),
            "skip-ssl" => return self.set("ssl-mode", "DISABLED"),
            "ssl-verify-server-cert" => {
                return !is_true(value) || self.set("ssl-mode", "VERIFY_IDENTITY");
            }
            other => other,
        };
        let known = REACH.contains(&set);
        if known {
            self.values.insert(set.to_owned(), value.to_owned());
        }
        known
    }

    fn set_own(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let plain = name.to_ascii_lowercase().replace('_', "-");
        if OWN.contains(&plain.as_str()) {
            self.values.insert(plain, value.to_owned());
            Ok(())
        } else if self.set(name, value) {
            Ok(())
        } else {
            Err(bad(&format!("there is no parameter {plain:?}")))
        }
    }

    fn read_uri(&mut self, text: &str) -> Result<(), Error> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        // A password may hold an '@' that nobody encoded: the last one ends it.
        let (account, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = account
            .split_once(':')
            .map_or((account, None), |(user, word)| (user, Some(word)));
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(|| bad("a '[' has no ']'"))?;
                (host, rest.strip_prefix(':'))
            }
            None => address
                .split_once(':')
                .map_or((address, None), |(host, port)| (host, Some(port))),
        };
        let parts = [
            ("host", host),
            ("port", port.unwrap_or_default()),
            ("user", user),
            ("database", database),
        ];
        for (name, value) in parts {
            if !value.is_empty() {
                self.values.insert(name.to_owned(), decode(value)?);
            }
        }
        if let Some(password) = password {
            self.password = Some(SecretText::new(decode(password)?));
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "1"));
            self.set_own(&decode(name)?, &decode(value)?)?;
        }
        Ok(())
    }

    fn read_words(&mut self, text: &str) -> Result<(), Error> {
        let words = shlex::split(text).ok_or_else(|| bad("a quote is not closed"))?;
        if words.is_empty() {
            return Err(bad("nothing says where the server is"));
        }
        for word in words {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| bad("a word is not of the form key=value"))?;
            self.set_own(name, value)?;
        }
        Ok(())
    }
}

/// What option files take for true.
fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "on" | "true" | "yes" | "")
}

fn bad(what: &str) -> Error {
    Error::Options {
        what: format!("the address of a MySQL or MariaDB server is not usable: {what}"),
        hint:
            "Write mysql://USER@HOST:3306/DATABASE, or mysql:socket=/run/mysqld/mysqld.sock user=USER dbname=DATABASE. \
               Put the password into an option file or a password-file."
                .into(),
    }
}

/// Undoes percent encoding.
fn decode(text: &str) -> Result<String, Error> {
    let broken = || bad("a '%' is not followed by two hexadecimal digits of UTF-8");
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        if *first == b'%' {
            let digits = behind.get(..2).ok_or_else(broken)?;
            out.extend(hex::decode(digits).map_err(|_| broken())?);
            rest = &behind[2..];
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(out).map_err(|_| broken())
}

/// What stands for itself in user, host and database, and in the value of a parameter.
const PART: &[u8] = b"-._~";
const VALUE: &[u8] = b"-._~/,";

/// Encodes what would end a part of a URI; `plain` are the signs that would not, beside letters and digits.
fn encode(text: &str, plain: &[u8]) -> String {
    let mut out = String::new();
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || plain.contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _infallible = write!(out, "%{octet:02X}");
        }
    }
    out
}

impl fmt::Display for Parameters {
    /// A URI that means the same, without the password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://", self.scheme)?;
        if let Some(user) = self.get("user") {
            write!(out, "{}@", encode(user, PART))?;
        }
        let host = self.get("host").unwrap_or_default();
        if host.contains(':') {
            write!(out, "[{host}]")?;
        } else {
            out.write_str(&encode(host, PART))?;
        }
        if let Some(port) = self.get("port") {
            write!(out, ":{}", encode(port, PART))?;
        }
        write!(out, "/{}", encode(self.get("database").unwrap_or_default(), PART))?;
        let rest = self.values.iter();
        let rest = rest.filter(|(name, _)| !["user", "host", "port", "database"].contains(&name.as_str()));
        for (number, (name, value)) in rest.enumerate() {
            let sign = if number == 0 { '?' } else { '&' };
            write!(out, "{sign}{name}={}", encode(value, VALUE))?;
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
    use super::Parameters;

    fn read(text: &str) -> Parameters {
        let (scheme, rest) = text.split_once(':').expect("a scheme");
        Parameters::parse(scheme, rest).expect("parameters")
    }

    #[test]
    fn both_forms_say_the_same() {
        let uri = read("mysql://ba%2Fckup:s%40cret@[::1]:3307/shop?ssl_mode=VERIFY_CA&ssl-ca=/a%20b");
        assert_eq!(uri.get("user"), Some("ba/ckup"));
        assert_eq!(uri.get("host"), Some("::1"));
        assert_eq!(uri.get("port"), Some("3307"));
        assert_eq!(uri.get("database"), Some("shop"));
        assert_eq!(uri.get("ssl-ca"), Some("/a b"));
        let words = read(
            "mysql:user=ba/ckup password='s@cret' host=::1 port=3307 dbname=shop ssl-mode=VERIFY_CA 'ssl-ca=/a b'",
        );
        assert_eq!(uri, words);
        assert_eq!(
            words.to_string(),
            "mysql://ba%2Fckup@[::1]:3307/shop?ssl-ca=/a%20b&ssl-mode=VERIFY_CA"
        );
        assert!(!format!("{words:?}").contains("cret"));
    }

    #[test]
    fn what_is_not_understood_is_refused_and_not_repeated() {
        for text in [
            "",
            "secret",
            "//h/?nonsense=secret",
            "//a%ZZsecret",
            "user=u 'secret",
            "//[::1secret",
        ] {
            let error = Parameters::parse("mysql", text).expect_err(text);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
