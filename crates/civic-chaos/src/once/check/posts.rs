//! O1 to O5: POSTs with keys.

use std::collections::{HashMap, HashSet};

use crate::check::Verdict;
use crate::once::facts::posts::{End, How, Posts};
use crate::once::role::WRONG;

/// The statuses with which a service says that it has not answered: it is busy with the key, or has
/// no store.
const NO_ANSWER: [u16; 4] = [409, 502, 503, 504];
/// What an answer in doubt has in its code.
const IN_DOUBT: &str = "doubt";

pub(crate) fn posts(posts: &Posts) -> Vec<Verdict> {
    let mut effects: HashMap<u64, Vec<&str>> = HashMap::new();
    for effect in &posts.effects {
        effects.entry(effect.n).or_default().push(&effect.effect);
    }
    vec![
        one_effect(posts, &effects),
        every_caller_ends(posts),
        answers_are_true(posts, &effects),
        again(posts),
        other_bodies(posts, &effects),
        warned(posts),
    ]
}

fn one_effect(posts: &Posts, effects: &HashMap<u64, Vec<&str>>) -> Verdict {
    let mut verdict = Verdict::new("O1", "at most one effect per key");
    let mut twice = 0;
    for (n, made) in effects {
        verdict.checks += 1;
        if made.len() < 2 {
            continue;
        }
        twice += 1;
        if posts.loses {
            verdict.excused += 1;
        } else {
            verdict.violated(
                format!("request {n} has {} effects: {made:?}", made.len()),
                [],
            );
        }
    }
    if posts.loses {
        verdict.note = Some(format!(
            "{twice} requests have more than one effect: writes were lost"
        ));
    }
    verdict
}

fn every_caller_ends(posts: &Posts) -> Verdict {
    let mut verdict = Verdict::new(
        "O2",
        "every caller ends with the answer, with 409 in doubt, or with an error that has a type",
    );
    let mut ended = HashSet::new();
    for End { n, how, .. } in &posts.ends {
        match how {
            How::OtherBody { .. } => continue,
            How::InDoubt { code } if !code.contains(IN_DOUBT) => {
                verdict.violated(
                    format!("request {n} ended with a 409 that says {code:?}"),
                    [],
                );
            }
            How::Error {
                kind,
                status: Some(status),
            } if !NO_ANSWER.contains(status) => {
                verdict.violated(format!("request {n} ended with {kind} {status}"), []);
            }
            _ => {}
        }
        verdict.checks += 1;
        ended.insert(*n);
    }
    for n in (0..posts.posts).filter(|n| !ended.contains(n)) {
        verdict.violated(format!("request {n} has not ended"), []);
    }
    verdict
}

fn answers_are_true(posts: &Posts, effects: &HashMap<u64, Vec<&str>>) -> Verdict {
    let mut verdict = Verdict::new(
        "O3",
        "an answer is that of the effect of its own request: none crosses over to another tenant",
    );
    for End { n, how, .. } in posts.ends.iter().chain(&posts.again) {
        let How::Answer { of, effect, .. } = how else {
            continue;
        };
        verdict.checks += 1;
        let made = effects
            .get(n)
            .is_some_and(|made| made.contains(&effect.as_str()));
        if of != n || !made {
            verdict.violated(
                format!("request {n} was answered with {effect:?}, for {of}"),
                [],
            );
        }
    }
    verdict
}

fn again(posts: &Posts) -> Verdict {
    let mut verdict = Verdict::new(
        "O4",
        "what was answered is answered as before when it is asked again, with Idempotency-Replayed",
    );
    let mut first: HashMap<u64, &How> = HashMap::new();
    for end in &posts.ends {
        if !matches!(end.how, How::OtherBody { .. }) {
            first.insert(end.n, &end.how);
        }
    }
    for End { n, how, .. } in &posts.again {
        let same = match (first.get(n), how) {
            (_, How::OtherBody { .. }) => continue,
            (
                Some(How::Answer { effect: before, .. }),
                How::Answer {
                    effect, replayed, ..
                },
            ) => before == effect && *replayed,
            // It was not known, and may be known now: one that was stopped has woken.
            (Some(How::InDoubt { .. } | How::Error { .. }), _) => true,
            _ => false,
        };
        // The server was killed before it had the record: the caller has its answer all the same.
        let is_unrecorded = posts.server_kills > 0
            && matches!(how, How::InDoubt { .. })
            && matches!(
                first.get(n),
                Some(How::Answer {
                    replayed: false,
                    ..
                })
            );
        verdict.checks += 1;
        if same {
        } else if posts.loses || is_unrecorded {
            verdict.excused += 1;
        } else {
            verdict.violated(
                format!(
                    "request {n} ended with {:?}, and again with {how:?}",
                    first.get(n)
                ),
                [],
            );
        }
    }
    if posts.again.is_empty() && posts.posts > 0 {
        verdict.violated("nothing was asked again", []);
    }
    verdict
}

fn other_bodies(posts: &Posts, effects: &HashMap<u64, Vec<&str>>) -> Verdict {
    let mut verdict = Verdict::new(
        "O5",
        "another body under the same key gets no answer of the first one, and has no effect",
    );
    for End { n, how, .. } in posts.ends.iter().chain(&posts.again) {
        let How::OtherBody { status } = how else {
            continue;
        };
        verdict.checks += 1;
        // Without a status it was not answered: a fault was in the way.
        let refused = status.is_none_or(|status| status == 422 || NO_ANSWER.contains(&status));
        let has_effect = effects.contains_key(&(n + WRONG));
        if refused && !has_effect {
        } else if posts.loses {
            verdict.excused += 1;
        } else {
            verdict.violated(
                format!(
                    "another body under the key of request {n}: {status:?}, effect: {has_effect}"
                ),
                [],
            );
        }
    }
    verdict
}

