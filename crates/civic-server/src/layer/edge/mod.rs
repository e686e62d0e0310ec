//! The edge of the fleet: what a stranger sends means nothing here.
//!
//! Services of the fleet believe some headers of each other. A service that browsers and gateways
//! reach directly must not believe them of everyone:
//!
//! | header | sent by | a stranger's | a service's, which the guard has admitted |
//! |---|---|---|---|
//! | `x-request-timeout-ms` | clients of the fleet | removed | adopted behind the guard |
//! | `x-retry-attempt` | clients of the fleet | removed | read behind the guard |
//! | `Txn-Token` | services, for a user | removed | read by the guard |
//! | `X-Fence` | services, with a lock | removed | read behind the guard |
//! | `X-Correlation-Id` | everyone | made a UUID | made a UUID |
//! | `Authorization`, cookies, `traceparent`, `Idempotency-Key` | everyone | kept | kept |
//!
//! A stranger is everyone but a service with a valid token: a user, an anonymous caller, and every
//! caller of a public route, where no guard stands.
//!
//! A correlation id that is no UUID becomes one
//! ([`uuid_correlation_id`](civic_auth::uuid_correlation_id)), because the platform's event schemas
//! accept nothing else. Its namespace is `c416a4a6-4b3a-4da6-9fa7-d8221a1b4be1`. What was sent is
//! in the request's extensions ([`OriginalCorrelationId`]) and in the field
//! `correlation_id.original` of the request's span.
//!
//! Two layers do this: [`EdgeLayer`] around the correlation id, and [`EdgeGuardLayer`] in place of
//! the guard. Either one alone is no edge: without the first, a stranger's headers are read before
//! the guard; without the second, no one's are read behind it.

mod guard;
mod original;
mod outer;
mod withheld;

pub use self::guard::{EdgeAdmit, EdgeGuardLayer, EdgeReveal};
pub use self::original::OriginalCorrelationId;
pub use self::outer::{Edge, EdgeLayer};
