//! The bytes that peers see.
//!
//! A success is `{"success":true,"data":<payload>,"timestamp":"2026-02-24T12:00:00.000Z"}`: 23
//! bytes before the payload and 40 after it, in the order and spelling of the platform's Node
//! services. Nothing here depends on the payload, which is why the layer never has to read it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderName;

/// The response header that marks a body as an envelope: `x-envelope: 1`.
///
/// Peers that do not know the header ignore it. Peers that know it need not guess from the shape of
/// the body.
pub const ENVELOPE_HEADER: HeaderName = HeaderName::from_static("x-envelope");

/// The size of the largest success body that the unwrap functions accept: 16 MiB.
pub const MAX_SUCCESS_BYTES: usize = 16 * 1024 * 1024;

/// The size of the largest error body that [`ErrorBody::from_json`](crate::ErrorBody::from_json)
/// reads: 64 KiB.
pub const MAX_ERROR_BYTES: usize = 64 * 1024;

pub(crate) const PREFIX: &str = r#"{"success":true,"data":"#;
pub(crate) const SUFFIX_START: &str = r#","timestamp":""#;
pub(crate) const SUFFIX_END: &str = r#""}"#;
pub(crate) const NULL: &str = "null";
pub(crate) const MARK: &str = "1";
pub(crate) const JSON: &str = "application/json; charset=utf-8";

pub(crate) const TIMESTAMP_LEN: usize = 24;
#[cfg(any(test, feature = "layer"))]
pub(crate) const SUFFIX_LEN: usize = SUFFIX_START.len() + TIMESTAMP_LEN + SUFFIX_END.len();

/// The number of bytes that the envelope adds to a payload.
#[cfg(any(test, feature = "layer"))]
pub(crate) const OVERHEAD: u64 = (PREFIX.len() + SUFFIX_LEN) as u64;

/// Returns the bytes that follow the payload.
#[cfg(feature = "layer")]
pub(crate) fn suffix(now: SystemTime) -> [u8; SUFFIX_LEN] {
    let mut suffix = [0; SUFFIX_LEN];
    let (start, rest) = suffix.split_at_mut(SUFFIX_START.len());
    let (timestamp, end) = rest.split_at_mut(TIMESTAMP_LEN);
    start.copy_from_slice(SUFFIX_START.as_bytes());
    timestamp.copy_from_slice(Timestamp::from(now).as_str().as_bytes());
    end.copy_from_slice(SUFFIX_END.as_bytes());
    suffix
}

/// An instant as JavaScript's `toISOString` prints it: UTC, milliseconds, 24 characters.
///
/// An instant before the year 0 or after the year 9999 is printed as the nearest one in between:
/// `toISOString` would need 27 characters, and the overhead would not be constant.
#[derive(Clone, Copy)]
pub(crate) struct Timestamp([u8; TIMESTAMP_LEN]);

impl Timestamp {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a timestamp is ASCII")
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        const DAY: i64 = 86_400_000;

        let millis = unix_millis(time);
        let (year, month, day) = date(millis.div_euclid(DAY));
        let of_day = millis.rem_euclid(DAY);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        write_digits(&mut text[0..4], year);
        write_digits(&mut text[5..7], month);
        write_digits(&mut text[8..10], day);
        write_digits(&mut text[11..13], of_day / 3_600_000);
        write_digits(&mut text[14..16], of_day / 60_000 % 60);
        write_digits(&mut text[17..19], of_day / 1_000 % 60);
        write_digits(&mut text[20..23], of_day % 1_000);
        Self(text)
    }
}

