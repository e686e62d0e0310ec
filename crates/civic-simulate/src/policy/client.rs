//! A client process at work.

use http::StatusCode;

use super::attempt::send;
use super::civic::Civic;
use super::reqwest_retry::ReqwestRetry;
use super::setting::{Call, Setting};

/// A client process at work.
#[derive(Clone, Debug)]
pub struct Client(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Civic(Civic),
    NoRetry(Setting),
    ReqwestRetry(ReqwestRetry),
}

// ===== impl Client =====

impl Client {
    pub(super) const fn civic(civic: Civic) -> Self {
        Self(Kind::Civic(civic))
    }

    pub(super) const fn no_retry(setting: Setting) -> Self {
        Self(Kind::NoRetry(setting))
    }

    pub(super) const fn reqwest_retry(client: ReqwestRetry) -> Self {
        Self(Kind::ReqwestRetry(client))
    }

    /// Makes a call, and returns the status that the caller gets, or `None` for an error without
    /// one.
    pub async fn call(&self, call: Call<'_>) -> Option<StatusCode> {
        match &self.0 {
            Kind::Civic(civic) => civic.call(call).await,
            Kind::NoRetry(setting) => send(setting, call).await.status(),
            Kind::ReqwestRetry(client) => client.call(call).await,
        }
    }
}
