//! The platform's own services for the same work: NestJS on Fastify as a callee, `fetch` with
//! `jsonwebtoken` as a caller.

mod process;
mod serve;

use std::path::Path;
use std::time::Duration;

use civic_auth::{Secret, TokenMinter};
use civic_client::{ServiceClient, TransportConfig};
use serde_json::{Value, json};
use tokio::process::Command;

use self::process::Peer;
pub use self::serve::serve;
use crate::measure::thread_cpu;

/// The callee of the platform.
pub const NEST: &str = "NestJS on Fastify";
/// The caller of the platform.
pub const FETCH: &str = "fetch, jsonwebtoken";

/// What both sides share.
pub(crate) const SECRET: &str = "a secret for benchmarks, 32 bytes or more";
/// The route of both callees.
const ROUTE: &str = "/api/assessment-roll/properties/{id}/assessment";
const AT_A_TIME: usize = 32;

/// Processor time per call, in µs, per round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// What a call costs a civic-server.
    pub serving: Vec<f64>,
    /// What a call costs NestJS.
    pub nest: Vec<f64>,
    /// What a call costs a civic-client.
    pub calling: Vec<f64>,
    /// What a call costs `fetch`.
    pub fetch: Vec<f64>,
}

/// Measures both sides in turn. `peers` is the folder with the Node peers, installed.
///
/// # Panics
///
/// If a peer does not start, or a call fails.
pub async fn compare(peers: &Path, payloads: &Path, calls: usize, rounds: usize) -> Costs {
    let mut nest = Peer::start(
        Command::new("node")
            .arg(peers.join("peer.mjs"))
            .env("JWT_SECRET", SECRET)
            .env("CIVIC_PAYLOADS", payloads)
            .env("NODE_ENV", "production")
            .env("RATE_LIMIT_MAX", "100000000"),
    );
    let nest_port = port(&nest.event("listening").await["ports"]["platform"]);
    let mut fetch = Peer::start(
        Command::new("node")
            .arg(peers.join("caller.mjs"))
            .env("JWT_SECRET", SECRET)
            .env("NODE_ENV", "production"),
    );
    let own = std::env::current_exe().expect("this program is somewhere");
    let mut ours = Peer::start(Command::new(own).arg("--serve").arg(payloads));
    let ours_port = port(&ours.event("listening").await["port"]);

    let to_nest = client(nest_port);
    let to_ours = client(ours_port);
    let mut costs = Costs::default();
    // The first round warms up: connections, and the compiler of the other side.
    for round in 0..=rounds {
        let before = nest.cpu();
        let _ = drive(&to_nest, calls).await;
        let nest_cost = micros(nest.cpu() - before) / calls as f64;

        let before = ours.cpu();
        let calling = drive(&to_ours, calls).await;
        let serving = micros(ours.cpu() - before) / calls as f64;

        let url = format!(
            "http://127.0.0.1:{ours_port}{}",
            ROUTE.replace("{id}", "p-1")
        );
        let command = json!({"cmd": "calls", "url": url, "calls": calls, "atATime": AT_A_TIME});
        let answer = fetch.ask(command).await;
        let fetch_cost = answer["cpuUs"]
            .as_f64()
            .unwrap_or_else(|| panic!("fetch failed: {answer}"))
            / calls as f64;
        if round > 0 {
            costs.serving.push(serving);
            costs.nest.push(nest_cost);
            costs.calling.push(calling / calls as f64);
            costs.fetch.push(fetch_cost);
        }
    }
    costs
}

/// Calls with our client, and returns the processor time of this thread in µs.
async fn drive(client: &ServiceClient, calls: usize) -> f64 {
    let before = thread_cpu();
    let workers: Vec<_> = (0..AT_A_TIME)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..calls / AT_A_TIME {
                    let _: Value = client
                        .get(ROUTE)
                        .param("id", "p-1")
                        .fetch()
                        .await
                        .expect("the call succeeds");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("the call succeeds");
    }
    micros(thread_cpu() - before)
}

fn client(port: u64) -> ServiceClient {
    let secret = Secret::new(SECRET).expect("it is long enough");
    ServiceClient::builder(&format!("http://127.0.0.1:{port}"))
        .minter(TokenMinter::new(secret))
        .transport(TransportConfig::new().with_max_idle(AT_A_TIME * 2))
        .build()
        .expect("the URL is valid")
}

fn port(value: &Value) -> u64 {
    value.as_u64().expect("a peer says where it listens")
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
