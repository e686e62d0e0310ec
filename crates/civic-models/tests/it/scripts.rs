//! The store of the models does what the scripts of civic-lock do.
//!
//! Both are given the same random histories, and have to give the same answers and to keep the
//! same keys. One unit of the models' time is a millisecond here. If this fails after a script was
//! changed, the models speak of a protocol that is no more: change `src/store` along with it.

use std::collections::BTreeMap;
use std::path::Path;

use civic_models::rules::{Rule, Rules};
use civic_models::store::{
    Answer, Command, Delivery, FENCES_PER_UNIT, Holder, Kind, Settings, Store,
};

use crate::support::random::Random;
use crate::support::redis::Redis;

const KEY: &str = "lock:nightly";
const FENCE: &str = "{lock:nightly}:fence";
const TICK: &str = "{lock:nightly}:tick";
/// The largest number of microseconds that a script can tell from the next one.
const NEVER: &str = "9007199254740991";
/// Longer than any history: the companion keys do not expire.
const RETAIN: &str = "1000000";

const SETTINGS: Settings = Settings {
    ttl: 3,
    delivery: Delivery::AtLeastOnce,
    grace: 4,
    max_skew: 1,
    attempts: None,
};

struct Scripts(BTreeMap<Kind, String>);

impl Scripts {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = folder.join("../civic-lock/src/store/redis/scripts");
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
        };
        let parts = [
            "now",
            "int",
            "answer",
            "announce",
            "bump",
            "remember",
            "settled",
            "sightings",
            "ttl_of",
            "values_of",
        ];
        let parts = parts.map(|part| read(&format!("parts/{part}.lua")));
        let prelude = format!("{}\n{}", read("prelude.lua"), parts.join("\n"));
        let kinds = [
            (Kind::Acquire, "acquire.lua"),
            (Kind::Renew, "renew.lua"),
            (Kind::Release, "release.lua"),
            (Kind::Claim, "claim.lua"),
            (Kind::Complete, "complete.lua"),
            (Kind::Abandon, "abandon.lua"),
            (Kind::Unclaim, "unclaim.lua"),
            (Kind::Miss, "miss.lua"),
            (Kind::Register, "register.lua"),
            (Kind::Peek, "peek.lua"),
        ];
        // Here each script has all parts, whether it uses them or not.
        let script = |(kind, name)| (kind, format!("{prelude}\n{}", read(name)));
        Self(kinds.into_iter().map(script).collect())
    }

    /// Runs a command by its script.
    fn run(&self, redis: &Redis, command: &Command, settings: &Settings) -> Vec<String> {
        let echo = command
            .holder()
            .map_or("#1".to_owned(), |holder| holder.to_string());
        let mut arguments = vec![echo, NEVER.to_owned(), "1".to_owned()];
        let mut add = |words: &[&dyn ToString]| {
            arguments.extend(words.iter().map(|word| word.to_string()));
        };
        let at_least_once = settings.delivery == Delivery::AtLeastOnce;
        let delivery = if at_least_once {
            "at_least_once"
        } else {
            "at_most_once"
        };
        let keys: &[&str] = match command {
            Command::Acquire(_, orphans) => {
                add(&[&settings.ttl, &RETAIN]);
                orphans.iter().for_each(|orphan| add(&[orphan]));
                &[KEY, FENCE]
            }
            Command::Renew(_) => {
                add(&[&settings.ttl]);
                &[KEY]
            }
            Command::Release(_, hold) => {
                add(&[hold, &"channel"]);
                &[KEY]
            }
            Command::Claim(_, tick, orphans) => {
                add(&[&settings.ttl, tick, &settings.grace, &settings.max_skew]);
                add(&[&delivery, &RETAIN]);
                orphans.iter().for_each(|orphan| add(&[orphan]));
                &[KEY, FENCE, TICK]
            }
            Command::Complete(_, tick, hold) => {
                add(&[tick, hold, &"channel", &RETAIN]);
                &[KEY, TICK]
            }
            Command::Abandon(_) => {
                add(&[&"channel"]);
                &[KEY]
            }
            Command::Unclaim(_) => {
                add(&[&"channel"]);
                &[KEY, TICK]
            }
            Command::Miss(_, from, to) => {
                add(&[from, to, &16]);
                &[KEY, TICK]
            }
            Command::Register(done) => {
                add(&[done, &RETAIN]);
                &[TICK]
            }
            Command::Peek => &[KEY, TICK],
        };
        redis.eval(&self.0[&command.kind()], keys, &arguments)
    }
}

