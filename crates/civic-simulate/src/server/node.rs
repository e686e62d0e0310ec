//! One server at work: what it answers, and what it counts.

use std::time::Duration;

use http::StatusCode;

use super::behaviour::{Node, Status};
use super::meter::Meter;
use crate::random::Random;

/// A server at work.
#[derive(Debug)]
pub struct Server {
    node: Node,
    in_flight: u32,
    served: Meter,
    random: Random,
}

/// What a server will answer, decided when the request arrives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status of the answer.
    pub status: StatusCode,
    /// How long it takes.
    pub takes: Duration,
}

impl Server {
    /// Starts a server that behaves as `node` says.
    #[must_use]
    pub fn new(node: Node, random: Random) -> Self {
        Self {
            node,
            in_flight: 0,
            served: Meter::default(),
            random,
        }
    }

    /// Returns whether the server is there at this time.
    #[must_use]
    pub fn is_up(&self, now: Duration) -> bool {
        now >= self.node.start()
    }

    /// Returns the number of requests that it works on.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Takes a request, and decides its answer. [`finish`](Self::finish) has to follow when the
    /// answer is due. An endpoint that no handler serves is answered with 404 at once.
    pub fn accept(&mut self, now: Duration, endpoint: &str) -> Answer {
        self.in_flight += 1;
        let Some(handler) = self.node.handler(now, endpoint) else {
            return Answer {
                status: StatusCode::NOT_FOUND,
                takes: Duration::ZERO,
            };
        };
        let takes = handler.latency().at(self.in_flight);
        let status = match handler.status() {
            Status::Always(status) => status,
            Status::UntilCapacity { capacity, above } if self.in_flight > capacity => above,
            Status::UntilCapacity { .. } => StatusCode::OK,
            Status::Flaky(rate) if self.random.unit() < rate => StatusCode::INTERNAL_SERVER_ERROR,
            Status::Flaky(_) => StatusCode::OK,
            Status::RateLimited { per_second } if self.served.per_second(now) < per_second => {
                self.served.mark(now);
                StatusCode::OK
            }
            Status::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        };
        Answer { status, takes }
    }

    /// Ends the work on one request.
    pub const fn finish(&mut self) {
        self.in_flight -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Handler, Latency};

    fn server(status: Status, latency: Latency) -> Server {
        Server::new(Node::steady(status, latency), Random::stream(1, 0))
    }

    fn constant() -> Latency {
        Latency::Constant(Duration::from_millis(150))
    }

    #[test]
    fn the_arriving_request_counts_among_those_in_flight() {
        let status = Status::UntilCapacity {
            capacity: 2,
            above: StatusCode::TOO_MANY_REQUESTS,
        };
        let mut server = server(status, constant());
        let mut next = || server.accept(Duration::ZERO, "/").status.as_u16();
        assert_eq!([next(), next(), next()], [200, 200, 429]);
        server.finish();
        server.finish();
        assert_eq!(server.accept(Duration::ZERO, "/").status, StatusCode::OK);
    }

    #[test]
    fn a_request_that_is_refused_is_in_flight_until_it_is_answered() {
        let status = Status::UntilCapacity {
            capacity: 1,
            above: StatusCode::TOO_MANY_REQUESTS,
        };
        let mut server = server(status, constant());
        for _ in 0..3 {
            server.accept(Duration::ZERO, "/");
        }
        assert_eq!(server.in_flight(), 3);
    }

    #[test]
    fn the_time_that_an_answer_takes_is_that_of_the_load_on_arrival() {
        let latency = Latency::Linear {
            best: Duration::from_millis(600),
            capacity: 30,
        };
        let mut server = server(Status::Always(StatusCode::OK), latency);
        let mut next = || server.accept(Duration::ZERO, "/").takes.as_millis();
        assert_eq!([next(), next()], [620, 640]);
    }

    #[test]
    fn a_flaky_server_fails_at_its_rate() {
        let mut server = server(Status::Flaky(0.01), constant());
        let failed = (0..100_000)
            .filter(|_| server.accept(Duration::ZERO, "/").status != StatusCode::OK)
            .count();
        assert!((900..1100).contains(&failed), "{failed}");
    }

    #[test]
    fn a_rate_limit_refuses_what_comes_too_soon_and_does_not_count_it() {
        let mut server = server(Status::RateLimited { per_second: 0.1 }, constant());
        let mut at = |second| {
            server
                .accept(Duration::from_secs(second), "/")
                .status
                .as_u16()
        };
        assert_eq!([at(0), at(5), at(6)], [200, 429, 429]);
        assert_eq!(at(90), 200);
    }

    #[test]
    fn an_endpoint_without_a_handler_is_answered_with_404() {
        let handler = Handler::new(Status::Always(StatusCode::OK), constant()).with_endpoint("/e1");
        let mut server = Server::new(Node::new().with_last([handler]), Random::stream(1, 0));
        let answer = server.accept(Duration::ZERO, "/e2");
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_server_that_joins_later_is_not_up_before() {
        let node = Node::steady(Status::Always(StatusCode::OK), constant())
            .with_start(Duration::from_secs(5));
        let server = Server::new(node, Random::stream(1, 0));
        assert!(!server.is_up(Duration::from_millis(4999)));
        assert!(server.is_up(Duration::from_secs(5)));
    }
}
