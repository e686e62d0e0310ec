//! What the commands about an execution make of a state, see [`step`](super::transitions::step).

use crate::delivery::Delivery;
use crate::store::answer::Ownership;
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;
use crate::store::host::state::State;
use crate::store::host::transitions::Transition;
use crate::store::once::{
    Author, Begun, Completed, Detail, Execution, OnceBegin, OnceComplete, OnceForget, OncePeek,
    OncePeeked, OnceResolve, OnceUnbegin, Phase, Resolution, Resolved,
};
use crate::store::payload::Payload;

// ===== impl OnceBegin =====

impl Transition for OnceBegin {
    fn apply(self, state: &mut State, now: Moment, process: &Process) -> Begun<u64> {
        let wall = now.wall_ms();
        let is_ours = |who: &str| {
            who == self.holder.as_str() || self.orphans.iter().any(|orphan| orphan.as_str() == who)
        };
        let mut held = state.holder.clone();
        let mut execution = state.once.clone();
        // Ours already: the answer to an earlier call was lost, and its work has not begun.
        if let Some(found) = execution.take_if(|found| {
            found.phase == Phase::Begun
                && is_ours(&found.holder)
                && held.as_ref().is_none_or(|held| *held == found.holder)
        }) {
            if held.as_deref() == Some(self.holder.as_str()) {
                state.extend(self.ttl.as_millis(), now);
                return Begun::Granted {
                    lease: found.fence,
                    attempt: found.attempt,
                    before: None,
                };
            }
            execution = found.unbegun();
        }
        held = held.filter(|held| !is_ours(held));
        if let Some(found) = &mut execution {
            if found.fingerprint != self.terms.fingerprint {
                return Begun::Different;
            }
            if found.phase == Phase::Done {
                found.looked_at(self.terms.retain, wall);
                state.once = Some(found.clone());
                return Begun::Done(found.clone());
            }
            if found.phase == Phase::Begun
                && found.delivery == Delivery::AtMostOnce
                && held.as_ref() != Some(&found.holder)
            {
                return Begun::InDoubt {
                    since: found.begun,
                    holder: found.holder.clone(),
                    attempt: found.attempt,
                };
            }
        }
        if let Some(holder) = held {
            return Begun::Running {
                holder,
                ttl: state.ttl(now),
            };
        }
        let (before, attempts) =
            execution.map_or((None, 0), |found| (Some(found.phase), found.attempt));
        let fence = state.grant(&self.holder, self.ttl, now, process);
        state.once = Some(Execution {
            version: Execution::VERSION,
            phase: Phase::Begun,
            holder: self.holder.as_str().to_owned(),
            attempt: attempts + 1,
            fence,
            delivery: self.terms.delivery,
            fingerprint: self.terms.fingerprint,
            begun: wall,
            until: wall + self.keep.as_millis() as u64,
            retain: self.terms.retain.as_millis() as u64,
            completed: None,
            author: Author::Holder,
            result: Payload::default(),
        });
        Begun::Granted {
            lease: fence,
            attempt: attempts + 1,
            before,
        }
    }
}

// ===== impl OnceComplete =====

impl Transition for OnceComplete {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Completed {
        let holder = self.holder.as_str();
        let answer = match &mut state.once {
            Some(execution) if execution.is_begun_by(holder) => {
                let completed = now.wall_ms();
                let until = completed + execution.retain;
                execution.phase = Phase::Done;
                execution.completed = Some(completed);
                execution.until = until;
                execution.author = Author::of_result(self.result.as_ref());
                execution.result = self.result.unwrap_or_default();
                Completed::Recorded { completed, until }
            }
            // The answer to the first call was lost.
            Some(execution)
                if execution.phase == Phase::Done
                    && execution.author != Author::Operator
                    && execution.holder == holder =>
            {
                Completed::Recorded {
                    completed: execution.completed.unwrap_or_default(),
                    until: execution.until,
                }
            }
            _ => Completed::NotOurs,
        };
        if state.held_by(&self.holder) {
            state.release(None, now);
        }
        answer
    }
}

// ===== impl OnceForget =====

impl Transition for OnceForget {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Ownership {
        let holder = self.holder.as_str();
        let ownership = match &mut state.once {
            Some(execution) if execution.holder == holder && execution.phase != Phase::Done => {
                execution.phase = Phase::Free;
                Ownership::Ours
            }
            _ => Ownership::NotOurs,
        };
        if state.held_by(&self.holder) {
            state.release(None, now);
        }
        ownership
    }
}

// ===== impl OncePeek =====

