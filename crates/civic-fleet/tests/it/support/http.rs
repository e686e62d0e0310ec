//! A caller that writes HTTP/1.1 by hand: what it sends and what it reads is on the page.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A request in the making.
#[derive(Debug)]
pub(crate) struct Call {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

pub(crate) fn get(target: impl Into<String>) -> Call {
    call("GET", target)
}

pub(crate) fn post(target: impl Into<String>) -> Call {
    call("POST", target)
}

pub(crate) fn call(method: &'static str, target: impl Into<String>) -> Call {
    Call {
        method,
        target: target.into(),
        headers: Vec::new(),
        body: None,
    }
}

// ===== impl Call =====

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &str) -> Self {
        let mut call = self.header("content-type", "application/json");
        call.body = Some(body.to_owned());
        call
    }

    pub(crate) fn replace_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self.header(name, value)
    }

    /// Sends it on a connection of its own. The answer has to have a known length.
    pub(crate) fn send(self, to: SocketAddr) -> Answer {
        let answer = self.send_any(to);
        assert_eq!(answer.header("transfer-encoding"), None);
        answer
    }

    /// [`send`](Self::send), and take whatever comes.
    pub(crate) fn send_any(self, to: SocketAddr) -> Answer {
        read(self.begin(to))
    }

    /// Sends it, and does not wait for the answer: drop the connection to go away.
    pub(crate) fn begin(self, to: SocketAddr) -> TcpStream {
        let mut stream = connect(to);
        let mut request = format!(
            "{} {} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(&self.body.unwrap_or_default());
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }
}

/// A connection on which nothing waits for ever.
pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Reads an answer that the end of the connection ends.
pub(crate) fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes)
}

// ===== impl Answer =====

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("an answer has a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut answer = Self {
            status: status.parse().unwrap(),
            headers: lines
                .map(|line| {
                    let (name, value) = line.split_once(':').unwrap();
                    (name.to_ascii_lowercase(), value.trim().to_owned())
                })
                .collect(),
            body: String::new(),
        };
        let body = &bytes[end + 4..];
        answer.body = String::from_utf8_lossy(body).into_owned();
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "two values of {name}");
        value
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Checks that this is an error in the platform's shape, with the answer's own status and
    /// correlation id.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        let body = self.json();
        let correlation_id = self.header("x-correlation-id").expect("a correlation id");
        assert_eq!(
            without_timestamp(&self.body),
            format!(
                r#"{{"statusCode":{status},"message":{},"correlationId":"{correlation_id}","timestamp":""}}"#,
                Value::from(message)
            )
        );
        assert!(body["timestamp"].is_string());
    }
}

/// The text with the value of its last `timestamp` member emptied, after a look at its form.
pub(crate) fn without_timestamp(body: &str) -> String {
    const MEMBER: &str = "\"timestamp\":\"";
    let start = body.rfind(MEMBER).expect("a timestamp") + MEMBER.len();
    let end = start + body[start..].find('"').unwrap();
    let shape: String = body[start..end]
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z");
    format!("{}{}", &body[..start], &body[end..])
}