/// Returns year, month and day of the Gregorian calendar, of a day counted from 1970-01-01.
///
/// The calendar repeats after 400 years. A year is counted from March here, so that the day that
/// some years do not have is its last one; then five months in turn have 153 days.
fn date(day: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    const DAYS_OF_100_YEARS: i64 = 36_524;
    const DAYS_OF_4_YEARS: i64 = 1_461;
    /// From 0000-03-01 to 1970-01-01.
    const BEFORE_1970: i64 = 719_468;

    let day = day + BEFORE_1970;
    let (cycle, day) = (
        day.div_euclid(DAYS_OF_400_YEARS),
        day.rem_euclid(DAYS_OF_400_YEARS),
    );
    // The last century of a cycle has a day more than the others, and the last year of four.
    let century = (day / DAYS_OF_100_YEARS).min(3);
    let day = day - century * DAYS_OF_100_YEARS;
    let four = day / DAYS_OF_4_YEARS;
    let day = day - four * DAYS_OF_4_YEARS;
    let year = (day / 365).min(3);
    let day = day - year * 365;
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = cycle * 400 + century * 100 + four * 4 + year;
    if month < 10 {
        (year, month + 3, day)
    } else {
        (year + 1, month - 9, day)
    }
}

/// Reads a [`Timestamp`], or any other RFC 3339 instant.
pub(crate) fn parse_timestamp(text: &str) -> Option<SystemTime> {
    let millis = text.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    let distance = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}

/// Returns the body without the byte order mark that `Response.json()` skips as well.
pub(crate) fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// Returns the milliseconds since 1970, rounded down as in a JavaScript `Date`, within the years 0
/// to 9999.
fn unix_millis(time: SystemTime) -> i64 {
    const YEAR_0: i64 = -62_167_219_200_000;
    const YEAR_9999_END: i64 = 253_402_300_799_999;

    let millis = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos().div_ceil(1_000_000))
            .map_or(i64::MIN, |millis| -millis),
    };
    millis.clamp(YEAR_0, YEAR_9999_END)
}

/// Writes the decimal digits of a number that is not negative and fits, aligned to the right.
fn write_digits(out: &mut [u8], number: i64) {
    let mut rest = number.unsigned_abs();
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> SystemTime {
        let distance = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 {
            UNIX_EPOCH - distance
        } else {
            UNIX_EPOCH + distance
        }
    }

    #[test]
    fn the_overhead_is_23_bytes_before_and_40_after() {
        assert_eq!(PREFIX.len(), 23);
        assert_eq!(SUFFIX_LEN, 40);
        assert_eq!(OVERHEAD, 63);
    }

    #[test]
    fn timestamps_are_printed_as_node_prints_them() {
        // Each pair: `new Date(millis).toISOString()` of Node 20.
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (999, "1970-01-01T00:00:00.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_771_934_400_000, "2026-02-24T12:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from(at(millis)).as_str(), text, "{millis}");
        }
    }

    #[test]
    fn instants_outside_the_years_0_to_9999_keep_24_characters() {
        assert_eq!(
            Timestamp::from(at(253_402_300_800_000)).as_str(),
            "9999-12-31T23:59:59.999Z"
        );
        assert_eq!(
            Timestamp::from(at(-62_167_219_200_001)).as_str(),
            "0000-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from(at(i64::MAX)).as_str(),
            "9999-12-31T23:59:59.999Z"
        );
    }

    #[test]
    fn fractions_of_a_millisecond_are_rounded_down_on_both_sides_of_1970() {
        let fraction = Duration::from_nanos(1_500_000);
        assert_eq!(
            Timestamp::from(UNIX_EPOCH + fraction).as_str(),
            "1970-01-01T00:00:00.001Z"
        );
        assert_eq!(
            Timestamp::from(UNIX_EPOCH - fraction).as_str(),
            "1969-12-31T23:59:59.998Z"
        );
    }

    #[test]
    fn every_day_of_400_years_follows_the_one_before() {
        let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let mut expected = (1969, 12, 31);
        for day in -1..146_097 {
            assert_eq!(date(day), expected);
            let (year, month, last) = expected;
            let length = match month {
                2 if is_leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, last) {
                (12, 31) => (year + 1, 1, 1),
                (_, last) if last == length => (year, month + 1, 1),
                (_, last) => (year, month, last + 1),
            };
        }
    }

    proptest! {
        #[test]
        fn a_timestamp_is_read_back_as_the_same_instant(millis in -62_000_000_000_000i64..253_000_000_000_000) {
            let time = at(millis);
            prop_assert_eq!(parse_timestamp(Timestamp::from(time).as_str()), Some(time));
        }
    }
}
