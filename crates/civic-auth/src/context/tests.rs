//! The trace context, and the places where there is no context.

use super::*;
use crate::correlation_id::new_correlation_id;

const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_malformed_traceparent_is_dropped() {
    assert!(is_traceparent(VALID.as_bytes()));
    assert!(is_traceparent(
        format!("01{}-later", &VALID[2..]).as_bytes()
    ));
    let cases = [
        ("empty", String::new()),
        ("upper case", VALID.to_uppercase()),
        ("short", VALID[..54].to_owned()),
        ("long in version 00", format!("{VALID}-x")),
        ("long without a dash", format!("01{}x", &VALID[2..])),
        ("version ff", format!("ff{}", &VALID[2..])),
        ("no trace", format!("00-{}{}", "0".repeat(32), &VALID[35..])),
        (
            "no parent",
            format!("{}{}-01", &VALID[..36], "0".repeat(16)),
        ),
        ("no dash", VALID.replacen('-', "0", 1)),
    ];
    for (name, value) in cases {
        assert!(!is_traceparent(value.as_bytes()), "{name}");
    }
}

#[test]
fn tracestate_goes_only_with_a_valid_traceparent() {
    let mut headers = HeaderMap::new();
    headers.append(TRACESTATE, HeaderValue::from_static("a=1"));
    headers.append(TRACESTATE, HeaderValue::from_static("b=2"));
    assert_eq!(
        RequestContext::default()
            .with_trace_of(&headers)
            .tracestate(),
        None
    );

    headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
    let context = RequestContext::default().with_trace_of(&headers);
    assert_eq!(context.traceparent().unwrap(), VALID);
    assert_eq!(context.tracestate().unwrap(), "a=1,b=2");

    headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
    let context = RequestContext::default().with_trace_of(&headers);
    assert_eq!((context.traceparent(), context.tracestate()), (None, None));
}

#[test]
fn a_tracestate_of_more_than_512_bytes_is_dropped() {
    let mut headers = HeaderMap::new();
    headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
    headers.insert(TRACESTATE, HeaderValue::from_str(&"a".repeat(512)).unwrap());
    assert!(
        RequestContext::default()
            .with_trace_of(&headers)
            .tracestate()
            .is_some()
    );
    headers.insert(TRACESTATE, HeaderValue::from_str(&"a".repeat(513)).unwrap());
    assert!(
        RequestContext::default()
            .with_trace_of(&headers)
            .tracestate()
            .is_none()
    );
}

#[test]
fn a_mark_of_a_retry_is_one_digit_from_1_to_9_and_anything_else_is_none() {
    let cases = [
        ("1", Some(1)),
        ("9", Some(9)),
        ("0", None),
        ("10", None),
        ("01", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("", None),
        ("true", None),
    ];
    for (value, mark) in cases {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_ATTEMPT, HeaderValue::from_static(value));
        let context = RequestContext::default().with_retry_attempt_of(&headers);
        assert_eq!(context.retry_attempt(), mark, "{value:?}");

        headers.append(RETRY_ATTEMPT, HeaderValue::from_static("1"));
        let context = context.with_retry_attempt_of(&headers);
        assert_eq!(context.retry_attempt(), None, "{value:?} and 1");
    }
}

#[test]
fn a_mark_that_is_adopted_reaches_the_scope_that_is_open_and_no_other() {
    let headers = HeaderMap::from_iter([(RETRY_ATTEMPT, HeaderValue::from_static("2"))]);
    let outer = RequestContext::default();
    let scope = outer.clone().with_retry_attempt_of(&HeaderMap::new());
    scope.clone().in_scope(|| {
        RequestContext::current().adopt_retry_attempt_of(&headers);
        assert_eq!(RequestContext::current().retry_attempt(), Some(2));
    });
    assert_eq!(scope.retry_attempt(), Some(2));
    assert_eq!(outer.retry_attempt(), None);
}

#[cfg(feature = "deadline")]
#[test]
fn a_deadline_only_ever_moves_nearer_until_it_is_removed() {
    let now = Instant::now();
    let at = |seconds| now + std::time::Duration::from_secs(seconds);
    let context = RequestContext::default().with_deadline(at(5));
    assert_eq!(context.deadline(), Some(at(5)));
    let nearer = context.clone().with_deadline(at(3)).with_deadline(at(9));
    assert_eq!(nearer.deadline(), Some(at(3)));
    assert_eq!(context.deadline(), Some(at(5)));

    let clone = context.clone();
    clone.adopt_deadline(at(2));
    clone.adopt_deadline(at(4));
    assert_eq!(context.deadline(), Some(at(2)));
    assert_eq!(context.clone().without_deadline().deadline(), None);
    assert_eq!(context.deadline(), Some(at(2)));
}

#[test]
fn outside_any_request_the_context_is_empty() {
    let context = RequestContext::current();
    assert!(context.correlation_id().is_none());
    assert!(context.traceparent().is_none());
}

#[test]
fn a_closure_on_another_thread_runs_in_the_context_that_was_carried_there() {
    let id = new_correlation_id();
    let context = RequestContext::default().with_correlation_id(id.clone());
    let seen = std::thread::spawn(|| {
        let before = RequestContext::current().correlation_id().cloned();
        (
            before,
            context.in_scope(|| RequestContext::current().correlation_id().cloned()),
        )
    });
    assert_eq!(seen.join().unwrap(), (None, Some(id)));
}
