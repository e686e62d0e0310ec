//! Whom a client believes, and how it proves who it is.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::transmission::Transmission;
use crate::transport::tls::identity::{ClientIdentity, certificates_of};
use crate::transport::tls::refusal::refusal;

/// Whose certificates a client accepts, and how it proves who it is.
///
/// TLS 1.2 and 1.3 with rustls and aws-lc. No provider of cryptography is installed for the
/// process, and none that another crate has installed is used. The handshake is a part of
/// connecting and has to end within its time
/// ([`TransportConfig::with_connect_timeout`](crate::TransportConfig::with_connect_timeout)).
///
/// A certificate that is not accepted is [`ErrorKind::Certificate`]: nothing was sent, and no retry
/// is made, because it would be refused again. The error says which name or which date was wrong.
#[derive(Clone)]
pub struct TlsConfig {
    roots: Arc<RootCertStore>,
    identity: Option<ClientIdentity>,
    config: Arc<ClientConfig>,
}

impl TlsConfig {
    /// Creates a configuration that accepts the authorities of the operating system, as far as
    /// they can be read: those in the files or in the folder that `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` name, if they are set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`]: there is none. Minimal container images have none.
    pub fn from_platform() -> Result<Self, Error> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(Error::config(
                "this system has no certificate authorities that could be read; install its \
                 ca-certificates, or name your own with TlsConfig::from_authorities",
            ));
        }
        Self::new(roots, None)
    }

    /// Creates a configuration that accepts these authorities and no others: PEM, one certificate
    /// or more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`]: the text has no certificate, or one that cannot be an authority's.
    pub fn from_authorities(pem: &[u8]) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        add(&mut roots, pem)?;
        Self::new(roots, None)
    }

    /// Accepts these authorities as well.
    ///
    /// # Errors
    ///
    /// As of [`from_authorities`](Self::from_authorities).
    pub fn with_authorities(self, pem: &[u8]) -> Result<Self, Error> {
        let mut roots = RootCertStore::clone(&self.roots);
        add(&mut roots, pem)?;
        Self::new(roots, self.identity)
    }

    /// Sets the certificate that is shown where the other side asks for one.
    ///
    /// Defaults to none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`]: no version of TLS is left; it does not happen with this back end.
    pub fn with_identity(self, identity: ClientIdentity) -> Result<Self, Error> {
        Self::new(RootCertStore::clone(&self.roots), Some(identity))
    }

    fn new(roots: RootCertStore, identity: Option<ClientIdentity>) -> Result<Self, Error> {
        let roots = Arc::new(roots);
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::config("no version of TLS is left").with_source(error))?
            .with_root_certificates(Arc::clone(&roots));
        let config = match &identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let mut config = builder.with_client_cert_resolver(identity.resolver());
                // A session that is resumed goes on under the certificate that began it.
                config.resumption = Resumption::disabled();
                config
            }
        };
        Ok(Self {
            roots,
            identity,
            config: Arc::new(config),
        })
    }

    /// Shakes hands with `host`, and offers it `protocols`.
    pub(in crate::transport) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
        protocols: Vec<Vec<u8>>,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            Error::request("the host of the URL is no name that a certificate can be made out for")
                .with_source(error)
        })?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let connector = connector.with_alpn(protocols);
        connector.connect(name, stream).await.map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
            if matches!(
                inner,
                Some(rustls::Error::AlertReceived(
                    AlertDescription::NoApplicationProtocol
                ))
            ) {
                return Error::new(ErrorKind::Protocol)
                    .with_transmission(Transmission::NotSent)
                    .with_detail(
                        "the peer speaks no HTTP/2: call it with Http2::negotiated, or without \
                         with_http2",
                    )
                    .with_source(error);
            }
            match inner.and_then(|inner| refusal(inner, host)) {
                Some(why) => Error::new(ErrorKind::Certificate)
                    .with_detail(why)
                    .with_source(error),
                None => Error::new(ErrorKind::Connect)
                    .with_detail("the TLS handshake failed")
                    .with_source(error),
            }
        })
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("authorities", &self.roots.len())
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), Error> {
    for authority in certificates_of(pem, "the authorities")? {
        roots.add(authority).map_err(|error| {
            Error::config("a certificate cannot be that of an authority").with_source(error)
        })?;
    }
    Ok(())
}
