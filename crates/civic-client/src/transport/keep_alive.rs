//! What a peer says about how long it keeps an idle connection.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How much earlier than the peer the client lets go of a connection.
const MARGIN: Duration = Duration::from_secs(1);

/// Returns for how long an idle connection may be used, going by the peer's `Keep-Alive` header
/// (RFC 2068, section 19.7.1): 1 s less than it says, but at least half of it.
pub(super) fn announced_idle_time(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(KEEP_ALIVE).into_iter();
    let parameters = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']));
    let seconds = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        let value = value.trim().trim_matches('"');
        (is_timeout && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()))
            // One that is too long for the type says nothing.
            .then(|| value.parse::<u32>().ok())
            .flatten()
    });
    let announced = Duration::from_secs(seconds.min()?.into());
    Some(announced.saturating_sub(MARGIN).max(announced / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_left_to_the_peer_or_half_of_a_short_time() {
        let cases = [
            ("timeout=5", Some(4000)),
            ("timeout=72", Some(71_000)),
            ("timeout=2", Some(1000)),
            ("timeout=1", Some(500)),
            ("timeout=0", Some(0)),
            ("max=100, timeout=5", Some(4000)),
            ("timeout=5; max=1000", Some(4000)),
            ("Timeout = \"5\"", Some(4000)),
            ("timeout=10, timeout=5", Some(4000)),
            ("max=100", None),
            ("timeout", None),
            ("timeout=", None),
            ("timeout=-1", None),
            ("timeout=1.5", None),
            ("timeout=99999999999999999999", None),
            ("", None),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(KEEP_ALIVE, value.parse().unwrap())]);
            let millis = announced_idle_time(&headers).map(|time| time.as_millis());
            assert_eq!(millis, expected, "{value:?}");
        }
        assert_eq!(announced_idle_time(&HeaderMap::new()), None);
    }
}