/// A fence of the models as the scripts number it: microseconds.
fn micros(fence: u16) -> u64 {
    u64::from(fence / FENCES_PER_UNIT) * 1000 + u64::from(fence % FENCES_PER_UNIT)
}

/// An answer of the models in the words of the scripts.
fn words(answer: &Answer, store: &Store, kind: Kind) -> Vec<String> {
    let text = |words: &[&dyn ToString]| words.iter().map(|word| word.to_string()).collect();
    match answer {
        Answer::Granted(fence) => text(&[&"granted", &micros(*fence)]),
        Answer::Busy(holder) => text(&[&"busy", holder]),
        Answer::Ours => text(&[&"ours"]),
        Answer::NotOurs => text(&[&"not_ours"]),
        Answer::Claimed {
            tick,
            fence,
            attempt,
        } => text(&[&"granted", tick, &micros(*fence), attempt]),
        Answer::AlreadyDone(done) => text(&[&"already_done", done]),
        Answer::Running(holder) => text(&[&"running", holder]),
        Answer::ClockAhead => text(&[&"clock_ahead"]),
        Answer::TooLate { tick, done } => text(&[&"too_late", tick, done]),
        Answer::Unregistered => text(&[&"unregistered"]),
        Answer::Marked => text(&[&"marked"]),
        Answer::Changed(done) => {
            let done = done.map_or(String::new(), |done| done.to_string());
            text(&[&"changed", &done])
        }
        Answer::Registered(done) => text(&[&"registered", done]),
        Answer::Peeked(done) => {
            let done = done.map_or(String::new(), |done| done.to_string());
            text(&[&"peek", &done])
        }
        Answer::Exhausted { .. } | Answer::Expired => {
            panic!("{kind:?} is not asked for {answer:?}: {store:?}")
        }
    }
}

/// The keys of the models and those of the scripts, in the same words.
fn keys(store: &Store) -> Vec<Option<String>> {
    let held = store.key;
    let ticks = store.ticks.as_ref();
    let text = |value: &dyn ToString| value.to_string();
    let marks = ticks.filter(|ticks| !ticks.marks.is_empty()).map(|ticks| {
        let mark = |(by, to): &(Holder, i8)| format!("{by}@{to}");
        ticks.marks.iter().map(mark).collect::<Vec<_>>().join(" ")
    });
    vec![
        held.map(|held| text(&held.holder)),
        held.and_then(|held| held.expires).map(|at| text(&at)),
        (store.fence > 0).then(|| text(&micros(store.fence))),
        ticks.map(|ticks| text(&ticks.done)),
        ticks.and_then(|it| it.claimed).map(|it| text(&it)),
        ticks.and_then(|it| it.claimant).map(|it| text(&it)),
        ticks.and_then(|it| it.claimed.map(|_| text(&it.attempt))),
        ticks.and_then(|it| it.previous_done).map(|it| text(&it)),
        ticks.and_then(|it| it.completed_by).map(|it| text(&it)),
        marks,
    ]
}

fn keys_of(redis: &Redis) -> Vec<Option<String>> {
    let data = &mut redis.data.borrow_mut();
    let mut all = vec![
        data.text(KEY),
        data.expires(KEY).map(|at| at.to_string()),
        data.text(FENCE),
    ];
    let fields = [
        "done", "claimed", "claimant", "attempt", "prev", "by", "marks",
    ];
    all.extend(fields.map(|field| data.field(TICK, field)));
    all
}

