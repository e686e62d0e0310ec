//! `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName};

/// The longest pause that a peer can ask for: one day. A longer one counts as this.
const MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns how long the peer asks the caller to wait, from `Retry-After` in seconds or as a date.
///
/// A date is read in the three forms of RFC 9110, section 5.6.7, and compared with the `Date` of
/// the same response, so that the clocks of the two machines need not agree; without a `Date`, with
/// `now`. A date that has passed is zero. Nothing is longer than one day: a number that a peer
/// chooses must not overflow the clock of the caller.
///
/// Returns `None` if there is no such header, or if its value is neither.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?;
    let pause = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for 64 bits are a long time.
        value.parse().map_or(MAX, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        let since = text(headers, &DATE)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .unwrap_or(now);
        until.duration_since(since).unwrap_or_default()
    };
    Some(pause.min(MAX))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.trim_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn read(value: &str) -> Option<u64> {
        let value = HeaderValue::from_str(value).expect("a header's value");
        let headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
        retry_after(&headers, now()).map(|pause| pause.as_secs())
    }

    #[test]
    fn seconds_and_the_three_forms_of_a_date_are_read_and_nothing_else() {
        let cases = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:41 GMT", Some(4)),
            ("Sunday, 06-Nov-94 08:49:41 GMT", Some(4)),
            ("Sun Nov  6 08:49:41 1994", Some(4)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1e3", None),
            ("soon", None),
            ("1994-11-06T08:49:41Z", None),
            ("Sun, 06 Nov 1994 08:49:41", None),
            ("Sun, 31 Feb 1994 08:49:41 GMT", None),
        ];
        for (value, seconds) in cases {
            assert_eq!(read(value), seconds, "{value:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now()), None);
    }

    #[test]
    fn a_peer_cannot_ask_for_more_than_a_day() {
        const DAY: u64 = 86_400;
        for value in [
            "86401",
            "18446744073709551615",
            "99999999999999999999999",
            "Tue, 08 Nov 1994 08:49:37 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            assert_eq!(read(value), Some(DAY), "{value:?}");
        }
        // Whatever it is, it can be added to the time.
        let pause = Duration::from_secs(read("99999999999999999999").unwrap_or_default());
        assert!(std::time::Instant::now().checked_add(pause).is_some());
    }

    #[test]
    fn a_date_is_compared_with_the_peers_own_clock() {
        let date = |date| HeaderValue::from_static(date);
        let headers = HeaderMap::from_iter([
            (RETRY_AFTER, date("Sun, 06 Nov 1994 12:00:04 GMT")),
            // The peer's clock is hours ahead of ours.
            (DATE, date("Sun, 06 Nov 1994 12:00:00 GMT")),
        ]);
        assert_eq!(retry_after(&headers, now()), Some(Duration::from_secs(4)));
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "\\PC*", date in "[A-Za-z]{3,9},? ?[0-9]{0,3}[- ][A-Za-z]{3}[- ][0-9]{2,5} [0-9:]{0,9} ?(GMT)?") {
            for value in [value, date] {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    let headers = HeaderMap::from_iter([(RETRY_AFTER, value.clone()), (DATE, value)]);
                    prop_assert!(retry_after(&headers, now()).is_none_or(|pause| pause <= MAX));
                }
            }
        }
    }
}
