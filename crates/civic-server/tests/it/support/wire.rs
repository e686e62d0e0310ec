//! A caller that writes HTTP/1.1 by hand, to a server in memory or over a socket.

use axum::Router;
use civic_server::serve::MemoryConnector;
use civic_server::{Server, Shutdown};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinHandle;

/// A server in memory.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) connector: MemoryConnector,
    pub(crate) shutdown: Shutdown,
    pub(crate) server: JoinHandle<std::io::Result<()>>,
}

/// The caller's end of a connection: it sends requests and reads answers as they come.
pub(crate) struct Caller(Box<dyn Io>);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An answer, read to the end of its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

// ===== impl Served =====

impl Served {
    pub(crate) fn start(app: Router) -> Self {
        Self::start_with(app, |server| server)
    }

    pub(crate) fn start_with(app: Router, change: impl FnOnce(Server) -> Server) -> Self {
        let (server, connector) = Server::in_memory();
        let server = change(server);
        let shutdown = Shutdown::new();
        let server = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { server.serve(app, &shutdown).await }
        });
        Self {
            connector,
            shutdown,
            server,
        }
    }

    pub(crate) fn connect(&self) -> Caller {
        Caller::new(self.connector.connect().expect("the server listens"))
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(self) {
        self.server.await.unwrap().unwrap();
    }
}

// ===== impl Caller =====

impl Caller {
    pub(crate) fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Box::new(io))
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends bytes that the server may not want any more.
    pub(crate) async fn try_write(&mut self, text: &str) -> std::io::Result<()> {
        self.0.write_all(text.as_bytes()).await
    }

    /// Asks for a path.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.write(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        self.answer().await
    }

    /// Reads one answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = self.0.read_u8().await;
            head.push(byte.unwrap_or_else(|error| {
                panic!("{error} after {:?}", String::from_utf8_lossy(&head))
            }));
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut answer = Answer {
            status: status.parse().unwrap(),
            headers: lines
                .map(|line| {
                    let (name, value) = line.split_once(':').unwrap();
                    (name.to_ascii_lowercase(), value.trim().to_owned())
                })
                .collect(),
            body: String::new(),
        };
        let length = answer.header("content-length").map(str::parse::<usize>);
        let mut body = vec![0; length.map_or(0, Result::unwrap)];
        self.0.read_exact(&mut body).await.unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    /// Reads at most `max` bytes, and returns how many it has read.
    pub(crate) async fn some(&mut self, max: usize) -> usize {
        let mut bytes = vec![0; max];
        self.0.read(&mut bytes).await.unwrap_or(0)
    }

    /// Reads until the server closes the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A connection that is cut off may be reset.
        let _ = self.0.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

// ===== impl Answer =====

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "two values of {name}");
        value
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
