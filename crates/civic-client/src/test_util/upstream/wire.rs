//! Reads a request, without a library.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::test_util::upstream::attempt::Attempt;

/// Reads the next request of a connection. Returns `None` if the caller is done with it or does not
/// speak HTTP.
///
/// `buffer` keeps what was read beyond the request.
pub(super) async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> Option<Attempt> {
    let head_end = loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break at;
        }
        more(stream, buffer).await?;
    };
    let (method, target, headers) = parse_head(&buffer[..head_end])?;
    buffer.drain(..head_end + 4);
    if headers
        .get("expect")
        .is_some_and(|value| value == "100-continue")
    {
        let asks = b"HTTP/1.1 100 Continue\r\n\r\n";
        stream.write_all(asks).await.ok()?;
    }

    let body = if headers
        .get("transfer-encoding")
        .is_some_and(|coding| coding == "chunked")
    {
        read_chunked(stream, buffer).await?
    } else {
        let length = match headers.get("content-length") {
            Some(length) => length.to_str().ok()?.parse().ok()?,
            None => 0,
        };
        take(stream, buffer, length).await?
    };
    Some(Attempt {
        method,
        target,
        headers,
        body: Bytes::from(body),
        at: Instant::now(),
        connection,
    })
}

fn parse_head(head: &[u8]) -> Option<(Method, String, HeaderMap)> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let mut request_line = lines.next()?.split(' ');
    let method = request_line.next()?.parse().ok()?;
    let target = request_line.next()?.to_owned();
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        })
        .collect::<Option<Vec<_>>>()?;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    Some((method, target, map))
}

async fn read_chunked(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = loop {
            if let Some(at) = find(buffer, b"\r\n") {
                break at;
            }
            more(stream, buffer).await?;
        };
        let size = std::str::from_utf8(&buffer[..line_end]).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        buffer.drain(..line_end + 2);
        body.extend(take(stream, buffer, size).await?);
        take(stream, buffer, 2).await?;
        if size == 0 {
            return Some(body);
        }
    }
}

async fn take(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Some(buffer.drain(..length).collect())
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(buffer).await.ok()?;
    (read > 0).then_some(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
