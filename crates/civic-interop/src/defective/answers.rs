//! Answers that are wrong, each as a change of one that was right.

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};

use super::answer::Answer;

/// What is wrong with the answers of a service.
#[derive(Debug)]
pub(crate) struct WrongAnswer {
    pub(super) name: &'static str,
    pub(super) apply: fn(&mut Answer),
}

/// An id that no caller has sent.
const OTHER_ID: &str = "00000000-0000-4000-8000-000000000000";

pub(super) static WRONG_ANSWERS: [WrongAnswer; 47] = [
    // Numbers.
    WrongAnswer {
        name: "a whole number with a fraction",
        apply: |answer| answer.replace(":500000,", ":500000.0,"),
    },
    WrongAnswer {
        name: "a large number without an exponent",
        apply: |answer| answer.replace("1e+21", "1000000000000000000000"),
    },
    WrongAnswer {
        name: "a number with fewer digits",
        apply: |answer| answer.replace("0.01234567890123456", "0.0123456789012346"),
    },
    WrongAnswer {
        name: "a number as text",
        apply: |answer| answer.replace("\"assessedValue\":500000", "\"assessedValue\":\"500000\""),
    },
    // Other values.
    WrongAnswer {
        name: "a boolean as a number",
        apply: |answer| answer.replace("\"isExempt\":false", "\"isExempt\":0"),
    },
    WrongAnswer {
        name: "null left out",
        apply: |answer| answer.replace("\"supersededBy\":null,", ""),
    },
    WrongAnswer {
        name: "null where nothing was",
        apply: |answer| answer.replace("{\"id\":", "{\"deletedAt\":null,\"id\":"),
    },
    WrongAnswer {
        name: "empty text for null",
        apply: |answer| answer.replace("\"notes\":null", "\"notes\":\"\""),
    },
    WrongAnswer {
        name: "a list within a list flattened",
        apply: |answer| answer.replace("[6,[7]]", "[6,7]"),
    },
    WrongAnswer {
        name: "an object within a list left out",
        apply: |answer| answer.replace(",{\"five\":5}", ""),
    },
    WrongAnswer {
        name: "members in another order",
        apply: |answer| answer.replace("\"object\":{},\"array\":[]", "\"array\":[],\"object\":{}"),
    },
    WrongAnswer {
        name: "members in snake case",
        apply: |answer| answer.replace("rollNumber", "roll_number"),
    },
    // The text of the body.
    WrongAnswer {
        name: "white space after colons",
        apply: |answer| answer.replace("\":", "\": "),
    },
    WrongAnswer {
        name: "a newline at the end",
        apply: |answer| answer.body.push('\n'),
    },
    WrongAnswer {
        name: "a byte order mark",
        apply: |answer| answer.body.insert(0, '\u{feff}'),
    },
    WrongAnswer {
        name: "letters escaped",
        apply: |answer| answer.replace("é", "\\u00e9"),
    },
    WrongAnswer {
        name: "slashes escaped",
        apply: |answer| answer.replace("/nl", "\\/nl"),
    },
    WrongAnswer {
        name: "an emoji as two escapes",
        apply: |answer| answer.replace("🏠", "\\ud83c\\udfe0"),
    },
    WrongAnswer {
        name: "letters replaced by question marks",
        apply: |answer| answer.replace("Zoë", "Zo?"),
    },
    // The envelope.
    WrongAnswer {
        name: "no envelope",
        apply: |answer| {
            if let Some(data) = answer.enveloped().map(|(data, _)| data.to_owned()) {
                answer.body = data;
            }
        },
    },
    WrongAnswer {
        name: "an envelope in another order",
        apply: |answer| {
            if let Some((data, time)) = answer.enveloped() {
                let time = time.trim_start_matches(',').trim_end_matches('}');
                answer.body = format!("{{\"success\":true,{time},\"data\":{data}}}");
            }
        },
    },
    WrongAnswer {
        name: "an envelope around what declines it",
        apply: |answer| {
            if answer.body.starts_with("{\"id\":\"raw-1\"") {
                answer.body = format!("{{\"success\":true,\"data\":{}}}", answer.body);
            }
        },
    },
    WrongAnswer {
        name: "an envelope around an error",
        apply: |answer| {
            if answer.is_error() {
                answer.body = format!("{{\"success\":false,\"error\":{}}}", answer.body);
            }
        },
    },
    WrongAnswer {
        name: "success as text",
        apply: |answer| answer.replace("\"success\":true", "\"success\":\"true\""),
    },
    WrongAnswer {
        name: "failure as success",
        apply: |answer| answer.replace("\"success\":false", "\"success\":true"),
    },
    // Times.
    WrongAnswer {
        name: "a time without milliseconds",
        apply: |answer| {
            answer.change_time(|time| {
                let seconds = time.split('.').next().unwrap_or_default();
                format!("\"{seconds}Z\"")
            });
        },
    },
    WrongAnswer {
        name: "a time with an offset",
        apply: |answer| {
            answer.change_time(|time| format!("\"{}+00:00\"", time.trim_end_matches('Z')));
        },
    },
    WrongAnswer {
        name: "a time as a number",
        apply: |answer| answer.change_time(|_| "1795724537000".to_owned()),
    },
    WrongAnswer {
        name: "a time of another time zone",
        apply: |answer| {
            answer.change_time(|time| {
                // Twelve hours away, whatever time it is.
                let hour: u32 = time[11..13].parse().unwrap_or_default();
                format!("\"{}{:02}{}\"", &time[..11], (hour + 12) % 24, &time[13..])
            });
        },
    },
    WrongAnswer {
        name: "a time of another year",
        apply: |answer| answer.change_time(|time| format!("\"1970{}\"", &time[4..])),
    },
    WrongAnswer {
        name: "a time that no clock shows",
        apply: |answer| answer.change_time(|time| format!("\"{}T25:61:61.000Z\"", &time[..10])),
    },
    // Headers.
    WrongAnswer {
        name: "a date of long ago",
        apply: |answer| answer.set("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    },
    WrongAnswer {
        name: "a content type without its charset",
        apply: |answer| answer.set("content-type", "application/json"),
    },
    WrongAnswer {
        name: "another content type",
        apply: |answer| answer.set("content-type", "text/plain; charset=utf-8"),
    },
    WrongAnswer {
        name: "no content type",
        apply: |answer| answer.remove("content-type"),
    },
    WrongAnswer {
        name: "no correlation id",
        apply: |answer| answer.remove("x-correlation-id"),
    },
    WrongAnswer {
        name: "a correlation id of its own",
        apply: |answer| answer.set("x-correlation-id", OTHER_ID),
    },
    WrongAnswer {
        name: "the correlation id twice",
        apply: |answer| {
            let name = HeaderName::from_static("x-correlation-id");
            if let Some(value) = answer.headers.get(&name).cloned() {
                answer.headers.append(name, value);
            }
        },
    },
    WrongAnswer {
        name: "a header that says what it was made with",
        apply: |answer| answer.set("x-powered-by", "Rust"),
    },
    WrongAnswer {
        name: "a cookie",
        apply: |answer| answer.set("set-cookie", "session=1"),
    },
    // Statuses.
    WrongAnswer {
        name: "201 for 200",
        apply: |answer| {
            if answer.status == StatusCode::OK {
                answer.status = StatusCode::CREATED;
            }
        },
    },
    WrongAnswer {
        name: "204 for null",
        apply: |answer| {
            if answer.body.contains("\"data\":null") {
                answer.status = StatusCode::NO_CONTENT;
                answer.clear();
            }
        },
    },
    WrongAnswer {
        name: "403 for 401",
        apply: |answer| {
            if answer.status == StatusCode::UNAUTHORIZED {
                answer.status = StatusCode::FORBIDDEN;
            }
        },
    },
    // Errors.
    WrongAnswer {
        name: "other words of an error",
        apply: |answer| answer.replace("not found", "does not exist"),
    },
    WrongAnswer {
        name: "no correlation id in an error",
        apply: |answer| {
            if let Some(id) = answer.text_of("correlationId") {
                answer.replace(&format!("\"correlationId\":\"{id}\","), "");
            }
        },
    },
    WrongAnswer {
        name: "an error without a body",
        apply: |answer| {
            if answer.status == StatusCode::NOT_FOUND {
                answer.clear();
            }
        },
    },
    WrongAnswer {
        name: "an error as text",
        apply: |answer| {
            if let Some(message) = answer.text_of("message").filter(|_| answer.is_error()) {
                answer.body = message;
                answer.headers.insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static("text/plain; charset=utf-8"),
                );
            }
        },
    },
];
