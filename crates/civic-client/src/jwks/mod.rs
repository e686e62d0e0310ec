//! The keys of another service, fetched over HTTP and followed.
//!
//! [`JwksSource`] is a [`KeySource`](civic_auth::KeySource) for the guard of civic-auth: it fetches
//! the JSON Web Key Set of one issuer over a [`ServiceClient`](crate::ServiceClient), with its
//! retries, timeouts and TLS. The other half is `KeySetService` of civic-auth.
//!
//! <!-- no_run: it calls a service that is not there -->
//! ```no_run
//! use civic_auth::TokenVerifier;
//! use civic_client::jwks::JwksSourceBuilder;
//! use civic_client::{Error, ServiceClient};
//!
//! # async fn example() -> Result<(), Error> {
//! let client = ServiceClient::builder("https://billing.town.example").anonymous().build()?;
//! let keys = JwksSourceBuilder::new(client, "billing").start()?;
//! keys.ready().await;
//! let verifier = TokenVerifier::from_source(keys);
//! # let _ = verifier;
//! # Ok(())
//! # }
//! ```
//!
//! A service that is called by several others has a source for each, joined by
//! [`KeySources`](civic_auth::KeySources).
//!
//! # What it promises
//!
//! - **No request waits for a key that is there.** The set is fetched in the background: when half
//!   of its `max-age` to all of it has passed, at a random moment, and at least every 5 minutes.
//!   The present set is used meanwhile.
//! - **An outage of the publisher refuses no one** for 72 hours. After that the keys are too old to
//!   be believed, and every request is answered with 503 and `Retry-After`, as before the first set
//!   has arrived: the caller's fault it is not, so it is never a 401.
//! - **A new key is found when its first token arrives.** A token whose `kid` is unknown causes one
//!   fetch, which all such requests share and wait for, for a second at most. It begins after a
//!   random part of half a second, so that a hundred processes that see the key at the same time
//!   are no burst. Tokens cause one fetch per 10 seconds at most, whatever the set has in it; a
//!   request with an unknown `kid` that comes in between is refused at once.
//! - **A removed key is dead** as soon as a set without it has been seen.
//! - **A key that changes under its id is not believed.** An event and a `WARN` say so. The key
//!   that was known is used for 72 hours from when it was last published, and then none. Publish a
//!   new key under a new id.
//! - **A set that is not one changes nothing**: more than 64 KiB or 32 keys, another content type,
//!   half a JSON text, no key that can be used, two keys with one id, a redirect. Single keys of an
//!   unknown kind or for another use are skipped, and so is a shared or a private key, with a
//!   `WARN`.
//! - **Every key speaks for the issuer of the source only**, and for services unless
//!   [told otherwise](JwksSourceBuilder::profile), whatever the set says.
//! - **It never keeps a process alive.** Its task ends with the last handle, and does not survive
//!   its runtime.
//!
//! # What it does not promise
//!
//! - That a token is accepted whose key was published a moment ago, while forged tokens keep the
//!   source from asking again, or if the publisher takes longer than a second to answer. Publish a
//!   key, wait for the `max-age`, and sign with it then.
//! - That a key which was removed while the publisher cannot be reached is dead before the 72 hours
//!   have passed.

mod builder;
mod event;
mod fetch;
mod freshness;
mod pace;
mod settings;
mod shared;
mod source;
mod succession;
mod worker;

pub use self::builder::JwksSourceBuilder;
pub use self::event::JwksEvent;
pub use self::source::{JwksSource, NoKeys};
