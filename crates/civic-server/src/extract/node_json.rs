//! JSON as Node writes it: serde's, but for the form of numbers.
//!
//! `JSON.stringify` writes a number as ECMAScript's `Number::toString` does (ECMA-262 section
//! 6.1.6.1.20): the shortest digits that read back as the same double, without a fraction where the
//! number is whole, and in exponential form from 1e21 on and below 1e-6.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Writes a value as Node would.
pub(super) fn to_vec(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(128);
    value.serialize(&mut Serializer::with_formatter(&mut json, NodeFormatter))?;
    Ok(json)
}

/// No white space, and numbers as in ECMAScript.
struct NodeFormatter;

impl Formatter for NodeFormatter {
    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write_number(writer, &format!("{value:e}"))
    }

    fn write_f32<W: Write + ?Sized>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        write_number(writer, &format!("{value:e}"))
    }
}

/// Writes a finite number that Rust has formatted as `-1.25e-7`: its shortest digits, and its
/// exponent.
fn write_number<W: Write + ?Sized>(writer: &mut W, scientific: &str) -> io::Result<()> {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        // ECMAScript writes no sign before zero.
        Some("0") | None => ("", mantissa.trim_start_matches('-')),
        Some(mantissa) => ("-", mantissa),
    };
    let digits = mantissa.replace('.', "");
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The number of digits before the decimal point.
    let point = exponent + 1;
    writer.write_all(sign.as_bytes())?;
    match point {
        _ if count <= point && point <= 21 => {
            write!(writer, "{digits}{}", "0".repeat((point - count) as usize))
        }
        1..=21 => {
            let (whole, fraction) = digits.split_at(point as usize);
            write!(writer, "{whole}.{fraction}")
        }
        -5..=0 => write!(
            writer,
            "0.{}{digits}",
            "0".repeat(point.unsigned_abs() as usize)
        ),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let sign = if exponent < 0 { '-' } else { '+' };
            write!(
                writer,
                "{first}{dot}{rest}e{sign}{}",
                exponent.unsigned_abs()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64) -> String {
        String::from_utf8(to_vec(&value).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        // Each row is what `JSON.stringify` of Node 20 prints.
        for (value, json) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (500_000.0, "500000"),
            (0.1, "0.1"),
            (0.012345678901234567, "0.012345678901234567"),
            (123.456, "123.456"),
            (1e20, "100000000000000000000"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e21, "1e+21"),
            (1.5e21, "1.5e+21"),
            (-1.25e300, "-1.25e+300"),
            (1e-6, "0.000001"),
            (1.5e-6, "0.0000015"),
            (1e-7, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(written(value), json, "{value:e}");
        }
        assert_eq!(to_vec(&0.1_f32).unwrap(), b"0.1");
    }

    #[test]
    fn a_number_reads_back_as_the_same_double() {
        let mut bits = 1_u64;
        for _ in 0..10_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = f64::from_bits(bits);
            if value.is_finite() && value != 0.0 {
                assert_eq!(written(value).parse(), Ok(value), "{bits:x}");
            }
        }
    }

    #[test]
    fn everything_else_is_serdes_compact_form() {
        let value = serde_json::json!({"a": [1, "é\n\u{1}", null, true], "b": {}});
        assert_eq!(to_vec(&value).unwrap(), serde_json::to_vec(&value).unwrap());
    }
}
