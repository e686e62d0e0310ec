//! Where the token is: one `Authorization` field, or the cookie.
//!
//! 1. Two `Authorization` fields are refused, whatever they say: a service that keeps the first and
//!    a service that keeps the last would see two different callers.
//! 2. `Bearer` in any case, then one or more spaces, then the token. A Bearer that looks different
//!    is refused; it never falls back to the cookie.
//! 3. With no `Authorization`, an empty one, or another scheme, the cookie counts. It may be quoted
//!    and is never percent-decoded. An empty cookie is the same as none.
//! 4. The cookie may be duplicated only if both values are the same, in one `Cookie` field or in
//!    several.

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

use crate::error::Cause;

/// Where a token was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Header,
    Cookie,
}

/// Finds the token of a request. `cookie_name` is `None` if no cookie counts.
pub(super) fn find<'h>(
    headers: &'h HeaderMap,
    cookie_name: Option<&[u8]>,
) -> Result<(&'h [u8], Source), Cause> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Cause::DuplicateAuthorization);
    }
    if let Some(token) = field.and_then(|field| bearer(field.as_bytes())) {
        return Ok((token?, Source::Header));
    }
    let Some(cookie_name) = cookie_name else {
        return Err(Cause::NothingSent);
    };
    match cookie(headers, cookie_name)? {
        Some(token) if !token.is_empty() => Ok((token, Source::Cookie)),
        _ => Err(Cause::NothingSent),
    }
}

/// Returns the token of a field whose scheme is Bearer, and `None` for another scheme.
fn bearer(field: &[u8]) -> Option<Result<&[u8], Cause>> {
    let field = trim(field);
    let end = field
        .iter()
        .position(|byte| !is_scheme_character(*byte))
        .unwrap_or(field.len());
    let (scheme, rest) = field.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return None;
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = &rest[spaces..];
    // Only what would make it two words is refused here. The alphabet is checked later.
    let one_word = spaces > 0
        && !token.is_empty()
        && !token.iter().any(|byte| matches!(byte, b' ' | b'\t' | b','));
    Some(if one_word {
        Ok(token)
    } else {
        Err(Cause::MalformedBearer)
    })
}

/// Returns whether a scheme may contain this character (`token` of RFC 9110 section 5.6.2).
fn is_scheme_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn cookie<'h>(headers: &'h HeaderMap, name: &[u8]) -> Result<Option<&'h [u8]>, Cause> {
    let mut found = None;
    for field in headers.get_all(COOKIE) {
        for pair in field.as_bytes().split(|byte| *byte == b';') {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            if trim(&pair[..equals]) != name {
                continue;
            }
            let value = unquote(trim(&pair[equals + 1..]));
            if found.is_some_and(|earlier| earlier != value) {
                return Err(Cause::ConflictingCookies);
            }
            found = Some(value);
        }
    }
    Ok(found)
}

fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(fields: &[(HeaderName, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                name,
                HeaderValue::from_bytes(value).expect("a header value"),
            );
        }
        headers
    }

    fn check(name: &str, fields: &[(HeaderName, &[u8])], expected: Result<(&[u8], Source), Cause>) {
        assert_eq!(
            find(&headers(fields), Some(b"app_access_token")),
            expected,
            "{name}"
        );
    }

    #[test]
    fn the_authorization_field_is_read_in_one_way_only() {
        let ok = |token: &'static str| Ok((token.as_bytes(), Source::Header));
        let malformed = Err(Cause::MalformedBearer);
        let nothing = Err(Cause::NothingSent);
        let cases: [(&[u8], _); 20] = [
            (b"Bearer x", ok("x")),
            (b"bearer x", ok("x")),
            (b"BEARER x", ok("x")),
            (b"Bearer   x", ok("x")),
            (b"  Bearer x \t", ok("x")),
            (b"Bearer", malformed),
            (b"Bearer ", malformed),
            (b"Bearer\tx", malformed),
            (b"Bearer \tx", malformed),
            (b"Bearer x y", malformed),
            (b"Bearer x, Bearer y", malformed),
            (b"Bearer x,y", malformed),
            (b"Bearer=x", malformed),
            (b"Bearer\xffx", malformed),
            (b"Bearer: x", malformed),
            (b"Bearerx", nothing),
            (b"Basic eDp5", nothing),
            (b"xBearer x", nothing),
            (b"", nothing),
            (b"\xff", nothing),
        ];
        for (value, expected) in cases {
            check(
                &String::from_utf8_lossy(value),
                &[(AUTHORIZATION, value)],
                expected,
            );
        }
    }

    #[test]
    fn two_authorization_fields_are_refused_even_if_they_agree() {
        for second in [&b"Bearer x"[..], b"Bearer y", b"Basic z", b""] {
            check(
                "two",
                &[(AUTHORIZATION, b"Bearer x"), (AUTHORIZATION, second)],
                Err(Cause::DuplicateAuthorization),
            );
        }
    }

    #[test]
    fn the_cookie_counts_only_without_a_bearer() {
        let cookie = (COOKIE, &b"app_access_token=c"[..]);
        let found = Ok((&b"c"[..], Source::Cookie));
        check("alone", std::slice::from_ref(&cookie), found);
        check(
            "basic",
            &[(AUTHORIZATION, b"Basic eDp5"), cookie.clone()],
            found,
        );
        check("empty", &[(AUTHORIZATION, b""), cookie.clone()], found);
        check(
            "bearer wins",
            &[(AUTHORIZATION, b"Bearer x"), cookie.clone()],
            Ok((b"x", Source::Header)),
        );
        check(
            "bad bearer",
            &[(AUTHORIZATION, b"Bearer"), cookie],
            Err(Cause::MalformedBearer),
        );
    }

    #[test]
    fn the_cookie_is_found_by_its_exact_name() {
        let ok = |token: &'static str| Ok((token.as_bytes(), Source::Cookie));
        let nothing = Err(Cause::NothingSent);
        let conflict = Err(Cause::ConflictingCookies);
        let many = format!("{}app_access_token=c", "a=b; ".repeat(200));
        let cases: [(&str, &[&[u8]], _); 15] = [
            ("among others", &[b"a=b; app_access_token=c; d=e"], ok("c")),
            ("no space", &[b"a=b;app_access_token=c;d=e"], ok("c")),
            ("quoted", &[b"app_access_token=\"c\""], ok("c")),
            ("not decoded", &[b"app_access_token=%41"], ok("%41")),
            ("second field", &[b"a=b", b"app_access_token=c"], ok("c")),
            ("two hundred", &[many.as_bytes()], ok("c")),
            (
                "twice the same",
                &[b"app_access_token=c; app_access_token=\"c\""],
                ok("c"),
            ),
            (
                "twice, different",
                &[b"app_access_token=c; app_access_token=d"],
                conflict,
            ),
            (
                "two fields, different",
                &[b"app_access_token=c", b"app_access_token=d"],
                conflict,
            ),
            (
                "empty and not",
                &[b"app_access_token=; app_access_token=d"],
                conflict,
            ),
            ("prefix", &[b"xapp_access_token=c"], nothing),
            ("suffix", &[b"app_access_tokenx=c"], nothing),
            ("case", &[b"App_Access_Token=c"], nothing),
            ("no value", &[b"app_access_token"], nothing),
            ("empty", &[b"app_access_token="], nothing),
        ];
        for (name, values, expected) in cases {
            let fields: Vec<_> = values.iter().map(|value| (COOKIE, *value)).collect();
            check(name, &fields, expected);
        }
    }
}
