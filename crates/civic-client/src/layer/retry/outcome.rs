//! How an attempt ended, as far as it matters for a retry.

use std::time::{Duration, SystemTime};

use http::{Response, StatusCode};

use crate::balance::AnotherIsWell;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::layer::collect_body::closing::ClosingAnswer;
use crate::layer::retry::retry_after::retry_after;
use crate::layer::retry::said_no::said_no;
use crate::transmission::Transmission;

/// How an attempt ended, as far as it matters for a retry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Answer(Answered),
    Failure {
        transmission: Transmission,
        retryable: bool,
    },
    DeadlinePassed,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// Whether the peer said that a retry is of no use, with `x-should-retry: false`.
    pub(super) said_no: bool,
    /// Whether it is the answer of a Fastify that is closing, which executed nothing.
    pub(super) closing: bool,
    /// Whether another endpoint is well, where this one did not take the request.
    pub(super) another_is_well: bool,
}

impl Outcome {
    pub(super) fn of<B>(result: &Result<Response<B>, Error>, now: SystemTime) -> Self {
        match result {
            Ok(response) => Self::Answer(Answered {
                status: response.status(),
                retry_after: retry_after(response.headers(), now),
                said_no: said_no(response.headers()),
                closing: response.extensions().get::<ClosingAnswer>().is_some(),
                another_is_well: response.extensions().get::<AnotherIsWell>().is_some(),
            }),
            Err(error) if error.kind() == ErrorKind::Deadline => Self::DeadlinePassed,
            Err(error) => Self::Failure {
                transmission: error.transmission(),
                retryable: matches!(
                    error.kind(),
                    ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Transport
                ),
            },
        }
    }

    pub(super) const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Answer(answer) => answer.retry_after,
            Self::Failure { .. } | Self::DeadlinePassed => None,
        }
    }
}
