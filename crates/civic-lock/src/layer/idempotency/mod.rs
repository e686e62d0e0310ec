//! One effect per `Idempotency-Key`, and the same answer each time.
//!
//! A caller that got no answer cannot know whether its request was carried out. With a key it may
//! simply send the request again: [`IdempotencyLayer`] lets the first one in, records the answer
//! in the store of the locks, and gives that answer to the others.
//!
//! **What is let in.**
//!
//! 1. A request without `Idempotency-Key`, or with a safe method, passes untouched.
//!    [`require_key`](IdempotencyLayer::require_key) makes the first one `400`.
//! 2. A key is an RFC 8941 string or bare, 1 to 255 characters; `"k"` and `k` are one key. Anything
//!    else is `400`, and so are two fields.
//! 3. A function computes the [`Scope`] of a request: who calls, for which tenant, and what. Only
//!    requests of one scope share keys. `None` is `400`.
//! 4. The body is read first. More than 1 MiB is `413`.
//! 5. If the store cannot be asked, the answer is `503` with `Retry-After`: the request was not
//!    taken.
//!
//! **The first request with a key** is executed detached from its caller, on the task that the
//! `spawn` function makes: a caller that goes away ends nothing. The handler finds an [`Execution`]
//! among the extensions of its request. An execution that takes longer than 60 s is dropped, and
//! the key is in doubt.
//!
//! **What is stored**, for 24 hours: the status, the body up to 64 KiB, `Content-Type`, `Location`
//! and `ETag`. No other header, so never `Set-Cookie`, and not the correlation id: an error body of
//! the platform gets that of the request that it is replayed to. Errors are stored too, 5xx
//! included. Only what was declared to have done nothing is not, and leaves the key as if it had
//! never been used: a response with [`NothingDone`] among its extensions, by which a handler
//! declares it, or with the refusal of a [`LockLayer`](super::LockLayer) or a
//! [`FenceLayer`](super::FenceLayer) that has not called the handler. A status declares nothing,
//! nor does `Retry-After`: a handler may pass on the `503` of a peer after half of its work.
//!
//! The first caller gets the whole answer, whatever its length. If the body is longer than 64 KiB,
//! or is encoded (`Content-Encoding`), it is recorded that the request was carried out, and the
//! answer to the others is `409` with the code `idempotency_answer_not_kept`.
//!
//! **The requests that follow** with the same key:
//!
//! | the first one | answer | `Retry-After` | code in `error` |
//! |---|---|---|---|
//! | was carried out | the stored answer, with `Idempotency-Replayed: true` | | |
//! | was carried out, the answer is not kept | 409 | no | `idempotency_answer_not_kept` |
//! | is running | 409 | yes | `idempotency_running` |
//! | was begun, and no one knows what became of it | 409 | no | `idempotency_in_doubt` |
//! | was another request: method, path with query, content type or body | 422 | no | `idempotency_key_reused` |
//!
//! Each response to a request with a key has an [`IdempotencyVerdict`] among its extensions.
//!
//! **In doubt** is a key whose execution was begun and not recorded: its process died, it took too
//! long, it panicked, the inner service failed, or the record could not be written (then the first
//! caller has its answer all the same). It is never executed again by itself. An operator who has
//! looked decides (`civic once resolve`), or the record ends after 24 hours.
//!
//! **What this is worth.** At most one effect holds for as long as the record is retained and the
//! store loses no write that it has acknowledged: `appendfsync always`, or replicas that
//! acknowledge. The layer warns once where neither is configured. An effect in a database is exact
//! only if the key is written in the transaction of the effect: see [`Execution::key`].
//!
//! The layer's place is inside the guard and the roles, directly around the handler: a replay is
//! authorised like a first call, and what compresses or wraps answers treats it like one.
//!
//! # Example
//!
//! ```
//! use civic_lock::LockService;
//! use civic_lock::layer::{IdempotencyLayer, Scope};
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use std::convert::Infallible;
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! static BILLS: AtomicU32 = AtomicU32::new(0);
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let folder = tempfile::tempdir()?;
//! # let locks = LockService::builder().host_folder(folder.path().join("locks")).build()?;
//! let layer = IdempotencyLayer::new(
//!     &locks,
//!     // A service computes it from the principal that its guard has admitted.
//!     |head| {
//!         let caller = head.headers.get("x-user")?.to_str().ok()?;
//!         Some(Scope::new(caller, None, &head.method, "/bills"))
//!     },
//!     |execution| {
//!         tokio::spawn(execution);
//!     },
//! );
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_request| {
//!     let bill = BILLS.fetch_add(1, Ordering::SeqCst) + 1;
//!     Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::from(format!("bill {bill}"))))
//! }));
//!
//! let post = || {
//!     Request::post("/bills").header("x-user", "u-1").header("idempotency-key", "\"k-1\"")
//! };
//! for _ in 0..2 {
//!     let answer = service.clone().oneshot(post().body(Full::from("p-7"))?).await?;
//!     assert_eq!(answer.into_body().collect().await?.to_bytes(), "bill 1");
//! }
//! let other = service.oneshot(post().body(Full::from("p-8"))?).await?;
//! assert_eq!(other.status(), 422);
//! assert_eq!(BILLS.load(Ordering::SeqCst), 1);
//! # Ok(())
//! # }
//! ```

mod body;
mod collect;
mod digest;
mod exchange;
mod execution;
mod future;
mod key;
mod layer;
mod request_body;
mod scope;
mod service;
mod settings;
mod stored;
mod verdict;

pub use self::body::IdempotencyBody;
pub use self::execution::{Execution, NothingDone};
pub use self::future::IdempotencyFuture;
pub use self::layer::IdempotencyLayer;
pub use self::request_body::IdempotencyRequestBody;
pub use self::scope::Scope;
pub use self::service::Idempotency;
pub use self::verdict::IdempotencyVerdict;
