//! The standard stack, in one layer.
//!
//! Outermost first:
//!
//! | part | from | option | why it is where it is |
//! |---|---|---|---|
//! | catch panic | tower-http | | outside of everything: a bug in a layer still gets an answer, if without an id |
//! | sensitive headers | tower-http | | before anything that could log a header |
//! | edge | this crate | [`with_edge`](StackLayer::with_edge) | outside of everything that reads a header; not there unless asked for |
//! | correlation id | civic-auth | | before the trace, so that each log line has it; outside of everything that may answer, so that 401, 404 and 500 have it too |
//! | trace | tower-http | | one span per request, around everything that has something to say about it |
//! | observer | this crate | [`with_observer`](StackLayer::with_observer) | outside of everything that may answer, so that it counts every answer |
//! | compression | tower-http | [`without_compression`](StackLayer::without_compression) | outside of the envelope: what is compressed cannot be wrapped, nor rendered again |
//! | error shape | this crate | | outside of whatever may fail, inside of compression |
//! | catch panic | tower-http | | again, inside of the trace: a handler's panic is logged in its span and answered with its id |
//! | deadline | civic-auth | [`without_deadline`](StackLayer::without_deadline) | inside of the correlation id, which opens the scope that it writes into; outside of everything that takes time |
//! | envelope | civic-envelope | [`with_envelope`](StackLayer::with_envelope), [`without_envelope`](StackLayer::without_envelope) | the innermost of the layers that write bodies: it sees what handlers answered |
//!
//! Inside of it belong, outermost first, a limit ([`ShedLayer`](super::ShedLayer)), the guard
//! (`AuthLayer`), roles (`RequireRoleLayer`) and the handler. [`Service`](crate::Service) puts them
//! there.
//!
//! # Which way round
//!
//! A `tower::ServiceBuilder` reads from the outside in: its first layer sees a request first. A
//! chain of axum's `.layer` calls reads from the inside out: its *last* layer sees a request first.
//! These two are the same:
//!
//! ```
//! use axum::Router;
//! use civic_auth::CorrelationIdLayer;
//! use civic_envelope::EnvelopeLayer;
//! use tower::ServiceBuilder;
//!
//! let first_is_outermost: Router = Router::new().layer(
//!     ServiceBuilder::new()
//!         .layer(CorrelationIdLayer::new())
//!         .layer(EnvelopeLayer::new()),
//! );
//! let last_is_outermost: Router = Router::new()
//!     .layer(EnvelopeLayer::new())
//!     .layer(CorrelationIdLayer::new());
//! ```
//!
//! # What a wrong order does
//!
//! | wrong | what is seen |
//! |---|---|
//! | envelope outside of compression | long answers have no envelope |
//! | error shape outside of compression | long errors are replaced by their status' words |
//! | guard outside of the correlation id | a 401 has the id `unknown`, or the caller's unchecked one |
//! | catch panic outside of the correlation id only | a 500 has no id, and its log line none either |
//! | error shape inside of catch panic | a 500 has the id `unknown` |
//! | deadline outside of the correlation id | the calls that a handler makes do not know the deadline |
//! | limit inside of the guard | a request above the limit costs the verification of a token |
//! | edge inside of the correlation id | a stranger's mark of a retry keeps a handler's calls from being repeated |
//! | observer inside of catch panic | requests that panic are counted as `no_answer` |
//!
//! Each row is a test, `wrong_order` in the tests of this crate.

mod layer;
mod panic;
mod service;
mod trace;

pub use self::layer::StackLayer;
pub use self::service::{Stack, StackFuture};
