#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod envelope;
mod error;
mod error_body;
mod unwrap;
mod wire;

pub use self::envelope::Envelope;
pub use self::error::{Error, ErrorKind};
pub use self::error_body::ErrorBody;
pub use self::unwrap::{Unwrap, unwrap_envelope, unwrap_response};
pub use self::wire::{ENVELOPE_HEADER, MAX_ERROR_BYTES, MAX_SUCCESS_BYTES};
