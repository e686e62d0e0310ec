//! Runs a service of the fleet until it is told to stop.

use std::io::{self, Write};
use std::pin::pin;
use std::time::{Duration, Instant};

use civic_lock::{LockService, SHUTDOWN_BOUND};
use civic_server::{Server, Service, Shutdown};

use crate::environment::{Environment, StartError};

/// How long a service that is told to stop still takes connections.
pub(crate) const DRAIN_DELAY: Duration = Duration::from_secs(5);

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
    serve_until(service, environment, default_port, &shutdown).await
}

/// [`serve`], and then wait for the work that goes on without its callers.
///
/// Each execution with an `Idempotency-Key` holds a lease until its answer is recorded. It gets the
/// rest of the time that requests in flight have.
///
/// # Errors
///
/// Fails as [`serve`] does.
pub(crate) async fn serve_with_locks(
    service: Service,
    environment: &Environment,
    default_port: u16,
    locks: &LockService,
) -> Result<(), StartError> {
    let shutdown = Shutdown::on_signals()?;
    let mut serving = pin!(serve_until(service, environment, default_port, &shutdown));
    let began = tokio::select! {
        ended = &mut serving => return ended,
        () = shutdown.draining() => Instant::now(),
    };
    serving.await?;
    let delay = environment.drain_delay().unwrap_or(DRAIN_DELAY);
    let rest = (delay + SHUTDOWN_BOUND).saturating_sub(began.elapsed());
    tokio::select! {
        left = locks.close(rest) => {
            if left > 0 {
                tracing::warn!(left, "executions were cut off: their keys are in doubt");
            }
        }
        () = shutdown.aborting() => {}
    }
    Ok(())
}

async fn serve_until(
    service: Service,
    environment: &Environment,
    default_port: u16,
    shutdown: &Shutdown,
) -> Result<(), StartError> {
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
    server.serve(service.into_router(), shutdown).await?;
    Ok(())
}

/// Writes one line of JSON to stdout at once: a program that waits for it waits on a pipe.
pub(crate) fn print_line(event: &serde_json::Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{event}")?;
    stdout.flush()
}
