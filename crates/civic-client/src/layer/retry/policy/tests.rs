//! The retry table: the documented one is rendered from these rows, and every case is judged by
//! them and by the policy.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use tokio::time::Instant;

use crate::attempt::RetryMark;
use crate::layer::idempotency_key::IDEMPOTENCY_KEY;
use crate::layer::retry::backoff::Jitter;
use crate::layer::retry::call::Call;
use crate::layer::retry::outcome::{Answered, Outcome};
use crate::layer::retry::policy::{Cost, RetryPolicy, Verdict};
use crate::layer::retry::scope::RetryScope;
use crate::not_retried::NotRetried;
use crate::options::CallOptions;
use crate::transmission::Transmission;

/// What follows from a row, apart from the times.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    Accept,
    Retry(Cost),
    Stop(NotRetried),
}

const FREE: Then = Then::Retry(Cost::Free);
const RETRY: Then = Then::Retry(Cost::Charged);
const FATAL: Then = Then::Stop(NotRetried::NotRetryable);
const SAID_NO: Then = Then::Stop(NotRetried::PeerSaidNo);
const DEADLINE: Then = Then::Stop(NotRetried::Deadline);
const UNSAFE: Then = Then::Stop(NotRetried::NotReplaySafe);
const CHAIN: Then = Then::Stop(NotRetried::ChainStop);

struct Row {
    what: &'static str,
    holds: fn(&Case) -> bool,
    idempotent: Then,
    other: Then,
    chained: Then,
}

