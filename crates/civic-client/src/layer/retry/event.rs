//! What an observer is told.

use std::time::Duration;

use civic_auth::CorrelationId;
use http::uri::Authority;
use http::{Method, StatusCode};

use crate::error_kind::ErrorKind;
use crate::not_retried::NotRetried;
use crate::url_template::UrlTemplate;

/// A decision about an attempt that did not succeed, or about a call that ends before its first
/// attempt, as an [`Observer`](crate::observe::Observer) is told it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RetryEvent<'a> {
    /// The method of the call.
    pub method: &'a Method,
    /// The peer, `host[:port]`.
    pub authority: Option<&'a Authority>,
    /// The path template of the call, if it has one.
    pub template: Option<&'a UrlTemplate>,
    /// The correlation id of the call.
    pub correlation_id: Option<&'a CorrelationId>,
    /// How many attempts were made so far; 0 where the call ends before its first one.
    pub attempt: u32,
    /// The status of the response, if there was one.
    pub status: Option<StatusCode>,
    /// The kind of the error, if there was no response.
    pub error: Option<ErrorKind>,
    /// What happens next.
    pub decision: RetryDecision,
}

/// What happens after an attempt that did not succeed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RetryDecision {
    /// Another attempt begins now. A retry that was meant to come and did not is no `Retry`: it is
    /// a `Stop`, or nothing if the call was cancelled.
    Retry {
        /// How long was waited for it, besides what the peer's rate limit asked for.
        wait: Duration,
    },
    /// The call ends with the outcome of this attempt, or without an attempt.
    Stop(NotRetried),
}
