//! Numbers as people read them.

use std::time::Duration;

/// A time with three significant digits or so: `85.7 ms`, `1.42 s`, `602 s`.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 100.0 => format!("{s:.1} s"),
        s => format!("{} s", thousands(s.round() as u64)),
    }
}

/// Whole seconds, with a comma between thousands.
pub(super) fn seconds(time: Duration) -> String {
    format!("{} s", thousands(time.as_secs_f64().round() as u64))
}

/// A share in percent, with one decimal.
pub(super) fn percent(percent: f64) -> String {
    format!("{percent:.1} %")
}

/// A number with a comma between thousands.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_that_fits_it() {
        let cases = [
            (1_000, "1.0 ms"),
            (85_650, "85.7 ms"),
            (120_000, "120 ms"),
            (1_418_963, "1.42 s"),
            (13_366_543, "13.4 s"),
            (1_602_219_000, "1,602 s"),
        ];
        for (micros, text) in cases {
            assert_eq!(time(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (4_519_600, "4,519,600"),
        ];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
    }
}
