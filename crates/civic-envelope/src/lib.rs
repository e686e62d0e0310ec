// The README shows the layer, so without the layer it neither compiles nor links.
#![cfg_attr(feature = "layer", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "layer"),
    doc = "The `{success, data, timestamp}` response envelope: a typed unwrap, and the error body."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(feature = "axum")]
mod axum;
mod correlation_id;
mod envelope;
mod error;
mod error_body;
mod failure;
mod json;
#[cfg(feature = "layer")]
#[cfg_attr(docsrs, doc(cfg(feature = "layer")))]
pub mod layer;
mod macros;
mod parse_error;
mod unwrap;
mod wire;

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::axum::MissingCorrelationId;
pub use self::correlation_id::{CORRELATION_ID, CorrelationId, InvalidCorrelationId};
pub use self::envelope::Envelope;
pub use self::error::{Error, ErrorKind};
pub use self::error_body::{ErrorBody, ErrorDetail};
pub use self::failure::{Failure, FailureSource};
#[cfg(feature = "layer")]
#[cfg_attr(docsrs, doc(cfg(feature = "layer")))]
#[doc(inline)]
pub use self::layer::{EnvelopeLayer, EnvelopeMeta, SkipEnvelope};
pub use self::unwrap::{UnwrapMode, unwrap_envelope, unwrap_response};
pub use self::wire::{ENVELOPE_HEADER, MAX_ERROR_BYTES, MAX_SUCCESS_BYTES};
