//! One request per key at a time, among all replicas.
//!
//! [`LockLayer`] acquires a lock before it calls the inner service, and releases it when the
//! response *body* has ended or is dropped: a body that streams is part of the work.
//!
//! 1. A function of the request's head computes the key. A request without a key is not locked.
//! 2. If the lock is free, the request goes in, with the [`Lease`](crate::Lease) among its
//!    extensions.
//! 3. If another request holds it, the answer is `409 Conflict` with `Retry-After`. Requests do not
//!    wait in line.
//! 4. If the store cannot be asked, the answer is `503 Service Unavailable` with `Retry-After`,
//!    which says that the request was not taken. (A service that
//!    [fails open](crate::OnUnavailable::FailOpen) lets it in.)
//! 5. If the lease is lost while the request is served, the inner future is dropped, and the answer
//!    is `503` *without* `Retry-After`, because part of the work may have been done. A body that
//!    was being sent ends with an error, so that it cannot pass for a whole one.
//!
//! These answers have the platform's error body, and a [`LockRefusal`] among their extensions.
//! Nothing waits and nothing fails in `poll_ready`.
//!
//! Not promised: fairness, and exclusion of work that the handler has spawned and left behind. As
//! with every lease, a process that was stopped for longer than the ttl needs the
//! [fence](crate::Lease::fence).
//!
//! At the end of a process call [`LockService::close`](crate::LockService::close), after the server
//! has drained: the lock of a request whose body has just ended is released in the background, and
//! a process that exits at once would leave it to its ttl.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use civic_lock::{Lease, LockLayer, LockService};
//! use http::{Request, Response, StatusCode, request::Parts};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let locks = LockService::builder().host_folder(folder.path().join("locks")).build()?;
//! // One import per municipality at a time.
//! let layer = LockLayer::new(&locks, Duration::from_secs(30), |head: &Parts| {
//!     head.uri.path().strip_prefix("/import/").map(|town| format!("import:{town}"))
//! })?;
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(
//!     async |request: Request<()>| {
//!         let lease = request.extensions().get::<Lease>().expect("the layer adds it");
//!         assert_eq!(lease.name().as_str(), "import:springfield");
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::<bytes::Bytes>::default()))
//!     },
//! ));
//!
//! let first = service.clone().oneshot(Request::get("/import/springfield").body(())?).await?;
//! assert_eq!(first.status(), StatusCode::OK);
//! // The first response has not been read to its end, so its lock is still held.
//! let second = service.oneshot(Request::get("/import/springfield").body(())?).await?;
//! assert_eq!(second.status(), StatusCode::CONFLICT);
//! # Ok(())
//! # }
//! ```

mod body;
mod future;
mod layer;
mod refusal;
mod service;
mod settings;

pub use self::body::LockBody;
pub use self::future::LockFuture;
pub use self::layer::LockLayer;
pub use self::refusal::LockRefusal;
pub use self::service::Lock;
