//! A number has the value that it has on Node.

use civic_envelope::unwrap_envelope;
use proptest::prelude::*;

fn enveloped(number: &str) -> String {
    format!(r#"{{"success":true,"data":{number},"timestamp":"2026-02-24T12:00:00.000Z"}}"#)
}

/// `JSON.parse` rounds to the nearest double (ECMA-262, 12.9.3.1); a tax rate that is off by one
/// unit in the last place is another rate.
#[test]
fn a_number_that_node_wrote_is_read_to_the_bit() {
    for text in [
        "0.012345678901234567",
        "0.1",
        "5e-324",
        "1.7976931348623157e+308",
        "1e+21",
        "480000.5",
    ] {
        let read: f64 = unwrap_envelope(enveloped(text).as_bytes()).expect(text);
        let nearest: f64 = text.parse().expect(text);
        assert_eq!(
            read.to_bits(),
            nearest.to_bits(),
            "{text} was read as {read:?}"
        );
    }
}

proptest! {
    #[test]
    fn every_number_is_read_to_the_bit(number in any::<f64>().prop_filter("JSON has no others", |number| number.is_finite())) {
        let read: f64 = unwrap_envelope(enveloped(&format!("{number:?}")).as_bytes()).expect("a number");
        prop_assert_eq!(read.to_bits(), number.to_bits());
    }
}
