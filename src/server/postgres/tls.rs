//! Encryption: the modes of libpq on rustls.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::InconsistentKeys;
use rustls::RootCertStore;
use rustls::SupportedProtocolVersion;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use rustls::sign::SingleCertAndKey;
use tokio_postgres::config::SslNegotiation;
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use crate::base::input;
use crate::base::limits;

use super::error::Error;
use super::parameters::Parameters;
use super::values::choice;
use super::values::value;
use super::verifier::Check;
use super::verifier::Verifier;

/// How safe the connection has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Roots {
    None,
    System,
    File(PathBuf),
}

/// What is asked of the encryption of a connection.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    pub(super) negotiation: SslNegotiation,
    roots: Roots,
    revoked: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
    versions: (usize, usize),
    sends_name: bool,
}

const VERSIONS: [&str; 4] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

impl Tls {
    /// `home` is `~/.postgresql`.
    pub(super) fn new(all: &Parameters, home: Option<&Path>) -> Result<Self, Error> {
        let usual = |name: &str| home.map(|home| home.join(name)).filter(|path| path.exists());
        let roots = match all.get("sslrootcert") {
            Some("system") => Roots::System,
            Some(path) => Roots::File(path.into()),
            None => usual("root.crt").map_or(Roots::None, Roots::File),
        };
        let mode = mode(all, &roots)?;
        let certificate = all
            .get("sslcert")
            .map(PathBuf::from)
            .or_else(|| usual("postgresql.crt"));
        let key = all.get("sslkey").map(PathBuf::from).or_else(|| usual("postgresql.key"));
        let certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) if all.get("sslcert").is_some() => {
                return Err(value("sslcert", "is given without sslkey"));
            }
            _ => None,
        };
        if all.get("sslpassword").is_some() {
            return Err(value(
                "sslpassword",
                "is not supported: give a key file that is not locked, for its owner alone",
            ));
        }
        let versions = version(all, "ssl_min_protocol_version", 2)?..=version(all, "ssl_max_protocol_version", 3)?;
        if versions.is_empty() || *versions.end() < 2 {
            return Err(value(
                "ssl_max_protocol_version",
                "leaves no version of TLS; 1.2 and 1.3 are spoken",
            ));
        }
        let negotiation = match choice(all, "sslnegotiation", &["postgres", "direct"])? {
            0 => SslNegotiation::Postgres,
            _ => SslNegotiation::Direct,
        };
        Ok(Self {
            mode,
            negotiation,
            roots,
            revoked: all.get("sslcrl").map(PathBuf::from).or_else(|| usual("root.crl")),
            certificate,
            versions: (*versions.start(), *versions.end()),
            sends_name: all.get("sslsni") != Some("0"),
        })
    }

    /// What makes a connection; `place` is for errors.
    pub(super) fn connector(&self, place: &str) -> Result<MakeRustlsConnect, Error> {
        let provider = Arc::new(ring::default_provider());
        let versions = self.protocol_versions();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder
            .with_protocol_versions(&versions)
            .map_err(|error| tls(place, &error.to_string(), "Allow TLS 1.2 or 1.3."))?;
        let verifier = self.verifier(&provider, place)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.certificate {
            Some((certificate, key)) => {
                let (chain, key) = (certificates(certificate)?, private_key(key)?);
                builder.with_client_cert_resolver(Arc::new(own_certificate(&provider, chain, key, place)?))
            }
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = self.sends_name;
        if self.negotiation == SslNegotiation::Direct {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(MakeRustlsConnect::new(config))
    }

    fn protocol_versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let known: [(usize, &SupportedProtocolVersion); 2] =
            [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
        let (least, most) = self.versions;
        let fitting = known.into_iter().filter(|(number, _)| (least..=most).contains(number));
        fitting.map(|(_, version)| version).collect()
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>, place: &str) -> Result<Arc<Verifier>, Error> {
        let check = match self.mode {
            Mode::VerifyFull => Check::Name,
            Mode::VerifyCa => Check::Chain,
            // A root that is named, or lies where libpq looks, is used: as in libpq.
            Mode::Require if self.roots != Roots::None => Check::Chain,
            Mode::Disable | Mode::Allow | Mode::Prefer | Mode::Require => Check::Nothing,
        };
        let mut verifier = Verifier {
            provider: Arc::clone(provider),
            check,
            roots: Vec::new(),
            chain: None,
        };
        if check != Check::Nothing {
            verifier.roots = self.trusted(place)?;
            verifier.chain = Some(self.chain_verifier(provider, &verifier.roots, place)?);
        }
        Ok(Arc::new(verifier))
    }

    fn trusted(&self, place: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
        match &self.roots {
            Roots::File(path) => certificates(path),
            Roots::System => {
                let found = rustls_native_certs::load_native_certs();
                if found.certs.is_empty() {
                    return Err(tls(
                        place,
                        "the system has no trusted certificates",
                        "Install ca-certificates.",
                    ));
                }
                Ok(found.certs)
            }
            Roots::None => Err(tls(
                place,
                "sslmode asks to verify the server, and no root certificate is given",
                "Put the certificate of its authority into ~/.postgresql/root.crt, or give sslrootcert=FILE or sslrootcert=system.",
            )),
        }
    }

    fn chain_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        roots: &[CertificateDer<'static>],
        place: &str,
    ) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(roots.iter().cloned());
        let unusable = |what: &str| tls(place, what, "Give a file with certificates in PEM form as sslrootcert.");
        if added == 0 {
            return Err(unusable("none of the root certificates can be used"));
        }
        let mut builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
        if let Some(path) = &self.revoked {
            builder = builder.with_crls(revocations(path)?).allow_unknown_revocation_status();
        }
        builder.build().map_err(|error| unusable(&error.to_string()))
    }

    /// The same for a child that uses libpq.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let mode = match self.mode {
            Mode::Disable => "disable",
            Mode::Allow => "allow",
            Mode::Prefer => "prefer",
            Mode::Require => "require",
            Mode::VerifyCa => "verify-ca",
            Mode::VerifyFull => "verify-full",
        };
        let mut variables = vec![
            ("PGSSLMODE", mode.to_owned()),
            ("PGSSLSNI", u8::from(self.sends_name).to_string()),
            ("PGSSLMINPROTOCOLVERSION", VERSIONS[self.versions.0].to_owned()),
            ("PGSSLMAXPROTOCOLVERSION", VERSIONS[self.versions.1].to_owned()),
        ];
        match &self.roots {
            Roots::None => {}
            Roots::System => variables.push(("PGSSLROOTCERT", "system".into())),
            Roots::File(path) => variables.push(("PGSSLROOTCERT", shown(path))),
        }
        variables.extend(self.revoked.as_ref().map(|path| ("PGSSLCRL", shown(path))));
        if let Some((certificate, key)) = &self.certificate {
            variables.extend([("PGSSLCERT", shown(certificate)), ("PGSSLKEY", shown(key))]);
        }
        if self.negotiation == SslNegotiation::Direct {
            variables.push(("PGSSLNEGOTIATION", "direct".into()));
        }
        variables
    }
}

