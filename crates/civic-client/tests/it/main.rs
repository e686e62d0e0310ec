//! The client against a peer on a real socket, one promise per test.

mod amplification;
mod any_peer;
mod attempts;
mod connections;
mod expecting;
mod facade;
mod foreign_layers;
#[cfg(feature = "hickory")]
mod hickory;
mod in_flight;
mod layers;
mod not_found;
mod on_behalf_of;
mod pauses;
mod policy;
mod pooling;
mod rate_limits;
mod request;
mod resolving;
mod retry;
mod seams;
mod support;
mod telemetry;
mod terminal;
mod transmission;
#[cfg(feature = "garde")]
mod validation;
