//! What civic-auth promises, tried through its public interface.

mod bodies;
mod contract;
mod cookies;
mod corpus;
mod correlation;
#[cfg(feature = "deadline")]
mod deadline;
mod defaults;
mod environment;
#[cfg(feature = "axum")]
mod extractors;
mod forged_claims;
mod forged_tokens;
mod guard;
mod internal_headers;
mod key_set;
mod keys;
mod peer_library;
mod properties;
mod replay;
mod rotation;
mod secrecy;
mod support;
mod time;
mod transactions;
mod uploads;
mod vectors;
mod warnings;
#[cfg(target_os = "linux")]
mod zeroized;
