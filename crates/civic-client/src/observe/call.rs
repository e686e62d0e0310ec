//! What an observer is told of calls and attempts.

use std::time::Duration;

use civic_auth::CorrelationId;
use http::uri::Authority;
use http::{Method, StatusCode};

use crate::error_kind::ErrorKind;
use crate::method_name::method_name;
use crate::url_template::UrlTemplate;

/// What is known about a call when it begins.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallInfo<'a> {
    /// The method of its request.
    pub method: &'a Method,
    /// The path template, if the call has one.
    pub template: Option<&'a UrlTemplate>,
    /// The peer, `host[:port]`.
    pub authority: Option<&'a Authority>,
    /// The correlation id, if the call has one.
    pub correlation_id: Option<&'a CorrelationId>,
}

impl<'a> CallInfo<'a> {
    /// Returns the method, or `_OTHER` for one that is none of the nine usual ones: the name for
    /// the label of a metric.
    #[must_use]
    pub fn method_name(&self) -> &'a str {
        method_name(self.method)
    }
}

/// How a call has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CallEnd {
    /// How it has ended.
    pub ending: Ending,
    /// How many attempts were made; 0 for a call that was cancelled, or never passed on.
    pub attempts: u32,
    /// How long it took, with the waits between its attempts. For a response that is read as a
    /// stream, until the end of the stream.
    pub took: Duration,
}

/// How an attempt has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AttemptEnd {
    /// The number of the attempt, counted from 1.
    pub number: u32,
    /// How it has ended.
    pub ending: Ending,
    /// How long it took. For a response that is read as a stream, until the end of the stream.
    pub took: Duration,
}

/// How a call or an attempt has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Ending {
    /// With a response of this status, which may be that of an error.
    Answered(StatusCode),
    /// With an error of this kind, and without a whole response. A stream that breaks off has
    /// failed, although its head has arrived.
    Failed(ErrorKind),
    /// The caller has dropped the future, or the stream before its end.
    Cancelled,
}

impl CallEnd {
    pub(crate) const fn new(ending: Ending, attempts: u32, took: Duration) -> Self {
        Self {
            ending,
            attempts,
            took,
        }
    }
}

impl AttemptEnd {
    pub(crate) const fn new(ending: Ending, number: u32, took: Duration) -> Self {
        Self {
            number,
            ending,
            took,
        }
    }
}
