//! TLS as the modes of the stock clients define it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::CertificateError;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::DigitallySignedStruct;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::crypto::verify_tls12_signature;
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::pki_types::pem::PemObject as _;

use super::error::Error;
use super::options::Tls;
use super::options::TlsMode;

/// A client for one connection to `host`.
///
/// # Errors
/// When a file cannot be read or holds nothing usable.
pub(super) fn client(tls: &Tls, host: &str, server: &str) -> Result<ClientConnection, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(tls, &provider, server)?;
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(server, error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => config
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|error| bad(server, format!("the client certificate is not usable: {error}")))?,
        (None, None) => config.with_no_client_auth(),
        (Some(_), None) | (None, Some(_)) => {
            return Err(Error::Options {
                what: "ssl-cert and ssl-key belong together".into(),
                hint: "Give both or neither.".into(),
            });
        }
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| bad(server, "the name of the host cannot stand in a certificate".into()))?;
    ClientConnection::new(Arc::new(config), name).map_err(|error| bad(server, error.to_string()))
}

/// Says that the handshake failed, and why.
pub(super) fn bad(server: &str, reason: String) -> Error {
    Error::Tls {
        server: server.to_owned(),
        reason,
        hint: "Name the authority that signed the server's certificate with ssl-ca=FILE, and see that the certificate names this host.".into(),
    }
}

fn verifier(tls: &Tls, provider: &Arc<CryptoProvider>, server: &str) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if !tls.mode.verifies() {
        return Ok(Arc::new(Lenient {
            chain: None,
            provider: Arc::clone(provider),
        }));
    }
    let mut roots = RootCertStore::empty();
    if let Some(path) = &tls.ca {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| bad(server, error.to_string()))?;
        }
    } else {
        let (_added, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| bad(server, error.to_string()))?;
    if tls.mode == TlsMode::VerifyIdentity {
        return Ok(chain);
    }
    Ok(Arc::new(Lenient {
        chain: Some(chain),
        provider: Arc::clone(provider),
    }))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File {
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

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = zeroize::Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| no_pem(path, "private key"))
}

/// `REQUIRED` looks at no chain, `VERIFY_CA` at the chain but not at the name.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The chain and its times are checked before the name is.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
