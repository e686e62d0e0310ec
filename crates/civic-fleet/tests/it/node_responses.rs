//! The services answer what a Node service of the platform answers, to the byte, timestamps aside.

use serde_json::Value;

use crate::support::Service;
use crate::support::http::{Answer, call, without_timestamp};
use crate::support::token::service_token;

/// The id that the recording client sent.
const CORRELATION_ID: &str = "3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10";

/// Recorded on purpose: the one answer that ours does not imitate. See `an_empty_success_is_null`.
const NOT_IMITATED: &str = "handler returned nothing";

/// Recordings in which no token was sent.
const WITHOUT_TOKEN: &str = "no token";

#[test]
fn every_recorded_response_is_answered_with_the_same_bytes() {
    let recorded = recordings();
    let service = Service::start("conformance");
    let token = service_token();
    let mut compared = 0;
    for expected in &recorded {
        let name = expected["name"].as_str().unwrap();
        if name == NOT_IMITATED {
            continue;
        }
        let answer = replay(&service, expected, &token);
        let body = expected["body"].as_str().unwrap();
        assert_eq!(answer.status, expected["status"], "{name}");
        for header in ["content-type", "content-length"] {
            assert_eq!(
                answer.header(header),
                expected["headers"][header].as_str(),
                "{name}: {header}"
            );
        }
        // Node's error answers lack the header; ours have it on every answer.
        assert_eq!(answer.header("x-correlation-id"), Some(CORRELATION_ID));
        if body.contains("\"timestamp\":\"2026") {
            assert_eq!(
                without_timestamp(&answer.body),
                without_timestamp(body),
                "{name}"
            );
        } else {
            assert_eq!(answer.body, body, "{name}");
        }
        compared += 1;
    }
    assert_eq!(compared, recorded.len() - 1);
}

#[test]
fn assessment_roll_answers_its_recorded_routes_with_the_same_bytes() {
    let service = Service::start("assessment-roll");
    let token = service_token();
    let mut compared = 0;
    for expected in &recordings() {
        if !expected["request"]
            .as_str()
            .unwrap()
            .contains(" /properties")
        {
            continue;
        }
        let answer = replay(&service, expected, &token);
        assert_eq!(answer.status, expected["status"]);
        assert_eq!(
            without_timestamp(&answer.body),
            without_timestamp(expected["body"].as_str().unwrap())
        );
        compared += 1;
    }
    assert_eq!(compared, 5);
}

/// A Node handler that returns nothing leaves an envelope without `data`, which every unwrapper
/// takes for a payload. Ours says `null`.
#[test]
fn an_empty_success_is_null() {
    let service = Service::start("conformance");
    let answer = call("GET", "/api/assessment-roll/empty")
        .bearer(&service_token())
        .send(service.address);
    assert_eq!(answer.status, 200);
    assert_eq!(
        without_timestamp(&answer.body),
        r#"{"success":true,"data":null,"timestamp":""}"#
    );
}

fn recordings() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("data/node_responses.json")).unwrap();
    file["responses"].as_array().unwrap().clone()
}

fn replay(service: &Service, recorded: &Value, token: &str) -> Answer {
    let (method, path) = recorded["request"]
        .as_str()
        .unwrap()
        .split_once(' ')
        .unwrap();
    let method = ["GET", "POST"].into_iter().find(|m| *m == method).unwrap();
    let mut request = call(method, format!("/api/assessment-roll{path}"))
        .header("x-correlation-id", CORRELATION_ID);
    if recorded["name"] != WITHOUT_TOKEN {
        request = request.bearer(token);
    }
    if method == "POST" {
        request = request.json(r#"{"a":1}"#);
    }
    request.send(service.address)
}