fn warned(posts: &Posts) -> Verdict {
    let mut verdict = Verdict::new(
        "O6",
        "a service warns of a store that may lose what it has acknowledged, and of no other",
    );
    verdict.checks = posts.warned + posts.silent;
    let (wrong, what) = if posts.loses {
        (posts.silent, "do not warn")
    } else {
        (posts.warned, "warn of a store that keeps everything")
    };
    // One that was killed at once, or had nothing to do, had no time for it.
    if posts.loses && posts.warned > 0 {
        verdict.excused = wrong;
    } else if wrong > 0 {
        verdict.violated(format!("{wrong} services {what}"), []);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::once::facts::posts::Effect;

    fn effect(n: u64, effect: &str) -> Effect {
        Effect {
            n,
            effect: effect.to_owned(),
        }
    }

    fn end(n: u64, how: How) -> End {
        End { n, how, asked: 1 }
    }

    fn answer(n: u64, effect: &str, replayed: bool) -> End {
        let effect = effect.to_owned();
        end(
            n,
            How::Answer {
                of: n,
                effect,
                replayed,
            },
        )
    }

    fn in_doubt(n: u64) -> End {
        let code = "Outcome in doubt".to_owned();
        end(n, How::InDoubt { code })
    }

    fn error(n: u64, status: Option<u16>) -> End {
        let kind = "Transport".to_owned();
        end(n, How::Error { kind, status })
    }

    fn good() -> Posts {
        Posts {
            posts: 4,
            silent: 3,
            effects: vec![effect(0, "a"), effect(1, "b"), effect(2, "c")],
            ends: vec![
                answer(0, "a", false),
                answer(1, "b", true),
                in_doubt(2),
                error(3, None),
                end(0, How::OtherBody { status: Some(422) }),
            ],
            again: vec![
                answer(0, "a", true),
                answer(1, "b", true),
                in_doubt(2),
                error(3, Some(503)),
            ],
            ..Posts::default()
        }
    }

    fn broken(posts_: &Posts) -> Vec<&'static str> {
        posts(posts_)
            .iter()
            .filter(|verdict| !verdict.holds())
            .map(|verdict| verdict.id)
            .collect()
    }

    #[test]
    fn one_effect_and_an_end_for_each_caller_are_right() {
        assert_eq!(broken(&good()), [""; 0]);
        assert!(posts(&good()).iter().all(|verdict| verdict.checks > 0));
    }

    #[test]
    fn a_second_effect_is_a_violation_unless_the_store_loses_writes() {
        let mut two = good();
        two.effects.push(effect(1, "d"));
        assert_eq!(broken(&two), ["O1"]);
        two.loses = true;
        two.warned = 1;
        assert_eq!(broken(&two), [""; 0]);
        assert_eq!(posts(&two)[0].excused, 1);
    }

    #[test]
    fn a_caller_that_does_not_end_or_ends_with_no_type_is_a_violation() {
        let mut silent = good();
        silent.ends.remove(3);
        assert_eq!(broken(&silent), ["O2", "O4"]);
        for status in [200, 400, 422, 500] {
            let mut odd = good();
            odd.ends[3] = error(3, Some(status));
            assert_eq!(broken(&odd), ["O2"], "{status}");
        }
        let mut nameless = good();
        let code = String::new();
        nameless.ends[2] = end(2, How::InDoubt { code });
        assert_eq!(broken(&nameless), ["O2"]);
    }

    #[test]
    fn an_answer_to_another_request_or_of_no_effect_is_a_violation() {
        let mut crossed = good();
        crossed.ends[0] = answer(0, "b", true);
        crossed.again[0] = answer(0, "b", true);
        assert_eq!(broken(&crossed), ["O3"]);
        let mut invented = good();
        invented.effects.remove(0);
        assert_eq!(broken(&invented), ["O3"]);
        let mut misnamed = good();
        misnamed.again[1] = end(
            1,
            How::Answer {
                of: 0,
                effect: "b".to_owned(),
                replayed: true,
            },
        );
        assert_eq!(broken(&misnamed), ["O3"]);
    }

    #[test]
    fn another_answer_the_second_time_is_a_violation() {
        let mut again = good();
        again.again[0] = answer(0, "a", false);
        assert_eq!(broken(&again), ["O4"], "not replayed");
        again.again[0] = in_doubt(0);
        assert_eq!(broken(&again), ["O4"], "forgotten");
        again.server_kills = 1;
        assert_eq!(broken(&again), [""; 0], "it could not be recorded");
        again.again[1] = in_doubt(1);
        assert_eq!(broken(&again), ["O4"], "but this one was");
        again.again.clear();
        assert_eq!(broken(&again), ["O4"], "not asked");
    }

    #[test]
    fn another_body_that_gets_an_answer_or_has_an_effect_is_a_violation() {
        let mut other = good();
        other.ends[4] = end(0, How::OtherBody { status: Some(201) });
        assert_eq!(broken(&other), ["O5"]);
        other = good();
        other.effects.push(effect(WRONG, "d"));
        assert_eq!(broken(&other), ["O5"]);
    }

    #[test]
    fn a_missing_warning_is_a_violation_and_so_is_a_false_one() {
        let mut loses = good();
        loses.loses = true;
        assert_eq!(broken(&loses), ["O6"]);
        let mut keeps = good();
        keeps.warned = 1;
        assert_eq!(broken(&keeps), ["O6"]);
    }
}
