//! Whether and how a transport speaks TLS.

use http::uri::Scheme;
use tokio::net::TcpStream;

use crate::error::Error;
use crate::transport::config::TransportConfig;
use crate::transport::stream::Stream;
use crate::transport::target::Target;
#[cfg(feature = "tls")]
use crate::transport::tls::TlsConfig;

/// What a request is told that asks for TLS where there is none.
const NO_TLS: &str = "the URL asks for https, and this transport has no TLS: it needs the feature tls \
                      of civic-client, and Transport::with_tls or the client's tls()";

/// Whether and how a transport speaks TLS.
#[derive(Clone, Default)]
pub(super) struct Security {
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsConfig>,
}

impl Security {
    /// Fails if the target asks for TLS and there is none.
    #[cfg_attr(
        not(feature = "tls"),
        expect(
            clippy::unused_self,
            reason = "with the feature it says whether there is TLS"
        )
    )]
    pub(super) fn check(&self, target: &Target) -> Result<(), Error> {
        #[cfg(feature = "tls")]
        let has_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let has_tls = false;
        if target.scheme == Scheme::HTTPS && !has_tls {
            return Err(Error::request(NO_TLS));
        }
        Ok(())
    }

    /// Shakes hands, if the target asks for TLS.
    pub(super) async fn secured(
        &self,
        target: &Target,
        stream: TcpStream,
        #[cfg_attr(
            not(all(feature = "http2", feature = "tls")),
            expect(unused_variables, reason = "it says what is offered in the handshake")
        )]
        config: &TransportConfig,
    ) -> Result<Stream, Error> {
        self.check(target)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls
            && target.scheme == Scheme::HTTPS
        {
            #[cfg(feature = "http2")]
            let protocols = config.protocols();
            #[cfg(not(feature = "http2"))]
            let protocols = Vec::new();
            let stream = tls.connect(target.server_name(), stream, protocols).await?;
            return Ok(Stream::Tls(Box::new(stream)));
        }
        Ok(Stream::Plain(stream))
    }
}
