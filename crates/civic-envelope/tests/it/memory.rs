//! How much memory a peer can make a client allocate.

use civic_envelope::{ErrorBody, MAX_ERROR_BYTES};
use http::StatusCode;

/// A body of at most `max` bytes: `before`, as many `piece`s as fit, `after`.
fn body(max: usize, before: &str, piece: &str, after: &str) -> String {
    let pieces = (max - before.len() - after.len() - 1) / (piece.len() + 1);
    format!("{before}{}{after}", vec![piece; pieces].join(","))
}

#[test]
fn of_an_error_at_most_64_details_are_kept() {
    let body = body(
        MAX_ERROR_BYTES,
        r#"{"message":["#,
        r#"{"field":"f","message":"m"}"#,
        "]}",
    );
    let read = ErrorBody::from_json(StatusCode::BAD_REQUEST, body.as_bytes());
    assert_eq!(read.unwrap().details().len(), 64);
}

#[cfg(target_os = "linux")]
mod peak {
    use std::process::Command;

    use civic_envelope::{UnwrapMode, unwrap_envelope};
    use serde::Deserialize;

    use super::body;

    const VARIABLE: &str = "CIVIC_MEASURE_THE_PEAK";

    /// Enough for the allocations to stand out, and little enough for a debug build.
    const BODY_BYTES: usize = 512 * 1024;

    const NAME: &str =
        "memory::peak::no_answer_makes_a_client_allocate_more_than_four_times_its_size";

    #[derive(Deserialize)]
    struct Person {
        #[allow(dead_code, reason = "only the memory is looked at")]
        ssn: u64,
    }

    fn bodies(max: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        for (before, after) in [
            (r#"{"success":false,"timestamp":"t","message":["#, "]}"),
            (r#"{"success":false,"error":["#, "]}"),
            (r#"{"success":false,"message":{"errors":["#, "]}}"),
        ] {
            for piece in [
                r#"{"":0}"#,
                "0",
                "[]",
                r#""x""#,
                r#"{"field":"f","message":"m"}"#,
                r#"{"message":{"message":{"message":"x"}}}"#,
            ] {
                bodies.push(body(max, before, piece, after));
            }
        }
        let depth = max / 2 - 100;
        bodies.push(format!(
            r#"{{"success":false,"message":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        ));
        bodies.push(format!(
            r#"{{"a":{}{},"ssn":"x"}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        ));
        bodies.push(format!(r#"{{"ssn":"{}"}}"#, "x".repeat(max - 20)));
        bodies.push(format!(r#"{{"{}":"#, "x".repeat(max - 20)));
        bodies
    }

    fn read(body: &str) {
        let _ = unwrap_envelope::<()>(body.as_bytes());
        let _ = UnwrapMode::Lenient.bytes::<()>(body.as_bytes());
        let person = unwrap_envelope::<Person>(body.as_bytes());
        assert!(person.is_err(), "{body:.60}");
        // Formatting is what logs do.
        drop(person.map_err(|error| format!("{error} {error:?}")));
    }

    /// The most memory that this process has had, in bytes.
    fn peak() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        1024 * kilobytes
            .and_then(|number| number.parse::<usize>().ok())
            .expect("a number of kilobytes")
    }

    /// Measures in a process of its own, in which no other test runs.
    #[test]
    fn no_answer_makes_a_client_allocate_more_than_four_times_its_size() {
        if std::env::var_os(VARIABLE).is_none() {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", NAME, "--nocapture"])
                .env(VARIABLE, "1")
                .output()
                .unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{printed}");
            assert!(printed.contains("22 bodies measured"), "{printed}");
            return;
        }
        // The code itself takes memory when it first runs.
        bodies(2000).iter().for_each(|body| read(body));
        let bodies = bodies(BODY_BYTES);
        let before = peak();
        for body in &bodies {
            assert!(body.len() <= BODY_BYTES);
            read(body);
            let grown = peak() - before;
            assert!(grown < 4 * BODY_BYTES, "{body:.60}: {grown} bytes");
        }
        println!("{} bodies measured", bodies.len());
    }
}