impl Transition for OncePeek {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> OncePeeked {
        let mut execution = state.once.clone();
        if let (Detail::State, Some(execution)) = (self.detail, &mut execution) {
            execution.result = Payload::default();
        }
        OncePeeked {
            execution,
            holder: state.holder.clone(),
            ttl: state.holder.as_ref().and_then(|_| state.ttl(now)),
        }
    }
}

// ===== impl OnceResolve =====

impl Transition for OnceResolve {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Resolved {
        let ttl = state.ttl(now);
        let Some(execution) = &mut state.once else {
            return Resolved::Unknown;
        };
        if !execution.is_begun_by(&self.holder) || execution.attempt != self.attempt {
            let mut changed = execution.clone();
            changed.result = Payload::default();
            return Resolved::Changed(changed);
        }
        if state.holder.as_ref() == Some(&self.holder) {
            return Resolved::Running { ttl };
        }
        match self.to {
            Resolution::Free => execution.phase = Phase::Free,
            Resolution::Done => {
                let completed = now.wall_ms();
                execution.phase = Phase::Done;
                execution.completed = Some(completed);
                execution.author = Author::Operator;
                execution.until = completed + execution.retain;
            }
        }
        Resolved::Ended
    }
}

// ===== impl OnceUnbegin =====

impl Transition for OnceUnbegin {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Ownership {
        let holder = self.holder.as_str();
        let ownership = match state.once.take_if(|found| found.is_begun_by(holder)) {
            Some(begun) => {
                state.once = begun.unbegun();
                Ownership::Ours
            }
            None => Ownership::NotOurs,
        };
        if state.held_by(&self.holder) {
            state.release(None, now);
        }
        ownership
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::name::LockName;
    use crate::store::command::Release;
    use crate::store::holder::Holder;
    use crate::store::host::transitions::step;
    use crate::store::once::OnceTerms;
    use crate::timing::Ttl;

    /// What may happen to a key. Numbers name a holder: the latest one is 0.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// The next holder begins. Its process may know the value of an earlier one as an orphan.
        Begin(Delivery, Option<usize>),
        Complete(usize),
        Forget(usize),
        Unbegin(usize),
        /// The holder dies.
        Die,
        Resolve(usize, Resolution),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let delivery = prop_oneof![Just(Delivery::AtLeastOnce), Just(Delivery::AtMostOnce)];
        let to = prop_oneof![Just(Resolution::Done), Just(Resolution::Free)];
        let step = prop_oneof![
            4 => (delivery, proptest::option::weighted(0.2, 0..3usize))
                .prop_map(|(delivery, orphan)| Step::Begin(delivery, orphan)),
            1 => (0..3usize).prop_map(Step::Complete),
            1 => (0..3usize).prop_map(Step::Forget),
            1 => (0..3usize).prop_map(Step::Unbegin),
            3 => Just(Step::Die),
            1 => (0..3usize, to).prop_map(|(who, to)| Step::Resolve(who, to)),
        ];
        proptest::collection::vec(step, 1..40)
    }

    /// One key, and what its holders have come to.
    struct Key {
        state: State,
        now: u64,
        holders: usize,
        fence: u64,
        /// The holders that may have done the work, and how each has begun it.
        working: BTreeMap<usize, Delivery>,
        /// What is recorded, once something is.
        finished: Option<(String, Payload)>,
    }

    impl Key {
        fn run<C: Transition>(&mut self, command: C) -> C::Answer {
            self.now += 1;
            let process = Process {
                boot: "boot".to_owned(),
                liveness_file: "file".to_owned(),
            };
            let moment = Moment::at(self.now, 1_772_089_200_000_000 + self.now * 1000);
            let (next, answer) = step(&self.state, moment, &process, command);
            self.state = next;
            answer
        }

        fn who(&self, back: usize) -> usize {
            self.holders.saturating_sub(back)
        }

