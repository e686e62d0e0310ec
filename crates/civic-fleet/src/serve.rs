//! Runs a service until it is told to stop, and lets what is in flight finish.
//!
//! 1. The signal handlers stand before the socket is announced: a supervisor that stops the service in its
//!    first millisecond gets the same orderly end.
//! 2. `{"event":"listening","port":N}` on stdout says that connections are accepted.
//! 3. SIGTERM or SIGINT: no new connection is taken, idle ones are closed, requests in flight are answered.
//! 4. After [`DRAIN_LIMIT`], or at a second signal, the process ends with what is still open cut off.

use std::io::{self, Write};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// How long requests in flight may take after a signal. No attempt of a client of this platform is longer.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// SIGTERM and SIGINT, whichever comes first.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// Serves `app` on `host:port` until a signal has stopped it and the drain is over.
///
/// # Errors
///
/// The address cannot be bound, or a signal handler cannot be installed.
pub(crate) async fn serve(app: Router, host: &str, port: u16) -> io::Result<()> {
    let mut signals = StopSignals::install()?;
    let listener = TcpListener::bind((host, port)).await?;
    let port = listener.local_addr()?.port();
    announce(&serde_json::json!({ "event": "listening", "port": port }))?;
    tracing::info!(port, "listening");

    let (drain, draining) = oneshot::channel::<()>();
    let server = axum::serve(
        // Small answers must not wait for the peer's acknowledgement of the last one.
        listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY was refused");
            }
        }),
        app,
    )
    .with_graceful_shutdown(async move {
        // An error means that the other end is gone, which is a reason to stop as well.
        let _ = draining.await;
    });
    let mut server = std::pin::pin!(server.into_future());

    tokio::select! {
        ended = &mut server => return ended,
        () = signals.next() => {}
    }
    tracing::info!("stopping: requests in flight are finished first");
    drop(drain);
    tokio::select! {
        ended = server => ended,
        () = tokio::time::sleep(DRAIN_LIMIT) => {
            tracing::warn!("the drain limit is over: open requests are cut off");
            Ok(())
        }
        () = signals.next() => {
            tracing::warn!("second signal: open requests are cut off");
            Ok(())
        }
    }
}

/// Writes one JSON line to stdout at once: whoever waits for it waits on a pipe.
pub(crate) fn announce(event: &serde_json::Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{event}")?;
    stdout.flush()
}

// ===== impl StopSignals =====

impl StopSignals {
    fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
