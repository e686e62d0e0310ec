//! The header `X-Fence`: one field per lock, `<percent-encoded name>=<integer>`.
//!
//! The name is percent-encoded UTF-8, as JavaScript's `encodeURIComponent` writes it; `:` and `/`
//! may stand for themselves. Several fields may be joined into one with commas, as Node and proxies
//! do: a comma in a name is encoded.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::name::LockName;

/// The header that carries the fences of a caller's locks: `X-Fence`.
pub(crate) const X_FENCE: HeaderName = HeaderName::from_static("x-fence");

/// The most locks that one request may name: each is a command to the store.
const MAX_FENCES: usize = 16;

/// What may stand for itself in a name, beside letters and digits: all that JavaScript's
/// `encodeURIComponent` leaves, and `:` and `/`.
const UNENCODED: &[u8] = b"-._~:/!'()*";

/// Writes the field of one lock.
pub(crate) fn field(name: &LockName, fence: u64) -> HeaderValue {
    let mut value = String::with_capacity(name.as_str().len() + 20);
    for byte in name.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            value.push(char::from(byte));
        } else {
            let _ = write!(value, "%{byte:02X}");
        }
    }
    let _ = write!(value, "={fence}");
    HeaderValue::from_str(&value).expect("letters, digits and a few marks are a header value")
}

/// Reads the fences of a request: none, or one for each of up to 16 locks. An error is words that
/// complete "X-Fence ".
pub(crate) fn read(headers: &HeaderMap) -> Result<Vec<(LockName, u64)>, &'static str> {
    let mut fences: Vec<(LockName, u64)> = Vec::new();
    for value in headers.get_all(X_FENCE) {
        let Ok(text) = value.to_str() else {
            return Err("has a character that is not ASCII");
        };
        for item in text.split(',') {
            let (name, fence) = read_item(item.trim_matches([' ', '\t']))?;
            if fences.iter().any(|(other, _)| *other == name) {
                return Err("names a lock more than once");
            }
            if fences.len() == MAX_FENCES {
                return Err("names more than 16 locks");
            }
            fences.push((name, fence));
        }
    }
    Ok(fences)
}

fn read_item(item: &str) -> Result<(LockName, u64), &'static str> {
    let Some((name, fence)) = item.split_once('=') else {
        return Err(
            "must be <percent-encoded name of the lock>=<fence>, such as import%3Atown-1=1772089205001667",
        );
    };
    if fence.is_empty() || !fence.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("must end with the fence in decimal digits: <name>=<fence>");
    }
    let Ok(fence) = fence.parse() else {
        return Err("has a fence that is larger than any is");
    };
    Ok((decoded(name)?, fence))
}

fn decoded(name: &str) -> Result<LockName, &'static str> {
    let not_encoded = "must have the name of the lock percent-encoded";
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'%' => {
                let [high, low, after @ ..] = rest else {
                    return Err(not_encoded);
                };
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                    return Err(not_encoded);
                };
                bytes.push(high * 16 + low);
                rest = after;
            }
            byte if byte.is_ascii_alphanumeric() || UNENCODED.contains(byte) => bytes.push(*byte),
            _ => return Err(not_encoded),
        }
    }
    let name = String::from_utf8(bytes).map_err(|_| "has the name of a lock that is not UTF-8")?;
    LockName::new(name).map_err(
        |_| "has a name that no lock has: 1 to 512 bytes without { } and control characters",
    )
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[&str]) -> HeaderMap {
        fields
            .iter()
            .map(|field| (X_FENCE, HeaderValue::from_str(field).expect("a value")))
            .collect()
    }

    fn of(fields: &[&str]) -> Result<Vec<(String, u64)>, &'static str> {
        let fences = read(&headers(fields))?;
        Ok(fences
            .into_iter()
            .map(|(name, fence)| (name.to_string(), fence))
            .collect())
    }

    #[test]
    fn one_field_per_lock_is_read_and_several_may_be_joined() {
        let two = vec![("a:b".to_owned(), 7), ("ä, =".to_owned(), 8)];
        for fields in [
            &["a:b=7", "%C3%A4%2C%20%3D=8"][..],
            &["a%3Ab=7,%c3%a4%2c%20%3d=8"],
            &["a%3Ab=7 \t,  %c3%a4%2c%20%3d=8"],
        ] {
            assert_eq!(of(fields).as_ref(), Ok(&two), "{fields:?}");
        }
        assert_eq!(of(&[]), Ok(Vec::new()));
        assert_eq!(of(&["a=007"]), Ok(vec![("a".to_owned(), 7)]));
        assert_eq!(
            of(&["a=18446744073709551615"]),
            Ok(vec![("a".to_owned(), u64::MAX)])
        );
    }

    #[test]
    fn what_is_no_fence_is_refused_with_a_reason() {
        for (fields, reason) in [
            (&[""][..], "must be <percent-encoded"),
            (&["a"], "must be <percent-encoded"),
            (&["a=1,"], "must be <percent-encoded"),
            (&["a=1,,b=2"], "must be <percent-encoded"),
            (&["a="], "decimal digits"),
            (&["a=-1"], "decimal digits"),
            (&["a=+1"], "decimal digits"),
            (&["a=1.5"], "decimal digits"),
            (&["a=1e3"], "decimal digits"),
            (&["a=0x1"], "decimal digits"),
            (&["a=1 2"], "decimal digits"),
            (&["a= 1"], "decimal digits"),
            (&["a=b=1"], "decimal digits"),
            (&["a=18446744073709551616"], "larger than any"),
            (&["=1"], "a name that no lock has"),
            (&["a%7Bb=1"], "a name that no lock has"),
            (&["a%00=1"], "a name that no lock has"),
            (&["a b=1"], "percent-encoded"),
            (&["a\"b=1"], "percent-encoded"),
            (&["a;b=1"], "percent-encoded"),
            (&["a%=1"], "percent-encoded"),
            (&["a%4=1"], "percent-encoded"),
            (&["a%zz=1"], "percent-encoded"),
            (&["a%+1=1"], "percent-encoded"),
            (&["%FF=1"], "not UTF-8"),
            (&["a=1", "a=1"], "more than once"),
            (&["a=1", "%61=2"], "more than once"),
        ] {
            let refused = of(fields).expect_err(reason);
            assert!(refused.contains(reason), "{fields:?}: {refused}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(
            X_FENCE,
            HeaderValue::from_bytes(b"\xe4=1").expect("a value"),
        );
        assert!(read(&headers).is_err());
        let many: Vec<String> = (0..17).map(|n| format!("{n}=1")).collect();
        assert!(of(&[&many[..16].join(",")]).is_ok());
        let refused = of(&[&many.join(",")]).expect_err("17 locks");
        assert_eq!(refused, "names more than 16 locks");
    }

    proptest! {
        #[test]
        fn every_lock_and_fence_is_read_as_it_was_written(name in "[^{}\\p{Cc}]{1,100}", fence: u64) {
            let name = LockName::new(name).expect("a valid name");
            let headers = HeaderMap::from_iter([(X_FENCE, field(&name, fence))]);
            prop_assert_eq!(read(&headers), Ok(vec![(name, fence)]));
        }

        #[test]
        fn no_value_is_read_as_more_than_it_says(text in "[ -~]{0,40}") {
            let value = HeaderValue::from_str(&text).expect("printable");
            let headers = HeaderMap::from_iter([(X_FENCE, value)]);
            if let Ok(fences) = read(&headers) {
                prop_assert_eq!(fences.len(), text.split(',').count());
                for (_, fence) in fences {
                    prop_assert!(text.contains(&fence.to_string()));
                }
            }
        }
    }
}
