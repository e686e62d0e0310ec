//! The defects, each as a change of an answer that was right.

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};

use super::answer::Answer;

/// What is wrong with a service.
#[derive(Debug)]
pub(crate) struct Defect {
    pub(crate) name: &'static str,
    pub(super) apply: fn(&mut Answer),
}

/// An id that no caller has sent.
const OTHER_ID: &str = "00000000-0000-4000-8000-000000000000";

pub(crate) static DEFECTS: [Defect; 44] = [
    // Numbers.
    Defect {
        name: "a whole number with a fraction",
        apply: |answer| answer.replace(":500000,", ":500000.0,"),
    },
    Defect {
        name: "a large number without an exponent",
        apply: |answer| answer.replace("1e+21", "1000000000000000000000"),
    },
    Defect {
        name: "a number with fewer digits",
        apply: |answer| answer.replace("0.01234567890123456", "0.0123456789012346"),
    },
    Defect {
        name: "a number as text",
        apply: |answer| answer.replace("\"assessedValue\":500000", "\"assessedValue\":\"500000\""),
    },
    // Other values.
    Defect {
        name: "a boolean as a number",
        apply: |answer| answer.replace("\"isExempt\":false", "\"isExempt\":0"),
    },
    Defect {
        name: "null left out",
        apply: |answer| answer.replace("\"supersededBy\":null,", ""),
    },
    Defect {
        name: "null where nothing was",
        apply: |answer| answer.replace("{\"id\":", "{\"deletedAt\":null,\"id\":"),
    },
    Defect {
        name: "empty text for null",
        apply: |answer| answer.replace("\"notes\":null", "\"notes\":\"\""),
    },
    Defect {
        name: "a list within a list flattened",
        apply: |answer| answer.replace("[6,[7]]", "[6,7]"),
    },
    Defect {
        name: "an object within a list left out",
        apply: |answer| answer.replace(",{\"five\":5}", ""),
    },
    Defect {
        name: "members in another order",
        apply: |answer| answer.replace("\"object\":{},\"array\":[]", "\"array\":[],\"object\":{}"),
    },
    Defect {
        name: "members in snake case",
        apply: |answer| answer.replace("rollNumber", "roll_number"),
    },
    // The text of the body.
    Defect {
        name: "white space after colons",
        apply: |answer| answer.replace("\":", "\": "),
    },
    Defect {
        name: "a newline at the end",
        apply: |answer| answer.body.push('\n'),
    },
    Defect {
        name: "a byte order mark",
        apply: |answer| answer.body.insert(0, '\u{feff}'),
    },
    Defect {
        name: "letters escaped",
        apply: |answer| answer.replace("é", "\\u00e9"),
    },
    Defect {
        name: "slashes escaped",
        apply: |answer| answer.replace("/nl", "\\/nl"),
    },
    Defect {
        name: "an emoji as two escapes",
        apply: |answer| answer.replace("🏠", "\\ud83c\\udfe0"),
    },
    Defect {
        name: "letters replaced by question marks",
        apply: |answer| answer.replace("Zoë", "Zo?"),
    },
    // The envelope.
    Defect {
        name: "no envelope",
        apply: |answer| {
            if let Some(data) = answer.enveloped().map(|(data, _)| data.to_owned()) {
                answer.body = data;
            }
        },
    },
    Defect {
        name: "an envelope in another order",
        apply: |answer| {
            if let Some((data, time)) = answer.enveloped() {
                let time = time.trim_start_matches(',').trim_end_matches('}');
                answer.body = format!("{{\"success\":true,{time},\"data\":{data}}}");
            }
        },
    },
    Defect {
        name: "an envelope around what declines it",
        apply: |answer| {
            if answer.body.starts_with("{\"id\":\"raw-1\"") {
                answer.body = format!("{{\"success\":true,\"data\":{}}}", answer.body);
            }
        },
    },
    Defect {
        name: "an envelope around an error",
        apply: |answer| {
            if answer.is_error() {
                answer.body = format!("{{\"success\":false,\"error\":{}}}", answer.body);
            }
        },
    },
    Defect {
        name: "success as text",
        apply: |answer| answer.replace("\"success\":true", "\"success\":\"true\""),
    },
    Defect {
        name: "failure as success",
        apply: |answer| answer.replace("\"success\":false", "\"success\":true"),
    },
    // Times.
    Defect {
        name: "a time without milliseconds",
        apply: |answer| {
            answer.change_time(|time| {
                let seconds = time.split('.').next().unwrap_or_default();
                format!("\"{seconds}Z\"")
            });
        },
    },
    Defect {
        name: "a time with an offset",
        apply: |answer| {
            answer.change_time(|time| format!("\"{}+00:00\"", time.trim_end_matches('Z')));
        },
    },
    Defect {
        name: "a time as a number",
        apply: |answer| answer.change_time(|_| "1795724537000".to_owned()),
    },
    Defect {
        name: "a time of another time zone",
        apply: |answer| {
            answer.change_time(|time| {
                // Twelve hours away, whatever time it is.
                let hour: u32 = time[11..13].parse().unwrap_or_default();
                format!("\"{}{:02}{}\"", &time[..11], (hour + 12) % 24, &time[13..])
            });
        },
    },
    // Headers.
    Defect {
        name: "a content type without its charset",
        apply: |answer| answer.set("content-type", "application/json"),
    },
    Defect {
        name: "another content type",
        apply: |answer| answer.set("content-type", "text/plain; charset=utf-8"),
    },
    Defect {
        name: "no content type",
        apply: |answer| answer.remove("content-type"),
    },
    Defect {
        name: "no correlation id",
        apply: |answer| answer.remove("x-correlation-id"),
    },
    Defect {
        name: "a correlation id of its own",
        apply: |answer| answer.set("x-correlation-id", OTHER_ID),
    },
    Defect {
        name: "the correlation id twice",
        apply: |answer| {
            let name = HeaderName::from_static("x-correlation-id");
            if let Some(value) = answer.headers.get(&name).cloned() {
                answer.headers.append(name, value);
            }
        },
    },
    Defect {
        name: "a header that says what it was made with",
        apply: |answer| answer.set("x-powered-by", "Rust"),
    },
    Defect {
        name: "a cookie",
        apply: |answer| answer.set("set-cookie", "session=1"),
    },
    // Statuses.
    Defect {
        name: "201 for 200",
        apply: |answer| {
            if answer.status == StatusCode::OK {
                answer.status = StatusCode::CREATED;
            }
        },
    },
    Defect {
        name: "204 for null",
        apply: |answer| {
            if answer.body.contains("\"data\":null") {
                answer.status = StatusCode::NO_CONTENT;
                answer.clear();
            }
        },
    },
    Defect {
        name: "403 for 401",
        apply: |answer| {
            if answer.status == StatusCode::UNAUTHORIZED {
                answer.status = StatusCode::FORBIDDEN;
            }
        },
    },
    // Errors.
    Defect {
        name: "other words of an error",
        apply: |answer| answer.replace("not found", "does not exist"),
    },
    Defect {
        name: "no correlation id in an error",
        apply: |answer| {
            if let Some(id) = answer.text_of("correlationId") {
                answer.replace(&format!("\"correlationId\":\"{id}\","), "");
            }
        },
    },
    Defect {
        name: "an error without a body",
        apply: |answer| {
            if answer.status == StatusCode::NOT_FOUND {
                answer.clear();
            }
        },
    },
    Defect {
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
