//! TLS as the modes of the stock clients define it, in the terms of the library.

use std::io;
use std::path::Path;

use mysql_async::ClientIdentity;
use mysql_async::IoError;
use mysql_async::SslOpts;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::base::input;
use crate::base::limits;

use super::error::Error;
use super::options::Tls;
use super::options::TlsMode;

/// To leave the name of a certificate out of account, the library looks for the first of these words in the text of the error, where
/// rustls writes the name that was expected, and the word no more. So the expected name is made to hold it.
const ANY_NAME: &str = "NotValidForName.invalid";

/// What the library is told for a connection.
///
/// # Errors
/// When a file cannot be read or holds nothing usable.
pub(super) fn options(tls: &Tls, server: &str) -> Result<SslOpts, Error> {
    let options = SslOpts::default().with_client_identity(identity(tls)?);
    match tls.mode {
        TlsMode::Disabled | TlsMode::Preferred | TlsMode::Required => {
            Ok(options.with_danger_accept_invalid_certs(true))
        }
        TlsMode::VerifyIdentity => trusting(options, tls, server),
        TlsMode::VerifyCa => Ok(trusting(options, tls, server)?
            .with_danger_skip_domain_validation(true)
            .with_danger_tls_hostname_override(Some(ANY_NAME))),
    }
}

/// Trusts the authorities that are named, or else those of the system, and no others.
fn trusting(options: SslOpts, tls: &Tls, server: &str) -> Result<SslOpts, Error> {
    let mut usable = RootCertStore::empty();
    let roots = if let Some(path) = &tls.ca {
        let roots = certificates(path)?;
        for root in &roots {
            usable
                .add(root.clone())
                .map_err(|error| bad(server, error.to_string()))?;
        }
        roots
    } else {
        let mut roots = rustls_native_certs::load_native_certs().certs;
        roots.retain(|root| usable.add(root.clone()).is_ok());
        roots
    };
    if usable.is_empty() {
        return Err(bad(server, "the system names no authority".into()));
    }
    let roots = roots.into_iter().map(|root| root.to_vec().into()).collect();
    Ok(options.with_disable_built_in_roots(true).with_root_certs(roots))
}

/// Our own certificate and its key, looked at here for the sake of the message.
fn identity(tls: &Tls) -> Result<Option<ClientIdentity>, Error> {
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let _usable = certificates(certificate)?;
            let octets = Zeroizing::new(read(key)?);
            let _usable = PrivateKeyDer::from_pem_slice(&octets).map_err(|_| no_pem(key, "private key"))?;
            Ok(Some(ClientIdentity::new(
                certificate.clone().into(),
                key.clone().into(),
            )))
        }
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(Error::Options {
            what: "ssl-cert and ssl-key belong together".into(),
            hint: "Give both or neither.".into(),
        }),
    }
}

/// Says that the handshake failed, and why.
pub(super) fn bad(server: &str, reason: String) -> Error {
    Error::Tls {
        server: server.to_owned(),
        reason,
        hint: "Name the authority that signed the server's certificate with ssl-ca=FILE, and see that the certificate names this host.".into(),
    }
}

/// Why TLS failed, where it is TLS that failed.
pub(super) fn reason(error: &mysql_async::Error) -> Option<String> {
    let mysql_async::Error::Io(error) = error else {
        return None;
    };
    match error {
        IoError::Tls(error) => Some(error.to_string()),
        IoError::Io(error) => {
            let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
            Some(inner.to_string())
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    input::read(path, limits::KEY_FILE_BYTES_MAX).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

fn no_pem(path: &Path, what: &str) -> Error {
    Error::File {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, format!("it holds no {what} in PEM form")),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(path)?;
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match list {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) | Err(_) => Err(no_pem(path, "certificate")),
    }
}
