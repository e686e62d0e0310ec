//! One attempt, for the policies that are not made of civic-client's layers.

use http::{Request, StatusCode};
use tokio::time::timeout;
use tower_service::Service;

use super::setting::{Call, Setting};
use crate::network::{CALL, ONE_NAME};

/// What came of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// The server answered.
    Answer(StatusCode),
    /// The server could not be reached, or did not answer in time.
    NoAnswer,
}

impl Outcome {
    pub(super) const fn status(self) -> Option<StatusCode> {
        match self {
            Self::Answer(status) => Some(status),
            Self::NoAnswer => None,
        }
    }
}

/// Sends the request of a call once, to the one name that all servers have.
pub(super) async fn send(setting: &Setting, call: Call<'_>) -> Outcome {
    let request = Request::builder()
        .method(call.method)
        .uri(format!("{ONE_NAME}{}", call.endpoint))
        .header(CALL, call.number)
        .body(());
    let Ok(request) = request else {
        return Outcome::NoAnswer;
    };
    let answer = setting.network.clone().call(request);
    match timeout(setting.attempt_timeout, answer).await {
        Ok(Ok(response)) => Outcome::Answer(response.status()),
        Ok(Err(_)) | Err(_) => Outcome::NoAnswer,
    }
}
