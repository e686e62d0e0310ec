//! A rolling restart of three Fastify processes behind one name, under load.
//!
//! 200 calls a second, half of them POSTs for which the caller gives no key. Each POST has an id in
//! its body, and the peers count each execution by that id, so that an effect that happened twice
//! is seen.
//!
//! A process that closes breaks its idle connections, whatever has arrived on them unread. A POST
//! that is on its way at that moment fails, and no client can tell whether it was executed; here
//! the peers can, and it never was. How many POSTs that are depends on how long the process is busy
//! with closing and on how often processes are restarted: with a pace that rate is judged as well.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use civic_client::{Error, ErrorKind, ServiceClient};
use civic_progress::Progress;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::balancer::Balancer;
use crate::findings::Findings;
use crate::stage::{Extent, Peer, Stage};
use crate::text::describe;

/// How many processes are behind the name.
const PROCESSES: usize = 3;
/// Between two calls: 200 a second.
const PACE: Duration = Duration::from_millis(5);
/// How many calls may be under way. On a machine that is busy with others the pace drops, and the
/// calls do not pile up.
const MAX_UNDER_WAY: usize = 48;
/// Load before the first restart and after the last one.
const QUIET: Duration = Duration::from_secs(1);
/// How long a process may take to end: longer than the client keeps an idle connection, and shorter
/// than Fastify does.
const ENDS: Duration = Duration::from_secs(60);
/// With a pace, one keyless POST in so many may meet a connection that is being closed.
const POSTS_PER_RACE: u64 = 10_000;

/// What a call was, and how it ended.
#[derive(Debug)]
struct Ended {
    /// The id in the body of a POST.
    effect: Option<String>,
    result: Result<(), Error>,
}

/// What the calls came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) gets: u64,
    failed_gets: u64,
    pub(super) posts: u64,
    /// The ids of the POSTs that failed because their connection broke.
    raced: Vec<String>,
    /// The POSTs that failed in another way.
    failed_posts: u64,
    /// The ids of the POSTs that were answered with success.
    pub(super) answered: Vec<String>,
    /// Each kind of failure that a caller saw, and how often.
    pub(super) failures: BTreeMap<String, u64>,
}

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let Extent { restarts, pace, .. } = stage.extent();
    let (copies, events) = mpsc::unbounded_channel();
    let effects = Arc::<Mutex<HashMap<String, u64>>>::default();
    let counting = tokio::spawn(count(events, Arc::clone(&effects)));

    let (first, second, third) = tokio::try_join!(
        start(stage, 0, &copies),
        start(stage, 0, &copies),
        start(stage, 0, &copies),
    )?;
    let mut processes: [(Peer, SocketAddr); PROCESSES] = [first, second, third];
    let backends = processes.iter().map(|(_, address)| *address).collect();
    let balancer = Balancer::start(backends).map_err(|error| format!("the balancer: {error}"))?;

    let attempts_before = stage.attempts();
    let (stop, stopped) = oneshot::channel();
    let mut load = JoinSet::new();
    load.spawn(call_until(stage.client(balancer.address())?, PACE, stopped));
    sleep(QUIET).await;
    let progress = Progress::new();
    for restart in 0..restarts {
        progress.show(restart.into(), restarts.into(), "restarts");
        let next = Instant::now() + pace;
        let slot = &mut processes[restart as usize % PROCESSES];
        slot.0.process.terminate()?;
        slot.0.process.ended(ENDS).await?;
        *slot = start(stage, slot.1.port(), &copies).await?;
        sleep_until(next).await;
    }
    drop(progress);
    sleep(QUIET).await;
    // The other end is held by the load, which cannot have ended before.
    let _ = stop.send(());
    let Some(Ok(tally)) = load.join_next().await else {
        return Err("the load did not come to its end".to_owned());
    };
    let attempts = stage.attempts() - attempts_before;
    for (peer, _) in processes {
        peer.process.stop().await;
    }
    drop(copies);
    counting.await.map_err(|error| error.to_string())?;

    let effects = effects.lock().unwrap_or_else(PoisonError::into_inner);
    tally.judge(findings, &effects, stage.extent());
    println!(
        "      {restarts} restarts, {} calls, {attempts} attempts, {} connections, {} refused",
        tally.gets + tally.posts,
        balancer.connections(),
        balancer.refused(),
    );
    Ok(())
}

/// Starts a process on this port, or on a free one.
async fn start(
    stage: &Stage<'_>,
    port: u16,
    copies: &mpsc::UnboundedSender<Value>,
) -> Result<(Peer, SocketAddr), String> {
    let port = port.to_string();
    let variables = [("PORT", port.as_str()), ("RATE_LIMIT_MAX", "1000000000")];
    let peer = stage.peer_copying(&variables, Some(copies.clone())).await?;
    let address = peer.platform()?;
    Ok((peer, address))
}

