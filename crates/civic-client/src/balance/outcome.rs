//! How an exchange ended, as far as its endpoint is concerned.

use http::StatusCode;

use crate::error::Error;
use crate::error_kind::ErrorKind;

/// How an exchange ended, as far as its endpoint is concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It was answered.
    Succeeded,
    /// It was answered, and its body is still to come: a success until it breaks off.
    Begun,
    /// It was answered with a status that blames the caller.
    Blamed,
    /// It was answered with 429: the endpoint works, and does not work for this caller.
    Limited,
    /// The endpoint failed, was not reached, or took too long.
    Failed,
    /// The caller did not wait for the end.
    Abandoned,
    /// It did not take place, for a reason on the caller's side.
    NotMade,
}

impl Outcome {
    /// Judges a status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            429 => Self::Limited,
            400..=499 => Self::Blamed,
            // What an endpoint does not support, no other process of the service does either.
            501 | 505 => Self::Succeeded,
            500..=599 => Self::Failed,
            _ => Self::Succeeded,
        }
    }

    /// Judges an error.
    pub(crate) fn of_error(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Certificate
            | ErrorKind::Connect
            | ErrorKind::Timeout
            | ErrorKind::Transport
            | ErrorKind::Protocol => Self::Failed,
            ErrorKind::Deadline => Self::Abandoned,
            ErrorKind::Status
            | ErrorKind::Refused
            | ErrorKind::Decode
            | ErrorKind::Validation
            | ErrorKind::BodyTooLarge => error.status().map_or(Self::Succeeded, Self::of_status),
            ErrorKind::Config
            | ErrorKind::Request
            | ErrorKind::CircuitOpen
            | ErrorKind::Overloaded
            | ErrorKind::RateLimited
            | ErrorKind::MissingCredentials => Self::NotMade,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_judged_as_the_rule_of_the_breaker_says() {
        let cases = [
            (200, Outcome::Succeeded),
            (204, Outcome::Succeeded),
            (301, Outcome::Succeeded),
            (400, Outcome::Blamed),
            (401, Outcome::Blamed),
            (404, Outcome::Blamed),
            (429, Outcome::Limited),
            (500, Outcome::Failed),
            (501, Outcome::Succeeded),
            (502, Outcome::Failed),
            (503, Outcome::Failed),
            (504, Outcome::Failed),
            (505, Outcome::Succeeded),
        ];
        for (status, outcome) in cases {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(Outcome::of_status(status), outcome, "{status}");
        }
    }

    #[test]
    fn what_the_callers_own_side_did_is_not_held_against_an_endpoint() {
        let cases = [
            (ErrorKind::Connect, Outcome::Failed),
            (ErrorKind::Timeout, Outcome::Failed),
            (ErrorKind::Transport, Outcome::Failed),
            (ErrorKind::Protocol, Outcome::Failed),
            (ErrorKind::Deadline, Outcome::Abandoned),
            (ErrorKind::BodyTooLarge, Outcome::Succeeded),
            (ErrorKind::Request, Outcome::NotMade),
            (ErrorKind::MissingCredentials, Outcome::NotMade),
            (ErrorKind::Overloaded, Outcome::NotMade),
        ];
        for (kind, outcome) in cases {
            assert_eq!(Outcome::of_error(&Error::new(kind)), outcome, "{kind}");
        }
    }
}
