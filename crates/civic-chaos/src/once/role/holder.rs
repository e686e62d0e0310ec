//! Holders that write with the fence of their lease, and do not look whether they still have it:
//! `holder URLS HOLDERS TTL_MS`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use civic_client::ServiceClient;
use civic_lock::{Acquisition, LockService};
use http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::output::print;
use crate::history::monotonic;
use crate::random::Random;

/// How long a holder writes.
const HOLD: Duration = Duration::from_millis(400);
const BETWEEN_WRITES: Duration = Duration::from_millis(40);
/// How long it waits for its lock.
const WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [urls, holders, ttl] = arguments else {
        return Err("holder needs URLs, a number of holders and a ttl".into());
    };
    let clients = urls
        .split(',')
        .map(|url| ServiceClient::builder(url).anonymous().retries(0).build())
        .collect::<Result<Vec<_>, _>>()?;
    let clients = Arc::new(clients);
    let ttl = Duration::from_millis(ttl.parse()?);
    let locks = LockService::from_env()?;
    let mut holding = JoinSet::new();
    for row in 0..holders.parse::<u64>()? {
        holding.spawn(hold(
            locks.clone(),
            clients.clone(),
            format!("row-{row}"),
            ttl,
        ));
    }
    while let Some(ended) = holding.join_next().await {
        ended??;
    }
    Ok(())
}

async fn hold(
    locks: LockService,
    clients: Arc<Vec<ServiceClient>>,
    row: String,
    ttl: Duration,
) -> std::io::Result<()> {
    let mut random = Random::new(monotonic());
    loop {
        let Acquisition::Acquired(guard) = locks.acquire(row.as_str(), ttl, WITHIN).await else {
            continue;
        };
        let fence = guard.lease().fence();
        let began = Instant::now();
        while began.elapsed() < HOLD {
            let client = &clients[random.index(clients.len())];
            write(client, &row, fence, guard.lease().fence_header()).await?;
            sleep(BETWEEN_WRITES).await;
        }
        // And once more after it: a holder that was stopped writes as if nothing had been.
        let client = &clients[random.index(clients.len())];
        write(client, &row, fence, guard.lease().fence_header()).await?;
        guard.release().await;
    }
}

async fn write(
    client: &ServiceClient,
    row: &str,
    fence: u64,
    (name, value): (http::HeaderName, http::HeaderValue),
) -> std::io::Result<()> {
    let sent = client
        .request(Method::PUT, "/rows/{row}")
        .param("row", row)
        .header(name, value)
        .send()
        .await;
    // What a row has refused, it has noted itself.
    if let Err(error) = sent
        && let Some(status) = error.status()
        && status != http::StatusCode::PRECONDITION_FAILED
    {
        let status = status.as_u16();
        print(&json!({"event": "refused", "row": row, "fence": fence, "status": status}))?;
    }
    Ok(())
}
