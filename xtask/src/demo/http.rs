//! As much of HTTP/1.1 as the demo has to read: one message at a time, its bytes kept as they came.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer of the fleet takes; a peer that hangs ends the demo, not the patience.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
const MAX_MESSAGE: usize = 4 << 20;

/// A request or a response.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    /// The first line.
    pub(super) start: String,
    pub(super) headers: Vec<(String, String)>,
    /// Without transfer coding.
    pub(super) body: Vec<u8>,
    /// Everything, exactly as it was on the wire.
    pub(super) raw: Vec<u8>,
    /// Whether the peer broke off before the end that it had announced.
    pub(super) cut_short: bool,
}

/// What decides where a message ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'a> {
    Request,
    /// The answer to a request with this method.
    Response(&'a str),
}

// ===== impl Message =====

impl Message {
    /// Reads the next message; `None` when the peer has closed the connection between two of them.
    pub(super) fn read(from: &mut impl BufRead, kind: Kind<'_>) -> io::Result<Option<Self>> {
        let mut message = Self::default();
        let Some(start) = message.line(from)? else {
            return Ok(None);
        };
        message.start = start;
        loop {
            let line = message.line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| io::Error::other(format!("not a header: {line}")))?;
            message
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        message.read_body(from, kind)?;
        Ok(Some(message))
    }

    /// The first value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The status of a response.
    pub(super) fn status(&self) -> u16 {
        self.start
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0)
    }

    /// The method of a request.
    pub(super) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    pub(super) fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn read_body(&mut self, from: &mut impl BufRead, kind: Kind<'_>) -> io::Result<()> {
        let chunked = self
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        let length = self
            .header("content-length")
            .map(|text| text.parse::<usize>().map_err(io::Error::other))
            .transpose()?;
        let bodiless = match kind {
            Kind::Request => length.is_none() && !chunked,
            Kind::Response(method) => {
                method == "HEAD" || matches!(self.status(), 100..=199 | 204 | 304)
            }
        };
        if bodiless {
            return Ok(());
        }
        if chunked {
            return self.read_chunks(from);
        }
        match length {
            Some(length) => self.take(from, length),
            None => {
                let before = self.raw.len();
                from.take(MAX_MESSAGE as u64).read_to_end(&mut self.raw)?;
                self.body.extend_from_slice(&self.raw[before..]);
                Ok(())
            }
        }
    }

    fn read_chunks(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        loop {
            let Some(line) = self.line(from)? else {
                self.cut_short = true;
                break;
            };
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            if size == 0 {
                break;
            }
            self.take(from, size)?;
            self.line(from)?;
        }
        // Trailers, then the empty line that ends them.
        while self.line(from)?.is_some_and(|line| !line.is_empty()) {}
        Ok(())
    }

    fn take(&mut self, from: &mut impl BufRead, length: usize) -> io::Result<()> {
        if length > MAX_MESSAGE {
            return Err(io::Error::other("the message is too long for the demo"));
        }
        let before = self.raw.len();
        let read = from.take(length as u64).read_to_end(&mut self.raw)?;
        self.cut_short |= read < length;
        self.body.extend_from_slice(&self.raw[before..]);
        Ok(())
    }

    /// The next line without its end; `None` at the end of the stream.
    fn line(&mut self, from: &mut impl BufRead) -> io::Result<Option<String>> {
        let before = self.raw.len();
        if from.take(64 * 1024).read_until(b'\n', &mut self.raw)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&self.raw[before..]);
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// Sends one request on a connection of its own and reads the answer.
pub(super) fn send(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> io::Result<Message> {
    let mut stream = connect(to)?;
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        request.push_str("content-type: application/json\r\n");
        request.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    request.push_str(body.unwrap_or_default());
    stream.write_all(request.as_bytes())?;
    Message::read(&mut io::BufReader::new(stream), Kind::Response(method))?
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A connection whose reads and writes end after [`PATIENCE`].
pub(super) fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
