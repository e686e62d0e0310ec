//! How a service begins and ends.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::support::http::{connect, get, read};
use crate::support::token::service_token;
use crate::support::{Service, fleet, run};

#[test]
fn without_a_good_secret_no_service_starts() {
    for name in ["assessment-roll", "billing", "conformance"] {
        let mut missing = fleet(&[name]);
        missing.env_remove("JWT_SECRET");
        let mut short = fleet(&[name]);
        short.env("JWT_SECRET", "too short, and never shown");
        let mut pem = fleet(&[name]);
        pem.env(
            "JWT_SECRET",
            "-----BEGIN PUBLIC KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        );
        for mut command in [missing, short, pem] {
            let finished = run(command.env("PORT", "0"));
            assert_eq!(finished.code, Some(2), "{}", finished.stderr);
            assert_eq!(finished.stdout, "");
            assert!(
                finished.stderr.contains("JWT_SECRET"),
                "{}",
                finished.stderr
            );
            assert!(!finished.stderr.contains("never shown"));
        }
    }
}

#[test]
fn a_bad_port_or_peer_is_an_error_at_start_up() {
    let finished = run(fleet(&["assessment-roll"]).env("PORT", "many"));
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("PORT"), "{}", finished.stderr);

    let finished = run(fleet(&["assessment-roll"]).env("CIVIC_DRAIN_DELAY_MS", "-1"));
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("CIVIC_DRAIN_DELAY_MS"),
        "{}",
        finished.stderr
    );

    let finished = run(fleet(&["billing"])
        .env("PORT", "0")
        .env("ASSESSMENT_ROLL_URL", "not a url"));
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("ASSESSMENT_ROLL_URL"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_port_that_is_taken_is_an_error_and_not_a_panic() {
    let service = Service::start("assessment-roll");
    let port = service.address.port().to_string();
    let finished = run(fleet(&["assessment-roll"]).env("PORT", port));
    assert_eq!(finished.code, Some(1));
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

#[test]
fn sigterm_lets_a_request_in_flight_finish_and_takes_no_new_one() {
    let mut service = Service::start("assessment-roll");
    let mut stream = connect(service.address);
    begin_request(&mut stream, &service_token());

    service.terminate();
    service.wait_for_log("stopping");
    // The socket is closed when the drain begins, which may be a moment after the log line.
    while TcpStream::connect(service.address).is_ok() {
        std::thread::yield_now();
    }

    stream.write_all(b"1}").unwrap();
    let answer = read(stream);
    assert_eq!(answer.status, 201);
    assert!(answer.body.contains(r#""received":{"a":1}"#));
    let (status, _) = service.wait();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_service_that_stops_is_not_ready_and_answers_for_as_long_as_the_drain_delay() {
    let mut command = fleet(&["assessment-roll"]);
    // Longer than any test: the second signal ends it.
    command.env("CIVIC_DRAIN_DELAY_MS", "600000");
    let mut service = Service::spawn(command);
    assert_eq!(get("/health/ready").send(service.address).status, 200);
    service.terminate();
    service.wait_for_log("stopping");
    let ready = get("/health/ready").send(service.address);
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["status"], "shutting_down");
    let answer = get("/health").send(service.address);
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    service.terminate();
    assert_eq!(service.wait().0.code(), Some(0));
}

#[test]
fn a_second_sigterm_cuts_what_is_still_open() {
    let mut service = Service::start("assessment-roll");
    let mut stream = connect(service.address);
    begin_request(&mut stream, &service_token());
    service.terminate();
    service.wait_for_log("stopping");
    service.terminate();
    let (status, log) = service.wait();
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("cut off"), "{log}");
}

#[test]
fn an_idle_connection_does_not_hold_up_the_stop() {
    let mut service = Service::start("assessment-roll");
    let mut idle = connect(service.address);
    // One answer shows that the connection is accepted, and it stays open.
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut line = String::new();
    BufReader::new(idle.try_clone().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    service.terminate();
    let (status, log) = service.wait();
    assert_eq!(status.code(), Some(0));
    assert!(!log.contains("cut off"), "{log}");
}

#[test]
fn a_supervised_service_stops_when_its_stdin_ends() {
    let mut command = fleet(&["assessment-roll", "--stop-with-stdin"]);
    command.stdin(Stdio::piped());
    let mut service = Service::spawn(command);
    assert_eq!(get("/health").send(service.address).status, 200);
    service.close_stdin();
    let (status, log) = service.wait();
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("stopping"), "{log}");
}

#[test]
fn an_unsupervised_service_does_not_care_about_its_stdin() {
    // Its stdin is empty from the start.
    let service = Service::start("assessment-roll");
    assert_eq!(get("/health").send(service.address).status, 200);
}

/// Sends all but the last two bytes of a request, and waits until its handler is at work: the
/// server says `100 Continue` when the handler begins to read the body.
fn begin_request(stream: &mut TcpStream, token: &str) {
    let head = format!(
        concat!(
            "POST /api/assessment-roll/properties/p-1/supplementary HTTP/1.1\r\nhost: x\r\n",
            "authorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 7\r\n",
            "connection: close\r\nexpect: 100-continue\r\n\r\n"
        ),
        token
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = String::new();
    while !lines.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut lines).unwrap() > 0, "{lines}");
    }
    assert_eq!(lines, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(br#"{"a":"#).unwrap();
}