        fn begin(&mut self, delivery: Delivery, orphan: Option<usize>) {
            // A value is an orphan only if its answer never came, so that it has not worked.
            let orphan = orphan.map(|back| self.who(back));
            let orphan = orphan.filter(|orphan| *orphan > 0);
            if let Some(orphan) = orphan {
                self.working.remove(&orphan);
            }
            self.holders += 1;
            let answer = self.run(OnceBegin {
                holder: Holder::new(self.holders.to_string()),
                ttl: Ttl::new(Duration::from_secs(60)).expect("a valid ttl"),
                terms: OnceTerms {
                    delivery,
                    fingerprint: String::new(),
                    retain: Duration::from_secs(60),
                },
                keep: Duration::from_secs(3600),
                orphans: orphan
                    .map(|it| Holder::new(it.to_string()))
                    .into_iter()
                    .collect(),
            });
            match answer {
                Begun::Granted { lease: fence, .. } => {
                    assert!(fence > self.fence, "{fence} after {}", self.fence);
                    self.fence = fence;
                    let doubtful = self.working.values().any(|it| *it == Delivery::AtMostOnce);
                    assert!(
                        !doubtful,
                        "begun at most once, and again: {:?}",
                        self.working
                    );
                    assert_eq!(self.finished, None, "begun again after its end");
                    self.working.insert(self.holders, delivery);
                }
                Begun::Done(execution) => {
                    let seen = Some((execution.holder, execution.result));
                    assert_eq!(self.finished, seen, "another result than the recorded one");
                }
                Begun::Running { .. } | Begun::InDoubt { .. } => {}
                Begun::Different => panic!("there are no fingerprints"),
            }
        }

        fn take(&mut self, step: Step) {
            match step {
                Step::Begin(delivery, orphan) => self.begin(delivery, orphan),
                Step::Complete(back) => {
                    let who = self.who(back);
                    let result = Payload::new(&[who as u8]);
                    let holder = Holder::new(who.to_string());
                    let complete = OnceComplete {
                        holder,
                        result: Some(result.clone()),
                    };
                    if let Completed::Recorded { .. } = self.run(complete) {
                        let recorded = (who.to_string(), result);
                        let first = self.finished.get_or_insert_with(|| recorded.clone());
                        assert_eq!(*first, recorded, "overwritten");
                    }
                }
                Step::Forget(back) => {
                    let who = self.who(back);
                    let holder = Holder::new(who.to_string());
                    if self.run(OnceForget { holder }) == Ownership::Ours {
                        let last = self.state.once.as_ref().map(|last| last.holder.clone());
                        assert_eq!(last, Some(who.to_string()), "another one's is forgotten");
                        assert_eq!(self.finished, None, "forgotten after its end");
                        self.working.clear();
                    }
                }
                Step::Unbegin(back) => {
                    let who = self.who(back);
                    let holder = Holder::new(who.to_string());
                    if self.run(OnceUnbegin { holder }) == Ownership::Ours {
                        self.working.remove(&who);
                    }
                }
                Step::Die => {
                    if let Some(held) = self.state.holder.clone() {
                        self.run(Release {
                            holder: Holder::new(held),
                            hold: None,
                        });
                    }
                }
                Step::Resolve(back, to) => {
                    let seen = self.state.once.as_ref().map_or(1, |seen| seen.attempt);
                    let resolve = OnceResolve {
                        holder: self.who(back).to_string(),
                        attempt: seen,
                        to,
                    };
                    if self.run(resolve.clone()) == Resolved::Ended {
                        assert_eq!(self.finished, None, "resolved after its end");
                        match to {
                            Resolution::Done => {
                                self.finished = Some((resolve.holder, Payload::default()));
                            }
                            Resolution::Free => self.working.clear(),
                        }
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn at_most_once_work_is_begun_again_only_if_it_was_given_back_and_an_end_is_final(
            steps in steps(),
        ) {
            let name = LockName::new("once:key").expect("a valid name");
            let mut key = Key {
                state: State::named(&name),
                now: 0,
                holders: 0,
                fence: 0,
                working: BTreeMap::new(),
                finished: None,
            };
            for step in steps {
                key.take(step);
            }
        }
    }

    #[test]
    fn a_record_keeps_its_file_until_it_ends_and_must_survive_the_machine() {
        let name = LockName::new("once:key").expect("a valid name");
        let mut key = Key {
            state: State::named(&name),
            now: 0,
            holders: 0,
            fence: 0,
            working: BTreeMap::new(),
            finished: None,
        };
        key.begin(Delivery::AtMostOnce, None);
        key.take(Step::Die);
        let until = key.state.once.as_ref().expect("a record").until;
        let at = |wall_ms: u64| Moment::at(wall_ms, wall_ms * 1000);
        // The fence is kept for ten minutes, the record for an hour.
        assert!(!key.state.is_stale(at(until - 1)));
        assert!(key.state.is_stale(at(until)));
        key.state.remove_ended_execution(at(until - 1));
        assert!(key.state.once.is_some());
        key.state.remove_ended_execution(at(until));
        assert_eq!(key.state.once, None);
        let text = serde_json::to_string(&key.state).expect("JSON");
        assert!(!text.contains("\"once\":"), "{text}");
    }
}
