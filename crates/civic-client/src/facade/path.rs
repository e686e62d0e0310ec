//! A path from a template and its parameters.
//!
//! Each `{name}` is replaced by its parameter, with every byte percent-encoded except the
//! unreserved ones of RFC 3986 (letters, digits, `-._~`): `../admin?x=1#y` becomes
//! `..%2Fadmin%3Fx%3D1%23y`, which is one segment. Two values cannot be made safe by encoding and
//! are refused:
//!
//! - an empty one, because `/users//bills` is another endpoint;
//! - one that makes its segment `.` or `..`, because URL parsers, proxies and routers resolve those
//!   even if they are written as `%2e`.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::Error;

/// Every character that RFC 3986 does not call unreserved.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(super) fn expand(template: &str, params: &[(String, String)]) -> Result<String, Error> {
    if !template.starts_with('/') {
        return Err(Error::request("the path template must begin with a slash"));
    }
    let mut path = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (literal, after) = rest.split_at(open);
        push_literal(&mut path, literal)?;
        let Some((name, after)) = after[1..].split_once('}') else {
            return Err(Error::request(
                "the path template has a brace that is not closed",
            ));
        };
        let value = value_of(name, params)?;
        let _ = write!(path, "{}", utf8_percent_encode(value, &RESERVED));
        rest = after;
    }
    push_literal(&mut path, rest)?;
    let is_used = |name: &str| names(template).any(|used| used == name);
    if let Some((name, _)) = params.iter().find(|(name, _)| !is_used(name)) {
        return Err(Error::request(format!(
            "the path template has no parameter `{name}`"
        )));
    }
    if has_dot_segment(&path) {
        return Err(Error::request("a path segment would be `.` or `..`"));
    }
    Ok(path)
}

/// Returns the names in a template whose braces are closed.
fn names(template: &str) -> impl Iterator<Item = &str> {
    let opened = template.split('{').skip(1);
    opened.filter_map(|rest| Some(rest.split_once('}')?.0))
}

fn value_of<'a>(name: &str, params: &'a [(String, String)]) -> Result<&'a str, Error> {
    let mut found = None;
    for (given, value) in params {
        if given == name {
            if found.is_some() {
                return Err(Error::request(format!(
                    "path parameter `{name}` is given twice"
                )));
            }
            found = Some(value.as_str());
        }
    }
    match found {
        None => Err(Error::request(format!(
            "path parameter `{name}` is missing"
        ))),
        Some("") => Err(Error::request(format!("path parameter `{name}` is empty"))),
        Some(value) => Ok(value),
    }
}

/// Appends text of the template: `pchar` of RFC 3986 and the slash. A query or a fragment is
/// refused.
fn push_literal(path: &mut String, literal: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte);
    if !literal.bytes().all(allowed) {
        return Err(Error::request(
            "the path template has a character that does not belong in a path; use query() for a query",
        ));
    }
    // Half an escape would take its other half from a parameter, and change what the parameter
    // means.
    let whole = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    if !literal.split('%').skip(1).all(whole) {
        return Err(Error::request(
            "the path template has a percent sign that does not begin an escape",
        ));
    }
    path.push_str(literal);
    Ok(())
}

/// Returns whether a segment is `.` or `..`, encoded or not.
pub(super) fn has_dot_segment(path: &str) -> bool {
    path.split('/').any(|segment| {
        segment.starts_with(['.', '%'])
            && segment.len() <= "%2e%2e".len()
            && matches!(
                &*percent_decode_str(segment).collect::<Vec<u8>>(),
                b"." | b".."
            )
    })
}

/// Returns whether a path consists of what may stand in one (RFC 3986, section 3.3): a server or a
/// proxy may refuse or change anything else.
pub(super) fn is_encoded(path: &str) -> bool {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let legal = match byte {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                hex() && hex()
            }
            b'/' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => true,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if !legal {
            return false;
        }
    }
    true
}

