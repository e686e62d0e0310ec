//! One connection, from its first byte to its last.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::activity::Activity;
use super::exchange::Exchanges;
use super::settings::{Phases, Settings};
use super::stream::{Io, Stream, Version};
use super::timeouts::Timeouts;

/// More than the head of a request in the buffer of a connection: hyper reads bodies into it as
/// well.
const BUFFER_BYTES: usize = 64 * 1024;

/// How many requests a connection may have in flight over HTTP/2. hyper's default.
const MAX_STREAMS: u32 = 200;

/// A future that is a connection of either version of HTTP.
trait Connection: Future<Output = Result<(), hyper::Error>> {
    /// Lets the requests in flight end, and reads no more.
    fn close(self: Pin<&mut Self>);
}

/// Runs the requests of an HTTP/2 connection, each on a task that ends with the connection.
#[derive(Clone, Debug)]
struct Streams(CancellationToken);

/// Serves a connection until its end.
pub(super) async fn serve(
    io: Box<dyn Io>,
    peer: SocketAddr,
    app: Router,
    settings: Arc<Settings>,
    phases: Phases,
) {
    let activity = Activity::new();
    #[cfg(feature = "tls")]
    let (io, certificate, negotiated) = match &settings.tls {
        None => (io, None, None),
        Some(tls) => {
            let handshake = before(
                &phases,
                Instant::now() + settings.timeouts.head,
                tls.accept(io),
            );
            match handshake.await {
                Some(Ok(accepted)) => accepted,
                Some(Err(error)) => {
                    tracing::debug!(%peer, %error, "the TLS handshake failed");
                    return;
                }
                None => return,
            }
        }
    };
    #[cfg(not(feature = "tls"))]
    let negotiated = None;

    let mut stream = Stream::new(io, Arc::clone(&activity));
    let version = match negotiated {
        Some(version) => version,
        None => match version(&mut stream, &activity, &settings, &phases).await {
            Some(version) => version,
            None => return,
        },
    };
    let exchanges = Exchanges {
        app,
        peer,
        activity: Arc::clone(&activity),
        phases: phases.clone(),
        settings: Arc::clone(&settings),
        #[cfg(feature = "tls")]
        certificate,
    };
    let io = TokioIo::new(stream);
    let timeouts = settings.timeouts;
    match version {
        Version::Http1 => {
            let connection = http1::Builder::new()
                .header_read_timeout(None)
                .max_header_size(settings.max_head_bytes)
                .max_buf_size(BUFFER_BYTES.max(settings.max_head_bytes))
                .serve_connection(io, exchanges)
                .with_upgrades();
            drive(pin!(connection), version, &activity, timeouts, &phases).await;
        }
        Version::Http2 => {
            activity.is_multiplexed();
            let tasks = CancellationToken::new();
            // This happens even if this future is dropped.
            let _end: DropGuard = tasks.clone().drop_guard();
            let max = u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX);
            let connection = http2::Builder::new(Streams(tasks))
                .timer(TokioTimer::new())
                .max_header_list_size(max)
                .max_concurrent_streams(MAX_STREAMS)
                .serve_connection(io, exchanges);
            drive(pin!(connection), version, &activity, timeouts, &phases).await;
        }
    }
}

/// Finds out the version of HTTP, in time.
async fn version(
    stream: &mut Stream,
    activity: &Activity,
    settings: &Settings,
    phases: &Phases,
) -> Option<Version> {
    let mut reading = pin!(stream.version());
    let mut timer = pin!(sleep_until(Instant::now()));
    tokio::select! {
        biased;
        version = in_time(reading.as_mut(), activity, settings.timeouts, timer.as_mut()) => {
            version?.ok()
        }
        () = phases.closing.cancelled() => None,
    }
}

/// Serves the requests of a connection, and ends it when it is time.
async fn drive<C: Connection>(
    mut connection: Pin<&mut C>,
    version: Version,
    activity: &Activity,
    timeouts: Timeouts,
    phases: &Phases,
) {
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut told = Told::Nothing;
    loop {
        tokio::select! {
            biased;
            ended = in_time(connection.as_mut(), activity, timeouts, timer.as_mut()) => {
                match ended {
                    Some(Ok(())) => {}
                    Some(Err(error)) => tracing::debug!(%error, "a connection broke"),
                    None => tracing::debug!("a connection was closed: its caller took too long"),
                }
                return;
            }
            // Every byte that has arrived was read by now.
            () = unused(activity), if told == Told::ToClose => return,
            () = phases.closing.cancelled(), if told != Told::ToClose => {
                told = Told::ToClose;
                connection.as_mut().close();
            }
            // Over HTTP/1.1 the answers say it.
            () = phases.shutdown.draining(),
                if told == Told::Nothing && version == Version::Http2 =>
            {
                told = Told::GoAway;
                connection.as_mut().close();
            }
        }
    }
}

/// What a connection was told about the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Nothing,
    /// The caller was told to send no more requests on it.
    GoAway,
    /// The requests in flight are its last.
    ToClose,
}

/// Completes if no whole head has arrived so far.
async fn unused(activity: &Activity) {
    poll_fn(|_| match activity.is_unused() {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// Returns the output of a future of this connection, or `None` when the caller has taken too long.
///
/// Whatever moves the deadline happens while the future is polled, so that the timer follows it.
async fn in_time<F: Future>(
    mut future: Pin<&mut F>,
    activity: &Activity,
    timeouts: Timeouts,
    mut timer: Pin<&mut tokio::time::Sleep>,
) -> Option<F::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let Some(deadline) = activity.deadline(timeouts) else {
            return Poll::Pending;
        };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Returns the output of a future, or `None` at the deadline or when the server closes.
#[cfg(feature = "tls")]
async fn before<F: Future>(phases: &Phases, deadline: Instant, future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = phases.closing.cancelled() => None,
        () = sleep_until(deadline) => None,
    }
}

// ===== impl Streams =====

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let ended = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                _ = future => {}
            }
        });
    }
}

// ===== impl Connection =====

impl Connection for http1::UpgradeableConnection<TokioIo<Stream>, Exchanges> {
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl Connection for http2::Connection<TokioIo<Stream>, Exchanges, Streams> {
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
