//! The fleet as its users meet it: the real binary, on free ports and real sockets.

mod billing;
mod idempotency;
mod node_responses;
mod penalty_scheduler;
mod replay;
mod routes;
mod silent_name_servers;
mod start_and_stop;
mod support;
