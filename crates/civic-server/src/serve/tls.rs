//! TLS with rustls, and client certificates where they are asked for.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::stream::{Io, Version};

/// A server's certificate and key, and which clients it accepts.
///
/// TLS 1.2 and 1.3, with aws-lc. HTTP/2 is offered to clients that negotiate it. No provider of
/// cryptography is installed for the process.
#[derive(Clone)]
pub struct Tls {
    certificates: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    clients: Clients,
    acceptor: TlsAcceptor,
}

/// The certificate with which a client has proved who it is, in the extensions of its requests.
///
/// It was issued by one of the authorities that [`Tls::with_client_authorities`] names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate(Arc<[u8]>);

/// Why a certificate, a key or an authority cannot be used.
///
/// `Debug` is `Display` with the cause: it is what a `main` that returns the error prints.
pub struct InvalidTls {
    what: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Who may connect.
#[derive(Clone)]
enum Clients {
    All,
    Known(Arc<RootCertStore>),
}

// ===== impl Tls =====

impl Tls {
    /// Creates the identity of a server from PEM texts: its certificate, followed by those of the
    /// authorities in between, and its private key.
    ///
    /// # Errors
    ///
    /// Fails if a text has no certificate or no key, or if the key is not that of the certificate.
    /// The error never quotes them.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, InvalidTls> {
        let certificates = certificates_of(certificates, "the server's certificates")?;
        let key = PrivateKeyDer::from_pem_slice(key)
            // Not the source: what a parser says of a key may quote it.
            .map_err(|_| InvalidTls::new("the private key is not PEM with one key"))?;
        Self::new(certificates, Arc::new(key), Clients::All)
    }

    /// Accepts only clients with a certificate that one of these authorities, a PEM text, has
    /// issued. Others do not get beyond the handshake.
    ///
    /// Defaults to accepting every client.
    ///
    /// # Errors
    ///
    /// Fails if the text has no certificate, or one that cannot be an authority's.
    pub fn with_client_authorities(self, authorities: &[u8]) -> Result<Self, InvalidTls> {
        let mut roots = RootCertStore::empty();
        for authority in certificates_of(authorities, "the clients' authorities")? {
            roots
                .add(authority)
                .map_err(|error| InvalidTls::of("an authority cannot be used", error))?;
        }
        Self::new(self.certificates, self.key, Clients::Known(Arc::new(roots)))
    }

    fn new(
        certificates: Vec<CertificateDer<'static>>,
        key: Arc<PrivateKeyDer<'static>>,
        clients: Clients,
    ) -> Result<Self, InvalidTls> {
        // A provider of our own: another crate may have installed one for the process, or none.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| InvalidTls::of("no version of TLS is left", error))?;
        let builder = match &clients {
            Clients::All => builder.with_no_client_auth(),
            Clients::Known(roots) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider)
                        .build()
                        .map_err(|error| InvalidTls::of("the authorities cannot be used", error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(certificates.clone(), key.clone_key())
            .map_err(|error| InvalidTls::of("the certificate and the key do not fit", error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            certificates,
            key,
            clients,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }

    /// Shakes hands with a client.
    pub(super) async fn accept(
        &self,
        io: Box<dyn Io>,
    ) -> io::Result<(Box<dyn Io>, Option<ClientCertificate>, Option<Version>)> {
        let stream = self.acceptor.accept(io).await?;
        let (_, connection) = stream.get_ref();
        let certificate = connection
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| ClientCertificate(leaf.as_ref().into()));
        let version = match connection.alpn_protocol() {
            Some(b"h2") => Version::Http2,
            _ => Version::Http1,
        };
        Ok((Box::new(stream), certificate, Some(version)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = match self.clients {
            Clients::All => "all",
            Clients::Known(_) => "with a certificate",
        };
        f.debug_struct("Tls")
            .field("clients", &clients)
            .finish_non_exhaustive()
    }
}

fn certificates_of(
    pem: &[u8],
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, InvalidTls> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| InvalidTls::of(what, error))?;
    if certificates.is_empty() {
        return Err(InvalidTls::new(what));
    }
    Ok(certificates)
}

// ===== impl ClientCertificate =====

impl ClientCertificate {
    /// Returns the certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

// ===== impl InvalidTls =====

impl InvalidTls {
    fn new(what: &'static str) -> Self {
        Self { what, source: None }
    }

    fn of(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            what,
            source: Some(source.into()),
        }
    }
}

impl fmt::Debug for InvalidTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for InvalidTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cannot be used for TLS: a PEM text with certificates, and one with the private key, are needed",
            self.what
        )
    }
}

impl Error for InvalidTls {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
