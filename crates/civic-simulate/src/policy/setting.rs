//! What a client is given.

use std::time::Duration;

use http::Method;

use crate::network::Network;

/// One call that a client is asked to make.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The number of the call, from 0.
    pub number: usize,
    /// The method of the request.
    pub method: &'a Method,
    /// The path that is called.
    pub endpoint: &'static str,
}

/// What a client process needs in order to start.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The way to the servers.
    pub network: Network,
    /// How long an attempt may take.
    pub attempt_timeout: Duration,
    /// The seed of the client's own random numbers.
    pub seed: u64,
    /// How many calls the client has under way at once, where its policy is to let calls wait.
    pub max_in_flight: usize,
}
