//! A caller that wants an answer to each of its POSTs:
//! `caller URLS FILE FROM TO EVERY_MS PATIENCE`.
//!
//! The file says what was ended already: a caller that was killed goes on with the rest, and asks
//! for what was under way once more, with the same key.

use std::collections::HashSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use civic_client::ServiceClient;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::once::facts::posts::{End, How};
use crate::once::notes;

/// The most calls at a time.
const IN_FLIGHT: usize = 32;
const DEADLINE: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(250);
/// Every so many requests their key is sent with another body too.
const OTHER_BODY: u64 = 20;
/// Added to the number of a request, it is the body that must have no effect.
pub(crate) const WRONG: u64 = 1_000_000_000;

#[derive(Debug)]
struct Caller {
    clients: Vec<ServiceClient>,
    file: PathBuf,
    patience: Duration,
}

pub(super) async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [urls, file, from, to, every_ms, patience_ms] = arguments else {
        return Err("caller needs URLs, a file, two numbers, a pause and its patience".into());
    };
    let clients = urls
        .split(',')
        .map(|url| ServiceClient::builder(url).anonymous().build())
        .collect::<Result<Vec<_>, _>>()?;
    let caller = Arc::new(Caller {
        clients,
        file: file.into(),
        patience: Duration::from_millis(patience_ms.parse()?),
    });
    let ended: HashSet<u64> = notes::read::<End>(Path::new(file))?
        .into_iter()
        .filter(|end| !matches!(end.how, How::OtherBody { .. }))
        .map(|end| end.n)
        .collect();
    let mut pace = interval(Duration::from_millis(every_ms.parse::<u64>()?.max(1)));
    let limit = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut calls = JoinSet::new();
    for n in from.parse::<u64>()?..to.parse()? {
        if ended.contains(&n) {
            continue;
        }
        pace.tick().await;
        let permit = limit.clone().acquire_owned().await?;
        let caller = caller.clone();
        calls.spawn(async move {
            let result = caller.call(n).await;
            drop(permit);
            result
        });
        while let Some(done) = calls.try_join_next() {
            done??;
        }
    }
    while let Some(done) = calls.join_next().await {
        done??;
    }
    Ok(())
}

// ===== impl Caller =====

impl Caller {
    /// Asks until there is an answer, or an end that asking again does not change.
    async fn call(&self, n: u64) -> std::io::Result<()> {
        let began = Instant::now();
        let mut asked = 0;
        let how = loop {
            let client = &self.clients[(n + u64::from(asked)) as usize % self.clients.len()];
            asked += 1;
            match self.ask(client, n, n).await {
                Ok(how) => break how,
                Err((how, true)) => break how,
                Err((how, false)) if began.elapsed() > self.patience => break how,
                Err(_) => sleep(PAUSE).await,
            }
        };
        let is_answer = matches!(how, How::Answer { .. });
        notes::append(&self.file, &End { n, how, asked })?;
        if is_answer && n.is_multiple_of(OTHER_BODY) {
            let client = &self.clients[n as usize % self.clients.len()];
            let status = match self.ask(client, n, n + WRONG).await {
                Ok(How::Answer { .. }) => Some(201),
                Ok(_) => Some(409),
                Err((How::Error { status, .. }, _)) => status,
                Err(_) => None,
            };
            let how = How::OtherBody { status };
            notes::append(&self.file, &End { n, how, asked: 1 })?;
        }
        Ok(())
    }

    /// Asks once. An error comes with whether it is final.
    async fn ask(&self, client: &ServiceClient, n: u64, of: u64) -> Result<How, (How, bool)> {
        // Two tenants use each key.
        let (key, tenant) = (format!("key-{}", n / 2), format!("tenant-{}", n % 2));
        let sent = client
            .post("/effects")
            .idempotency_key(&key)
            .header("x-tenant", tenant)
            .json(&json!({"n": of}))
            .deadline(DEADLINE)
            .send()
            .await;
        match sent {
            Ok(answer) => {
                let replayed = answer.headers().contains_key("idempotency-replayed");
                let made: Value = answer.json().unwrap_or_default();
                Ok(How::Answer {
                    of: made["n"].as_u64().unwrap_or(u64::MAX),
                    effect: made["effect"].as_str().unwrap_or_default().to_owned(),
                    replayed,
                })
            }
            Err(error) => {
                let status = error.status();
                if status == Some(StatusCode::CONFLICT) && error.retry_after().is_none() {
                    let body: Value = error.body().unwrap_or_default();
                    let code = body["error"].as_str().unwrap_or_default().to_owned();
                    return Ok(How::InDoubt { code });
                }
                let how = How::Error {
                    kind: format!("{:?}", error.kind()),
                    status: status.map(|status| status.as_u16()),
                };
                let is_final = status.is_some_and(|status| {
                    status.is_client_error() && status != StatusCode::CONFLICT
                });
                Err((how, is_final))
            }
        }
    }
}