/// Counts each execution by the id of its request.
pub(super) async fn count(
    mut events: mpsc::UnboundedReceiver<Value>,
    effects: Arc<Mutex<HashMap<String, u64>>>,
) {
    while let Some(event) = events.recv().await {
        if let Some(id) = event["effect"].as_str() {
            let mut effects = effects.lock().unwrap_or_else(PoisonError::into_inner);
            *effects.entry(id.to_owned()).or_default() += 1;
        }
    }
}

/// Calls at a steady pace, whatever becomes of the calls, and waits for the last one.
pub(super) async fn call_until(
    client: ServiceClient,
    pace: Duration,
    mut stopped: oneshot::Receiver<()>,
) -> Tally {
    let mut pace = interval(pace);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut calls = JoinSet::new();
    let mut tally = Tally::default();
    let mut next = 0_u64;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            _ = pace.tick(), if calls.len() < MAX_UNDER_WAY => {
                let client = client.clone();
                let effect = next.is_multiple_of(2).then(|| next.to_string());
                calls.spawn(async move {
                    let result = match &effect {
                        Some(id) => {
                            let body = json!({ "id": id });
                            client.post("/effects").json(&body).send().await.map(drop)
                        }
                        None => client.get("/effects").send().await.map(drop),
                    };
                    Ended { effect, result }
                });
                next += 1;
            }
            Some(ended) = calls.join_next() => tally.note(ended),
        }
    }
    while let Some(ended) = calls.join_next().await {
        tally.note(ended);
    }
    tally
}

// ===== impl Tally =====

impl Tally {
    fn note(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ok(Ended { effect, result }) = ended else {
            // A call that panicked has failed, whatever it was.
            *self.failures.entry("panic".to_owned()).or_default() += 1;
            self.failed_gets += 1;
            return;
        };
        let method = if effect.is_some() { "POST" } else { "GET" };
        if let Err(error) = &result {
            let failure = format!("{method} {}", describe(error));
            *self.failures.entry(failure).or_default() += 1;
        }
        match (effect, result) {
            (None, result) => {
                self.gets += 1;
                self.failed_gets += u64::from(result.is_err());
            }
            (Some(id), Ok(())) => {
                self.posts += 1;
                self.answered.push(id);
            }
            (Some(id), Err(error)) => {
                self.posts += 1;
                if error.kind() == ErrorKind::Transport {
                    self.raced.push(id);
                } else {
                    self.failed_posts += 1;
                }
            }
        }
    }

    fn judge(
        &self,
        findings: &mut Findings<'_>,
        effects: &HashMap<String, u64>,
        Extent { restarts, pace, .. }: Extent,
    ) {
        let twice = effects.values().filter(|&&times| times > 1).count();
        findings.promise(
            "No effect happens twice while the peers are restarted",
            twice == 0 && !effects.is_empty(),
            format_args!("{} effects, {twice} more than once", effects.len()),
        );
        let lost = self
            .answered
            .iter()
            .filter(|id| !effects.contains_key(*id))
            .count();
        findings.promise(
            "Each POST that was answered with success was executed",
            lost == 0 && !self.answered.is_empty(),
            format_args!(
                "{} answered, {lost} of them not executed",
                self.answered.len()
            ),
        );
        findings.promise(
            "No GET fails while the peers are restarted",
            self.failed_gets == 0 && self.gets > 0,
            format_args!(
                "{} of {} failed {:?}",
                self.failed_gets, self.gets, self.failures
            ),
        );
        let executed = self
            .raced
            .iter()
            .filter(|id| effects.contains_key(*id))
            .count();
        let raced = self.raced.len();
        findings.promise(
            "A keyless POST fails only when its connection broke before it was executed",
            self.failed_posts == 0 && executed == 0 && self.posts > 0,
            format_args!(
                "{raced} of {} met a broken connection ({:.2} per restart), {executed} of them \
                 executed, {} failed in another way {:?}",
                self.posts,
                raced as f64 / f64::from(restarts.max(1)),
                self.failed_posts,
                self.failures
            ),
        );
        if pace > Duration::ZERO {
            let allowed = self.posts.div_ceil(POSTS_PER_RACE);
            findings.promise(
                "At most 1 in 10 000 keyless POSTs meets a broken connection, at this pace",
                raced as u64 <= allowed,
                format_args!("{raced} of {}, a restart every {pace:?}", self.posts),
            );
        }
    }
}
