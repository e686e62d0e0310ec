//! How a server behaves over time, as data.
//!
//! The model is that of the published simulations: the first handler of the current phase that
//! serves the endpoint answers, the status and the time that it takes are decided when the request
//! arrives, and the requests in flight include the arriving one.

use std::time::Duration;

use http::StatusCode;

/// How long an answer takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always the same time.
    Constant(Duration),
    /// Grows with the load: `best * (1 + in_flight / capacity)`, and `5 * best` above the capacity.
    Linear {
        /// The time of a request that has the server to itself, nearly.
        best: Duration,
        /// The number of requests in flight that the server can just about take.
        capacity: u32,
    },
}

/// Which status an answer has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Status {
    /// Always this one.
    Always(StatusCode),
    /// 200 while no more than `capacity` requests are in flight, else `above`.
    UntilCapacity {
        /// The largest number of requests in flight that is served.
        capacity: u32,
        /// The status of the others.
        above: StatusCode,
    },
    /// 500 with this probability, else 200.
    Flaky(f64),
    /// 200 while the average rate of the last minute is below `per_second`, else 429.
    RateLimited {
        /// The largest rate that is served.
        per_second: f64,
    },
}

/// What a server does with the requests to one endpoint, or to all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Handler {
    endpoint: Option<&'static str>,
    status: Status,
    latency: Latency,
}

/// A stretch of time in which a server behaves in one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    until: Option<Duration>,
    handlers: Vec<Handler>,
}

/// One server: when it joins, and its phases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    joins_at: Duration,
    phases: Vec<Phase>,
}

// ===== impl Latency =====

impl Latency {
    /// Returns the time that an answer takes when this many requests are in flight, the arriving
    /// one included.
    #[must_use]
    pub fn at(self, in_flight: u32) -> Duration {
        match self {
            Self::Constant(time) => time,
            Self::Linear { best, capacity } if in_flight > capacity => best * 5,
            Self::Linear { best, capacity } => best + best * in_flight / capacity.max(1),
        }
    }
}

// ===== impl Handler =====

impl Handler {
    /// Creates a handler of every endpoint.
    #[must_use]
    pub const fn new(status: Status, latency: Latency) -> Self {
        Self {
            endpoint: None,
            status,
            latency,
        }
    }

    /// Serves this endpoint only.
    #[must_use]
    pub const fn with_endpoint(mut self, endpoint: &'static str) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Returns which status an answer has.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Returns how long an answer takes.
    #[must_use]
    pub const fn latency(&self) -> Latency {
        self.latency
    }
}

// ===== impl Node =====

impl Node {
    /// Creates a server without behaviour, which is there from the start.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a server that always behaves in one way.
    #[must_use]
    pub fn steady(status: Status, latency: Latency) -> Self {
        Self::new().with_last([Handler::new(status, latency)])
    }

    /// Is not there before this time.
    #[must_use]
    pub const fn with_start(mut self, joins_at: Duration) -> Self {
        self.joins_at = joins_at;
        self
    }

    /// Adds a phase that ends at this time, counted from the start of the simulation.
    #[must_use]
    pub fn with_phase(
        mut self,
        until: Duration,
        handlers: impl IntoIterator<Item = Handler>,
    ) -> Self {
        self.phases.push(Phase {
            until: Some(until),
            handlers: handlers.into_iter().collect(),
        });
        self
    }

    /// Adds the last phase, which does not end.
    #[must_use]
    pub fn with_last(mut self, handlers: impl IntoIterator<Item = Handler>) -> Self {
        self.phases.push(Phase {
            until: None,
            handlers: handlers.into_iter().collect(),
        });
        self
    }

    /// Returns when the server joins.
    #[must_use]
    pub const fn start(&self) -> Duration {
        self.joins_at
    }

    /// Returns the handler of an endpoint at this time, if there is one.
    #[must_use]
    pub fn handler(&self, now: Duration, endpoint: &str) -> Option<&Handler> {
        self.phases
            .iter()
            .find(|phase| phase.until.is_none_or(|until| now < until))?
            .handlers
            .iter()
            .find(|handler| handler.endpoint.is_none_or(|served| served == endpoint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Status = Status::Always(StatusCode::OK);

    fn linear(millis: u64, capacity: u32) -> Latency {
        Latency::Linear {
            best: Duration::from_millis(millis),
            capacity,
        }
    }

    #[test]
    fn a_linear_answer_takes_longer_with_each_request_in_flight_and_five_times_above_the_capacity()
    {
        let cases = [(1, 61), (30, 90), (60, 120), (61, 300), (1000, 300)];
        for (in_flight, millis) in cases {
            let time = linear(60, 60).at(in_flight);
            assert_eq!(time, Duration::from_millis(millis), "{in_flight} in flight");
        }
    }

    #[test]
    fn a_capacity_of_zero_divides_nothing() {
        assert_eq!(linear(60, 0).at(0), Duration::from_millis(60));
        assert_eq!(linear(60, 0).at(1), Duration::from_millis(300));
    }

    #[test]
    fn a_constant_answer_does_not_depend_on_the_load() {
        let latency = Latency::Constant(Duration::from_millis(120));
        assert_eq!(latency.at(1), latency.at(1000));
    }

    #[test]
    fn a_phase_ends_at_its_time_and_the_first_handler_that_serves_the_endpoint_answers() {
        let handler = |millis| Handler::new(OK, linear(millis, 60));
        let node = Node::new()
            .with_phase(Duration::from_secs(3), [handler(1)])
            .with_last([handler(2).with_endpoint("/e1"), handler(3)]);
        let millis = |seconds_millis, endpoint| {
            let now = Duration::from_millis(seconds_millis);
            let handler = node.handler(now, endpoint).expect("a handler");
            handler.latency()
        };
        assert_eq!(millis(2999, "/e1"), linear(1, 60));
        assert_eq!(millis(3000, "/e1"), linear(2, 60));
        assert_eq!(millis(3000, "/e2"), linear(3, 60));
    }

    #[test]
    fn an_endpoint_that_no_handler_serves_has_none() {
        let node = Node::new().with_last([Handler::new(OK, linear(1, 1)).with_endpoint("/e1")]);
        assert_eq!(node.handler(Duration::ZERO, "/e2"), None);
    }
}
