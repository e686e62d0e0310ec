#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod attempt;
pub mod balance;
mod body;
mod broken_off;
mod error;
mod error_kind;
mod facade;
mod failure;
mod gate;
#[cfg(feature = "jwks")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwks")))]
pub mod jwks;
pub mod layer;
mod lru;
mod method_name;
mod not_retried;
pub mod observe;
mod options;
mod phase;
mod random;
mod stack;
mod streaming;
#[cfg(feature = "test-util")]
pub mod test_util;
mod transmission;
pub mod transport;
mod url_template;
#[cfg(feature = "garde")]
mod validate;
mod wall_clock;

pub use self::body::Body;
pub use self::error::Error;
pub use self::error_kind::ErrorKind;
pub use self::facade::{
    Answer, AnswerBody, Page, Pages, RequestBuilder, ServiceClient, ServiceClientBuilder,
    StreamedAnswer, TotalShift,
};
#[doc(inline)]
pub use self::layer::{
    AttemptHeadersLayer, AttemptSpanLayer, AttemptTimeoutLayer, Attempts, Backoff,
    CollectBodyLayer, IdempotencyKeyLayer, InFlightLimitLayer, Jitter, ObserveLayer, PeerMemory,
    PropagateContextLayer, RetryBudget, RetryDecision, RetryEvent, RetryLayer, RetryPolicy,
    RetryScope,
};
pub use self::not_retried::NotRetried;
pub use self::options::CallOptions;
pub use self::phase::Phase;
pub use self::stack::{ClientLayer, ClientService};
pub use self::streaming::WantsStream;
pub use self::transmission::Transmission;
#[doc(inline)]
pub use self::transport::{Transport, TransportConfig};
pub use self::url_template::UrlTemplate;
#[cfg(feature = "garde")]
pub use self::validate::Validation;
