//! What is known about a call that is in the making.

use std::collections::HashSet;
use std::time::Duration;

use civic_auth::CorrelationId;
use civic_envelope::UnwrapMode;
use http::HeaderName;
use http::request::Parts;

use crate::body::Body;
use crate::error::Error;
use crate::options::CallOptions;
use crate::url_template::UrlTemplate;
#[cfg(feature = "garde")]
use crate::validate::Validation;

/// What is known about a call that is in the making. It is boxed: each method of the builder moves
/// it, and the future of the call carries it.
pub(super) struct Draft {
    pub(super) template: UrlTemplate,
    pub(super) params: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    /// Method and headers; the URL and the extensions are added when the request is sent.
    pub(super) parts: Result<Parts, Error>,
    /// The names that `header` was called with.
    pub(super) added: HashSet<HeaderName>,
    pub(super) body: Body,
    pub(super) options: CallOptions,
    pub(super) deadline: Option<Duration>,
    pub(super) idle_timeout: Duration,
    pub(super) correlation_id: Option<CorrelationId>,
    #[cfg(feature = "garde")]
    pub(super) validation: Validation,
    pub(super) unwrap_mode: UnwrapMode,
    pub(super) bare_404_is_none: bool,
}

// ===== impl Draft =====

impl Draft {
    /// Returns another one that says the same. What was wrong with this one is not repeated.
    pub(super) fn another(&self) -> Self {
        Self {
            template: self.template.clone(),
            params: self.params.clone(),
            query: self.query.clone(),
            parts: match &self.parts {
                Ok(parts) => Ok(parts.clone()),
                Err(_) => Err(Error::request("the request is wrong")),
            },
            added: self.added.clone(),
            body: self.body.clone(),
            options: self.options,
            deadline: self.deadline,
            idle_timeout: self.idle_timeout,
            correlation_id: self.correlation_id.clone(),
            #[cfg(feature = "garde")]
            validation: self.validation,
            unwrap_mode: self.unwrap_mode,
            bare_404_is_none: self.bare_404_is_none,
        }
    }
}
