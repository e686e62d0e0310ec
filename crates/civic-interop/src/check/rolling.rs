//! A rolling restart of three Rust replicas behind one name, under load, by callers of both kinds.
//!
//! The device in front of them follows their readiness, as a Kubernetes Service does. Our client
//! and a Node caller with plain `fetch`, which repeats nothing, make 100 calls per second each.
//! Half of them are POSTs without a key, each with an id that the replicas count.
//!
//! A replica that stops says so before it happens: it is no longer ready, each answer is the last
//! of its connection, and it accepts connections until the callers have closed their idle ones. So
//! no caller meets a connection that is being closed, and none sees an error.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use civic_progress::Progress;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::restarts::{Tally, call_until, count};
use crate::balancer::Balancer;
use crate::findings::Findings;
use crate::stage::{PREFIX, Service, Stage};

const REPLICAS: usize = 3;
/// Between two calls of one of the two callers: each makes 100 per second.
const PACE: Duration = Duration::from_millis(10);
/// Load before the first restart and after the last one.
const QUIET: Duration = Duration::from_secs(1);
/// How long a replica may take to end: its drain delay and its drain limit, and a busy machine.
const ENDS: Duration = Duration::from_secs(60);

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let restarts = stage.extent().restarts;
    let (copies, events) = mpsc::unbounded_channel();
    let effects = Arc::<Mutex<HashMap<String, u64>>>::default();
    let counting = tokio::spawn(count(events, Arc::clone(&effects)));

    let (first, second, third) = tokio::try_join!(
        start(stage, 0, &copies),
        start(stage, 0, &copies),
        start(stage, 0, &copies),
    )?;
    let mut replicas: [Service; REPLICAS] = [first, second, third];
    let backends = replicas.iter().map(|replica| replica.address).collect();
    let balancer = Balancer::following_readiness(backends)
        .map_err(|error| format!("the balancer: {error}"))?;

    let (stop, stopped) = oneshot::channel();
    let mut load = JoinSet::new();
    load.spawn(call_until(stage.client(balancer.address())?, PACE, stopped));
    let mut node = stage.node("load.mjs", &[])?;
    let url = format!("http://{}{PREFIX}/effects", balancer.address());
    let pace = PACE.as_millis() as u64;
    node.ask("start", json!({ "url": url, "everyMs": pace }))
        .await?;

    sleep(QUIET).await;
    let progress = Progress::new();
    let mut longest = Duration::ZERO;
    for restart in 0..restarts {
        progress.show(restart.into(), restarts.into(), "restarts");
        let replica = &mut replicas[restart as usize % REPLICAS];
        let begun = std::time::Instant::now();
        replica.process.terminate()?;
        let status = replica.process.ended(ENDS).await?;
        longest = longest.max(begun.elapsed());
        if !status.success() {
            return Err(format!("a replica ended with {status}"));
        }
        *replica = start(stage, replica.address.port(), &copies).await?;
        ready(&balancer, replica.address).await?;
    }
    drop(progress);
    sleep(QUIET).await;
    let _ = stop.send(());
    let Some(Ok(ours)) = load.join_next().await else {
        return Err("the load did not come to its end".to_owned());
    };
    let theirs = node.ask("stop", json!({})).await?;
    node.stop().await;
    for replica in replicas {
        replica.process.stop().await;
    }
    drop(copies);
    counting.await.map_err(|error| error.to_string())?;
    let effects = effects.lock().unwrap_or_else(PoisonError::into_inner);
    judge(findings, &ours, &theirs, &effects);
    println!(
        "      {restarts} restarts, {} connections, {} refused, the longest end took {longest:?}",
        balancer.connections(),
        balancer.refused(),
    );
    Ok(())
}

/// Starts a replica on this port, or on a free one.
async fn start(
    stage: &Stage<'_>,
    port: u16,
    copies: &mpsc::UnboundedSender<Value>,
) -> Result<Service, String> {
    let port = port.to_string();
    let variables = [("PORT", port.as_str())];
    stage
        .service_copying("conformance", &variables, Some(copies.clone()))
        .await
}

/// Waits until the device has seen that a replica is ready again.
async fn ready(balancer: &Balancer, address: SocketAddr) -> Result<(), String> {
    let seen = async {
        while !balancer.is_ready(address) {
            sleep(PACE).await;
        }
    };
    timeout(ENDS, seen)
        .await
        .map_err(|_| format!("the replica at {address} is not ready"))
}

fn judge(
    findings: &mut Findings<'_>,
    ours: &Tally,
    theirs: &Value,
    effects: &HashMap<String, u64>,
) {
    let calls = ours.gets + ours.posts;
    findings.promise(
        "No call of our client fails while Rust replicas are restarted",
        ours.failures.is_empty() && calls > 0,
        format_args!(
            "{calls} calls, {} POSTs, failed: {:?}",
            ours.posts, ours.failures
        ),
    );
    let number = |name: &str| theirs[name].as_u64().unwrap_or(0);
    let failures = theirs["failures"].as_object();
    findings.promise(
        "No call of plain fetch, without retries, fails while Rust replicas are restarted",
        failures.is_some_and(serde_json::Map::is_empty) && number("posts") > 0,
        format_args!(
            "{} calls, {} POSTs, failed: {}",
            number("gets") + number("posts"),
            number("posts"),
            theirs["failures"]
        ),
    );
    let twice = effects.values().filter(|&&times| times > 1).count();
    findings.promise(
        "No effect happens twice while Rust replicas are restarted",
        twice == 0 && !effects.is_empty(),
        format_args!("{} effects, {twice} more than once", effects.len()),
    );
    let theirs = theirs["answered"].as_array().into_iter().flatten();
    let answered: Vec<&str> = ours
        .answered
        .iter()
        .map(String::as_str)
        .chain(theirs.filter_map(Value::as_str))
        .collect();
    let lost = answered
        .iter()
        .filter(|id| !effects.contains_key(**id))
        .count();
    findings.promise(
        "Each POST that was answered with success was executed by a Rust replica",
        lost == 0 && !answered.is_empty(),
        format_args!("{} answered, {lost} of them not executed", answered.len()),
    );
}
