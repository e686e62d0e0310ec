//! Runs a service of the fleet until it is told to stop.

use std::io::{self, Write};

use axum::Router;
use civic_server::{Server, Service, Shutdown};

use crate::environment::{Environment, StartError};

/// Serves `routes` under `prefix`, all of them guarded, until SIGTERM or SIGINT.
///
/// `{"event":"listening","port":N}` on stdout says that connections are accepted. The signal
/// handlers are installed before that: a supervisor that stops the service in its first millisecond
/// gets the same orderly end.
///
/// # Errors
///
/// Fails if the address cannot be bound, or a signal handler cannot be installed.
pub(crate) async fn serve(
    prefix: &str,
    routes: Router,
    environment: &Environment,
    default_port: u16,
) -> Result<(), StartError> {
    let app = Service::new(prefix, environment.verifier())
        .map_err(|error| StartError::refused(&error))?
        .guarded(routes)
        .into_router();
    let shutdown = Shutdown::on_signals()?;
    let server = Server::bind(environment.host(), environment.port(default_port)).await?;
    let port = server.local_addr().port();
    announce(port)?;
    tracing::info!(port, "listening");
    server.serve(app, &shutdown).await?;
    Ok(())
}

/// Writes one line of JSON to stdout at once: a program that waits for it waits on a pipe.
fn announce(port: u16) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let event = serde_json::json!({ "event": "listening", "port": port });
    writeln!(stdout, "{event}")?;
    stdout.flush()
}
