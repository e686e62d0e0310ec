//! The seam at which a service becomes a list of endpoints.

use std::sync::Arc;

use crate::balance::endpoint::Endpoint;
use crate::error::Error;

/// Says which endpoints a service has at present.
///
/// [`BalanceLayer`](crate::layer::BalanceLayer) asks before each attempt, so a change is followed
/// by the next one. What is known about an endpoint is kept while it is away for a while.
///
/// The answer has to be there already: a source that must be asked over the network keeps the last
/// answer, and a task of its own renews it. A watch channel is made for that:
///
/// ```
/// use std::sync::Arc;
///
/// use civic_client::ServiceClient;
/// use civic_client::balance::{Discover, Endpoint};
/// use tokio::sync::watch;
///
/// /// The endpoints that a task has found last: from Consul, from the EndpointSlices of
/// /// Kubernetes, or from a file.
/// struct Watched(watch::Receiver<Arc<[Endpoint]>>);
///
/// impl Discover for Watched {
///     fn endpoints(&self) -> Arc<[Endpoint]> {
///         Arc::clone(&self.0.borrow())
///     }
/// }
///
/// # fn main() -> Result<(), civic_client::Error> {
/// let (found, endpoints) = watch::channel(Arc::from([Endpoint::new("10.0.0.7:3020")?]));
/// let client = ServiceClient::builder("http://roll")
///     .anonymous()
///     .endpoints(Watched(endpoints))
///     .build()?;
///
/// // Later, in the task:
/// found.send_replace(Arc::from([Endpoint::new("10.0.0.8:3020")?]));
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
///
/// The addresses of a name need no source: [`Transport`](crate::Transport) looks them up, follows
/// their changes, and balances over them by the same rules.
///
/// # SRV records
///
/// They are not looked up here. A task of your own asks for them (`hickory-resolver` can), each
/// time that their TTL is over, and sends what it has found through the channel above: of the
/// records with the lowest priority, each target and its port as an [`Endpoint`]. A duplicate gets
/// a share of its own; that is the way to give weights. If the question fails, the task sends
/// nothing, and the last list serves on.
///
/// # A part of many endpoints
///
/// A client has connections to each endpoint that it uses. Where hundreds of callers have hundreds
/// of endpoints, each caller is better off with a part of them, another one for each caller, that
/// changes little when the list does. A source hands out such a part:
///
/// ```
/// use std::hash::{DefaultHasher, Hash, Hasher};
/// use std::sync::Arc;
///
/// use civic_client::balance::Endpoint;
///
/// /// The `size` endpoints that are this caller's own. `caller` is the name of its process, such
/// /// as that of its pod.
/// fn part(endpoints: &[Endpoint], caller: &str, size: usize) -> Arc<[Endpoint]> {
///     let rank = |endpoint: &Endpoint| {
///         let mut hasher = DefaultHasher::new();
///         (caller, endpoint.authority()).hash(&mut hasher);
///         hasher.finish()
///     };
///     let mut ranked = endpoints.to_vec();
///     ranked.sort_by_cached_key(rank);
///     ranked.truncate(size);
///     ranked.into()
/// }
///
/// # fn main() -> Result<(), civic_client::Error> {
/// let endpoint = |number| Endpoint::new(&format!("10.0.0.{number}:3020"));
/// let all: Vec<_> = (0..100).map(endpoint).collect::<Result<_, _>>()?;
/// let own = part(&all, "billing-7", 20);
/// assert_eq!(own.len(), 20);
/// assert_ne!(own, part(&all, "billing-8", 20));
///
/// // One that goes away is replaced by one other.
/// let fewer: Vec<_> = all.iter().filter(|endpoint| **endpoint != own[0]).cloned().collect();
/// let after = part(&fewer, "billing-7", 20);
/// assert_eq!(after.iter().filter(|endpoint| own.contains(*endpoint)).count(), 19);
/// # Ok(())
/// # }
/// ```
///
/// Twenty are enough for the choice of the least loaded of two, and leave nineteen where one is
/// sick.
pub trait Discover: Send + Sync + 'static {
    /// Returns the endpoints. It must not block.
    ///
    /// With an empty list an attempt ends at once and was never sent, so that a retry may find one.
    fn endpoints(&self) -> Arc<[Endpoint]>;
}

/// A list of endpoints that does not change.
#[derive(Clone, Debug)]
pub struct StaticEndpoints(Arc<[Endpoint]>);

impl StaticEndpoints {
    /// Creates a list of these endpoints. A duplicate gets a share of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): there is none.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Result<Self, Error> {
        let endpoints: Arc<[_]> = endpoints.into_iter().collect();
        if endpoints.is_empty() {
            return Err(Error::config(
                "a list of endpoints is empty; name at least one, as host:port",
            ));
        }
        Ok(Self(endpoints))
    }

    /// Reads a list that is separated by commas, as it stands in an environment variable:
    /// `10.0.0.7:3020, 10.0.0.8:3020`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): it is empty, or an entry is no
    /// [`Endpoint`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let entries = text.split(',').filter(|entry| !entry.trim().is_empty());
        let endpoints: Result<Vec<_>, _> = entries.map(Endpoint::new).collect();
        Self::new(endpoints?)
    }
}

impl Discover for StaticEndpoints {
    fn endpoints(&self) -> Arc<[Endpoint]> {
        Arc::clone(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_kind::ErrorKind;

    #[test]
    fn a_list_is_separated_by_commas() {
        let list = StaticEndpoints::parse("a:1, b:2,,http://c:3,").unwrap();
        let endpoints = list.endpoints();
        let places: Vec<_> = endpoints.iter().map(Endpoint::authority).collect();
        assert_eq!(places, ["a:1", "b:2", "c:3"]);
    }

    #[test]
    fn a_list_that_is_empty_or_has_a_malformed_entry_is_refused() {
        for text in ["", " , ", "a:1,b:", "a:1,https://b:2"] {
            let error = StaticEndpoints::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        }
    }
}