/// Returns `a=b&c=d`, percent-encoded.
pub(super) fn encoded_pairs(pairs: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let separator = if text.is_empty() { "" } else { "&" };
        let name = utf8_percent_encode(name, &RESERVED);
        let value = utf8_percent_encode(value, &RESERVED);
        let _ = write!(text, "{separator}{name}={value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(template: &str, params: &[(&str, &str)]) -> Result<String, Error> {
        let params: Vec<_> = params
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        expand(template, &params)
    }

    #[test]
    fn each_parameter_stays_one_path_segment() {
        let cases = [
            ("../admin?x=1#y", "/a/..%2Fadmin%3Fx%3D1%23y/b"),
            ("a/b", "/a/a%2Fb/b"),
            ("a\\b", "/a/a%5Cb/b"),
            ("%2e%2e", "/a/%252e%252e/b"),
            ("a b+c", "/a/a%20b%2Bc/b"),
            ("Zoë\r\n\0", "/a/Zo%C3%AB%0D%0A%00/b"),
            ("...", "/a/.../b"),
            ("{id}", "/a/%7Bid%7D/b"),
            ("-._~", "/a/-._~/b"),
        ];
        for (value, path) in cases {
            assert_eq!(
                with("/a/{id}/b", &[("id", value)]).unwrap(),
                path,
                "{value:?}"
            );
        }
    }

    #[test]
    fn values_that_encoding_cannot_make_safe_are_refused() {
        let cases = [
            ("/a/{id}", ".."),
            ("/a/{id}", "."),
            ("/a/{id}", ""),
            ("/a/.{id}", "."),
            ("/a/%2E{id}/b", "."),
            ("/a/{id}{id}", "."),
            ("/a%{id}", "2Fb"),
            ("/a%2{id}", "Fb"),
        ];
        for (template, value) in cases {
            assert!(
                with(template, &[("id", value)]).is_err(),
                "{template} {value:?}"
            );
        }
    }

    #[test]
    fn missing_unknown_and_repeated_parameters_are_errors() {
        type Case = (
            &'static str,
            &'static [(&'static str, &'static str)],
            &'static str,
        );
        assert_eq!(
            with("/a/{x}/{y}/{x}", &[("y", "2"), ("x", "1")]).unwrap(),
            "/a/1/2/1"
        );
        let cases: [Case; 7] = [
            ("/a/{id}", &[], "`id` is missing"),
            ("/a", &[("id", "1")], "no parameter `id`"),
            ("/a/{id}", &[("id", "1"), ("id", "2")], "given twice"),
            ("/a/{id", &[("id", "1")], "not closed"),
            ("a/{id}", &[("id", "1")], "begin with a slash"),
            ("/a?x={id}", &[("id", "1")], "query()"),
            ("/a/}", &[], "query()"),
        ];
        for (template, params, why) in cases {
            let error = with(template, params).expect_err(template).to_string();
            assert!(error.contains(why), "{template}: {error}");
        }
    }

    #[test]
    fn query_parameters_are_encoded_and_keep_their_order() {
        let pairs = [("page", "2"), ("q", "a&b=c d"), ("q", "é")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(encoded_pairs(&pairs), "page=2&q=a%26b%3Dc%20d&q=%C3%A9");
        assert_eq!(encoded_pairs(&[]), "");
    }

    proptest! {
        #[test]
        fn whatever_the_value_the_path_has_the_segments_of_its_template(value in ".*") {
            match with("/users/{id}/bills", &[("id", &value)]) {
                Ok(path) => {
                    let uri: http::Uri = path.parse().unwrap();
                    prop_assert_eq!(uri.query(), None);
                    let segments: Vec<_> = uri.path().split('/').collect();
                    prop_assert_eq!(segments.len(), 4);
                    prop_assert_eq!(percent_decode_str(segments[2]).decode_utf8().unwrap(), value);
                    prop_assert_eq!((segments[1], segments[3]), ("users", "bills"));
                }
                Err(_) => prop_assert!(matches!(value.as_str(), "" | "." | "..")),
            }
        }
    }
}
