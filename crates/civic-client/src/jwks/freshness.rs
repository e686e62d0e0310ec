//! For how long a response may be used without asking again (RFC 9111 section 4.2).

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL};

/// Returns how long a response may still be used, if it says so: `max-age` less `age`. It is zero
/// for a response that must not be used again without asking, and the shortest of several.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(of_directive)
        .min()?;
    let age = headers.get(AGE).and_then(|value| value.to_str().ok());
    let age = age.and_then(seconds_of).unwrap_or(0);
    Some(Duration::from_secs(seconds.saturating_sub(age)))
}

fn of_directive(directive: &str) -> Option<u64> {
    let (name, value) = match directive.split_once('=') {
        Some((name, value)) => (name.trim(), value.trim().trim_matches('"')),
        None => (directive.trim(), ""),
    };
    if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
        return Some(0);
    }
    name.eq_ignore_ascii_case("max-age")
        .then(|| seconds_of(value))?
}

/// A number that is too large to be one is as large as possible (RFC 9111 section 1.2.2).
fn seconds_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_shortest_time_counts_and_what_is_no_time_does_not() {
        for (cache_control, age, expected) in [
            (&[][..], None, None),
            (&["public"], Some("5"), None),
            (&["public, max-age=300"], None, Some(300)),
            (&["MAX-AGE = \"300\" , public"], None, Some(300)),
            (&["max-age=300"], Some("120"), Some(180)),
            (&["max-age=300"], Some("999"), Some(0)),
            (&["max-age=300"], Some("-1"), Some(300)),
            (&["max-age=300, max-age=60"], None, Some(60)),
            (&["max-age=300", "max-age=60"], None, Some(60)),
            (&["max-age=300, no-cache"], None, Some(0)),
            (&["no-cache=\"set-cookie\""], None, Some(0)),
            (&["no-store"], None, Some(0)),
            (&["s-maxage=5"], None, None),
            (&["max-age"], None, None),
            (&["max-age="], None, None),
            (&["max-age=-5"], None, None),
            (&["max-age=1e3"], None, None),
            (&["max-age=99999999999999999999"], None, Some(u64::MAX)),
        ] {
            let mut headers = HeaderMap::new();
            for value in cache_control {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
            }
            if let Some(age) = age {
                headers.insert(AGE, HeaderValue::from_static(age));
            }
            assert_eq!(
                max_age(&headers),
                expected.map(Duration::from_secs),
                "{cache_control:?} {age:?}"
            );
        }
    }
}
