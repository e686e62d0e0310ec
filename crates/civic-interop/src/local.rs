//! Rust services in this process, each behind a guard of its own.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use civic_auth::{AuthLayer, CorrelationIdLayer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceBuilder;

/// A service that listens. It is stopped when dropped.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
}

// ===== impl Local =====

impl Local {
    /// Serves `routes` behind `guard` on a free port.
    pub(crate) async fn serve(guard: AuthLayer, routes: Router) -> Result<Self, String> {
        let layers = ServiceBuilder::new()
            .layer(CorrelationIdLayer::new())
            .layer(guard);
        let app = routes.layer(layers);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("interop: a local service ended: {error}");
            }
        });
        Ok(Self { address, server })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.server.abort();
    }
}