const ROWS: [Row; 10] = [
    Row {
        what: "a success",
        holds: |case| case.status().is_some_and(|status| status / 100 == 2),
        idempotent: Then::Accept,
        other: Then::Accept,
        chained: Then::Accept,
    },
    Row {
        what: "refused by one of the caller's own layers: an open circuit breaker, a limit, missing \
            credentials; or a body over the cap, or a response that is no HTTP",
        holds: |case| {
            matches!(
                case.outcome,
                Outcome::Failure {
                    retryable: false,
                    ..
                }
            )
        },
        idempotent: FATAL,
        other: FATAL,
        chained: FATAL,
    },
    Row {
        what: "the deadline of the call passed",
        holds: |case| case.outcome == Outcome::DeadlinePassed,
        idempotent: DEADLINE,
        other: DEADLINE,
        chained: DEADLINE,
    },
    Row {
        what: "never sent: connecting failed, or the time was over before a connection had the \
            request",
        holds: |case| {
            matches!(
                case.outcome,
                Outcome::Failure {
                    transmission: Transmission::NotSent,
                    ..
                }
            )
        },
        idempotent: FREE,
        other: FREE,
        chained: FREE,
    },
    Row {
        what: "501, 505, a redirect, any 4xx but the 429 and the 409 below",
        holds: |case| {
            let Some(status) = case.status() else {
                return false;
            };
            match status {
                429 => case.answer().retry_after.is_none(),
                409 => case.answer().retry_after.is_none() || case.key == Key::None,
                501 | 505 => true,
                _ => !(500..=599).contains(&status),
            }
        },
        idempotent: FATAL,
        other: FATAL,
        chained: FATAL,
    },
    Row {
        what: "any other answer with `x-should-retry: false`",
        holds: |case| case.status().is_some() && case.answer().said_no,
        idempotent: SAID_NO,
        other: SAID_NO,
        chained: SAID_NO,
    },
    Row {
        what: "the 503 of a Fastify that is closing ([`with_trust_closing_answer`]\
            (Self::with_trust_closing_answer))",
        holds: |case| case.status() == Some(503) && case.answer().closing && case.trusted,
        idempotent: FREE,
        other: FREE,
        chained: FREE,
    },
    Row {
        what: "429 or 503 with `Retry-After`: the peer says that it did not take the request; 409 \
            with it, to a request with an `Idempotency-Key`: the first execution still runs",
        holds: |case| {
            case.status()
                .is_some_and(|status| matches!(status, 409 | 429 | 503))
                && case.answer().retry_after.is_some()
        },
        idempotent: RETRY,
        other: RETRY,
        chained: CHAIN,
    },
    Row {
        what: "any other 5xx",
        holds: |case| case.status().is_some(),
        idempotent: RETRY,
        other: UNSAFE,
        chained: CHAIN,
    },
    Row {
        what: "a timeout, a reset connection, a truncated response: transmission unknown",
        holds: |_| true,
        idempotent: RETRY,
        other: UNSAFE,
        chained: CHAIN,
    },
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Key {
    None,
    Generated,
    Callers,
}

#[derive(Clone, Debug)]
struct Case {
    method: Method,
    outcome: Outcome,
    scope: RetryScope,
    key: Key,
    declared: Option<bool>,
    chained: bool,
    trusted: bool,
}

impl Case {
    fn answer(&self) -> Answered {
        match self.outcome {
            Outcome::Answer(answer) => answer,
            Outcome::Failure { .. } | Outcome::DeadlinePassed => panic!("no answer"),
        }
    }

    fn status(&self) -> Option<u16> {
        match self.outcome {
            Outcome::Answer(answer) => Some(answer.status.as_u16()),
            Outcome::Failure { .. } | Outcome::DeadlinePassed => None,
        }
    }

    fn expected(&self) -> Then {
        let row = ROWS.iter().find(|row| (row.holds)(self)).expect("a row");
        let idempotent = self.declared.unwrap_or_else(|| {
            self.scope == RetryScope::AllMethods
                || self.key == Key::Callers
                || !matches!(self.method, Method::POST | Method::PATCH)
        });
        match (self.chained, idempotent) {
            (true, _) => row.chained,
            (false, true) => row.idempotent,
            (false, false) => row.other,
        }
    }

    fn judged(&self) -> Then {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        if let Some(declared) = self.declared {
            let options = CallOptions::new().with_idempotent(declared);
            request.extensions_mut().insert(options);
        }
        if self.key != Key::None {
            let key = http::HeaderValue::from_static("\"k\"");
            request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        }
        if self.key == Key::Generated {
            crate::layer::idempotency_key::mark_generated(request.extensions_mut());
        }
        if self.chained {
            request.extensions_mut().insert(RetryMark(1));
        }
        let policy = RetryPolicy::new()
            .with_scope(self.scope)
            .with_trust_closing_answer(self.trusted);
        match policy.judge(policy.call(&request), 0, self.outcome) {
            Verdict::Accept => Then::Accept,
            Verdict::Retry { cost, .. } => Then::Retry(cost),
            Verdict::Stop(reason) => Then::Stop(reason),
        }
    }
}

fn outcomes() -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::DeadlinePassed];
    for transmission in [Transmission::NotSent, Transmission::Unknown] {
        for retryable in [true, false] {
            outcomes.push(Outcome::Failure {
                transmission,
                retryable,
            });
        }
    }
    let statuses = [
        200, 204, 301, 307, 400, 401, 404, 408, 409, 412, 422, 425, 429, 500, 501, 502, 503, 504,
        505, 507, 599, 600, 999,
    ];
    for status in statuses {
        for retry_after in [None, Some(0), Some(7)] {
            for said_no in [false, true] {
                for closing in [false, true] {
                    outcomes.push(Outcome::Answer(Answered {
                        status: StatusCode::from_u16(status).expect("a status"),
                        retry_after: retry_after.map(Duration::from_secs),
                        said_no,
                        closing,
                        another_is_well: false,
                    }));
                }
            }
        }
    }
    outcomes
}

