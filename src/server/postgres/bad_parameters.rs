//! What can be wrong with the text that names a server. Errors name parameters, not their values.

use crate::base::fault::Fault;
use crate::base::fault::Kind;

/// The text does not describe a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParameters {
    /// `%` without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the {part} of the URI is not well encoded")]
    Encoding {
        /// Where.
        part: &'static str,
    },
    /// `@` where it can only be a piece of a password that was not encoded.
    #[error("the {part} of the URI holds an '@'")]
    At {
        /// Where.
        part: &'static str,
    },
    /// A word without `=`.
    #[error("a word of the connection text has no '=' after it")]
    NoEquals,
    /// A quoted value without its end.
    #[error("a value of the connection text has a quotation mark without its partner")]
    OpenQuote,
    /// A keyword that libpq does not know either.
    #[error("the connection text holds an unknown parameter{name}")]
    Unknown {
        /// Its name, if no password can be in it, after a space.
        name: String,
    },
    /// Something that this program cannot do.
    #[error("the connection parameter {name} is not supported")]
    Unsupported {
        /// Its name.
        name: String,
    },
    /// Something that must not be there.
    #[error("the connection text holds a NUL character")]
    Nul,
}

impl Fault for BadParameters {
    fn kind(&self) -> Kind {
        match self {
            Self::Encoding { .. }
            | Self::At { .. }
            | Self::NoEquals
            | Self::OpenQuote
            | Self::Unknown { .. }
            | Self::Unsupported { .. }
            | Self::Nul => Kind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Encoding { .. } | Self::At { .. } => {
                "Encode what is special in user, password and names: @ is %40, / is %2F, : is %3A, % is %25. \
                 Better leave the password out, and put it into ~/.pgpass."
            }
            Self::NoEquals | Self::OpenQuote | Self::Nul => {
                "Write postgres://USER@HOST/DATABASE, or postgres:host=HOST dbname=DATABASE with '…' around values that hold spaces."
            }
            Self::Unknown { .. } => "The parameters are those of libpq, such as host, port, dbname, user, sslmode.",
            Self::Unsupported { .. } => "Leave it out if the connection is good enough without it.",
        };
        Some(hint.to_owned())
    }
}
