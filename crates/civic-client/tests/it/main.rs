//! The client against a peer on a real socket, one promise per test.

mod attempts;
mod connections;
mod facade;
mod layers;
mod retry;
mod support;
mod telemetry;
mod terminal;
mod transmission;
mod validation;
