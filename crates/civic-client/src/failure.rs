//! The answer of a service whose own call failed.

use std::time::Duration;

use civic_envelope::Failure;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::error::Error;
use crate::error_kind::ErrorKind;

/// Says whether a caller that repeats the request may have more success.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The answer of a handler whose call failed: what its own caller is told.
///
/// | what happened | answer |
/// |---|---|
/// | the peer cannot be reached, or is busy (429, 503), or its rate limit is used up | 503, with the `Retry-After` of the peer if there is one |
/// | the call took too long, or the peer answered 504 | 504 |
/// | a defect of this service: its configuration, or a request that cannot be sent | 500 |
/// | anything else: the peer failed, refused the call, or answered something else | 502 |
///
/// The caller learns nothing else: the error is the source of the failure, for the log. To pass on
/// what a peer says about the caller's own mistake, use [`Failure::relay`] with
/// [`Error::error_body`].
///
/// Every answer carries `x-should-retry: false`. The retries were made here, and a caller that
/// repeats the request multiplies them. In particular, the 503 does not say that the request was
/// not taken.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, message) = match (error.kind(), error.status()) {
            (ErrorKind::Config | ErrorKind::Request, _) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
            }
            (
                ErrorKind::Connect
                | ErrorKind::CircuitOpen
                | ErrorKind::Overloaded
                | ErrorKind::RateLimited,
                _,
            )
            | (_, Some(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "A service that this one depends on is unavailable",
            ),
            (ErrorKind::Timeout | ErrorKind::Deadline, _)
            | (_, Some(StatusCode::GATEWAY_TIMEOUT)) => (
                StatusCode::GATEWAY_TIMEOUT,
                "A service that this one depends on did not answer in time",
            ),
            _ => (
                StatusCode::BAD_GATEWAY,
                "A service that this one depends on has failed",
            ),
        };
        let mut failure =
            Self::new(status, message).with_header(SHOULD_RETRY, HeaderValue::from_static("false"));
        if status == StatusCode::SERVICE_UNAVAILABLE
            && let Some(wait) = error.retry_after()
        {
            failure = failure.with_header(RETRY_AFTER, whole_seconds(wait).into());
        }
        failure.with_source(error)
    }
}

/// Rounds up: a caller that waits must not come too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transmission::Transmission;

    #[test]
    fn every_answer_that_is_made_from_the_error_of_a_call_says_not_to_repeat_it() {
        let kinds = [
            (ErrorKind::Config, 500),
            (ErrorKind::Request, 500),
            (ErrorKind::Certificate, 502),
            (ErrorKind::Connect, 503),
            (ErrorKind::Timeout, 504),
            (ErrorKind::Deadline, 504),
            (ErrorKind::Transport, 502),
            (ErrorKind::Refused, 502),
            (ErrorKind::Protocol, 502),
            (ErrorKind::Decode, 502),
            (ErrorKind::Validation, 502),
            (ErrorKind::BodyTooLarge, 502),
            (ErrorKind::CircuitOpen, 503),
            (ErrorKind::Overloaded, 503),
            (ErrorKind::RateLimited, 503),
            (ErrorKind::MissingCredentials, 502),
        ];
        let answered = |status| {
            let status = StatusCode::from_u16(status).expect("a status");
            Error::new(ErrorKind::Status).with_transmission(Transmission::Answered(status))
        };
        let statuses = [
            (400, 502),
            (401, 502),
            (404, 502),
            (409, 502),
            (422, 502),
            (429, 503),
            (500, 502),
            (503, 503),
            (504, 504),
        ];
        let kinds = kinds.map(|(kind, answer)| (Error::new(kind), answer));
        let statuses = statuses.map(|(status, answer)| (answered(status), answer));
        for (error, answer) in kinds.into_iter().chain(statuses) {
            let name = error.to_string();
            let error = error.with_retry_after(Duration::from_millis(1001));
            let failure = Failure::from(error);
            assert_eq!(failure.status().as_u16(), answer, "{name}");
            assert_eq!(failure.headers()[SHOULD_RETRY], "false", "{name}");
            let pause = failure.headers().get(RETRY_AFTER);
            assert_eq!(pause.is_some(), answer == 503, "{name}");
            assert!(pause.is_none_or(|pause| pause == "2"), "never too early");
        }
    }
}