fn mode(all: &Parameters, roots: &Roots) -> Result<Mode, Error> {
    const WORDS: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    const MODES: [Mode; 6] = [
        Mode::Disable,
        Mode::Allow,
        Mode::Prefer,
        Mode::Require,
        Mode::VerifyCa,
        Mode::VerifyFull,
    ];
    let is_system = *roots == Roots::System;
    if all.get("sslmode").is_none() {
        return Ok(if is_system { Mode::VerifyFull } else { Mode::Prefer });
    }
    let mode = MODES[choice(all, "sslmode", &WORDS)?];
    if is_system && mode != Mode::VerifyFull {
        return Err(value("sslmode", "must be verify-full with sslrootcert=system"));
    }
    Ok(mode)
}

fn version(all: &Parameters, name: &'static str, default: usize) -> Result<usize, Error> {
    let Some(text) = all.get(name) else { return Ok(default) };
    let place = VERSIONS.iter().position(|word| word.eq_ignore_ascii_case(text));
    place.ok_or_else(|| value(name, "must be one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"))
}

fn tls(place: &str, reason: &str, hint: &str) -> Error {
    Error::Tls {
        place: place.to_owned(),
        reason: reason.to_owned(),
        hint: hint.to_owned(),
    }
}

fn unusable(path: &Path, what: String, hint: &str) -> Error {
    Error::File {
        path: path.to_owned(),
        what,
        hint: hint.to_owned(),
    }
}

/// What the client shows. rustls would refuse certificates of X.509 version 1 here, which many authorities of their own give and every server
/// takes; whether the key fits such a certificate, the server says.
fn own_certificate(
    provider: &CryptoProvider,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    place: &str,
) -> Result<SingleCertAndKey, Error> {
    let unfit = |error: &rustls::Error| tls(place, &error.to_string(), "sslkey must be the key of sslcert.");
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| unfit(&error))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(error @ rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(unfit(&error)),
        Ok(()) | Err(_) => Ok(SingleCertAndKey::from(certified)),
    }
}

fn read(path: &Path, bytes_max: u64, hint: &'static str) -> Result<Vec<u8>, Error> {
    input::read(path, bytes_max).map_err(|error| {
        let hint = input::hint(&error).unwrap_or(hint);
        unusable(path, error.to_string(), hint)
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let hint = "It must hold certificates in PEM form.";
    let text = read(path, limits::KEY_FILE_BYTES_MAX, hint)?;
    match CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>() {
        Ok(found) if found.is_empty() => Err(unusable(path, "it holds no certificate".into(), hint)),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(path, error.to_string(), hint)),
    }
}

fn revocations(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    let hint = "It must hold revocation lists in PEM form.";
    let text = read(path, limits::REVOCATIONS_BYTES_MAX, hint)?;
    let lists = CertificateRevocationListDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    lists.map_err(|error| unusable(path, error.to_string(), hint))
}

/// What the file of a locked key holds before the key.
const LOCKED: &[u8] = b"ENCRYPTED";

/// As libpq: a key is for its owner alone, or belongs to root and is for its group too.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let metadata =
        fs::metadata(path).map_err(|error| unusable(path, error.to_string(), "It must hold the key of sslcert."))?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        let what = format!("others may read this key (mode {:o})", metadata.mode() & 0o7777);
        return Err(unusable(path, what, "Make it its owner's alone: chmod 0600."));
    }
    let text = input::read(path, limits::KEY_FILE_BYTES_MAX).map(Zeroizing::new);
    let text = text.map_err(|error| unusable(path, error.to_string(), "It must hold the key of sslcert."))?;
    // Both forms say so in their first lines: `BEGIN ENCRYPTED PRIVATE KEY`, and `Proc-Type: 4,ENCRYPTED`.
    if text.windows(LOCKED.len()).any(|word| word == LOCKED) {
        let hint =
            "Give a key that is not locked, in a file for its owner alone: openssl pkey -in LOCKED -out KEY makes one.";
        return Err(unusable(path, "this key is locked by a passphrase".to_owned(), hint));
    }
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| unusable(path, error.to_string(), "It must hold a key in PEM form."))
}
