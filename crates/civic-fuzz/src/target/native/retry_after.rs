//! Any `Retry-After` and `Date`: no panic, nothing longer than a day, and a number of seconds and a
//! date in the form of RFC 9110 are read as a second reading says.
//!
//! The first line of the input is `Retry-After`, the second one `Date`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use civic_client::layer::retry_after;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};

const DAY: u64 = 24 * 60 * 60;

/// Sun, 06 Nov 1994 08:49:37 GMT.
const NOW: u64 = 784_111_777;

pub(super) fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut texts = [None, None];
    for ((line, name), text) in data
        .splitn(2, |byte| *byte == b'\n')
        .zip([RETRY_AFTER, DATE])
        .zip(&mut texts)
    {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert(name, value);
            *text = str::from_utf8(line)
                .ok()
                .filter(|text| text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')))
                .map(|text| text.trim_matches([' ', '\t']));
        }
    }
    let now: SystemTime = UNIX_EPOCH + Duration::from_secs(NOW);
    let pause = retry_after(&headers, now);
    assert!(pause.is_none_or(|pause| pause.as_secs() <= DAY));

    let [Some(value), date] = texts else {
        assert_eq!(pause, None);
        return;
    };
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.bytes().fold(0_u64, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        });
        assert_eq!(pause, Some(Duration::from_secs(seconds.min(DAY))));
        return;
    }
    let Some(until) = imf_date(value) else {
        // One of the two older forms, or nothing that counts.
        let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
        assert!(
            pause.is_none() || (letters >= 6 && value.contains(':')),
            "{value:?}"
        );
        return;
    };
    let since = match date {
        None | Some("") => Some(NOW),
        Some(date) => imf_date(date),
    };
    // A `Date` in an older form is not read a second time here.
    if let Some(since) = since {
        let seconds = until.saturating_sub(since).min(DAY);
        assert_eq!(
            pause,
            Some(Duration::from_secs(seconds)),
            "{value:?}, {date:?}"
        );
    }
}

/// Reads the preferred form of a date (RFC 9110 section 5.6.7), without a look at a calendar.
/// `None` for a date that is written in another way, before 1970, or after the year 9998.
fn imf_date(text: &str) -> Option<u64> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    const LENGTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if text.len() != 29 || !text.is_ascii() {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = &text[from..to];
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| digits.parse().ok()).flatten()
    };
    let fixed = [
        (3, ", "),
        (7, " "),
        (11, " "),
        (16, " "),
        (19, ":"),
        (22, ":"),
        (25, " GMT"),
    ];
    if !fixed.iter().all(|(at, sign)| text[*at..].starts_with(sign)) {
        return None;
    }
    let weekday = DAYS.iter().position(|day| text.starts_with(day))? as u64;
    let month = MONTHS.iter().position(|month| text[8..11] == **month)?;
    let (day, year) = (number(5, 7)?, number(12, 16)?);
    let (hour, minute, second) = (number(17, 19)?, number(20, 22)?, number(23, 25)?);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let length = LENGTHS[month] + u64::from(month == 1 && leap(year));
    let legal = (1970..9999).contains(&year) && (1..=length).contains(&day);
    if !legal || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days: u64 = (1970..year).map(|year| 365 + u64::from(leap(year))).sum();
    let months: u64 = LENGTHS[..month].iter().sum();
    let days = days + months + u64::from(month > 1 && leap(year)) + day - 1;
    // 1970 began on a Thursday. What a wrong day of the week means is for the parser to say.
    if (days + 3) % 7 != weekday {
        return None;
    }
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}
