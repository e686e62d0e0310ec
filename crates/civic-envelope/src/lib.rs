#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod envelope;
mod error;
mod error_body;
#[cfg(feature = "layer")]
#[cfg_attr(docsrs, doc(cfg(feature = "layer")))]
pub mod layer;
mod unwrap;
mod wire;

pub use self::envelope::Envelope;
pub use self::error::{Error, ErrorKind};
pub use self::error_body::ErrorBody;
#[cfg(feature = "layer")]
#[cfg_attr(docsrs, doc(cfg(feature = "layer")))]
#[doc(no_inline)]
pub use self::layer::{
    CheckFailed, EnvelopeBody, EnvelopeFuture, EnvelopeLayer, EnvelopeService, SkipEnvelope,
};
pub use self::unwrap::{Unwrap, unwrap_envelope, unwrap_response};
pub use self::wire::{ENVELOPE_HEADER, MAX_ERROR_BYTES, MAX_SUCCESS_BYTES};
