//! The tower layers of this crate, and the standard stack that is made of them and of those of
//! civic-auth, civic-envelope and tower-http.
//!
//! Each layer can be used alone. For a layer `XLayer` there is a service, a response future and a
//! response body where they are needed.

mod answer_body;
pub mod edge;
pub mod error_shape;
mod observe;
mod shed;
pub mod stack;

pub use self::answer_body::AnswerBody;
#[doc(no_inline)]
pub use self::edge::{EdgeGuardLayer, EdgeLayer};
#[doc(no_inline)]
pub use self::error_shape::{ErrorShape, ErrorShapeFuture, ErrorShapeLayer};
pub use self::observe::{
    Observe, ObserveBody, ObserveFuture, ObserveLayer, RequestEvent, RequestOutcome,
};
pub use self::shed::{AtCapacity, Shed, ShedBody, ShedFuture, ShedLayer};
#[doc(no_inline)]
pub use self::stack::{Stack, StackFuture, StackLayer};
