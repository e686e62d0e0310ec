//! What stands in angle brackets in the corpus: the time, a good token and its parts, and text that
//! is repeated.

use crate::support::{Claims, NOW};

/// Replaces `<now>`, `<now+N>`, `<now-N>`, `<service>`, `<user>`, `<service.header>`, `.claims` and
/// `.mac`, and `<text*N>`. A text that begins with `hex:` is the bytes that it writes.
pub(super) fn expand(text: &str) -> Vec<u8> {
    if let Some(digits) = text.strip_prefix("hex:") {
        return hex(digits);
    }
    let mut expanded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (inside, after) = after.split_once('>').expect("a closing bracket");
        expanded.extend_from_slice(before.as_bytes());
        expanded.extend_from_slice(replaced(inside).as_bytes());
        rest = after;
    }
    expanded.extend_from_slice(rest.as_bytes());
    expanded
}

fn replaced(inside: &str) -> String {
    if let Some((text, times)) = inside.rsplit_once('*') {
        return text.repeat(times.parse().expect("a number"));
    }
    if let Some(offset) = inside.strip_prefix("now") {
        let offset: i64 = match offset {
            "" => 0,
            offset => offset.parse().expect("a number of seconds"),
        };
        return NOW.checked_add_signed(offset).expect("a time").to_string();
    }
    let (whose, part) = inside.split_once('.').unwrap_or((inside, "token"));
    let token = match whose {
        "service" => Claims::service().token(),
        "user" => Claims::user().token(),
        other => panic!("nothing is called <{other}>"),
    };
    let parts: Vec<&str> = token.split('.').collect();
    match part {
        "token" => token,
        "header" => parts[0].to_owned(),
        "claims" => parts[1].to_owned(),
        "mac" => parts[2].to_owned(),
        other => panic!("a token has no {other}"),
    }
}

fn hex(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("two hexadecimal digits")
        })
        .collect()
}
