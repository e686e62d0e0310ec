//! Numbers as Node writes them.

use serde::Serializer;

/// Serializes a number as Node does: a whole number has no fraction.
///
/// ```
/// #[derive(serde::Serialize)]
/// struct Assessment {
///     #[serde(serialize_with = "civic_server::serialize_number")]
///     value: f64,
/// }
///
/// let json = |value| serde_json::to_string(&Assessment { value }).unwrap();
/// assert_eq!(json(500_000.0), r#"{"value":500000}"#);
/// assert_eq!(json(0.5), r#"{"value":0.5}"#);
/// ```
///
/// # Errors
///
/// None of its own: those of the serializer.
pub fn serialize_number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    // 2^53: from here on not every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}
