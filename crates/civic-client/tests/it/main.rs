//! The client against a peer on a real socket, one promise per test.

mod amplification;
mod any_peer;
mod attempts;
mod balance;
mod connections;
mod elsewhere;
mod expecting;
mod facade;
mod foreign_layers;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "hickory")]
mod hickory;
#[cfg(feature = "http2")]
mod http2;
mod in_flight;
mod in_process;
#[cfg(feature = "jwks")]
mod jwks;
mod layers;
#[cfg(feature = "metrics")]
mod metrics;
mod not_found;
mod observing;
mod on_behalf_of;
mod pages;
mod pauses;
mod policy;
mod pooling;
mod rate_limits;
mod request;
mod resolving;
mod retry;
mod seams;
mod streaming;
mod support;
mod telemetry;
mod terminal;
mod test_util;
#[cfg(feature = "tls")]
mod tls;
mod traces;
mod transmission;
mod uploads;
#[cfg(feature = "garde")]
mod validation;
