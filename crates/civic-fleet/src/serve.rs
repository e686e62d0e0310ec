//! Runs a service of the fleet until it is told to stop.

use std::io::{self, Write};

use civic_server::{Server, Service, Shutdown};

use crate::environment::{Environment, StartError};

/// Serves until SIGTERM or SIGINT: on the socket that systemd has passed on, or else on `HOST` and
/// `PORT`.
///
/// `{"event":"listening","port":N}` on stdout says that connections are accepted. The signal
/// handlers are installed before that: a supervisor that stops the service in its first millisecond
/// gets the same orderly end.
///
/// # Errors
///
/// Fails if the address cannot be bound, or a signal handler cannot be installed.
pub(crate) async fn serve(
    service: Service,
    environment: &Environment,
    default_port: u16,
) -> Result<(), StartError> {
    let shutdown = Shutdown::on_signals()?;
    let server = match Server::from_systemd()? {
        Some(server) => server,
        None => Server::bind(environment.host(), environment.port(default_port)).await?,
    };
    let server = match environment.drain_delay() {
        Some(delay) => server.with_drain_delay(delay),
        None => server,
    };
    let port = server.local_addr().port();
    print_line(&serde_json::json!({ "event": "listening", "port": port }))?;
    tracing::info!(port, "listening");
    server.serve(service.into_router(), &shutdown).await?;
    Ok(())
}

/// Writes one line of JSON to stdout at once: a program that waits for it waits on a pipe.
pub(crate) fn print_line(event: &serde_json::Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{event}")?;
    stdout.flush()
}
