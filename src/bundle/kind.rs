//! The kinds of sources and of keys, and the words that stand for them in stored formats, in JSON and in settings.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $kind:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$of])* $kind,)+
            /// One that this version does not know. It can be told of, and that is all.
            Other(String),
        }

        impl $name {
            /// The word for it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$kind => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$kind,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl From<$name> for String {
            fn from(kind: $name) -> Self {
                kind.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }
    };
}

kinds!(
    /// The kind of a source.
    SourceKind {
        /// A SQLite database file.
        Sqlite = "sqlite",
        /// Databases of a MySQL or MariaDB server.
        Mysql = "mysql",
        /// A PostgreSQL database.
        Postgres = "postgres",
        /// A file or folder, as it is.
        Files = "files",
        /// A file or folder of settings, searched for secrets.
        Config = "config",
        /// What a program writes to its standard output.
        Command = "command",
    }
);

kinds!(
    /// The kind of a key.
    KeyKind {
        /// An OpenPGP certificate.
        OpenPgp = "openpgp",
        /// An age recipient.
        Age = "age",
        /// A passphrase.
        Passphrase = "passphrase",
    }
);

#[cfg(test)]
mod tests {
    use super::KeyKind;
    use super::SourceKind;

    #[test]
    fn every_word_is_kept_as_it_is() {
        for word in ["sqlite", "mysql", "postgres", "files", "config", "command"] {
            let kind = SourceKind::from(word.to_owned());
            assert!(!matches!(kind, SourceKind::Other(_)), "{word}");
            assert_eq!(serde_json::to_string(&kind).expect("text"), format!("{word:?}"));
        }
        for word in ["openpgp", "age", "passphrase"] {
            let kind: KeyKind = serde_json::from_str(&format!("{word:?}")).expect("a kind");
            assert!(!matches!(kind, KeyKind::Other(_)), "{word}");
            assert_eq!(kind.to_string(), word);
        }
        let unknown = SourceKind::from("tape".to_owned());
        assert_eq!(unknown, SourceKind::Other("tape".to_owned()));
        assert_eq!(String::from(unknown), "tape");
    }
}
