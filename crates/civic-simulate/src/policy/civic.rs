//! civic-client, its real layers over the simulated network.

use std::sync::Arc;
use std::time::Duration;

use civic_client::balance::{Discover, Endpoint};
use civic_client::layer::{
    AttemptHeadersLayer, AttemptSpanLayer, AttemptTimeoutLayer, BalanceLayer, CollectBodyLayer,
    IdempotencyKeyLayer, InFlightLimitLayer, PropagateContextLayer, RetryLayer,
};
use civic_client::{Backoff, PeerMemory, RetryPolicy, ServiceClient};
use http::StatusCode;
use tower::ServiceBuilder;
use tower::util::option_layer;

use super::setting::{Call, Setting};
use crate::network::{CALL, Network, ONE_NAME, Topology};

pub(super) const DEFAULT: &str = "civic-client's default stack: at most 2 retries after 500 ms and \
    1 s, each times uniform(0.8, 1.2). A POST is retried only where the server cannot have executed \
    it: never sent, or 429 and 503 with `Retry-After`, which is waited \
    for (with endpoints, the first retry after a 503 goes to another one at once, if one is well). \
    The retries of a client have its budget (20 % of the calls and 10 per second), and what a \
    429 says about the limit of a route is remembered for its other calls.";

pub(super) const EVERYTHING: &str = "The same layers, set up for calls that may be repeated: the \
    caller declares every call idempotent, allows as many retries as the peer (3), and gives each \
    call a deadline of three attempt timeouts.";

pub(super) const WITHOUT_BUDGET: &str = "The same as *civic, all on*, with the budget switched off \
    (`PeerMemory::without_budget`).";

pub(super) const BALANCED: &str = "The same as *civic*, with the nodes as its endpoints.";

pub(super) const BALANCED_EVERYTHING: &str =
    "The same as *civic, all on*, with the nodes as its endpoints.";

pub(super) const WAITING: &str = "The same as *civic, endpoints*, with `max_in_flight(n)`: of each \
    client at most n calls are under way at once, and the others wait in front of the limit until \
    the end of the scenario. How large n is, the scenario says. It is run where calls can wait for \
    room.";

/// The nodes that are there now.
struct Nodes(Network);

impl Discover for Nodes {
    fn endpoints(&self) -> Arc<[Endpoint]> {
        let hosts = self.0.hosts_up();
        hosts
            .iter()
            .filter_map(|host| Endpoint::new(host).ok())
            .collect()
    }
}

/// What a call says beyond its method and path.
#[derive(Clone, Copy, Debug, Default)]
struct PerCall {
    idempotent: bool,
    retries: Option<u32>,
    deadline: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) struct Civic {
    client: ServiceClient,
    per_call: PerCall,
}

impl Civic {
    /// The default stack, and calls that say nothing beyond their method and path.
    pub(super) fn default_stack(setting: Setting) -> Result<Self, String> {
        Ok(Self {
            client: client(setting, PeerMemory::new(), None)?,
            per_call: PerCall::default(),
        })
    }

    /// The default stack, in front of which calls wait until there is room for them.
    pub(super) fn waiting(setting: Setting) -> Result<Self, String> {
        let limit = InFlightLimitLayer::new(setting.max_in_flight).with_max_wait(Duration::MAX);
        Ok(Self {
            client: client(setting, PeerMemory::new(), Some(limit))?,
            per_call: PerCall::default(),
        })
    }

    /// Everything that can help switched on.
    pub(super) fn everything(setting: Setting) -> Result<Self, String> {
        Self::with_memory(setting, PeerMemory::new())
    }

    /// The same without a budget for retries.
    pub(super) fn without_budget(setting: Setting) -> Result<Self, String> {
        Self::with_memory(setting, PeerMemory::new().without_budget())
    }

    fn with_memory(setting: Setting, memory: PeerMemory) -> Result<Self, String> {
        let per_call = PerCall {
            idempotent: true,
            retries: Some(3),
            deadline: Some(setting.attempt_timeout * 3),
        };
        Ok(Self {
            client: client(setting, memory, None)?,
            per_call,
        })
    }

    pub(super) async fn call(&self, call: Call<'_>) -> Option<StatusCode> {
        let mut request = self
            .client
            .request(call.method.clone(), call.endpoint)
            .header(CALL, call.number);
        if self.per_call.idempotent {
            request = request.idempotent(true);
        }
        if let Some(retries) = self.per_call.retries {
            request = request.retries(retries);
        }
        if let Some(deadline) = self.per_call.deadline {
            request = request.deadline(deadline);
        }
        let response = request.send_raw().await.ok()?;
        Some(response.status())
    }
}

/// The layers of the default stack in their order, without identity: the simulated servers ask for
/// no token. What the client draws at random comes from the seed.
fn client(
    setting: Setting,
    memory: PeerMemory,
    limit: Option<InFlightLimitLayer>,
) -> Result<ServiceClient, String> {
    let backoff = Backoff::default().with_seed(setting.seed);
    let policy = RetryPolicy::new()
        .with_backoff(backoff)
        .with_peer_memory(memory);
    let balance = match setting.network.topology() {
        Topology::OneName => None,
        Topology::NamePerNode => {
            let nodes = Nodes(setting.network.clone());
            // Another stream than that of the waits.
            Some(BalanceLayer::new(nodes).with_seed(!setting.seed))
        }
    };
    let stack = ServiceBuilder::new()
        .layer(PropagateContextLayer::new())
        .layer(IdempotencyKeyLayer::new())
        .layer(option_layer(limit))
        .layer(RetryLayer::new(policy))
        .layer(AttemptSpanLayer::new())
        .layer(AttemptTimeoutLayer::new(setting.attempt_timeout))
        .layer(AttemptHeadersLayer::new())
        .layer(option_layer(balance))
        .layer(CollectBodyLayer::new())
        .service(setting.network);
    ServiceClient::builder(ONE_NAME)
        .build_over(stack)
        .map_err(|error| error.to_string())
}
