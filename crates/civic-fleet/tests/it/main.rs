//! The fleet as its users meet it: the real binary, started on free ports and spoken to over real sockets.

mod billing;
mod node_responses;
mod penalty_scheduler;
mod routes;
mod start_and_stop;
mod support;
