//! What every service answers, whatever its routes are: errors in one shape, ids on everything,
//! guards.

use std::time::Duration;

use civic_auth::{Secret, TokenMinter};
use serde_json::json;

use crate::support::http::{call, get, post, without_timestamp};
use crate::support::token::{HOUR, mint, service_claims, service_token, user, user_token};
use crate::support::{SECRET, Service, fleet};

const ROLL: &str = "/api/assessment-roll";

#[test]
fn an_unknown_route_is_404_in_the_platforms_shape() {
    let service = Service::start("assessment-roll");
    get("/nowhere?secret=1")
        .send(service.address)
        .assert_error(404, "Cannot GET /nowhere");
    call("DELETE", format!("{ROLL}/nothing"))
        .bearer(&service_token())
        .header("x-correlation-id", "abc-1")
        .send(service.address)
        .assert_error(404, "Cannot DELETE /api/assessment-roll/nothing");
}

#[test]
fn a_wrong_method_is_405_in_the_platforms_shape_and_names_the_right_ones() {
    let service = Service::start("assessment-roll");
    let answer = call("DELETE", format!("{ROLL}/whoami")).send(service.address);
    answer.assert_error(405, "Cannot DELETE /api/assessment-roll/whoami");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[test]
fn a_body_that_is_not_json_is_400_in_the_platforms_shape() {
    let service = Service::start("assessment-roll");
    let token = service_token();
    let answer = post(format!("{ROLL}/properties/p-1/supplementary"))
        .bearer(&token)
        .json("{\"a\":")
        .send(service.address);
    answer.assert_error(
        400,
        "The body is not JSON: EOF while parsing a value (line 1, column 5)",
    );

    let mut xml = post(format!("{ROLL}/properties/p-1/supplementary"))
        .bearer(&token)
        .json("<a/>");
    xml = xml.replace_header("content-type", "text/xml");
    xml.send(service.address)
        .assert_error(415, "Unsupported Media Type");
}

#[test]
fn a_path_that_is_not_utf8_is_400_in_the_platforms_shape() {
    let service = Service::start("assessment-roll");
    let answer = get(format!("{ROLL}/properties/%ff/assessment"))
        .bearer(&service_token())
        .send(service.address);
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.json()["statusCode"], 400);
}

#[test]
fn a_panic_is_500_with_the_requests_correlation_id_and_the_service_lives_on() {
    let service = Service::start("conformance");
    let token = service_token();
    for _ in 0..2 {
        let answer = get(format!("{ROLL}/panic"))
            .bearer(&token)
            .header("x-correlation-id", "panic-1")
            .send(service.address);
        answer.assert_error(500, "Internal server error");
        assert_eq!(answer.header("x-correlation-id"), Some("panic-1"));
    }
    service.wait_for_log("this route panics");
}

#[test]
fn health_is_public_and_without_envelope() {
    for name in ["assessment-roll", "billing", "conformance"] {
        let service = Service::start(name);
        for path in ["/health", "/health/ready"] {
            let answer = get(path).send(service.address);
            let (status, health) = match (name, path) {
                // Its peer does not run.
                ("billing", "/health/ready") => (503, "error"),
                _ => (200, "ok"),
            };
            assert_eq!(answer.status, status, "{name} {path}");
            assert_eq!(answer.json()["status"], health, "{name} {path}");
            assert!(answer.header("x-correlation-id").is_some());
        }
        get("/health/other")
            .send(service.address)
            .assert_error(404, "Cannot GET /health/other");
    }
}

#[test]
fn every_route_of_the_roll_is_guarded() {
    let service = Service::start("conformance");
    let routes = [
        ("GET", "/properties/prop-1/assessment"),
        ("GET", "/properties"),
        ("POST", "/properties/prop-1/supplementary"),
        ("PUT", "/properties/prop-1"),
        ("PATCH", "/properties/prop-1"),
        ("DELETE", "/properties/prop-1"),
        ("GET", "/whoami"),
        ("GET", "/headers"),
        ("GET", "/null"),
        ("GET", "/unwrapped"),
        ("GET", "/file"),
        ("GET", "/sse"),
        ("GET", "/panic"),
    ];
    for (method, path) in routes {
        call(method, format!("{ROLL}{path}"))
            .send(service.address)
            .assert_error(401, "Missing authentication token");
    }
}