/// One random command.
fn command(random: &mut Random, now: i8) -> Command {
    let holders = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let (process, nth) = random.one(&holders);
    let holder = Holder { process, nth };
    let orphans = match random.below(3) {
        0 => vec![Holder { process, nth: 0 }],
        _ => Vec::new(),
    };
    // Mostly about now, so that ticks are due.
    let tick = (now + random.one(&[-6, -4, -2, -1, 0, 0, 1, 2])).max(1);
    let hold = random.one(&[0, 0, 2]);
    match random.below(20) {
        0..3 => Command::Acquire(holder, orphans),
        3 => Command::Renew(holder),
        4 => Command::Release(holder, hold),
        5..11 => Command::Claim(holder, tick, orphans),
        11..14 => Command::Complete(holder, tick, hold),
        14 => Command::Abandon(holder),
        15 | 16 => Command::Unclaim(holder),
        17 | 18 => {
            let by = Holder {
                process,
                nth: nth + 5,
            };
            let from = random.one(&[0, 1, 2, 4]);
            Command::Miss(by, from, from + random.one(&[0, 1, 3]))
        }
        _ => random
            .one(&[Command::Register(0), Command::Peek].each_ref())
            .clone(),
    }
}

/// Runs one history by both, and says where they differ first.
fn difference(scripts: &Scripts, seed: u64, rules: Rules) -> Option<String> {
    let mut random = Random::new(seed);
    let settings = Settings {
        delivery: random.one(&[Delivery::AtLeastOnce, Delivery::AtMostOnce]),
        ..SETTINGS
    };
    let redis = Redis::new();
    let mut store = Store::default();
    let mut now: i8 = 1;
    for step in 0..40 {
        now += random.one(&[0, 0, 0, 1, 1, 3]);
        redis.data.borrow_mut().now_us = now as u64 * 1000;
        let command = command(&mut random, now);
        let before = store.clone();
        let answer = store.step(now, &command, &settings, rules);
        let expected = words(&answer, &store, command.kind());
        let got = scripts.run(&redis, &command, &settings);
        store.expire(now, rules);
        // The scripts answer more than the models need: what is left of a ttl, for example.
        let answered = got.starts_with(&expected);
        if !answered || keys(&store) != keys_of(&redis) {
            return Some(format!(
                "seed {seed}, step {step}, at {now}, {settings:?}\n{command:?} on {before:?}\n\
                 the models: {expected:?}, {:?}\nthe scripts: {got:?}, {:?}",
                keys(&store),
                keys_of(&redis),
            ));
        }
    }
    None
}

#[test]
fn the_store_of_the_models_does_what_the_scripts_do() {
    let scripts = Scripts::read();
    for seed in 0..3000 {
        if let Some(difference) = difference(&scripts, seed, Rules::all()) {
            panic!("{difference}");
        }
    }
}

#[test]
fn a_command_after_its_last_moment_changes_nothing_in_the_scripts() {
    let scripts = Scripts::read();
    let redis = Redis::new();
    redis.data.borrow_mut().now_us = 5001;
    let arguments = ["A0", "5000", "1", "3", RETAIN].map(str::to_owned);
    let acquire = &scripts.0[&Kind::Acquire];
    assert_eq!(redis.eval(acquire, &[KEY, FENCE], &arguments), ["expired"]);
    assert_eq!(keys_of(&redis)[0], None);
}

#[test]
fn a_rule_that_is_left_out_of_the_store_differs_from_the_scripts() {
    let scripts = Scripts::read();
    let rules = [
        Rule::ReleaseChecksOwner,
        Rule::RenewChecksOwner,
        Rule::RenewNeverSets,
        Rule::CompleteChecksOwner,
        Rule::HoldersAreCompared,
        Rule::HeldKeyIsBusy,
        Rule::KeyLivesForItsTtl,
        Rule::KeyHasTtl,
        Rule::FenceGrows,
        Rule::FenceFollowsTheClock,
        Rule::WatermarkIsAsked,
        Rule::TakeoverCountsTheAttempt,
        Rule::OpenTickIsRemembered,
        Rule::OpenTickComesFirst,
        Rule::AtMostOnceIsDoneWhenClaimed,
        Rule::AtMostOnceIsNotTakenOver,
        Rule::MineIsAskedBeforeDone,
        Rule::UnclaimRestoresTheWatermark,
        Rule::RunningTickIsNotMissed,
        Rule::MovementsAreRemembered,
        Rule::HandOverFreesTheKey,
        Rule::RegisterKeepsTheWatermark,
    ];
    for rule in rules {
        let found =
            (0..3000).any(|seed| difference(&scripts, seed, Rules::without(rule)).is_some());
        assert!(found, "{rule:?} is left out and nothing differs");
    }
}
