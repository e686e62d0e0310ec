//! Refuses requests whose fences are older than those of a later holder.
//!
//! A [fence](crate::Lease::fence) protects nothing until someone compares it. The caller, which
//! holds a lock, sends it along: [`Lease::fence_header`](crate::Lease::fence_header). The callee
//! puts a [`FenceLayer`] in front of the routes that change something:
//!
//! 1. A request without `X-Fence` is let in, unless the layer [requires](FenceLayer::require_fence)
//!    the fence of a lock: then a request without that one is `400`. A malformed header is `400`,
//!    and so is one that names more than 16 locks.
//! 2. A function says which locks a route knows. Another lock is `400`: the store remembers each
//!    name, so the callee and not its caller chooses them.
//! 3. The store remembers the largest fence of each lock that was let in. A smaller one is `409`
//!    without `Retry-After`: a later holder has been here, and repeating changes nothing.
//! 4. A fence that is more than 24 hours ahead of the store's clock is `400`, and is not
//!    remembered: a wrong number must not lock out all those that follow.
//! 5. A fence of 0 is that of a lease without a lock behind it
//!    ([fail open](crate::OnUnavailable::FailOpen)), and is `409`: it proves nothing.
//! 6. If the store cannot be asked, the answer is `503` with `Retry-After`: the request was not
//!    taken.
//! 7. A request that is let in has its [`Fences`] among its extensions.
//!
//! The layer stands inside the guard. It is an admission check and does not replace the comparison
//! in the write: between the two, a request that was let in may be overtaken by a later holder's.
//! Compare the number in the statement that writes, as the documents show for SQL.
//!
//! What is remembered of a lock stays for 400 days after it last grew.
//!
//! **What a caller can do.** A caller that the guard lets in can send a fence of any lock that
//! the route accepts. One that is up to 24 hours ahead of the clock is let in and remembered, and
//! the real holders of that lock are `409` until the clock has reached it. So accept a lock only
//! from callers that may hold it, which the function can read from the request's extensions: not
//! from a user whose token was let in. The way out is to delete the key `{lock:<name>}:seen` in
//! Redis, or to wait.
//!
//! **Namespaces.** A fence carries the name of its lock without the
//! [namespace](crate::LockServiceBuilder::namespace) of its service. Two namespaces have different
//! locks of one name, whose fences a callee cannot tell apart: let only one of them call it, or
//! give their locks different names.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use civic_lock::layer::{FenceLayer, Fences};
//! use civic_lock::{Acquisition, LockName, LockService};
//! use http::request::Parts;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! /// The accounts of this service. No other lock is remembered.
//! const ACCOUNTS: [&str; 2] = ["R-1", "R-2"];
//!
//! /// The lock of the account that the request is about.
//! fn lock_of(head: &Parts) -> Option<LockName> {
//!     let id = head.uri.path().strip_prefix("/accounts/")?;
//!     let id = ACCOUNTS.iter().find(|known| **known == id)?;
//!     LockName::new(format!("account:{id}")).ok()
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! # let locks = LockService::builder().host_folder(folder.path().join("locks")).build()?;
//! let layer = FenceLayer::new(&locks, |head, lock| lock_of(head).as_ref() == Some(lock))
//!     .require_fence(lock_of);
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(
//!     async |request: Request<()>| {
//!         let fences = request.extensions().get::<Fences>();
//!         for (lock, fence) in fences.into_iter().flat_map(Fences::iter) {
//!             println!("UPDATE account SET …, fence = {fence} WHERE fence <= {fence}, for {lock}");
//!         }
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
//!     },
//! ));
//!
//! let mut holders = Vec::new();
//! for _ in 0..2 {
//!     let ttl = Duration::from_secs(30);
//!     let Acquisition::Acquired(guard) = locks.try_acquire("account:R-1", ttl).await else {
//!         panic!("no one else uses this lock");
//!     };
//!     holders.push(guard.lease().fence_header());
//!     guard.release().await;
//! }
//! let mut statuses = Vec::new();
//! for (name, value) in holders.into_iter().rev() {
//!     let request = Request::put("/accounts/R-1").header(name, value).body(())?;
//!     statuses.push(service.clone().oneshot(request).await?.status());
//! }
//! // The second holder's write, and then the late one of the first.
//! assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
//! let request = Request::put("/accounts/R-1").body(())?;
//! let without = service.oneshot(request).await?;
//! assert_eq!(without.status(), StatusCode::BAD_REQUEST);
//! # Ok(())
//! # }
//! ```

mod admission;
mod body;
mod fences;
mod future;
mod layer;
mod refusal;
mod service;
mod settings;

pub use self::body::FenceBody;
pub use self::fences::Fences;
pub use self::future::FenceFuture;
pub use self::layer::FenceLayer;
pub use self::refusal::FenceRefusal;
pub use self::service::Fence;
