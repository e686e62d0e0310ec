//! What is known about a call once it was sent.

use civic_envelope::UnwrapMode;
use http::Method;
use tokio::time::Instant;

use crate::url_template::UrlTemplate;
#[cfg(feature = "garde")]
use crate::validate::Validation;

/// What is known about a call once it was sent.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) template: UrlTemplate,
    pub(super) started: Instant,
    #[cfg(feature = "garde")]
    pub(super) validation: Validation,
    pub(super) unwrap_mode: UnwrapMode,
    pub(super) max_body: usize,
    pub(super) bare_404_is_none: bool,
}
