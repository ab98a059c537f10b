//! Encryption of connections, with libpq's meanings of `sslmode`.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// How much a connection must be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// `disable`.
    Plain,
    /// `allow` and `prefer`.
    IfOffered,
    /// `require`.
    Encrypted,
    /// `verify-ca`.
    KnownAuthority,
    /// `verify-full`.
    KnownHost,
}

/// Who vouches for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// The certificates in a PEM file.
    File(PathBuf),
    /// Those that the system trusts.
    System,
}

/// How the connections to one database are encrypted.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    trust: Trust,
    roots: Option<Roots>,
    config: Arc<ClientConfig>,
}

impl Trust {
    pub(super) fn read(mode: &str) -> Result<Self, String> {
        Ok(match mode {
            "disable" => Self::Plain,
            "allow" | "prefer" => Self::IfOffered,
            "require" => Self::Encrypted,
            "verify-ca" => Self::KnownAuthority,
            "verify-full" => Self::KnownHost,
            _ => {
                return Err(
                    "has an sslmode that is none of disable, allow, prefer, require, verify-ca, verify-full"
                        .to_owned(),
                );
            }
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "disable",
            Self::IfOffered => "prefer",
            Self::Encrypted => "require",
            Self::KnownAuthority => "verify-ca",
            Self::KnownHost => "verify-full",
        }
    }
}

impl Tls {
    /// Reads the roots. As in libpq, `require` with roots at hand verifies the authority, and verifying without any is an error.
    pub(super) fn new(trust: Trust, roots: Option<Roots>) -> Result<Self, String> {
        let trust = match (trust, &roots) {
            (Trust::Encrypted, Some(Roots::File(_))) => Trust::KnownAuthority,
            (trust, Some(Roots::System)) if trust != Trust::KnownHost => {
                return Err("has sslrootcert=system, which wants sslmode=verify-full".to_owned());
            }
            (trust, _) => trust,
        };
        let verifies = matches!(trust, Trust::KnownAuthority | Trust::KnownHost);
        let inner = match &roots {
            Some(roots) if verifies => Some(verifier(read_roots(roots)?)?),
            None if verifies => {
                return Err(format!(
                    "has sslmode={} and no root certificate: name one with sslrootcert (a provider shows its own in its dashboard)",
                    trust.name()
                ));
            }
            _ => None,
        };
        let checks_name = trust == Trust::KnownHost;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|cause| format!("cannot be used with TLS: {cause}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { inner, checks_name }))
            .with_no_client_auth();
        Ok(Self {
            trust,
            roots,
            config: Arc::new(config),
        })
    }

    pub(super) fn trust(&self) -> Trust {
        self.trust
    }

    /// The same for rustls.
    pub(super) fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    /// The same for libpq.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("PGSSLMODE", self.trust.name().to_owned())];
        variables.extend(self.roots.as_ref().map(|roots| match roots {
            Roots::File(file) => ("PGSSLROOTCERT", file.display().to_string()),
            Roots::System => ("PGSSLROOTCERT", "system".to_owned()),
        }));
        variables
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, String> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|cause| format!("has root certificates that cannot be used: {cause}"))
}

fn read_roots(roots: &Roots) -> Result<RootCertStore, String> {
    let certificates = match roots {
        Roots::File(file) => read_pem(file)?,
        Roots::System => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err("names root certificates, and none could be read".to_owned());
    }
    Ok(store)
}

fn read_pem(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|cause| {
            format!(
                "names the root certificate {}, which cannot be read: {cause}",
                file.display()
            )
        })
}

/// Verifies what the mode asks for: nothing, the authority, or the authority and the host's name.
#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    checks_name: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(inner) = &self.inner else {
            return Ok(ServerCertVerified::assertion());
        };
        match inner.verify_server_cert(certificate, intermediates, host, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
