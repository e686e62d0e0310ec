//! One HTTP/1.1 exchange at a time on a connection, with the bytes of the answer kept as they came.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer here takes.
const TIMEOUT: Duration = Duration::from_secs(15);
const MAX_HEAD: usize = 64 * 1024;
/// No chunk of an answer here is larger.
const MAX_CHUNK: usize = 64 * 1024 * 1024;

/// A connection that is kept for further requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    to: SocketAddr,
    /// What becomes of the body of the next answer.
    awaited: Awaited,
}

/// Whether an answer has a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Awaited {
    Body,
    /// The request was a HEAD.
    Head,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Everything, exactly as it was on the wire.
    pub(crate) raw: Vec<u8>,
    pub(crate) status: u16,
    /// In the order and the spelling of the wire.
    pub(crate) headers: Vec<(String, String)>,
    /// As text: what is no UTF-8 is replaced.
    pub(crate) body: String,
    /// The bytes of the body, without the frames of chunks.
    pub(crate) content: Vec<u8>,
}

/// A request without the headers that every request has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) json: Option<&'a str>,
}

/// Sends one request on a connection of its own.
pub(crate) async fn send(to: SocketAddr, request: &Request<'_>) -> Result<Answer, String> {
    Connection::open(to).await?.send(request).await
}

// ===== impl Connection =====

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Result<Self, String> {
        let stream = timeout(TIMEOUT, TcpStream::connect(to))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| format!("no connection to {to}: {error}"))?;
        Ok(Self {
            stream,
            to,
            awaited: Awaited::Body,
        })
    }

    pub(crate) async fn send(&mut self, request: &Request<'_>) -> Result<Answer, String> {
        self.write(request).await?;
        self.read().await
    }

    pub(crate) async fn write(&mut self, request: &Request<'_>) -> Result<(), String> {
        let Request {
            method,
            path,
            headers,
            json,
        } = request;
        self.awaited = match *method {
            "HEAD" => Awaited::Head,
            _ => Awaited::Body,
        };
        let mut bytes = format!("{method} {path} HTTP/1.1\r\n");
        if headers.iter().all(|(name, _)| *name != "host") {
            bytes.push_str(&format!("host: {}\r\n", self.to));
        }
        for (name, value) in *headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(json) = json {
            bytes.push_str("content-type: application/json\r\n");
            bytes.push_str(&format!("content-length: {}\r\n", json.len()));
        }
        bytes.push_str("\r\n");
        bytes.push_str(json.unwrap_or_default());
        self.stream
            .write_all(bytes.as_bytes())
            .await
            .map_err(|error| format!("{method} {path}: {error}"))
    }

    pub(crate) async fn read(&mut self) -> Result<Answer, String> {
        timeout(TIMEOUT, self.read_whole())
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")))
    }

    async fn read_whole(&mut self) -> Result<Answer, String> {
        let mut raw = Vec::new();
        let head = loop {
            if let Some(at) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if raw.len() > MAX_HEAD {
                return Err("the head of the answer does not end".to_owned());
            }
            self.more(&mut raw).await?;
        };
        let mut answer = Answer::from_head(&raw[..head])?;
        if answer.is_chunked() && self.awaited == Awaited::Body {
            answer.content = loop {
                match chunks(&raw[head..])? {
                    Some(content) => break content,
                    None => self.more(&mut raw).await?,
                }
            };
        } else {
            let length = match self.awaited {
                Awaited::Body => answer.length()?,
                Awaited::Head => 0,
            };
            while raw.len() < head + length {
                self.more(&mut raw).await?;
            }
            if raw.len() > head + length {
                return Err("more bytes than the answer announced".to_owned());
            }
            answer.content = raw[head..].to_vec();
        }
        answer.body = String::from_utf8_lossy(&answer.content).into_owned();
        answer.raw = raw;
        Ok(answer)
    }

    async fn more(&mut self, raw: &mut Vec<u8>) -> Result<(), String> {
        match self.stream.read_buf(raw).await {
            Ok(0) => Err(format!(
                "the connection ended after {} bytes of the answer",
                raw.len()
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error} after {} bytes of the answer", raw.len())),
        }
    }
}

// ===== impl Answer =====

impl Answer {
    fn from_head(head: &[u8]) -> Result<Self, String> {
        let head = std::str::from_utf8(head).map_err(|_| "the head is not UTF-8".to_owned())?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| format!("not an answer: {head:?}"))?;
        let headers = lines
            .map(|line| {
                line.split_once(": ")
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .ok_or_else(|| format!("not a header: {line:?}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            raw: Vec::new(),
            status,
            headers,
            body: String::new(),
            content: Vec::new(),
        })
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked"))
    }

    /// How long the body is. Neither the fleet nor Fastify chunks what is small and whole.
    fn length(&self) -> Result<usize, String> {
        if self.status == 204 || self.status == 304 {
            return Ok(0);
        }
        self.header("content-length")
            .ok_or_else(|| format!("an answer without a content-length: {:?}", self.headers))?
            .parse()
            .map_err(|_| "content-length is not a number".to_owned())
    }

    /// The bytes of the answer, with the value of `date` masked: all else is the same each time.
    pub(crate) fn recorded(&self) -> String {
        let raw = String::from_utf8_lossy(&self.raw);
        match self.header("date") {
            Some(date) => raw.replacen(date, "(now)", 1),
            None => raw.into_owned(),
        }
    }
}

/// The content of a chunked body, or `None` until all of it is there.
fn chunks(mut raw: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut content = Vec::new();
    loop {
        let Some(end) = raw.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let length = std::str::from_utf8(&raw[..end])
            .ok()
            .and_then(|line| usize::from_str_radix(line.split(';').next()?.trim(), 16).ok())
            .filter(|length| *length <= MAX_CHUNK)
            .ok_or("the length of a chunk cannot be read")?;
        raw = &raw[end + 2..];
        if raw.len() < length + 2 {
            return Ok(None);
        }
        if &raw[length..length + 2] != b"\r\n" {
            return Err("a chunk is longer than it says".to_owned());
        }
        content.extend_from_slice(&raw[..length]);
        raw = &raw[length + 2..];
        if length == 0 {
            return match raw.is_empty() {
                true => Ok(Some(content)),
                false => Err("more bytes than the answer announced".to_owned()),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_read_whole_or_not_yet() {
        let whole = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(chunks(whole), Ok(Some(b"abcde".to_vec())));
        for cut in 0..whole.len() {
            assert_eq!(chunks(&whole[..cut]), Ok(None), "{cut}");
        }
        for wrong in [&b"x\r\nabc\r\n"[..], b"1\r\nabc\r\n", b"0\r\n\r\nmore"] {
            assert!(chunks(wrong).is_err(), "{wrong:?}");
        }
    }
}
