//! Layers that need the store of the locks.
//!
//! | layer | lets in | answers to the others |
//! |---|---|---|
//! | [`LockLayer`] | one request per lock at a time | `409` with `Retry-After` |
//! | [`FenceLayer`] | requests whose fences are not older than those that it has let in | `409` |
//! | [`IdempotencyLayer`] | the first request with an `Idempotency-Key` | the answer of the first |
//!
//! All of them stand inside the service's guard. Their own answers have the platform's error body,
//! and what they decided is among the extensions of the response: [`LockRefusal`],
//! [`FenceRefusal`], [`IdempotencyVerdict`]. If the store cannot be asked, the answer is `503` with
//! `Retry-After`, which says that the request was not taken. Nothing waits and nothing fails in
//! `poll_ready`.

mod either_body;
mod error_answer;
pub mod fence;
pub mod idempotency;
pub mod lock;

pub use self::fence::{Fence, FenceBody, FenceFuture, FenceLayer, FenceRefusal, Fences};
pub use self::idempotency::{
    Execution, Idempotency, IdempotencyBody, IdempotencyFuture, IdempotencyLayer,
    IdempotencyRequestBody, IdempotencyVerdict, NothingDone, Scope,
};
pub use self::lock::{Lock, LockBody, LockFuture, LockLayer, LockRefusal};
