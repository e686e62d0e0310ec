//! Any template and any parameters through the client: a path goes out exactly if a second
//! statement of the rules allows it, and then each parameter is one segment, or part of one, that
//! decodes to what was given.
//!
//! The first line of the input is the template, each other one a parameter, `name=value`.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use civic_client::{Body, Error, ErrorKind, ServiceClient, UrlTemplate};
use http::{Request, Response};
use tower::service_fn;

use crate::target::support::block_on;

pub(super) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let template = lines.next().unwrap_or_default();
    let params: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once('=')).collect();

    let sent = send(template, &params);
    match (&sent, expected(template, &params)) {
        (Ok(path), Some(segments)) => {
            let legal =
                |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte);
            assert!(path.bytes().all(legal), "{path}");
            let decoded: Vec<Vec<u8>> = path[1..].split('/').map(decode).collect();
            assert_eq!(decoded, segments, "{path}");
        }
        (Err(kind), None) => assert_eq!(*kind, ErrorKind::Request),
        // A parameter that stands in many places can make a path that is too long to be a URL.
        (Err(kind), Some(segments)) if may_be_too_long(&segments) => {
            assert_eq!(*kind, ErrorKind::Request);
        }
        (sent, expected) => panic!("{sent:?}, and not {expected:?}"),
    }
}

/// Whether the path may have more bytes than a URL of the crate `http`: each byte takes up to three.
fn may_be_too_long(segments: &[Vec<u8>]) -> bool {
    const MAX_URL_BYTES: usize = 65_534;
    let bytes: usize = segments.iter().map(|segment| 1 + 3 * segment.len()).sum();
    bytes + "http://peer".len() > MAX_URL_BYTES
}

/// What the path's segments have to decode to. `None` if it must not go out.
fn expected(template: &str, params: &[(&str, &str)]) -> Option<Vec<Vec<u8>>> {
    let mut used = vec![0; params.len()];
    let rest = template.strip_prefix('/')?;
    // A slash within braces is part of a name, which no parameter has to have.
    let mut segments = vec![Vec::new()];
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        let last = segments.len() - 1;
        match character {
            '/' => segments.push(Vec::new()),
            '{' => {
                let (name, after) = characters.as_str().split_once('}')?;
                characters = after.chars();
                let mut given = params
                    .iter()
                    .enumerate()
                    .filter(|(_, (own, _))| *own == name);
                let (at, (_, value)) = given.next()?;
                if given.next().is_some() || value.is_empty() {
                    return None;
                }
                used[at] += 1;
                segments[last].extend_from_slice(value.as_bytes());
            }
            '%' => {
                let digits = [characters.next()?, characters.next()?];
                let [high, low] = digits.map(|digit| digit.to_digit(16));
                segments[last].push(u8::try_from(high? * 16 + low?).ok()?);
            }
            legal if legal.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(legal) => {
                segments[last].push(legal as u8);
            }
            _ => return None,
        }
    }
    let unused = used.contains(&0);
    let dots = segments
        .iter()
        .any(|segment| matches!(&segment[..], b"." | b".."));
    (!unused && !dots).then_some(segments)
}

fn decode(segment: &str) -> Vec<u8> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut hex = || char::from(bytes.next().expect("two digits")).to_digit(16);
        decoded.push(match byte {
            b'%' => (hex().expect("a digit") * 16 + hex().expect("a digit")) as u8,
            byte => byte,
        });
    }
    decoded
}

/// Returns the path that went out.
fn send(template: &str, params: &[(&str, &str)]) -> Result<String, ErrorKind> {
    let path = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&path);
    let peer = service_fn(move |request: Request<Body>| {
        assert_eq!(request.uri().query(), None);
        assert_eq!(request.uri().host(), Some("peer"));
        *seen.lock().expect("one call") = Some(request.uri().path().to_owned());
        std::future::ready(Ok::<_, Error>(Response::new(Bytes::from_static(b"{}"))))
    });
    let client = ServiceClient::builder("http://peer")
        .build_over(peer)
        .expect("a client");
    let call = params.iter().fold(
        client.get(UrlTemplate::dynamic(template)),
        |call, (name, value)| call.param(name, value),
    );
    block_on(call.send()).map_err(|error| error.kind())?;
    let path = path.lock().expect("one call").take();
    Ok(path.expect("it went out"))
}
