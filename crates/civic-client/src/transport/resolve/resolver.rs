//! The seam at which names become addresses.

use std::future::Future;
use std::io;
use std::pin::Pin;

use crate::transport::resolve::addresses::Addresses;

/// Looks up the addresses of a host name.
///
/// [`Transport::with_resolver`](crate::Transport::with_resolver) takes one. Around it the transport
/// does what every resolver needs: one look-up per name at a time, a cache, old answers where the
/// resolver fails, and a time limit. An implementation only has to ask. It is not asked about IP
/// addresses.
///
/// ```
/// use std::io;
/// use std::net::Ipv4Addr;
///
/// use civic_client::transport::{Addresses, Resolve};
/// use civic_client::{Transport, TransportConfig};
///
/// /// Finds every service on this host.
/// struct Local;
///
/// impl Resolve for Local {
///     async fn resolve(&self, _host: &str) -> io::Result<Addresses> {
///         Ok(Addresses::new([Ipv4Addr::LOCALHOST.into()]))
///     }
/// }
///
/// let transport = Transport::new(TransportConfig::new()).with_resolver(Local);
/// # let _ = transport;
/// ```
pub trait Resolve: Send + Sync + 'static {
    /// Looks up the addresses of `host`, a name without a port.
    ///
    /// # Errors
    ///
    /// Any error counts as a failed look-up: the request was never sent.
    ///
    /// # Cancel safety
    ///
    /// A look-up that takes longer than 10 s is dropped, and the next call may begin another one.
    fn resolve(&self, host: &str) -> impl Future<Output = io::Result<Addresses>> + Send;
}

/// Any [`Resolve`], with its type erased.
pub(crate) trait DynResolve: Send + Sync {
    fn resolve_boxed<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Addresses>> + Send + 'a>>;
}

impl<R: Resolve> DynResolve for R {
    fn resolve_boxed<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Addresses>> + Send + 'a>> {
        Box::pin(self.resolve(host))
    }
}
