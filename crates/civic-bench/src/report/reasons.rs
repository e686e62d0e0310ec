//! Why an aim is not met, for those of which it is known.

/// Returns why our side costs more than is aimed at.
pub(super) fn reason(what: &str, beside: &str) -> Option<&'static str> {
    REASONS
        .iter()
        .find(|(piece, side, _)| *piece == what && *side == beside)
        .map(|(_, _, why)| *why)
}

/// From `civic-bench --profile civic 64` under perf.
const CALL: &str = "a third of our time is the kernel's, which is asked before each request whether \
                    the peer has closed the connection; a seventh goes into allocating and moving \
                    memory, most of it for futures in their boxes and for the copy of the request \
                    that goes to another connection if this one is closed. The rest is spread over \
                    the layers, none of which takes more than a fiftieth.";

const HYPER: &str = "hyper-util, typed parse";
const REQWEST: &str = "reqwest";
const ASSEMBLED: &str = "reqwest, middleware, retry, encode, Value";

const REASONS: &[(&str, &str, &str)] = &[
    ("a call, 64 at a time", HYPER, CALL),
    ("a call, 64 at a time", ASSEMBLED, CALL),
    ("a call, 1 at a time", REQWEST, CALL),
    ("a call, 4 at a time", REQWEST, CALL),
    ("a call, 16 at a time", REQWEST, CALL),
    ("a call, 64 at a time", REQWEST, CALL),
    ("a call, 256 at a time", REQWEST, CALL),
    ("a call, 1024 at a time", REQWEST, CALL),
    (
        "a pair, one after the other",
        "fred: SET NX PX, EVALSHA",
        "The server works longer: 8.4 µs on an acquire and 5.4 µs on a release (13.5 and 8.4 µs \
         before the scripts were cut down), beside 0.5 µs on a `SET` and 2.1 µs on the script of the \
         other side (`INFO commandstats`). An acquire asks Redis for five things and a release for \
         four: each reads the server's clock, so that a command that its caller has given up on does \
         nothing (1.7 µs); the fence is read and written; a release is published, so that waiters do \
         not have to poll (0.5 µs); and the answer says which command it is for.",
    ),
    (
        "64 keys, a task for each",
        "fred: SET NX PX, EVALSHA",
        "As above; of the processor time of both, 54 % is the client's.",
    ),
];
