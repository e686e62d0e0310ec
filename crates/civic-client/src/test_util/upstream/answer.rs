//! Acting a step out.

use std::io;

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::test_util::upstream::step::{Act, Close, Step};

/// What became of the connection.
pub(super) enum After {
    KeepAlive(TcpStream),
    Closed,
    /// The caller closed it before its answer was complete.
    Abandoned,
}

/// Closes with RST instead of FIN.
pub(super) fn reset(stream: TcpStream) {
    // Failing to set it would turn the reset into a FIN, and a test into a lie.
    stream
        .set_zero_linger()
        .expect("SO_LINGER can be set on a TCP socket");
    drop(stream);
}

impl Step {
    pub(super) async fn answer(self, mut stream: TcpStream, method: &Method) -> After {
        tokio::select! {
            () = sleep(self.delay) => {}
            () = closed_by_peer(&mut stream), if !self.delay.is_zero() => return After::Abandoned,
        }
        // A write fails only when the caller has gone.
        self.act_out(stream, method)
            .await
            .unwrap_or(After::Abandoned)
    }

    async fn act_out(self, mut stream: TcpStream, method: &Method) -> io::Result<After> {
        let length = self.body.len();
        match self.act {
            Act::Answer => {
                let mut message = self.head(length);
                if *method != Method::HEAD {
                    message.extend_from_slice(&self.body);
                }
                stream.write_all(&message).await?;
                return Ok(match self.close {
                    Close::Never => After::KeepAlive(stream),
                    Close::Announced | Close::Silent => After::Closed,
                });
            }
            Act::ResetAtAccept | Act::Reset => reset(stream),
            Act::Fin => drop(stream),
            Act::HalfHead => stream.write_all(b"HTTP/1.1 20").await?,
            Act::Garbage => {
                stream
                    .write_all(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
                    .await?;
            }
            Act::ResetInBody => {
                self.begin(&mut stream, length + 1).await?;
                // Linux lets the caller read what had arrived before the reset.
                reset(stream);
            }
            Act::FinInBody => self.begin(&mut stream, length + 1).await?,
            Act::Drip { every } => {
                stream.write_all(&self.head(length)).await?;
                stream.set_nodelay(true)?;
                for byte in &self.body {
                    tokio::select! {
                        () = sleep(every) => stream.write_all(&[*byte]).await?,
                        () = closed_by_peer(&mut stream) => return Ok(After::Abandoned),
                    }
                }
                return Ok(After::KeepAlive(stream));
            }
            Act::Hang => {
                closed_by_peer(&mut stream).await;
                return Ok(After::Abandoned);
            }
            Act::HangInBody => {
                self.begin(&mut stream, length + 1).await?;
                closed_by_peer(&mut stream).await;
                return Ok(After::Abandoned);
            }
        }
        Ok(After::Closed)
    }

    /// The head that announces `length`, and the body as far as there is one.
    async fn begin(&self, stream: &mut TcpStream, length: usize) -> io::Result<()> {
        let mut message = self.head(length);
        message.extend_from_slice(&self.body);
        stream.write_all(&message).await
    }

    fn head(&self, length: usize) -> Vec<u8> {
        let reason = self.status.canonical_reason().unwrap_or("Status");
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status.as_u16()).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        // RFC 9110 8.6: none with 1xx and 204; with 304 it would describe another answer.
        let bodiless = matches!(
            self.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        if self.length && !bodiless && !self.headers.contains_key("content-length") {
            head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        if self.close == Close::Announced {
            head.extend_from_slice(b"connection: close\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// Waits until the caller has closed or reset the connection; bytes it may still send are dropped.
async fn closed_by_peer(stream: &mut TcpStream) {
    let mut bin = [0; 1024];
    while stream.read(&mut bin).await.is_ok_and(|read| read > 0) {}
}
