//! The certificate with which a client proves who it is.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::error::Error;

/// The certificate and the key with which a client proves who it is, where the other side asks for
/// them.
///
/// They can be replaced while the client runs: clones are the same identity, and
/// [`replace`](Self::replace) changes it for all of them. The next connections are opened with the
/// new certificate; those that are open go on with the one that they were opened with, for at most
/// 2 minutes ([`TransportConfig::with_max_age`](crate::TransportConfig::with_max_age)). So a
/// certificate has to be replaced that much before it expires.
///
/// <!-- no_run: it reads the files of a service -->
/// ```no_run
/// use civic_client::transport::{ClientIdentity, TlsConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let read = || Ok::<_, std::io::Error>((std::fs::read("tls.crt")?, std::fs::read("tls.key")?));
/// let (certificates, key) = read()?;
/// let identity = ClientIdentity::from_pem(&certificates, &key)?;
/// let tls = TlsConfig::from_authorities(&std::fs::read("ca.crt")?)?
///     .with_identity(identity.clone())?;
///
/// // Later, when the files have changed:
/// let (certificates, key) = read()?;
/// identity.replace(&certificates, &key)?;
/// # let _ = tls;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientIdentity(Arc<Current>);

struct Current(Mutex<Arc<CertifiedKey>>);

impl ClientIdentity {
    /// Creates an identity from PEM texts: a certificate, followed by those of the authorities in
    /// between, and its private key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): a text has no certificate or no key, or the
    /// key is not that of the certificate. The error does not quote them.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let key = certified(certificates, key)?;
        Ok(Self(Arc::new(Current(Mutex::new(Arc::new(key))))))
    }

    /// Replaces certificate and key for the connections that are opened from now on.
    ///
    /// # Errors
    ///
    /// As of [`from_pem`](Self::from_pem); what was there before stays.
    pub fn replace(&self, certificates: &[u8], key: &[u8]) -> Result<(), Error> {
        let key = certified(certificates, key)?;
        *self.0.key() = Arc::new(key);
        Ok(())
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::clone(&self.0) as _
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity")
    }
}

impl Current {
    fn key(&self) -> MutexGuard<'_, Arc<CertifiedKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key = Arc::clone(&self.key());
        key.key.choose_scheme(schemes).is_some().then_some(key)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certified(certificates: &[u8], key: &[u8]) -> Result<CertifiedKey, Error> {
    let chain = certificates_of(certificates, "the client's certificates")?;
    let key = PrivateKeyDer::from_pem_slice(key)
        // Not the source: what a parser says of a key may quote it.
        .map_err(|_| Error::config("the client's private key is not PEM with one key"))?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|_| {
        Error::config(
            "the client's private key is not that of its certificate, or of no known kind",
        )
    })
}

/// Reads the certificates of a PEM text.
pub(super) fn certificates_of(
    pem: &[u8],
    what: &str,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Error::config(format!(
            "{what} are not PEM with at least one certificate; it begins with -----BEGIN \
             CERTIFICATE-----"
        ))),
    }
}