#[test]
fn only_a_token_of_the_platforms_own_key_is_let_in() {
    let service = Service::start("assessment-roll");
    let whoami = format!("{ROLL}/whoami");
    let forger = TokenMinter::new(Secret::new(SECRET.replace('0', "f")).unwrap());
    let lives = |seconds| mint(&service_claims(), Duration::from_secs(seconds));
    let refused = [
        ("forged", forger.mint().as_str().to_owned()),
        ("31 seconds", lives(31)),
        ("dead at once", lives(0)),
        ("nonsense", "a.b.c".to_owned()),
    ];
    for (name, token) in refused {
        let answer = get(&whoami).bearer(&token).send(service.address);
        assert_eq!(answer.status, 401, "{name}");
        answer.assert_error(401, "Invalid or expired token");
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|challenge| challenge.contains("invalid_token"))
        );
    }
    for (name, token) in [
        ("service", service_token()),
        ("30 seconds", lives(30)),
        ("user", user_token("AUDITOR")),
    ] {
        let answer = get(&whoami).bearer(&token).send(service.address);
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
    }
}

#[test]
fn a_service_token_is_refused_in_a_cookie_where_a_users_is_accepted() {
    let service = Service::start("assessment-roll");
    let ask = |token: &str| {
        get(format!("{ROLL}/whoami"))
            .header("cookie", &format!("app_access_token={token}"))
            .send(service.address)
    };
    ask(&service_token()).assert_error(401, "Invalid or expired token");
    assert_eq!(ask(&user_token("TAX_CLERK")).status, 200);
}

#[test]
fn whoami_shows_the_principal_and_its_time() {
    let service = Service::start("assessment-roll");
    let answer = get(format!("{ROLL}/whoami"))
        .bearer(&mint(&user("TAX_CLERK").with_name("Zoë \"Q\""), HOUR))
        .send(service.address);
    let data = &answer.json()["data"];
    let (iat, exp) = (data["iat"].as_u64().unwrap(), data["exp"].as_u64().unwrap());
    assert_eq!(exp - iat, 3600);
    let shown = without_timestamp(&answer.body);
    assert_eq!(
        shown,
        format!(
            concat!(
                r#"{{"success":true,"data":{{"userId":"9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11","email":"clerk@town.example","#,
                r#""role":"TAX_CLERK","municipalityId":"town-1","name":"Zoë \"Q\"","iat":{},"exp":{}}},"timestamp":""}}"#
            ),
            iat, exp
        )
    );
}

#[test]
fn headers_shows_what_arrived_and_no_usable_credential() {
    let service = Service::start("assessment-roll");
    let token = service_token();
    let answer = get(format!("{ROLL}/headers"))
        .bearer(&token)
        .header("x-correlation-id", "h-1")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .header("cookie", "theme=dark")
        .send(service.address);
    let data = &answer.json()["data"];
    let readable = token.rsplit_once('.').unwrap().0;
    assert_eq!(
        data["authorization"],
        format!("Bearer {readable}.[signature]")
    );
    assert_eq!(data["cookie"], "[redacted]");
    assert_eq!(data["x-twice"], "1, 2");
    assert_eq!(data["x-correlation-id"], "h-1");
}

