//! Holders that are stopped for longer than their ttl, and then write to three replicas of a
//! service behind a fence.
//!
//! Two processes hold the same locks, each lock in turns, and write with the fence of their lease.
//! One after the other is stopped, and one of the replicas with it; meanwhile the other one gets
//! the locks and writes through the other replicas. The one that wakes writes with fences that were
//! overtaken, and the replica that wakes goes on with writes that it had let in.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use civic_client::ServiceClient;
use civic_testkit::redis::free_port;
use http::Method;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::history::millis;
use crate::once::backend::Fsync;
use crate::once::facts::fence::{Fenced, Refused, Write};
use crate::once::notes;
use crate::once::process::{Process, Recipe};
use crate::once::role::LISTENING;
use crate::once::site::Site;
use crate::once::store::Store;

const REPLICAS: usize = 3;
/// The locks that the two processes share.
const ROWS: u64 = 12;
const TTL: Duration = Duration::from_millis(700);
/// How long one that has woken writes, before the other one is stopped.
const AWAKE: Duration = Duration::from_millis(500);
/// Larger than every fence that a store gives out.
const FAR_AHEAD: u64 = 9_000_000_000_000_000_000;
/// How long a stop may take on average, before the run is given up.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) async fn run(site: &Site<'_>) -> io::Result<Fenced> {
    let Site {
        options,
        backend,
        folder,
    } = site;
    let store = Store::start(*backend, Fsync::Always).await?;
    let environment = store.environment();
    let rows = folder.join("rows");
    std::fs::create_dir_all(&rows)?;
    let (mut replicas, mut urls) = (Vec::new(), Vec::new());
    for n in 0..REPLICAS {
        let port = free_port();
        let recipe = Recipe::new("rows", folder, &format!("rows-{n}"))
            .with(&port)
            .with(&rows.display())
            .with_environment(&environment);
        let mut replica = recipe.start()?;
        replica.event(LISTENING).await?;
        replicas.push(replica);
        urls.push(format!(
            "http://{}",
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        ));
    }
    let holder = |n: u8| {
        Recipe::new("holder", folder, &format!("holder-{n}"))
            .with(&urls.join(","))
            .with(&ROWS)
            .with(&millis(TTL))
            .with_environment(&environment)
    };
    let mut fenced = Fenced {
        wanted: options.stops,
        ..Fenced::default()
    };
    let mut holders = [holder(0).start()?, holder(1).start()?];
    // Each has held some of the locks.
    sleep(2 * TTL).await;
    let began = Instant::now();
    let patience = PATIENCE * u32::try_from(options.stops.max(15)).unwrap_or(u32::MAX);
    let mut refused_by_layer: HashSet<(String, u64)> = HashSet::new();
    while (refused_by_layer.len() as u64) < options.stops && began.elapsed() < patience {
        let which = usize::try_from(fenced.stops % 2).unwrap_or_default();
        // A write that a replica has let in waits there, and comes to its row after it is
        // overtaken.
        let replica = &replicas[usize::try_from(fenced.stops).unwrap_or_default() % REPLICAS];
        replica.signal(Signal::STOP);
        holders[which].signal(Signal::STOP);
        sleep(TTL + TTL / 2).await;
        replica.signal(Signal::CONT);
        holders[which].signal(Signal::CONT);
        fenced.stops += 1;
        sleep(AWAKE).await;
        for holder in &mut holders {
            hear(holder, &mut fenced, &mut refused_by_layer)?;
        }
    }
    for url in &urls {
        let client = ServiceClient::builder(url)
            .anonymous()
            .retries(0)
            .build()
            .map_err(io::Error::other)?;
        fenced.far_ahead.push(put(&client, FAR_AHEAD).await);
    }
    // The holders of the locks are let in as before.
    let before = accepted(&rows)?;
    sleep(2 * TTL).await;
    let after = accepted(&rows)?;
    fenced.accepted_after = after.saturating_sub(before);
    for holder in &mut holders {
        holder.kill().await?;
        hear(holder, &mut fenced, &mut refused_by_layer)?;
    }
    fenced.writes = notes::read(&rows.join("writes.jsonl"))?;
    Ok(fenced)
}

/// Writes to the first row with a fence that no store has given out.
async fn put(client: &ServiceClient, fence: u64) -> u16 {
    let sent = client
        .request(Method::PUT, "/rows/{row}")
        .param("row", "row-0")
        .header("x-fence", format!("row-0={fence}"))
        .send()
        .await;
    match sent {
        Ok(answer) => answer.status().as_u16(),
        Err(error) => error.status().map_or(0, |status| status.as_u16()),
    }
}

fn accepted(rows: &Path) -> io::Result<u64> {
    let writes: Vec<Write> = notes::read(&rows.join("writes.jsonl"))?;
    Ok(writes.iter().filter(|write| write.accepted).count() as u64)
}

fn hear(
    holder: &mut Process,
    fenced: &mut Fenced,
    by_layer: &mut HashSet<(String, u64)>,
) -> io::Result<()> {
    while let Some(line) = holder.heard() {
        if line["event"] == "refused" {
            let refused: Refused = serde_json::from_value(line).map_err(io::Error::other)?;
            if refused.status == 409 {
                by_layer.insert((refused.row.clone(), refused.fence));
            }
            fenced.refused.push(refused);
        }
    }
    Ok(())
}