#[test]
fn every_case_is_judged_as_the_table_says() {
    let mut cases = 0;
    for outcome in outcomes() {
        for method in [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PUT,
            Method::DELETE,
            Method::POST,
            Method::PATCH,
        ] {
            for scope in [RetryScope::Idempotent, RetryScope::AllMethods] {
                for key in [Key::None, Key::Generated, Key::Callers] {
                    for declared in [None, Some(true), Some(false)] {
                        for (chained, trusted) in
                            [(false, true), (true, true), (false, false), (true, false)]
                        {
                            let case = Case {
                                method: method.clone(),
                                outcome,
                                scope,
                                key,
                                declared,
                                chained,
                                trusted,
                            };
                            assert_eq!(case.judged(), case.expected(), "{case:?}");
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(cases > 100_000, "{cases}");
}

#[test]
fn the_documented_table_is_the_one_that_is_tested() {
    let cell = |then| match then {
        Then::Accept => "returned".to_owned(),
        Then::Retry(Cost::Free) => "retried, free".to_owned(),
        Then::Retry(Cost::Charged) => "retried".to_owned(),
        Then::Stop(reason) => format!("[`NotRetried::{reason:?}`](crate::NotRetried)"),
    };
    let mut table = String::from(
        "| outcome of the attempt | idempotent call | other call | call that serves a retry |\n\
         |---|---|---|---|\n",
    );
    for row in &ROWS {
        let [idempotent, other, chained] = [row.idempotent, row.other, row.chained].map(cell);
        let what = row.what;
        table += &format!("| {what} | {idempotent} | {other} | {chained} |\n");
    }
    assert_eq!(
        table,
        include_str!("table.md"),
        "write this into table.md:\n{table}"
    );
}

fn call(deadline: Option<Duration>) -> Call {
    let mut request = Request::new(());
    if let Some(deadline) = deadline {
        let options = CallOptions::new().with_deadline(Instant::now() + deadline);
        request.extensions_mut().insert(options);
    }
    RetryPolicy::new().call(&request)
}

/// A 503 that asks for a pause.
fn pausing(seconds: u64) -> Outcome {
    Outcome::Answer(Answered {
        status: StatusCode::SERVICE_UNAVAILABLE,
        retry_after: Some(Duration::from_secs(seconds)),
        said_no: false,
        closing: false,
        another_is_well: false,
    })
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_waited_for_if_it_ends_before_the_deadline_or_within_10_s_without_one() {
    const TOO_LONG: Verdict = Verdict::Stop(NotRetried::RetryAfterTooLong);
    let cases = [
        (None, 0, true),
        (None, 10, true),
        (None, 11, false),
        (Some(12.0), 11, true),
        (Some(61.0), 60, true),
        // 50 ms are left for the attempt.
        (Some(60.05), 60, true),
        (Some(60.049), 60, false),
        (Some(3.0), 3, false),
        (Some(3.0), 4, false),
        (Some(3.0), 86_400, false),
    ];
    for (deadline, pause, waited_for) in cases {
        let call = call(deadline.map(Duration::from_secs_f64));
        // The jitter on top of the pause is cut where it would not fit.
        for _ in 0..50 {
            match RetryPolicy::new().judge(call, 0, pausing(pause)) {
                Verdict::Retry { wait, .. } if waited_for => {
                    assert!(wait >= Duration::from_secs(pause), "never early");
                    let longest = call.longest_wait().expect("time is left");
                    assert!(wait <= longest, "{deadline:?} {pause}: {wait:?}");
                }
                verdict => assert_eq!((verdict, waited_for), (TOO_LONG, false), "{deadline:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_retry_begins_with_less_than_50_ms_of_the_deadline_left() {
    let failed = Outcome::Failure {
        transmission: Transmission::Unknown,
        retryable: true,
    };
    let policy = RetryPolicy::new().with_jitter(Jitter::None);
    for (millis, retried) in [
        (0, false),
        (49, false),
        (549, false),
        (550, true),
        (5000, true),
    ] {
        let verdict = policy.judge(call(Some(Duration::from_millis(millis))), 0, failed);
        match verdict {
            Verdict::Retry { wait, .. } => assert_eq!(wait.as_millis(), 500),
            verdict => assert_eq!(verdict, Verdict::Stop(NotRetried::Deadline)),
        }
        assert_eq!(
            matches!(verdict, Verdict::Retry { .. }),
            retried,
            "{millis}"
        );
    }
}