#[test]
fn what_is_sent_comes_back_as_it_arrived() {
    let service = Service::start("assessment-roll");
    let token = service_token();
    for (method, path, status) in [
        ("POST", "/properties/p%2F1/supplementary", 201),
        ("PUT", "/properties/p%2F1", 200),
        ("PATCH", "/properties/p%2F1", 200),
    ] {
        let answer = call(method, format!("{ROLL}{path}"))
            .bearer(&token)
            .header("idempotency-key", "\"k-1\"")
            .header("x-correlation-id", "e-1")
            .json(r#"{"z":1e21,"a":0.10}"#)
            .send(service.address);
        assert_eq!(answer.status, status);
        let text = without_timestamp(&answer.body);
        assert!(text.contains(r#""received":{"z":1e21,"a":0.10}"#), "{text}");
        let data = &answer.json()["data"];
        assert_eq!(data["method"], method);
        assert_eq!(data["id"], "p/1");
        assert_eq!(data["idempotencyKey"], "\"k-1\"");
        assert_eq!(data["correlationId"], "e-1");
    }
    let nothing = call("PUT", format!("{ROLL}/properties/p-1"))
        .bearer(&token)
        .send(service.address);
    assert_eq!(nothing.json()["data"]["received"], json!(null));
}

#[test]
fn a_delete_is_204_without_body_or_envelope() {
    let service = Service::start("assessment-roll");
    let answer = call("DELETE", format!("{ROLL}/properties/p-1"))
        .bearer(&service_token())
        .send(service.address);
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("content-type"), None);
}

#[test]
fn the_id_asked_for_is_the_id_answered_whatever_is_in_it() {
    let service = Service::start("assessment-roll");
    let answer = get(format!(
        "{ROLL}/properties/..%2Fa%22b%3Fx=1%23%C3%A9/assessment"
    ))
    .bearer(&service_token())
    .send(service.address);
    assert_eq!(answer.json()["data"]["id"], "../a\"b?x=1#é");
    assert_eq!(answer.json()["data"]["assessedValue"], 500_000);
}

#[test]
fn pages_hold_ten_of_twenty_three_and_a_bad_page_is_422() {
    let service = Service::start("assessment-roll");
    let token = service_token();
    let ask = |query: &str| {
        get(format!("{ROLL}/properties{query}"))
            .bearer(&token)
            .send(service.address)
    };
    for (query, items) in [("", 10), ("?page=2", 10), ("?page=3", 3), ("?page=4", 0)] {
        let answer = ask(query);
        assert_eq!(answer.status, 200);
        let data = &answer.json()["data"];
        assert_eq!(data["items"].as_array().unwrap().len(), items, "{query}");
        let pagination = &data["pagination"];
        assert_eq!(
            (&pagination["totalItems"], &pagination["totalPages"]),
            (&json!(23), &json!(3))
        );
    }
    let refused = ask("?page=x");
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.json()["details"],
        json!([{"field": "page", "message": "Invalid input: expected number, received NaN"}])
    );
}

#[test]
fn head_reports_the_length_that_get_has() {
    let service = Service::start("conformance");
    let token = service_token();
    for path in ["/properties/prop-001/assessment", "/null", "/unwrapped"] {
        let [head, get] = ["HEAD", "GET"].map(|method| {
            call(method, format!("{ROLL}{path}"))
                .bearer(&token)
                .send(service.address)
        });
        assert_eq!(head.body, "");
        assert_eq!(head.header("content-length"), get.header("content-length"));
        assert_eq!(
            get.header("content-length"),
            Some(get.body.len().to_string().as_str())
        );
    }
}

#[test]
fn what_is_not_plain_json_has_no_envelope() {
    let service = Service::start("conformance");
    let token = service_token();
    let ask = |path: &str| {
        get(format!("{ROLL}{path}"))
            .bearer(&token)
            .send(service.address)
    };
    for (path, status, content_type, start) in [
        ("/sse", 200, "text/event-stream", "event: assessment\n"),
        ("/file", 200, "application/octet-stream", "\0\u{1}\u{2}"),
        (
            "/problem",
            409,
            "application/problem+json",
            r#"{"type":"about:blank","#,
        ),
        (
            "/unwrapped",
            200,
            "application/json; charset=utf-8",
            r#"{"id":"raw-1","#,
        ),
        (
            "/soft-failure",
            200,
            "application/json; charset=utf-8",
            r#"{"success":false,"#,
        ),
    ] {
        let answer = ask(path);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type"), Some(content_type));
        assert!(answer.body.starts_with(start), "{path}: {}", answer.body);
        assert_eq!(answer.header("x-envelope"), None, "{path}");
    }
}

#[test]
fn a_big_answer_is_as_big_as_asked_for() {
    let service = Service::start("conformance");
    let token = service_token();
    let answer = get(format!("{ROLL}/big?kb=2048"))
        .bearer(&token)
        .send(service.address);
    let data = &answer.json()["data"];
    assert_eq!(data["filler"].as_str().unwrap().len(), 2048 * 1024);
    let refused = get(format!("{ROLL}/big?kb=70000"))
        .bearer(&token)
        .send(service.address);
    assert_eq!(refused.status, 422);
}

#[test]
fn a_long_answer_is_wrapped_before_it_is_compressed_and_a_short_one_is_left_alone() {
    let service = Service::start("conformance");
    let token = service_token();
    let ask = |path: &str| {
        get(format!("{ROLL}{path}"))
            .bearer(&token)
            .header("accept-encoding", "gzip")
            .send_any(service.address)
    };
    let long = ask("/big?kb=4");
    assert_eq!(long.header("content-encoding"), Some("gzip"));
    assert_eq!(long.header("x-envelope"), Some("1"));
    let short = ask("/properties/prop-001/assessment");
    assert_eq!(short.header("content-encoding"), None);
    assert_eq!(short.header("content-length"), Some("940"));
}

#[test]
fn no_token_is_in_any_log_line() {
    let mut command = fleet(&["assessment-roll"]);
    command.env("RUST_LOG", "trace");
    let mut service = Service::spawn(command);
    let token = service_token();
    let user = user_token("TAX_CLERK");
    get(format!("{ROLL}/whoami"))
        .bearer(&token)
        .header("x-correlation-id", "log-1")
        .send(service.address);
    get(format!("{ROLL}/whoami"))
        .header("cookie", &format!("app_access_token={user}"))
        .send(service.address);
    service.terminate();
    let (status, log) = service.wait();
    assert!(status.success());
    assert!(log.contains("log-1"), "the requests are in the log");
    for token in [token, user] {
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "a part of a token was logged");
        }
    }
    assert!(!log.contains(SECRET));
}
