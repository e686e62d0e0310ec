//! Small scenarios.

use std::time::Duration;

use civic_simulate::scenario::{Load, Scenario};
use civic_simulate::server::{Latency, Node, Status};
use http::StatusCode;

/// A server that always answers this, after 100 ms.
pub(crate) fn always(status: StatusCode) -> Node {
    Node::steady(
        Status::Always(status),
        Latency::Constant(Duration::from_millis(100)),
    )
}

/// A hundred calls in ten seconds to these servers.
pub(crate) fn scenario(nodes: Vec<Node>) -> Scenario {
    Scenario {
        ends_at: Duration::from_secs(60),
        ..Scenario::new(
            "a_hundred_calls",
            "A hundred calls in ten seconds.",
            nodes,
            Load {
                calls: 100,
                interval: Duration::from_millis(100),
            },
        )
    }
}
