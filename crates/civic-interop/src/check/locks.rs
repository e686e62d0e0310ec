//! Locks: ioredis holders and civic-lock's on one key.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use civic_testkit::redis::RedisServer;
use serde_json::Value;

use crate::findings::Findings;
use crate::process::Process;
use crate::stage::Stage;

/// The name of the lock.
const NAME: &str = "interop";
/// How many holders of each kind contend.
const HOLDERS: usize = 2;
/// How long a lock lives without a renewal, in seconds. Much longer than it is held: nothing here
/// is about leases that expire.
const TTL: &str = "10";
/// How long a lock is held, in milliseconds.
const HOLD: &str = "5";
/// How long a holder may take to end after its time.
const GRACE: Duration = Duration::from_secs(20);

/// One stay in the lock.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Stay {
    who: String,
    from: u64,
    until: u64,
}

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let length = stage.extent().lock_time;
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let events = folder.path().join("events.jsonl");
    let path = events.to_string_lossy().into_owned();
    let redis = RedisServer::start().await;
    let seconds = length.as_secs().to_string();

    let mut holders: Vec<Process> = Vec::new();
    for index in 0..HOLDERS {
        holders.push(stage.node(
            "holder.mjs",
            &[
                ("REDIS_URL", &redis.url()),
                ("LOCK_NAME", NAME),
                ("LOCK_TTL_S", TTL),
                ("LOCK_HOLD_MS", HOLD),
                ("LOCK_SECONDS", &seconds),
                ("LOCK_EVENTS", &path),
                ("LOCK_WHO", &format!("node:{index}")),
            ],
        )?);
        let who = format!("rust:{index}");
        let mut command = stage.civic_command(&[
            "lock",
            "hold",
            NAME,
            "--stop-with-stdin",
            "--ttl",
            TTL,
            "--hold",
            HOLD,
            "--hammer",
            &seconds,
            "--events",
            &path,
            "--who",
            &who,
        ]);
        command.env("REDIS_URL", redis.url());
        holders.push(Process::start(&who, command, None)?);
    }
    let mut failures = Vec::new();
    for holder in &mut holders {
        let status = holder.ended(length + GRACE).await?;
        let tally = holder.last_event();
        let well = status.success() && tally["failed"].as_u64().unwrap_or(0) == 0;
        if !well || tally["notOurs"].as_u64().unwrap_or(0) > 0 {
            failures.push(format!("{status}: {tally}"));
        }
    }
    findings.no_differences(
        "Every holder of both kinds ends well, and releases only what is its own",
        &format!("{} holders", holders.len()),
        &failures,
    );

    let text = fs::read_to_string(&events).map_err(|error| format!("{path}: {error}"))?;
    let stays = stays(&text)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for stay in &stays {
        *counts.entry(&stay.who).or_default() += 1;
    }
    let overlaps = overlaps(&stays);
    findings.no_differences(
        "Node and Rust holders never hold one lock at the same time",
        &format!(
            "{} stays in {} s: {counts:?}",
            stays.len(),
            length.as_secs()
        ),
        &overlaps,
    );
    findings.promise(
        "Each holder of both kinds gets the lock",
        counts.len() == holders.len(),
        format_args!("{counts:?}"),
    );
    let left = redis.command(&["EXISTS", &format!("lock:{NAME}")]).await;
    findings.promise(
        "No key is left when everyone has released it",
        left.int() == 0,
        format_args!("EXISTS lock:{NAME} = {}", left.int()),
    );
    Ok(())
}

/// Pairs each `enter` with the `leave` of the same holder.
fn stays(events: &str) -> Result<Vec<Stay>, String> {
    let mut inside: BTreeMap<String, u64> = BTreeMap::new();
    let mut stays = Vec::new();
    for line in events.lines() {
        let event: Value =
            serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        let (Some(who), Some(at)) = (event["who"].as_str(), event["monoNs"].as_u64()) else {
            return Err(format!("not an event of a holder: {line}"));
        };
        match event["ev"].as_str() {
            Some("enter") => {
                if inside.insert(who.to_owned(), at).is_some() {
                    return Err(format!("{who} entered twice"));
                }
            }
            Some("leave") => {
                let from = inside
                    .remove(who)
                    .ok_or_else(|| format!("{who} left without having entered"))?;
                stays.push(Stay {
                    who: who.to_owned(),
                    from,
                    until: at,
                });
            }
            _ => return Err(format!("not an event of a holder: {line}")),
        }
    }
    match inside.keys().next() {
        Some(who) => Err(format!("{who} never left")),
        None => Ok(stays),
    }
}

/// Each stay that began before an earlier one had ended.
fn overlaps(stays: &[Stay]) -> Vec<String> {
    let mut stays: Vec<&Stay> = stays.iter().collect();
    stays.sort_by_key(|stay| stay.from);
    let mut overlaps = Vec::new();
    let mut latest: Option<&Stay> = None;
    for stay in stays {
        if let Some(earlier) = latest.filter(|earlier| stay.from < earlier.until) {
            overlaps.push(format!(
                "{} was in for {} ns more when {} entered",
                earlier.who,
                earlier.until - stay.from,
                stay.who
            ));
        }
        if latest.is_none_or(|earlier| stay.until > earlier.until) {
            latest = Some(stay);
        }
    }
    overlaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(who: &str, ev: &str, at: u64) -> String {
        format!("{{\"who\":\"{who}\",\"ev\":\"{ev}\",\"monoNs\":{at}}}\n")
    }

    fn stay(who: &str, from: u64, until: u64) -> Stay {
        Stay {
            who: who.to_owned(),
            from,
            until,
        }
    }

    #[test]
    fn an_enter_and_the_next_leave_of_a_holder_are_one_stay() {
        let events = event("a", "enter", 1) + &event("b", "enter", 2) + &event("a", "leave", 3);
        assert_eq!(stays(&events), Err("b never left".to_owned()));
        let events = events + &event("b", "leave", 5);
        assert_eq!(stays(&events), Ok(vec![stay("a", 1, 3), stay("b", 2, 5)]));
    }

    #[test]
    fn events_that_no_holder_writes_are_refused() {
        for events in [
            event("a", "leave", 1),
            event("a", "enter", 1) + &event("a", "enter", 2),
            event("a", "wait", 1),
            "not JSON\n".to_owned(),
            "{}\n".to_owned(),
        ] {
            assert!(stays(&events).is_err(), "{events}");
        }
    }

    #[test]
    fn every_overlap_is_found_and_a_hand_over_in_the_same_instant_is_none() {
        assert!(overlaps(&[stay("b", 3, 5), stay("a", 1, 3)]).is_empty());
        assert_eq!(overlaps(&[stay("a", 1, 4), stay("b", 3, 5)]).len(), 1);
        // A long stay that contains two others.
        let all = [stay("a", 1, 10), stay("b", 2, 3), stay("c", 4, 5)];
        assert_eq!(overlaps(&all).len(), 2);
    }
}
