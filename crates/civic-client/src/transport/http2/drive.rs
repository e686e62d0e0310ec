//! The task that drives an HTTP/2 connection.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::Ping;
use h2::client::Connection;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use crate::observe::Opened;
use crate::transport::http2::session::Shared;
use crate::transport::http2::wire::Wire;
use crate::transport::later::later;

/// Drives a connection until it has ended, is let go of, was idle for too long or gives no sign of
/// life.
pub(super) async fn drive(
    mut connection: Connection<Wire, Bytes>,
    shared: Arc<Shared>,
    mut changes: watch::Receiver<()>,
    _held: (OwnedSemaphorePermit, Opened),
) {
    let mut pings = connection.ping_pong();
    // When the peer was asked for a sign of life, if it has not given one.
    let mut asked: Option<Instant> = None;
    let mut has_owner = true;
    loop {
        changes.mark_unchanged();
        let plan = shared.plan();
        let ping_at = plan.ping_at.filter(|_| asked.is_none() && pings.is_some());
        let patience = shared.http2().ping_timeout;
        let silent_at = asked.map(|asked| later(asked.max(shared.notes.last_read()), patience));
        tokio::select! {
            biased;
            // Its error is that of each request on it.
            _ = poll_fn(|cx| {
                let polled = Pin::new(&mut connection).poll(cx);
                if polled.is_pending() {
                    shared.look();
                }
                polled
            }) => break,
            changed = changes.changed(), if has_owner => if changed.is_err() {
                has_owner = false;
                shared.close();
            },
            answered = poll_fn(|cx| match &mut pings {
                Some(pings) => pings.poll_pong(cx),
                None => Poll::Pending,
            }), if asked.is_some() => {
                asked = None;
                if answered.is_err() {
                    pings = None;
                }
            },
            () = at(ping_at) => {
                // What has arrived meanwhile was a sign of life.
                let is_due = shared.plan().ping_at.is_some_and(|at| at <= Instant::now());
                if is_due && let Some(asking) = &mut pings {
                    match asking.send_ping(Ping::opaque()) {
                        Ok(()) => asked = Some(Instant::now()),
                        Err(_) => pings = None,
                    }
                }
            },
            () = at(silent_at) => {
                let heard = asked.map(|asked| asked.max(shared.notes.last_read()));
                if heard.is_some_and(|heard| later(heard, patience) <= Instant::now()) {
                    shared.note_silence();
                    break;
                }
            },
            () = at(plan.end_at) => if shared.end_if_idle() {
                break;
            },
        }
    }
    // No one finds it open whose request has failed with it.
    shared.close();
    drop(connection);
}

/// Waits for an instant, if there is one.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}
