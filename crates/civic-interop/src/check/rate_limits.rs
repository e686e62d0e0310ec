//! Rate limits: what `@fastify/rate-limit` sends, and how the client lives with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs};

use civic_client::ServiceClient;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::findings::Findings;
use crate::stage::{PREFIX, Peer, Stage};
use crate::text::describe;
use crate::wire::{Answer, Connection, Request};

/// More than the peer allows in a window.
const CALLS: usize = 160;
/// What the peer allows in a window by default.
const ALLOWED: u64 = 100;
/// A window that a deadline outlasts, in milliseconds.
const SHORT_WINDOW: &str = "2000";
/// Longer than the window, and than all calls take.
const DEADLINE: Duration = Duration::from_secs(20);

/// How the calls of a caller ended.
#[derive(Debug, Default)]
struct Outcomes {
    succeeded: usize,
    failed: BTreeMap<String, usize>,
}

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    recorded(stage, findings).await?;

    let mut peer = stage.peer(&[]).await?;
    let outcomes = calls(stage.client(peer.platform()?)?, 1, None).await;
    reached(
        findings,
        &mut peer,
        &outcomes,
        "Of 160 calls one after the other, at most 101 reach a peer that allows 100",
        ALLOWED + 1,
    )
    .await?;

    let mut peer = stage.peer(&[]).await?;
    let outcomes = calls(stage.client(peer.platform()?)?, 8, None).await;
    reached(
        findings,
        &mut peer,
        &outcomes,
        "Of 160 calls, eight at a time, at most 108 reach a peer that allows 100",
        ALLOWED + 8,
    )
    .await?;

    let mut peer = stage
        .peer(&[("RATE_LIMIT_WINDOW_MS", SHORT_WINDOW)])
        .await?;
    let outcomes = calls(stage.client(peer.platform()?)?, 1, Some(DEADLINE)).await;
    let stats = peer.stats().await?;
    findings.promise(
        "With a deadline longer than the window all 160 succeed and none is answered 429",
        outcomes.succeeded == CALLS && stats["answers"] == json!({ "200": CALLS }),
        format_args!("{outcomes}, answers {}", stats["answers"]),
    );
    Ok(())
}

/// What the peer sends below and above its limit.
async fn recorded(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let secret = stage.secret().to_owned();
    let token = stage.company().await?.mint_in_node(&secret, None).await?;
    let authorization = format!("Bearer {token}");
    let peer = stage.peer(&[("RATE_LIMIT_MAX", "1")]).await?;
    let mut connection = Connection::open(peer.platform()?).await?;
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = connection
            .send(&Request {
                method: "GET",
                path: &format!("{PREFIX}/null"),
                headers: &[("authorization", &authorization)],
                json: None,
            })
            .await?;
        answers.push(answer);
    }
    let folder = stage.recordings();
    let file = folder.join(format!("rate limit {}.http", stage.label()));
    let recording: Vec<String> = answers.iter().map(Answer::recorded).collect();
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, recording.join("\r\n\r\n")))
        .map_err(|error| format!("{}: {error}", file.display()))?;

    let [below, above] = &answers[..] else {
        return Err("two answers were expected".to_owned());
    };
    let numbers = |answer: &Answer| -> Vec<Option<u64>> {
        ["limit", "remaining", "reset"]
            .iter()
            .map(|part| answer.header(&format!("x-ratelimit-{part}"))?.parse().ok())
            .collect()
    };
    let limits = |reset: Option<u64>| reset.is_some_and(|seconds| (1..=60).contains(&seconds));
    findings.promise(
        "Each answer says how many requests are left and in how many seconds the window ends",
        below.status == 200
            && matches!(numbers(below)[..], [Some(1), Some(0), reset] if limits(reset)),
        format_args!("{} {:?}", below.status, numbers(below)),
    );
    let wait = above
        .header("retry-after")
        .and_then(|text| text.parse().ok());
    findings.promise(
        "An answer above the limit is 429 with Retry-After, in seconds, and in the platform's shape",
        above.status == 429
            && matches!(numbers(above)[..], [Some(1), Some(0), reset] if limits(reset))
            && limits(wait)
            && above.body.starts_with(
                r#"{"statusCode":429,"message":"Rate limit exceeded, retry in 1 minute","#,
            ),
        format_args!("{} {:?} retry-after {wait:?} {}", above.status, numbers(above), above.body),
    );
    Ok(())
}

async fn reached(
    findings: &mut Findings<'_>,
    peer: &mut Peer,
    outcomes: &Outcomes,
    promise: &str,
    at_most: u64,
) -> Result<(), String> {
    let stats: Value = peer.stats().await?;
    let requests = stats["requests"].as_u64().unwrap_or(u64::MAX);
    findings.promise(
        promise,
        requests <= at_most && outcomes.succeeded as u64 == ALLOWED,
        format_args!("{requests} reached it: {outcomes}"),
    );
    Ok(())
}

/// Makes the calls, this many at a time.
async fn calls(client: ServiceClient, at_a_time: usize, deadline: Option<Duration>) -> Outcomes {
    let permits = Arc::new(Semaphore::new(at_a_time));
    let mut running = JoinSet::new();
    for _ in 0..CALLS {
        let (client, permits) = (client.clone(), Arc::clone(&permits));
        running.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let mut request = client.get("/null");
            if let Some(deadline) = deadline {
                request = request.deadline(deadline);
            }
            request.send().await.map(drop)
        });
    }
    let mut outcomes = Outcomes::default();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(())) => outcomes.succeeded += 1,
            Ok(Err(error)) => outcomes.fail(describe(&error)),
            Err(error) => outcomes.fail(error.to_string()),
        }
    }
    outcomes
}

// ===== impl Outcomes =====

impl Outcomes {
    fn fail(&mut self, why: String) {
        *self.failed.entry(why).or_default() += 1;
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} succeeded, failed {:?}", self.succeeded, self.failed)
    }
}
